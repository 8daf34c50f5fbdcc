//! Files on their way in and out: uploads and downloads of artifacts.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use function_runner_core::{Artifact, ArtifactStore, ByteStream, Error, ErrorKind, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tempfile::NamedTempFile;
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::spawn_blocking,
};

use crate::Runner;

/// How many bytes of a file are read at once.
const CHUNK: usize = 256 << 10;

/// The media types told by a file's extension; others are `application/octet-stream`.
const MEDIA_TYPES: [(&str, &str); 20] = [
    ("avif", "image/avif"),
    ("csv", "text/csv"),
    ("flac", "audio/flac"),
    ("gif", "image/gif"),
    ("html", "text/html"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("md", "text/markdown"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("ogg", "audio/ogg"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("zip", "application/zip"),
];

impl Runner {
    /// Uploads a file, in pieces, and gives the artifact that stands for it in inputs: named like the file, its
    /// media type by the file's extension.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] where it cannot be read; [`ErrorKind::Unsupported`] where no artifact store is behind this
    /// runner; what the store says.
    ///
    /// # Examples
    ///
    /// ```
    /// # use function_runner_client::prelude::*;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let (photo, copy) = (folder.path().join("photo.png"), folder.path().join("copy.png"));
    /// # std::fs::write(&photo, "pixels")?;
    /// let runner = Runner::connect("memory:").await?;
    /// let artifact = runner.upload(&photo).await?;
    /// assert_eq!((artifact.media_type.as_str(), artifact.name.as_deref()), ("image/png", Some("photo.png")));
    ///
    /// runner.download(&artifact, &copy).await?;
    /// assert_eq!(std::fs::read(copy)?, std::fs::read(photo)?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn upload(&self, path: impl AsRef<Path>) -> Result<Artifact> {
        let path = path.as_ref();
        let store = self.store()?;
        let file = File::open(path).await.map_err(|error| unreadable(path, error))?;
        let artifact = store.put(content_of(file, path.to_owned()), media_type(path)).await?;
        Ok(match path.file_name() {
            Some(name) => artifact.named(name.to_string_lossy()),
            None => artifact,
        })
    }

    /// Uploads these bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] where no artifact store is behind this runner; what the store says.
    pub async fn upload_bytes(&self, bytes: impl Into<Vec<u8>>, media_type: &str) -> Result<Artifact> {
        let bytes = bytes.into();
        self.store()?.put(stream::iter([Ok(bytes.into())]).boxed(), media_type).await
    }

    /// Downloads an artifact to this path, in pieces, over what is there.
    ///
    /// The file appears whole and verified or not at all: it is written beside its place and moved there at the
    /// end. An error, or a drop half-way, leaves what was there.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnknownArtifact`]; [`ErrorKind::DigestMismatch`] where the content was damaged;
    /// [`ErrorKind::Io`] where the file cannot be written; [`ErrorKind::Unsupported`] where no artifact store is
    /// behind this runner.
    pub async fn download(&self, artifact: &Artifact, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref().to_owned();
        let content = self.store()?.get(&artifact.sha256, None).await?;
        let arriving = {
            let path = path.clone();
            in_background(move || begin_beside(&path)).await?
        };
        let size = receive(content, &arriving, &path).await?;
        if size != artifact.size_bytes {
            let message =
                format!("the content has {size} bytes and the artifact says {}", artifact.size_bytes);
            return Err(
                Error::new(ErrorKind::DigestMismatch, message).with_context("sha256", artifact.sha256)
            );
        }
        in_background(move || match arriving.persist(&path) {
            Ok(_) => Ok(()),
            Err(refused) => Err(unwritable(&path, refused.error)),
        })
        .await
    }

    fn store(&self) -> Result<&Arc<dyn ArtifactStore>> {
        self.connection().artifacts.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "no artifact store is behind this runner")
                .with_help("give its connection one: `Runner::over(connection.with_artifacts(…))`")
        })
    }
}

/// The content of a file, piece by piece.
fn content_of(file: File, path: PathBuf) -> ByteStream {
    stream::try_unfold((file, path), |(mut file, path)| async move {
        let mut chunk = vec![0; CHUNK];
        let read = file.read(&mut chunk).await.map_err(|error| unreadable(&path, error))?;
        chunk.truncate(read);
        Ok((read > 0).then(|| (chunk.into(), (file, path))))
    })
    .boxed()
}

fn media_type(path: &Path) -> &'static str {
    let extension =
        path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
    let known = MEDIA_TYPES.iter().find(|(known, _)| *known == extension);
    known.map_or("application/octet-stream", |(_, media_type)| media_type)
}

/// A file beside its place to be, removed unless it gets there.
fn begin_beside(path: &Path) -> Result<NamedTempFile> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".fnr-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // a temporary file is its owner's alone; this one is to be like any other when it is in its place
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder).map_err(|error| unwritable(path, error))
}

async fn receive(mut content: ByteStream, arriving: &NamedTempFile, path: &Path) -> Result<u64> {
    let file = arriving.as_file().try_clone().map_err(|error| unwritable(path, error))?;
    let (mut file, mut size) = (File::from_std(file), 0);
    while let Some(bytes) = content.try_next().await? {
        size += bytes.len() as u64;
        file.write_all(&bytes).await.map_err(|error| unwritable(path, error))?;
    }
    file.flush().await.map_err(|error| unwritable(path, error))?;
    file.sync_all().await.map_err(|error| unwritable(path, error))?;
    Ok(size)
}

async fn in_background<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Error::new(ErrorKind::Io, "the work on a file was given up").with_source(error))
    })
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, "cannot read the file to upload")
        .with_context("path", path.display())
        .with_source(error)
}

fn unwritable(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, "cannot write the downloaded file")
        .with_context("path", path.display())
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_is_told_by_the_extension() {
        assert_eq!(media_type(Path::new("a/Photo.JPG")), "image/jpeg");
        assert_eq!(media_type(Path::new("archive.tar.zip")), "application/zip");
        assert_eq!(media_type(Path::new(".png")), "application/octet-stream");
        assert_eq!(media_type(Path::new("noise")), "application/octet-stream");
    }
}
