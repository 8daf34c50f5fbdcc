//! The caller's side of a backend over a bad network.

use async_trait::async_trait;
use function_runner_core::{
    Capabilities, EventStream, Executor, Result, Seen, Submitted, Task, TaskId, TaskRecord, TemplateSet,
};

use super::{Call, Faulty, watch::follow};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<E: Executor> Executor for Faulty<E> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn templates(&self, known: u64) -> Result<Option<TemplateSet>> {
        self.call(Call::Templates, |inner| async move { inner.templates(known).await }).await
    }

    async fn submit(&self, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        let submit = |inner: std::sync::Arc<E>| {
            let tasks = tasks.clone();
            async move { inner.submit(tasks).await }
        };
        self.call(Call::Submit, submit).await
    }

    async fn record(&self, id: &TaskId) -> Result<TaskRecord> {
        let record = |inner: std::sync::Arc<E>| {
            let id = id.clone();
            async move { inner.record(&id).await }
        };
        self.call(Call::Record, record).await
    }

    async fn watch(&self, id: &TaskId, after: Seen) -> Result<EventStream> {
        let watch = |inner: std::sync::Arc<E>| {
            let id = id.clone();
            async move { inner.watch(&id, after).await }
        };
        let struck = self.faults.next(Call::Watch);
        let events = self.carry(&struck, watch).await?;
        Ok(follow(self.inner.clone(), struck, events, id.clone(), after))
    }

    async fn cancel(&self, id: &TaskId) -> Result<()> {
        let cancel = |inner: std::sync::Arc<E>| {
            let id = id.clone();
            async move { inner.cancel(&id).await }
        };
        self.call(Call::Cancel, cancel).await
    }
}
