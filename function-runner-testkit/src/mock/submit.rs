//! Taking tasks, all or none.

use std::sync::Arc;

use function_runner_core::{
    Error, ErrorKind, Payload, Result, Submitted, Task, TaskEnded, TaskId, TaskRecord, Timestamp, WorkerId,
    check_batch,
};

use super::{Mock, State, entry::Entry, run};

impl Mock {
    pub(super) fn submit(self: &Arc<Self>, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        check_batch(&tasks)?;
        let now = self.clock.now();
        let mut state = self.state();
        for task in &tasks {
            state.check(task)?;
        }
        let mut started = Vec::new();
        let mut answers = Vec::with_capacity(tasks.len());
        for task in tasks {
            answers.push(state.take(task, now, &mut started));
        }
        drop(state);
        started.into_iter().for_each(|entry| self.start(entry));
        Ok(answers)
    }

    fn start(self: &Arc<Self>, entry: Arc<Entry>) {
        tokio::spawn(run::live(self.clone(), entry));
    }

    /// Changes a task; where that ends it, what follows it is queued in the same move.
    pub(super) fn change(self: &Arc<Self>, entry: &Entry, change: impl FnOnce(&Entry, Timestamp)) {
        let mut started = Vec::new();
        {
            let mut state = self.state();
            let now = self.clock.now();
            let ended_before = entry.is_ended();
            change(entry, now);
            if !ended_before && entry.is_ended() {
                state.follow_up(&entry.record(), now, &mut started);
            }
        }
        started.into_iter().for_each(|entry| self.start(entry));
    }
}

impl State {
    fn check(&self, task: &Task) -> Result<()> {
        if let Some(known) = self.entries.get(&task.id) {
            if known.task().content() == task.content() {
                return Ok(());
            }
            let error = Error::new(ErrorKind::Conflict, "this id was used for a task with other content");
            return Err(error.with_task(&task.id));
        }
        if self.functions.find(task.lane.function(), task.lane.major()).is_none() {
            let message = format!("the mock has no answer for `{}`", task.lane.function());
            let help = "give it one: `.on(FUNCTION, |input| …)`";
            return Err(Error::new(ErrorKind::UnknownFunction, message).with_help(help).with_task(&task.id));
        }
        Ok(())
    }

    fn follow_up(&mut self, ended: &TaskRecord, now: Timestamp, started: &mut Vec<Arc<Entry>>) {
        if ended.task.follow_ups.is_empty() {
            return;
        }
        // an ended task is plain data: it can always be written
        let Ok(input) = Payload::encode(&TaskEnded::of(ended)) else { return };
        for (index, wanted) in ended.task.follow_ups.iter().enumerate() {
            let id = ended.task.id.follow_up(ended.seq, index);
            let (lane, envelope) = (wanted.lane.clone(), wanted.envelope.clone());
            let mut task = Task::new(id, wanted.function.clone(), lane, input.clone(), envelope);
            task.labels = wanted.labels.clone();
            task.tenant = ended.task.tenant.clone();
            task.priority = ended.task.priority;
            task.increment = wanted.increment;
            self.take(task, now, started);
        }
    }

    fn take(&mut self, task: Task, now: Timestamp, started: &mut Vec<Arc<Entry>>) -> Submitted {
        if self.entries.contains_key(&task.id) {
            return Submitted::AlreadyKnown;
        }
        if let Some(dedupe) = &task.dedupe {
            let key = (task.tenant.clone(), task.lane.function().to_owned(), dedupe.key.clone());
            if let Some((older, until)) = self.dedupe.get(&key)
                && *until > now
            {
                return Submitted::Duplicate(TaskId::clone(older));
            }
            self.dedupe.insert(key, (task.id.clone(), now.after(dedupe.window)));
        }
        let task = Arc::new(task);
        let entry = Arc::new(Entry::new(task.clone(), WorkerId::unique(), now));
        self.entries.insert(task.id.clone(), entry.clone());
        self.submitted.push(task);
        started.push(entry);
        Submitted::New
    }
}
