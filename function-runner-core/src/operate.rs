//! What an operator can do.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{Lane, Result, TaskId, Tenant, Weight, WorkerId};

/// What an operator can do: pause lanes, drain workers, give dead letters another life.
///
/// # Contract
///
/// Each line is a case of the conformance suite of the same name.
///
/// - `a_paused_lane_gives_nothing`: nor does its twin; other lanes go on, and running tasks too.
/// - `a_resumed_lane_goes_on`: and waiting workers are woken.
/// - `deadlines_and_delays_run_on_in_a_pause`: a deadline still ends its task.
/// - `a_pause_outlives_an_empty_lane`: what comes later waits as well.
/// - `a_drained_worker_is_told`: by its next beat, and its open lease call ends early.
/// - `a_requeued_dead_letter_runs_again`: same id, event `requeued`, counts at zero, one more terminal event.
/// - `a_requeue_clears_a_deadline_that_has_passed`: else it would end at once.
/// - `only_a_dead_letter_can_be_requeued`: anything else is `not_dead`.
/// - `a_purged_dead_letter_is_unknown`: and others stay.
/// - `a_weight_changes_the_share`: of what is submitted after callers have seen the new revision.
#[async_trait]
pub trait Operate: fmt::Debug + Send + Sync + 'static {
    /// Gives nothing more of this lane and its twin.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) where the backend is not reached.
    async fn pause(&self, lane: &Lane) -> Result<()>;

    /// Gives tasks of this lane and its twin again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) where the backend is not reached.
    async fn resume(&self, lane: &Lane) -> Result<()>;

    /// Asks a worker to finish what it has and leave.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidCall`](crate::ErrorKind::InvalidCall) where no such worker lives.
    async fn drain(&self, worker: &WorkerId) -> Result<()>;

    /// Gives a dead letter another life under the same id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnknownTask`](crate::ErrorKind::UnknownTask), [`ErrorKind::NotDead`](crate::ErrorKind::NotDead).
    async fn requeue(&self, id: &TaskId) -> Result<()>;

    /// Forgets a dead letter and all that stands for it, its deduplication key included: the same work may be queued
    /// again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnknownTask`](crate::ErrorKind::UnknownTask), [`ErrorKind::NotDead`](crate::ErrorKind::NotDead).
    async fn purge(&self, id: &TaskId) -> Result<()>;

    /// Gives a tenant this weight among the others.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) where the backend is not reached.
    async fn set_weight(&self, tenant: &Tenant, weight: Weight) -> Result<()>;
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<O: Operate + ?Sized> Operate for Arc<O> {
    async fn pause(&self, lane: &Lane) -> Result<()> {
        (**self).pause(lane).await
    }

    async fn resume(&self, lane: &Lane) -> Result<()> {
        (**self).resume(lane).await
    }

    async fn drain(&self, worker: &WorkerId) -> Result<()> {
        (**self).drain(worker).await
    }

    async fn requeue(&self, id: &TaskId) -> Result<()> {
        (**self).requeue(id).await
    }

    async fn purge(&self, id: &TaskId) -> Result<()> {
        (**self).purge(id).await
    }

    async fn set_weight(&self, tenant: &Tenant, weight: Weight) -> Result<()> {
        (**self).set_weight(tenant, weight).await
    }
}
