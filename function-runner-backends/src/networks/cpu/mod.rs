//! The executor for processors.
//!
//! | file | about |
//! |---|---|
//! | `network.rs`, `session.rs` | a plan prepared for this processor; running it on tiles |
//! | `isa.rs` | which instructions there are |
//! | `scheme.rs` | how a convolution is cut into squares: Winograd's transforms |
//! | `step.rs` | a convolution with its weights prepared |
//! | `layout.rs` | how planes lie in memory |
//! | `kernels.rs` | the work on a few squares, written once for all instruction sets |
//! | `vector/` | the few operations that differ between instruction sets |
//! | `samples.rs` | networks of random weights, to test and measure with |

mod isa;
mod kernels;
mod layout;
mod network;
mod scheme;
mod session;
mod step;
mod vector;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

pub use isa::Isa;
pub use network::Network;
pub use session::{Session, Stopped};
