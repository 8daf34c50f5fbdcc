//! Taking tasks in.

use std::sync::Arc;

use function_runner_core::{ErrorKind, Name, Submitted, Task, TaskId, Tenant, Timestamp};

use super::{By, Model};

/// A key with what it counts in: a tenant's calls of a function.
type Scope = (Option<Tenant>, Name, String);

/// A deduplication key in its window.
#[derive(Clone, Debug)]
pub(super) struct Key {
    of: Scope,
    id: TaskId,
    pub(super) until: Timestamp,
    /// Whether its task was purged: then it may have gone.
    pub(super) purged: bool,
}

/// What must become of one task of a submit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::model) enum Taken {
    Surely(Submitted),
    /// New, or the duplicate of a task that was purged.
    NewOr(TaskId),
    /// The duplicate of this task of the same batch if that was new, else of the one that was purged.
    Like {
        first: usize,
        new: TaskId,
        purged: TaskId,
    },
}

impl Model {
    /// What must be answered to this batch.
    pub(in crate::model) fn admit(&mut self, tasks: &[Task]) -> Result<Vec<Taken>, (ErrorKind, TaskId)> {
        self.begin();
        for (at, task) in tasks.iter().enumerate() {
            if tasks[..at].iter().any(|before| before.id == task.id) {
                return Err((ErrorKind::InvalidCall, task.id.clone()));
            }
        }
        self.serve(By::Caller);
        let now = self.now;
        self.keys.retain(|key| now < key.until);
        let mut batch = Vec::new();
        tasks.iter().enumerate().map(|(at, task)| self.admit_one(at, task, &mut batch)).collect()
    }

    fn admit_one(
        &self,
        at: usize,
        task: &Task,
        batch: &mut Vec<(Scope, usize, TaskId)>,
    ) -> Result<Taken, (ErrorKind, TaskId)> {
        if let Some(row) = self.find(&task.id) {
            let same = row.task.content() == task.content();
            let known = Taken::Surely(Submitted::AlreadyKnown);
            return if same { Ok(known) } else { Err((ErrorKind::Conflict, task.id.clone())) };
        }
        let Some(of) = key_of(task) else { return Ok(Taken::Surely(Submitted::New)) };
        let older = self.keys.iter().rfind(|key| key.of == of);
        if let Some(key) = older.filter(|key| !key.purged) {
            return Ok(Taken::Surely(Submitted::Duplicate(key.id.clone())));
        }
        let purged = older.map(|key| key.id.clone());
        if let Some((_, first, new)) = batch.iter().find(|(key, ..)| *key == of) {
            let (first, new) = (*first, new.clone());
            return Ok(match purged {
                Some(purged) => Taken::Like { first, new, purged },
                None => Taken::Surely(Submitted::Duplicate(new)),
            });
        }
        batch.push((of, at, task.id.clone()));
        Ok(purged.map_or(Taken::Surely(Submitted::New), Taken::NewOr))
    }

    /// These tasks of a batch are stored.
    pub(in crate::model) fn store(&mut self, tasks: impl Iterator<Item = Task>) {
        for task in tasks {
            if let (Some(of), Some(dedupe)) = (key_of(&task), &task.dedupe) {
                let until = self.now.after(dedupe.window);
                self.keys.retain(|key| key.of != of);
                self.keys.push(Key { of, id: task.id.clone(), until, purged: false });
            }
            self.insert(Arc::new(task));
        }
        self.pushes.clear();
    }

    pub(super) fn purge_key(&mut self, id: &TaskId) {
        self.keys.iter_mut().filter(|key| key.id == *id).for_each(|key| key.purged = true);
    }
}

fn key_of(task: &Task) -> Option<Scope> {
    let dedupe = task.dedupe.as_ref()?;
    Some((task.tenant.clone(), task.function.name.clone(), dedupe.key.clone()))
}
