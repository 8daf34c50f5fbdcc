//! What happens to a task, as its watchers hear it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Failure, Payload, Progress, State, TaskId, TaskRecord, Timestamp, WorkerId, clock::millis};

/// The most bytes of an output that an event carries: 64 KiB; a longer one is read from the record.
pub const MAX_EVENT_OUTPUT: usize = 64 << 10;

/// The most turns of one task: past it, it fails.
pub const MAX_TURNS: u64 = 1 << 19;

/// Which part of a turn an event belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Queued or ended.
    Still = 0,
    /// A worker holds it.
    Running = 1,
    /// A worker holds it and its cancel was asked.
    Stopping = 2,
}

/// The sequence number of an event: `(4·turns + phase)·2^32 + n`, which rises strictly and stays below 2^53.
///
/// `turns` is 1 at submit and raised by every move that queues the task again or ends it; `n` is 0 for the
/// store's own events and then counted by the worker.
///
/// ```
/// use function_runner_core::{Phase, seq};
///
/// assert!(seq(1, Phase::Still, 0) < seq(1, Phase::Running, 3));
/// assert!(seq(1, Phase::Running, u32::MAX) < seq(1, Phase::Stopping, 0));
/// assert!(seq(1, Phase::Stopping, 9) < seq(2, Phase::Still, 0));
/// ```
#[must_use]
pub const fn seq(turns: u64, phase: Phase, n: u32) -> u64 {
    ((4 * turns + phase as u64) << 32) + n as u64
}

/// The turn of a sequence number.
#[must_use]
pub const fn turn_of(seq: u64) -> u64 {
    seq >> 34
}

/// Where a reader is: the last sequence number it saw and how many output parts of that turn; both 0 at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Seen {
    /// The last sequence number seen.
    pub seq: u64,
    /// How many output parts of that number's turn were seen.
    pub parts: u64,
}

/// How loud a line of a body's log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// For whoever debugs the body.
    Debug,
    /// For whoever follows the task.
    #[default]
    Info,
    /// Something is not as it should be.
    Warn,
    /// Something went wrong.
    Error,
}

/// A line of a body's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// How loud it is.
    pub level: LogLevel,
    /// What it says, at most 4 KiB.
    pub message: String,
}

/// What one attempt took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Usage {
    /// How long the task waited before its latest attempt, in milliseconds.
    pub queued_ms: u64,
    /// How long the attempt ran, in milliseconds.
    pub run_ms: u64,
}

impl Usage {
    /// An attempt that ran so long.
    #[must_use]
    pub fn of_run(run: Duration) -> Self {
        Self { queued_ms: 0, run_ms: millis(run) }
    }

    /// By the worker's own account, with how long the task had waited by the store's.
    #[must_use]
    pub fn waited(self, queued: Duration) -> Self {
        Self { queued_ms: millis(queued), ..self }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// The task as it is now: what a watch begins with, and what a reader that fell behind gets.
    Snapshot(Box<TaskRecord>),
    /// A worker took it.
    Started {
        /// Which worker.
        worker: WorkerId,
    },
    /// It came further; only the latest counts.
    Progress(Progress),
    /// A part of the output of a streaming body.
    OutputPart {
        /// The turn it belongs to; a new lease voids the parts of the one before.
        turn: u64,
        /// Its place, from 0.
        index: u64,
        /// The part, as JSON.
        part: Payload,
    },
    /// The body wrote a line; best effort.
    Log(LogLine),
    /// Its cancel was acknowledged.
    CancelRequested,
    /// The attempt failed and is tried again.
    Retrying {
        /// Why it failed.
        failure: Failure,
        /// How long it waits.
        after: Duration,
    },
    /// The worker gave it back.
    Released,
    /// Its worker died, or its claim was lost on the way.
    Lost,
    /// An operator gave it another life.
    Requeued,
    /// It ended with this output; `None` where that is over [`MAX_EVENT_OUTPUT`]: read the record.
    Succeeded(Option<Payload>),
    /// It ended with this failure.
    Failed(Failure),
    /// It ended because somebody asked for it.
    Cancelled,
}

impl EventKind {
    /// How a task that ended in this state, with this output or failure, tells of its end; a longer output than
    /// [`MAX_EVENT_OUTPUT`] is left out.
    #[must_use]
    pub fn of_end(state: State, output: Option<&Payload>, failure: Option<&Failure>) -> Self {
        match (state, failure) {
            (State::Succeeded, _) => {
                Self::Succeeded(output.filter(|output| output.len() <= MAX_EVENT_OUTPUT).cloned())
            }
            (State::Failed, Some(failure)) => Self::Failed(failure.clone()),
            // a task that failed has its failure
            _ => Self::Cancelled,
        }
    }
}

/// What happened to a task, and when.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// Its place: rises strictly per task, with gaps.
    pub seq: u64,
    /// When, by the store's clock.
    pub at: Timestamp,
    /// In which attempt; 0 before the first.
    pub attempt: u32,
    /// What.
    pub kind: EventKind,
}

impl Event {
    /// An event.
    #[must_use]
    pub const fn new(seq: u64, at: Timestamp, attempt: u32, kind: EventKind) -> Self {
        Self { seq, at, attempt, kind }
    }

    /// Whether nothing follows: an end, or a snapshot of a task that has ended.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.end().is_some()
    }

    /// The state in which the task ended, if this says so.
    #[must_use]
    pub fn end(&self) -> Option<State> {
        match &self.kind {
            EventKind::Snapshot(record) => Some(record.state).filter(|state| state.is_terminal()),
            EventKind::Succeeded(_) => Some(State::Succeeded),
            EventKind::Failed(_) => Some(State::Failed),
            EventKind::Cancelled => Some(State::Cancelled),
            _ => None,
        }
    }

    /// How far the task is, where this says so.
    #[must_use]
    pub fn into_progress(self) -> Option<Progress> {
        match self.kind {
            EventKind::Progress(progress) => Some(progress),
            EventKind::Snapshot(record) => record.progress,
            _ => None,
        }
    }
}

/// How a task ended: what a follow-up gets as its input.
///
/// A function that is to follow others takes this type, so webhooks, flows and compensation are ordinary functions.
///
/// # Examples
///
/// ```
/// use function_runner_core::{Function, TaskEnded};
///
/// const NOTIFY: Function<TaskEnded, ()> = Function::new("notify");
/// # assert_eq!(NOTIFY.name(), "notify");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct TaskEnded {
    /// The task that ended.
    #[schemars(with = "String")]
    pub task: TaskId,
    /// The function as its caller wrote it.
    pub function: String,
    /// The state it ended in: `succeeded`, `failed` or `cancelled`.
    #[schemars(with = "String")]
    pub state: State,
    /// The sequence number of its terminal event.
    pub seq: u64,
    /// When it ended.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Its latest attempt.
    pub attempt: u32,
    /// The task's own labels.
    #[serde(default)]
    pub labels: std::collections::BTreeMap<String, String>,
    /// Its output, where it succeeded.
    #[serde(default)]
    pub output: Option<Value>,
    /// Whether its output was over [`MAX_EVENT_OUTPUT`] and left out: read it from the record.
    #[serde(default)]
    pub output_omitted: bool,
    /// Its failure, where it failed.
    #[serde(default)]
    #[schemars(with = "Option<Value>")]
    pub failure: Option<Failure>,
}

impl TaskEnded {
    /// How the task of this record ended, as the input of its follow-ups.
    #[must_use]
    pub fn of(record: &TaskRecord) -> Self {
        let output = record.output.as_ref().filter(|output| output.len() <= MAX_EVENT_OUTPUT);
        Self {
            task: record.task.id.clone(),
            function: record.task.function.to_string(),
            state: record.state,
            seq: record.seq,
            at: record.finished_at.unwrap_or_default(),
            attempt: record.attempt,
            labels: record.task.labels.clone(),
            output_omitted: output.is_none() && record.output.is_some(),
            // an output is JSON; one that a store damaged is left out rather than failing the end of its task
            output: output.and_then(|output| output.decode().ok()),
            failure: record.failure.clone().filter(|_| record.state == State::Failed),
        }
    }
}
