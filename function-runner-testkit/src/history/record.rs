//! The wrapper that notes every call and every item of every watch.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use async_trait::async_trait;
use function_runner_core::{
    BeatReply, Capabilities, EventStream, Executor, Finish, Finished, Heartbeat, Inspect, Lane, LaneStatus,
    LeaseReply, LeaseRequest, Operate, Page, Queue, Result, Seen, Submitted, Task, TaskFilter, TaskId,
    TaskRecord, TemplateSet, Tenant, Weight, WorkerId, WorkerInfo, WorkerStatus,
};
use futures::{Stream, StreamExt as _};

use super::{
    History,
    line::{Call, Event, Id, Kind, Reply},
    translate,
};

/// A backend whose every call is noted in a [`History`]; it is what the backend is: executor, queue, what an
/// operator does and looks at. Made by [`History::record`].
///
/// It changes nothing: calls, answers and errors go through as they are, and a call that is dropped is
/// dropped inside. Put it where the fault is to be seen: around a wrapper that loses replies, it notes what
/// the caller heard; within it, what the store said.
#[derive(Clone)]
pub struct Recorded<B> {
    inner: B,
    history: History,
}

impl<B> Recorded<B> {
    pub(super) const fn new(inner: B, history: History) -> Self {
        Self { inner, history }
    }

    /// The backend itself.
    pub const fn inner(&self) -> &B {
        &self.inner
    }

    async fn noted<T>(
        &self,
        call: Call,
        answer: impl Future<Output = Result<T>>,
        ok: impl FnOnce(&T) -> Reply,
    ) -> Result<T> {
        let open = self.history.open(call);
        let answer = answer.await;
        open.close(translate::reply(&answer, ok));
        answer
    }

    async fn other<T>(&self, name: &str, answer: impl Future<Output = Result<T>>) -> Result<T> {
        self.noted(Call::Other(Id::new(name)), answer, |_| Reply::Ok).await
    }
}

impl<B: fmt::Debug> fmt::Debug for Recorded<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Recorded").field(&self.inner).finish()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<E: Executor> Executor for Recorded<E> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn templates(&self, known: u64) -> Result<Option<TemplateSet>> {
        self.other("templates", self.inner.templates(known)).await
    }

    async fn submit(&self, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        let call = translate::submit(&tasks);
        self.noted(call, self.inner.submit(tasks), |answers| translate::stored(answers)).await
    }

    async fn record(&self, id: &TaskId) -> Result<TaskRecord> {
        let ok = |record: &TaskRecord| Reply::Found(translate::standing(record));
        self.noted(Call::Record(task(id)), self.inner.record(id), ok).await
    }

    async fn watch(&self, id: &TaskId, after: Seen) -> Result<EventStream> {
        let open = self.history.open(Call::Watch { task: task(id), after: after.seq });
        let answer = self.inner.watch(id, after).await;
        let watch = open.close(translate::reply(&answer, |_| Reply::Ok));
        let stream = answer?;
        Ok(Watched { stream, history: self.history.clone(), watch, task: task(id), over: false }.boxed())
    }

    async fn cancel(&self, id: &TaskId) -> Result<()> {
        self.noted(Call::Cancel(task(id)), self.inner.cancel(id), |()| Reply::Ok).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<Q: Queue> Queue for Recorded<Q> {
    async fn join(&self, worker: WorkerInfo) -> Result<()> {
        let call = translate::join(&worker);
        self.noted(call, self.inner.join(worker), |()| Reply::Ok).await
    }

    async fn lease(&self, ask: LeaseRequest) -> Result<LeaseReply> {
        let call = translate::lease(&ask);
        self.noted(call, self.inner.lease(ask), translate::leased).await
    }

    async fn renew(&self, beat: Heartbeat) -> Result<BeatReply> {
        let call = translate::renew(&beat);
        self.noted(call, self.inner.renew(beat), translate::renewed).await
    }

    async fn finish(&self, done: Vec<Finish>) -> Result<Vec<Finished>> {
        let call = translate::finish(&done);
        self.noted(call, self.inner.finish(done), |answers| translate::finished(answers)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<O: Operate> Operate for Recorded<O> {
    async fn pause(&self, lane: &Lane) -> Result<()> {
        let call = Call::Pause(Id::new(lane.as_str()));
        self.noted(call, self.inner.pause(lane), |()| Reply::Ok).await
    }

    async fn resume(&self, lane: &Lane) -> Result<()> {
        let call = Call::Resume(Id::new(lane.as_str()));
        self.noted(call, self.inner.resume(lane), |()| Reply::Ok).await
    }

    async fn drain(&self, worker: &WorkerId) -> Result<()> {
        let call = Call::Drain(Id::new(worker.as_str()));
        self.noted(call, self.inner.drain(worker), |()| Reply::Ok).await
    }

    async fn requeue(&self, id: &TaskId) -> Result<()> {
        self.noted(Call::Requeue(task(id)), self.inner.requeue(id), |()| Reply::Ok).await
    }

    async fn purge(&self, id: &TaskId) -> Result<()> {
        self.noted(Call::Purge(task(id)), self.inner.purge(id), |()| Reply::Ok).await
    }

    async fn set_weight(&self, tenant: &Tenant, weight: Weight) -> Result<()> {
        self.other("set_weight", self.inner.set_weight(tenant, weight)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<I: Inspect> Inspect for Recorded<I> {
    async fn lanes(&self) -> Result<Vec<LaneStatus>> {
        self.noted(Call::Lanes, self.inner.lanes(), |lanes| translate::lanes(lanes)).await
    }

    async fn workers(&self) -> Result<Vec<WorkerStatus>> {
        self.other("workers", self.inner.workers()).await
    }

    async fn tasks(&self, filter: TaskFilter) -> Result<Page<TaskRecord>> {
        self.other("tasks", self.inner.tasks(filter)).await
    }
}

fn task(id: &TaskId) -> Id {
    Id::new(id.as_str())
}

/// A call under way; one that is dropped before its answer is noted as unknown.
pub(super) struct Open {
    history: History,
    number: u64,
    closed: bool,
}

impl Open {
    pub(super) const fn new(history: History, number: u64) -> Self {
        Self { history, number, closed: false }
    }

    /// It came to this; answers its number.
    pub(super) fn close(mut self, reply: Reply) -> u64 {
        self.closed = true;
        self.history.came(self.number, reply);
        self.number
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.closed {
            self.history.came(self.number, Reply::Unknown(Id::new("dropped")));
        }
    }
}

/// A watch whose every item is noted as its reader gets it.
struct Watched {
    stream: EventStream,
    history: History,
    watch: u64,
    task: Id,
    over: bool,
}

impl Watched {
    fn over(&mut self, error: Option<Id>) {
        if !self.over {
            self.over = true;
            let event = Event { task: self.task.clone(), seq: 0, kind: Kind::Over(error) };
            self.history.gave(self.watch, event);
        }
    }
}

impl Stream for Watched {
    type Item = Result<function_runner_core::Event>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = self.stream.poll_next_unpin(cx);
        match &item {
            Poll::Ready(Some(Ok(event))) => {
                let event = translate::event(&self.task, event);
                self.history.gave(self.watch, event);
            }
            Poll::Ready(Some(Err(error))) => self.over(Some(Id::new(error.kind().name()))),
            Poll::Ready(None) => self.over(None),
            Poll::Pending => {}
        }
        item
    }
}
