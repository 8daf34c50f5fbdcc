//! Runs of the memory backend judged by their histories: real workers by the machine's clock, hands by a
//! clock that the test turns, logs of many processes, and broken stores that must be found.

#![cfg(feature = "memory")]
#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod broken;
mod dice;
mod fleet;
mod hands;
mod link;
mod many;
mod work;
