//! A task as it travels: what the caller asked for, and what intake resolved.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::Xxh3;

use crate::{
    Failure, FunctionRef, Lane, Payload, Priority, Progress, Quality, ResourceRequirement, RetryPolicy,
    State, TaskId, Tenant, Timestamp, Usage, Version, When, WorkerId,
    clock::{duration_millis, millis},
};

/// A caller's own words about a task: at most 32, keys as names, values of at most 256 bytes.
pub type Labels = BTreeMap<String, String>;

/// How long what ended is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Retention {
    /// The record of a task that succeeded or was cancelled: 24 h.
    #[serde(rename = "result_ms", with = "duration_millis")]
    pub result: Duration,
    /// The record of a dead letter: 7 days.
    #[serde(rename = "dead_ms", with = "duration_millis")]
    pub dead: Duration,
}

impl Retention {
    /// Kept so long, whatever the end.
    #[must_use]
    pub const fn of(time: Duration) -> Self {
        Self { result: time, dead: time }
    }

    /// How long the record of a task that ended in this state is kept.
    #[must_use]
    pub const fn after(&self, end: State) -> Duration {
        if matches!(end, State::Failed) { self.dead } else { self.result }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self { result: Duration::from_secs(24 * 3600), dead: Duration::from_secs(7 * 24 * 3600) }
    }
}

/// What intake resolved of a task: the worker obeys it, so an upgrade in mid-flight changes no accepted task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Envelope {
    /// The exact version it was resolved to.
    pub version: Version,
    /// The parameters of its quality.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Value>,
    /// What it needs while it runs.
    #[serde(default)]
    pub requires: ResourceRequirement,
    /// The longest one attempt may take.
    #[serde(
        rename = "timeout_ms",
        default,
        with = "duration_millis::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub timeout: Option<Duration>,
    /// Whether and when it is tried again.
    #[serde(default)]
    pub retry: RetryPolicy,
    /// How long it is kept when it has ended.
    #[serde(default)]
    pub retention: Retention,
}

impl Envelope {
    /// An envelope of this version with everything else as default.
    #[must_use]
    pub fn new(version: Version) -> Self {
        Self {
            version,
            parameters: BTreeMap::new(),
            requires: ResourceRequirement::default(),
            timeout: None,
            retry: RetryPolicy::default(),
            retention: Retention::default(),
        }
    }
}

/// A key under which the same work is not queued twice within a window.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Dedupe {
    /// The key, 1 to 256 bytes, scoped by tenant and function.
    pub key: String,
    /// How long it counts from submit: at most 24 h and the task's retention.
    #[serde(rename = "window_ms", with = "duration_millis")]
    pub window: Duration,
}

impl Dedupe {
    /// This key for this long.
    pub fn new(key: impl Into<String>, window: Duration) -> Self {
        Self { key: key.into(), window }
    }
}

/// A task that is queued in the same move in which another ends, whatever ended it; resolved at submit like the task itself.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FollowUp {
    /// The function as written.
    pub function: FunctionRef,
    /// Its labels.
    pub labels: Labels,
    /// Where it waits.
    pub lane: Lane,
    /// Its place in the order of work: see [`schedule::increment`](crate::schedule::increment).
    pub increment: u64,
    /// What intake resolved of it.
    pub envelope: Arc<Envelope>,
}

impl FollowUp {
    /// A follow-up that intake has resolved.
    #[must_use]
    pub const fn new(
        function: FunctionRef,
        labels: Labels,
        lane: Lane,
        increment: u64,
        envelope: Arc<Envelope>,
    ) -> Self {
        Self { function, labels, lane, increment, envelope }
    }
}

/// One submitted execution of a function.
///
/// Tasks are made by [`Intake`](crate::Intake), which resolves and validates; [`Task::new`] is for backends and their tests.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Task {
    /// Its id, made by the caller.
    pub id: TaskId,
    /// The function as written.
    pub function: FunctionRef,
    /// The input, as JSON that fits the function's schema.
    pub input: Payload,
    /// How good the result is to be.
    pub quality: Quality,
    /// Its share of the workers among its tenant's tasks.
    pub priority: Priority,
    /// Whose it is.
    pub tenant: Option<Tenant>,
    /// The caller's own words.
    pub labels: Labels,
    /// When it may start.
    pub delay: Option<When>,
    /// When it must have started.
    pub deadline: Option<When>,
    /// The caller's own retry policy, as written.
    pub retry: Option<RetryPolicy>,
    /// A key under which the same work is not queued twice.
    pub dedupe: Option<Dedupe>,
    /// What is queued when it ends; at most four.
    pub follow_ups: Vec<FollowUp>,
    /// Where it waits.
    pub lane: Lane,
    /// Its place in the order of work: see [`schedule::increment`](crate::schedule::increment).
    pub increment: u64,
    /// What intake resolved.
    pub envelope: Arc<Envelope>,
    /// The hash of what the caller wrote, where intake has filled in defaults since.
    pub(crate) written: Option<u128>,
}

impl Task {
    /// A task of this lane with everything else as default.
    #[must_use]
    pub fn new(
        id: TaskId,
        function: FunctionRef,
        lane: Lane,
        input: Payload,
        envelope: Arc<Envelope>,
    ) -> Self {
        let priority = Priority::default();
        Self {
            id,
            function,
            input,
            quality: Quality::Standard,
            priority,
            tenant: None,
            labels: Labels::new(),
            delay: None,
            deadline: None,
            retry: None,
            dedupe: None,
            follow_ups: Vec::new(),
            lane,
            increment: crate::schedule::increment(1, priority, crate::Weight::default()),
            envelope,
            written: None,
        }
    }

    /// Puts an input with its defaults filled in for the one the caller wrote, which still counts as its content.
    pub(crate) fn fill(&mut self, filled: Payload) {
        self.written = Some(self.content());
        self.input = filled;
    }

    /// The hash by which a store tells the same task sent again from another under the same id.
    ///
    /// It covers what the caller wrote (function, quality, priority, labels, delay, deadline, retry, dedupe,
    /// follow-ups, input), each field behind its length, and nothing that was resolved. XXH3, 128 bits: it is no
    /// defence against somebody who builds a collision, who could only hide a conflict of tasks of their own.
    #[must_use]
    pub fn content(&self) -> u128 {
        if let Some(written) = self.written {
            return written;
        }
        let mut hash = Content(Xxh3::new());
        hash.function(&self.function);
        hash.text(self.quality.as_str());
        hash.number(u64::from(self.priority.value()));
        hash.labels(&self.labels);
        hash.when(self.delay);
        hash.when(self.deadline);
        hash.number(u64::from(self.retry.is_some()));
        if let Some(retry) = &self.retry {
            hash.number(u64::from(retry.max_attempts));
            hash.number(millis(retry.first_delay));
            hash.number(millis(retry.max_delay));
            hash.number(u64::from(retry.max_crashes));
        }
        hash.number(u64::from(self.dedupe.is_some()));
        if let Some(dedupe) = &self.dedupe {
            hash.text(&dedupe.key);
            hash.number(millis(dedupe.window));
        }
        hash.number(self.follow_ups.len() as u64);
        for follow_up in &self.follow_ups {
            hash.function(&follow_up.function);
            hash.labels(&follow_up.labels);
        }
        hash.bytes(self.input.as_bytes());
        hash.0.digest128()
    }
}

/// A hash over fields behind their lengths.
struct Content(Xxh3);

impl Content {
    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn function(&mut self, function: &FunctionRef) {
        self.text(function.name.as_str());
        let (form, version) = match function.version {
            crate::Wanted::Any => (0, Version::new(0, 0, 0)),
            crate::Wanted::Major(major) => (1, Version::new(major, 0, 0)),
            crate::Wanted::Minor(major, minor) => (2, Version::new(major, minor, 0)),
            crate::Wanted::Exact(version) => (3, version),
        };
        for number in [form, version.major, version.minor, version.patch] {
            self.number(u64::from(number));
        }
    }

    fn labels(&mut self, labels: &Labels) {
        self.number(labels.len() as u64);
        for (key, value) in labels {
            self.text(key);
            self.text(value);
        }
    }

    fn when(&mut self, when: Option<When>) {
        let (form, number) = match when {
            None => (0, 0),
            Some(When::In(duration)) => (1, millis(duration)),
            Some(When::At(moment)) => (2, moment.as_millis()),
        };
        self.number(form);
        self.number(number);
    }
}

/// How one attempt ended, where another followed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AttemptEnd {
    /// The body failed.
    Failed(Failure),
    /// The worker gave it back.
    Released,
    /// The worker died holding it, or its claim was lost on the way.
    Lost,
}

/// One try of a task that is over.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PastAttempt {
    /// Its number; crashes and releases keep it.
    pub attempt: u32,
    /// Who ran it.
    pub worker: WorkerId,
    /// How it ended.
    pub end: AttemptEnd,
    /// When it ended.
    pub at: Timestamp,
}

impl PastAttempt {
    /// One try that is over.
    #[must_use]
    pub const fn new(attempt: u32, worker: WorkerId, end: AttemptEnd, at: Timestamp) -> Self {
        Self { attempt, worker, end, at }
    }
}

/// What a store knows of a task.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TaskRecord {
    /// The task itself.
    pub task: Arc<Task>,
    /// Where it is in its life.
    pub state: State,
    /// The sequence number of its latest event.
    pub seq: u64,
    /// The number of its latest attempt; 0 before the first.
    pub attempt: u32,
    /// How many workers died holding it.
    pub crashes: u32,
    /// Whether its cancel was acknowledged.
    pub cancel_requested: bool,
    /// When the store accepted it.
    pub created_at: Timestamp,
    /// When it may start, where that is not yet.
    pub not_before: Option<Timestamp>,
    /// When it must have started.
    pub deadline: Option<Timestamp>,
    /// When its latest attempt began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Who holds it now.
    pub worker: Option<WorkerId>,
    /// How far it is.
    pub progress: Option<Progress>,
    /// Its output, where it succeeded.
    pub output: Option<Payload>,
    /// Its failure, where it failed; the latest attempt's while it waits for another.
    pub failure: Option<Failure>,
    /// What its last attempt took.
    pub usage: Option<Usage>,
    /// Its attempts that are over, the latest 32.
    pub attempts: Vec<PastAttempt>,
    /// How many tasks of its lane come before it, while it waits; counted up to a bound.
    pub ahead: Option<u64>,
}

impl TaskRecord {
    /// The record of a task that was just accepted.
    #[must_use]
    pub const fn new(task: Arc<Task>, seq: u64, created_at: Timestamp) -> Self {
        Self {
            task,
            state: State::Queued,
            seq,
            attempt: 0,
            crashes: 0,
            cancel_requested: false,
            created_at,
            not_before: None,
            deadline: None,
            started_at: None,
            finished_at: None,
            worker: None,
            progress: None,
            output: None,
            failure: None,
            usage: None,
            attempts: Vec::new(),
            ahead: None,
        }
    }
}

/// The most bytes of a checkpoint: 64 KiB.
pub const MAX_CHECKPOINT: usize = 64 << 10;

/// What an attempt leaves for the next: opaque bytes, at most [`MAX_CHECKPOINT`].
pub type Checkpoint = Bytes;

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Task {
        let function: FunctionRef = "f@1.0".parse().unwrap();
        let lane = Lane::new(&function.name, Version::new(1, 0, 0), &Quality::Standard);
        let envelope = Arc::new(Envelope::new(Version::new(1, 0, 0)));
        Task::new(TaskId::unique(), function, lane, Payload::encode("x").unwrap(), envelope)
    }

    #[test]
    fn content_is_what_the_caller_wrote_and_nothing_else() {
        let first = task();
        let mut second = Task {
            id: TaskId::unique(),
            increment: 7,
            tenant: Some(Tenant::new("a").unwrap()),
            ..first.clone()
        };
        second.envelope = Arc::new(Envelope::new(Version::new(1, 9, 0)));
        assert_eq!(first.content(), second.content());
        let mut others = vec![first.clone(); 8];
        others[0].quality = Quality::Draft;
        others[1].priority = Priority::new(9).unwrap();
        others[2].labels.insert("a".into(), "b".into());
        others[3].delay = Some(When::In(Duration::ZERO));
        others[4].deadline = Some(When::At(Timestamp::from_millis(0)));
        others[5].retry = Some(RetryPolicy::never());
        others[6].dedupe = Some(Dedupe::new("", Duration::ZERO));
        others[7].input = Payload::encode("y").unwrap();
        let mut hashes: Vec<_> = others.iter().map(Task::content).chain([first.content()]).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 9);
    }
}
