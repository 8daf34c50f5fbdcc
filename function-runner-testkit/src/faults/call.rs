//! The calls that faults strike.

use std::fmt;

/// A call of a backend or an artifact store: what faults are counted and planned by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Call {
    /// [`Executor::templates`](function_runner_core::Executor::templates).
    Templates,
    /// [`Executor::submit`](function_runner_core::Executor::submit).
    Submit,
    /// [`Executor::record`](function_runner_core::Executor::record).
    Record,
    /// [`Executor::watch`](function_runner_core::Executor::watch), and the stream it gives.
    Watch,
    /// [`Executor::cancel`](function_runner_core::Executor::cancel).
    Cancel,
    /// [`Queue::join`](function_runner_core::Queue::join).
    Join,
    /// [`Queue::lease`](function_runner_core::Queue::lease).
    Lease,
    /// [`Queue::renew`](function_runner_core::Queue::renew).
    Renew,
    /// [`Queue::finish`](function_runner_core::Queue::finish).
    Finish,
    /// [`ArtifactStore::put`](function_runner_core::ArtifactStore::put), and the content it is given.
    Put,
    /// [`ArtifactStore::get`](function_runner_core::ArtifactStore::get), and the content it gives.
    Get,
    /// [`ArtifactStore::head`](function_runner_core::ArtifactStore::head).
    Head,
}

impl Call {
    /// Those of every backend.
    pub const EXECUTOR: [Self; 5] = [Self::Templates, Self::Submit, Self::Record, Self::Watch, Self::Cancel];

    /// Those that a queue has besides.
    pub const QUEUE: [Self; 4] = [Self::Join, Self::Lease, Self::Renew, Self::Finish];

    /// Those of an artifact store.
    pub const ARTIFACTS: [Self; 3] = [Self::Put, Self::Get, Self::Head];

    /// How many there are.
    pub(super) const COUNT: usize = 12;

    /// The method's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Templates => "templates",
            Self::Submit => "submit",
            Self::Record => "record",
            Self::Watch => "watch",
            Self::Cancel => "cancel",
            Self::Join => "join",
            Self::Lease => "lease",
            Self::Renew => "renew",
            Self::Finish => "finish",
            Self::Put => "put",
            Self::Get => "get",
            Self::Head => "head",
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
