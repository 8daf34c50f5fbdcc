//! Networks of convolutions, run on the CPU.
//!
//! | file | about |
//! |---|---|
//! | `plan.rs`, `check.rs` | what a network is, and the rules it keeps |
//! | `document.rs`, `file.rs` | a plan as JSON; reading it and its weights from a safetensors file |
//! | `memory.rs` | where each tensor lies in the arena, known before anything runs |
//! | `tiling.rs` | an image cut into tiles that overlap |
//! | `cpu/` | the executor: a [`Network`] prepared for this processor, and [`Session`]s that run it |
//! | `error.rs` | what can be wrong with a file |
//! | `direct.rs`, `random.rs` | for tests: a plan run in the plainest way; plans and images by a seed |

#[cfg(not(target_pointer_width = "64"))]
compile_error!("the feature `networks` needs a 64-bit processor");

mod check;
mod cpu;
mod document;
mod error;
mod file;
mod memory;
mod plan;
mod tiling;

#[cfg(test)]
mod direct;
#[cfg(test)]
mod random;
#[cfg(test)]
mod tests;

pub use cpu::{Isa, Network, Session, Stopped};
pub use error::NetworkError;
pub use plan::{Activation, Conv, Plan, Plus, Tensor, TensorId};
pub use tiling::{Rect, Tile, TileRow, Tiling};
