//! What can be wrong with what a lease call gives.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use function_runner_core::{
    AskedLane, BeatReply, Clock as _, Finish, Finished, Heartbeat, Lane, Lease, LeaseKey, LeaseReply,
    LeaseRequest, Priority, Queue as _, Result, Task, TaskId, Weight,
    schedule::{ROOM, increment},
};

use super::broken::{Broken, Good, lock};

/// The same ask, which does not wait.
fn quick(ask: &LeaseRequest) -> LeaseRequest {
    let mut quick = ask.clone();
    quick.wait = std::time::Duration::ZERO;
    quick
}

/// Gives whatever waits, however little fits.
#[derive(Debug, Default)]
pub(crate) struct RoomIgnored;

impl Broken for RoomIgnored {
    fn is_asked(&self, ask: &mut LeaseRequest) {
        ask.lanes.iter_mut().for_each(|asked| asked.cost = 1);
    }
}

/// Takes every lane for as dear as the dearest.
#[derive(Debug, Default)]
pub(crate) struct DearestCounts;

impl Broken for DearestCounts {
    fn is_asked(&self, ask: &mut LeaseRequest) {
        let dearest = ask.lanes.iter().map(|asked| asked.cost).max().unwrap_or_default();
        ask.lanes.iter_mut().for_each(|asked| asked.cost = dearest);
    }
}

/// Gives tasks of any lane to whoever asks for one.
#[derive(Debug, Default)]
pub(crate) struct OtherLanesGiven(Mutex<BTreeSet<Lane>>);

impl Broken for OtherLanesGiven {
    fn stores(&self, task: &mut Task) {
        lock(&self.0).insert(task.lane.clone());
    }

    fn is_asked(&self, ask: &mut LeaseRequest) {
        let Some(cost) = ask.lanes.first().map(|asked| asked.cost) else { return };
        let asked: HashSet<Lane> = ask.lanes.iter().map(|asked| asked.lane.clone()).collect();
        let others = lock(&self.0).clone().into_iter().filter(|lane| !asked.contains(lane));
        ask.lanes.extend(others.map(|lane| AskedLane { lane, cost, warm: false }));
    }
}

/// Gives work to a call that asks for none.
#[derive(Debug, Default)]
pub(crate) struct NoLanesTakeAll(Mutex<BTreeSet<Lane>>);

impl Broken for NoLanesTakeAll {
    fn stores(&self, task: &mut Task) {
        lock(&self.0).insert(task.lane.clone());
    }

    fn is_asked(&self, ask: &mut LeaseRequest) {
        if ask.lanes.is_empty() {
            let all = lock(&self.0).clone().into_iter();
            (ask.room, ask.lanes) =
                (ROOM, all.map(|lane| AskedLane { lane, cost: ROOM, warm: false }).collect());
        }
    }
}

/// Gives every task that it gave once more, with the next call.
#[derive(Debug, Default)]
pub(crate) struct DoubleDelivery(Mutex<Vec<Lease>>);

#[async_trait]
impl Broken for DoubleDelivery {
    async fn lease(&self, good: &Good, ask: LeaseRequest) -> Result<LeaseReply> {
        let again: Vec<Lease> = std::mem::take(&mut *lock(&self.0));
        let ask = if again.is_empty() { ask } else { quick(&ask) };
        let mut reply = good.queue.lease(ask).await?;
        lock(&self.0).clone_from(&reply.leases);
        reply.leases.extend(again);
        Ok(reply)
    }
}

/// Tells no claim of a task from another.
#[derive(Debug, Default)]
pub(crate) struct FenceStandsStill(Mutex<HashMap<TaskId, u64>>);

impl FenceStandsStill {
    fn latest(&self, key: &mut LeaseKey) {
        if let Some(fence) = lock(&self.0).get(&key.id) {
            key.fence = *fence;
        }
    }
}

#[async_trait]
impl Broken for FenceStandsStill {
    fn gives(&self, lease: &mut Lease) {
        lock(&self.0).insert(lease.key.id.clone(), lease.key.fence);
        lease.key.fence = 1;
    }

    async fn renew(&self, good: &Good, mut beat: Heartbeat) -> Result<BeatReply> {
        beat.tasks.iter_mut().for_each(|beat| self.latest(&mut beat.key));
        good.queue.renew(beat).await
    }

    async fn finish(&self, good: &Good, mut done: Vec<Finish>) -> Result<Vec<Finished>> {
        done.iter_mut().for_each(|finish| self.latest(&mut finish.key));
        good.queue.finish(done).await
    }
}

/// Takes a finish for the latest claim's, whosever it is.
#[derive(Debug, Default)]
pub(crate) struct FenceIgnored(Mutex<HashMap<TaskId, u64>>);

#[async_trait]
impl Broken for FenceIgnored {
    fn gives(&self, lease: &mut Lease) {
        lock(&self.0).insert(lease.key.id.clone(), lease.key.fence);
    }

    async fn finish(&self, good: &Good, mut done: Vec<Finish>) -> Result<Vec<Finished>> {
        for finish in &mut done {
            if let Some(fence) = lock(&self.0).get(&finish.key.id) {
                finish.key.fence = *fence;
            }
        }
        good.queue.finish(done).await
    }
}

/// Serves the lowest priority first.
#[derive(Debug, Default)]
pub(crate) struct PriorityInverted;

impl Broken for PriorityInverted {
    fn stores(&self, task: &mut Task) {
        let inverted = Priority::new(11 - task.priority.value()).unwrap_or_default();
        task.increment = increment(1, inverted, Weight::default());
    }
}

/// Serves the lowest priority when there is nothing else.
#[derive(Debug, Default)]
pub(crate) struct LowPriorityStarved;

impl Broken for LowPriorityStarved {
    fn stores(&self, task: &mut Task) {
        if task.priority == Priority::LOWEST {
            task.increment = increment(1, Priority::LOWEST, Weight::default()) * 1000;
        }
    }
}

/// Knows no priorities.
#[derive(Debug, Default)]
pub(crate) struct PriorityIgnored;

impl Broken for PriorityIgnored {
    fn stores(&self, task: &mut Task) {
        task.increment = increment(1, Priority::default(), Weight::default());
    }
}

/// Serves tenants by who came first.
#[derive(Debug, Default)]
pub(crate) struct TenantStarved;

impl Broken for TenantStarved {
    fn stores(&self, task: &mut Task) {
        task.tenant = None;
    }
}

/// Keeps no room free for what is large.
#[derive(Debug, Default)]
pub(crate) struct LargeLaneStarved;

impl Broken for LargeLaneStarved {
    fn is_asked(&self, ask: &mut LeaseRequest) {
        ask.would_fit.clear();
    }
}

/// Lets every worker drain for the same large lane.
#[derive(Debug, Default)]
pub(crate) struct AllDrain(Mutex<Option<Lane>>);

#[async_trait]
impl Broken for AllDrain {
    async fn lease(&self, good: &Good, ask: LeaseRequest) -> Result<LeaseReply> {
        let drained = lock(&self.0).clone().filter(|lane| ask.would_fit.contains(lane));
        if let Some(lane) = drained {
            let mut reply = LeaseReply::default();
            reply.drain_for = Some(lane);
            return Ok(reply);
        }
        let reply = good.queue.lease(ask).await?;
        lock(&self.0).clone_from(&reply.drain_for);
        Ok(reply)
    }
}

/// Gives all suspects at once.
#[derive(Debug, Default)]
pub(crate) struct SuspectBesideSuspect;

#[async_trait]
impl Broken for SuspectBesideSuspect {
    async fn lease(&self, good: &Good, ask: LeaseRequest) -> Result<LeaseReply> {
        let mut twins = quick(&ask);
        twins.lanes.retain(|asked| asked.lane.is_twin());
        let mut reply = good.queue.lease(ask).await?;
        while !twins.lanes.is_empty() && !reply.leases.is_empty() {
            let more = good.queue.lease(twins.clone()).await?.leases;
            if more.is_empty() {
                break;
            }
            reply.leases.extend(more);
        }
        Ok(reply)
    }
}

/// Gives suspects with the others of their lane.
#[derive(Debug, Default)]
pub(crate) struct SuspectsInTheirLane;

impl Broken for SuspectsInTheirLane {
    fn is_asked(&self, ask: &mut LeaseRequest) {
        let twin = |asked: &AskedLane| AskedLane { lane: asked.lane.twin(), ..asked.clone() };
        let plain = ask.lanes.iter().filter(|asked| !asked.lane.is_twin());
        let twins: Vec<AskedLane> = plain.map(twin).collect();
        ask.lanes.retain(|asked| !asked.lane.is_twin());
        ask.lanes.extend(twins);
    }
}

/// Takes every attempt for the first.
#[derive(Debug, Default)]
pub(crate) struct AttemptsNotCounted;

impl Broken for AttemptsNotCounted {
    fn gives(&self, lease: &mut Lease) {
        lease.attempt = 1;
    }
}

/// Gives a task without what its last attempt left.
#[derive(Debug, Default)]
pub(crate) struct CheckpointNotGiven;

impl Broken for CheckpointNotGiven {
    fn gives(&self, lease: &mut Lease) {
        lease.checkpoint = None;
    }
}

/// Gives a task without its labels.
#[derive(Debug, Default)]
pub(crate) struct LabelsNotGiven;

impl Broken for LabelsNotGiven {
    fn gives(&self, lease: &mut Lease) {
        Arc::make_mut(&mut lease.task).labels.clear();
    }
}

/// Does not say of a task that it may kill its worker.
#[derive(Debug, Default)]
pub(crate) struct SuspectNotMarked;

impl Broken for SuspectNotMarked {
    fn gives(&self, lease: &mut Lease) {
        lease.suspect = false;
    }
}

/// Gives a task without its deadline.
#[derive(Debug, Default)]
pub(crate) struct DeadlineNotGiven;

impl Broken for DeadlineNotGiven {
    fn gives(&self, lease: &mut Lease) {
        lease.deadline = None;
    }
}

/// Gives the last first.
#[derive(Debug, Default)]
pub(crate) struct LeasesReversed;

#[async_trait]
impl Broken for LeasesReversed {
    async fn lease(&self, good: &Good, ask: LeaseRequest) -> Result<LeaseReply> {
        let mut reply = good.queue.lease(ask).await?;
        reply.leases.reverse();
        Ok(reply)
    }
}

/// Gives nothing while anything runs.
#[derive(Debug, Default)]
pub(crate) struct OneAtATime(AtomicU64);

#[async_trait]
impl Broken for OneAtATime {
    async fn lease(&self, good: &Good, ask: LeaseRequest) -> Result<LeaseReply> {
        if self.0.load(Ordering::SeqCst) > 0 {
            good.clock.sleep_until(good.clock.now().after(ask.wait)).await;
            return Ok(LeaseReply::default());
        }
        let reply = good.queue.lease(ask).await?;
        self.0.fetch_add(reply.leases.len() as u64, Ordering::SeqCst);
        Ok(reply)
    }

    async fn finish(&self, good: &Good, done: Vec<Finish>) -> Result<Vec<Finished>> {
        let ended = good.queue.finish(done).await?;
        let counted = ended.iter().filter(|ended| **ended != Finished::Lost).count() as u64;
        // whoever sends an end again counts twice: no less than none runs
        let _ = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |runs| Some(runs.saturating_sub(counted)));
        Ok(ended)
    }
}
