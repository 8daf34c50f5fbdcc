//! An artifact store in a folder: each content once, under its SHA-256.

use std::{fs, io, ops::Range, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use function_runner_core::{Artifact, ArtifactStore, ByteStream, Digest, Error, ErrorKind, Result, TaskId};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{
    GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt as _, PutPayload,
    local::LocalFileSystem, path::Path,
};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::sweep::Sweep;

/// How many bytes are collected before they are written.
const CHUNK: usize = 1 << 20;

/// An artifact store in a folder: each content once, under its SHA-256.
///
/// Content arrives beside its place and is moved there when it is complete, so whoever reads sees all of it or nothing.
///
/// # Examples
///
/// ```
/// # futures::executor::block_on(async {
/// use function_runner_backends::folder::FolderStore;
/// use function_runner_core::{ArtifactStore, Error};
/// use futures::{StreamExt, TryStreamExt, stream};
///
/// let store = FolderStore::temporary()?;
/// let content = stream::iter([Ok("hello ".into()), Ok("world".into())]).boxed();
/// let artifact = store.put(content, "text/plain").await?;
/// assert_eq!(artifact.size_bytes, 11);
/// let back: Vec<_> = store.get(&artifact.sha256, None).await?.try_collect().await?;
/// assert_eq!(back.concat(), b"hello world");
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct FolderStore {
    files: Arc<LocalFileSystem>,
    folder: PathBuf,
    /// What forgets files, where it was asked for.
    sweep: Option<Arc<Sweep>>,
    /// Removed with the last clone, where the folder is a temporary one.
    _temporary: Option<Arc<TempDir>>,
}

impl FolderStore {
    /// A store in this folder, which is made where it is missing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] where it cannot be made or written.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self> {
        let folder = folder.into();
        let io = |source: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(ErrorKind::Io, "cannot open the artifact folder")
                .with_context("folder", folder.display())
                .with_source(source)
        };
        fs::create_dir_all(&folder).map_err(|error| io(error.into()))?;
        let files = LocalFileSystem::new_with_prefix(&folder)
            .map_err(|error| io(error.into()))?
            .with_automatic_cleanup(false);
        Ok(Self { files: Arc::new(files), folder, sweep: None, _temporary: None })
    }

    /// A store in a folder of its own that is removed with the last clone of it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] where it cannot be made.
    pub fn temporary() -> Result<Self> {
        let made = tempfile::Builder::new().prefix("fnr-artifacts-").tempdir();
        let folder = made.map_err(|error| {
            Error::new(ErrorKind::Io, "cannot make a temporary folder").with_source(error)
        })?;
        let store = Self::open(folder.path())?;
        Ok(Self { _temporary: Some(Arc::new(folder)), ..store })
    }

    /// Forgets what nobody has put, read or looked up for this long; without it everything is kept for ever.
    ///
    /// Files go in small steps, one now and one with each put, so after that time, not at it. Each use of a file, by
    /// whichever process that opened the folder so, gives it the whole time anew; it is told by the file's time of
    /// modification. Uploads that were cut off by the death of their process go likewise.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use function_runner_backends::folder::FolderStore;
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("artifacts");
    /// let store = FolderStore::open(path)?.forgetting(Duration::from_secs(8 * 24 * 3600));
    /// # Ok::<(), function_runner_core::Error>(())
    /// ```
    #[must_use]
    pub fn forgetting(mut self, unused: Duration) -> Self {
        let sweep = Sweep::new(&self.folder, unused);
        sweep.step();
        self.sweep = Some(Arc::new(sweep));
        self
    }

    /// Where this content lies, for programs that take paths; it may not exist.
    #[must_use]
    pub fn path(&self, content: &Digest) -> PathBuf {
        self.folder.join(place(content).as_ref())
    }

    /// Moves what has arrived whole to its place.
    async fn settle(&self, arriving: &Path, content: &Digest) -> Result<()> {
        let place = place(content);
        let Some(sweep) = &self.sweep else {
            return self.files.rename(arriving, &place).await.map_err(unwritable);
        };
        let (from, to) = (self.folder.join(arriving.as_ref()), self.path(content));
        let moved = sweep.keeping(|| {
            to.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::rename(&from, &to)
        });
        sweep.step();
        moved.map_err(|error| Error::new(ErrorKind::Io, "cannot write the artifact").with_source(error))
    }

    /// It is used: it stays.
    fn renew(&self, content: &Digest) {
        if let Some(sweep) = &self.sweep {
            sweep.renew(&self.path(content));
        }
    }

    async fn receive(
        &self,
        mut content: ByteStream,
        upload: &mut dyn MultipartUpload,
    ) -> Result<(Digest, u64)> {
        let (mut hash, mut size, mut chunk) = (Sha256::new(), 0, Vec::new());
        while let Some(bytes) = content.try_next().await? {
            hash.update(&bytes);
            size += bytes.len() as u64;
            chunk.extend_from_slice(&bytes);
            if chunk.len() >= CHUNK {
                upload.put_part(PutPayload::from(std::mem::take(&mut chunk))).await.map_err(unwritable)?;
            }
        }
        upload.put_part(PutPayload::from(chunk)).await.map_err(unwritable)?;
        upload.complete().await.map_err(unwritable)?;
        Ok((Digest::from_bytes(hash.finalize().into()), size))
    }
}

/// Two characters of fan-out keep folders small.
fn place(content: &Digest) -> Path {
    let hex = content.to_string();
    Path::from(format!("sha256/{}/{hex}", &hex[..2]))
}

fn unwritable(error: object_store::Error) -> Error {
    let full = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::StorageFull);
    let error = Error::new(ErrorKind::Io, "cannot write the artifact").with_source(error);
    if full { error.with_help("the disk is full: free some room and try again") } else { error }
}

fn unreadable(error: object_store::Error, content: &Digest) -> Error {
    match error {
        object_store::Error::NotFound { .. } => {
            Error::new(ErrorKind::UnknownArtifact, "no such artifact").with_context("sha256", content)
        }
        error => Error::new(ErrorKind::Io, "cannot read the artifact")
            .with_context("sha256", content)
            .with_source(error),
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ArtifactStore for FolderStore {
    async fn put(&self, content: ByteStream, media_type: &str) -> Result<Artifact> {
        let arriving = Path::from(format!("arriving/{}", TaskId::unique()));
        let mut upload = self.files.put_multipart(&arriving).await.map_err(unwritable)?;
        // a dropped upload removes what it wrote, and so does one that is aborted
        let (digest, size) = match self.receive(content, upload.as_mut()).await {
            Ok(received) => received,
            Err(error) => {
                // what arrived is of no use to anybody; the first error is the one to tell
                let _ = upload.abort().await;
                return Err(error);
            }
        };
        self.settle(&arriving, &digest).await?;
        Ok(Artifact::new(digest, size, media_type))
    }

    async fn get(&self, content: &Digest, range: Option<Range<u64>>) -> Result<ByteStream> {
        self.renew(content);
        let digest = *content;
        let verify = range.is_none();
        if let Some(range) = &range {
            let size = self.head(content).await?;
            if range.start > range.end || range.end > size {
                let message =
                    format!("the range {}..{} is past the end of {size} bytes", range.start, range.end);
                return Err(Error::new(ErrorKind::InvalidCall, message).with_context("sha256", content));
            }
            if range.is_empty() {
                return Ok(stream::empty().boxed());
            }
        }
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let got = self
            .files
            .get_opts(&place(content), options)
            .await
            .map_err(|error| unreadable(error, content))?;
        let bytes = got.into_stream().map_err(move |error| unreadable(error, &digest)).boxed();
        Ok(if verify { verified(bytes, digest) } else { bytes })
    }

    async fn head(&self, content: &Digest) -> Result<u64> {
        self.renew(content);
        let meta = self.files.head(&place(content)).await.map_err(|error| unreadable(error, content))?;
        Ok(meta.size)
    }
}

/// The same bytes, with an error behind them where they are not this content.
fn verified(bytes: ByteStream, digest: Digest) -> ByteStream {
    let start = (bytes, Some(Sha256::new()));
    stream::unfold(start, move |(mut bytes, hash)| async move {
        let mut hash = hash?;
        match bytes.next().await {
            Some(Ok(chunk)) => {
                hash.update(&chunk);
                Some((Ok::<Bytes, Error>(chunk), (bytes, Some(hash))))
            }
            Some(Err(error)) => Some((Err(error), (bytes, None))),
            None if Digest::from_bytes(hash.finalize().into()) == digest => None,
            None => {
                let error = Error::new(ErrorKind::DigestMismatch, "the stored artifact is damaged");
                Some((Err(error.with_context("sha256", digest)), (bytes, None)))
            }
        }
    })
    .boxed()
}
