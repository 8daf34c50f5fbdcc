//! A clock whose hands a test turns.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use function_runner_core::{Clock, Timestamp};
use futures::future::BoxFuture;
use tokio::sync::oneshot;

/// A clock whose hands a test turns: time passes only by [`advance`](Self::advance). Clones are the same clock.
///
/// # Examples
///
/// ```
/// use function_runner_core::Clock;
/// use function_runner_testkit::ManualClock;
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let before = clock.now();
/// clock.advance(Duration::from_secs(3600));
/// assert_eq!(clock.now().since(before), Duration::from_secs(3600));
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<Hands>>);

#[derive(Debug)]
struct Hands {
    now: Timestamp,
    /// Who waits for which moment; the number keeps those of one moment apart.
    sleepers: BTreeMap<(Timestamp, u64), oneshot::Sender<()>>,
    count: u64,
}

impl ManualClock {
    /// A clock that stands at a fixed moment in 2026.
    #[must_use]
    pub fn new() -> Self {
        let now = Timestamp::from_millis(1_767_225_600_000);
        Self(Arc::new(Mutex::new(Hands { now, sleepers: BTreeMap::new(), count: 0 })))
    }

    /// Lets this much time pass at once, and wakes whoever waited for it.
    pub fn advance(&self, duration: Duration) {
        let mut hands = self.hands();
        let now = hands.now.after(duration);
        hands.now = now;
        let mut due = Vec::new();
        while let Some(sleeper) = hands.sleepers.first_entry().filter(|first| first.key().0 <= now) {
            due.push(sleeper.remove());
        }
        drop(hands);
        for sleeper in due {
            // one that was dropped waits no more
            let _ = sleeper.send(());
        }
    }

    /// The next moment somebody waits for.
    #[must_use]
    pub fn next(&self) -> Option<Timestamp> {
        self.hands().sleepers.first_key_value().map(|((moment, _), _)| *moment)
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.hands().now
    }

    fn sleep_until(&self, moment: Timestamp) -> BoxFuture<'static, ()> {
        let mut hands = self.hands();
        if moment <= hands.now {
            return Box::pin(std::future::ready(()));
        }
        let (wake, woken) = oneshot::channel();
        hands.count += 1;
        let key = (moment, hands.count);
        hands.sleepers.insert(key, wake);
        let leaves = Leaves(self.clone(), key);
        Box::pin(async move {
            let _leaves = leaves;
            // the sender goes only when it was used, or with the clock itself
            let _ = woken.await;
        })
    }
}

/// A sleeper that is dropped leaves no entry behind.
struct Leaves(ManualClock, (Timestamp, u64));

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.hands().sleepers.remove(&self.1);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn a_sleeper_wakes_when_its_moment_comes_and_not_before() {
        let clock = ManualClock::new();
        let mut sleep = clock.sleep_until(clock.now().after(Duration::from_secs(2)));
        clock.advance(Duration::from_secs(1));
        assert!((&mut sleep).now_or_never().is_none());
        clock.advance(Duration::from_secs(1));
        assert!((&mut sleep).now_or_never().is_some());
        assert_eq!(clock.next(), None);
    }
}
