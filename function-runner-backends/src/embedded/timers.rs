//! What happens when its time comes: delays, deadlines, claims that end, and what is to be forgotten.

use std::time::Duration;

use function_runner_core::{By, Failure, State, Timestamp};
use rusqlite::OptionalExtension as _;

use super::{
    fault::Step,
    row::{Row, read_moment},
    store::Store,
};
use crate::turn::End;

/// The most that one call serves of what is due, and the most it forgets.
pub(super) const MAX_SERVED: usize = 64;

/// What is looked for, each by its index.
const FIRST_END: &str = "SELECT number, ends FROM task WHERE ends IS NOT NULL ORDER BY ends LIMIT 1";
const FIRST_DUE: &str = "SELECT number, due FROM task WHERE due IS NOT NULL ORDER BY due LIMIT 1";
const FIRST_KEPT: &str = "SELECT number, keep FROM task WHERE keep IS NOT NULL ORDER BY keep LIMIT 1";

impl Store {
    /// Serves what is due, in bounded steps; once in a transaction and kind of caller is enough.
    pub(super) fn serve(&mut self, by: By) -> Step<()> {
        // what a worker's call serves is all that a caller's would
        let now = Some((self.steady, self.wall));
        if self.served[0] == now || by == By::Caller && self.served[1] == now {
            return Ok(());
        }
        let mut left = MAX_SERVED;
        while left > 0
            && let Some((number, ends)) = self.first_timer(FIRST_END)?
            && self.counters.outage.is_over(ends, self.times.lease, by, self.steady, &self.times)
            && let Some(mut row) = self.row(number)?
        {
            self.expire(&mut row)?;
            self.save(&row)?;
            left -= 1;
        }
        while left > 0
            && let Some((number, due)) = self.first_timer(FIRST_DUE)?
            && due <= self.wall
            && let Some(mut row) = self.row(number)?
        {
            self.come_due(&mut row)?;
            self.save(&row)?;
            left -= 1;
        }
        self.forget_old(MAX_SERVED)?;
        self.sweep_workers(by)?;
        // there may be more than one call serves
        if left > 0 {
            self.served[usize::from(by == By::Caller)] = now;
        }
        Ok(())
    }

    fn first_timer(&self, query: &str) -> Step<Option<(i64, Timestamp)>> {
        let mut statement = self.sql.prepare_cached(query)?;
        Ok(statement.query_row([], |sql| Ok((sql.get(0)?, read_moment(sql.get(1)?)))).optional()?)
    }

    /// A delay is over, or a deadline has passed.
    fn come_due(&mut self, row: &mut Row) -> Step<()> {
        if row.deadline.is_some_and(|deadline| deadline <= self.wall) {
            return self.miss_deadline(row);
        }
        if std::mem::take(&mut row.delayed) {
            self.lane_mut(row.lane)?.delayed -= 1;
            self.line_up(row, false)?;
        }
        self.plan(row);
        Ok(())
    }

    /// A queued task was not started in time.
    pub(super) fn miss_deadline(&mut self, row: &mut Row) -> Step<()> {
        self.leave(row)?;
        self.end(row, End::Failed(Failure::deadline()))
    }

    /// Forgets what has ended and was kept long enough; so many at most.
    fn forget_old(&mut self, most: usize) -> Step<()> {
        for _ in 0..most {
            match self.first_timer(FIRST_KEPT)? {
                Some((number, keep)) if keep <= self.wall => {
                    if let Some(row) = self.row(number)? {
                        self.forget(&row)?;
                    }
                }
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// Puts a task where its next moment is, by the state it is in now.
    pub(super) fn plan(&mut self, row: &mut Row) {
        row.due = match row.state {
            State::Queued => row.not_before.filter(|_| row.delayed).into_iter().chain(row.deadline).min(),
            _ => None,
        };
        if let Some(due) = row.due {
            self.rings_in(due.since(self.wall));
        }
    }

    /// A timer is set that rings in so long.
    pub(super) fn rings_in(&mut self, time: Duration) {
        self.fresh = Some(self.fresh.map_or(time, |fresh| fresh.min(time)));
    }

    /// In how long a call that sleeps must look again, whatever wakes it before.
    pub(super) fn next_timer(&self) -> Step<Option<Duration>> {
        let ends = self.first_timer(FIRST_END)?.map(|(_, ends)| {
            let outage = &self.counters.outage;
            outage.over_at(ends, self.times.lease, self.steady, &self.times).since(self.steady)
        });
        let due = self.first_timer(FIRST_DUE)?.map(|(_, due)| due.since(self.wall));
        // nobody waits for room on the disk: it is looked for now and then
        let pace = self.times.flush.max(Duration::from_millis(1));
        let kept = self.first_timer(FIRST_KEPT)?.map(|(_, keep)| keep.since(self.wall).max(pace));
        Ok(ends.into_iter().chain(due).chain(kept).min())
    }
}
