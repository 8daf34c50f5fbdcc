//! A queue in memory, just large enough for a worker: what it heard can be waited for.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::{
    BeatReply, Capabilities, Checkpoint, Durability, Error, ErrorKind, EventStream, Executor, Finish,
    Finished, Function, Heartbeat, Lane, Lease, LeaseKey, LeaseReply, LeaseRequest, Outcome, Payload,
    Quality, Queue, Registry, Renewal, Result, Seen, State, Submitted, Task, TaskId, TaskRecord, TemplateSet,
    Times, WorkerInfo,
};

#[derive(Debug)]
pub(super) struct Fake {
    times: Times,
    state: Mutex<Store>,
    ready: Notify,
    heard: Notify,
}

#[derive(Debug, Default)]
pub(super) struct Store {
    waiting: VecDeque<(Arc<Task>, u32)>,
    running: BTreeMap<u64, (Arc<Task>, u32)>,
    checkpoints: BTreeMap<TaskId, Checkpoint>,
    fences: u64,
    cancels: BTreeSet<TaskId>,
    untold: bool,
    losing: BTreeSet<TaskId>,
    /// How many beats it hears and never answers.
    pub(super) mute: u32,
    pub(super) drain: bool,
    pub(super) asks: Vec<LeaseRequest>,
    pub(super) beats: Vec<Heartbeat>,
    pub(super) ends: Vec<Finish>,
    pub(super) joins: Vec<WorkerInfo>,
}

impl Fake {
    pub(super) fn new() -> Arc<Self> {
        Self::with(Times::default())
    }

    /// With leases of 90 ms and beats every 30.
    pub(super) fn quick() -> Arc<Self> {
        Self::with(Times::default().scaled(100))
    }

    fn with(times: Times) -> Arc<Self> {
        Arc::new(Self { times, state: Mutex::default(), ready: Notify::new(), heard: Notify::new() })
    }

    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        self.state.lock().unwrap()
    }

    /// Queues a task as the registry's template resolves it.
    pub(super) fn submit<I: crate::Data, O: crate::Data>(
        &self,
        registry: &Registry,
        function: Function<I, O>,
        input: &I,
    ) -> TaskId {
        self.submit_at(registry, function, Quality::Standard, input)
    }

    pub(super) fn submit_at<I: crate::Data, O: crate::Data>(
        &self,
        registry: &Registry,
        function: Function<I, O>,
        quality: Quality,
        input: &I,
    ) -> TaskId {
        let template = registry.find(function.name(), 1).unwrap().template();
        let envelope = Arc::new(template.envelope(&quality));
        let input = Payload::encode(input).unwrap();
        let mut task = Task::new(
            TaskId::unique(),
            function.reference().unwrap(),
            template.lane(&quality),
            input,
            envelope,
        );
        task.quality = quality;
        let id = task.id.clone();
        self.store().waiting.push_back((Arc::new(task), 1));
        self.ready.notify_waiters();
        id
    }

    pub(super) fn cancel_it(&self, id: &TaskId) {
        let mut store = self.store();
        store.cancels.insert(id.clone());
        store.untold = true;
        self.ready.notify_waiters();
    }

    /// The worker's next beat is told that this task is another's.
    pub(super) fn lose(&self, id: &TaskId) {
        let mut store = self.store();
        store.losing.insert(id.clone());
        store.untold = true;
        self.ready.notify_waiters();
    }

    /// Waits until this is so, looking whenever the worker said something.
    pub(super) async fn until<T>(&self, found: impl Fn(&Store) -> Option<T>) -> T {
        loop {
            let heard = self.heard.notified();
            if let Some(found) = found(&self.store()) {
                return found;
            }
            heard.await;
        }
    }

    /// How the first of this task's attempts that ended did.
    pub(super) async fn ended(&self, id: &TaskId) -> Finish {
        self.until(|store| store.ends.iter().find(|end| end.key.id == *id).cloned()).await
    }

    fn take(&self, ask: &LeaseRequest) -> Option<LeaseReply> {
        let store = &mut *self.store();
        if store.untold {
            return Some(LeaseReply::default());
        }
        let cost = |lane: &Lane| ask.lanes.iter().find(|asked| asked.lane == *lane).map(|asked| asked.cost);
        let (mut room, mut leases) = (ask.room, Vec::new());
        let mut passed = VecDeque::new();
        while let Some((task, attempt)) = store.waiting.pop_front() {
            match cost(&task.lane).filter(|cost| *cost <= room) {
                None => passed.push_back((task, attempt)),
                Some(cost) => {
                    room -= cost;
                    store.fences += 1;
                    store.running.insert(store.fences, (task.clone(), attempt));
                    let mut lease =
                        Lease::new(LeaseKey { id: task.id.clone(), fence: store.fences }, task, attempt);
                    lease.checkpoint = store.checkpoints.get(&lease.key.id).cloned();
                    leases.push(lease);
                }
            }
        }
        store.waiting = passed;
        (!leases.is_empty()).then(|| LeaseReply::new(leases))
    }
}

impl Store {
    /// How many checkpoints it has.
    pub(super) fn kept(&self) -> usize {
        self.checkpoints.len()
    }

    fn renew(&mut self, beat: Heartbeat) -> Option<BeatReply> {
        if self.mute > 0 {
            self.mute -= 1;
            self.beats.push(beat);
            return None;
        }
        self.untold = false;
        let answer = |id: &TaskId| match () {
            () if self.losing.contains(id) => Renewal::Lost,
            () if self.cancels.contains(id) => Renewal::CancelRequested,
            () => Renewal::Held,
        };
        let mut reply = BeatReply::new(beat.tasks.iter().map(|task| answer(&task.key.id)).collect(), 1);
        reply.drain = self.drain;
        for task in &beat.tasks {
            self.keep(&task.key.id, task.report.checkpoint.as_ref());
        }
        self.beats.push(beat);
        Some(reply)
    }

    fn keep(&mut self, id: &TaskId, checkpoint: Option<&Checkpoint>) {
        if let Some(checkpoint) = checkpoint {
            self.checkpoints.insert(id.clone(), checkpoint.clone());
        }
    }

    fn end(&mut self, end: &Finish) -> Finished {
        self.keep(&end.key.id, end.last.checkpoint.as_ref());
        let Some((task, attempt)) = self.running.remove(&end.key.fence) else { return Finished::Lost };
        self.ends.push(end.clone());
        Finished::Done(match end.outcome {
            Outcome::Succeeded(_) => State::Succeeded,
            Outcome::Failed(_) => State::Failed,
            Outcome::Cancelled => State::Cancelled,
            Outcome::Retry { .. } => {
                self.waiting.push_back((task, attempt + 1));
                State::Queued
            }
            Outcome::Released { .. } => State::Queued,
        })
    }
}

#[async_trait]
impl Queue for Fake {
    async fn join(&self, worker: WorkerInfo) -> Result<()> {
        self.store().joins.push(worker);
        self.heard.notify_waiters();
        Ok(())
    }

    async fn lease(&self, ask: LeaseRequest) -> Result<LeaseReply> {
        self.store().asks.push(ask.clone());
        self.heard.notify_waiters();
        loop {
            let ready = self.ready.notified();
            if let Some(reply) = self.take(&ask) {
                return Ok(reply);
            }
            ready.await;
        }
    }

    async fn renew(&self, beat: Heartbeat) -> Result<BeatReply> {
        let reply = self.store().renew(beat);
        self.heard.notify_waiters();
        match reply {
            Some(reply) => Ok(reply),
            None => std::future::pending().await,
        }
    }

    async fn finish(&self, done: Vec<Finish>) -> Result<Vec<Finished>> {
        let answers = {
            let mut store = self.store();
            done.iter().map(|end| store.end(end)).collect()
        };
        self.heard.notify_waiters();
        self.ready.notify_waiters();
        Ok(answers)
    }
}

fn unsupported<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, "a queue for workers alone"))
}

#[async_trait]
impl Executor for Fake {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Durability::None, self.times)
    }

    async fn templates(&self, known: u64) -> Result<Option<TemplateSet>> {
        let mut set = TemplateSet::of_templates(Vec::new(), None);
        set.revision = 1;
        Ok((known != 1).then_some(set))
    }

    async fn submit(&self, _: Vec<Task>) -> Result<Vec<Submitted>> {
        unsupported()
    }

    async fn record(&self, _: &TaskId) -> Result<TaskRecord> {
        unsupported()
    }

    async fn watch(&self, _: &TaskId, _: Seen) -> Result<EventStream> {
        unsupported()
    }

    async fn cancel(&self, _: &TaskId) -> Result<()> {
        unsupported()
    }
}
