//! The reference: what every backend must answer, in plain lists and scans, written from the design and the lists
//! under `# Contract` alone.
//!
//! What happens is a method here, which changes the lists and gives the answer that must come. Where the contract
//! leaves a choice, the answer says what may come, and the model follows what came:
//!
//! | free | because |
//! |---|---|
//! | fence numbers | they rise strictly per task, and nothing more is said |
//! | the progress of what does not run | it is a running attempt's own |
//! | the failure of an earlier attempt, once another began or was given back | a record tells the latest attempt's while it waits |
//! | the answer to a retry that is sent again | the contract speaks of a finish that ended the task |
//! | the answer to an end that is sent again after the task's retention | nobody has to look for what is over |
//! | a deduplication key whose task was purged | it goes with the task, or ends with its window |
//! | whether a worker is still known two leases after its last beat | a sweep finds it, which an outage may put off |
//! | default versions, while a worker may be dead | a sweep finds it |
//! | a follow-up whose id is taken: its task's id is used anew after its retention | two tasks have one id |
//! | the largest worker between 23 and 25 hours after it was seen | it is kept by the hour |
//! | a template 30 days after it was served | a sweep finds it |
//! | an empty twin in the list of lanes | its lane's pause is told by the lane |
//! | log lines | best effort |
//! | progress that more progress follows | only the latest counts |
//! | which of several calls that may be woken wakes | one, a warm one first; the driver looks which did |
//! | behind another thread, whether a call that sleeps has looked once more | a look that gives nothing is not seen |
//! | behind another thread, when a worker was last seen, to the third of a lease | an ask alone is worth no write |
//! | behind several threads, a snapshot in place of events | what one did another may hear late |
//!
//! Where two tasks of one flow become ready at the very same moment, or their order hangs on which of two timers of
//! one call is served first, nothing says which is first: the model says [`is_unclear`](Model::is_unclear), and the
//! sequence ends there as kept.

mod beat;
mod finish;
mod lease;
mod moves;
mod operate;
mod order;
mod serve;
mod submit;
mod told;
mod workers;

use std::{collections::BTreeMap, sync::Arc};

use function_runner_core::{
    Capacity, Checkpoint, ErrorKind, Failure, Lane, LeaseKey, PastAttempt, Payload, Phase, Progress, State,
    Task, TaskId, Template, Tenant, Times, Timestamp, Usage, Weight, WorkerId, seq,
};

pub(super) use self::{
    lease::{Answer, Promise},
    order::{Flow, increment},
    submit::Taken,
    told::{Hearing, Told},
    workers::{Known, Worker},
};
use self::{order::Order, serve::Push, submit::Key, workers::Published};

/// Everything the reference knows.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) times: Times,
    pub(super) now: Timestamp,
    /// Every task that is known, in the order in which they came.
    pub(super) rows: Vec<Row>,
    pub(super) workers: Vec<Worker>,
    pub(super) hearings: Vec<Hearing>,
    order: Order,
    /// How many calls there were: tells which of two of one moment was later.
    calls: u64,
    keys: Vec<Key>,
    /// When a worker last leased or beat, and when the latest pause and the one before began.
    called: Option<Timestamp>,
    pause: Option<Timestamp>,
    pause_before: Option<Timestamp>,
    /// Since when a lane has been passed over, who drains for it until when, and what was released for its size.
    passed: Vec<(Lane, Timestamp)>,
    drains: Vec<(Lane, WorkerId, Timestamp)>,
    outsized: Vec<(Lane, TaskId)>,
    published: Vec<Published>,
    weights: BTreeMap<Tenant, Weight>,
    seen: Vec<(Timestamp, Capacity)>,
    /// The claims that ended what was kept long enough.
    gone: Vec<(LeaseKey, State)>,
    pushes: Vec<Push>,
    unclear: bool,
}

/// A task.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) task: Arc<Task>,
    pub(super) state: State,
    pub(super) cancel: bool,
    pub(super) turns: u64,
    pub(super) attempt: u32,
    pub(super) crashes: u32,
    pub(super) created_at: Timestamp,
    /// The moment it waits for.
    pub(super) waits_until: Option<Timestamp>,
    pub(super) deadline: Option<Timestamp>,
    pub(super) started_at: Option<Timestamp>,
    pub(super) finished_at: Option<Timestamp>,
    pub(super) claim: Option<Claim>,
    pub(super) progress: Option<Progress>,
    pub(super) output: Option<Payload>,
    pub(super) failure: Option<Failure>,
    /// Whether a record must tell that failure.
    pub(super) failure_is_told: bool,
    pub(super) usage: Option<Usage>,
    pub(super) history: Vec<PastAttempt>,
    /// The lane it waits or runs in, a suspect's twin included.
    pub(super) lane: Lane,
    /// The highest fence it was ever given.
    pub(super) fence: u64,
    /// The output parts of this turn.
    pub(super) parts: Vec<Payload>,
    checkpoint: Option<Checkpoint>,
    failed: u32,
    queued_at: Timestamp,
    /// Whether its holder was told of the cancel.
    told: bool,
    /// The last number its worker gave in this turn, and the number of its latest event in this phase.
    heard: u32,
    shown: u32,
    /// The claim whose finish ended it.
    ended_by: Option<u64>,
}

/// A worker's hold of a task.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) fence: u64,
    pub(super) worker: WorkerId,
    pub(super) ends_at: Timestamp,
    ask: u64,
    /// The call that renewed it last.
    renewed: u64,
}

/// Who serves timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Worker,
    Caller,
}

impl Model {
    /// An empty store by these times.
    pub(super) fn new(times: Times, now: Timestamp) -> Self {
        Self {
            times,
            now,
            rows: Vec::new(),
            workers: Vec::new(),
            hearings: Vec::new(),
            order: Order::default(),
            calls: 0,
            keys: Vec::new(),
            called: None,
            pause: None,
            pause_before: None,
            passed: Vec::new(),
            drains: Vec::new(),
            outsized: Vec::new(),
            published: Vec::new(),
            weights: BTreeMap::new(),
            seen: Vec::new(),
            gone: Vec::new(),
            pushes: Vec::new(),
            unclear: false,
        }
    }

    /// Whether something happened whose order nothing says.
    pub(super) const fn is_unclear(&self) -> bool {
        self.unclear
    }

    /// The row of a task that is known.
    pub(super) fn find(&self, id: &TaskId) -> Option<&Row> {
        self.at(id).map(|at| &self.rows[at])
    }

    fn at(&self, id: &TaskId) -> Option<usize> {
        self.rows.iter().position(|row| row.task.id == *id)
    }

    /// A task is looked up: timers are served, and it is known or not.
    pub(super) fn look_up(&mut self, id: &TaskId) -> Result<&Row, ErrorKind> {
        self.begin();
        self.serve(By::Caller);
        self.find(id).ok_or(ErrorKind::UnknownTask)
    }

    /// Any other call that serves timers.
    pub(super) fn call(&mut self) {
        self.begin();
        self.serve(By::Caller);
    }

    /// A call begins: what was kept long enough is not known any more.
    fn begin(&mut self) {
        self.calls += 1;
        let now = self.now;
        let (kept, gone): (Vec<Row>, Vec<Row>) = std::mem::take(&mut self.rows)
            .into_iter()
            .partition(|row| row.kept_until().is_none_or(|until| now < until));
        self.rows = kept;
        let ends = gone
            .into_iter()
            .filter_map(|row| Some((LeaseKey { id: row.task.id.clone(), fence: row.ended_by? }, row.state)));
        self.gone.extend(ends);
        self.sweep();
    }

    /// The place in line of a task that waits.
    pub(super) fn ahead(&self, row: &Row) -> Option<u64> {
        self.order.ahead(&row.lane, &row.task.id)
    }

    pub(super) fn is_paused(&self, lane: &Lane) -> bool {
        self.order.is_paused(lane)
    }

    pub(super) fn paused(&self) -> Vec<Lane> {
        self.order.paused().cloned().collect()
    }

    pub(super) fn weights(&self) -> &BTreeMap<Tenant, Weight> {
        &self.weights
    }

    /// The tenant's weight.
    pub(super) fn weight(&self, tenant: Option<&Tenant>) -> u64 {
        let weight = tenant.and_then(|tenant| self.weights.get(tenant)).copied().unwrap_or_default();
        u64::from(weight.value())
    }

    /// Every moment at which something may change, by what it is about.
    pub(super) fn moments(&self) -> [Vec<Timestamp>; 8] {
        let times = &self.times;
        let claims = || self.rows.iter().filter_map(|row| row.claim.as_ref()).map(|claim| claim.ends_at);
        let queued = self.rows.iter().filter(|row| row.state == State::Queued);
        let silences = self.called.map(|called| called.after(times.gap));
        let pauses = self.pause.map(|pause| pause.after(times.pause));
        [
            claims().collect(),
            self.rows.iter().filter_map(|row| row.waits_until).collect(),
            silences.into_iter().chain(pauses).collect(),
            claims().map(|ends_at| ends_at.after(times.late)).collect(),
            queued.filter_map(|row| row.deadline).collect(),
            self.rows
                .iter()
                .filter_map(Row::kept_until)
                .chain(self.keys.iter().map(|key| key.until))
                .collect(),
            self.workers.iter().map(|worker| worker.dead_at(times)).collect(),
            self.passed
                .iter()
                .map(|(_, since)| since.after(times.reserve))
                .chain(self.drains.iter().map(|(_, _, until)| *until))
                .collect(),
        ]
    }
}

impl Row {
    /// The sequence number of its latest event.
    pub(super) fn seq(&self) -> u64 {
        let phase = match (self.state, self.cancel) {
            (State::Running, false) => Phase::Running,
            (State::Running, true) => Phase::Stopping,
            _ => Phase::Still,
        };
        seq(self.turns, phase, self.shown)
    }

    /// Until when it is kept, once it has ended.
    fn kept_until(&self) -> Option<Timestamp> {
        let retention = self.task.envelope.retention;
        let kept = if self.state == State::Failed { retention.dead } else { retention.result };
        self.finished_at.map(|ended| ended.after(kept))
    }

    fn flow(&self) -> Flow {
        (self.task.tenant.clone(), self.task.priority)
    }
}

/// The version of a template, as it is told apart.
fn same_version(one: &Template, other: &Template) -> bool {
    one.function == other.function && one.version == other.version
}
