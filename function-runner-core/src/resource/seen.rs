//! The largest worker that was seen in a day, remembered in spans of an hour.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{Capacity, Largest};
use crate::{Times, Timestamp, clock::millis};

/// In how many spans the time is cut for which the largest worker is remembered.
const SPANS: u64 = 24;

/// The largest worker of each span of time, as long as [`Times::seen`] says: 24 spans, and the one that runs.
///
/// Pure, given `now`. As JSON it is a list of pairs, the number of a span and the most of each resource.
///
/// # Examples
///
/// ```
/// use function_runner_core::{Capacity, LargestSeen, Times, Timestamp};
///
/// let (times, hour) = (Times::default(), |n: u64| Timestamp::from_millis(n * 3_600_000));
/// let mut seen = LargestSeen::default();
/// assert!(seen.see(&Capacity::new().cpu_millis(8000), hour(0), &times));
/// assert!(!seen.see(&Capacity::new().cpu_millis(4000), hour(0), &times), "a smaller one changes nothing");
/// seen.see(&Capacity::new().cpu_millis(4000), hour(20), &times);
/// assert_eq!(seen.largest().unwrap().amounts().cpu_millis, 8000);
/// assert!(seen.sweep(hour(25), &times));
/// assert_eq!(seen.largest().unwrap().amounts().cpu_millis, 4000);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LargestSeen {
    /// By the number of its span, the latest last.
    spans: VecDeque<(u64, Largest)>,
}

impl LargestSeen {
    /// The number of the span of time that runs now: who remembers the one in which it counted a worker need not
    /// count it again before the next begins.
    #[must_use]
    pub fn span(now: Timestamp, times: &Times) -> u64 {
        now.as_millis() / length(times)
    }

    /// Counts a worker that lives now; whether that changes anything here.
    pub fn see(&mut self, capacity: &Capacity, now: Timestamp, times: &Times) -> bool {
        let span = Self::span(now, times);
        let begins = self.spans.back().is_none_or(|(latest, _)| *latest < span);
        if begins {
            self.spans.push_back((span, Largest::default()));
        }
        let Some((_, largest)) = self.spans.back_mut() else { return false };
        let before = largest.clone();
        largest.merge(capacity);
        begins || *largest != before
    }

    /// Of every resource the most any worker had; `None` where none was seen.
    #[must_use]
    pub fn largest(&self) -> Option<Largest> {
        let mut all = Largest::default();
        self.spans.iter().for_each(|(_, span)| all.merge_amounts(span.amounts()));
        (!self.spans.is_empty()).then_some(all)
    }

    /// Forgets the spans that are over for so long; whether there were any.
    pub fn sweep(&mut self, now: Timestamp, times: &Times) -> bool {
        let oldest = Self::span(now, times).saturating_sub(SPANS);
        let before = self.spans.len();
        while self.spans.front().is_some_and(|(span, _)| *span < oldest) {
            self.spans.pop_front();
        }
        self.spans.len() < before
    }

    /// When a sweep will find something; `None` where nothing is remembered.
    #[must_use]
    pub fn next_sweep(&self, times: &Times) -> Option<Timestamp> {
        let (oldest, _) = self.spans.front()?;
        Some(Timestamp::from_millis(oldest.saturating_add(SPANS + 1).saturating_mul(length(times))))
    }

    /// How many spans are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether no worker is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }
}

/// How many milliseconds a span lasts.
fn length(times: &Times) -> u64 {
    (millis(times.seen) / SPANS).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn at(hours: u64) -> Timestamp {
        Timestamp::from_millis(hours * HOUR)
    }

    fn cores(count: u64) -> Capacity {
        Capacity::new().cpu_millis(1000 * count)
    }

    fn most(seen: &LargestSeen) -> Option<u64> {
        seen.largest().map(|largest| largest.amounts().cpu_millis / 1000)
    }

    #[test]
    fn what_was_seen_counts_until_its_span_is_a_day_past() {
        let times = Times::default();
        let mut seen = LargestSeen::default();
        assert_eq!((most(&seen), seen.next_sweep(&times)), (None, None));
        assert!(seen.see(&cores(9), Timestamp::from_millis(HOUR - 1), &times));
        assert_eq!(seen.next_sweep(&times), Some(at(25)));
        assert!(seen.see(&cores(2), at(24), &times));
        let last = Timestamp::from_millis(25 * HOUR - 1);
        assert!(!seen.sweep(last, &times));
        assert_eq!((most(&seen), seen.len()), (Some(9), 2));
        assert!(seen.sweep(at(25), &times));
        assert_eq!((most(&seen), seen.next_sweep(&times)), (Some(2), Some(at(49))));
        assert!(seen.sweep(at(99), &times) && seen.is_empty());
    }

    #[test]
    fn a_change_is_told_and_no_other() {
        let times = Times::default();
        let mut seen = LargestSeen::default();
        assert!(seen.see(&Capacity::new(), at(5), &times), "a span begins");
        assert!(seen.see(&cores(4), at(5), &times));
        assert!(!seen.see(&cores(4), at(5), &times));
        assert!(!seen.see(&cores(3), at(4), &times), "a clock that goes back counts in the latest span");
        assert!(seen.see(&cores(3), at(6), &times), "it is the largest for longer");
        assert_eq!((LargestSeen::span(at(6), &times), seen.len()), (6, 2));
    }

    #[test]
    fn it_is_kept_as_json_and_no_number_is_too_large() {
        let times = Times::default();
        let mut seen = LargestSeen::default();
        seen.see(&cores(4), at(5), &times);
        seen.see(&cores(3).slots(1), at(6), &times);
        let json = serde_json::to_string(&seen).unwrap();
        assert_eq!(serde_json::from_str::<LargestSeen>(&json).unwrap(), seen);
        assert!(json.starts_with(r#"[[5,{"cpu_millis":4000"#), "{json}");
        let far: LargestSeen = serde_json::from_str(&format!("[[{},{{}}]]", u64::MAX)).unwrap();
        assert_eq!(far.next_sweep(&times), Some(Timestamp::from_millis(u64::MAX)));
        let none = times.scaled(u32::MAX);
        assert_eq!(LargestSeen::span(at(1), &none), HOUR, "a span lasts a millisecond or more");
    }
}
