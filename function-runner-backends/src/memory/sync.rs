//! Locks and atomics: std's, or those whose schedule `./dev shuttle` chooses.

#[cfg(shuttle)]
pub(super) use shuttle::sync::{Mutex, MutexGuard, atomic};
#[cfg(not(shuttle))]
pub(super) use std::sync::{Mutex, MutexGuard, atomic};
