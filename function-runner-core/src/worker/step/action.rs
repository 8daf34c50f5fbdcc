//! What a worker hears, and what it is to do about it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::Value;

use super::seats::Seat;
use crate::{
    BeatReply, Checkpoint, Failure, Finish, Finished, Grant, Heartbeat, LeaseReply, LeaseRequest, Payload,
    Result, Task, TemplateSet, WorkerInfo,
};

/// What happened. Whoever drives a worker says all of these.
#[derive(Debug)]
pub enum Heard {
    /// Time has passed: the wake that was asked for, or any other moment.
    Timer,
    /// A body told something.
    News,
    /// The join was answered, or failed.
    Joined(Result<()>),
    /// The queue heard that the worker leaves, or could not be reached.
    Left,
    /// The templates were read, or could not be.
    Templates(Result<Option<TemplateSet>>),
    /// The lease call of this number was answered, or failed.
    Leased {
        /// Which call.
        call: u64,
        /// Its answer.
        reply: Result<LeaseReply>,
    },
    /// The beat was answered, or failed.
    Beaten(Result<BeatReply>),
    /// The finish was answered, or failed.
    Finished(Result<Vec<Finished>>),
    /// A body is over: it returned, panicked, or was dropped.
    Ended {
        /// Whose body.
        seat: Seat,
        /// What it gave; `None` where it was dropped before it gave anything.
        result: Option<Result<Payload, Failure>>,
        /// Whether nothing of it runs any more, threads included; else [`Vacant`](Self::Vacant) follows.
        vacant: bool,
    },
    /// Nothing of an attempt runs any more.
    Vacant(Seat),
    /// Somebody asks the worker to stop when its bodies are done, within the drain limit.
    Stop,
    /// Somebody asks the worker to stop now.
    StopNow,
}

/// What is to be done. Whoever drives a worker does all of these, in their order.
///
/// Of each kind of call one is under way at a time. Every one is answered by the [`Heard`] of its name.
#[derive(Debug)]
pub enum Action {
    /// Nothing is left of these leases: forget their bodies.
    Forget(Vec<Seat>),
    /// Start these bodies.
    Start(Vec<Start>),
    /// Fire the token of this body, which may then go on as it likes.
    Cancel(Seat),
    /// Fire the token of this body and drop it; a thread of its own may go on until it is vacant.
    Drop(Seat),
    /// Call `finish`, with what each body told last added to it.
    Finish {
        /// Whose ends these are, in their order.
        seats: Vec<Seat>,
        /// The ends.
        done: Vec<Finish>,
    },
    /// Call `join`.
    Join(WorkerInfo),
    /// Call `templates` with the revision that is known.
    Templates {
        /// That revision.
        known: u64,
    },
    /// Call `renew`.
    Beat {
        /// Whose claims these are, in their order.
        seats: Vec<Seat>,
        /// The beat, without what the bodies told.
        beat: Heartbeat,
        /// Whether what the bodies told is to be added to it.
        reports: bool,
    },
    /// Drop the open lease call, if there is one, and call `lease`.
    Lease(LeaseRequest),
    /// Call `join` with no templates.
    Leave(WorkerInfo),
    /// Step again at this time, if nothing is heard before.
    Wake(Duration),
    /// The worker is done, or the queue refused it.
    Exit(Result<()>),
}

/// A body to start.
#[derive(Debug)]
#[non_exhaustive]
pub struct Start {
    /// Whose body it is.
    pub seat: Seat,
    /// The task.
    pub task: Arc<Task>,
    /// The attempt's number.
    pub attempt: u32,
    /// Which of the worker's own templates serves it, by its place in [`WorkerInfo::templates`].
    pub function: usize,
    /// The lane, or the lane whose twin it is, by a number that a worker gives to each.
    pub lane: usize,
    /// Parameters where the envelope says nothing.
    pub parameters: Arc<BTreeMap<String, Value>>,
    /// What the attempt before left.
    pub checkpoint: Option<Checkpoint>,
    /// When its task's deadline passes, since the worker began.
    pub deadline: Option<Duration>,
    /// What it was granted of the machine.
    pub grant: Grant,
    /// Lanes whose idle models are to be dropped before it starts.
    pub evicted: Vec<usize>,
}
