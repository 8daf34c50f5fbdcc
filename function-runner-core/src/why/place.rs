//! Where a task could run: which workers serve its lane, could ever hold it, and have room for it now.

use super::Reason;
use crate::{
    Amounts, FunctionRef, Lane, LaneStatus, Largest, Pool, ResourceRequirement, TaskRecord, Version, Wanted,
    WorkerStatus, resource::shortage,
};

/// What the workers say of a task.
#[derive(Debug, Default)]
pub(super) struct Placed {
    /// Why none of them takes it, the strongest first.
    pub(super) reasons: Vec<Reason>,
    /// How many have room for it and are not about to do something else.
    pub(super) room: usize,
}

/// Asks every worker.
pub(super) fn place(record: &TaskRecord, lanes: &[LaneStatus], workers: &[WorkerStatus]) -> Placed {
    let (lane, needs) = (record.task.lane.plain(), &record.task.envelope.requires);
    let serving: Vec<_> = workers.iter().filter(|worker| serves(worker, &lane)).collect();
    if serving.is_empty() {
        return because(unserved(record, &lane, workers));
    }
    let able: Vec<_> = serving.iter().copied().filter(|worker| !worker.draining).collect();
    if able.is_empty() {
        return because(Reason::AllDrain { workers: serving.len() });
    }
    let large = |worker: &&WorkerStatus| Pool::new(worker.capacity.clone()).fits_ever(needs);
    let large: Vec<_> = able.iter().copied().filter(large).collect();
    if large.is_empty() {
        return because(too_large(needs, &able));
    }
    now(needs, &lane, lanes, &large)
}

fn because(reason: Reason) -> Placed {
    Placed { reasons: vec![reason], room: 0 }
}

/// Whether a reason says that no worker would take it, whatever its size.
pub(super) const fn is_unserved(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::NoWorker | Reason::Unserved { .. } | Reason::RolledBack { .. } | Reason::AllDrain { .. }
    )
}

/// The versions of this lane's function that a worker has as its own.
fn versions<'a>(worker: &'a WorkerStatus, lane: &'a Lane) -> impl Iterator<Item = Version> + 'a {
    worker.functions.iter().filter_map(|function| match function.parse() {
        Ok(FunctionRef { name, version: Wanted::Exact(version) }) => {
            (name.as_str() == lane.function()).then_some(version)
        }
        // another way of writing it is a newer worker's: what it serves cannot be told
        _ => None,
    })
}

/// Whether a worker serves this lane: its own minor version, and every older one of the same major.
fn serves(worker: &WorkerStatus, lane: &Lane) -> bool {
    versions(worker, lane).any(|own| own.major == lane.major() && own.minor >= lane.minor())
}

fn unserved(record: &TaskRecord, lane: &Lane, workers: &[WorkerStatus]) -> Reason {
    if workers.is_empty() {
        return Reason::NoWorker;
    }
    let (function, version) = (lane.function().to_owned(), record.task.envelope.version);
    let mut served: Vec<_> = workers.iter().flat_map(|worker| versions(worker, lane)).collect();
    served.sort_unstable();
    served.dedup();
    match served.iter().rev().find(|served| served.major == version.major) {
        Some(&newest) => Reason::RolledBack { function, version, newest },
        None => Reason::Unserved { function, version, served },
    }
}

fn too_large(needs: &ResourceRequirement, able: &[&WorkerStatus]) -> Reason {
    let mut largest = Largest::default();
    able.iter().for_each(|worker| largest.merge(&worker.capacity));
    let lacking = match largest.excess(needs) {
        Some(excess) => excess.to_string(),
        // each of them is somewhere, but not all of them on one worker
        None => format!("it needs {needs}, which no worker has at once"),
    };
    Reason::TooLarge { lacking }
}

/// What workers that could hold it have free now, and what they do instead.
fn now(needs: &ResourceRequirement, lane: &Lane, lanes: &[LaneStatus], large: &[&WorkerStatus]) -> Placed {
    let mut reasons = Vec::new();
    let running = |of: &Lane| lanes.iter().any(|status| status.lane == *of && status.running > 0);
    let loaded = running(lane) || running(&lane.twin());
    let fits_ever = |option: &&ResourceRequirement| {
        let alone = ResourceRequirement { otherwise: Vec::new(), ..(*option).clone() };
        large.iter().any(|worker| Pool::new(worker.capacity.clone()).fits_ever(&alone))
    };
    let options: Vec<_> = needs.options().filter(fits_ever).collect();
    let free = |worker: &WorkerStatus| worker.capacity.left(&worker.load);
    let is_own = |other: &Lane| other.plain() == *lane;
    let elsewhere = |worker: &&WorkerStatus| worker.drains_for.as_ref().is_some_and(|other| !is_own(other));
    let drains = large.iter().find(|worker| worker.drains_for.as_ref().is_some_and(is_own));
    let lefts: Vec<Amounts> = large.iter().map(|worker| free(worker)).collect();
    if let Some(lacking) = shortage(&options, &lefts, loaded) {
        reasons.push(Reason::NoRoom { lacking });
    }
    reasons.extend(drains.map(|worker| Reason::DrainsFor { worker: worker.worker.clone() }));
    if large.iter().all(elsewhere) {
        let mut lanes: Vec<_> = large.iter().filter_map(|worker| worker.drains_for.clone()).collect();
        lanes.sort_unstable();
        lanes.dedup();
        reasons.push(Reason::DrainElsewhere { lanes });
    }
    let has_room =
        |worker: &&&WorkerStatus| !elsewhere(worker) && shortage(&options, &[free(worker)], loaded).is_none();
    Placed { room: large.iter().filter(has_room).count(), reasons }
}
