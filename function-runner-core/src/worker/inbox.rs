//! Where the loop hears from bodies, from the heart, and from whoever asks it to stop.

use std::{sync::PoisonError, task::Waker};

use super::step::Heard;
use crate::sync::{AtomicWaker, Mutex, MutexGuard};

/// Many put in, the loop takes all there is at once: one wake for however many bodies ended meanwhile.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    heard: Mutex<Vec<Heard>>,
    waker: AtomicWaker,
}

impl Inbox {
    pub(super) fn put(&self, heard: Heard) {
        self.lock().push(heard);
        self.waker.wake();
    }

    /// Moves everything into `to`; `waker` is woken by what comes later.
    pub(super) fn take(&self, to: &mut Vec<Heard>, waker: &Waker) {
        self.waker.register(waker);
        to.append(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Heard>> {
        // nothing under this lock can panic
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
