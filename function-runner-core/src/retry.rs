//! Whether and when an attempt is tried again: a pure decision.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{FailureClass, clock::duration_millis};

/// How often, and after how long, a failed attempt is tried again.
///
/// The wait before attempt *n* + 1 is drawn evenly from zero to `first_delay · 2^(n−1)`, at most `max_delay`
/// (exponential backoff with full jitter, Brooker 2015), so that what failed together does not come back together.
///
/// # Examples
///
/// ```
/// use function_runner_core::{FailureClass, RetryPolicy};
/// use std::time::Duration;
///
/// let policy = RetryPolicy::exponential(3).first_delay(Duration::from_secs(2));
/// assert!(policy.decide(FailureClass::Transient, 1, 0.5) == Some(Duration::from_secs(1)));
/// assert!(policy.decide(FailureClass::Transient, 3, 0.5).is_none(), "three attempts in all");
/// assert!(policy.decide(FailureClass::Permanent, 1, 0.5).is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// How many attempts in all, from 1.
    pub max_attempts: u32,
    /// The longest wait after the first failure.
    #[serde(rename = "first_delay_ms", with = "duration_millis")]
    pub first_delay: Duration,
    /// The longest wait of all.
    #[serde(rename = "max_delay_ms", with = "duration_millis")]
    pub max_delay: Duration,
    /// How many workers may die holding the task before it is a dead letter, from 1.
    pub max_crashes: u32,
}

impl RetryPolicy {
    /// Backoff that doubles, this many attempts in all: first wait up to 1 s, at most 5 min, three crashes.
    #[must_use]
    pub const fn exponential(max_attempts: u32) -> Self {
        Self {
            max_attempts,
            first_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(300),
            max_crashes: 3,
        }
    }

    /// One attempt and no more.
    #[must_use]
    pub const fn never() -> Self {
        Self::exponential(1)
    }

    /// With another longest wait after the first failure.
    #[must_use]
    pub const fn first_delay(mut self, delay: Duration) -> Self {
        self.first_delay = delay;
        self
    }

    /// With another longest wait of all.
    #[must_use]
    pub const fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// With another number of crashes after which the task is a dead letter.
    #[must_use]
    pub const fn max_crashes(mut self, crashes: u32) -> Self {
        self.max_crashes = crashes;
        self
    }

    /// How long to wait before the next attempt, or `None` for no more: pure.
    ///
    /// `attempt` is the one that just failed, from 1; `jitter` is a number in `0.0..1.0` from a seeded source.
    #[must_use]
    pub fn decide(&self, class: FailureClass, attempt: u32, jitter: f64) -> Option<Duration> {
        let again = matches!(class, FailureClass::Transient | FailureClass::Resource);
        if !again || attempt >= self.max_attempts {
            return None;
        }
        let doubled = self.first_delay.saturating_mul(1 << attempt.saturating_sub(1).min(30));
        Some(doubled.min(self.max_delay).mul_f64(jitter.clamp(0.0, 1.0)))
    }

    /// What is wrong with it, if anything.
    pub(crate) fn fault(&self) -> Option<String> {
        match self {
            Self { max_attempts: 0, .. } => Some("retry.max_attempts is 0; it takes 1 or more".to_owned()),
            Self { max_attempts: n, .. } if *n > 255 => {
                Some(format!("retry.max_attempts is {n}; it takes at most 255"))
            }
            Self { max_crashes: 0, .. } => Some("retry.max_crashes is 0; it takes 1 or more".to_owned()),
            Self { max_crashes: n, .. } if *n > 9 => {
                Some(format!("retry.max_crashes is {n}; it takes at most 9"))
            }
            _ => None,
        }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::exponential(3)
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let policy = RetryPolicy::exponential(99).max_delay(Duration::from_secs(20));
        let waits: Vec<_> =
            (1..8).map(|n| policy.decide(FailureClass::Transient, n, 1.0).unwrap().as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 20, 20]);
        assert!(policy.decide(FailureClass::Resource, 98, 1.0).is_some());
    }

    /// Row 31 of the evidence: all retries at one instant brought the service down again.
    #[test]
    fn a_thousand_failures_at_once_come_back_spread_out() {
        let mut random = StdRng::seed_from_u64(7);
        let policy = RetryPolicy::exponential(3).first_delay(Duration::from_secs(10));
        let mut windows = [0; 100];
        for _ in 0..1000 {
            let wait = policy.decide(FailureClass::Transient, 1, random.random()).unwrap();
            windows[(wait.as_millis() / 100) as usize] += 1;
        }
        assert!(windows.iter().all(|&n| n <= 50), "{windows:?}");
    }
}
