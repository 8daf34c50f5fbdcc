//! Tasks kept in this process: the local default, and what tests run on.
//!
//! [`MemoryQueue`] has every side of a backend: callers, workers, operators. It is one store behind one lock, decides
//! by the pure functions of core ([`schedule`](function_runner_core::schedule),
//! [`state`](function_runner_core::state), [`Outage`](function_runner_core::Outage)) alone, and starts nothing of its
//! own: what is due is served by whoever calls.

#![forbid(unsafe_code)]

// Where what stands:
//
// | one task; how it gets from state to state | `row`, `moves` |
// | taking tasks in, deduplication keys | `submit`, `keys` |
// | giving work; calls asleep | `lease`, `wake` |
// | heartbeats; ends of attempts | `renew`, `finish` |
// | what is due; what has ended | `timers`, `kept` |
// | watching; serving timers while only callers are there | `watch`, `tick` |
// | who serves what | `workers`, `templates` |
// | the operator's side | `list`, `operate` |
// | the store, its lock, and what it is made of | `store`, `sync`, `slab`, `ids`, `lanes`, `newest` |

mod finish;
mod ids;
mod kept;
mod keys;
mod lanes;
mod lease;
mod list;
mod moves;
mod newest;
mod operate;
mod renew;
mod row;
mod slab;
mod store;
mod submit;
mod sync;
mod templates;
mod tick;
mod timers;
mod wake;
mod watch;
mod workers;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use function_runner_core::{
    BeatReply, Capabilities, Clock, Connection, Durability, EventStream, Executor, Finish, Finished,
    Heartbeat, Inspect, Lane, LaneStatus, LeaseReply, LeaseRequest, Operate, Page, Queue, Result, Seen,
    Submitted, SystemClock, Task, TaskFilter, TaskId, TaskRecord, TemplateSet, Tenant, Times, Weight,
    WorkerId, WorkerInfo, WorkerStatus, check_batch,
};

use self::{lease::Asking, store::Shared, watch::Watch};

/// The most waiting tasks of a lane, unless said.
const USUAL_DEPTH: usize = 1_000_000;

/// The most tasks that are kept after their end, unless said.
const USUAL_HISTORY: usize = 100_000;

/// A queue in this process. Clones are connections to the same store; what it keeps goes with the last of them.
///
/// - A lane takes up to [`depth`](Builder::depth) waiting tasks, a million unless said; a submit that would go over it
///   is refused whole. Follow-ups are queued all the same.
/// - A lane that is paused stays so while it is empty.
/// - A lease call waits a minute at most, whatever it asks for.
/// - What has ended is forgotten after its retention, or when more than [`history`](Builder::history) tasks have ended,
///   100,000 unless said: the process must not fill up in a day. Its deduplication keys go with it. A list or a lookup never shows what should be.
/// - A watch may be opened, and a lease asked for, in any runtime that the [`Clock`] works in: tokio with its timers,
///   for the machine's own clock.
///
/// # Examples
///
/// ```
/// use function_runner_backends::memory::MemoryQueue;
/// use function_runner_core::{Durability, Executor};
///
/// let queue = MemoryQueue::new();
/// let again = queue.clone(); // another connection to the same store
/// assert_eq!(again.capabilities().durability, Durability::None);
/// let connection = queue.connection();
/// assert!(connection.queue.is_some() && connection.operate.is_some());
/// ```
#[derive(Clone, Debug)]
pub struct MemoryQueue {
    shared: Arc<Shared>,
}

impl MemoryQueue {
    /// A new, empty store with the contract's own times.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A store with times, clock, depth or history of its own.
    #[must_use]
    pub fn builder() -> Builder {
        Builder { times: Times::default(), clock: None, depth: USUAL_DEPTH, history: USUAL_HISTORY }
    }

    /// Everything behind this store: callers, workers, what an operator looks at and does. Artifacts are kept elsewhere:
    /// add them with [`Connection::with_artifacts`].
    #[must_use]
    pub fn connection(&self) -> Connection {
        Connection::queue(self.clone()).with_inspect(self.clone()).with_operate(self.clone())
    }
}

impl Default for MemoryQueue {
    fn default() -> Self {
        Self::new()
    }
}

/// How a [`MemoryQueue`] is to be.
#[derive(Clone, Debug)]
pub struct Builder {
    times: Times,
    clock: Option<Arc<dyn Clock>>,
    depth: usize,
    history: usize,
}

impl Builder {
    /// Lives by these times.
    #[must_use]
    pub fn times(mut self, times: Times) -> Self {
        self.times = times;
        self
    }

    /// Takes its time from this clock, [`SystemClock`] unless said.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Takes this many waiting tasks per lane, 1,000,000 unless said.
    #[must_use]
    pub fn depth(mut self, depth: usize) -> Self {
        self.depth = depth;
        self
    }

    /// Keeps this many tasks after their end, 100,000 unless said; those whose retention ends first go first.
    #[must_use]
    pub fn history(mut self, history: usize) -> Self {
        self.history = history;
        self
    }

    /// The store.
    #[must_use]
    pub fn build(self) -> MemoryQueue {
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        MemoryQueue { shared: Arc::new(Shared::new(self.times, clock, self.depth, self.history)) }
    }
}

#[async_trait]
impl Executor for MemoryQueue {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Durability::None, self.shared.times)
    }

    async fn templates(&self, known: u64) -> Result<Option<TemplateSet>> {
        let set = self.shared.with(|store| store.template_set());
        // copied outside the lock
        Ok((set.revision != known).then(|| TemplateSet::clone(&set)))
    }

    async fn submit(&self, mut tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        check_batch(&tasks)?;
        if tasks.len() == 1
            && let Some(task) = tasks.pop().map(Arc::new)
        {
            return self.shared.with(|store| store.submit_one(task)).map(|answer| vec![answer]);
        }
        let tasks = tasks.into_iter().map(Arc::new).collect();
        self.shared.with(|store| store.submit(tasks))
    }

    async fn record(&self, id: &TaskId) -> Result<TaskRecord> {
        self.shared.with(|store| store.record(id))
    }

    async fn watch(&self, id: &TaskId, after: Seen) -> Result<EventStream> {
        Ok(Box::pin(Watch::open(&self.shared, id, after)?))
    }

    async fn cancel(&self, id: &TaskId) -> Result<()> {
        self.shared.with(|store| store.cancel(id))
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn join(&self, worker: WorkerInfo) -> Result<()> {
        self.shared.with(|store| store.join(worker))
    }

    async fn lease(&self, ask: LeaseRequest) -> Result<LeaseReply> {
        Asking::new(&self.shared, ask).await
    }

    async fn renew(&self, beat: Heartbeat) -> Result<BeatReply> {
        Ok(self.shared.with(|store| store.renew(beat)))
    }

    async fn finish(&self, done: Vec<Finish>) -> Result<Vec<Finished>> {
        Ok(self.shared.with(|store| done.into_iter().map(|finish| store.finish(finish)).collect()))
    }
}

#[async_trait]
impl Inspect for MemoryQueue {
    async fn lanes(&self) -> Result<Vec<LaneStatus>> {
        Ok(self.shared.with(|store| store.lane_list()))
    }

    async fn workers(&self) -> Result<Vec<WorkerStatus>> {
        Ok(self.shared.with(|store| store.worker_list()))
    }

    async fn tasks(&self, filter: TaskFilter) -> Result<Page<TaskRecord>> {
        self.shared.page(&filter)
    }
}

#[async_trait]
impl Operate for MemoryQueue {
    async fn pause(&self, lane: &Lane) -> Result<()> {
        self.shared.with(|store| store.pause(lane));
        Ok(())
    }

    async fn resume(&self, lane: &Lane) -> Result<()> {
        self.shared.with(|store| store.resume(lane));
        Ok(())
    }

    async fn drain(&self, worker: &WorkerId) -> Result<()> {
        self.shared.with(|store| store.drain(worker))
    }

    async fn requeue(&self, id: &TaskId) -> Result<()> {
        self.shared.with(|store| store.requeue(id))
    }

    async fn purge(&self, id: &TaskId) -> Result<()> {
        self.shared.with(|store| store.purge(id))
    }

    async fn set_weight(&self, tenant: &Tenant, weight: Weight) -> Result<()> {
        self.shared.with(|store| store.templates.weigh(tenant, weight));
        Ok(())
    }
}
