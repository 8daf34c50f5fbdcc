//! What a history is held to: the times of its store, and what was promised of the run.

use std::time::Duration;

use function_runner_core::Times;

/// What a history is held to.
///
/// With [`new`](Self::new) alone every [`Invariant`](super::Invariant) is checked that needs no more than the
/// store's times. The others are about what the run was: whether it was drained, how soon tasks had to start.
///
/// # Examples
///
/// ```
/// use function_runner_core::Times;
/// use function_runner_testkit::history::Rules;
/// use std::time::Duration;
///
/// let rules = Rules::new(Times::default()).drained().recovers_within(Duration::from_secs(5));
/// # let _ = rules;
/// ```
#[derive(Clone, Debug)]
#[must_use = "rules do nothing until a history is checked by them"]
pub struct Rules {
    pub(super) times: Times,
    pub(super) slack: Duration,
    pub(super) skew: Duration,
    pub(super) drained: bool,
    pub(super) recovers: Option<Duration>,
    pub(super) starts: Option<Duration>,
    pub(super) forgets: Option<Duration>,
}

impl Rules {
    /// The rules of a store that lives by these times, of a run that may have stopped anywhere.
    pub const fn new(times: Times) -> Self {
        Self {
            times,
            slack: Duration::from_millis(5),
            skew: Duration::from_millis(5),
            drained: false,
            recovers: None,
            starts: None,
            forgets: None,
        }
    }

    /// How much a time measured by the store may differ from the same one measured here: 5 ms unless said;
    /// more for a server whose clock runs at another rate, none for a manual clock.
    pub const fn slack(mut self, slack: Duration) -> Self {
        self.slack = slack;
        self
    }

    /// How far the clocks of two logs may be apart: 5 ms unless said. What is closer together counts as
    /// concurrent; lines of one log are in order whatever their clock says.
    pub const fn skew(mut self, skew: Duration) -> Self {
        self.skew = skew;
        self
    }

    /// The run went on until nothing was left to do: every acknowledged task must be seen at its end, by a
    /// watch, a record or the answer of a finish, and the last look at the lanes must find them empty.
    pub const fn drained(mut self) -> Self {
        self.drained = true;
        self
    }

    /// A task whose worker died is given at most so long after its lease ran out, where a call that asks for
    /// its lane is open all that time. Take what it needs to wake a call, and less than the calls of the run
    /// wait (20 s unless they say otherwise): no shorter call can be judged.
    pub const fn recovers_within(mut self, time: Duration) -> Self {
        self.recovers = Some(time);
        self
    }

    /// A task that could start is leased within this time.
    pub const fn starts_within(mut self, bound: Duration) -> Self {
        self.starts = Some(bound);
        self
    }

    /// What ended is forgotten at most so long after its retention.
    pub const fn forgets_within(mut self, time: Duration) -> Self {
        self.forgets = Some(time);
        self
    }

    pub(super) fn lease(&self) -> u64 {
        micros(self.times.lease)
    }

    pub(super) fn slack_micros(&self) -> u64 {
        micros(self.slack)
    }
}

/// Whole microseconds: the unit of a history.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
