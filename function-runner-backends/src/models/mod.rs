//! Models: weights that functions look up by name and checksum, in folders of this machine.
//!
//! Weights are data and no part of a crate: what is compiled in is a [`Manifest`] of each model, which says how its
//! file is named, how large it is and what its SHA-256 is. Nothing is ever fetched while a function runs; a file gets
//! into its folder by [`Install`], which keeps nothing that is not the model's own file. No format that can run code
//! when it is read, such as a pickle, is read at all.
//!
//! | file | about |
//! |---|---|
//! | `manifest.rs`, `manifests/` | what models there are, and what their files must be |
//! | `folders.rs` | where files are looked for, in which order, and what is there |
//! | `verify.rs` | whether a file is the one its manifest means, worked out once |
//! | `install.rs` | putting a file in its place, whole or not at all |
//! | `error.rs` | what can be wrong, and what to do about it |
//!
//! # Examples
//!
//! ```
//! use function_runner_backends::models;
//!
//! for model in models::known() {
//!     let there = if models::is_present(&model.name) { "present" } else { "missing" };
//!     println!("{} ({}): {there}", model.name, model.licence);
//! }
//! assert!(models::find("no-such-model").is_err());
//! ```

#![forbid(unsafe_code)]

mod error;
mod folders;
mod install;
mod manifest;
mod verify;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use error::{Mismatch, ModelError};
pub use folders::{FOLDER_VARIABLE, Folders, State, data_folder};
pub use install::{Install, install};
pub use manifest::{COUNT_PREFIX, Manifest, ModelFile, Source, find, known};

/// The path of this model's file, once the file is known to be the right one.
///
/// The file is read and its SHA-256 compared the first time, and again only where its size or time has changed.
///
/// # Errors
///
/// [`ModelError`]: no such model, not installed, or a file in its place that is not the model's.
pub fn verified(name: &str) -> Result<PathBuf, ModelError> {
    Folders::usual().verified(find(name)?)
}

/// Whether there is a file of this model in its place, of the right size; false for a name that is none.
///
/// Cheap: no file is read. [`verified`] also compares the checksum.
#[must_use]
pub fn is_present(name: &str) -> bool {
    find(name).is_ok_and(|manifest| matches!(Folders::usual().state(manifest), State::Present { .. }))
}
