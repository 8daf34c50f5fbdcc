//! A queue behind a thread and a channel of its own, as a networked backend is.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use function_runner_core::{
    BeatReply, Capabilities, Error, ErrorKind, EventStream, Executor, Finish, Finished, Heartbeat,
    LeaseReply, LeaseRequest, Outcome, Queue, Result, Seen, Submitted, Task, TaskId, TaskRecord, TemplateSet,
    WorkerInfo,
};
use futures::{StreamExt as _, future::BoxFuture, stream};
use tokio::sync::{mpsc, oneshot};

/// How many events wait for a reader before its stream stands still.
const READ_AHEAD: usize = 16;

/// A queue behind a thread and a channel of its own, as a networked backend is; clones share the thread.
///
/// Every call runs on that thread, detached from whoever made it, and takes the delay on its way there and on its way
/// back. The answer of a [`lease`](Queue::lease) travels in a guard that releases what nobody took out of it, so a call
/// that is dropped loses nothing: what every networked backend must do.
///
/// # Examples
///
/// ```
/// use function_runner_core::Queue;
/// use function_runner_testkit::OwnThread;
/// use std::time::Duration;
///
/// fn far_away(queue: impl Queue) -> OwnThread {
///     OwnThread::new(queue, Duration::from_millis(1))
/// }
/// ```
#[derive(Clone)]
pub struct OwnThread {
    queue: Arc<dyn Queue>,
    calls: mpsc::UnboundedSender<BoxFuture<'static, ()>>,
    delay: Duration,
}

impl fmt::Debug for OwnThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnThread")
            .field("queue", &self.queue)
            .field("delay", &self.delay)
            .finish_non_exhaustive()
    }
}

impl OwnThread {
    /// This queue behind a thread of its own, which ends with the last clone.
    ///
    /// # Panics
    ///
    /// Where this machine has no thread left.
    #[must_use]
    pub fn new(queue: impl Queue, delay: Duration) -> Self {
        let (calls, mut inbox) = mpsc::unbounded_channel::<BoxFuture<'static, ()>>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime of one thread needs nothing of the machine");
        std::thread::spawn(move || {
            runtime.block_on(async {
                while let Some(call) = inbox.recv().await {
                    tokio::spawn(call);
                }
            });
        });
        Self { queue: Arc::new(queue), calls, delay }
    }

    /// Runs a call over there, and waits for its answer.
    async fn there<T: Send + 'static, F>(&self, call: impl FnOnce(Arc<dyn Queue>) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let (answer, heard) = oneshot::channel();
        let (call, delay) = (call(self.queue.clone()), self.delay);
        self.send(async move {
            pause(delay).await;
            let result = call.await;
            pause(delay).await;
            // whoever asked may have gone
            let _ = answer.send(result);
        });
        heard.await.map_err(|_| gone())?
    }

    fn send(&self, call: impl Future<Output = ()> + Send + 'static) {
        // without its thread a call is never answered, and says so where it waits
        let _ = self.calls.send(Box::pin(call));
    }
}

async fn pause(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Unavailable, "the thread of the queue has stopped")
}

/// Claims on their way to whoever asked: released unless somebody takes them out.
///
/// A oneshot may take an answer that its receiver then drops unseen.
struct InFlight {
    reply: Option<LeaseReply>,
    back: OwnThread,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let Some(reply) = self.reply.take().filter(|reply| !reply.leases.is_empty()) else { return };
        let release = |lease: function_runner_core::Lease| {
            Finish::new(lease.key, Outcome::Released { after: Duration::ZERO })
        };
        let (queue, done) = (self.back.queue.clone(), reply.leases.into_iter().map(release).collect());
        self.back.send(async move {
            // where this fails too, they come back when their leases end
            let _ = queue.finish(done).await;
        });
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Executor for OwnThread {
    fn capabilities(&self) -> Capabilities {
        self.queue.capabilities()
    }

    async fn templates(&self, known: u64) -> Result<Option<TemplateSet>> {
        self.there(|queue| async move { queue.templates(known).await }).await
    }

    async fn submit(&self, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        self.there(|queue| async move { queue.submit(tasks).await }).await
    }

    async fn record(&self, id: &TaskId) -> Result<TaskRecord> {
        let id = id.clone();
        self.there(|queue| async move { queue.record(&id).await }).await
    }

    async fn watch(&self, id: &TaskId, after: Seen) -> Result<EventStream> {
        let id = id.clone();
        let mut events = self.there(|queue| async move { queue.watch(&id, after).await }).await?;
        let (told, heard) = mpsc::channel(READ_AHEAD);
        let delay = self.delay;
        self.send(async move {
            loop {
                let event = tokio::select! {
                    event = events.next() => event,
                    () = told.closed() => None,
                };
                let Some(event) = event else { return };
                pause(delay).await;
                if told.send(event).await.is_err() {
                    return;
                }
            }
        });
        Ok(stream::unfold(heard, |mut heard| async { heard.recv().await.map(|event| (event, heard)) })
            .boxed())
    }

    async fn cancel(&self, id: &TaskId) -> Result<()> {
        let id = id.clone();
        self.there(|queue| async move { queue.cancel(&id).await }).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Queue for OwnThread {
    async fn join(&self, worker: WorkerInfo) -> Result<()> {
        self.there(|queue| async move { queue.join(worker).await }).await
    }

    async fn lease(&self, ask: LeaseRequest) -> Result<LeaseReply> {
        let (mut answer, heard) = oneshot::channel::<Result<InFlight>>();
        let back = self.clone();
        self.send(async move {
            pause(back.delay).await;
            // dropped while it sleeps it gives up its place; dropped later, what it took goes back
            let reply = tokio::select! {
                reply = back.queue.lease(ask) => reply,
                () = answer.closed() => return,
            };
            let delay = back.delay;
            let reply = reply.map(|reply| InFlight { reply: Some(reply), back });
            pause(delay).await;
            // an answer that comes back is dropped here, and releases
            let _ = answer.send(reply);
        });
        let mut flight = heard.await.map_err(|_| gone())??;
        flight.reply.take().ok_or_else(gone)
    }

    async fn renew(&self, beat: Heartbeat) -> Result<BeatReply> {
        self.there(|queue| async move { queue.renew(beat).await }).await
    }

    async fn finish(&self, done: Vec<Finish>) -> Result<Vec<Finished>> {
        self.there(|queue| async move { queue.finish(done).await }).await
    }
}
