//! The way to a store, which a test cuts: for a while, for the answers alone, or for ever.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use async_trait::async_trait;
use function_runner_core::{
    BeatReply, Capabilities, Error, ErrorKind, EventStream, Executor, Finish, Finished, Heartbeat,
    LeaseReply, LeaseRequest, Queue, Result, Seen, Submitted, Task, TaskId, TaskRecord, TemplateSet,
    WorkerInfo,
};

/// How the way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Open = 0,
    /// Calls do not reach the store.
    Down = 1,
    /// Calls reach it, answers are lost.
    Deaf = 2,
    /// Nothing comes back ever: whoever called is as good as dead.
    Dead = 3,
}

/// A store at the end of a way that a test cuts. Clones share the way.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    store: Arc<dyn Queue>,
    way: Arc<AtomicU8>,
}

impl Link {
    pub(crate) fn new(store: Arc<dyn Queue>) -> Self {
        Self { store, way: Arc::default() }
    }

    pub(crate) fn set(&self, way: Way) {
        self.way.store(way as u8, Ordering::SeqCst);
    }

    async fn pass<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let lost = |what| Error::new(ErrorKind::Unavailable, what);
        let way = || self.way.load(Ordering::SeqCst);
        if way() == Way::Down as u8 {
            return Err(lost("the store was not reached"));
        }
        if way() == Way::Dead as u8 {
            return pending().await;
        }
        let answer = call.await;
        if way() == Way::Dead as u8 {
            return pending().await;
        }
        if way() == Way::Open as u8 { answer } else { Err(lost("the answer was lost")) }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Executor for Link {
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    async fn templates(&self, known: u64) -> Result<Option<TemplateSet>> {
        self.pass(self.store.templates(known)).await
    }

    async fn submit(&self, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        self.pass(self.store.submit(tasks)).await
    }

    async fn record(&self, id: &TaskId) -> Result<TaskRecord> {
        self.pass(self.store.record(id)).await
    }

    async fn watch(&self, id: &TaskId, after: Seen) -> Result<EventStream> {
        self.pass(self.store.watch(id, after)).await
    }

    async fn cancel(&self, id: &TaskId) -> Result<()> {
        self.pass(self.store.cancel(id)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Queue for Link {
    async fn join(&self, worker: WorkerInfo) -> Result<()> {
        self.pass(self.store.join(worker)).await
    }

    async fn lease(&self, ask: LeaseRequest) -> Result<LeaseReply> {
        self.pass(self.store.lease(ask)).await
    }

    async fn renew(&self, beat: Heartbeat) -> Result<BeatReply> {
        self.pass(self.store.renew(beat)).await
    }

    async fn finish(&self, done: Vec<Finish>) -> Result<Vec<Finished>> {
        self.pass(self.store.finish(done)).await
    }
}
