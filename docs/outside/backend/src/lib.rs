//! Somebody else's backend: tasks are kept in memory, and every task that was accepted or has ended is written down,
//! as an auditor would want it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use function_runner_backends::memory::MemoryQueue;
use function_runner_core::{
    BeatReply, Capabilities, EventStream, Executor, Finish, Finished, Heartbeat, LeaseReply, LeaseRequest, Queue,
    Result, Seen, State, Submitted, Task, TaskId, TaskRecord, TemplateSet, Times, WorkerInfo,
};

/// A queue that keeps a journal; clones are connections to the same one.
#[derive(Clone, Debug)]
pub struct JournalQueue {
    tasks: MemoryQueue,
    journal: Arc<Mutex<BTreeMap<TaskId, Option<State>>>>,
}

impl JournalQueue {
    /// A queue that lives by these times.
    pub fn new(times: Times) -> Self {
        Self { tasks: MemoryQueue::builder().times(times).build(), journal: Arc::default() }
    }

    /// What was accepted, and how it ended where it has.
    pub fn journal(&self) -> BTreeMap<TaskId, Option<State>> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, id: &TaskId, state: Option<State>) {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), state);
    }
}

#[async_trait]
impl Executor for JournalQueue {
    fn capabilities(&self) -> Capabilities {
        self.tasks.capabilities()
    }

    async fn templates(&self, known: u64) -> Result<Option<TemplateSet>> {
        self.tasks.templates(known).await
    }

    async fn submit(&self, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        let ids: Vec<_> = tasks.iter().map(|task| task.id.clone()).collect();
        let answers = self.tasks.submit(tasks).await?;
        for (id, answer) in ids.iter().zip(&answers) {
            if *answer == Submitted::New {
                self.note(id, None);
            }
        }
        Ok(answers)
    }

    async fn record(&self, id: &TaskId) -> Result<TaskRecord> {
        self.tasks.record(id).await
    }

    async fn watch(&self, id: &TaskId, after: Seen) -> Result<EventStream> {
        self.tasks.watch(id, after).await
    }

    async fn cancel(&self, id: &TaskId) -> Result<()> {
        self.tasks.cancel(id).await
    }
}

#[async_trait]
impl Queue for JournalQueue {
    async fn join(&self, worker: WorkerInfo) -> Result<()> {
        self.tasks.join(worker).await
    }

    async fn lease(&self, ask: LeaseRequest) -> Result<LeaseReply> {
        self.tasks.lease(ask).await
    }

    async fn renew(&self, beat: Heartbeat) -> Result<BeatReply> {
        self.tasks.renew(beat).await
    }

    async fn finish(&self, done: Vec<Finish>) -> Result<Vec<Finished>> {
        let ids: Vec<_> = done.iter().map(|finish| finish.key.id.clone()).collect();
        let answers = self.tasks.finish(done).await?;
        for (id, answer) in ids.iter().zip(&answers) {
            if let Finished::Done(state) = answer
                && state.is_terminal()
            {
                self.note(id, Some(*state));
            }
        }
        Ok(answers)
    }
}
