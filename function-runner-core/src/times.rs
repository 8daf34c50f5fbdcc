//! All times of the contract, in one place.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::duration_millis;

/// All times of the contract, fixed when a store is created.
///
/// Workers read them from [`Capabilities`](crate::Capabilities), so that a store whose times are scaled for a test
/// is served by the same worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Times {
    /// How long a claim lasts without a heartbeat: 9 s.
    #[serde(rename = "lease_ms", with = "duration_millis")]
    pub lease: Duration,
    /// A silence of every worker longer than this is an outage: 4 s.
    #[serde(rename = "gap_ms", with = "duration_millis")]
    pub gap: Duration,
    /// How long nothing expires after an outage: 4 s.
    #[serde(rename = "pause_ms", with = "duration_millis")]
    pub pause: Duration,
    /// How long a lease must have ended before a mere caller expires it while no worker calls: 60 s.
    #[serde(rename = "late_ms", with = "duration_millis")]
    pub late: Duration,
    /// How long a large lane is passed over before a worker drains for it: 30 s.
    #[serde(rename = "reserve_ms", with = "duration_millis")]
    pub reserve: Duration,
    /// How long a task waits that was larger than the worker that took it: 30 s.
    #[serde(rename = "too_large_ms", with = "duration_millis")]
    pub too_large: Duration,
    /// The least time between two reports of progress: 100 ms.
    #[serde(rename = "flush_ms", with = "duration_millis")]
    pub flush: Duration,
    /// How long the largest worker is remembered: 24 h.
    #[serde(rename = "seen_ms", with = "duration_millis")]
    pub seen: Duration,
}

impl Times {
    /// Every time divided by this number, which is not 0.
    #[must_use]
    pub fn scaled(self, by: u32) -> Self {
        let by = by.max(1);
        Self {
            lease: self.lease / by,
            gap: self.gap / by,
            pause: self.pause / by,
            late: self.late / by,
            reserve: self.reserve / by,
            too_large: self.too_large / by,
            flush: self.flush / by,
            seen: self.seen / by,
        }
    }

    /// How often a worker beats: a third of a lease.
    #[must_use]
    pub fn beat(&self) -> Duration {
        self.lease / 3
    }

    /// How soon a worker tries again after a failed call: a ninth of a lease.
    #[must_use]
    pub fn retry(&self) -> Duration {
        self.lease / 9
    }
}

impl Default for Times {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(9),
            gap: Duration::from_secs(4),
            pause: Duration::from_secs(4),
            late: Duration::from_secs(60),
            reserve: Duration::from_secs(30),
            too_large: Duration::from_secs(30),
            flush: Duration::from_millis(100),
            seen: Duration::from_secs(24 * 3600),
        }
    }
}
