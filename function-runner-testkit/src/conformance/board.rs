//! What a case and the bodies of its functions tell each other, by task.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use function_runner_core::TaskId;
use tokio::sync::watch;

/// What a case and the bodies of its functions tell each other, by task. Clones are the same board.
#[derive(Clone, Debug)]
pub(super) struct Board(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    notes: Mutex<HashMap<TaskId, Note>>,
    changes: watch::Sender<()>,
}

/// What is noted of one task.
#[derive(Clone, Copy, Debug, Default)]
struct Note {
    runs: u32,
    cancels: u32,
    signals: u32,
}

impl Default for Board {
    fn default() -> Self {
        Self(Arc::new(Inner { notes: Mutex::default(), changes: watch::Sender::new(()) }))
    }
}

impl Board {
    /// The body of this task began an attempt.
    pub(super) fn began(&self, id: &TaskId) {
        self.note(id, |note| note.runs += 1);
    }

    /// The body of this task was asked to stop.
    pub(super) fn heard_cancel(&self, id: &TaskId) {
        self.note(id, |note| note.cancels += 1);
    }

    /// Lets the body of this task go one step on.
    pub(super) fn signal(&self, id: &TaskId) {
        self.note(id, |note| note.signals += 1);
    }

    /// How often the body of this task began.
    pub(super) fn runs(&self, id: &TaskId) -> u32 {
        self.of(id).runs
    }

    /// How often the body of this task was asked to stop.
    pub(super) fn cancels(&self, id: &TaskId) -> u32 {
        self.of(id).cancels
    }

    /// Waits until the body of this task has begun so often.
    pub(super) async fn has_begun(&self, id: &TaskId, times: u32) {
        self.until(id, |note| note.runs >= times).await;
    }

    /// Waits until the body of this task was let go on so many steps.
    pub(super) async fn has_signals(&self, id: &TaskId, count: u32) {
        self.until(id, |note| note.signals >= count).await;
    }

    /// Blocks until the body of this task was let go on, or is to stop.
    pub(super) fn block(&self, id: &TaskId, stop: impl Fn() -> bool) {
        while self.of(id).signals == 0 && !stop() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn note(&self, id: &TaskId, change: impl FnOnce(&mut Note)) {
        change(self.notes().entry(id.clone()).or_default());
        self.0.changes.send_replace(());
    }

    fn of(&self, id: &TaskId) -> Note {
        self.notes().get(id).copied().unwrap_or_default()
    }

    async fn until(&self, id: &TaskId, reached: impl Fn(Note) -> bool) {
        let mut changes = self.0.changes.subscribe();
        while !reached(self.of(id)) {
            // the sender lives as long as this board
            let _ = changes.changed().await;
        }
    }

    fn notes(&self) -> MutexGuard<'_, HashMap<TaskId, Note>> {
        self.0.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
