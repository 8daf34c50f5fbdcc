//! The cases of a store of artifacts.

use std::sync::Arc;

use bytes::Bytes;
pub use function_runner_core::Digest;
use function_runner_core::{Artifact, ArtifactStore, ByteStream, Error, ErrorKind};
use futures::{
    FutureExt as _, StreamExt as _, TryStreamExt as _,
    future::{LocalBoxFuture, join_all},
    stream,
};

use super::{Case, Failed, NamedCase};

/// A store on its way.
pub type Opening = LocalBoxFuture<'static, Arc<dyn ArtifactStore>>;

/// Content on its way to being damaged.
pub type Damaging = LocalBoxFuture<'static, ()>;

/// What opens the subject, and what damages content behind its back.
pub type Open = (fn(Case) -> Opening, fn(Case, Digest) -> Damaging);

/// Opens a store with what stands in the macro's call.
pub fn open<S: ArtifactStore, F: Future<Output = S> + 'static>(
    start: impl FnOnce(Case) -> F,
    case: Case,
) -> Opening {
    start(case).map(|store| Arc::new(store) as Arc<dyn ArtifactStore>).boxed_local()
}

/// Damages content with what stands in the macro's call.
pub fn damage<F: Future<Output = ()> + 'static>(
    damage: impl FnOnce(Case, Digest) -> F,
    case: Case,
    content: Digest,
) -> Damaging {
    damage(case, content).boxed_local()
}

/// Where nobody can damage anything: the case is ignored then, and says so if it is run all the same.
pub fn no_damage(_: Case, _: Digest) -> Damaging {
    async { panic!("`artifact_conformance!` was given no second closure, which damages stored content") }
        .boxed_local()
}

/// Runs one case.
pub fn run<R: Future<Output = ()>>(
    case: Case,
    (open, damage): Open,
    body: impl FnOnce(Subject) -> R,
) -> Result<(), Failed> {
    case.clone().run(async move {
        let store = open(case.clone()).await;
        body(Subject { case, store, damage }).await;
    })
}

/// All cases, the one that needs damaged content too.
pub fn cases() -> Vec<NamedCase<Open>> {
    let mut cases: Vec<NamedCase<Open>> =
        crate::__conformance_cases! { artifacts, __conformance_data [artifacts run side 1] };
    cases.extend::<Vec<_>>(crate::__conformance_data! { [artifacts run side 1]
        artifacts: damaged_content_is_told;
    });
    cases
}

/// A store of artifacts.
#[derive(Debug)]
pub struct Subject {
    case: Case,
    store: Arc<dyn ArtifactStore>,
    damage: fn(Case, Digest) -> Damaging,
}

impl Subject {
    fn expects(&self, sentence: &'static str) {
        self.case.expects(sentence);
    }

    async fn put(&self, content: &[u8]) -> Artifact {
        let put = self.store.put(in_chunks(content, 7919), "application/octet-stream").await;
        put.unwrap_or_else(|error| panic!("put: {error:?}"))
    }

    async fn get(&self, content: &Digest, range: Option<std::ops::Range<u64>>) -> Result<Vec<u8>, Error> {
        let chunks: Vec<Bytes> = self.store.get(content, range).await?.try_collect().await?;
        Ok(chunks.concat())
    }
}

fn in_chunks(content: &[u8], size: usize) -> ByteStream {
    let chunks: Vec<_> = content.chunks(size).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    stream::iter(chunks).boxed()
}

/// So many bytes that repeat nowhere near.
fn bytes(count: usize) -> Vec<u8> {
    (0..count as u64).map(|at| (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect()
}

fn is(error: &Error, kind: ErrorKind) {
    assert_eq!(error.kind(), kind, "{error:?}");
}

pub async fn put_then_get_gives_the_same_bytes(subject: Subject) {
    subject.expects("what was put is got back, whatever its size, the empty file included");
    for count in [0, 1, 4096, 100_000, 3 << 20] {
        let content = bytes(count);
        let artifact = subject.put(&content).await;
        let digest = Digest::of(&content);
        assert_eq!((artifact.sha256, artifact.size_bytes), (digest, count as u64));
        assert_eq!(
            (artifact.uri, artifact.media_type),
            (format!("artifact:{digest}"), "application/octet-stream".into())
        );
        let got = subject.get(&digest, None).await.unwrap();
        assert!(got == content, "{count} bytes were put, {} came back or they differ", got.len());
    }
    subject.expects("empty chunks change nothing");
    let chunks = ["a", "", "bc", ""].map(|chunk| Ok(Bytes::from(chunk)));
    let artifact = subject.store.put(stream::iter(chunks).boxed(), "text/plain").await.unwrap();
    assert_eq!((artifact.sha256, artifact.media_type.as_str()), (Digest::of(b"abc"), "text/plain"));
}

pub async fn put_is_idempotent(subject: Subject) {
    subject.expects("the same content put again gives the same artifact");
    let content = bytes(50_000);
    let first = subject.put(&content).await;
    let again = subject.store.put(in_chunks(&content, 333), "application/octet-stream").await.unwrap();
    assert_eq!(again, first);
    assert_eq!(subject.get(&first.sha256, None).await.unwrap(), content);
}

pub async fn a_stream_that_fails_leaves_nothing(subject: Subject) {
    subject.expects("a put whose stream ends with an error fails with it and stores nothing");
    let content = bytes(200_000);
    let broken = Error::new(ErrorKind::Unavailable, "the sender went away");
    let chunks = vec![Ok(Bytes::from(content.clone())), Err(broken)];
    let error = subject.store.put(stream::iter(chunks).boxed(), "text/plain").await.expect_err("it fails");
    is(&error, ErrorKind::Unavailable);
    assert!(error.to_string().contains("the sender went away"), "{error:?}");
    is(
        &subject.store.head(&Digest::of(&content)).await.expect_err("nothing is stored"),
        ErrorKind::UnknownArtifact,
    );
    subject.expects("the same content can be put afterwards");
    subject.put(&content).await;
    assert_eq!(subject.get(&Digest::of(&content), None).await.unwrap(), content);
}

pub async fn a_range_gives_just_that_part(subject: Subject) {
    let content = bytes(100_000);
    let digest = subject.put(&content).await.sha256;
    subject.expects("a get with a range gives just those bytes");
    for range in [0..1, 0..100_000, 99_999..100_000, 12_345..67_890, 500..500, 100_000..100_000] {
        let part = subject
            .get(&digest, Some(range.clone()))
            .await
            .unwrap_or_else(|error| panic!("{range:?}: {error:?}"));
        let wanted = &content[range.start as usize..range.end as usize];
        assert!(part == wanted, "{range:?} gave {} bytes", part.len());
    }
    subject.expects("a range past the end is refused");
    for range in [0..100_001, 100_000..100_001, 100_001..100_002, u64::MAX - 1..u64::MAX] {
        is(&subject.get(&digest, Some(range)).await.expect_err("it is refused"), ErrorKind::InvalidCall);
    }
    #[expect(clippy::reversed_empty_ranges, reason = "it must be refused")]
    let reversed = 20..10;
    is(&subject.get(&digest, Some(reversed)).await.expect_err("it is refused"), ErrorKind::InvalidCall);
}

pub async fn head_tells_the_size(subject: Subject) {
    subject.expects("head tells the size without the content");
    for count in [0, 1, 77_777] {
        let digest = subject.put(&bytes(count)).await.sha256;
        assert_eq!(subject.store.head(&digest).await.unwrap(), count as u64);
    }
}

pub async fn what_was_never_put_is_unknown(subject: Subject) {
    subject.expects("get and head of what was never put are `unknown_artifact`");
    subject.put(b"something else").await;
    let never = Digest::of(b"never put");
    is(&subject.store.head(&never).await.expect_err("head"), ErrorKind::UnknownArtifact);
    is(&subject.get(&never, None).await.expect_err("get"), ErrorKind::UnknownArtifact);
    is(&subject.get(&never, Some(0..1)).await.expect_err("get of a part"), ErrorKind::UnknownArtifact);
}

pub async fn damaged_content_is_told(subject: Subject) {
    subject.expects("content that no longer has its SHA-256 ends a whole get with `digest_mismatch`");
    let (content, whole) = (bytes(100_000), bytes(50_000));
    let digest = subject.put(&content).await.sha256;
    let unharmed = subject.put(&whole).await.sha256;
    (subject.damage)(subject.case.clone(), digest).await;
    is(&subject.get(&digest, None).await.expect_err("it is damaged"), ErrorKind::DigestMismatch);
    assert_eq!(subject.get(&unharmed, None).await.unwrap(), whole, "other content is unharmed");
}

pub async fn many_puts_of_one_content_at_once_all_succeed(subject: Subject) {
    subject.expects("many puts of one content at once do not disturb one another");
    let content = bytes(300_000);
    let puts = (0..16_usize).map(|place| {
        let (store, chunks) = (subject.store.clone(), in_chunks(&content, 1000 + place * 997));
        tokio::spawn(async move { store.put(chunks, "text/plain").await })
    });
    let artifacts = join_all(puts.collect::<Vec<_>>()).await;
    let first = Artifact::new(Digest::of(&content), content.len() as u64, "text/plain");
    for artifact in artifacts {
        assert_eq!(artifact.unwrap().unwrap_or_else(|error| panic!("put: {error:?}")), first);
    }
    assert_eq!(subject.get(&first.sha256, None).await.unwrap(), content);
}
