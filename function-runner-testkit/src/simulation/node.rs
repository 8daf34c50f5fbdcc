//! One simulated worker: its decisions, its machine, the bodies that run on it, and its calls under way.

use std::{collections::BTreeSet, pin::Pin, sync::Arc, task::Waker};

use function_runner_core::{
    BeatReply, Capacity, Finish, Finished, Grant, Heartbeat, LeaseKey, LeaseReply, LeaseRequest, Outcome,
    Queue, Result, TemplateSet, WorkerId, WorkerInfo,
    worker::{Heard, Seat, Steps},
};

use super::{ledger::Told, machine::Machine};

/// A future that the world polls.
pub(super) type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The kinds of calls, of each of which one is under way at a time.
pub(super) const CALLS: usize = 5;

/// A worker, or what is left of one.
pub(super) struct Node {
    pub(super) id: WorkerId,
    /// Which sort of machine.
    pub(super) sort: usize,
    pub(super) born: u64,
    pub(super) life: Option<Box<Life>>,
    pub(super) waker: Waker,
    /// The lease call that a worker left open when it died.
    pub(super) ghost: Option<Pending<Answer>>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("id", &self.id).field("life", &self.life).finish_non_exhaustive()
    }
}

/// What a living worker is made of.
pub(super) struct Life {
    pub(super) steps: Steps,
    pub(super) machine: Machine,
    pub(super) calls: [Option<Call>; CALLS],
    /// When it wants to step again, and when the world has promised to.
    pub(super) wake: u64,
    pub(super) promised: u64,
    pub(super) bodies: Vec<Option<Body>>,
    /// Suspects of which it was given a lease, until they start.
    pub(super) suspects: BTreeSet<u32>,
    /// What the store gave it, as far as nobody knows better.
    pub(super) claims: BTreeSet<u32>,
    /// The number of its latest ask, and the lanes and twins that it names, a bit each.
    pub(super) asked: u64,
    pub(super) names: [u32; 2],
    /// For how long it hears nothing, and what it will hear then.
    pub(super) hung: Option<u64>,
    pub(super) unheard: Vec<Heard>,
    /// How long a call is on its way there at most, and back.
    pub(super) legs: [u64; 2],
    /// Whether it comes again when it has left.
    pub(super) flaps: bool,
}

impl std::fmt::Debug for Life {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Life").field("claims", &self.claims).finish_non_exhaustive()
    }
}

impl Life {
    pub(super) fn new(steps: Steps, capacity: Capacity, legs: [u64; 2], flaps: bool) -> Self {
        Self {
            steps,
            machine: Machine::new(capacity),
            calls: Default::default(),
            wake: u64::MAX,
            promised: u64::MAX,
            bodies: Vec::new(),
            suspects: BTreeSet::new(),
            claims: BTreeSet::new(),
            asked: 0,
            names: [0; 2],
            hung: None,
            unheard: Vec::new(),
            legs,
            flaps,
        }
    }

    pub(super) fn body(&mut self, seat: Seat) -> Option<&mut Body> {
        self.bodies.get_mut(seat.index())?.as_mut().filter(|body| body.seat == seat)
    }
}

/// A body that runs, or of which something still does.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) seat: Seat,
    pub(super) task: u32,
    pub(super) lane: usize,
    pub(super) grant: Grant,
    /// When its attempt has to be over.
    pub(super) limit: u64,
    /// Which of the ends that were planned for it counts.
    pub(super) turn: u32,
    pub(super) suspect: bool,
    pub(super) over: bool,
    pub(super) vacant: bool,
}

/// A call on its way.
pub(super) struct Call {
    /// Tells it from every other.
    pub(super) serial: u64,
    pub(super) stage: Stage,
    /// Whether its answer will be lost on its way back.
    pub(super) lost: bool,
}

/// How far a call is.
pub(super) enum Stage {
    /// On its way there.
    Out(Request),
    /// The store has it.
    Open(Pending<Answer>),
    /// On its way back.
    Back(Heard),
}

/// What a worker asks of the store.
pub(super) enum Request {
    Join(WorkerInfo),
    Leave(WorkerInfo),
    Templates(u64),
    Lease(LeaseRequest),
    Beat(Heartbeat),
    Finish(Vec<Finish>),
}

/// What the store answered, with what the world needs to know of the question.
pub(super) enum Answer {
    Join(Result<()>),
    Leave,
    Templates(Result<Option<TemplateSet>>),
    Lease(LeaseRequest, Result<LeaseReply>),
    Beat(Vec<LeaseKey>, Result<BeatReply>),
    Finish(Vec<(LeaseKey, Told)>, Result<Vec<Finished>>),
}

impl Request {
    /// Of each of these one is under way at a time.
    pub(super) const fn place(&self) -> usize {
        match self {
            Self::Join(_) | Self::Leave(_) => 0,
            Self::Templates(_) => 1,
            Self::Lease(_) => 2,
            Self::Beat(_) => 3,
            Self::Finish(_) => 4,
        }
    }

    pub(super) fn send(self, queue: Arc<dyn Queue>) -> Pending<Answer> {
        match self {
            Self::Join(info) => Box::pin(async move { Answer::Join(queue.join(info).await) }),
            Self::Leave(info) => Box::pin(async move {
                // whether it is heard or not, the worker goes
                let _ = queue.join(info).await;
                Answer::Leave
            }),
            Self::Templates(known) => {
                Box::pin(async move { Answer::Templates(queue.templates(known).await) })
            }
            Self::Lease(ask) => Box::pin(async move {
                let reply = queue.lease(ask.clone()).await;
                Answer::Lease(ask, reply)
            }),
            Self::Beat(beat) => Box::pin(async move {
                let keys = beat.tasks.iter().map(|task| task.key.clone()).collect();
                Answer::Beat(keys, queue.renew(beat).await)
            }),
            Self::Finish(done) => finish(queue, done),
        }
    }

    /// What the worker hears where the call failed.
    pub(super) fn failed(&self, error: function_runner_core::Error) -> Heard {
        match self {
            Self::Join(_) => Heard::Joined(Err(error)),
            Self::Leave(_) => Heard::Left,
            Self::Templates(_) => Heard::Templates(Err(error)),
            Self::Lease(ask) => Heard::Leased { call: ask.call, reply: Err(error) },
            Self::Beat(_) => Heard::Beaten(Err(error)),
            Self::Finish(_) => Heard::Finished(Err(error)),
        }
    }
}

impl Answer {
    pub(super) fn heard(self) -> Heard {
        match self {
            Self::Join(answer) => Heard::Joined(answer),
            Self::Leave => Heard::Left,
            Self::Templates(answer) => Heard::Templates(answer),
            Self::Lease(ask, reply) => Heard::Leased { call: ask.call, reply },
            Self::Beat(_, reply) => Heard::Beaten(reply),
            Self::Finish(_, answers) => Heard::Finished(answers),
        }
    }

    /// What the worker hears where the answer was lost on its way back.
    pub(super) fn lost(self, error: function_runner_core::Error) -> Heard {
        match self {
            Self::Join(_) => Heard::Joined(Err(error)),
            Self::Leave => Heard::Left,
            Self::Templates(_) => Heard::Templates(Err(error)),
            Self::Lease(ask, _) => Heard::Leased { call: ask.call, reply: Err(error) },
            Self::Beat(..) => Heard::Beaten(Err(error)),
            Self::Finish(..) => Heard::Finished(Err(error)),
        }
    }
}

pub(super) fn finish(queue: Arc<dyn Queue>, done: Vec<Finish>) -> Pending<Answer> {
    Box::pin(async move {
        let keys = done.iter().map(|finish| (finish.key.clone(), told(&finish.outcome))).collect();
        Answer::Finish(keys, queue.finish(done).await)
    })
}

const fn told(outcome: &Outcome) -> Told {
    match outcome {
        Outcome::Succeeded(_) => Told::Succeeded,
        Outcome::Failed(_) => Told::Failed,
        Outcome::Cancelled => Told::Cancelled,
        Outcome::Retry { .. } => Told::Retry,
        Outcome::Released { after } => Told::Released { front: after.is_zero() },
    }
}
