//! Tests of the whole.

mod file;
mod memory;
mod session;
mod tiling;
