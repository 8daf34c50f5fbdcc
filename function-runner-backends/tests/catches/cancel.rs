//! What can be wrong with a cancel.

use std::{collections::HashSet, sync::Mutex};

use async_trait::async_trait;
use function_runner_core::{
    BeatReply, Clock as _, Error, ErrorKind, Executor as _, Heartbeat, LeaseReply, LeaseRequest, Queue as _,
    Renewal, Result, State, TaskId, TaskRecord, WorkerId,
};

use super::broken::{Broken, Good, lock};

/// Acknowledges a cancel and does nothing.
#[derive(Debug, Default)]
pub(crate) struct CancelLost;

#[async_trait]
impl Broken for CancelLost {
    async fn cancel(&self, good: &Good, id: &TaskId) -> Result<()> {
        good.queue.record(id).await.map(|_| ())
    }
}

/// Acknowledges a cancel of a running task and tells its worker, yet takes whatever end comes.
#[derive(Debug, Default)]
pub(crate) struct CancelThenSuccess(Mutex<HashSet<TaskId>>);

#[async_trait]
impl Broken for CancelThenSuccess {
    fn shows(&self, record: &mut TaskRecord) {
        record.cancel_requested = lock(&self.0).contains(&record.task.id);
    }

    async fn cancel(&self, good: &Good, id: &TaskId) -> Result<()> {
        if good.queue.record(id).await?.state != State::Running {
            return good.queue.cancel(id).await;
        }
        lock(&self.0).insert(id.clone());
        Ok(())
    }

    async fn renew(&self, good: &Good, beat: Heartbeat) -> Result<BeatReply> {
        let ids: Vec<TaskId> = beat.tasks.iter().map(|beat| beat.key.id.clone()).collect();
        let mut reply = good.queue.renew(beat).await?;
        for (answer, id) in reply.tasks.iter_mut().zip(ids) {
            if *answer == Renewal::Held && lock(&self.0).contains(&id) {
                *answer = Renewal::CancelRequested;
            }
        }
        Ok(reply)
    }
}

/// Does not tell the worker of a cancel.
#[derive(Debug, Default)]
pub(crate) struct CancelStaysInTheStore;

impl Broken for CancelStaysInTheStore {
    fn answers(&self, reply: &mut BeatReply) {
        for answer in reply.tasks.iter_mut().filter(|answer| **answer == Renewal::CancelRequested) {
            *answer = Renewal::Held;
        }
    }
}

/// Refuses a cancel that was asked before.
#[derive(Debug, Default)]
pub(crate) struct CancelTwiceRefused;

#[async_trait]
impl Broken for CancelTwiceRefused {
    async fn cancel(&self, good: &Good, id: &TaskId) -> Result<()> {
        if good.queue.record(id).await?.cancel_requested {
            return Err(Error::new(ErrorKind::Conflict, "it is asked already").with_task(id));
        }
        good.queue.cancel(id).await
    }
}

/// Refuses a cancel of what has ended.
#[derive(Debug, Default)]
pub(crate) struct CancelOfTheEndedRefused;

#[async_trait]
impl Broken for CancelOfTheEndedRefused {
    async fn cancel(&self, good: &Good, id: &TaskId) -> Result<()> {
        if good.queue.record(id).await?.state.is_terminal() {
            return Err(Error::new(ErrorKind::Conflict, "it has ended").with_task(id));
        }
        good.queue.cancel(id).await
    }
}

/// Turns the end of a task into a cancel that is asked later.
#[derive(Debug, Default)]
pub(crate) struct CancelRewritesTheEnd(Mutex<HashSet<TaskId>>);

#[async_trait]
impl Broken for CancelRewritesTheEnd {
    fn shows(&self, record: &mut TaskRecord) {
        if lock(&self.0).contains(&record.task.id) {
            record.state = State::Cancelled;
        }
    }

    async fn cancel(&self, good: &Good, id: &TaskId) -> Result<()> {
        good.queue.cancel(id).await?;
        lock(&self.0).insert(id.clone());
        Ok(())
    }
}

/// Cancels a task that waits when a worker takes it.
#[derive(Debug, Default)]
pub(crate) struct CancelWaitsForAWorker(Mutex<HashSet<TaskId>>);

#[async_trait]
impl Broken for CancelWaitsForAWorker {
    async fn cancel(&self, good: &Good, id: &TaskId) -> Result<()> {
        if good.queue.record(id).await?.state != State::Queued {
            return good.queue.cancel(id).await;
        }
        lock(&self.0).insert(id.clone());
        Ok(())
    }

    async fn lease(&self, good: &Good, ask: LeaseRequest) -> Result<LeaseReply> {
        let reply = good.queue.lease(ask).await?;
        for lease in &reply.leases {
            let asked = lock(&self.0).remove(&lease.key.id);
            if asked {
                good.queue.cancel(&lease.key.id).await?;
            }
        }
        Ok(reply)
    }
}

/// Ends no lease call for a cancel or a drain.
#[derive(Debug, Default)]
pub(crate) struct NewsEndNoLeaseCall;

#[async_trait]
impl Broken for NewsEndNoLeaseCall {
    async fn lease(&self, good: &Good, ask: LeaseRequest) -> Result<LeaseReply> {
        let end = good.clock.now().after(ask.wait);
        let reply = good.queue.lease(ask).await?;
        if reply == LeaseReply::default() {
            good.clock.sleep_until(end).await;
        }
        Ok(reply)
    }
}

/// Ends every lease call of a worker that held a task whose cancel was asked.
#[derive(Debug, Default)]
pub(crate) struct CancelEndsEveryLeaseCall(Mutex<HashSet<WorkerId>>);

#[async_trait]
impl Broken for CancelEndsEveryLeaseCall {
    async fn cancel(&self, good: &Good, id: &TaskId) -> Result<()> {
        let holder = good.queue.record(id).await?.worker;
        lock(&self.0).extend(holder);
        good.queue.cancel(id).await
    }

    async fn lease(&self, good: &Good, ask: LeaseRequest) -> Result<LeaseReply> {
        let had_news = lock(&self.0).contains(&ask.worker);
        if had_news && !ask.wait.is_zero() {
            return Ok(LeaseReply::default());
        }
        good.queue.lease(ask).await
    }
}
