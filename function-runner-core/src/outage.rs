//! An outage is not a crash: when what has run out may be taken back.

use std::time::Duration;

use crate::{Times, Timestamp};

/// When workers last called, and the latest two pauses that a silence of theirs began. Pure, given `now`: a store
/// keeps the three moments, and every backend takes back the same claims at the same time.
///
/// # Examples
///
/// ```
/// use function_runner_core::{By, Outage, Times, Timestamp};
///
/// let (times, second) = (Times::default(), |n: u64| Timestamp::from_millis(1000 * n));
/// let mut outage = Outage::default();
/// outage.note(second(0), &times);
/// // a claim renewed at 0 ends at 9, but nobody could renew it in 30 seconds of silence
/// outage.note(second(30), &times);
/// assert!(!outage.is_over(second(9), times.lease, By::Worker, second(30), &times));
/// outage.note(second(34), &times);
/// assert!(outage.is_over(second(9), times.lease, By::Worker, second(34), &times), "the pause is over");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outage {
    /// When a worker last called.
    pub called: Option<Timestamp>,
    /// When the latest pause began.
    pub pause: Option<Timestamp>,
    /// When the pause before it began.
    pub before: Option<Timestamp>,
}

/// Who looks for what has run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A lease or a heartbeat.
    Worker,
    /// Anything else.
    Caller,
}

impl Outage {
    /// A worker calls: after a silence longer than the gap a pause begins, so that the living renew first.
    pub fn note(&mut self, now: Timestamp, times: &Times) {
        if self.called.is_some_and(|called| now.since(called) > times.gap) {
            self.before = self.pause.replace(now);
        }
        self.called = Some(now);
    }

    /// Whether what ends at this moment, having lasted so long since it was renewed, may be taken back now.
    ///
    /// In a pause only what was not renewed since the pause before began: it has had its second chance, so a lone
    /// slow caller keeps nothing dead alive. While workers are silent a mere caller takes back only what ended long
    /// ago.
    #[must_use]
    pub fn is_over(
        &self,
        ends_at: Timestamp,
        lasts: Duration,
        by: By,
        now: Timestamp,
        times: &Times,
    ) -> bool {
        if now < ends_at {
            return false;
        }
        let silent = self.called.is_none_or(|called| now.since(called) > times.gap);
        if by == By::Caller && silent {
            return now.since(ends_at) > times.late;
        }
        !self.is_paused(now, times) || self.had_its_chance(ends_at, lasts)
    }

    /// When a worker's call may take back what ends at this moment, as things stand.
    #[must_use]
    pub fn over_at(&self, ends_at: Timestamp, lasts: Duration, now: Timestamp, times: &Times) -> Timestamp {
        match self.pause {
            Some(pause) if self.is_paused(now, times) && !self.had_its_chance(ends_at, lasts) => {
                ends_at.max(pause.after(times.pause))
            }
            _ => ends_at,
        }
    }

    fn is_paused(&self, now: Timestamp, times: &Times) -> bool {
        self.pause.is_some_and(|pause| now < pause.after(times.pause))
    }

    fn had_its_chance(&self, ends_at: Timestamp, lasts: Duration) -> bool {
        self.before.is_some_and(|before| ends_at < before.after(lasts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds of the contract's own times: lease 9, gap 4, pause 4, late 60.
    struct Store(Outage, Times);

    impl Store {
        fn new() -> Self {
            Self(Outage::default(), Times::default())
        }

        fn at(seconds: f64) -> Timestamp {
            Timestamp::from_millis((seconds * 1000.0) as u64)
        }

        fn call(&mut self, now: f64) -> &mut Self {
            self.0.note(Self::at(now), &self.1);
            self
        }

        /// Whether a claim that was renewed at `renewed` is taken back at `now`.
        fn over(&self, renewed: f64, by: By, now: f64) -> bool {
            self.0.is_over(Self::at(renewed + 9.0), self.1.lease, by, Self::at(now), &self.1)
        }
    }

    #[test]
    fn without_an_outage_a_claim_is_over_when_it_ends() {
        let mut store = Store::new();
        store.call(0.0).call(3.0).call(6.0).call(9.0);
        assert!(!store.over(0.0, By::Worker, 8.999));
        assert!(store.over(0.0, By::Worker, 9.0) && store.over(0.0, By::Caller, 9.0));
    }

    #[test]
    fn a_gap_of_exactly_four_seconds_is_none() {
        let mut store = Store::new();
        store.call(0.0).call(4.0).call(8.0).call(12.0);
        assert!(store.over(0.0, By::Worker, 12.0));
        store.call(16.001);
        assert!(!store.over(0.0, By::Worker, 16.001));
    }

    #[test]
    fn in_a_pause_nothing_is_over_and_then_all_is() {
        let mut store = Store::new();
        store.call(0.0).call(30.0);
        for now in [30.0, 33.999] {
            assert!(!store.over(0.0, By::Worker, now) && !store.over(0.0, By::Caller, now), "{now}");
        }
        let until = store.0.over_at(Store::at(9.0), store.1.lease, Store::at(30.0), &store.1);
        assert_eq!(until, Store::at(34.0));
        store.call(34.0);
        assert!(store.over(0.0, By::Worker, 34.0));
    }

    #[test]
    fn what_was_not_renewed_since_the_pause_before_gets_no_second_one() {
        let mut store = Store::new();
        store.call(0.0).call(30.0).call(50.0);
        assert!(store.over(29.999, By::Worker, 50.0), "ended at 38.999, not renewed since 30");
        assert!(!store.over(30.0, By::Worker, 50.0), "renewed at 30: a live worker");
        assert_eq!(
            store.0.over_at(Store::at(38.999), store.1.lease, Store::at(50.0), &store.1),
            Store::at(38.999)
        );
        assert_eq!(
            store.0.over_at(Store::at(39.0), store.1.lease, Store::at(50.0), &store.1),
            Store::at(54.0)
        );
    }

    #[test]
    fn a_lone_slow_caller_keeps_nothing_dead_alive() {
        let mut store = Store::new();
        store.call(0.0);
        let freed = (1..10)
            .map(|call| f64::from(call) * 10.0)
            .find(|now| store.call(*now).over(1.0, By::Worker, *now));
        assert_eq!(freed, Some(20.0), "one pause of mercy, at 10, not one with each call");
    }

    #[test]
    fn a_mere_caller_waits_long_while_workers_are_silent() {
        let mut store = Store::new();
        assert!(
            !store.over(0.0, By::Caller, 69.0) && store.over(0.0, By::Caller, 69.001),
            "nobody ever called"
        );
        store.call(0.0);
        assert!(!store.over(0.0, By::Caller, 69.0) && store.over(0.0, By::Caller, 69.001));
        store.call(66.0).call(70.0);
        assert!(store.over(0.0, By::Caller, 70.0), "workers call again and the pause is over");
    }
}
