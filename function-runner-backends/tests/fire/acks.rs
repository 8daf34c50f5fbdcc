//! A queue whose promises are written down as soon as they are made: what a power cut may not undo.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::Write as _,
    path::Path,
    sync::Arc,
};

use async_trait::async_trait;
use function_runner_core::{
    BeatReply, Capabilities, EventKind, EventStream, Executor, Finish, Finished, Heartbeat, LeaseReply,
    LeaseRequest, Queue, Result, Seen, State, Submitted, Task, TaskId, TaskRecord, TemplateSet, WorkerInfo,
};
use futures::StreamExt as _;

/// A queue whose promises are written to a file, a line each in one write.
#[derive(Clone, Debug)]
pub(crate) struct Acks<Q> {
    queue: Q,
    file: Arc<File>,
}

impl<Q> Acks<Q> {
    pub(crate) fn new(queue: Q, file: &Path) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(file).unwrap();
        Self { queue, file: Arc::new(file) }
    }

    fn note(&self, line: &str) {
        note(&self.file, line);
    }
}

fn note(mut file: &File, line: &str) {
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

fn ended(file: &File, id: &TaskId, state: State) {
    if state.is_terminal() {
        note(file, &format!("{} {id}", state.as_str()));
    }
}

/// What was promised of the tasks of a run.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    /// Those whose submit was acknowledged, and how they ended where that was.
    pub(crate) tasks: BTreeMap<TaskId, Option<State>>,
    /// Those whose cancel was acknowledged.
    pub(crate) cancelled: Vec<TaskId>,
}

impl Promises {
    /// Reads what was written so far; a line that has no end was none yet.
    pub(crate) fn read(text: &[u8]) -> Self {
        let text = String::from_utf8(text.to_vec()).unwrap();
        let mut promises = Self::default();
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let (what, id) = line.split_once(' ').unwrap();
            let id = TaskId::new(id).unwrap();
            match what {
                "new" => _ = promises.tasks.entry(id).or_default(),
                "cancel" => promises.cancelled.push(id),
                state => {
                    let state = [State::Succeeded, State::Failed, State::Cancelled]
                        .into_iter()
                        .find(|known| known.as_str() == state)
                        .unwrap();
                    let before = promises.tasks.insert(id.clone(), Some(state)).flatten();
                    assert!(before.is_none_or(|before| before == state), "task {id} ended twice");
                }
            }
        }
        promises
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<Q: Queue> Executor for Acks<Q> {
    fn capabilities(&self) -> Capabilities {
        self.queue.capabilities()
    }

    async fn templates(&self, known: u64) -> Result<Option<TemplateSet>> {
        self.queue.templates(known).await
    }

    async fn submit(&self, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        let ids: Vec<TaskId> = tasks.iter().map(|task| task.id.clone()).collect();
        let answers = self.queue.submit(tasks).await?;
        for (id, answer) in ids.iter().zip(&answers) {
            if *answer == Submitted::New {
                self.note(&format!("new {id}"));
            }
        }
        Ok(answers)
    }

    async fn record(&self, id: &TaskId) -> Result<TaskRecord> {
        let record = self.queue.record(id).await?;
        ended(&self.file, id, record.state);
        Ok(record)
    }

    async fn watch(&self, id: &TaskId, after: Seen) -> Result<EventStream> {
        let (file, id, stream) = (self.file.clone(), id.clone(), self.queue.watch(id, after).await?);
        let told = stream.inspect(move |item| {
            let Ok(event) = item else { return };
            match &event.kind {
                EventKind::Snapshot(record) => ended(&file, &id, record.state),
                EventKind::Succeeded(_) => ended(&file, &id, State::Succeeded),
                EventKind::Failed(_) => ended(&file, &id, State::Failed),
                EventKind::Cancelled => ended(&file, &id, State::Cancelled),
                _ => {}
            }
        });
        Ok(told.boxed())
    }

    async fn cancel(&self, id: &TaskId) -> Result<()> {
        self.queue.cancel(id).await?;
        self.note(&format!("cancel {id}"));
        Ok(())
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<Q: Queue> Queue for Acks<Q> {
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
        let ids: Vec<TaskId> = done.iter().map(|done| done.key.id.clone()).collect();
        let answers = self.queue.finish(done).await?;
        for (id, answer) in ids.iter().zip(&answers) {
            if let Finished::Done(state) = answer {
                ended(&self.file, id, *state);
            }
        }
        Ok(answers)
    }
}
