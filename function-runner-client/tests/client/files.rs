//! Files: up, through a function, and down again, whole or not at all.

use std::{fs, ops::Range, path::Path};

use async_trait::async_trait;
use function_runner_backends::memory::MemoryQueue;
use function_runner_client::{Connection, Error, Result, prelude::*};
use function_runner_core::{ArtifactStore, ByteStream, Digest};
use function_runner_testkit::MockExecutor;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tempfile::tempdir;

use crate::user::soon;

/// What lies in a folder.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_file_goes_up_through_a_function_and_down_again() -> Result<()> {
    const REVERSE: Function<Artifact, Artifact> = Function::new("reverse");
    let reverse = REVERSE.implement(|ctx: Context, input: Artifact| async move {
        let store = ctx.artifacts()?;
        let content: Vec<_> = store.get(&input.sha256, None).await?.try_collect().await?;
        let mut bytes = content.concat();
        bytes.reverse();
        Ok(store.put(stream::iter([Ok(bytes.into())]).boxed(), &input.media_type).await?)
    });
    let runner = Runner::local(Registry::new().add(reverse))?;
    let folder = tempdir().unwrap();
    let (photo, turned) = (folder.path().join("photo.png"), folder.path().join("turned.png"));
    let mut content: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    fs::write(&photo, &content).unwrap();

    let artifact = runner.upload(&photo).await?;
    assert_eq!((artifact.size_bytes, artifact.media_type.as_str()), (3_000_000, "image/png"));
    assert_eq!((artifact.name.as_deref(), artifact.sha256), (Some("photo.png"), Digest::of(&content)));
    let output = soon(runner.call(REVERSE, artifact)).await?;
    runner.download(&output, &turned).await?;
    content.reverse();
    assert!(fs::read(&turned).unwrap() == content);
    assert_eq!(names(folder.path()), ["photo.png", "turned.png"]);
    Ok(())
}

#[tokio::test]
async fn bytes_and_empty_files_travel_too() -> Result<()> {
    let runner = Runner::connect("memory:").await?;
    let folder = tempdir().unwrap();
    for content in ["", "text"] {
        let artifact = runner.upload_bytes(content, "text/plain").await?;
        let path = folder.path().join("out.txt");
        fs::write(&path, "what was there before, and is longer").unwrap();
        runner.download(&artifact, &path).await?;
        assert_eq!(fs::read_to_string(path).unwrap(), content);
    }
    Ok(())
}

#[cfg(unix)]
#[tokio::test]
async fn a_downloaded_file_may_be_read_like_any_other() -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let runner = Runner::connect("memory:").await?;
    let folder = tempdir().unwrap();
    let (ordinary, downloaded) = (folder.path().join("ordinary"), folder.path().join("downloaded"));
    fs::write(&ordinary, "").unwrap();
    runner.download(&runner.upload_bytes("x", "text/plain").await?, &downloaded).await?;
    let mode = |path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(downloaded), mode(ordinary));
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_read_or_written_is_told_with_its_path() -> Result<()> {
    let runner = Runner::connect("memory:").await?;
    let folder = tempdir().unwrap();
    let missing = folder.path().join("missing.png");
    for path in [missing.as_path(), folder.path()] {
        let error = runner.upload(path).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Io, "cannot read the file to upload"));
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
    let artifact = runner.upload_bytes("x", "text/plain").await?;
    fs::create_dir(folder.path().join("folder")).unwrap();
    for path in ["no/such/folder.txt", "folder"] {
        let error = runner.download(&artifact, folder.path().join(path)).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Io, "cannot write the downloaded file"));
    }
    assert_eq!(names(folder.path()), ["folder"], "nothing is left behind");
    let error =
        runner.download(&Artifact::new(Digest::of(b"y"), 1, "text/plain"), missing).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownArtifact);
    Ok(())
}

#[tokio::test]
async fn a_runner_without_a_store_says_so() {
    let runner = Runner::new(MockExecutor::new());
    let error = runner.upload_bytes("x", "text/plain").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Unsupported, "no artifact store is behind this runner")
    );
}

/// Gives other bytes than it should, or stops in the middle.
#[derive(Clone, Copy, Debug)]
enum Broken {
    Damaged,
    Short,
    Stuck,
}

#[async_trait]
impl ArtifactStore for Broken {
    async fn put(&self, _: ByteStream, _: &str) -> Result<Artifact> {
        Err(Error::new(ErrorKind::Unsupported, "nothing can be put here"))
    }

    async fn get(&self, _: &Digest, _: Option<Range<u64>>) -> Result<ByteStream> {
        let begin = stream::iter([Ok("half".into())]);
        Ok(match self {
            Self::Damaged => begin
                .chain(stream::iter([Err(Error::new(
                    ErrorKind::DigestMismatch,
                    "the stored artifact is damaged",
                ))]))
                .boxed(),
            Self::Short => begin.boxed(),
            Self::Stuck => begin.chain(stream::pending()).boxed(),
        })
    }

    async fn head(&self, _: &Digest) -> Result<u64> {
        Ok(8)
    }
}

#[tokio::test]
async fn nothing_half_written_stays_and_what_was_there_does() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("out.txt");
    fs::write(&path, "before").unwrap();
    let artifact = Artifact::new(Digest::of(b"half and"), 8, "text/plain");
    for broken in [Broken::Damaged, Broken::Short] {
        let runner = Runner::over(Connection::queue(MemoryQueue::new()).with_artifacts(broken));
        let error = soon(runner.download(&artifact, &path)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DigestMismatch, "{broken:?}: {error}");
        assert_eq!(names(folder.path()), ["out.txt"], "{broken:?}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "before");
}

#[tokio::test]
async fn a_download_that_is_dropped_half_way_leaves_nothing() -> Result<()> {
    let folder = tempdir().unwrap();
    let path = folder.path().join("out.txt");
    let artifact = Artifact::new(Digest::of(b"half and"), 8, "text/plain");
    let runner = Runner::over(Connection::queue(MemoryQueue::new()).with_artifacts(Broken::Stuck));
    let download = tokio::spawn({
        let path = path.clone();
        async move { runner.download(&artifact, path).await }
    });
    soon(async {
        while names(folder.path()).is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!path.exists(), "it appears whole or not at all");
    download.abort();
    assert!(download.await.unwrap_err().is_cancelled());
    // a file whose making had not been heard of is taken back by the thread that made it
    soon(async {
        while !names(folder.path()).is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    Ok(())
}
