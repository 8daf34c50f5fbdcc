//! Taking tasks in: all of a batch or none.

use std::{collections::HashMap, sync::Arc};

use function_runner_core::{By, Error, ErrorKind, Lane, Result, Submitted, Task, TaskId};

use super::{keys::Key, store::Store};

impl Store {
    /// Stores one task: what most submits are, with nothing looked up twice.
    pub(super) fn submit_one(&mut self, task: Arc<Task>) -> Result<Submitted> {
        self.serve(By::Caller);
        let hash = self.ids.hash(&task.id);
        let answer = self.admit(&task, hash, &mut HashMap::new())?;
        if answer == Submitted::New {
            let waiting = self.lanes.by_name(&task.lane).map_or(0, |row| row.waiting);
            if waiting >= self.depth {
                return Err(full(&task, self.depth));
            }
            self.insert(task, hash);
        }
        Ok(answer)
    }

    /// Stores these tasks, which have passed the checks of a batch.
    pub(super) fn submit(&mut self, tasks: Vec<Arc<Task>>) -> Result<Vec<Submitted>> {
        self.serve(By::Caller);
        let mut answers = Vec::with_capacity(tasks.len());
        let mut keys = HashMap::new();
        for task in &tasks {
            answers.push(self.admit(task, self.ids.hash(&task.id), &mut keys)?);
        }
        self.check_depth(&tasks, &answers)?;
        for (task, answer) in tasks.into_iter().zip(&answers) {
            if *answer == Submitted::New {
                let hash = self.ids.hash(&task.id);
                self.insert(task, hash);
            }
        }
        Ok(answers)
    }

    /// What becomes of a task: the id is looked at first, then the key; `keys` are those of the batch so far.
    fn admit(&mut self, task: &Task, hash: u32, keys: &mut HashMap<Key, TaskId>) -> Result<Submitted> {
        if let Some(at) = self.find_hashed(&task.id, hash) {
            if self.rows[at].task.content() == task.content() {
                return Ok(Submitted::AlreadyKnown);
            }
            let error = Error::new(ErrorKind::Conflict, "this id was used for a task with other content");
            return Err(error.with_task(&task.id));
        }
        let Some(key) = Key::of(task) else { return Ok(Submitted::New) };
        if let Some(older) = self.keys.find(&key, self.now).or_else(|| keys.get(&key)) {
            return Ok(Submitted::Duplicate(older.clone()));
        }
        keys.insert(key, task.id.clone());
        Ok(Submitted::New)
    }

    /// Refuses a batch with which a lane would hold more waiting tasks than it may.
    fn check_depth(&self, tasks: &[Arc<Task>], answers: &[Submitted]) -> Result<()> {
        let mut counts = HashMap::<&Lane, usize>::new();
        let new = tasks.iter().zip(answers).filter(|(_, answer)| **answer == Submitted::New);
        for (task, _) in new {
            let waiting = || self.lanes.by_name(&task.lane).map_or(0, |row| row.waiting);
            let count = counts.entry(&task.lane).or_insert_with(waiting);
            if *count >= self.depth {
                return Err(full(task, self.depth));
            }
            *count += 1;
        }
        Ok(())
    }
}

fn full(task: &Task, depth: usize) -> Error {
    let message = format!("the lane `{}` is full: it holds its limit of {depth} waiting tasks", task.lane);
    Error::new(ErrorKind::QueueFull, message)
        .with_context("lane", &task.lane)
        .with_context("limit", depth)
        .with_task(&task.id)
}
