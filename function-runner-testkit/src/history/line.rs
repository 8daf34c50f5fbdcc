//! What a history keeps and a log file holds: types of its own, apart from those of core.

use std::{collections::BTreeMap, fmt, sync::Arc};

use function_runner_core::State;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The format of a log file: the first number of its first line. A reader refuses any other.
pub(super) const FORMAT: u32 = 1;

/// A task, worker, lane or anything else that has a name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id(Arc<str>);

impl Id {
    pub(super) fn new(name: impl AsRef<str>) -> Self {
        Self(name.as_ref().into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// A line of a log file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// A process begins to note: its format and its process id.
    Format(u32, u32),
    /// Call number `n` was made at this moment, in microseconds.
    Called { n: u64, at: u64, call: Call },
    /// It came to this.
    Came { n: u64, at: u64, to: Reply },
    /// The watch that call number `n` opened gave this.
    Gave { n: u64, at: u64, event: Event },
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Call {
    Submit(Vec<Sent>),
    Record(Id),
    Watch {
        task: Id,
        after: u64,
    },
    Cancel(Id),
    Join {
        worker: Id,
        capacity: Room,
        serves: u32,
    },
    Lease {
        worker: Id,
        ask: u64,
        lanes: Vec<Id>,
        would_fit: u32,
        wait_ms: u64,
    },
    Renew {
        worker: Id,
        ended: u64,
        keys: Vec<Key>,
    },
    Finish(Vec<Done>),
    Pause(Id),
    Resume(Id),
    Drain(Id),
    Requeue(Id),
    Purge(Id),
    /// An operator looks at all lanes.
    Lanes,
    /// A body runs; it came to its end where that is noted.
    Body {
        worker: Id,
        task: Id,
        attempt: u32,
        lane: Id,
        granted: Share,
    },
    /// What no invariant is about, by the name of its method.
    Other(Id),
}

/// A task as it was submitted; its input is in the hash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sent {
    pub(super) task: Id,
    /// Half of the hash of what the caller wrote.
    pub(super) content: u64,
    pub(super) lane: Id,
    pub(super) max_attempts: u32,
    pub(super) max_crashes: u32,
    /// How long it waits before it may start, where that is known: not for a moment of the store's clock.
    pub(super) delay_ms: Option<u64>,
    pub(super) has_deadline: bool,
    pub(super) has_dedupe: bool,
    /// The shorter of its two retentions.
    pub(super) kept_ms: u64,
    /// The longer one.
    pub(super) kept_at_most_ms: u64,
}

/// A claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) task: Id,
    pub(super) fence: u64,
}

/// The end of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) task: Id,
    pub(super) fence: u64,
    pub(super) outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Succeeded,
    Failed,
    Cancelled,
    Retry { after_ms: u64 },
    Released { after_ms: u64 },
}

/// What a worker has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Room {
    /// By name: what can be divided at will.
    pub(super) amounts: BTreeMap<String, u64>,
    /// The memory of each GPU.
    pub(super) gpus: Vec<u64>,
}

/// What a body was granted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Share {
    pub(super) own: BTreeMap<String, u64>,
    /// What it shares with the other bodies of its lane.
    pub(super) shared: BTreeMap<String, u64>,
    pub(super) gpus: Vec<usize>,
    /// Whether its GPUs are its own alone.
    pub(super) whole: bool,
    pub(super) gpu_memory: u64,
    pub(super) shared_gpu_memory: u64,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    /// Nothing was: an error that leaves it open, or whoever called went away.
    Unknown(Id),
    /// An error that says that nothing was done.
    Refused {
        kind: Id,
        task: Option<Id>,
    },
    Ok,
    Stored(Vec<Stored>),
    Found(Standing),
    Leased(Vec<Leased>),
    Drain(Id),
    Renewed {
        tasks: Vec<Renewal>,
        joined: bool,
    },
    /// Of each the state it is in now; nothing where it came too late.
    Finished(Vec<Option<State>>),
    /// How many tasks wait and run.
    Lanes {
        waiting: u64,
        running: u64,
    },
    /// A body's end: how, in a word.
    Over(Id),
}

/// What became of a submitted task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stored {
    New,
    Known,
    Duplicate(Id),
}

/// A task as a record or a snapshot shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Standing {
    pub(super) state: State,
    pub(super) seq: u64,
    pub(super) attempt: u32,
    pub(super) crashes: u32,
    pub(super) cancel_asked: bool,
    pub(super) fraction: Option<f32>,
}

/// A claim as a worker was given it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Leased {
    pub(super) task: Id,
    pub(super) fence: u64,
    pub(super) attempt: u32,
    pub(super) suspect: bool,
    pub(super) lane: Id,
    pub(super) max_attempts: u32,
    pub(super) max_crashes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Renewal {
    Held,
    CancelRequested,
    Lost,
}

/// What a watch gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Event {
    pub(super) task: Id,
    pub(super) seq: u64,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Snapshot(Standing),
    Started(Id),
    Progress(Option<f32>),
    Part {
        turn: u64,
        index: u64,
    },
    Log,
    CancelRequested,
    Retrying,
    Released,
    Lost,
    Requeued,
    Succeeded,
    Failed,
    Cancelled,
    /// A kind that this version does not know.
    Other,
    /// The stream ended, with this error if any.
    Over(Option<Id>),
}

impl Kind {
    /// The state in which the task ended, if this says so.
    pub(super) const fn end(&self) -> Option<State> {
        match self {
            Self::Snapshot(standing) if standing.state.is_terminal() => Some(standing.state),
            Self::Succeeded => Some(State::Succeeded),
            Self::Failed => Some(State::Failed),
            Self::Cancelled => Some(State::Cancelled),
            _ => None,
        }
    }
}
