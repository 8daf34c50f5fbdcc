//! Who serves the timers where callers only watch: an open watch, once per lease time.

use std::{
    fmt,
    sync::{Arc, PoisonError, Weak},
    task::{Context, Wake, Waker},
};

use function_runner_core::{By, Timestamp};
use futures::future::BoxFuture;

use super::{
    store::Shared,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    wake::Wakes,
};

/// One sleep for all watches of the store: it wakes them, and the first that is polled serves the timers and sets it
/// anew. So it always lives in the runtime of somebody who is polled.
#[derive(Default)]
pub(super) struct Tick {
    /// When it rings, in milliseconds; 0 while it is not set.
    at: AtomicU64,
    rang: AtomicBool,
    pub(super) sleep: Mutex<Option<BoxFuture<'static, ()>>>,
}

impl fmt::Debug for Tick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tick").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Shared {
    /// Sets the tick, unless it is set and rings in time: the runtime in which it was set may stand still.
    pub(super) fn start_ticking(self: &Arc<Self>, now: Timestamp) {
        let at = self.tick.at.load(Ordering::Acquire);
        if at == 0 || now > Timestamp::from_millis(at).after(self.times.lease) {
            self.set_tick(at);
        }
    }

    /// Whether the tick has rung and nobody has served the timers since.
    pub(super) fn has_rung(&self) -> bool {
        self.tick.rang.load(Ordering::Acquire)
    }

    /// Serves the timers if the tick has rung, and sets it anew; answers whether it had.
    ///
    /// For one poll once: a runtime whose patience with this poll is used up rings at once, and goes on doing so.
    pub(super) fn ticks(self: &Arc<Self>) -> bool {
        if !self.has_rung() || !self.tick.rang.swap(false, Ordering::AcqRel) {
            return false;
        }
        self.with(|store| store.serve(By::Caller));
        self.set_tick(self.tick.at.load(Ordering::Acquire));
        true
    }

    /// Sets the tick, if it still stands where it was seen.
    fn set_tick(self: &Arc<Self>, seen: u64) {
        let at = self.clock.now().after(self.times.lease);
        let next = at.as_millis().max(1);
        if self.tick.at.compare_exchange(seen, next, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return;
        }
        let mut sleep = self.clock.sleep_until(at);
        let bell = Waker::from(Arc::new(Bell(Arc::downgrade(self))));
        if sleep.as_mut().poll(&mut Context::from_waker(&bell)).is_ready() {
            bell.wake();
            return;
        }
        *self.tick.sleep.lock().unwrap_or_else(PoisonError::into_inner) = Some(sleep);
    }

    fn ring(&self) {
        self.tick.rang.store(true, Ordering::Release);
        let mut wakes = Wakes::default();
        self.lock().watching.nudge(&mut wakes);
        wakes.wake();
    }
}

struct Bell(Weak<Shared>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        if let Some(shared) = self.0.upgrade() {
            shared.ring();
        }
    }
}
