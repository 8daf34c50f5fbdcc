//! How a task's turn is over, in every store of this crate: the task ends, or is queued again.

use std::time::Duration;

use function_runner_core::{EventKind, Failure, Payload};

/// How a task ends.
#[derive(Debug)]
pub(crate) enum End {
    Succeeded(Payload),
    Failed(Failure),
    Cancelled,
}

/// How a task that was held is queued again.
#[derive(Debug)]
pub(crate) struct Again {
    pub(crate) event: EventKind,
    pub(crate) after: Duration,
    /// It has paid, and goes before what has not.
    pub(crate) front: bool,
}
