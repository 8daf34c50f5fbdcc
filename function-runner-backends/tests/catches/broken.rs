//! A memory queue with one thing wrong.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak},
};

use async_trait::async_trait;
use function_runner_backends::memory::{Builder, MemoryQueue};
use function_runner_core::{
    BeatReply, Capabilities, Connection, Durability, EventStream, Executor, Finish, Finished, Heartbeat,
    Inspect, Lane, LaneStatus, Lease, LeaseReply, LeaseRequest, Operate, Outcome, Page, Queue, Report,
    Result, Seen, Submitted, Task, TaskFilter, TaskId, TaskRecord, TemplateSet, Tenant, Times, Weight,
    WorkerId, WorkerInfo, WorkerStatus,
};
use function_runner_testkit::{
    ManualClock,
    conformance::{Case, queue::Opening},
};

/// A good store, and the time it lives by.
#[derive(Debug)]
pub(crate) struct Good {
    pub(crate) queue: MemoryQueue,
    pub(crate) clock: ManualClock,
    pub(crate) times: Times,
}

/// What is wrong with a store: everything that a thing does not change is as it should be.
#[async_trait]
pub(crate) trait Broken: fmt::Debug + Send + Sync + 'static {
    /// How its store is made.
    fn store(&self, store: Builder, _: &Case) -> Builder {
        store
    }

    /// What it stores of a task.
    fn stores(&self, _: &mut Task) {}

    /// What it shows of a task.
    fn shows(&self, _: &mut TaskRecord) {}

    /// What it tells a watcher.
    fn tells(&self, events: EventStream) -> EventStream {
        events
    }

    /// What it publishes.
    fn publishes(&self, _: &mut TemplateSet) {}

    /// What it takes an ask for.
    fn is_asked(&self, _: &mut LeaseRequest) {}

    /// What it gives.
    fn gives(&self, _: &mut Lease) {}

    /// What it takes from what a body tells.
    fn hears(&self, _: &mut Report) {}

    /// What it takes the end of an attempt for.
    fn ends(&self, _: &mut Outcome) {}

    /// What it answers to a heartbeat.
    fn answers(&self, _: &mut BeatReply) {}

    async fn templates(&self, good: &Good, known: u64) -> Result<Option<TemplateSet>> {
        good.queue.templates(known).await
    }

    async fn submit(&self, good: &Good, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        good.queue.submit(tasks).await
    }

    async fn record(&self, good: &Good, id: &TaskId) -> Result<TaskRecord> {
        good.queue.record(id).await
    }

    async fn watch(&self, good: &Good, id: &TaskId, after: Seen) -> Result<EventStream> {
        good.queue.watch(id, after).await
    }

    async fn cancel(&self, good: &Good, id: &TaskId) -> Result<()> {
        good.queue.cancel(id).await
    }

    async fn join(&self, good: &Good, worker: WorkerInfo) -> Result<()> {
        good.queue.join(worker).await
    }

    async fn lease(&self, good: &Good, ask: LeaseRequest) -> Result<LeaseReply> {
        good.queue.lease(ask).await
    }

    async fn renew(&self, good: &Good, beat: Heartbeat) -> Result<BeatReply> {
        good.queue.renew(beat).await
    }

    async fn finish(&self, good: &Good, done: Vec<Finish>) -> Result<Vec<Finished>> {
        good.queue.finish(done).await
    }

    async fn lanes(&self, good: &Good) -> Result<Vec<LaneStatus>> {
        good.queue.lanes().await
    }

    async fn workers(&self, good: &Good) -> Result<Vec<WorkerStatus>> {
        good.queue.workers().await
    }

    async fn tasks(&self, good: &Good, filter: TaskFilter) -> Result<Page<TaskRecord>> {
        good.queue.tasks(filter).await
    }

    async fn pause(&self, good: &Good, lane: &Lane) -> Result<()> {
        good.queue.pause(lane).await
    }

    async fn resume(&self, good: &Good, lane: &Lane) -> Result<()> {
        good.queue.resume(lane).await
    }

    async fn drain(&self, good: &Good, worker: &WorkerId) -> Result<()> {
        good.queue.drain(worker).await
    }

    async fn requeue(&self, good: &Good, id: &TaskId) -> Result<()> {
        good.queue.requeue(id).await
    }

    async fn purge(&self, good: &Good, id: &TaskId) -> Result<()> {
        good.queue.purge(id).await
    }

    async fn set_weight(&self, good: &Good, tenant: &Tenant, weight: Weight) -> Result<()> {
        good.queue.set_weight(tenant, weight).await
    }
}

/// Opens one more connection to the store of a case, which has this wrong.
pub(crate) fn open<B: Broken + Default>(case: Case) -> Opening {
    static STORES: LazyLock<Mutex<HashMap<String, Weak<Inner>>>> = LazyLock::new(Mutex::default);
    let mut stores = lock(&STORES);
    let known = stores.get(&case.namespace).and_then(Weak::upgrade);
    let inner = known.unwrap_or_else(|| {
        let inner = Arc::new(Inner::new(B::default(), &case));
        stores.retain(|_, store| store.strong_count() > 0);
        stores.insert(case.namespace.clone(), Arc::downgrade(&inner));
        inner
    });
    let store = Wrapped(inner);
    Box::pin(async { Connection::queue(store.clone()).with_inspect(store.clone()).with_operate(store) })
}

/// What a case or a thing left half done when it failed is as good as anything: it is broken on purpose.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Inner {
    good: Good,
    broken: Box<dyn Broken>,
}

impl Inner {
    fn new(broken: impl Broken, case: &Case) -> Self {
        let (clock, times) = (case.clock(), case.times);
        let store = MemoryQueue::builder().times(times).clock(clock.clone());
        let queue = broken.store(store, case).build();
        Self { good: Good { queue, clock, times }, broken: Box::new(broken) }
    }
}

/// A connection to a broken store.
#[derive(Clone, Debug)]
struct Wrapped(Arc<Inner>);

impl Wrapped {
    fn parts(&self) -> (&dyn Broken, &Good) {
        (&*self.0.broken, &self.0.good)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Executor for Wrapped {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Durability::None, self.0.good.times)
    }

    async fn templates(&self, known: u64) -> Result<Option<TemplateSet>> {
        let (broken, good) = self.parts();
        let mut set = broken.templates(good, known).await?;
        if let Some(set) = &mut set {
            broken.publishes(set);
        }
        Ok(set)
    }

    async fn submit(&self, mut tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        let (broken, good) = self.parts();
        tasks.iter_mut().for_each(|task| broken.stores(task));
        broken.submit(good, tasks).await
    }

    async fn record(&self, id: &TaskId) -> Result<TaskRecord> {
        let (broken, good) = self.parts();
        let mut record = broken.record(good, id).await?;
        broken.shows(&mut record);
        Ok(record)
    }

    async fn watch(&self, id: &TaskId, after: Seen) -> Result<EventStream> {
        let (broken, good) = self.parts();
        Ok(broken.tells(broken.watch(good, id, after).await?))
    }

    async fn cancel(&self, id: &TaskId) -> Result<()> {
        let (broken, good) = self.parts();
        broken.cancel(good, id).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Queue for Wrapped {
    async fn join(&self, worker: WorkerInfo) -> Result<()> {
        let (broken, good) = self.parts();
        broken.join(good, worker).await
    }

    async fn lease(&self, mut ask: LeaseRequest) -> Result<LeaseReply> {
        let (broken, good) = self.parts();
        broken.is_asked(&mut ask);
        let mut reply = broken.lease(good, ask).await?;
        reply.leases.iter_mut().for_each(|lease| broken.gives(lease));
        Ok(reply)
    }

    async fn renew(&self, mut beat: Heartbeat) -> Result<BeatReply> {
        let (broken, good) = self.parts();
        beat.tasks.iter_mut().for_each(|beat| broken.hears(&mut beat.report));
        let mut reply = broken.renew(good, beat).await?;
        broken.answers(&mut reply);
        Ok(reply)
    }

    async fn finish(&self, mut done: Vec<Finish>) -> Result<Vec<Finished>> {
        let (broken, good) = self.parts();
        for finish in &mut done {
            broken.hears(&mut finish.last);
            broken.ends(&mut finish.outcome);
        }
        broken.finish(good, done).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Inspect for Wrapped {
    async fn lanes(&self) -> Result<Vec<LaneStatus>> {
        let (broken, good) = self.parts();
        broken.lanes(good).await
    }

    async fn workers(&self) -> Result<Vec<WorkerStatus>> {
        let (broken, good) = self.parts();
        broken.workers(good).await
    }

    async fn tasks(&self, filter: TaskFilter) -> Result<Page<TaskRecord>> {
        let (broken, good) = self.parts();
        broken.tasks(good, filter).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Operate for Wrapped {
    async fn pause(&self, lane: &Lane) -> Result<()> {
        let (broken, good) = self.parts();
        broken.pause(good, lane).await
    }

    async fn resume(&self, lane: &Lane) -> Result<()> {
        let (broken, good) = self.parts();
        broken.resume(good, lane).await
    }

    async fn drain(&self, worker: &WorkerId) -> Result<()> {
        let (broken, good) = self.parts();
        broken.drain(good, worker).await
    }

    async fn requeue(&self, id: &TaskId) -> Result<()> {
        let (broken, good) = self.parts();
        broken.requeue(good, id).await
    }

    async fn purge(&self, id: &TaskId) -> Result<()> {
        let (broken, good) = self.parts();
        broken.purge(good, id).await
    }

    async fn set_weight(&self, tenant: &Tenant, weight: Weight) -> Result<()> {
        let (broken, good) = self.parts();
        broken.set_weight(good, tenant, weight).await
    }
}

/// Nothing is wrong.
#[derive(Debug, Default)]
pub(crate) struct Nothing;

impl Broken for Nothing {}
