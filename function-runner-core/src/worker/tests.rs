//! The worker with real bodies, over a small queue of its own.

mod attempts;
mod blocked;
mod fake;
mod stopping;
