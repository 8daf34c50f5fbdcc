//! Lease calls asleep: who is woken for a task, and when they wake by themselves.

use std::{collections::BTreeSet, task::Waker};

use function_runner_core::{Lane, LeaseRequest, Timestamp};

use super::{lanes::Bed, slab::Slab, store::Store};

/// The lease calls that have slept and are still open.
#[derive(Debug)]
pub(super) struct Sleepers {
    calls: Slab<Call>,
    /// When those asleep wake by themselves.
    armed: BTreeSet<(Timestamp, u32)>,
    serial: u64,
    /// The earliest timer set in this turn of the store.
    sooner: Option<Timestamp>,
}

/// One lease call.
#[derive(Debug)]
struct Call {
    worker: u32,
    /// While it is asleep: a call is woken once.
    asleep: Option<Waker>,
    armed: Timestamp,
    beds: Vec<(u32, Bed)>,
    drains: Option<u32>,
}

impl Sleepers {
    pub(super) const fn new() -> Self {
        Self { calls: Slab::new(), armed: BTreeSet::new(), serial: 0, sooner: None }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether one of those asleep wakes by itself no later than this.
    pub(super) fn wakes_by(&self, moment: Timestamp) -> bool {
        self.armed.first().is_some_and(|(first, _)| *first <= moment)
    }

    /// Something is to happen at this moment: whoever sleeps must not sleep past it.
    pub(super) fn rings_at(&mut self, moment: Timestamp) {
        if !self.armed.is_empty() {
            self.sooner = Some(self.sooner.map_or(moment, |sooner| sooner.min(moment)));
        }
    }
}

impl Store {
    /// Puts a call to sleep on the lanes it asks for, so that what comes there wakes it; `call` if it slept before.
    pub(super) fn doze(&mut self, sleeper: Sleeper<'_>) -> u32 {
        let Sleeper { ask, call, worker, drains, until, waker } = sleeper;
        let call = call.unwrap_or_else(|| self.register(worker));
        self.sleepers.serial += 1;
        let serial = self.sleepers.serial;
        let row = &mut self.sleepers.calls[call];
        row.asleep = Some(waker.clone());
        row.armed = until;
        for asked in ask.lanes.iter().filter(|asked| fits(asked.cost, ask.room)) {
            let lane = self.lanes.touch(&asked.lane);
            let bed = Bed { cold: !asked.warm, serial, call };
            if self.lanes[lane].beds.insert(bed) {
                row.beds.push((lane, bed));
            }
        }
        if let Some(lane) = drains {
            let lane = self.lanes.touch(lane);
            self.lanes[lane].drainers.push(call);
            row.drains = Some(lane);
        }
        self.sleepers.armed.insert((until, call));
        call
    }

    fn register(&mut self, worker: u32) -> u32 {
        let armed = Timestamp::default();
        let call = Call { worker, asleep: None, armed, beds: Vec::new(), drains: None };
        let call = self.sleepers.calls.insert(call);
        self.workers[worker].calls.push(call);
        call
    }

    /// Whether a call is still asleep; then it is this waker that wakes it from now on.
    pub(super) fn sleeps_on(&mut self, call: u32, waker: &Waker) -> bool {
        let Some(asleep) = &mut self.sleepers.calls[call].asleep else { return false };
        if !asleep.will_wake(waker) {
            asleep.clone_from(waker);
        }
        true
    }

    /// Wakes the first call that sleeps on this lane, if one does.
    pub(super) fn wake_for(&mut self, lane: u32) {
        if let Some(bed) = self.lanes[lane].beds.first() {
            self.rouse(bed.call);
        }
    }

    /// Wakes every open call of this worker.
    pub(super) fn wake_worker(&mut self, worker: u32) {
        for at in 0..self.workers[worker].calls.len() {
            self.rouse(self.workers[worker].calls[at]);
        }
    }

    /// Wakes the calls whose workers drain for this lane: they do so no longer.
    pub(super) fn wake_drainers(&mut self, lane: u32) {
        while let Some(&call) = self.lanes[lane].drainers.last() {
            self.rouse(call);
        }
    }

    /// Wakes whoever would sleep past a timer that was set in this turn of the store.
    pub(super) fn wake_for_timers(&mut self) {
        if let Some(sooner) = self.sleepers.sooner.take()
            && let Some(&(first, call)) = self.sleepers.armed.first()
            && sooner < first
        {
            self.rouse(call);
        }
    }

    fn rouse(&mut self, call: u32) {
        if let Some(waker) = self.get_up(call) {
            self.wakes.push(waker);
        }
    }

    /// Takes a call out of every bed it has; answers with its waker if it was asleep.
    pub(super) fn get_up(&mut self, call: u32) -> Option<Waker> {
        let row = &mut self.sleepers.calls[call];
        let waker = row.asleep.take()?;
        self.sleepers.armed.remove(&(row.armed, call));
        for (lane, bed) in row.beds.drain(..) {
            self.lanes[lane].beds.remove(&bed);
            self.lanes.settle(lane);
        }
        if let Some(lane) = row.drains.take() {
            self.lanes[lane].drainers.retain(|&drainer| drainer != call);
            self.lanes.settle(lane);
        }
        Some(waker)
    }

    /// A call has ended, answered or dropped. What it was woken for, and the timer it would have woken for, are
    /// another's now.
    pub(super) fn hang_up(&mut self, call: u32, ask: &LeaseRequest) {
        let slept = self.get_up(call).is_some();
        if let Some(row) = self.sleepers.calls.remove(call) {
            self.workers[row.worker].calls.retain(|&open| open != call);
        }
        let next = self.next_timer();
        self.sleepers.rings_at(next);
        if !slept {
            self.pass_on(ask);
        }
    }

    /// Wakes one more call for each of these lanes that has work left.
    fn pass_on(&mut self, ask: &LeaseRequest) {
        for asked in &ask.lanes {
            if let Some(lane) = self.lanes.find(&asked.lane)
                && self.order.head(&asked.lane).is_some()
            {
                self.wake_for(lane);
            }
        }
    }
}

/// What a call goes to sleep with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sleeper<'a> {
    pub(super) ask: &'a LeaseRequest,
    pub(super) call: Option<u32>,
    pub(super) worker: u32,
    /// The lane its worker drains for, if it waits for nothing else.
    pub(super) drains: Option<&'a Lane>,
    pub(super) until: Timestamp,
    pub(super) waker: &'a Waker,
}

/// Whether a task of this cost could be given at all: what could not must not be woken for.
const fn fits(cost: u32, room: u32) -> bool {
    cost <= room && room > 0
}

/// Wakers to be woken when the store's lock is free again: mostly none or one.
#[derive(Debug, Default)]
pub(super) struct Wakes {
    first: Option<Waker>,
    rest: Vec<Waker>,
}

impl Wakes {
    pub(super) fn push(&mut self, waker: Waker) {
        match self.first {
            None => self.first = Some(waker),
            Some(_) => self.rest.push(waker),
        }
    }

    pub(super) fn wake(self) {
        self.first.into_iter().chain(self.rest).for_each(Waker::wake);
    }
}
