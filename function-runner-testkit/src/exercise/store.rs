//! Artifacts in memory, and a store that tells what was done with it.

use std::{
    collections::HashMap,
    fmt,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use function_runner_core::{Artifact, ArtifactStore, ByteStream, Digest, Error, ErrorKind, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};

/// Artifacts in memory, for bodies whose test brings no store. Clones are the same store.
#[derive(Clone, Debug, Default)]
pub(crate) struct InMemory(Arc<Mutex<HashMap<Digest, Bytes>>>);

impl InMemory {
    /// Keeps this content.
    pub(crate) fn keep(&self, content: Bytes) -> Digest {
        let digest = Digest::of(&content);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(digest, content);
        digest
    }

    fn find(&self, digest: &Digest) -> Result<Bytes> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(digest)
            .cloned()
            .ok_or_else(|| Error::new(ErrorKind::UnknownArtifact, "no artifact of this content was put"))
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ArtifactStore for InMemory {
    async fn put(&self, content: ByteStream, media_type: &str) -> Result<Artifact> {
        let pieces: Vec<Bytes> = content.try_collect().await?;
        let content = Bytes::from(pieces.concat());
        let size = content.len() as u64;
        Ok(Artifact::new(self.keep(content), size, media_type))
    }

    async fn get(&self, content: &Digest, range: Option<Range<u64>>) -> Result<ByteStream> {
        let bytes = self.find(content)?;
        let range = range.unwrap_or(0..bytes.len() as u64);
        if range.start > range.end || range.end > bytes.len() as u64 {
            return Err(Error::new(ErrorKind::InvalidCall, "the range goes past the end of the artifact"));
        }
        let part = bytes.slice(range.start as usize..range.end as usize);
        Ok(stream::once(async { Ok(part) }).boxed())
    }

    async fn head(&self, content: &Digest) -> Result<u64> {
        Ok(self.find(content)?.len() as u64)
    }
}

/// What a body did with its store.
#[derive(Debug, Default)]
pub(super) struct Noted {
    /// What it put, in order.
    pub(super) put: Vec<Digest>,
    /// How often it called put, get and head.
    pub(super) calls: [u64; 3],
}

/// A store that notes what is done with it, and takes its time where it is asked to. Clones are the same store.
#[derive(Clone)]
pub(super) struct Noting {
    inner: Arc<dyn ArtifactStore>,
    noted: Arc<Mutex<Noted>>,
    slow: bool,
}

impl Noting {
    pub(super) fn new(inner: Arc<dyn ArtifactStore>, slow: bool) -> Self {
        Self { inner, noted: Arc::default(), slow }
    }

    pub(super) fn noted(&self) -> std::sync::MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Noting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Noting").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ArtifactStore for Noting {
    async fn put(&self, content: ByteStream, media_type: &str) -> Result<Artifact> {
        self.noted().calls[0] += 1;
        let content = if self.slow { slowly(content) } else { content };
        let artifact = self.inner.put(content, media_type).await?;
        self.noted().put.push(artifact.sha256);
        Ok(artifact)
    }

    async fn get(&self, content: &Digest, range: Option<Range<u64>>) -> Result<ByteStream> {
        self.noted().calls[1] += 1;
        let content = self.inner.get(content, range).await?;
        Ok(if self.slow { slowly(content) } else { content })
    }

    async fn head(&self, content: &Digest) -> Result<u64> {
        self.noted().calls[2] += 1;
        if self.slow {
            linger().await;
        }
        self.inner.head(content).await
    }
}

/// The same bytes in small pieces, each after a while.
fn slowly(content: ByteStream) -> ByteStream {
    let pieces = content.flat_map(|piece| match piece {
        Ok(piece) => {
            let size = piece.len().div_ceil(5).max(1);
            let mut rest = piece;
            let cut = std::iter::from_fn(move || {
                let next = rest.split_to(size.min(rest.len()));
                (!next.is_empty()).then_some(Ok(next))
            });
            stream::iter(cut.collect::<Vec<_>>()).boxed()
        }
        Err(error) => stream::iter([Err(error)]).boxed(),
    });
    pieces
        .then(|piece| async {
            linger().await;
            piece
        })
        .boxed()
}

async fn linger() {
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    if tokio::runtime::Handle::try_current().is_ok() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
