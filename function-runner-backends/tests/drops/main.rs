//! Futures dropped at every poll: no task that was accepted is lost, none ends twice.
//!
//! Dropped are the calls of the memory backend, its watches, and workers: by whoever ran one, and with its whole runtime.

#![cfg(not(shuttle))]
#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod calls;
mod tally;
#[path = "../work/mod.rs"]
mod work;
mod workers;
