//! The folder of artifacts keeps its contract, whether it forgets or not.

#![expect(clippy::unwrap_used, reason = "a store that cannot be opened fails its case")]
#![cfg(feature = "folder")]

use std::{
    fs::{self, File, FileTimes},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use function_runner_backends::folder::FolderStore;
use function_runner_core::{Artifact, ArtifactStore, ErrorKind};
use function_runner_testkit::artifact_conformance;
use futures::{StreamExt as _, stream};

/// A folder that nothing else uses.
fn folder(namespace: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(namespace)
}

artifact_conformance!(
    |case| async move { FolderStore::open(folder(&case.namespace)).unwrap() },
    |case, digest| async move {
        let store = FolderStore::open(folder(&case.namespace)).unwrap();
        fs::write(store.path(&digest), "damaged").unwrap();
    },
);

mod forgetting {
    use super::{DAY, FolderStore, folder};

    function_runner_testkit::artifact_conformance!(
        |case| async move {
            FolderStore::open(folder(&format!("{}-forgets", case.namespace))).unwrap().forgetting(DAY)
        },
        |case, digest| async move {
            let store = FolderStore::open(folder(&format!("{}-forgets", case.namespace))).unwrap();
            std::fs::write(store.path(&digest), "damaged").unwrap();
        },
    );
}

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn put(store: &FolderStore, content: &'static str) -> Artifact {
    store.put(stream::iter([Ok(content.into())]).boxed(), "text/plain").await.unwrap()
}

/// As if nobody had used it for nine days.
fn age(store: &FolderStore, artifact: &Artifact) {
    let file = File::options().write(true).open(store.path(&artifact.sha256)).unwrap();
    file.set_times(FileTimes::new().set_modified(SystemTime::now() - DAY * 9)).unwrap();
}

/// Puts until every file was looked at again.
async fn round(store: &FolderStore) {
    for _ in 0..4 {
        put(store, "something else").await;
    }
}

#[tokio::test]
async fn what_nobody_used_is_forgotten_and_every_use_renews() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::open(folder.path()).unwrap().forgetting(DAY * 8);
    let [lost, read, looked_up, again] = [
        put(&store, "lost").await,
        put(&store, "read").await,
        put(&store, "looked up").await,
        put(&store, "again").await,
    ];
    [&lost, &read, &looked_up, &again].into_iter().for_each(|artifact| age(&store, artifact));
    drop(store.get(&read.sha256, None).await.unwrap());
    store.head(&looked_up.sha256).await.unwrap();
    assert_eq!(put(&store, "again").await.sha256, again.sha256);
    round(&store).await;
    let gone = store.head(&lost.sha256).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::UnknownArtifact);
    for kept in [&read, &looked_up, &again] {
        assert!(store.head(&kept.sha256).await.is_ok());
    }
}

#[tokio::test]
async fn without_being_asked_it_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::open(folder.path()).unwrap();
    let old = put(&store, "old").await;
    age(&store, &old);
    round(&store).await;
    assert!(store.head(&old.sha256).await.is_ok());
    assert!(!folder.path().join("lock").exists() && fs::read_dir(folder.path()).unwrap().count() > 0);
}
