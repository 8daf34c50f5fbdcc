//! A memory queue that counts how often each task ended.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;
use function_runner_backends::memory::MemoryQueue;
use function_runner_core::{
    BeatReply, Capabilities, EventStream, Executor, Finish, Finished, Heartbeat, LeaseReply, LeaseRequest,
    Queue, Result, Seen, Submitted, Task, TaskId, TaskRecord, TemplateSet, Times, WorkerInfo,
};
use function_runner_testkit::ManualClock;

use crate::work::task;

#[derive(Clone, Debug)]
pub(crate) struct Tally {
    pub(crate) queue: MemoryQueue,
    pub(crate) clock: ManualClock,
    ends: Arc<Mutex<BTreeMap<TaskId, u32>>>,
}

impl Tally {
    /// With leases of 90 ms of a clock that the test turns.
    pub(crate) fn new() -> Self {
        let clock = ManualClock::new();
        let store = MemoryQueue::builder().times(Times::default().scaled(100)).clock(clock.clone());
        Self { queue: store.build(), clock, ends: Arc::default() }
    }

    /// How often each of the tasks ended that did.
    pub(crate) fn ends(&self) -> BTreeMap<TaskId, u32> {
        self.ends.lock().unwrap().clone()
    }

    pub(crate) fn accept(&self, name: &str) -> TaskId {
        let task = task(name);
        let id = task.id.clone();
        assert_eq!(now(self.queue.submit(vec![task])).unwrap(), [Submitted::New]);
        id
    }

    pub(crate) fn record_of(&self, id: &TaskId) -> TaskRecord {
        now(self.queue.record(id)).unwrap()
    }
}

#[async_trait]
impl Queue for Tally {
    async fn join(&self, worker: WorkerInfo) -> Result<()> {
        self.queue.join(worker).await
    }

    async fn lease(&self, ask: LeaseRequest) -> Result<LeaseReply> {
        self.queue.lease(ask).await
    }

    async fn renew(&self, beat: Heartbeat) -> Result<BeatReply> {
        self.queue.renew(beat).await
    }

    async fn finish(&self, done: Vec<Finish>) -> Result<Vec<Finished>> {
        // a finish that is sent again is answered as before, so only those count that find the task unfinished
        let mut answers = Vec::new();
        for finish in done {
            let id = finish.key.id.clone();
            let before = self.queue.record(&id).await?.state;
            let answer = self.queue.finish(vec![finish]).await?.remove(0);
            if !before.is_terminal() && matches!(answer, Finished::Done(state) if state.is_terminal()) {
                *self.ends.lock().unwrap().entry(id).or_default() += 1;
            }
            answers.push(answer);
        }
        Ok(answers)
    }
}

#[async_trait]
impl Executor for Tally {
    fn capabilities(&self) -> Capabilities {
        self.queue.capabilities()
    }

    async fn templates(&self, known: u64) -> Result<Option<TemplateSet>> {
        self.queue.templates(known).await
    }

    async fn submit(&self, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        self.queue.submit(tasks).await
    }

    async fn record(&self, id: &TaskId) -> Result<TaskRecord> {
        self.queue.record(id).await
    }

    async fn watch(&self, id: &TaskId, after: Seen) -> Result<EventStream> {
        self.queue.watch(id, after).await
    }

    async fn cancel(&self, id: &TaskId) -> Result<()> {
        self.queue.cancel(id).await
    }
}

/// Polls a call so often at most, then drops it; what it gave.
pub(crate) fn cut<T>(polls: usize, call: impl Future<Output = T>) -> Option<T> {
    let mut call = pin!(call);
    let mut context = Context::from_waker(Waker::noop());
    (0..polls).find_map(|_| match call.as_mut().poll(&mut context) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    })
}

/// The answer of a call that need not wait.
pub(crate) fn now<T>(call: impl Future<Output = T>) -> T {
    cut(1, call).expect("it answers at once")
}

pub(crate) const STEP: Duration = Duration::from_millis(10);
