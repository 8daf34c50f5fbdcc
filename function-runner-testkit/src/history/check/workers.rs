//! What runs on one worker at a time.

use std::collections::BTreeMap;

use super::{findings::Findings, trace::Trace};
use crate::history::{
    Invariant,
    entry::{Entry, Fact},
    line::{Call, Id, Leased, Renewal, Reply, Room, Share},
};

/// One worker's part of a history.
#[derive(Default)]
struct Worker<'a> {
    capacity: Option<Room>,
    bodies: Vec<Body<'a>>,
    suspects: Vec<(&'a Entry, &'a Leased)>,
    /// Finishes and answered beats, by claim: when it was surely given up by then.
    calls: Vec<&'a Entry>,
}

#[derive(Clone, Copy)]
struct Body<'a> {
    entry: &'a Entry,
    task: &'a Id,
    lane: &'a Id,
    granted: &'a Share,
}

pub(super) fn check(trace: &Trace<'_>, findings: &mut Findings) {
    for (name, worker) in workers(trace) {
        if let Some(capacity) = &worker.capacity {
            fit(name, capacity, &worker.bodies, findings);
        }
        suspects(trace, name, &worker, findings);
    }
}

fn workers<'a>(trace: &Trace<'a>) -> BTreeMap<&'a Id, Worker<'a>> {
    let mut workers: BTreeMap<&Id, Worker<'_>> = BTreeMap::new();
    let mut finishes = Vec::new();
    for entry in trace.entries {
        let Fact::Call { call, reply } = &entry.fact else { continue };
        match call {
            Call::Join { worker, capacity, serves: 1.. } if entry.may_be_done() => {
                let most = workers.entry(worker).or_default().capacity.get_or_insert_default();
                enlarge(most, capacity);
            }
            Call::Body { worker, task, lane, granted, .. } => {
                workers.entry(worker).or_default().bodies.push(Body { entry, task, lane, granted });
            }
            Call::Lease { worker, .. } => {
                if let Reply::Leased(leases) = reply {
                    let suspects = leases.iter().filter(|lease| lease.suspect).map(|lease| (entry, lease));
                    workers.entry(worker).or_default().suspects.extend(suspects);
                }
            }
            Call::Renew { worker, .. } => workers.entry(worker).or_default().calls.push(entry),
            Call::Finish(_) => finishes.push(entry),
            _ => {}
        }
    }
    for worker in workers.values_mut().filter(|worker| worker.suspects.len() > 1) {
        worker.calls.extend(&finishes);
    }
    workers
}

/// Of every resource the most it ever said it had.
fn enlarge(most: &mut Room, capacity: &Room) {
    for (name, amount) in &capacity.amounts {
        let most = most.amounts.entry(name.clone()).or_default();
        *most = (*most).max(*amount);
    }
    for (index, memory) in capacity.gpus.iter().enumerate() {
        match most.gpus.get_mut(index) {
            Some(most) => *most = (*most).max(*memory),
            None => most.gpus.push(*memory),
        }
    }
}

fn fit(name: &Id, capacity: &Room, bodies: &[Body<'_>], findings: &mut Findings) {
    // ends before starts of the same moment
    let mut moments: Vec<((u64, u64, bool), usize)> = Vec::with_capacity(2 * bodies.len());
    for (index, body) in bodies.iter().enumerate() {
        moments.push(((body.entry.start.at, body.entry.start.line, true), index));
        moments.extend(body.entry.end.map(|end| ((end.at, end.line, false), index)));
    }
    moments.sort_unstable();
    let mut running: Vec<usize> = Vec::new();
    for ((.., starts), index) in moments {
        if !starts {
            running.retain(|other| *other != index);
            continue;
        }
        running.push(index);
        findings.checked(Invariant::BodiesFitTheWorker);
        let together: Vec<Body<'_>> = running.iter().map(|index| bodies[*index]).collect();
        if let Some(excess) = excess(capacity, &together) {
            let witnesses: Vec<&Entry> = together.iter().map(|body| body.entry).collect();
            let message = format!("the bodies that run on {name} need {excess}");
            findings.fail(Invariant::BodiesFitTheWorker, Some(bodies[index].task), &witnesses, message);
            return;
        }
    }
}

/// What bodies need that is not there, in words.
fn excess(capacity: &Room, bodies: &[Body<'_>]) -> Option<String> {
    let mut needs: BTreeMap<&str, u64> = BTreeMap::new();
    let mut shared: BTreeMap<(&Id, &str), u64> = BTreeMap::new();
    for body in bodies {
        for (name, amount) in &body.granted.own {
            *needs.entry(name).or_default() += amount;
        }
        for (name, amount) in &body.granted.shared {
            let most = shared.entry((body.lane, name)).or_default();
            *most = (*most).max(*amount);
        }
    }
    for ((_, name), amount) in shared {
        *needs.entry(name).or_default() += amount;
    }
    let has = |name: &str| capacity.amounts.get(name).copied().unwrap_or(0);
    let over = needs.into_iter().find(|(name, need)| *need > has(name));
    over.map(|(name, need)| format!("{need} {name}, and it has {}", has(name)))
        .or_else(|| gpus(capacity, bodies))
}

fn gpus(capacity: &Room, bodies: &[Body<'_>]) -> Option<String> {
    for (index, memory) in capacity.gpus.iter().enumerate() {
        let on: Vec<&Body<'_>> = bodies.iter().filter(|body| body.granted.gpus.contains(&index)).collect();
        if on.len() > 1 && on.iter().any(|body| body.granted.whole) {
            return Some(format!("GPU {index} whole, and {} of them are on it", on.len()));
        }
        let parts = on.iter().filter(|body| !body.granted.whole);
        let own: u64 = parts.clone().map(|body| body.granted.gpu_memory).sum();
        let shared: BTreeMap<&Id, u64> =
            parts.map(|body| (body.lane, body.granted.shared_gpu_memory)).collect();
        let need = own + shared.values().sum::<u64>();
        if need > *memory {
            return Some(format!("{need} MiB of GPU {index}, and it has {memory}"));
        }
    }
    None
}

fn suspects(trace: &Trace<'_>, name: &Id, worker: &Worker<'_>, findings: &mut Findings) {
    for (place, (later, second)) in worker.suspects.iter().enumerate() {
        findings.checked(Invariant::SuspectsNeverMeet);
        for (earlier, first) in &worker.suspects[..place] {
            let apart = worker.calls.iter().any(|call| gives_up(trace, call, later, first));
            if apart {
                continue;
            }
            let message =
                format!("{name} was given suspect {} while it held suspect {}", second.task, first.task);
            let task = Some(&second.task);
            return findings.fail(Invariant::SuspectsNeverMeet, task, &[earlier, later], message);
        }
    }
}

/// Whether this call may have ended the claim before the other was given.
fn gives_up(trace: &Trace<'_>, call: &Entry, later: &Entry, claim: &Leased) -> bool {
    if trace.before(later, call) {
        return false;
    }
    match &call.fact {
        Fact::Call { call: Call::Finish(done), .. } => {
            done.iter().any(|done| done.task == claim.task && done.fence == claim.fence)
        }
        Fact::Call { call: Call::Renew { keys, .. }, reply: Reply::Renewed { tasks, .. } } => {
            keys.iter().zip(tasks).any(|(key, answer)| {
                *answer == Renewal::Lost && key.task == claim.task && key.fence == claim.fence
            })
        }
        _ => false,
    }
}
