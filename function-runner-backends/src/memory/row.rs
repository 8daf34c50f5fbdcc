//! What the store keeps of one task.

use std::{cmp::Ordering, collections::VecDeque, sync::Arc};

use function_runner_core::{
    AttemptEnd, Checkpoint, Failure, PastAttempt, Payload, Phase, Progress, State, Task, TaskId, TaskRecord,
    Timestamp, Usage, WorkerId, seq,
};

use super::watch::Watcher;

/// No row: the end of a chain.
pub(super) const NONE: u32 = u32::MAX;

/// The most past attempts that are listed.
const MAX_HISTORY: usize = 32;

/// One task and where it is in its life.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) task: Arc<Task>,
    /// Half the hash of its id.
    pub(super) hash: u32,
    /// Rises with every task: what lists go by.
    pub(super) number: u64,
    /// The lane it waits or runs in, a suspect's twin included.
    pub(super) lane: u32,
    pub(super) state: State,
    /// Whether its cancel was acknowledged.
    pub(super) cancel: bool,
    /// Whether its holder has been told so.
    pub(super) told: bool,
    pub(super) turns: u64,
    /// The last number its worker gave in this turn.
    pub(super) heard: u32,
    /// The number of its latest event in this phase.
    pub(super) shown: u32,
    /// The latest attempt; 0 before the first.
    pub(super) attempt: u32,
    /// How many attempts failed.
    pub(super) failed: u32,
    pub(super) crashes: u32,
    pub(super) created_at: Timestamp,
    pub(super) queued_at: Timestamp,
    /// When it may start, if its latest wait was for a time.
    pub(super) not_before: Option<Timestamp>,
    /// Where it stands in the order of work, while it is ready.
    pub(super) tag: u64,
    /// Whether it waits for that time still.
    pub(super) delayed: bool,
    pub(super) deadline: Option<Timestamp>,
    /// Its place among the timers, while it is queued.
    pub(super) due: Option<Timestamp>,
    pub(super) started_at: Option<Timestamp>,
    pub(super) finished_at: Option<Timestamp>,
    /// Its latest claim.
    pub(super) claim: Claim,
    /// Whether the finish of the latest claim ended it: such a finish, sent again, is answered the same.
    pub(super) finished: bool,
    pub(super) usage: Option<Usage>,
    pub(super) output: Option<Payload>,
    pub(super) more: Option<Box<More>>,
    pub(super) watchers: Vec<Arc<Watcher>>,
}

/// A claim of a task.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) fence: u64,
    /// Who holds it.
    pub(super) worker: u32,
    /// The ask that took it.
    pub(super) ask: u64,
    /// The store's call that renewed it last.
    pub(super) renewed: u64,
    pub(super) ends_at: Timestamp,
    /// Its neighbours in the chain of claims by their end.
    pub(super) before: u32,
    pub(super) behind: u32,
}

/// What few tasks have.
#[derive(Debug, Default)]
pub(super) struct More {
    pub(super) progress: Option<Progress>,
    pub(super) checkpoint: Option<Checkpoint>,
    /// The output parts of this turn.
    pub(super) parts: Vec<Payload>,
    pub(super) failure: Option<Failure>,
    pub(super) history: VecDeque<PastAttempt>,
}

impl Row {
    pub(super) fn new(task: Arc<Task>, hash: u32, number: u64, lane: u32, now: Timestamp) -> Self {
        let none = Timestamp::default();
        let claim =
            Claim { fence: 0, worker: NONE, ask: 0, renewed: 0, ends_at: none, before: NONE, behind: NONE };
        Self {
            deadline: task.deadline.map(|deadline| deadline.due(now)),
            task,
            hash,
            number,
            lane,
            state: State::Queued,
            cancel: false,
            told: false,
            turns: 1,
            heard: 0,
            shown: 0,
            attempt: 0,
            failed: 0,
            crashes: 0,
            created_at: now,
            queued_at: now,
            not_before: None,
            delayed: false,
            tag: 0,
            due: None,
            started_at: None,
            finished_at: None,
            claim,
            finished: false,
            usage: None,
            output: None,
            more: None,
            watchers: Vec::new(),
        }
    }

    /// The sequence number of its latest event.
    pub(super) fn seq(&self) -> u64 {
        seq(self.turns, self.phase(), self.shown)
    }

    fn phase(&self) -> Phase {
        match (self.state, self.cancel) {
            (State::Running, false) => Phase::Running,
            (State::Running, true) => Phase::Stopping,
            _ => Phase::Still,
        }
    }

    /// Queued again or ended: what the turn's attempt said beside its progress is void.
    pub(super) fn turn(&mut self, state: State) {
        self.state = state;
        self.turns += 1;
        (self.heard, self.shown) = (0, 0);
        if let Some(more) = &mut self.more {
            more.parts = Vec::new();
        }
    }

    pub(super) fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// Until when it is kept, once it has ended.
    pub(super) fn kept_until(&self) -> Option<Timestamp> {
        let ended = self.finished_at?;
        Some(ended.after(self.task.envelope.retention.after(self.state)))
    }

    /// The attempt that was held is over, and another follows.
    pub(super) fn remember(&mut self, worker: WorkerId, end: AttemptEnd, now: Timestamp) {
        let past = PastAttempt::new(self.attempt, worker, end, now);
        let history = &mut self.more().history;
        if history.len() == MAX_HISTORY {
            history.pop_front();
        }
        history.push_back(past);
    }

    /// The record of it, but for who holds it and what is ahead of it.
    pub(super) fn record(&self) -> TaskRecord {
        let mut record = TaskRecord::new(self.task.clone(), self.seq(), self.created_at);
        record.state = self.state;
        record.attempt = self.attempt;
        record.crashes = self.crashes;
        record.cancel_requested = self.cancel;
        record.not_before = self.not_before.filter(|_| self.delayed);
        record.deadline = self.deadline;
        record.started_at = self.started_at;
        record.finished_at = self.finished_at;
        record.usage = self.usage;
        record.output = self.output.clone();
        if let Some(more) = &self.more {
            record.progress = more.progress.clone();
            record.failure = more.failure.clone();
            record.attempts = more.history.iter().cloned().collect();
        }
        record
    }
}

/// A task in the order of work: found by its row, in order by its id, so that equal tags go by id on every backend.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) id: TaskId,
    pub(super) at: u32,
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at && self.id == other.id
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id).then(self.at.cmp(&other.at))
    }
}
