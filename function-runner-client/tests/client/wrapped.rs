//! Executors that misbehave on purpose.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use async_trait::async_trait;
use function_runner_client::{Error, ErrorKind, Executor, Result, TaskId, TaskRecord, TemplateSet};
use function_runner_core::{Capabilities, EventStream, Seen, Submitted, Task};
use tokio::sync::Semaphore;

/// Stores what is submitted and loses so many replies of it, as a torn connection does.
#[derive(Clone, Debug)]
pub(crate) struct Torn {
    inner: Arc<dyn Executor>,
    replies: Arc<AtomicUsize>,
    submits: Arc<AtomicUsize>,
}

impl Torn {
    pub(crate) fn new(inner: Arc<dyn Executor>, replies: usize) -> Self {
        Self { inner, replies: Arc::new(replies.into()), submits: Arc::default() }
    }

    pub(crate) fn submits(&self) -> usize {
        self.submits.load(SeqCst)
    }
}

#[async_trait]
impl Executor for Torn {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn templates(&self, known: u64) -> Result<Option<TemplateSet>> {
        self.inner.templates(known).await
    }

    async fn submit(&self, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        self.submits.fetch_add(1, SeqCst);
        let submitted = self.inner.submit(tasks).await?;
        match self.replies.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => {
                Err(Error::new(ErrorKind::Unavailable, "the connection was closed before the reply came"))
            }
            Err(_) => Ok(submitted),
        }
    }

    async fn record(&self, id: &TaskId) -> Result<TaskRecord> {
        self.inner.record(id).await
    }

    async fn watch(&self, id: &TaskId, after: Seen) -> Result<EventStream> {
        self.inner.watch(id, after).await
    }

    async fn cancel(&self, id: &TaskId) -> Result<()> {
        self.inner.cancel(id).await
    }
}

/// Lets nothing through but what the test lets through, and says what was asked.
#[derive(Clone, Debug)]
pub(crate) struct Gated {
    inner: Arc<dyn Executor>,
    pub(crate) templates: Arc<Gate>,
    pub(crate) submits: Arc<Gate>,
    pub(crate) cancels: Arc<Gate>,
    pub(crate) cancelled: Arc<Mutex<Vec<TaskId>>>,
}

/// A door: who comes is counted, and waits until it is opened.
#[derive(Debug)]
pub(crate) struct Gate {
    came: Semaphore,
    open: Semaphore,
}

impl Gate {
    fn new(open: bool) -> Arc<Self> {
        let open = if open { Semaphore::MAX_PERMITS } else { 0 };
        Arc::new(Self { came: Semaphore::new(0), open: Semaphore::new(open) })
    }

    async fn pass(&self) {
        self.came.add_permits(1);
        self.open.acquire().await.unwrap().forget();
    }

    /// Waits until one more has come.
    pub(crate) async fn comes(&self) {
        self.came.acquire().await.unwrap().forget();
    }

    pub(crate) fn count(&self) -> usize {
        self.came.available_permits()
    }

    pub(crate) fn open(&self) {
        self.open.add_permits(1);
    }
}

impl Gated {
    /// Everything passes but submits.
    pub(crate) fn submits(inner: Arc<dyn Executor>) -> Self {
        let [templates, cancels] = [Gate::new(true), Gate::new(true)];
        Self { inner, templates, submits: Gate::new(false), cancels, cancelled: Arc::default() }
    }

    /// Everything passes but the reading of templates.
    pub(crate) fn templates(inner: Arc<dyn Executor>) -> Self {
        let [submits, cancels] = [Gate::new(true), Gate::new(true)];
        Self { inner, templates: Gate::new(false), submits, cancels, cancelled: Arc::default() }
    }
}

#[async_trait]
impl Executor for Gated {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn templates(&self, known: u64) -> Result<Option<TemplateSet>> {
        self.templates.pass().await;
        self.inner.templates(known).await
    }

    async fn submit(&self, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        self.submits.pass().await;
        self.inner.submit(tasks).await
    }

    async fn record(&self, id: &TaskId) -> Result<TaskRecord> {
        self.inner.record(id).await
    }

    async fn watch(&self, id: &TaskId, after: Seen) -> Result<EventStream> {
        self.inner.watch(id, after).await
    }

    async fn cancel(&self, id: &TaskId) -> Result<()> {
        self.cancelled.lock().unwrap().push(id.clone());
        let answer = self.inner.cancel(id).await;
        self.cancels.pass().await;
        answer
    }
}
