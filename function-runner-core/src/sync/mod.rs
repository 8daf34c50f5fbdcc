//! Locks, atomics and what wakes: as they are, or so that `./dev shuttle` chooses their schedule.

#[cfg(shuttle)]
mod scheduled;

#[cfg(not(shuttle))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};

#[cfg(not(shuttle))]
pub(crate) use futures::task::AtomicWaker;
#[cfg(shuttle)]
pub(crate) use scheduled::{AtomicWaker, Signal};
#[cfg(shuttle)]
pub(crate) use shuttle::sync::{Mutex, MutexGuard, atomic};
#[cfg(not(shuttle))]
pub(crate) use tokio::sync::Notify as Signal;
