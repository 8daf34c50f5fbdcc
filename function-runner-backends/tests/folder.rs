//! The folder of artifacts keeps its contract.

#![expect(clippy::unwrap_used, reason = "a store that cannot be opened fails its case")]
#![cfg(feature = "folder")]

use std::path::{Path, PathBuf};

use function_runner_backends::folder::FolderStore;
use function_runner_testkit::artifact_conformance;

/// A folder that nothing else uses.
fn folder(namespace: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(namespace)
}

artifact_conformance!(
    |case| async move { FolderStore::open(folder(&case.namespace)).unwrap() },
    |case, digest| async move {
        let store = FolderStore::open(folder(&case.namespace)).unwrap();
        std::fs::write(store.path(&digest), "damaged").unwrap();
    },
);
