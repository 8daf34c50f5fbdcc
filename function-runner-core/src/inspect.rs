//! What an operator can look at.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{Amounts, Capacity, Lane, Result, State, TaskRecord, Tenant, Timestamp, WorkerId};

/// How a lane is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaneStatus {
    /// The lane; a twin is a lane of its own.
    pub lane: Lane,
    /// How many tasks wait that could start.
    pub queued: u64,
    /// How many wait for their time.
    pub delayed: u64,
    /// How many run.
    pub running: u64,
    /// Whether an operator paused it.
    pub paused: bool,
}

impl LaneStatus {
    /// An empty lane.
    #[must_use]
    pub const fn new(lane: Lane) -> Self {
        Self { lane, queued: 0, delayed: 0, running: 0, paused: false }
    }
}

/// How a worker is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WorkerStatus {
    /// Its id.
    pub worker: WorkerId,
    /// What it has.
    pub capacity: Capacity,
    /// What is taken of it.
    pub load: Amounts,
    /// The functions it serves, as `name@major.minor.patch`.
    pub functions: Vec<String>,
    /// How many tasks it holds.
    pub running: u64,
    /// When it last called.
    pub seen_at: Timestamp,
    /// Whether it was asked to stop.
    pub draining: bool,
    /// The lane it drains for.
    pub drains_for: Option<Lane>,
}

impl WorkerStatus {
    /// An idle worker.
    #[must_use]
    pub fn new(worker: WorkerId, capacity: Capacity, seen_at: Timestamp) -> Self {
        let load = Amounts::default();
        Self {
            worker,
            capacity,
            load,
            functions: Vec::new(),
            running: 0,
            seen_at,
            draining: false,
            drains_for: None,
        }
    }
}

/// Which tasks to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskFilter {
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those of this lane.
    pub lane: Option<Lane>,
    /// Only this tenant's.
    pub tenant: Option<Tenant>,
    /// Go on behind the page that gave this cursor.
    pub cursor: Option<String>,
    /// How many at most: 50 unless said, 500 at most.
    pub limit: Option<usize>,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// What asks for the next page; `None` on the last.
    pub next: Option<String>,
}

/// What an operator can look at: lanes, workers, tasks.
///
/// # Contract
///
/// Each line is a case of the conformance suite of the same name.
///
/// - `lanes_are_counted`: waiting, delayed and running tasks per lane, twins apart.
/// - `workers_are_listed_while_they_live`: with capacity, load and functions; one that left is gone.
/// - `a_worker_that_died_is_not_listed`: two leases after its last beat.
/// - `tasks_are_listed_newest_first`: with filters by state, lane and tenant.
/// - `a_list_comes_in_pages`: each task once, none missing, however many come meanwhile.
/// - `dead_letters_are_listed_with_their_attempts`: as tasks in the state failed.
/// - `a_bad_cursor_is_refused`: as bad use of the call.
#[async_trait]
pub trait Inspect: fmt::Debug + Send + Sync + 'static {
    /// Every lane that has tasks or is paused, by name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) where the backend is not reached.
    async fn lanes(&self) -> Result<Vec<LaneStatus>>;

    /// Every live worker, by id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) where the backend is not reached.
    async fn workers(&self) -> Result<Vec<WorkerStatus>>;

    /// Tasks, newest first.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidCall`](crate::ErrorKind::InvalidCall) for a cursor that is none.
    async fn tasks(&self, filter: TaskFilter) -> Result<Page<TaskRecord>>;
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<I: Inspect + ?Sized> Inspect for Arc<I> {
    async fn lanes(&self) -> Result<Vec<LaneStatus>> {
        (**self).lanes().await
    }

    async fn workers(&self) -> Result<Vec<WorkerStatus>> {
        (**self).workers().await
    }

    async fn tasks(&self, filter: TaskFilter) -> Result<Page<TaskRecord>> {
        (**self).tasks(filter).await
    }
}
