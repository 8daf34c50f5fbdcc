//! The worker's side of a backend.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    Amounts, Capacity, Checkpoint, Executor, Failure, Lane, LogLine, Payload, Progress, Result, State, Task,
    TaskId, Template, Usage, WorkerId, state::Move,
};

/// What tells one claim of a task from every other: a number that rises strictly per task.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaseKey {
    /// The task.
    pub id: TaskId,
    /// The claim's number.
    pub fence: u64,
}

/// Who a worker is, what it can hold, and what it serves.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WorkerInfo {
    /// Its id, random per start.
    pub worker: WorkerId,
    /// What its machine has for tasks.
    pub capacity: Capacity,
    /// The templates it serves as its own; none says that it leaves.
    pub templates: Vec<Template>,
}

impl WorkerInfo {
    /// A worker that serves these templates.
    #[must_use]
    pub const fn new(worker: WorkerId, capacity: Capacity, templates: Vec<Template>) -> Self {
        Self { worker, capacity, templates }
    }

    /// A worker that leaves.
    #[must_use]
    pub fn leaving(worker: WorkerId) -> Self {
        Self { worker, capacity: Capacity::default(), templates: Vec::new() }
    }
}

/// A lane that a worker could start tasks of now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedLane {
    /// The lane.
    pub lane: Lane,
    /// How much of the room one of its tasks takes: see [`schedule::lane_cost`](crate::schedule::lane_cost).
    pub cost: u32,
    /// Whether its model is loaded: between equals such a worker is woken first.
    pub warm: bool,
}

/// A worker asks for work.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseRequest {
    /// Who asks.
    pub worker: WorkerId,
    /// The number of this ask, rising from 1 per worker.
    pub call: u64,
    /// [`schedule::ROOM`](crate::schedule::ROOM) where it names a lane, 0 where it names none.
    pub room: u32,
    /// The lanes it could start now.
    pub lanes: Vec<AskedLane>,
    /// The lanes it could start if it drained.
    pub would_fit: Vec<Lane>,
    /// How long the call waits for work.
    pub wait: Duration,
}

impl LeaseRequest {
    /// An ask for these lanes that waits up to 20 s.
    #[must_use]
    pub fn new(worker: WorkerId, call: u64, lanes: Vec<AskedLane>) -> Self {
        let room = if lanes.is_empty() { 0 } else { crate::schedule::ROOM };
        Self { worker, call, room, lanes, would_fit: Vec::new(), wait: Duration::from_secs(20) }
    }
}

/// A worker's time-limited claim of an attempt.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Lease {
    /// What tells it from every other.
    pub key: LeaseKey,
    /// The task.
    pub task: Arc<Task>,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// What the attempt before left.
    pub checkpoint: Option<Checkpoint>,
    /// How long until the task's deadline.
    pub deadline: Option<Duration>,
    /// Whether it was given from its lane's twin: a worker holds one such at most.
    pub suspect: bool,
}

impl Lease {
    /// A claim of this attempt.
    #[must_use]
    pub const fn new(key: LeaseKey, task: Arc<Task>, attempt: u32) -> Self {
        Self { key, task, attempt, checkpoint: None, deadline: None, suspect: false }
    }
}

/// What an ask was answered.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct LeaseReply {
    /// The claims, in the order of work.
    pub leases: Vec<Lease>,
    /// The lane this worker is to drain for; then there are no claims.
    pub drain_for: Option<Lane>,
}

impl LeaseReply {
    /// An answer of these claims.
    #[must_use]
    pub const fn new(leases: Vec<Lease>) -> Self {
        Self { leases, drain_for: None }
    }
}

/// Something a body told, with its number `n` in the attempt: given when it is first sent and kept when it is sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered<T> {
    /// Its number, rising over everything the attempt told.
    pub n: u32,
    /// What was told.
    pub item: T,
}

impl<T> Numbered<T> {
    /// Something told as number `n`.
    pub const fn new(n: u32, item: T) -> Self {
        Self { n, item }
    }
}

/// What a body told since the last report that got through.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The latest progress.
    pub progress: Option<Numbered<Progress>>,
    /// What it would leave for another attempt.
    pub checkpoint: Option<Checkpoint>,
    /// Lines of its log.
    pub logs: Vec<Numbered<LogLine>>,
    /// Parts of its output.
    pub parts: Vec<Numbered<Payload>>,
}

impl Report {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.progress.is_none() && self.checkpoint.is_none() && self.logs.is_empty() && self.parts.is_empty()
    }
}

/// One task of a heartbeat.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Beat {
    /// The claim.
    pub key: LeaseKey,
    /// What its body told.
    pub report: Report,
}

impl Beat {
    /// A claim with what its body told.
    #[must_use]
    pub const fn new(key: LeaseKey, report: Report) -> Self {
        Self { key, report }
    }
}

/// One heartbeat of a whole worker.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Heartbeat {
    /// Whose it is.
    pub worker: WorkerId,
    /// What is taken of its capacity.
    pub load: Amounts,
    /// The latest ask that has ended, answered or not; a claim of it that is not listed was lost on its way.
    pub ended: u64,
    /// The lane it drains for.
    pub drains_for: Option<Lane>,
    /// Its tasks.
    pub tasks: Vec<Beat>,
}

impl Heartbeat {
    /// A heartbeat of these tasks.
    #[must_use]
    pub fn new(worker: WorkerId, ended: u64, tasks: Vec<Beat>) -> Self {
        Self { worker, load: Amounts::default(), ended, drains_for: None, tasks }
    }
}

/// What a heartbeat hears of one claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Renewal {
    /// It lasts another lease.
    Held,
    /// It lasts, and the task's cancel was asked.
    CancelRequested,
    /// It is another's, or the task has ended: stop at once.
    Lost,
}

/// What a heartbeat was answered.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BeatReply {
    /// Of each task, in the order of the beat.
    pub tasks: Vec<Renewal>,
    /// Whether an operator asks this worker to stop.
    pub drain: bool,
    /// Whether the store knows this worker; if not, join again.
    pub joined: bool,
    /// The revision of the templates.
    pub revision: u64,
}

impl BeatReply {
    /// An answer to a worker that the store knows.
    #[must_use]
    pub const fn new(tasks: Vec<Renewal>, revision: u64) -> Self {
        Self { tasks, drain: false, joined: true, revision }
    }
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// With an output.
    Succeeded(Payload),
    /// For good.
    Failed(Failure),
    /// Because it was asked to.
    Cancelled,
    /// And is to be tried again.
    Retry {
        /// Why.
        failure: Failure,
        /// After so long.
        after: Duration,
    },
    /// Without having been tried: it costs no attempt.
    Released {
        /// After so long; zero puts it to the front.
        after: Duration,
    },
}

impl Outcome {
    /// What it does to the task.
    #[must_use]
    pub const fn as_move(&self) -> Move {
        match self {
            Self::Succeeded(_) => Move::Succeed,
            Self::Failed(_) => Move::Fail,
            Self::Cancelled => Move::Stop,
            Self::Retry { .. } => Move::Retry,
            Self::Released { .. } => Move::Release,
        }
    }
}

/// The end of one attempt.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Finish {
    /// The claim.
    pub key: LeaseKey,
    /// How it ended.
    pub outcome: Outcome,
    /// What it took.
    pub usage: Usage,
    /// What its body told last, applied before the outcome in the same move.
    pub last: Report,
}

impl Finish {
    /// The end of this claim.
    #[must_use]
    pub fn new(key: LeaseKey, outcome: Outcome) -> Self {
        Self { key, outcome, usage: Usage::default(), last: Report::default() }
    }
}

/// What became of a finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Finished {
    /// It counts, and the task is in this state now.
    Done(State),
    /// It came too late and changed nothing.
    Lost,
}

/// The worker's side of a backend: who serves, and the leases.
///
/// # Contract
///
/// Each line is a case of the conformance suite of the same name. The executor's suite holds as well, with core's
/// own [`Worker`](crate::Worker) behind the queue.
///
/// Of `join`:
/// - `templates_are_published_by_join`: callers see them, with the version that a call by name goes to.
/// - `other_content_under_a_served_version_is_a_conflict`: while a live worker serves it; else it replaces it.
/// - `a_worker_that_leaves_serves_no_more`: yet what it published stays known.
/// - `the_default_version_is_the_newest_that_all_live_workers_serve`: so a canary takes its share only.
/// - `the_largest_worker_is_told`: of every resource the most any worker had.
///
/// Of `lease`:
/// - `a_lease_gives_no_more_than_the_room`: the costs of what is given add up to the room at most.
/// - `a_lane_over_what_is_left_is_skipped`: and a cheaper one goes on.
/// - `only_asked_lanes_are_given`: and of no other.
/// - `a_task_is_leased_once`: under many takers at once.
/// - `fences_rise`: per task, over retries, releases and expiries.
/// - `a_higher_priority_goes_first`: among tasks that wait.
/// - `tenants_share`: a tenant with many waiting does not hold up another.
/// - `a_low_priority_is_not_starved`: under an endless flood of the highest.
/// - `a_lease_call_waits_and_is_woken_by_a_submit`: without polling.
/// - `one_submit_wakes_one_worker`: of many that wait.
/// - `a_warm_worker_is_woken_first`: between equals.
/// - `a_dropped_lease_call_loses_nothing`: whenever it is dropped.
/// - `a_lease_call_dropped_after_its_answer_came_loses_nothing`: what nobody took out goes back at once.
/// - `a_lease_call_dropped_asleep_passes_its_wake_on`: another worker gets the task.
/// - `a_cancel_ends_an_open_lease_call_once`: early and empty, until a beat has told of it.
/// - `a_drain_ends_an_open_lease_call_once`: likewise, where the backend can be operated.
/// - `a_call_with_no_lanes_takes_nothing`: it waits.
/// - `a_delayed_task_holds_no_lease`: it comes when it is due.
/// - `ten_thousand_tasks_due_at_once_all_come`: none is lost.
/// - `a_large_lane_that_is_passed_over_is_drained_for`: and nothing else is given to that worker.
/// - `of_all_suspects_one_is_given`: per call.
///
/// Of `renew`:
/// - `a_batch_is_leased_renewed_and_finished_in_one_call_each`: answers in the order asked.
/// - `a_renewed_lease_does_not_expire`: over several lease times.
/// - `an_old_fence_is_lost`: for renew and finish, and it changes nothing.
/// - `a_report_sent_again_says_nothing_new`: items at or under the last number are dropped.
/// - `a_worker_that_did_not_join_is_told`: so it joins again.
/// - `the_revision_tells_of_new_templates`: and stays while nothing changed.
/// - `a_checkpoint_is_kept_over_a_crash`: the next attempt gets the last one that arrived.
///
/// Of an expired lease:
/// - `a_dead_worker_costs_one_lease`: its task is leased again within one lease and one lease call, without any reaper.
/// - `a_crash_is_no_attempt`: the number stays, the fence rises.
/// - `a_lost_reply_is_no_crash`: where a later beat left the task out although its ask had ended.
/// - `after_two_crashes_a_task_is_a_suspect`: it waits in its lane's twin.
/// - `after_three_crashes_a_task_is_a_dead_letter`: with the code `crashed`.
/// - `an_outage_is_not_a_crash`: a gap in which nobody called lets live workers renew first.
/// - `after_an_outage_the_dead_are_still_found`: a lone slow caller keeps nothing dead alive.
/// - `a_caller_serves_timers`: deadlines end and cancels complete with no worker alive.
///
/// Of `finish`:
/// - `a_finish_sent_again_answers_the_same`: the task ends once.
/// - `a_release_costs_no_attempt`: fifty of them, attempt still 1.
/// - `a_release_goes_to_the_front`: it has paid.
/// - `a_release_with_a_wait_waits`: and uses no attempt.
/// - `a_retry_waits_and_counts`: the next attempt is one higher.
/// - `the_last_report_is_applied_before_the_outcome`: in the same move.
/// - `after_a_cancel_every_outcome_is_cancelled`: success, failure, retry and release.
/// - `a_cancel_survives_the_death_of_its_worker`: expiry ends the task cancelled.
/// - `a_follow_up_is_queued_with_the_end`: once, under the id that all backends agree on.
/// - `a_result_is_forgotten_after_its_retention`: then it is `unknown_task`, and an open watch of an unfinished
///   reader ends.
#[async_trait]
pub trait Queue: Executor {
    /// Says who a worker is and what it serves; again when that changes, and with no templates when it leaves.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) where a live worker serves other content under the same version.
    async fn join(&self, worker: WorkerInfo) -> Result<()>;

    /// Gives work, as soon as there is some.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) where the backend is not reached.
    async fn lease(&self, ask: LeaseRequest) -> Result<LeaseReply>;

    /// Keeps the claims of a whole worker, and carries what its bodies told.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) where the backend is not reached.
    async fn renew(&self, beat: Heartbeat) -> Result<BeatReply>;

    /// Ends attempts; answers in their order.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) where it is unknown whether they ended: send them again.
    async fn finish(&self, done: Vec<Finish>) -> Result<Vec<Finished>>;
}

macro_rules! forward {
    ($($pointer:ident)*) => { $(
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<Q: Queue + ?Sized> Queue for $pointer<Q> {
            async fn join(&self, worker: WorkerInfo) -> Result<()> {
                (**self).join(worker).await
            }

            async fn lease(&self, ask: LeaseRequest) -> Result<LeaseReply> {
                (**self).lease(ask).await
            }

            async fn renew(&self, beat: Heartbeat) -> Result<BeatReply> {
                (**self).renew(beat).await
            }

            async fn finish(&self, done: Vec<Finish>) -> Result<Vec<Finished>> {
                (**self).finish(done).await
            }
        }
    )* };
}

forward! { Arc Box }
