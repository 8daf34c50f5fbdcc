//! The memory backend and the worker on it under schedules that shuttle chooses: no wake is lost, nothing stands still
//! for ever, whatever thread goes first at every lock, atomic and poll. Run it with `./dev shuttle`.
//!
//! Time stands still unless a scenario lets it pass, so what only a timer would have saved stands still and fails.

#![cfg(shuttle)]
#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod drops;
mod leases;
mod stage;
mod teeth;
mod timers;
mod watches;
#[path = "../work/mod.rs"]
mod work;
mod workers;
