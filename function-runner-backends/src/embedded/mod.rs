//! Tasks kept in one file, shared by the processes of one machine: durable without a server.
//!
//! [`EmbeddedQueue`] has every side of a backend: callers, workers, operators. The file is an SQLite database with a
//! write-ahead log. One thread of each process has it, drains what calls brought, and commits once for all of them;
//! processes ring one another by datagrams, so nobody polls for work. It decides by the pure functions of core alone.
//!
//! | acknowledged | survives |
//! |---|---|
//! | submit, cancel, requeue, the end of a task | the loss of power; with [`Sync::Normal`] the death of every process |
//! | leases, heartbeats, progress, checkpoints | the death of every process |
//!
//! Not for a file on a network file system, nor for several machines. Where a system does not tell one
//! of its runs from the next, as Linux does, the wall clock stands in for the steady one.

#![forbid(unsafe_code)]

// Where what stands:
//
// | the file: opening and formats, what went wrong with it, its schema | `file`, `open`, `fault`, `schema.sql` |
// | where calls come in, and the thread that serves them | `desk`, `clerk` |
// | one transaction, and what is held between two | `transaction`, `store`, `counters`, `clock` |
// | one task; what it is and said; how it gets from state to state | `row`, `said`, `moves` |
// | taking tasks in; giving work; heartbeats; ends of attempts | `submit`, `lease`, `renew`, `finish` |
// | lanes with their clocks; room for large tasks; calls asleep | `lanes`, `reserve`, `sleepers` |
// | what is due | `timers` |
// | watching | `watch` |
// | who serves what | `workers`, `templates` |
// | the operator's side | `list`, `operate` |
// | other processes | `processes`, `bell`, `letter` |

mod bell;
mod clerk;
mod clock;
mod counters;
mod desk;
mod fault;
mod file;
mod finish;
mod lanes;
mod lease;
mod letter;
mod list;
mod moves;
mod open;
mod operate;
mod processes;
mod renew;
mod reserve;
mod row;
mod said;
mod sleepers;
mod store;
mod submit;
mod templates;
mod timers;
mod transaction;
mod watch;
mod workers;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use function_runner_core::{
    BeatReply, By, Capabilities, Clock, Connection, EventStream, Executor, Finish, Finished, Heartbeat,
    Inspect, Lane, LaneStatus, LeaseReply, LeaseRequest, Operate, Outcome, Page, Queue, Result, Seen,
    Submitted, Task, TaskFilter, TaskId, TaskRecord, TemplateSet, Tenant, Times, Weight, WorkerId,
    WorkerInfo, WorkerStatus, check_batch,
};

use self::{clock::Clocks, desk::Desk, open::Plan, watch::Watch};

pub use open::Sync;

/// The most waiting tasks of a lane, unless said.
const USUAL_DEPTH: usize = 1_000_000;

/// A queue in a file. Clones are one connection; another `open` of the same file, in this process or another, is one
/// more.
///
/// - A lane takes up to [`depth`](Builder::depth) waiting tasks, a million unless said; a submit that would go over it
///   is refused whole. Follow-ups are queued all the same.
/// - A lane that is paused stays so while it is empty.
/// - A lease call waits a minute at most, whatever it asks for.
/// - A task's place in line is counted up to 10,000.
/// - What has ended is forgotten after its retention; the room it took in the file is used again.
///
/// # Examples
///
/// ```
/// use function_runner_backends::embedded::EmbeddedQueue;
/// use function_runner_core::{Durability, Executor};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("fnr-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # futures::executor::block_on(async {
/// let queue = EmbeddedQueue::open(folder.join("tasks.db")).await?;
/// assert_eq!(queue.capabilities().durability, Durability::PowerLoss);
/// let connection = queue.connection();
/// assert!(connection.queue.is_some() && connection.operate.is_some());
/// # Ok::<(), function_runner_core::Error>(())
/// # })?;
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct EmbeddedQueue {
    desk: Arc<Desk>,
}

impl EmbeddedQueue {
    /// Opens the queue in this file, which is made if there is none, with the contract's own times.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](function_runner_core::ErrorKind::Io) where the file cannot be read or written,
    /// [`ErrorKind::Corrupt`](function_runner_core::ErrorKind::Corrupt) where it is no queue,
    /// [`ErrorKind::Unsupported`](function_runner_core::ErrorKind::Unsupported) where a newer program wrote it or its
    /// file system is a network's, [`ErrorKind::InvalidSetup`](function_runner_core::ErrorKind::InvalidSetup) where it
    /// was made with other times.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::at(path).open().await
    }

    /// A queue in this file with times, depth or durability of its own.
    #[must_use]
    pub fn at(path: impl AsRef<Path>) -> Builder {
        Builder {
            path: path.as_ref().to_owned(),
            times: Times::default(),
            clocks: None,
            depth: USUAL_DEPTH,
            sync: Sync::Full,
        }
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.desk.opened.path
    }

    /// Everything behind this file: callers, workers, what an operator looks at and does. Artifacts are kept elsewhere:
    /// add them with [`Connection::with_artifacts`].
    #[must_use]
    pub fn connection(&self) -> Connection {
        Connection::queue(self.clone()).with_inspect(self.clone()).with_operate(self.clone())
    }
}

/// How an [`EmbeddedQueue`] is to be opened.
#[derive(Clone, Debug)]
pub struct Builder {
    path: PathBuf,
    times: Times,
    clocks: Option<Clocks>,
    depth: usize,
    sync: Sync,
}

impl Builder {
    /// Lives by these times: those that the file was made with.
    #[must_use]
    pub fn times(mut self, times: Times) -> Self {
        self.times = times;
        self
    }

    /// Takes its time from this clock, the machine's own unless said.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clocks = Some(Clocks::One(Arc::new(clock)));
        self
    }

    /// Takes its time from two clocks: a steady one for leases, and a wall clock for what is due.
    #[must_use]
    pub fn clocks(mut self, steady: impl Clock, wall: impl Clock) -> Self {
        self.clocks = Some(Clocks::Two(Arc::new(steady), Arc::new(wall)));
        self
    }

    /// Takes this many waiting tasks per lane, 1,000,000 unless said.
    #[must_use]
    pub fn depth(mut self, depth: usize) -> Self {
        self.depth = depth;
        self
    }

    /// Acknowledges when it is on the disk as this says, [`Sync::Full`] unless said.
    #[must_use]
    pub fn sync(mut self, sync: Sync) -> Self {
        self.sync = sync;
        self
    }

    /// Opens the queue.
    ///
    /// # Errors
    ///
    /// As [`EmbeddedQueue::open`].
    pub async fn open(self) -> Result<EmbeddedQueue> {
        let Self { path, times, clocks, depth, sync } = self;
        let clocks = clocks.unwrap_or_else(Clocks::machine);
        let desk = Desk::open(Plan { path, times, clocks, depth, sync }).await?;
        Ok(EmbeddedQueue { desk })
    }
}

#[async_trait]
impl Executor for EmbeddedQueue {
    fn capabilities(&self) -> Capabilities {
        self.desk.opened.capabilities()
    }

    async fn templates(&self, known: u64) -> Result<Option<TemplateSet>> {
        let read = self.desk.call(false, |store| {
            store.serve(By::Caller)?;
            store.template_set()
        });
        let set = read.await?;
        Ok((set.revision != known).then(|| TemplateSet::clone(&set)))
    }

    async fn submit(&self, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        check_batch(&tasks)?;
        let tasks: Vec<Arc<Task>> = tasks.into_iter().map(Arc::new).collect();
        self.desk.call(true, move |store| store.submit(&tasks)).await
    }

    async fn record(&self, id: &TaskId) -> Result<TaskRecord> {
        let id = id.clone();
        self.desk.call(false, move |store| store.record(&id)).await
    }

    async fn watch(&self, id: &TaskId, after: Seen) -> Result<EventStream> {
        Ok(Box::pin(Watch::open(&self.desk, id, after).await?))
    }

    async fn cancel(&self, id: &TaskId) -> Result<()> {
        let id = id.clone();
        self.desk.call(true, move |store| store.cancel(&id)).await
    }
}

#[async_trait]
impl Queue for EmbeddedQueue {
    async fn join(&self, worker: WorkerInfo) -> Result<()> {
        self.desk.call(false, move |store| store.join(worker)).await
    }

    async fn lease(&self, ask: LeaseRequest) -> Result<LeaseReply> {
        self.desk.lease(ask).await
    }

    async fn renew(&self, beat: Heartbeat) -> Result<BeatReply> {
        self.desk.call(false, move |store| store.renew(beat)).await
    }

    async fn finish(&self, done: Vec<Finish>) -> Result<Vec<Finished>> {
        let ends = done.iter().any(|finish| !matches!(finish.outcome, Outcome::Released { .. }));
        let finish =
            self.desk.call(ends, move |store| done.into_iter().map(|finish| store.finish(finish)).collect());
        finish.await
    }
}

#[async_trait]
impl Inspect for EmbeddedQueue {
    async fn lanes(&self) -> Result<Vec<LaneStatus>> {
        self.desk.call(false, |store| store.lane_list()).await
    }

    async fn workers(&self) -> Result<Vec<WorkerStatus>> {
        self.desk.call(false, |store| store.worker_list()).await
    }

    /// A list that finds little looks at every task, in steps between which others go on.
    async fn tasks(&self, filter: TaskFilter) -> Result<Page<TaskRecord>> {
        let limit = list::limit_of(&filter);
        let mut before = list::start_of(&filter)?;
        self.desk.call(false, |store| store.serve(By::Caller)).await?;
        // one more than the page has tells whether another follows
        let mut found = Vec::new();
        while found.len() <= limit {
            let (filter, left) = (filter.clone(), limit + 1 - found.len());
            let step = self.desk.call(false, move |store| store.list_step(&filter, left, before)).await?;
            found.extend(step.records);
            match step.next {
                Some(next) => before = next,
                None => break,
            }
        }
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(number, _)| list::cursor(*number));
        Ok(Page { items: found.into_iter().map(|(_, record)| record).collect(), next })
    }
}

#[async_trait]
impl Operate for EmbeddedQueue {
    async fn pause(&self, lane: &Lane) -> Result<()> {
        let lane = lane.clone();
        self.desk.call(true, move |store| store.pause(&lane)).await
    }

    async fn resume(&self, lane: &Lane) -> Result<()> {
        let lane = lane.clone();
        self.desk.call(true, move |store| store.resume(&lane)).await
    }

    async fn drain(&self, worker: &WorkerId) -> Result<()> {
        let worker = worker.clone();
        self.desk.call(false, move |store| store.drain(&worker)).await
    }

    async fn requeue(&self, id: &TaskId) -> Result<()> {
        let id = id.clone();
        self.desk.call(true, move |store| store.requeue(&id)).await
    }

    async fn purge(&self, id: &TaskId) -> Result<()> {
        let id = id.clone();
        self.desk.call(true, move |store| store.purge(&id)).await
    }

    async fn set_weight(&self, tenant: &Tenant, weight: Weight) -> Result<()> {
        let tenant = tenant.clone();
        self.desk.call(true, move |store| store.weigh(&tenant, weight)).await
    }
}
