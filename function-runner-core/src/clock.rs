//! Time as the machinery sees it: milliseconds, and a clock that a test can hold.

use std::{
    fmt::{self, Debug},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::future::BoxFuture;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::runtime::{Instant, sleep_until};

/// A moment in UTC, in whole milliseconds since 1970; in documents RFC 3339 with milliseconds.
///
/// # Examples
///
/// ```
/// use function_runner_core::Timestamp;
///
/// assert_eq!(Timestamp::from_millis(1_500).to_string(), "1970-01-01T00:00:01.500Z");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The moment this many milliseconds after 1970 began.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Now, by this machine's wall clock; only callers that mean their own clock ask for it.
    #[must_use]
    pub fn now() -> Self {
        Self(millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()))
    }

    /// Milliseconds since 1970 began.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is before.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// This long later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// This long earlier.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }
}

/// The last moment RFC 3339 can write: the end of the year 9999.
const LAST_WRITTEN: u64 = 253_402_300_799_999;

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = UNIX_EPOCH + Duration::from_millis(self.0.min(LAST_WRITTEN));
        fmt::Display::fmt(&humantime::format_rfc3339_millis(moment), f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let moment = humantime::parse_rfc3339(&text).map_err(serde::de::Error::custom)?;
        Ok(Self(millis(moment.duration_since(UNIX_EPOCH).unwrap_or_default())))
    }
}

/// Whole milliseconds of a duration, the largest there is for one that never ends.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// When: after so long by the store's clock, or at a moment.
///
/// It stays as it was written until the store turns it into a moment, so that the same call sent again is the
/// same content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// So long after the store accepts the task.
    In(#[serde(with = "duration_millis")] Duration),
    /// At this moment.
    At(Timestamp),
}

impl When {
    /// The moment, for a store whose clock says `now`.
    #[must_use]
    pub fn due(self, now: Timestamp) -> Timestamp {
        match self {
            Self::In(duration) => now.after(duration),
            Self::At(moment) => moment,
        }
    }
}

impl From<Duration> for When {
    fn from(duration: Duration) -> Self {
        Self::In(duration)
    }
}

impl From<Timestamp> for When {
    fn from(moment: Timestamp) -> Self {
        Self::At(moment)
    }
}

/// What a store that lives in this process takes its time from.
///
/// A seam for tests: [`SystemClock`] in programs, a manual clock where a test turns the hands.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Now, never going back.
    fn now(&self) -> Timestamp;

    /// Waits until [`now`](Self::now) is at or past this moment; dropping the future costs nothing.
    fn sleep_until(&self, moment: Timestamp) -> BoxFuture<'static, ()>;
}

/// The machine's own clock, kept from going back: the wall time when it was made, plus what has passed since.
#[derive(Clone, Copy)]
pub struct SystemClock {
    wall: Timestamp,
    begin: Instant,
}

impl SystemClock {
    /// A clock that says the wall time now and goes on steadily.
    #[must_use]
    pub fn new() -> Self {
        Self { wall: Timestamp::now(), begin: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Debug for SystemClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SystemClock")
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        self.wall.after(self.begin.elapsed())
    }

    fn sleep_until(&self, moment: Timestamp) -> BoxFuture<'static, ()> {
        // a millisecond is reached only when it has passed whole: rounding must not make a caller spin
        let target = self.begin + moment.since(self.wall);
        Box::pin(sleep_until(target))
    }
}

/// A duration as an integer of milliseconds: how every duration of ours is stored and sent.
pub mod duration_millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes whole milliseconds.
    ///
    /// # Errors
    ///
    /// What the serializer says.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(super::millis(*duration))
    }

    /// Reads whole milliseconds.
    ///
    /// # Errors
    ///
    /// What the deserializer says.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }

    /// The same for a duration that may be absent.
    pub mod option {
        use std::time::Duration;

        use serde::{Deserialize, Deserializer, Serializer};

        /// Writes whole milliseconds, or null.
        ///
        /// # Errors
        ///
        /// What the serializer says.
        pub fn serialize<S: Serializer>(
            duration: &Option<Duration>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match duration {
                Some(duration) => super::serialize(duration, serializer),
                None => serializer.serialize_none(),
            }
        }

        /// Reads whole milliseconds, or null.
        ///
        /// # Errors
        ///
        /// What the deserializer says.
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
            Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
        }
    }
}
