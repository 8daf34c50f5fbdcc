//! Giving work.

use std::{sync::Arc, time::Duration};

use function_runner_core::{
    Checkpoint, EventKind, Lane, LeaseRequest, State, Task, TaskId, Timestamp, WorkerId,
};

use super::{By, Claim, Model, order::Given};

/// What a look for work must end with.
#[derive(Clone, Debug)]
pub(in crate::model) enum Answer {
    /// These claims, or none.
    Now { leases: Vec<Promise>, drain_for: Option<Lane> },
    /// Nothing: the call waits; when its time is over it answers with this lane.
    Wait { drain_for: Option<Lane>, may_answer: bool },
}

/// A claim that must be given.
#[derive(Clone, Debug)]
pub(in crate::model) struct Promise {
    pub(in crate::model) task: Arc<Task>,
    pub(in crate::model) attempt: u32,
    pub(in crate::model) checkpoint: Option<Checkpoint>,
    pub(in crate::model) deadline: Option<Duration>,
    pub(in crate::model) suspect: bool,
    /// Its fence is over this.
    pub(in crate::model) above: u64,
}

impl Model {
    /// One look for work.
    pub(in crate::model) fn look(&mut self, ask: &LeaseRequest) -> Answer {
        self.begin();
        self.note();
        self.serve(By::Worker);
        let now = self.now;
        let stale = self.workers.iter().any(|worker| worker.id == ask.worker && !worker.is_live(self));
        let worker = self.worker(&ask.worker);
        worker.seen_at = now;
        let drain_is_news = worker.draining && !worker.drain_told;
        let cancel_is_news = |row: &super::Row| row.cancel && !row.told && row.is_held_by(&ask.worker);
        if drain_is_news || self.rows.iter().any(cancel_is_news) {
            return Answer::Now { leases: Vec::new(), drain_for: None };
        }
        let drain_for = self.drain_for(ask);
        let told = std::mem::replace(&mut self.worker(&ask.worker).told, drain_for.clone());
        if let Some(lane) = drain_for {
            let mut named = ask.lanes.iter().map(|asked| &asked.lane).chain(&ask.would_fit);
            if told.as_ref() == Some(&lane) && named.all(|named| *named == lane) {
                // a worker that may have been forgotten may be told anew
                return Answer::Wait { drain_for: Some(lane), may_answer: stale };
            }
            return Answer::Now { leases: Vec::new(), drain_for: Some(lane) };
        }
        let leases = self.take(ask);
        if leases.is_empty() {
            // one that need not drain any more may be told so at once
            return Answer::Wait { drain_for: None, may_answer: told.is_some() };
        }
        Answer::Now { leases, drain_for: None }
    }

    /// Whether it can be told later that a call which sleeps on has looked once more at this moment, where a worker has
    /// called at it already.
    pub(in crate::model) fn look_tells(&self, ask: &LeaseRequest) -> bool {
        let mut other = self.clone();
        let told = |model: &Self| {
            let worker = model.workers.iter().find(|worker| worker.id == ask.worker);
            worker.and_then(|worker| worker.told.clone())
        };
        let held = |model: &Self| {
            let held = model.drains.iter().filter(|(_, _, until)| self.now < *until);
            held.cloned().collect::<Vec<_>>()
        };
        let waits = matches!(other.look(ask), Answer::Wait { .. });
        waits
            && (told(&other) != told(self)
                || held(&other) != held(self)
                || other.passed != self.passed
                || other.outsized != self.outsized)
    }

    fn take(&mut self, ask: &LeaseRequest) -> Vec<Promise> {
        let mut asked: Vec<(Lane, u64)> = Vec::new();
        for lane in &ask.lanes {
            if asked.iter().all(|(named, _)| *named != lane.lane) {
                asked.push((lane.lane.clone(), u64::from(lane.cost)));
            }
        }
        let given = self.order.take(u64::from(ask.room), &asked);
        self.pass_over(&given, ask);
        given.into_iter().filter_map(|given| self.start(&given, ask)).collect()
    }

    fn start(&mut self, given: &Given, ask: &LeaseRequest) -> Option<Promise> {
        let at = self.at(&given.id)?;
        let (now, calls, lease) = (self.now, self.calls, self.times.lease);
        let row = &mut self.rows[at];
        row.state = State::Running;
        (row.heard, row.shown, row.told) = (0, 0, false);
        row.attempt = row.failed + 1;
        row.started_at = Some(now);
        row.progress = None;
        row.failure_is_told = false;
        row.ended_by = None;
        let (worker, ask) = (ask.worker.clone(), ask.call);
        let ends_at = now.after(lease);
        row.claim = Some(Claim { fence: 0, worker: worker.clone(), ends_at, ask, renewed: calls });
        let promise = Promise {
            task: row.task.clone(),
            attempt: row.attempt,
            checkpoint: row.checkpoint.clone(),
            deadline: row.deadline.map(|deadline| deadline.since(now)),
            suspect: row.lane.is_twin(),
            above: row.fence,
        };
        self.say(at, EventKind::Started { worker });
        Some(promise)
    }

    /// The claim of a task that was just given has this fence.
    pub(in crate::model) fn fenced(&mut self, id: &TaskId, fence: u64) {
        let Some(at) = self.at(id) else { return };
        let row = &mut self.rows[at];
        row.fence = fence;
        if let Some(claim) = &mut row.claim {
            claim.fence = fence;
        }
    }

    /// The lanes that a call names as fitting after a drain and not now, with their heads.
    fn heads(&self, ask: &LeaseRequest) -> Vec<(Lane, i64, TaskId)> {
        let fits = |lane: &Lane| ask.lanes.iter().any(|asked| asked.lane == *lane);
        let would_fit = ask.would_fit.iter().filter(|lane| !fits(lane));
        let head = |lane: &Lane| {
            let (place, id) = self.order.head(lane)?;
            Some((lane.clone(), place, id.clone()))
        };
        would_fit.filter_map(head).collect()
    }

    /// The lane that a worker is to drain for.
    fn drain_for(&mut self, ask: &LeaseRequest) -> Option<Lane> {
        let now = self.now;
        self.drains.retain(|(_, _, until)| now < *until);
        let heads = self.heads(ask);
        heads.iter().for_each(|(lane, _, id)| self.meet(lane, id));
        let mut due: Vec<(Timestamp, Lane)> = Vec::new();
        for (lane, _, _) in heads {
            let Some(since) = self.passed_since(&lane) else { continue };
            let outsized = self.outsized.iter().any(|(of, _)| *of == lane);
            if now.since(since) >= self.times.reserve && !outsized {
                due.push((since, lane));
            }
        }
        let holder = |lane: &Lane| self.drains.iter().find(|(of, _, _)| of == lane);
        let own = |lane: &Lane| holder(lane).is_some_and(|(_, worker, _)| *worker == ask.worker);
        if let Some((_, lane)) = due.iter().find(|(_, lane)| own(lane)) {
            return Some(lane.clone());
        }
        let quarter = self.workers.iter().filter(|worker| worker.is_live(self)).count() / 4;
        let may = self.drains.len() < quarter.max(1)
            && self.drains.iter().all(|(_, worker, _)| *worker != ask.worker);
        let free = due.into_iter().filter(|(_, lane)| may && holder(lane).is_none());
        let (_, lane) = free.min()?;
        let until = now.after(self.times.lease);
        self.drains.push((lane.clone(), ask.worker.clone(), until));
        Some(lane)
    }

    /// Lanes that wait while something later in the order was given are passed over.
    fn pass_over(&mut self, given: &[Given], ask: &LeaseRequest) {
        let last = given.iter().map(|given| (given.place, given.lane.clone())).max();
        let Some(last) = last else { return };
        for given in given {
            self.forget_passed(&given.lane);
            self.outsized.retain(|(of, _)| *of != given.lane);
        }
        for (lane, place, id) in self.heads(ask) {
            self.meet(&lane, &id);
            if (place, lane.clone()) < last && self.passed_since(&lane).is_none() {
                self.passed.push((lane, self.now));
            }
        }
    }

    fn passed_since(&self, lane: &Lane) -> Option<Timestamp> {
        self.passed.iter().find(|(of, _)| of == lane).map(|(_, since)| *since)
    }

    /// The lane's head was leased, or it ran empty.
    pub(super) fn forget_passed(&mut self, lane: &Lane) {
        self.passed.retain(|(of, _)| of != lane);
        self.drains.retain(|(of, _, _)| of != lane);
    }

    /// A call has met this task at the front of the lane.
    fn meet(&mut self, lane: &Lane, id: &TaskId) {
        self.outsized.retain(|(of, large)| of != lane || large == id);
    }
}

impl super::Row {
    /// Whether this worker holds it.
    pub(in crate::model) fn is_held_by(&self, worker: &WorkerId) -> bool {
        self.claim.as_ref().is_some_and(|claim| claim.worker == *worker)
    }
}
