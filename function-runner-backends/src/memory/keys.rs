//! Deduplication keys, each kept as long as the task it stands for.

use std::collections::HashMap;

use function_runner_core::{Name, Task, TaskId, Tenant, Timestamp};

/// The keys under which work is not queued twice within a window.
///
/// A key needs no timer: it counts until its window is over and goes with its task, whose retention is no shorter.
#[derive(Debug, Default)]
pub(super) struct Keys {
    keys: HashMap<Key, (TaskId, Timestamp)>,
}

/// A key, scoped by tenant and function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    tenant: Option<Tenant>,
    function: Name,
    key: String,
}

impl Key {
    /// The key of a task that has one.
    pub(super) fn of(task: &Task) -> Option<Self> {
        let key = task.dedupe.as_ref()?.key.clone();
        Some(Self { tenant: task.tenant.clone(), function: task.function.name.clone(), key })
    }
}

impl Keys {
    /// The older task that stands under this key.
    pub(super) fn find(&self, key: &Key, now: Timestamp) -> Option<&TaskId> {
        self.keys.get(key).filter(|(_, until)| now < *until).map(|(id, _)| id)
    }

    /// This task stands under its key until then.
    pub(super) fn insert(&mut self, task: &Task, until: Timestamp) {
        if let Some(key) = Key::of(task) {
            self.keys.insert(key, (task.id.clone(), until));
        }
    }

    /// This task is forgotten.
    pub(super) fn remove(&mut self, task: &Task) {
        if let Some(key) = Key::of(task)
            && self.keys.get(&key).is_some_and(|(id, _)| *id == task.id)
        {
            self.keys.remove(&key);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}
