//! What happens when its time comes, and what an outage spares.

use std::time::Duration;

use function_runner_core::{AttemptEnd, EventKind, Failure, Lane, PastAttempt, State, TaskId, Timestamp};

use super::{
    By, Flow, Model,
    moves::{Again, End},
};

/// The most that one call must serve.
const MOST_SERVED: usize = 64;

/// A task became ready while timers were served.
#[derive(Clone, Debug)]
pub(super) struct Push {
    lane: Lane,
    flow: Flow,
    /// The timer that made it so.
    timer: Timer,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Timer {
    /// A claim that ended, of this task.
    Claim(TaskId),
    /// A delay or a deadline at this moment, of this task.
    Due(Timestamp, TaskId),
}

impl Model {
    /// A worker calls: a silence over the gap begins a pause.
    pub(super) fn note(&mut self) {
        if self.called.is_some_and(|called| self.now.since(called) > self.times.gap) {
            self.pause_before = self.pause.replace(self.now);
        }
        self.called = Some(self.now);
    }

    /// Whether workers have been silent for longer than the gap.
    fn is_silent(&self) -> bool {
        self.called.is_none_or(|called| self.now.since(called) > self.times.gap)
    }

    /// Whether what ended at this moment may be taken back by such a call.
    fn is_over(&self, ends_at: Timestamp, lasts: Duration, by: By) -> bool {
        if self.now < ends_at {
            return false;
        }
        if by == By::Caller && self.is_silent() {
            return self.now.since(ends_at) > self.times.late;
        }
        let paused = self.pause.is_some_and(|pause| self.now < pause.after(self.times.pause));
        let had_its_chance = self.pause_before.is_some_and(|before| ends_at < before.after(lasts));
        !paused || had_its_chance
    }

    /// Whether a mere caller would find something due.
    pub(in crate::model) fn has_due(&self) -> bool {
        !self.due().is_empty() || !self.over(By::Caller).is_empty()
    }

    /// Whether a caller who comes first takes back other claims than a worker who comes first.
    pub(in crate::model) fn is_torn(&self) -> bool {
        let mut other = self.clone();
        other.note();
        self.over(By::Caller) != other.over(By::Worker)
    }

    /// Nothing says what comes first.
    pub(in crate::model) fn be_unclear(&mut self) {
        self.unclear = true;
    }

    fn over(&self, by: By) -> Vec<TaskId> {
        let ends = |row: &super::Row| row.claim.as_ref().map(|claim| claim.ends_at);
        let over = |ends_at: Timestamp| self.is_over(ends_at, self.times.lease, by);
        let mut all: Vec<_> =
            self.rows.iter().filter_map(|row| Some((ends(row)?, row.task.id.clone()))).collect();
        all.retain(|(ends_at, _)| over(*ends_at));
        all.sort();
        all.into_iter().map(|(_, id)| id).collect()
    }

    /// What has a delay or a deadline that is over, by its moment.
    fn due(&self) -> Vec<(Timestamp, TaskId)> {
        let queued = self.rows.iter().filter(|row| row.state == State::Queued);
        let mut all: Vec<_> = queued
            .filter_map(|row| {
                let moment = row.waits_until.into_iter().chain(row.deadline).min()?;
                (moment <= self.now).then(|| (moment, row.task.id.clone()))
            })
            .collect();
        all.sort();
        all
    }

    /// Serves what is due: claims that ended, then delays and deadlines.
    pub(super) fn serve(&mut self, by: By) {
        self.pushes.clear();
        let over = self.over(by);
        let mut served = over.len();
        for id in over {
            self.expire(&id);
            self.note_pushes(&Timer::Claim(id));
        }
        while let Some((moment, id)) = self.due().into_iter().next() {
            self.come_due(&id);
            self.note_pushes(&Timer::Due(moment, id));
            served += 1;
        }
        self.unclear |= served > MOST_SERVED;
        self.pushes.clear();
        self.sweep();
    }

    fn expire(&mut self, id: &TaskId) {
        let Some(at) = self.at(id) else { return };
        let Some(claim) = self.rows[at].claim.take() else { return };
        if self.rows[at].cancel {
            return self.end(at, End::Cancelled);
        }
        let beat = self.workers.iter().find(|worker| worker.id == claim.worker);
        // a later beat left it out although the ask that took it had ended
        let lost_reply = beat.is_some_and(|worker| worker.beat > claim.renewed && worker.ended >= claim.ask);
        let now = self.now;
        let row = &mut self.rows[at];
        row.history.push(PastAttempt::new(row.attempt, claim.worker, AttemptEnd::Lost, now));
        row.failure_is_told = false;
        if !lost_reply {
            row.crashes += 1;
            if row.crashes >= row.task.envelope.retry.max_crashes {
                let crashes = row.crashes;
                return self.end(at, End::Failed(Failure::crashed(crashes)));
            }
        }
        if row.crashes >= 2 {
            row.lane = row.task.lane.twin();
        }
        self.again(at, Again { event: EventKind::Lost, after: Duration::ZERO, front: true });
    }

    fn come_due(&mut self, id: &TaskId) {
        let Some(at) = self.at(id) else { return };
        if self.rows[at].deadline.is_some_and(|deadline| deadline <= self.now) {
            self.drop_out(at);
            return self.end(at, End::Failed(Failure::deadline()));
        }
        self.rows[at].waits_until = None;
        self.line_up(at, false);
    }

    /// A task became ready in the order of work.
    pub(super) fn pushed(&mut self, lane: &Lane, flow: &Flow) {
        let timer = Timer::Due(Timestamp::default(), TaskId::unique());
        self.pushes.push(Push { lane: lane.clone(), flow: flow.clone(), timer });
    }

    /// What was pushed since the last timer is that timer's; two of one flow whose order nothing says are unclear.
    fn note_pushes(&mut self, timer: &Timer) {
        let none = Timestamp::default();
        let is_new = |push: &&mut Push| matches!(push.timer, Timer::Due(moment, _) if moment == none);
        self.pushes.iter_mut().filter(is_new).for_each(|push| push.timer = timer.clone());
        for (at, one) in self.pushes.iter().enumerate() {
            let rest = &self.pushes[at + 1..];
            let same_flow = |other: &&Push| other.lane == one.lane && other.flow == one.flow;
            self.unclear |= rest.iter().filter(same_flow).any(|other| match (&one.timer, &other.timer) {
                (one, other) if one == other => false,
                (Timer::Due(one, _), Timer::Due(other, _)) => one == other,
                _ => true,
            });
        }
    }
}
