//! An artifact store over a bad network.

use std::{ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use function_runner_core::{Artifact, ArtifactStore, ByteStream, Digest, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{Call, Fault, Faulty, plan::Struck};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<E: ArtifactStore> ArtifactStore for Faulty<E> {
    async fn put(&self, content: ByteStream, media_type: &str) -> Result<Artifact> {
        let struck = self.faults.next(Call::Put);
        // collected, so that a copy can arrive: what breaks on the caller's side breaks once
        let pieces: Vec<Bytes> = content.try_collect().await?;
        let put = |inner: Arc<E>| {
            let content = stream::iter(pieces.clone().into_iter().map(Ok)).boxed();
            let (content, media_type) = (broken(&struck, content), media_type.to_owned());
            async move { inner.put(content, &media_type).await }
        };
        self.carry(&struck, put).await
    }

    async fn get(&self, content: &Digest, range: Option<Range<u64>>) -> Result<ByteStream> {
        let struck = self.faults.next(Call::Get);
        let content = *content;
        let get = |inner: Arc<E>| {
            let range = range.clone();
            async move { inner.get(&content, range).await }
        };
        Ok(broken(&struck, self.carry(&struck, get).await?))
    }

    async fn head(&self, content: &Digest) -> Result<u64> {
        let content = *content;
        self.call(Call::Head, |inner| async move { inner.head(&content).await }).await
    }
}

/// This content, broken off where that is planned.
fn broken(struck: &Struck, content: ByteStream) -> ByteStream {
    let Some(Fault::Cut { after }) = struck.breaks(0) else { return content };
    let first = (content, Some(struck.clone()), after);
    stream::unfold(first, move |(mut content, mut struck, left)| async move {
        let cut = |struck: &mut Option<Struck>| struck.take()?.strike(Fault::Cut { after });
        if left == 0
            && let Some(planted) = cut(&mut struck)
        {
            return Some((Err(planted.error()), (stream::empty().boxed(), None, 0)));
        }
        let mut piece = match content.next().await? {
            Ok(piece) => piece,
            Err(error) => return Some((Err(error), (content, None, 0))),
        };
        if struck.is_none() {
            return Some((Ok(piece), (content, None, 0)));
        }
        let taken = (piece.len() as u64).min(left);
        if taken < piece.len() as u64 {
            let rest = piece.split_off(taken as usize);
            content = stream::once(async { Ok(rest) }).chain(content).boxed();
        }
        Some((Ok(piece), (content, struck, left - taken)))
    })
    .boxed()
}
