//! Giving work: what one look gives a worker, and the calls that wait for some.

use std::{sync::Arc, time::Duration};

use function_runner_core::{
    By, EventKind, Failure, Lane, Lease, LeaseKey, LeaseReply, LeaseRequest, Result, State, Task, Timestamp,
    schedule::{Merge, excess, reached},
    state::{self, Move, Next},
};
use futures::channel::oneshot;

use super::{
    desk::Given,
    fault::{Broken, Fault, Step},
    row::Row,
    sleepers::{Bed, Sleeper},
    store::Store,
};
use crate::turn::End;

/// The longest that a call waits, whatever it asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A lease call of this process that waits.
#[derive(Debug)]
pub(super) struct Asleep {
    pub(super) ask: LeaseRequest,
    pub(super) reply: oneshot::Sender<Result<Given>>,
    /// When it gives up (steady).
    pub(super) end: Timestamp,
}

/// A call that is answered when the transaction is committed.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) asleep: Asleep,
    pub(super) answer: LeaseReply,
}

/// What a worker is told.
enum Answer {
    Now(LeaseReply),
    /// Nothing yet; if its worker drains for a lane and waits for nothing else, which.
    Wait(Option<Lane>),
}

/// A task that a call gives.
struct Taken {
    row: Row,
    lane: i64,
    name: Lane,
    order: i64,
}

impl Store {
    /// A lease call comes.
    pub(super) fn ask(
        &mut self,
        call: u64,
        ask: LeaseRequest,
        reply: oneshot::Sender<Result<Given>>,
    ) -> Step<()> {
        let end = self.steady.after(ask.wait.min(LONGEST_WAIT));
        self.look(call, Asleep { ask, reply, end }, false)
    }

    /// Looks for those that were woken, until none is left.
    pub(super) fn look_for_woken(&mut self) -> Step<()> {
        while let Some(call) = self.woken.pop() {
            if let Some(asleep) = self.asleep.remove(&call) {
                self.look(call, asleep, true)?;
            }
        }
        Ok(())
    }

    /// One look for work. It gives what there is, or puts the call to sleep in the same move, so no wake is missed.
    ///
    /// Where the file breaks the call is kept asleep, to be answered with what broke.
    fn look(&mut self, call: u64, asleep: Asleep, woken: bool) -> Step<()> {
        if asleep.reply.is_canceled() {
            return self.hang_up(call);
        }
        match self.look_once(&asleep.ask, asleep.end) {
            Ok(Answer::Wait(drains)) => {
                let slept = self.doze(call, &asleep.ask, drains.as_ref());
                self.asleep.insert(call, asleep);
                slept
            }
            Ok(Answer::Now(answer)) => {
                let passed_on = if woken { self.pass_on(&asleep.ask) } else { Ok(()) };
                self.ready.push(Ready { asleep, answer });
                passed_on
            }
            Err(fault) => {
                self.asleep.insert(call, asleep);
                Err(fault)
            }
        }
    }

    fn look_once(&mut self, ask: &LeaseRequest, end: Timestamp) -> Step<Answer> {
        self.counters.calls += 1;
        self.counters.outage.note(self.steady, &self.times);
        self.serve(By::Worker)?;
        let worker = self.call_of(&ask.worker)?;
        Ok(match self.answer(ask, worker)? {
            Answer::Wait(drain_for) if self.steady >= end => {
                let mut reply = LeaseReply::default();
                reply.drain_for = drain_for;
                Answer::Now(reply)
            }
            answer => answer,
        })
    }

    fn answer(&mut self, ask: &LeaseRequest, worker: i64) -> Step<Answer> {
        if self.worker(worker)?.has_news() {
            return Ok(Answer::Now(LeaseReply::default()));
        }
        let drain_for = self.drain_for(ask)?;
        let told = self.worker(worker)?.told.clone();
        if told != drain_for {
            self.worker_mut(worker)?.told.clone_from(&drain_for);
        }
        if drain_for.is_some() {
            if told == drain_for && names_only(ask, drain_for.as_ref()) {
                return Ok(Answer::Wait(drain_for));
            }
            let mut reply = LeaseReply::default();
            reply.drain_for = drain_for;
            return Ok(Answer::Now(reply));
        }
        let leases = self.take(ask, worker)?;
        // a worker that drained learns at once that it need not any more
        Ok(if leases.is_empty() && told.is_none() {
            Answer::Wait(None)
        } else {
            Answer::Now(LeaseReply::new(leases))
        })
    }

    /// Takes what this call is given.
    fn take(&mut self, ask: &LeaseRequest, worker: i64) -> Step<Vec<Lease>> {
        loop {
            let taken = self.take_in_order(ask)?;
            if taken.is_empty() {
                return Ok(Vec::new());
            }
            let marks: Vec<(i64, i64, Lane)> =
                taken.iter().map(|taken| (taken.lane, taken.order, taken.name.clone())).collect();
            self.given(&marks, ask)?;
            let mut leases = Vec::with_capacity(taken.len());
            for taken in taken {
                leases.extend(self.lease(taken, worker, ask.call)?);
            }
            // all of them may have missed their deadlines just now
            if !leases.is_empty() {
                return Ok(leases);
            }
        }
    }

    /// The decision of a lease call: by tag over all lanes that it names, as core's merge says.
    fn take_in_order(&mut self, ask: &LeaseRequest) -> Step<Vec<Taken>> {
        let over = excess(self.counters.reach);
        if over > 0 {
            self.take_off(over)?;
            self.counters.reach -= over;
        }
        let mut reach = self.counters.reach;
        let mut merge = Merge::new(ask.room, reach);
        let mut lanes: Vec<(&Lane, i64)> = Vec::with_capacity(ask.lanes.len());
        for asked in &ask.lanes {
            let Some(lane) = self.find_lane(&asked.lane)? else { continue };
            if lanes.iter().any(|(_, other)| *other == lane) || self.lane(lane)?.ready == 0 {
                continue;
            }
            if let Some(head) = self.head(lane)? {
                merge.offer(&asked.lane, asked.cost, self.lane(lane)?.shift(), head.tag);
                lanes.push((&asked.lane, lane));
            }
        }
        let mut taken = Vec::new();
        while let Some(pick) = merge.pick() {
            let Some((_, lane)) = lanes.iter().find(|(name, _)| *name == pick.lane) else { continue };
            let Some(head) = self.first(*lane)? else { continue };
            let Some(mut row) = self.row(head.number)? else {
                return Err(Broken::corrupt(format_args!("a lane names the task {}", head.number)).into());
            };
            let next = self.behind(*lane, head.tag, &row.id)?;
            let increment = if row.paid { 0 } else { row.fixed.increment };
            let virtual_time = self.move_clock(*lane, head.tag, increment, pick.shift)?;
            reach = reached(reach, virtual_time, pick.shift);
            self.take_out_of_line(&mut row)?;
            // its row is saved when it is handed over
            self.lane_mut(*lane)?.set_head(next);
            if let Some(next) = next {
                merge.offer_next(&pick, next.tag);
            }
            taken.push(Taken { row, lane: *lane, name: pick.lane.clone(), order: pick.order });
        }
        self.counters.reach = reach;
        Ok(taken)
    }

    /// A task that has left the order of work is this worker's.
    fn lease(&mut self, taken: Taken, worker: i64, ask: u64) -> Step<Option<Lease>> {
        let Taken { mut row, lane, name, .. } = taken;
        if row.deadline.is_some_and(|deadline| deadline <= self.wall) {
            self.leave_taken(&mut row, End::Failed(Failure::deadline()))?;
            return Ok(None);
        }
        let task = match self.take_task(&row) {
            Ok(task) => task,
            Err(Fault::Broken(broken)) if broken.is_corrupt() => {
                let failure = Failure::permanent("what is stored of it cannot be read").code("corrupt");
                self.leave_taken(&mut row, End::Failed(failure))?;
                return Ok(None);
            }
            Err(fault) => return Err(fault),
        };
        debug_assert_eq!(state::next(row.state, row.cancel, Move::Lease), Some(Next::To(State::Running)));
        let lease = self.hand_over(&mut row, task, worker, ask, name.is_twin())?;
        let lane = self.lane_mut(lane)?;
        lane.waiting -= 1;
        lane.running += 1;
        self.wake_drainers(row.lane)?;
        Ok(Some(lease))
    }

    fn hand_over(
        &mut self,
        row: &mut Row,
        task: Arc<Task>,
        worker: i64,
        ask: u64,
        suspect: bool,
    ) -> Step<Lease> {
        let behind = row.base();
        self.counters.fences += 1;
        row.state = State::Running;
        (row.heard, row.shown, row.told) = (0, 0, false);
        row.attempt = row.failed + 1;
        row.finished = false;
        row.started_at = Some(self.wall);
        row.ends = Some(self.steady.after(self.times.lease));
        (row.fence, row.worker, row.ask) = (self.counters.fences, worker, ask);
        row.renewed = self.counters.calls;
        self.rings_in(self.times.lease);
        self.plan(row);
        self.save(row)?;
        let key = LeaseKey { id: row.id.clone(), fence: row.fence };
        let mut lease = Lease::new(key, task, row.attempt);
        lease.checkpoint = if row.said { self.checkpoint(row.number)? } else { None };
        lease.deadline = row.deadline.map(|deadline| deadline.since(self.wall));
        lease.suspect = suspect;
        self.worker_mut(worker)?.held += 1;
        if self.is_heard(row.number) {
            let worker = self.worker_id(worker)?;
            self.say(row, behind, EventKind::Started { worker });
        }
        self.wrote = true;
        Ok(lease)
    }

    /// A task that was taken out of its line ends, and is given to nobody.
    fn leave_taken(&mut self, row: &mut Row, end: End) -> Step<()> {
        let empty = {
            let lane = self.lane_mut(row.lane)?;
            lane.waiting -= 1;
            lane.ready == 0
        };
        self.removed(row.lane, row.number, empty)?;
        if empty {
            self.wake_drainers(row.lane)?;
        }
        self.end(row, end)?;
        self.save(row)
    }

    /// Another process woke a call of this one.
    pub(super) fn was_woken(&mut self, call: u64) {
        self.sleepers.forget(self.processes.own, call);
        // one that has gone meanwhile had its wake for nothing: whoever reads this rouses others
        self.woken.extend(self.asleep.contains_key(&call).then_some(call));
    }

    /// What a call was woken for and has not taken is another's now.
    fn pass_on(&mut self, ask: &LeaseRequest) -> Step<()> {
        for asked in &ask.lanes {
            if let Some(lane) = self.find_lane(&asked.lane)?
                && self.lane(lane)?.ready > 0
                && !self.lane(lane)?.paused
            {
                self.wake_for(lane)?;
            }
        }
        Ok(())
    }

    /// Whether a timer should have rung for a call that sleeps.
    pub(super) fn is_overdue(&self) -> bool {
        let mut asleep = self.asleep.values();
        !self.asleep.is_empty() && self.timer.is_some_and(|timer| timer <= self.steady)
            || asleep.any(|asleep| asleep.end <= self.steady)
    }

    /// A timer has rung, or may have: calls whose time is over are answered, and one looks for what is due.
    pub(super) fn ring(&mut self) -> Step<()> {
        let over = self.asleep.iter().filter(|(_, asleep)| asleep.end <= self.steady);
        let mut calls: Vec<u64> = over.map(|(call, _)| *call).collect();
        if calls.is_empty() {
            calls.extend(self.asleep.keys().next().copied());
        }
        for call in calls {
            self.get_up(self.processes.own, call)?;
            self.woken.push(call);
        }
        Ok(())
    }

    /// A call goes to sleep on the lanes it asks for, so that what comes there wakes it.
    fn doze(&mut self, call: u64, ask: &LeaseRequest, drains: Option<&Lane>) -> Step<()> {
        let worker = self.call_of(&ask.worker)?;
        let mut beds = Vec::with_capacity(ask.lanes.len());
        for asked in ask.lanes.iter().filter(|asked| asked.cost.max(1) <= ask.room) {
            beds.push(Bed { lane: self.touch_lane(&asked.lane)?, cold: !asked.warm });
        }
        let drains = match drains {
            Some(lane) => Some(self.touch_lane(lane)?),
            None => None,
        };
        let process = self.processes.own;
        self.sleep(Sleeper { process, call, serial: 0, worker, drains, beds })
    }

    /// A call is over before it was answered: its caller has gone, or its time.
    pub(super) fn hang_up(&mut self, call: u64) -> Step<()> {
        self.asleep.remove(&call);
        self.get_up(self.processes.own, call)?;
        // a wake on its way to it goes to another
        self.rouse()
    }
}

/// Whether a call asks for nothing but this lane.
fn names_only(ask: &LeaseRequest, lane: Option<&Lane>) -> bool {
    let mut named = ask.lanes.iter().map(|asked| &asked.lane).chain(&ask.would_fit);
    named.all(|named| Some(named) == lane)
}
