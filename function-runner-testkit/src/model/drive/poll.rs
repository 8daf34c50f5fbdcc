//! Futures and streams driven by hand, by one thread.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use futures::Stream;

/// How long a store beyond this process may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How many wakes there were: tells which of two came first.
static WAKES: AtomicU64 = AtomicU64::new(0);

/// Whether a future was woken since it was last polled.
#[derive(Debug)]
pub(super) struct Flag {
    raised: AtomicBool,
    /// The latest wake.
    wake: AtomicU64,
    thread: Thread,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake.store(WAKES.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
        self.raised.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Flag {
    /// One that is raised, as nobody has polled yet.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { raised: AtomicBool::new(true), wake: AtomicU64::new(0), thread: thread::current() })
    }

    /// Rises from wake to wake.
    pub(super) fn latest(&self) -> u64 {
        self.wake.load(Ordering::SeqCst)
    }

    pub(super) fn is_raised(&self) -> bool {
        self.raised.load(Ordering::SeqCst)
    }

    /// Polls with this flag, which is down until the next wake.
    pub(super) fn poll<F: Future + Unpin>(self: &Arc<Self>, future: &mut F) -> Poll<F::Output> {
        self.raised.store(false, Ordering::SeqCst);
        let waker = Waker::from(self.clone());
        Pin::new(future).poll(&mut Context::from_waker(&waker))
    }

    pub(super) fn poll_next<S: Stream + Unpin>(self: &Arc<Self>, stream: &mut S) -> Poll<Option<S::Item>> {
        self.raised.store(false, Ordering::SeqCst);
        let waker = Waker::from(self.clone());
        Pin::new(stream).poll_next(&mut Context::from_waker(&waker))
    }

    /// Waits for a wake; answers whether one came in time.
    pub(super) fn wait(&self, patience: Duration) -> bool {
        wait_for_any(&[self], patience)
    }
}

/// Waits until one of these is raised, all of which wake this thread; answers whether one was in time.
pub(super) fn wait_for_any(flags: &[&Flag], patience: Duration) -> bool {
    let end = Instant::now() + patience;
    while !flags.iter().any(|flag| flag.is_raised()) {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        thread::park_timeout(left);
    }
    true
}

/// Drives a call that must answer to its end. None where it does not: at once with a clock that is turned by hand and
/// no other thread, in ten seconds else.
pub(super) fn complete<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let flag = Flag::new();
    while flag.wait(PATIENCE) {
        if let Poll::Ready(answer) = flag.poll(&mut future) {
            return Some(answer);
        }
    }
    None
}
