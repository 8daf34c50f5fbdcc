//! Giving work: what one look gives a worker, and the call that looks until there is some.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use function_runner_core::{
    By, EventKind, Lane, Lease, LeaseKey, LeaseReply, LeaseRequest, Result, State, Timestamp,
    schedule::{Given, Head, Order},
    state::{self, Move, Next},
};
use futures::future::BoxFuture;

use super::{
    row::Key,
    store::{Shared, Store},
    wake::Sleeper,
};

/// The longest that a call waits, whatever it asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How often a call looks in one poll, where timers are due in masses, before it lets others go on.
const MAX_LOOKS: usize = 16;

/// What one look ends with.
enum Look {
    Reply(LeaseReply),
    /// Nothing: the call sleeps, at the latest until then.
    Asleep {
        call: u32,
        until: Timestamp,
    },
}

/// What a worker is told.
enum Answer {
    Now(LeaseReply),
    /// Nothing yet; if its worker drains for a lane and waits for nothing else, which.
    Wait(Option<Lane>),
}

impl Store {
    /// One look for work. It gives what there is, or puts the call to sleep in the same move, so no wake is missed.
    fn look(&mut self, ask: &LeaseRequest, call: Option<u32>, end: Timestamp, waker: &Waker) -> Look {
        self.outage.note(self.now, &self.times);
        self.serve(By::Worker);
        let worker = self.workers.call(&ask.worker, self.now, &self.times);
        let drains = match self.answer(ask, worker) {
            Answer::Wait(drains) if self.now < end => drains,
            Answer::Wait(drain_for) => {
                let mut reply = LeaseReply::default();
                reply.drain_for = drain_for;
                return self.reply(ask, call, reply);
            }
            Answer::Now(reply) => return self.reply(ask, call, reply),
        };
        if let Some(call) = call {
            self.get_up(call);
        }
        let timer = self.next_timer();
        // one that wakes for what is due is enough: when its call ends, another takes that over
        let until = if self.sleepers.wakes_by(timer) { end } else { end.min(timer) };
        let call = self.doze(Sleeper { ask, call, worker, drains: drains.as_ref(), until, waker });
        Look::Asleep { call, until }
    }

    fn reply(&mut self, ask: &LeaseRequest, call: Option<u32>, reply: LeaseReply) -> Look {
        if let Some(call) = call {
            self.hang_up(call, ask);
        }
        Look::Reply(reply)
    }

    fn answer(&mut self, ask: &LeaseRequest, worker: u32) -> Answer {
        if self.workers[worker].has_news() {
            return Answer::Now(LeaseReply::default());
        }
        let drain_for = self.drain_for(ask);
        let told = std::mem::replace(&mut self.workers[worker].told, drain_for.clone());
        if drain_for.is_some() {
            if told == drain_for && names_only(ask, drain_for.as_ref()) {
                return Answer::Wait(drain_for);
            }
            let mut reply = LeaseReply::default();
            reply.drain_for = drain_for;
            return Answer::Now(reply);
        }
        let leases = self.take(ask, worker);
        // a worker that drained learns at once that it need not any more
        if leases.is_empty() && told.is_none() {
            Answer::Wait(None)
        } else {
            Answer::Now(LeaseReply::new(leases))
        }
    }

    fn drain_for(&mut self, ask: &LeaseRequest) -> Option<Lane> {
        if ask.would_fit.is_empty() {
            return None;
        }
        let live = self.workers.live;
        self.reserve.drain_for(&ask.worker, heads(ask, &self.order), live, self.now)
    }

    /// Takes what this call is given.
    fn take(&mut self, ask: &LeaseRequest, worker: u32) -> Vec<Lease> {
        loop {
            let asked = ask.lanes.iter().map(|asked| (&asked.lane, asked.cost));
            let given = self.order.take(ask.room, asked);
            if given.is_empty() {
                return Vec::new();
            }
            self.reserve.given(&given, heads(ask, &self.order), self.now);
            let leases: Vec<Lease> =
                given.into_iter().filter_map(|given| self.lease(given, worker, ask.call)).collect();
            // all of them may have missed their deadlines just now
            if !leases.is_empty() {
                return leases;
            }
        }
    }

    /// A task that has left the order of work is this worker's.
    fn lease(&mut self, given: Given<Key>, worker: u32, ask: u64) -> Option<Lease> {
        let Key { id, at } = given.key;
        let row = &mut self.rows[at];
        let number = row.lane;
        if row.deadline.is_some_and(|deadline| deadline <= self.now) {
            self.miss_deadline(at);
            return None;
        }
        debug_assert_eq!(state::next(row.state, row.cancel, Move::Lease), Some(Next::To(State::Running)));
        self.fences += 1;
        row.state = State::Running;
        (row.heard, row.shown, row.told) = (0, 0, false);
        row.attempt = row.failed + 1;
        row.finished = false;
        row.started_at = Some(self.now);
        let claim = &mut row.claim;
        (claim.fence, claim.worker, claim.ask, claim.renewed) = (self.fences, worker, ask, self.calls);
        let mut lease = Lease::new(LeaseKey { id, fence: self.fences }, row.task.clone(), row.attempt);
        lease.checkpoint = row.more.as_ref().and_then(|more| more.checkpoint.clone());
        lease.deadline = row.deadline.map(|deadline| deadline.since(self.now));
        let lane = &mut self.lanes[number];
        lease.suspect = lane.lane.is_twin();
        lane.waiting -= 1;
        lane.running += 1;
        self.workers[worker].held += 1;
        self.plan(at);
        self.chain(at);
        self.wake_drainers(number);
        // whoever only awaits the end is not told, and nothing is made for it
        let row = &self.rows[at];
        if row.watchers.iter().any(|watcher| watcher.hears(row.seq())) {
            let worker = self.workers[worker].id.clone();
            self.say(at, |_| EventKind::Started { worker });
        }
        Some(lease)
    }
}

/// The lanes that would fit if the worker drained, with their heads; those that fit now are asked for as such.
fn heads<'a>(
    ask: &'a LeaseRequest,
    order: &'a Order<Key>,
) -> impl Iterator<Item = (&'a Lane, Head<'a, Key>)> {
    let fits = |lane: &Lane| ask.lanes.iter().any(|asked| asked.lane == *lane);
    let would_fit = ask.would_fit.iter().filter(move |lane| !fits(lane));
    would_fit.filter_map(|lane| Some((lane, order.head(lane)?)))
}

/// Whether a call asks for nothing but this lane.
fn names_only(ask: &LeaseRequest, lane: Option<&Lane>) -> bool {
    let mut named = ask.lanes.iter().map(|asked| &asked.lane).chain(&ask.would_fit);
    named.all(|named| Some(named) == lane)
}

/// A lease call: takes what it gives in the very poll that hands it over, so dropping it loses nothing.
pub(super) struct Asking {
    shared: Arc<Shared>,
    ask: LeaseRequest,
    /// When it gives up; known from its first look.
    end: Option<Timestamp>,
    /// Its number among the sleepers, once it has slept.
    call: Option<u32>,
    sleep: Option<BoxFuture<'static, ()>>,
}

impl Asking {
    pub(super) fn new(shared: &Arc<Shared>, ask: LeaseRequest) -> Self {
        Self { shared: shared.clone(), ask, end: None, call: None, sleep: None }
    }

    /// Whether it sleeps on: its own time has not come, and nobody has woken it.
    fn sleeps_on(&mut self, context: &mut Context<'_>) -> bool {
        let Some(call) = self.call else { return false };
        !self.rings(context) && self.shared.lock().sleeps_on(call, context.waker())
    }

    /// Whether its own time has come.
    fn rings(&mut self, context: &mut Context<'_>) -> bool {
        let rings = self.sleep.as_mut().is_none_or(|sleep| sleep.as_mut().poll(context).is_ready());
        if rings {
            self.sleep = None;
        }
        rings
    }
}

impl Future for Asking {
    type Output = Result<LeaseReply>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.sleeps_on(context) {
            return Poll::Pending;
        }
        for _ in 0..MAX_LOOKS {
            let (ask, call, end) = (&this.ask, this.call, &mut this.end);
            let look = this.shared.with(|store| {
                let end = *end.get_or_insert_with(|| store.now.after(ask.wait.min(LONGEST_WAIT)));
                store.look(ask, call, end, context.waker())
            });
            match look {
                Look::Reply(reply) => {
                    this.call = None;
                    return Poll::Ready(Ok(reply));
                }
                Look::Asleep { call, until } => {
                    this.call = Some(call);
                    this.sleep = Some(this.shared.clock.sleep_until(until));
                    // who wakes it from here on has its waker, so it need not look whether somebody has
                    if !this.rings(context) {
                        return Poll::Pending;
                    }
                }
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(call) = self.call {
            self.shared.with(|store| store.hang_up(call, &self.ask));
        }
    }
}
