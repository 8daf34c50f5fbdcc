//! Room for large tasks: which lane a worker drains for, and when.

use std::{collections::BTreeMap, time::Duration};

use super::{Given, Head};
use crate::{Lane, Times, Timestamp, WorkerId, lane::LaneMap};

/// How many workers may drain at a time: a quarter of those alive, but at least one.
#[must_use]
pub const fn drainers(workers: usize) -> usize {
    if workers < 4 { 1 } else { workers / 4 }
}

/// A lane that a worker would fit if it drained, as [`choose`] looks at it; it is not paused and has a task
/// ready.
#[derive(Clone, Copy, Debug)]
pub struct Waiting<'a> {
    /// The lane.
    pub lane: &'a Lane,
    /// Since when it has been passed over.
    pub passed: Option<Timestamp>,
    /// Which worker drains for it; none whose reservation has run out.
    pub holder: Option<&'a WorkerId>,
    /// Whether its head was released because it needs more than the whole worker that leased it.
    pub outsized: bool,
}

/// The lane that this worker is to drain for, if any.
///
/// The lane it has a reservation for, if that is among those it would fit; else, `may_reserve`, of the lanes
/// that were passed over for as long as `after`, that nobody drains for and whose head was not released for
/// its size, the one passed over longest, then by name. `may_reserve` is false for a worker that drains for
/// some other lane, and where as many workers as [`drainers`] allows already do.
#[must_use]
pub fn choose<'a>(
    worker: &WorkerId,
    waiting: &[Waiting<'a>],
    may_reserve: bool,
    after: Duration,
    now: Timestamp,
) -> Option<&'a Lane> {
    let may = |lane: &&Waiting<'a>| lane.passed.is_some_and(|at| now.since(at) >= after) && !lane.outsized;
    let due = || waiting.iter().filter(may);
    if let Some(own) = due().find(|lane| lane.holder == Some(worker)) {
        return Some(own.lane);
    }
    let free = due().filter(|lane| may_reserve && lane.holder.is_none());
    free.min_by_key(|lane| (lane.passed, lane.lane)).map(|lane| lane.lane)
}

/// Which lanes were passed over and which workers drain for them, for a store that keeps it in memory.
///
/// A worker names the lanes that would fit it if it drained. One of them that is not paused is *passed over*
/// when something later in the order is given while it waits. After [`Times::reserve`] of that the worker is
/// told to drain for it and given nothing else.
///
/// For each lease call: [`drain_for`](Self::drain_for) first; if it names a lane nothing is taken; else take,
/// and tell [`given`](Self::given). Everything that leaves a lane otherwise is told to
/// [`removed`](Self::removed), every heartbeat to [`beat`](Self::beat).
///
/// - The mark goes when the lane's head is leased or the lane runs empty, the reservation with it; after a
///   cancel or a deadline the next head keeps both. A pause leaves the mark, but while it lasts the lane is
///   neither passed over nor drained for.
/// - One worker drains for a lane, a worker for one lane, and at most a quarter of the live workers in all,
///   but at least one.
/// - A reservation lasts one lease ([`Times::lease`]); each heartbeat of its worker that names the lane makes
///   it last one lease from then.
/// - After a release for size a lane is not drained for until another head comes: one that a call meets at
///   the lane's front, or that is leased.
#[derive(Clone, Debug)]
pub struct Reserve<K> {
    times: Times,
    passed: LaneMap<Timestamp>,
    drains: BTreeMap<Lane, Drain>,
    outsized: LaneMap<K>,
}

#[derive(Clone, Debug)]
struct Drain {
    worker: WorkerId,
    until: Timestamp,
}

impl<K: Eq> Reserve<K> {
    /// Nothing passed over.
    #[must_use]
    pub fn new(times: Times) -> Self {
        Self { times, passed: LaneMap::default(), drains: BTreeMap::new(), outsized: LaneMap::default() }
    }

    /// The lane that this worker is to drain for; then it is given nothing. A call that names only the lane
    /// that its worker drains for already waits for as long as this answers it.
    ///
    /// `would_fit` are the lanes that the call names as such, twins too, each with its head: what
    /// [`Order::head`](super::Order::head) has no answer for is left out. `workers` is how many are alive.
    pub fn drain_for<'a>(
        &mut self,
        worker: &WorkerId,
        would_fit: impl IntoIterator<Item = (&'a Lane, Head<'a, K>)>,
        workers: usize,
        now: Timestamp,
    ) -> Option<Lane>
    where
        K: 'a,
    {
        if self.passed.is_empty() && self.outsized.is_empty() {
            return None;
        }
        self.drains.retain(|_, drain| now < drain.until);
        let would_fit = would_fit.into_iter().inspect(|(lane, head)| self.meet(lane, head.key));
        let lanes: Vec<&Lane> = would_fit.map(|(lane, _)| lane).collect();
        let waiting: Vec<Waiting<'_>> = lanes.into_iter().map(|lane| self.waiting(lane)).collect();
        let may_reserve = self.drains.len() < drainers(workers) && !self.is_draining(worker);
        let lane = choose(worker, &waiting, may_reserve, self.times.reserve, now)?.clone();
        let until = now.after(self.times.lease);
        self.drains.entry(lane.clone()).or_insert_with(|| Drain { worker: worker.clone(), until });
        Some(lane)
    }

    /// What a call gave, `would_fit` being the lanes that it named so with their heads, as they stand after
    /// it.
    pub fn given<'a>(
        &mut self,
        given: &[Given<K>],
        would_fit: impl IntoIterator<Item = (&'a Lane, Head<'a, K>)>,
        now: Timestamp,
    ) where
        K: 'a,
    {
        if !self.is_unmarked() {
            for given in given {
                self.forget(&given.lane);
                self.outsized.remove(&given.lane);
            }
        }
        let mut would_fit = would_fit.into_iter().peekable();
        if would_fit.peek().is_none() {
            return;
        }
        let Some(last) = given.iter().map(|given| (given.order, &given.lane)).max() else { return };
        for (lane, head) in would_fit {
            self.meet(lane, head.key);
            if (head.order, lane) < last && !self.passed.contains_key(lane) {
                self.passed.insert(lane.clone(), now);
            }
        }
    }

    /// A task has left its lane unserved, or ended while it was delayed: cancelled, or past its deadline.
    /// `empty` is whether the lane has nothing ready now.
    pub fn removed(&mut self, lane: &Lane, key: &K, empty: bool) {
        if self.is_unmarked() {
            return;
        }
        if empty {
            self.forget(lane);
        }
        if self.outsized.get(lane) == Some(key) {
            self.outsized.remove(lane);
        }
    }

    /// A task was released because it needs more than the whole worker that had leased it.
    pub fn released_for_size(&mut self, lane: &Lane, key: K) {
        self.outsized.insert(lane.clone(), key);
    }

    /// A worker's heartbeat names the lane it drains for: its reservation, if it still has it, lasts one
    /// lease from now.
    pub fn beat(&mut self, worker: &WorkerId, drains_for: &Lane, now: Timestamp) {
        if let Some(drain) = self.drains.get_mut(drains_for).filter(|drain| drain.is_of(worker, now)) {
            drain.until = now.after(self.times.lease);
        }
    }

    /// Which worker drains for this lane.
    #[must_use]
    pub fn holder(&self, lane: &Lane, now: Timestamp) -> Option<&WorkerId> {
        self.drains.get(lane).filter(|drain| now < drain.until).map(|drain| &drain.worker)
    }

    /// Since when this lane has been passed over.
    #[must_use]
    pub fn passed_since(&self, lane: &Lane) -> Option<Timestamp> {
        self.passed.get(lane).copied()
    }

    fn waiting<'a>(&'a self, lane: &'a Lane) -> Waiting<'a> {
        Waiting {
            lane,
            passed: self.passed_since(lane),
            holder: self.drains.get(lane).map(|drain| &drain.worker),
            outsized: self.outsized.contains_key(lane),
        }
    }

    fn is_draining(&self, worker: &WorkerId) -> bool {
        self.drains.values().any(|drain| drain.worker == *worker)
    }

    /// A call has met this task at the front of the lane.
    fn meet(&mut self, lane: &Lane, key: &K) {
        if self.outsized.get(lane).is_some_and(|outsized| outsized != key) {
            self.outsized.remove(lane);
        }
    }

    /// Whether nothing is remembered of any lane, as in a store without large tasks.
    fn is_unmarked(&self) -> bool {
        self.passed.is_empty() && self.drains.is_empty() && self.outsized.is_empty()
    }

    fn forget(&mut self, lane: &Lane) {
        self.passed.remove(lane);
        self.drains.remove(lane);
    }
}

impl Drain {
    fn is_of(&self, worker: &WorkerId, now: Timestamp) -> bool {
        self.worker == *worker && now < self.until
    }
}

#[cfg(test)]
mod tests;
