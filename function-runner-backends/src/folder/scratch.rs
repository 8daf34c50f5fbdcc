//! Scratch folders: one per attempt that asks, removed when the attempt is over.

use std::{fs, path::PathBuf};

use function_runner_core::{Error, ErrorKind, MakeScratch, Scratch};

/// Makes scratch folders inside this folder, which is made where it is missing.
///
/// # Examples
///
/// ```
/// let scratch = function_runner_backends::folder::scratch_in(std::env::temp_dir()).make()?;
/// let path = scratch.path().to_owned();
/// assert!(path.is_dir());
/// drop(scratch);
/// assert!(!path.exists());
/// # Ok::<(), function_runner_core::Error>(())
/// ```
#[must_use]
pub fn scratch_in(folder: impl Into<PathBuf>) -> MakeScratch {
    let folder = folder.into();
    MakeScratch::new(move || {
        let made = fs::create_dir_all(&folder)
            .and_then(|()| tempfile::Builder::new().prefix("fnr-").tempdir_in(&folder));
        let guard = made.map_err(|error| {
            Error::new(ErrorKind::Io, "cannot make a scratch folder")
                .with_context("folder", folder.display())
                .with_source(error)
        })?;
        Ok(Scratch::new(guard.path().to_owned(), guard))
    })
}
