//! What wakes, for `./dev shuttle`: taken to be right, each of its operations one step, before which others may go.

use std::task::Waker;

use tokio::sync::{Notify, futures::Notified};

use super::atomic::{AtomicBool, Ordering};

/// Where whoever is to be first may be.
#[derive(Debug, Default)]
struct Point(AtomicBool);

impl Point {
    fn pass(&self) {
        self.0.load(Ordering::SeqCst);
    }
}

#[derive(Debug, Default)]
pub(crate) struct AtomicWaker(futures::task::AtomicWaker, Point);

impl AtomicWaker {
    pub(crate) fn register(&self, waker: &Waker) {
        self.1.pass();
        self.0.register(waker);
    }

    pub(crate) fn wake(&self) {
        self.1.pass();
        self.0.wake();
    }
}

#[derive(Debug, Default)]
pub(crate) struct Signal(Notify, Point);

impl Signal {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn notify_one(&self) {
        self.1.pass();
        self.0.notify_one();
    }

    pub(crate) fn notify_waiters(&self) {
        self.1.pass();
        self.0.notify_waiters();
    }

    pub(crate) fn notified(&self) -> Notified<'_> {
        self.1.pass();
        self.0.notified()
    }
}
