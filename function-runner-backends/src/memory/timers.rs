//! What happens when its time comes: delays, deadlines, claims that end, and what is to be forgotten.

use std::{collections::BTreeSet, time::Duration};

use function_runner_core::{By, Failure, State, Timestamp};

use super::{kept::Kept, row::NONE, store::Store};
use crate::turn::End;

/// The most that one call serves of what is due, and the most it forgets.
pub(super) const MAX_SERVED: usize = 64;

/// Every moment at which something is due.
#[derive(Debug)]
pub(super) struct Timers {
    /// Delays and deadlines of queued tasks.
    due: BTreeSet<(Timestamp, u32)>,
    /// When what ended is to be forgotten.
    kept: Kept,
    /// The chain of claims. All last equally long, so one that is renewed becomes the last: no set has to be searched.
    first: u32,
    last: u32,
}

impl Timers {
    pub(super) fn new() -> Self {
        Self { due: BTreeSet::new(), kept: Kept::default(), first: NONE, last: NONE }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.due.len() + self.kept.len() + usize::from(self.first != NONE)
    }
}

impl Store {
    /// Serves what is due, in bounded steps.
    pub(super) fn serve(&mut self, by: By) {
        let mut left = MAX_SERVED;
        while left > 0
            && let Some(claim) = self.rows.get(self.timers.first).map(|row| row.claim)
            && self.outage.is_over(claim.ends_at, self.times.lease, by, self.now, &self.times)
        {
            self.expire(self.timers.first);
            left -= 1;
        }
        while left > 0
            && let Some(&(due, at)) = self.timers.due.first()
            && due <= self.now
        {
            self.come_due(at);
            left -= 1;
        }
        self.forget_old(MAX_SERVED);
        self.sweep_workers(by);
    }

    /// A delay is over, or a deadline has passed.
    fn come_due(&mut self, at: u32) {
        let row = &mut self.rows[at];
        if row.deadline.is_some_and(|deadline| deadline <= self.now) {
            return self.miss_deadline(at);
        }
        if std::mem::take(&mut row.delayed) {
            let lane = row.lane;
            self.lanes[lane].delayed -= 1;
            self.line_up(at, false);
        }
        self.plan(at);
    }

    /// A queued task was not started in time.
    pub(super) fn miss_deadline(&mut self, at: u32) {
        self.leave(at);
        self.end(at, End::Failed(Failure::deadline()));
    }

    /// Forgets what has ended and was kept long enough, or is more than there may be; so many at most.
    fn forget_old(&mut self, most: usize) {
        for _ in 0..most {
            let too_many = self.timers.kept.len() > self.history;
            match self.timers.kept.first() {
                Some((until, at)) if too_many || until <= self.now => self.forget(at),
                _ => return,
            }
        }
    }

    /// Puts a task where its next moment is, by the state it is in now.
    pub(super) fn plan(&mut self, at: u32) {
        let row = &mut self.rows[at];
        let due = match row.state {
            State::Queued => row.not_before.filter(|_| row.delayed).into_iter().chain(row.deadline).min(),
            _ => None,
        };
        if due == row.due {
            return;
        }
        if let Some(old) = std::mem::replace(&mut row.due, due) {
            self.timers.due.remove(&(old, at));
        }
        if let Some(due) = due {
            self.timers.due.insert((due, at));
            self.sleepers.rings_at(due);
        }
    }

    /// A task that has ended is kept so long.
    pub(super) fn keep(&mut self, at: u32) {
        if let Some(until) = self.rows[at].kept_until() {
            self.timers.kept.insert(until, at);
        }
    }

    /// A task that had ended is forgotten, or lives again.
    pub(super) fn unkeep(&mut self, at: u32) {
        if let Some(until) = self.rows[at].kept_until() {
            self.timers.kept.remove(until, at);
        }
    }

    /// A claim lasts one lease from now: the longest of all.
    pub(super) fn chain(&mut self, at: u32) {
        let ends_at = self.now.after(self.times.lease);
        let last = std::mem::replace(&mut self.timers.last, at);
        let claim = &mut self.rows[at].claim;
        claim.ends_at = ends_at;
        (claim.before, claim.behind) = (last, NONE);
        match self.rows.get_mut(last) {
            Some(row) => row.claim.behind = at,
            None => self.timers.first = at,
        }
        self.sleepers.rings_at(ends_at);
    }

    /// A claim is renewed or has ended.
    pub(super) fn unchain(&mut self, at: u32) {
        let claim = self.rows[at].claim;
        match self.rows.get_mut(claim.before) {
            Some(row) => row.claim.behind = claim.behind,
            None => self.timers.first = claim.behind,
        }
        match self.rows.get_mut(claim.behind) {
            Some(row) => row.claim.before = claim.before,
            None => self.timers.last = claim.before,
        }
    }

    /// When a call that sleeps must look again, whatever wakes it before.
    pub(super) fn next_timer(&self) -> Timestamp {
        let lapse = self
            .rows
            .get(self.timers.first)
            .map(|row| self.outage.over_at(row.claim.ends_at, self.times.lease, self.now, &self.times));
        let due = self.timers.due.first().map(|(due, _)| *due);
        // nobody waits for memory: a call that sleeps looks for it now and then, and no timer of its own is set
        let pace = self.times.flush.max(Duration::from_millis(1));
        let kept = self.timers.kept.first().map(|(until, _)| until.max(self.now.after(pace)));
        lapse.into_iter().chain(due).chain(kept).min().unwrap_or(Timestamp::from_millis(u64::MAX))
    }
}
