//! A queue that must never fail: an error that a worker would try again after ends the process.

use async_trait::async_trait;
use function_runner_core::{
    BeatReply, Capabilities, EventStream, Executor, Finish, Finished, Heartbeat, LeaseReply, LeaseRequest,
    Queue, Result, Seen, Submitted, Task, TaskId, TaskRecord, TemplateSet, WorkerInfo,
};

/// A queue that must never fail.
#[derive(Clone, Debug)]
pub(crate) struct Strict<Q>(pub(crate) Q);

/// Says it on the way out: a panic in a worker's own call would be taken for a store that is away.
fn fine<T>(call: &str, answer: Result<T>) -> Result<T> {
    if let Err(error) = &answer {
        eprintln!("{call}: {error}");
        std::process::exit(7);
    }
    answer
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<Q: Queue> Executor for Strict<Q> {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn templates(&self, known: u64) -> Result<Option<TemplateSet>> {
        fine("templates", self.0.templates(known).await)
    }

    async fn submit(&self, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        fine("submit", self.0.submit(tasks).await)
    }

    async fn record(&self, id: &TaskId) -> Result<TaskRecord> {
        fine("record", self.0.record(id).await)
    }

    async fn watch(&self, id: &TaskId, after: Seen) -> Result<EventStream> {
        fine("watch", self.0.watch(id, after).await)
    }

    async fn cancel(&self, id: &TaskId) -> Result<()> {
        fine("cancel", self.0.cancel(id).await)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<Q: Queue> Queue for Strict<Q> {
    async fn join(&self, worker: WorkerInfo) -> Result<()> {
        fine("join", self.0.join(worker).await)
    }

    async fn lease(&self, ask: LeaseRequest) -> Result<LeaseReply> {
        fine("lease", self.0.lease(ask).await)
    }

    async fn renew(&self, beat: Heartbeat) -> Result<BeatReply> {
        fine("renew", self.0.renew(beat).await)
    }

    async fn finish(&self, done: Vec<Finish>) -> Result<Vec<Finished>> {
        fine("finish", self.0.finish(done).await)
    }
}
