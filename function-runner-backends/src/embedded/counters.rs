//! What the store knows beside its rows: counters, clocks, when workers last called. One row.

use function_runner_core::{LargestSeen, Outage, Timestamp};
use rusqlite::params;

use super::{
    clock::{Line, Reading},
    fault::{Broken, Step},
    row::{count, moment, number, read_moment, written},
    said::{read, write},
    store::Store,
};

/// The one row of `store`, as it is in the transaction under way.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Counters {
    /// How many tasks were ever stored.
    pub(super) numbers: i64,
    pub(super) fences: u64,
    /// How many moves there were: tells which of two of one moment was later.
    pub(super) calls: u64,
    /// The largest comparable virtual time that any lease call has left behind.
    pub(super) reach: u64,
    /// How many workers have joined.
    pub(super) live: u64,
    /// Another number whenever templates, weights, or who serves what may have changed.
    pub(super) catalog: u64,
    /// No worker has to be looked at before (steady).
    pub(super) next_sweep: Timestamp,
    /// No template has to be looked at before (wall).
    pub(super) next_unserved: Timestamp,
    pub(super) outage: Outage,
    pub(super) line: Line,
}

/// What a fence jumps by when the file is opened: claims need not be synced, so some may be gone after a loss of power,
/// and no later one may have the number of one of them.
pub(super) const FENCE_JUMP: u64 = 1 << 20;

impl Store {
    pub(super) fn read_counters(&self) -> Step<Counters> {
        let query = "SELECT numbers, fences, calls, reach, live, catalog, next_sweep, next_unserved, called, pause, \
            before, boot, shift, steady, wall FROM store";
        let mut statement = self.sql.prepare_cached(query)?;
        Ok(statement.query_row([], |sql| {
            let read = || -> Result<Counters, Broken> {
                Ok(Counters {
                    numbers: sql.get(0)?,
                    fences: count(sql, 1)?,
                    calls: count(sql, 2)?,
                    reach: count(sql, 3)?,
                    live: count(sql, 4)?,
                    catalog: count(sql, 5)?,
                    next_sweep: read_moment(sql.get(6)?),
                    next_unserved: read_moment(sql.get(7)?),
                    outage: Outage {
                        called: moment(sql, 8)?,
                        pause: moment(sql, 9)?,
                        before: moment(sql, 10)?,
                    },
                    line: Line {
                        boot: sql.get(11)?,
                        shift: sql.get(12)?,
                        last: Reading { steady: read_moment(sql.get(13)?), wall: read_moment(sql.get(14)?) },
                    },
                })
            };
            Ok(read())
        })??)
    }

    /// Writes the row if it has changed in this transaction beside the time.
    pub(super) fn write_counters(&mut self) -> Step<()> {
        self.stored.line.clone_from(&self.counters.line);
        if self.counters == self.stored && !self.wrote {
            return Ok(());
        }
        let now = &self.counters;
        let query = "UPDATE store SET numbers = ?1, fences = ?2, calls = ?3, reach = ?4, live = ?5, catalog = ?6, \
            next_sweep = ?7, next_unserved = ?8, called = ?9, pause = ?10, before = ?11, boot = ?12, shift = ?13, \
            steady = ?14, wall = ?15";
        let (line, outage) = (&now.line, &now.outage);
        self.sql.prepare_cached(query)?.execute(params![
            now.numbers,
            number(now.fences),
            number(now.calls),
            number(now.reach),
            number(now.live),
            number(now.catalog),
            written(now.next_sweep),
            written(now.next_unserved),
            outage.called.map(written),
            outage.pause.map(written),
            outage.before.map(written),
            line.boot,
            line.shift,
            written(line.last.steady),
            written(line.last.wall),
        ])?;
        self.stored = self.counters.clone();
        Ok(())
    }

    pub(super) fn read_largest(&self) -> Step<LargestSeen> {
        let mut statement = self.sql.prepare_cached("SELECT largest FROM store")?;
        Ok(read(statement.query_row([], |sql| sql.get(0))?)?.unwrap_or_default())
    }

    /// Writes the largest workers seen, which have changed.
    pub(super) fn write_largest(&mut self) -> Step<()> {
        let largest = write(Some(&self.largest))?;
        self.sql.prepare_cached("UPDATE store SET largest = ?1")?.execute([largest])?;
        self.wrote = true;
        Ok(())
    }
}
