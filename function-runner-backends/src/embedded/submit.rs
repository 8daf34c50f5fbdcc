//! Taking tasks in: all of a batch or none.

use std::{collections::HashMap, sync::Arc};

use function_runner_core::{By, Error, ErrorKind, Lane, Submitted, Task, TaskId, Tenant, Timestamp};
use rusqlite::{OptionalExtension as _, params};

use super::{
    fault::{Broken, Step},
    row::written,
    store::Store,
};

/// A deduplication key, scoped by tenant and function.
type Key = (String, String, String);

fn key_of(task: &Task) -> Option<Key> {
    let tenant = task.tenant.as_ref().map_or("", Tenant::as_str);
    let dedupe = task.dedupe.as_ref()?;
    Some((tenant.to_owned(), task.function.name.as_str().to_owned(), dedupe.key.clone()))
}

impl Store {
    /// Stores these tasks, which have passed the checks of a batch.
    pub(super) fn submit(&mut self, tasks: &[Arc<Task>]) -> Step<Vec<Submitted>> {
        self.serve(By::Caller)?;
        let mut answers = Vec::with_capacity(tasks.len());
        let (mut ids, mut keys) = (HashMap::new(), HashMap::new());
        for task in tasks {
            answers.push(self.admit(task, &mut ids, &mut keys)?);
        }
        self.check_depth(tasks, &answers)?;
        for (task, answer) in tasks.iter().zip(&answers) {
            if *answer == Submitted::New {
                self.insert(task)?;
            }
        }
        Ok(answers)
    }

    /// What becomes of a task: the id is looked at first, then the key; `ids` and `keys` are those of the batch so far.
    fn admit<'a>(
        &mut self,
        task: &'a Task,
        ids: &mut HashMap<&'a TaskId, u128>,
        keys: &mut HashMap<Key, TaskId>,
    ) -> Step<Submitted> {
        let known = match self.find(&task.id)? {
            Some(row) => Some(self.content(row.number)?.unwrap_or_default()),
            None => ids.get(&task.id).copied(),
        };
        if let Some(content) = known {
            if content == task.content() {
                return Ok(Submitted::AlreadyKnown);
            }
            let error = Error::new(ErrorKind::Conflict, "this id was used for a task with other content");
            return Err(error.with_task(&task.id).into());
        }
        if let Some(key) = key_of(task) {
            if let Some(older) = self.find_key(&key)?.or_else(|| keys.get(&key).cloned()) {
                return Ok(Submitted::Duplicate(older));
            }
            keys.insert(key, task.id.clone());
        }
        ids.insert(&task.id, task.content());
        Ok(Submitted::New)
    }

    /// Refuses a batch with which a lane would hold more waiting tasks than it may.
    fn check_depth(&mut self, tasks: &[Arc<Task>], answers: &[Submitted]) -> Step<()> {
        let mut counts = HashMap::<&Lane, usize>::new();
        let new = tasks.iter().zip(answers).filter(|(_, answer)| **answer == Submitted::New);
        for (task, _) in new {
            let count = match counts.get_mut(&task.lane) {
                Some(count) => count,
                None => {
                    let waiting = match self.find_lane(&task.lane)? {
                        Some(lane) => usize::try_from(self.lane(lane)?.waiting).unwrap_or(0),
                        None => 0,
                    };
                    counts.entry(&task.lane).or_insert(waiting)
                }
            };
            if *count >= self.depth {
                return Err(full(task, self.depth).into());
            }
            *count += 1;
        }
        Ok(())
    }

    /// The older task that stands under this key.
    fn find_key(&self, (tenant, function, key): &Key) -> Step<Option<TaskId>> {
        let query = "SELECT task.id FROM dedupe JOIN task USING (number) \
            WHERE dedupe.tenant = ?1 AND function = ?2 AND key = ?3 AND until > ?4";
        let mut statement = self.sql.prepare_cached(query)?;
        let values = params![tenant, function, key, written(self.wall)];
        let id: Option<String> = statement.query_row(values, |sql| sql.get(0)).optional()?;
        Ok(id.map(|id| TaskId::from_stored(&id)).transpose().map_err(Broken::corrupt)?)
    }

    /// This task stands under its key until then.
    pub(super) fn keep_key(&self, task: &Task, number: i64, until: Timestamp) -> Step<()> {
        if let Some((tenant, function, key)) = key_of(task) {
            let query = "INSERT OR REPLACE INTO dedupe VALUES (?1, ?2, ?3, ?4, ?5)";
            let values = params![tenant, function, key, number, written(until)];
            self.sql.prepare_cached(query)?.execute(values)?;
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
