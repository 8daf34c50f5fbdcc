//! The store's two clocks: a steady one for leases, and a wall clock that never goes back for what is due.
//!
//! Leases, outages and the lives of workers run by a clock that stands still while the machine sleeps, so a laptop
//! that was closed has lost no worker. It goes on over a restart of the machine from where it was last read. Delays,
//! deadlines and retentions run by the wall clock: set back, it goes on at the pace of the steady one until the time
//! that it had shown is reached again, so nothing that is due waits for that; set ahead, it follows.

use std::{fs, sync::Arc};

use function_runner_core::{Clock, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// Where the store reads its time.
#[derive(Clone, Debug)]
pub(super) enum Clocks {
    /// This machine's.
    Machine {
        /// Tells this run of the machine from every other. Where it cannot be told the wall clock stands in for the
        /// steady one, which a restart would set back.
        boot: Option<String>,
    },
    /// One for both, which a test turns; it goes on over everything.
    One(Arc<dyn Clock>),
    /// Two that a test turns: steady, wall.
    Two(Arc<dyn Clock>, Arc<dyn Clock>),
}

/// One reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) steady: Timestamp,
    pub(super) wall: Timestamp,
}

impl Clocks {
    pub(super) fn machine() -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        Self::Machine { boot: boot.map(|boot| boot.trim().to_owned()) }
    }

    /// Which run of the machine its steady clock belongs to.
    pub(super) fn boot(&self) -> &str {
        match self {
            Self::Machine { boot } => boot.as_deref().unwrap_or("wall"),
            Self::One(_) | Self::Two(..) => "hand",
        }
    }

    /// The raw hands, before they are put on the store's own line of time.
    pub(super) fn read(&self) -> Reading {
        match self {
            Self::Machine { boot } => {
                let wall = Timestamp::now();
                Reading { steady: boot.as_ref().map_or(wall, |_| steady()), wall }
            }
            Self::One(clock) => {
                let now = clock.now();
                Reading { steady: now, wall: now }
            }
            Self::Two(steady, wall) => Reading { steady: steady.now(), wall: wall.now() },
        }
    }

    /// The clock that must be asked to wake a sleeper, where the machine's own time says nothing.
    pub(super) fn hand(&self) -> Option<&Arc<dyn Clock>> {
        match self {
            Self::Machine { .. } => None,
            Self::One(clock) | Self::Two(clock, _) => Some(clock),
        }
    }
}

fn steady() -> Timestamp {
    let now = clock_gettime(ClockId::Monotonic);
    let (seconds, nanos) = (now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs());
    Timestamp::from_millis(seconds * 1000 + nanos / 1_000_000)
}

/// The store's line of time: what was read last, by whichever process, and how the steady clock of this run of the
/// machine is put on it. Kept beside everything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) boot: String,
    /// What is added to the machine's steady clock.
    pub(super) shift: i64,
    pub(super) last: Reading,
}

impl Line {
    /// The store's time, and the line from there on.
    ///
    /// - The steady time never goes back, and a restart of the machine takes none.
    /// - The wall time never goes back, and goes on at least as fast as the steady one.
    pub(super) fn read(&mut self, boot: &str, raw: Reading) -> Reading {
        if self.boot != boot {
            self.boot = boot.to_owned();
            self.shift = millis(self.last.steady) - millis(raw.steady);
        }
        let steady = Timestamp::from_millis((millis(raw.steady) + self.shift).max(0).unsigned_abs());
        let steady = steady.max(self.last.steady);
        let wall = raw.wall.max(self.last.wall.after(steady.since(self.last.steady)));
        self.last = Reading { steady, wall };
        self.last
    }
}

fn millis(moment: Timestamp) -> i64 {
    i64::try_from(moment.as_millis()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(steady: u64, wall: u64) -> Reading {
        Reading { steady: Timestamp::from_millis(steady), wall: Timestamp::from_millis(wall) }
    }

    fn line() -> Line {
        let mut line = Line { boot: String::new(), shift: 0, last: raw(0, 0) };
        line.read("a", raw(500, 1_000_000));
        line
    }

    #[test]
    fn the_first_reading_is_where_the_line_begins() {
        assert_eq!(line().last, raw(0, 1_000_000));
    }

    #[test]
    fn a_wall_clock_set_back_goes_on_at_the_pace_of_the_steady_one() {
        let mut line = line();
        assert_eq!(line.read("a", raw(1_500, 1_001_000)), raw(1_000, 1_001_000));
        assert_eq!(line.read("a", raw(2_500, 500_000)), raw(2_000, 1_002_000));
        assert_eq!(line.read("a", raw(3_500, 501_000)), raw(3_000, 1_003_000));
    }

    #[test]
    fn a_wall_clock_set_ahead_is_followed_and_moves_no_lease() {
        let mut line = line();
        assert_eq!(line.read("a", raw(1_500, 4_600_000)), raw(1_000, 4_600_000));
    }

    #[test]
    fn sleep_moves_the_wall_clock_alone() {
        let mut line = line();
        assert_eq!(line.read("a", raw(600, 1_060_100)), raw(100, 1_060_100));
    }

    #[test]
    fn a_restart_of_the_machine_takes_no_steady_time() {
        let mut line = line();
        line.read("a", raw(10_500, 1_010_000));
        assert_eq!(line.read("b", raw(7, 2_000_000)), raw(10_000, 2_000_000));
        assert_eq!(line.read("b", raw(1_007, 2_001_000)), raw(11_000, 2_001_000));
    }

    #[test]
    fn another_process_that_read_earlier_takes_nothing_back() {
        let mut line = line();
        let late = line.read("a", raw(2_000, 1_001_500));
        assert_eq!(line.read("a", raw(1_900, 1_001_400)), late);
    }
}
