//! Leases that came in, until their bodies start.

use std::{borrow::Cow, collections::VecDeque, mem, time::Duration};

use super::{
    Action, Start, Steps,
    seats::{Answer, Body, Held, Seat},
};
use crate::{Amounts, Grant, Lane, Lease, Outcome, Pool, ResourceRequirement, Usage};

#[derive(Debug, Default)]
pub(super) struct Waiting {
    seats: VecDeque<Seat>,
    /// Whether some of them may start now that could not before.
    pub(super) changed: bool,
}

impl Steps {
    pub(super) fn admit(&mut self, lease: Lease) {
        let lane = self.lanes.number(&lease.task.lane);
        let seat = self.seats.insert(Held {
            key: lease.key,
            attempt: lease.attempt,
            suspect: lease.suspect,
            lane: lane.unwrap_or(usize::MAX),
            checkpoint: lease.checkpoint,
            deadline: lease.deadline.map(|left| self.now.saturating_add(left)),
            task: lease.task,
            body: Body::Waiting,
            started: self.now,
            grant: None,
            cancel_asked: false,
            answer: Answer::Open,
            usage: Usage::default(),
        });
        if lane.is_none() {
            // nobody asked for it: another worker may serve it
            return self.end_unstarted(seat, Outcome::Released { after: self.times.too_large });
        }
        self.waiting.seats.push_back(seat);
        self.waiting.changed = true;
    }

    /// Starts what fits, in the order of work: what has to wait keeps its share of what becomes free.
    pub(super) fn start(&mut self, actions: &mut Vec<Action>) {
        self.orders.forget(actions);
        if !mem::take(&mut self.waiting.changed) || self.waiting.seats.is_empty() {
            return;
        }
        let mut starts = Vec::with_capacity(self.waiting.seats.len());
        let mut left: Option<Pool> = None;
        for _ in 0..self.waiting.seats.len() {
            let Some(seat) = self.waiting.seats.pop_front() else { break };
            let Some(held) = self.seats.get(seat).filter(|held| held.body == Body::Waiting) else { continue };
            let (lane, needs) = (&held.task.lane, &held.task.envelope.requires);
            if self.is_stopping() {
                self.end_unstarted(seat, Outcome::Released { after: Duration::ZERO });
                continue;
            }
            let fits = left.as_mut().is_none_or(|left| left.take(lane, needs).is_some());
            if let Some((grant, evicted)) = fits.then(|| self.pool.take(lane, needs)).flatten() {
                starts.extend(self.start_one(seat, grant, &evicted));
            } else if self.pool.fits_ever(needs) {
                reserve(left.get_or_insert_with(|| self.pool.clone()), lane, needs);
                self.waiting.seats.push_back(seat);
            } else {
                self.end_unstarted(seat, Outcome::Released { after: self.times.too_large });
            }
        }
        if !starts.is_empty() {
            actions.push(Action::Start(starts));
        }
    }

    fn start_one(&mut self, seat: Seat, grant: Grant, evicted: &[Lane]) -> Option<Start> {
        let now = self.now;
        let held = self.seats.get_mut(seat)?;
        (held.body, held.started, held.grant) = (Body::Running, now, Some(grant.clone()));
        let served = self.lanes.get(held.lane);
        let start = Start {
            seat,
            task: held.task.clone(),
            attempt: held.attempt,
            function: served.function,
            lane: held.lane,
            parameters: served.parameters.clone(),
            checkpoint: held.checkpoint.take(),
            deadline: held.deadline,
            grant,
            evicted: evicted.iter().filter_map(|lane| self.lanes.number(lane)).collect(),
        };
        if let Some(timeout) = start.task.envelope.timeout {
            self.limits.push(now.saturating_add(timeout), seat, &self.seats);
        }
        Some(start)
    }

    /// What is left for new leases: that which those that wait will need is spoken for.
    pub(super) fn left_for_new(&self) -> Cow<'_, Pool> {
        let mut left = Cow::Borrowed(&self.pool);
        for held in self.waiting.seats.iter().filter_map(|&seat| self.seats.get(seat)) {
            if held.body == Body::Waiting {
                reserve(left.to_mut(), &held.task.lane, &held.task.envelope.requires);
            }
        }
        left
    }
}

/// Takes of a pool what a task that waits will need, as far as it is there.
fn reserve(pool: &mut Pool, lane: &Lane, needs: &ResourceRequirement) {
    let single =
        |option: &ResourceRequirement| ResourceRequirement { otherwise: Vec::new(), ..option.clone() };
    let Some(option) = needs.options().map(single).find(|option| pool.fits_ever(option)) else { return };
    let free = pool.free();
    let both = together(&option.shared, &option.each);
    for gpus in (0..=option.each.gpus.min(free.gpus)).rev() {
        // beside its model, if that is loaded or has room; else both as one
        for (shared, each) in [(option.shared.clone(), &option.each), (Amounts::new(), &both)] {
            let each = Amounts { gpus, ..at_most(each, &free) };
            if pool.take(lane, &ResourceRequirement { shared, each, otherwise: Vec::new() }).is_some() {
                return;
            }
        }
    }
}

fn together(one: &Amounts, other: &Amounts) -> Amounts {
    let mut custom = one.custom.clone();
    for (name, count) in &other.custom {
        let sum = custom.entry(name.clone()).or_default();
        *sum = sum.saturating_add(*count);
    }
    Amounts {
        cpu_millis: one.cpu_millis.saturating_add(other.cpu_millis),
        memory_mib: one.memory_mib.saturating_add(other.memory_mib),
        disk_mib: one.disk_mib.saturating_add(other.disk_mib),
        gpus: one.gpus.saturating_add(other.gpus),
        gpu_memory_mib: one.gpu_memory_mib.saturating_add(other.gpu_memory_mib),
        slots: one.slots.saturating_add(other.slots),
        custom,
    }
}

fn at_most(need: &Amounts, free: &Amounts) -> Amounts {
    let custom = |(name, count): (&String, &u64)| {
        (name.clone(), free.custom.get(name).copied().unwrap_or(0).min(*count))
    };
    Amounts {
        cpu_millis: need.cpu_millis.min(free.cpu_millis),
        memory_mib: need.memory_mib.min(free.memory_mib),
        disk_mib: need.disk_mib.min(free.disk_mib),
        gpus: need.gpus,
        gpu_memory_mib: need.gpu_memory_mib.min(free.gpu_memory_mib),
        slots: need.slots.min(free.slots),
        custom: need.custom.iter().map(custom).collect(),
    }
}
