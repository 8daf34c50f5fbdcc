//! Stores of artifacts with one thing wrong.

use std::{
    fmt, fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use function_runner_backends::folder::FolderStore;
use function_runner_core::{Artifact, ArtifactStore, ByteStream, Digest, Error, ErrorKind, Result};
use function_runner_testkit::conformance::{
    Case,
    artifacts::{Damaging, Opening},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};

/// What is wrong with a store of artifacts: everything that a thing does not change is as it should be.
#[async_trait]
pub(crate) trait BrokenStore: fmt::Debug + Default + Send + Sync + 'static {
    async fn put(&self, good: &FolderStore, content: ByteStream, media_type: &str) -> Result<Artifact> {
        good.put(content, media_type).await
    }

    async fn get(
        &self,
        good: &FolderStore,
        content: &Digest,
        range: Option<Range<u64>>,
    ) -> Result<ByteStream> {
        good.get(content, range).await
    }

    async fn head(&self, good: &FolderStore, content: &Digest) -> Result<u64> {
        good.head(content).await
    }
}

fn folder(case: &Case) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("catches").join(&case.namespace)
}

/// Opens the store of a case, which has this wrong.
pub(crate) fn open<B: BrokenStore>(case: Case) -> Opening {
    Box::pin(async move {
        let folder = folder(&case);
        let good = FolderStore::open(&folder).expect("the folder of the tests can be written");
        let store: Arc<dyn ArtifactStore> = Arc::new(Wrapped { good, folder, broken: B::default() });
        store
    })
}

/// Changes what is kept of this content.
pub(crate) fn damage(case: Case, content: Digest) -> Damaging {
    Box::pin(async move {
        let good = FolderStore::open(folder(&case)).expect("the folder of the tests can be written");
        fs::write(good.path(&content), "damaged").expect("the content was put");
    })
}

/// A broken store in a folder that goes with it.
#[derive(Debug)]
struct Wrapped<B> {
    good: FolderStore,
    folder: PathBuf,
    broken: B,
}

impl<B> Drop for Wrapped<B> {
    fn drop(&mut self) {
        // what is left lies in the folder of the tests, and disturbs nobody
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<B: BrokenStore> ArtifactStore for Wrapped<B> {
    async fn put(&self, content: ByteStream, media_type: &str) -> Result<Artifact> {
        self.broken.put(&self.good, content, media_type).await
    }

    async fn get(&self, content: &Digest, range: Option<Range<u64>>) -> Result<ByteStream> {
        self.broken.get(&self.good, content, range).await
    }

    async fn head(&self, content: &Digest) -> Result<u64> {
        self.broken.head(&self.good, content).await
    }
}

/// Nothing is wrong.
#[derive(Debug, Default)]
pub(crate) struct Nothing;

impl BrokenStore for Nothing {}

/// Keeps no more than the first chunk.
#[derive(Debug, Default)]
pub(crate) struct FirstChunkKept;

#[async_trait]
impl BrokenStore for FirstChunkKept {
    async fn put(&self, good: &FolderStore, content: ByteStream, media_type: &str) -> Result<Artifact> {
        good.put(content.take(1).boxed(), media_type).await
    }
}

/// Refuses content that it has.
#[derive(Debug, Default)]
pub(crate) struct PutAgainRefused;

#[async_trait]
impl BrokenStore for PutAgainRefused {
    async fn put(&self, good: &FolderStore, content: ByteStream, media_type: &str) -> Result<Artifact> {
        let chunks: Vec<Bytes> = content.try_collect().await?;
        if good.head(&Digest::of(&chunks.concat())).await.is_ok() {
            return Err(Error::new(ErrorKind::Conflict, "it is here already"));
        }
        good.put(stream::iter(chunks.into_iter().map(Ok)).boxed(), media_type).await
    }
}

/// Keeps what came before a stream failed.
#[derive(Debug, Default)]
pub(crate) struct FailedStreamKept;

#[async_trait]
impl BrokenStore for FailedStreamKept {
    async fn put(&self, good: &FolderStore, content: ByteStream, media_type: &str) -> Result<Artifact> {
        let items: Vec<Result<Bytes>> = content.collect().await;
        let mut failed = None;
        let came = items.into_iter().filter_map(|item| item.map_err(|error| failed = Some(error)).ok());
        let came: Vec<Result<Bytes>> = came.map(Ok).collect();
        let artifact = good.put(stream::iter(came).boxed(), media_type).await?;
        failed.map_or(Ok(artifact), Err)
    }
}

/// Gives everything from where a range begins.
#[derive(Debug, Default)]
pub(crate) struct RangeEndIgnored;

#[async_trait]
impl BrokenStore for RangeEndIgnored {
    async fn get(
        &self,
        good: &FolderStore,
        content: &Digest,
        range: Option<Range<u64>>,
    ) -> Result<ByteStream> {
        let size = good.head(content).await?;
        good.get(content, range.map(|range| range.start..size.max(range.end))).await
    }
}

/// Gives of a range past the end what there is.
#[derive(Debug, Default)]
pub(crate) struct RangeCutAtTheEnd;

#[async_trait]
impl BrokenStore for RangeCutAtTheEnd {
    async fn get(
        &self,
        good: &FolderStore,
        content: &Digest,
        range: Option<Range<u64>>,
    ) -> Result<ByteStream> {
        let size = good.head(content).await?;
        good.get(content, range.map(|range| range.start.min(size)..range.end.min(size))).await
    }
}

/// Tells no size.
#[derive(Debug, Default)]
pub(crate) struct SizeUnknown;

#[async_trait]
impl BrokenStore for SizeUnknown {
    async fn head(&self, good: &FolderStore, content: &Digest) -> Result<u64> {
        good.head(content).await.map(|_| 0)
    }
}

/// Takes what was never put for an empty file.
#[derive(Debug, Default)]
pub(crate) struct UnknownIsEmpty;

#[async_trait]
impl BrokenStore for UnknownIsEmpty {
    async fn get(
        &self,
        good: &FolderStore,
        content: &Digest,
        range: Option<Range<u64>>,
    ) -> Result<ByteStream> {
        match good.get(content, range).await {
            Err(error) if error.kind() == ErrorKind::UnknownArtifact => Ok(stream::empty().boxed()),
            answer => answer,
        }
    }
}

/// Gives what it keeps without looking at it.
#[derive(Debug, Default)]
pub(crate) struct DamageUnseen;

#[async_trait]
impl BrokenStore for DamageUnseen {
    async fn get(
        &self,
        good: &FolderStore,
        content: &Digest,
        range: Option<Range<u64>>,
    ) -> Result<ByteStream> {
        let size = good.head(content).await?;
        good.get(content, range.or(Some(0..size))).await
    }
}

/// Refuses a put while another is on its way.
#[derive(Debug, Default)]
pub(crate) struct OnePutAtATime(AtomicU32);

#[async_trait]
impl BrokenStore for OnePutAtATime {
    async fn put(&self, good: &FolderStore, content: ByteStream, media_type: &str) -> Result<Artifact> {
        let others = self.0.fetch_add(1, Ordering::SeqCst);
        let put = async {
            match others {
                0 => good.put(content, media_type).await,
                _ => Err(Error::new(ErrorKind::Conflict, "another put is on its way")),
            }
        };
        let answer = put.await;
        self.0.fetch_sub(1, Ordering::SeqCst);
        answer
    }
}
