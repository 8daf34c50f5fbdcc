//! What is known of every lane: how long one waits in it, who gets how much of it, and whom it waits for.

use std::collections::BTreeMap;

use function_runner_core::{Priority, Weight, schedule::increment};

use super::{
    catalog::{Kind, RENDER},
    ledger::{Entry, Place, Span},
};

/// The priority at which shares are compared.
pub(super) const COMPARED: u8 = 5;

#[derive(Debug)]
pub(super) struct LaneBook {
    lanes: Vec<LaneView>,
    weights: Vec<Weight>,
    /// How long a task that came alone in its flow waited, of its bound, in thousandths; all of them, and those of
    /// priority 1.
    pub(super) waits: [Span; 2],
    /// Leases per tenant of the lane that was flooded, while all tenants waited in it.
    pub(super) shares: Vec<u64>,
    /// The tasks of the flood that wait for their first lease, per tenant.
    flood: Vec<u64>,
    comparing: bool,
    /// How long the head of a large lane waited, from when a worker that could drain for it got other work.
    pub(super) passed: Span,
    /// How long a worker drained for it.
    pub(super) drained: Span,
    /// How often it drained longer than its attempts may take.
    pub(super) drained_late: u64,
}

#[derive(Debug)]
struct LaneView {
    large: bool,
    /// Leases of tasks that pay with them.
    leases: u64,
    flows: BTreeMap<(u8, u8), FlowView>,
    ready: u64,
    passed: Option<u64>,
    drain: Option<Drain>,
}

#[derive(Clone, Copy, Debug)]
struct Drain {
    told: u64,
    until: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct FlowView {
    increment: u64,
    waiting: u64,
    /// Whether it had a task before.
    had: bool,
    /// Whether a task of it left without a lease, so that its clock stands where no lease explains it.
    skewed: bool,
}

impl LaneBook {
    pub(super) fn new(kinds: &[Kind], weights: Vec<Weight>) -> Self {
        let lane = |kind: &Kind| LaneView {
            large: kind.large,
            leases: 0,
            flows: BTreeMap::new(),
            ready: 0,
            passed: None,
            drain: None,
        };
        Self {
            lanes: kinds.iter().map(lane).collect(),
            shares: vec![0; weights.len()],
            flood: vec![0; weights.len()],
            weights,
            waits: [Span::default(); 2],
            comparing: false,
            passed: Span::default(),
            drained: Span::default(),
            drained_late: 0,
        }
    }

    pub(super) fn is_large(&self, kind: u8) -> bool {
        self.lanes[usize::from(kind)].large
    }

    /// How many leases of this lane there were of tasks that pay with them.
    pub(super) fn leases(&self, kind: u8) -> u64 {
        self.lanes[usize::from(kind)].leases
    }

    /// The lanes in which tasks are known to be ready, a bit each.
    pub(super) fn ready_lanes(&self) -> u32 {
        let lanes = self.lanes.iter().enumerate().filter(|(_, lane)| lane.ready > 0);
        lanes.fold(0, |mask, (index, _)| mask | 1 << index)
    }

    pub(super) const fn weights(&self) -> &Vec<Weight> {
        &self.weights
    }

    /// The flood is in: from now on shares are compared, until a tenant has nothing of it left.
    pub(super) const fn compare(&mut self) {
        self.comparing = true;
    }

    /// A task waits: ready, or delayed until it is.
    pub(super) fn ready(&mut self, entry: &mut Entry) {
        let lane = &mut self.lanes[usize::from(entry.kind)];
        entry.mark = None;
        lane.ready += u64::from(matches!(entry.place, Place::Ready { .. }));
        if entry.place == (Place::Ready { paid: true }) {
            return;
        }
        if entry.traits.flood && entry.fence == 0 {
            self.flood[usize::from(entry.tenant)] += 1;
        }
        let flow = lane.flows.entry((entry.tenant, entry.priority)).or_default();
        flow.increment = increment_of(entry.priority, self.weights[usize::from(entry.tenant)]);
        if flow.waiting == 0 && !flow.skewed && entry.place != Place::Delayed {
            entry.mark = Some((lane.leases, flow.had));
        }
        flow.waiting += 1;
        flow.had = true;
    }

    /// A task was given: one that waited, or one whose claim had run out.
    pub(super) fn leased(&mut self, entry: &mut Entry, suspect: bool, now: u64) {
        let fresh = self.is_fresh(entry.place);
        self.share(entry, fresh);
        if let Some(mark) = entry.mark.take() {
            self.wait(entry, mark);
        }
        let lane = &mut self.lanes[usize::from(entry.kind)];
        if fresh && let Some(flow) = lane.flows.get_mut(&(entry.tenant, entry.priority)) {
            flow.waiting -= 1;
        }
        lane.ready -= u64::from(matches!(entry.place, Place::Ready { .. }));
        lane.leases += u64::from(fresh);
        if suspect {
            return;
        }
        if let Some(passed) = lane.passed.take() {
            self.passed.add(now - passed);
        }
        if let Some(drain) = lane.drain.take() {
            self.drained.add(now - drain.told);
            self.drained_late += u64::from(now > drain.until);
        }
    }

    const fn is_fresh(&self, place: Place) -> bool {
        matches!(place, Place::Ready { paid: false } | Place::Delayed)
    }

    fn share(&mut self, entry: &Entry, fresh: bool) {
        let tenant = usize::from(entry.tenant);
        let compared = usize::from(entry.kind) == RENDER && entry.priority == COMPARED;
        if self.comparing && fresh && compared {
            self.shares[tenant] += 1;
        }
        if entry.traits.flood && fresh && entry.fence == 0 {
            self.flood[tenant] -= 1;
            // from here on one has nothing left, and the others share what it leaves
            self.comparing &= self.flood[tenant] > 0;
        }
    }

    /// A task that came alone in its flow had this many leases of its lane before it.
    fn wait(&mut self, entry: &Entry, (leases, had): (u64, bool)) {
        let lane = &self.lanes[usize::from(entry.kind)];
        let waited = lane.leases - leases;
        let mine = (entry.tenant, entry.priority);
        let own = increment_of(entry.priority, self.weights[usize::from(entry.tenant)]);
        // a flow that had a task before begins at most one of its own increments further on
        let stretch = if had { 2 * own } else { own };
        let of = |flow: &FlowView| stretch / flow.increment + 1;
        let others = lane.flows.iter().filter(|(flow, _)| **flow != mine);
        let bound = 1 + others.map(|(_, flow)| of(flow)).sum::<u64>();
        let parts = waited * 1000 / bound;
        self.waits[0].add(parts);
        if entry.priority == 1 {
            self.waits[1].add(parts);
        }
    }

    /// A task that waited ended without a lease.
    pub(super) fn left(&mut self, entry: &Entry, place: Place) {
        let fresh = self.is_fresh(place);
        if entry.traits.flood && fresh && entry.fence == 0 {
            self.flood[usize::from(entry.tenant)] -= 1;
        }
        let lane = &mut self.lanes[usize::from(entry.kind)];
        lane.ready -= u64::from(matches!(place, Place::Ready { .. }));
        if lane.ready == 0 {
            (lane.passed, lane.drain) = (None, None);
        }
        if fresh && let Some(flow) = lane.flows.get_mut(&(entry.tenant, entry.priority)) {
            flow.waiting -= 1;
            flow.skewed = true;
        }
    }

    /// A worker got other work than that of these lanes, for which it could drain.
    pub(super) fn passed_over(&mut self, lanes: u32, now: u64) {
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            if lanes & 1 << index != 0 && lane.ready > 0 {
                lane.passed.get_or_insert(now);
            }
        }
    }

    /// A worker drains for this lane, which takes until then at most.
    pub(super) fn drains(&mut self, kind: usize, told: u64, until: u64) {
        let lane = &mut self.lanes[kind];
        if lane.ready == 0 {
            return;
        }
        let drain = lane.drain.get_or_insert(Drain { told, until });
        drain.until = drain.until.max(until);
    }

    /// The largest distance of a tenant's share from its weight, in thousandths, beyond two leases; and the leases that
    /// were compared.
    pub(super) fn distance(&self) -> (u64, u64) {
        let all: u64 = self.shares.iter().sum();
        let weights: u64 = self.weights.iter().map(|weight| u64::from(weight.value())).sum();
        let of = |(got, weight): (&u64, &Weight)| {
            let due = all as f64 * f64::from(weight.value()) / weights as f64;
            let off = ((*got as f64 - due).abs() - 2.0).max(0.0);
            if due > 0.0 { (off / due * 1000.0) as u64 } else { 0 }
        };
        (self.shares.iter().zip(&self.weights).map(of).max().unwrap_or(0), all)
    }
}

/// What a task pays for one lease.
pub(super) fn increment_of(priority: u8, weight: Weight) -> u64 {
    increment(1, Priority::new(priority).unwrap_or_default(), weight)
}
