//! A folder of this machine: artifacts by their content, and scratch folders of attempts.

#![forbid(unsafe_code)]

mod scratch;
mod store;
mod sweep;

pub use scratch::scratch_in;
pub use store::FolderStore;
