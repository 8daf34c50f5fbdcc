//! A task as bytes, for stores that keep rows: a format of its own, so that no change of a type in memory changes what
//! was stored.
//!
//! Every document is JSON that begins with the number of its format. What is at its default is left out, and the
//! defaults are the format's own: one that changes in memory changes nothing that was accepted.

mod attempts;
mod envelope;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, sync::Arc, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

use self::envelope::{StoredEnvelope, StoredRetry};
use crate::{
    Dedupe, Error, ErrorKind, FollowUp, FunctionRef, Labels, Lane, Payload, Priority, Quality, Result, Task,
    TaskId, Tenant, Timestamp, When, clock::millis,
};

/// The number of the format that is written here.
const FORMAT: u32 = 1;

/// The priority that is left out.
const PRIORITY: u8 = 5;

impl Task {
    /// Everything of it but its id, its input and its [`content`](Self::content), as bytes for a store to keep.
    ///
    /// Durations are kept in whole milliseconds. Parameters are JSON as serde_json reads it: at most some 120 levels
    /// deep, and of a float with more than 15 digits the last may change.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use function_runner_core::{Envelope, Payload, Task, TaskId, Version};
    /// # let envelope = Arc::new(Envelope::new(Version::new(1, 0, 0)));
    /// # let (id, input) = (TaskId::new("a")?, Payload::encode(&7)?);
    /// # let task = Task::new(id, "work".parse()?, "work@1.0:standard".parse()?, input, envelope);
    /// let (stored, content) = (task.to_stored(), task.content());
    /// let back = Task::from_stored(task.id.clone(), &stored, task.input.clone(), content)?;
    /// assert_eq!((&back.function, &back.lane, back.content()), (&task.function, &task.lane, content));
    /// # Ok::<(), function_runner_core::Error>(())
    /// ```
    #[must_use]
    pub fn to_stored(&self) -> Vec<u8> {
        write(&StoredTask::of(self))
    }

    /// Reads what [`to_stored`](Self::to_stored) wrote; `content` is what [`content`](Self::content) answered then,
    /// and what it answers of this task.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`] where it is no stored task; [`ErrorKind::Unsupported`] where a newer version of this
    /// library stored it.
    pub fn from_stored(id: TaskId, stored: &[u8], input: Payload, content: u128) -> Result<Self> {
        match read::<StoredTask<'_>>("task", stored) {
            Ok(stored) => Ok(stored.into_task(id, input, content)),
            Err(error) => Err(error.with_task(&id)),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct StoredTask<'a> {
    v: Format,
    function: FunctionRef,
    lane: Lane,
    increment: u64,
    envelope: StoredEnvelope<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<Quality>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<Priority>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<Tenant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Cow<'a, Labels>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay: Option<StoredWhen>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<StoredWhen>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<StoredRetry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dedupe: Option<StoredDedupe<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    follow_ups: Vec<StoredFollowUp<'a>>,
}

impl<'a> StoredTask<'a> {
    fn of(task: &'a Task) -> Self {
        Self {
            v: Format,
            function: task.function.clone(),
            lane: task.lane.clone(),
            increment: task.increment,
            envelope: StoredEnvelope::of(&task.envelope),
            quality: (task.quality != Quality::Standard).then(|| task.quality.clone()),
            priority: (task.priority.value() != PRIORITY).then_some(task.priority),
            tenant: task.tenant.clone(),
            labels: labels(&task.labels),
            delay: task.delay.map(StoredWhen::of),
            deadline: task.deadline.map(StoredWhen::of),
            retry: task.retry.as_ref().map(StoredRetry::of),
            dedupe: task.dedupe.as_ref().map(StoredDedupe::of),
            follow_ups: task.follow_ups.iter().map(StoredFollowUp::of).collect(),
        }
    }

    fn into_task(self, id: TaskId, input: Payload, content: u128) -> Task {
        let envelope = Arc::new(self.envelope.into_envelope());
        let mut task = Task::new(id, self.function, self.lane, input, envelope);
        task.increment = self.increment;
        task.quality = self.quality.unwrap_or(Quality::Standard);
        // the default is the format's own: a test says so
        task.priority = self.priority.unwrap_or_default();
        task.tenant = self.tenant;
        task.labels = self.labels.map(Cow::into_owned).unwrap_or_default();
        task.delay = self.delay.map(StoredWhen::into_when);
        task.deadline = self.deadline.map(StoredWhen::into_when);
        task.retry = self.retry.map(StoredRetry::into_policy);
        task.dedupe = self.dedupe.map(StoredDedupe::into_dedupe);
        task.follow_ups = self.follow_ups.into_iter().map(StoredFollowUp::into_follow_up).collect();
        task.written = Some(content);
        task
    }
}

#[derive(Serialize, Deserialize)]
struct StoredFollowUp<'a> {
    function: FunctionRef,
    lane: Lane,
    increment: u64,
    envelope: StoredEnvelope<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Cow<'a, Labels>>,
}

impl<'a> StoredFollowUp<'a> {
    fn of(follow_up: &'a FollowUp) -> Self {
        Self {
            function: follow_up.function.clone(),
            lane: follow_up.lane.clone(),
            increment: follow_up.increment,
            envelope: StoredEnvelope::of(&follow_up.envelope),
            labels: labels(&follow_up.labels),
        }
    }

    fn into_follow_up(self) -> FollowUp {
        let labels = self.labels.map(Cow::into_owned).unwrap_or_default();
        let envelope = Arc::new(self.envelope.into_envelope());
        FollowUp::new(self.function, labels, self.lane, self.increment, envelope)
    }
}

fn labels(labels: &Labels) -> Option<Cow<'_, Labels>> {
    (!labels.is_empty()).then_some(Cow::Borrowed(labels))
}

/// In milliseconds: all of them, where RFC 3339 ends with the year 9999.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredWhen {
    In(u64),
    At(u64),
}

impl StoredWhen {
    fn of(when: When) -> Self {
        match when {
            When::In(duration) => Self::In(millis(duration)),
            When::At(moment) => Self::At(moment.as_millis()),
        }
    }

    const fn into_when(self) -> When {
        match self {
            Self::In(millis) => When::In(Duration::from_millis(millis)),
            Self::At(millis) => When::At(Timestamp::from_millis(millis)),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct StoredDedupe<'a> {
    key: Cow<'a, str>,
    window_ms: u64,
}

impl<'a> StoredDedupe<'a> {
    fn of(dedupe: &'a Dedupe) -> Self {
        Self { key: Cow::Borrowed(&dedupe.key), window_ms: millis(dedupe.window) }
    }

    fn into_dedupe(self) -> Dedupe {
        Dedupe::new(self.key, Duration::from_millis(self.window_ms))
    }
}

/// The number in front of a stored document: [`FORMAT`], and no other is read.
struct Format;

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(FORMAT)
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            FORMAT => Ok(Self),
            other => Err(serde::de::Error::custom(format_args!("format {other} is not format {FORMAT}"))),
        }
    }
}

fn write(document: &impl Serialize) -> Vec<u8> {
    // text under text keys, written into memory: nothing in it can fail
    serde_json::to_vec(document).unwrap_or_default()
}

fn read<T: DeserializeOwned>(what: &'static str, stored: &[u8]) -> Result<T> {
    serde_json::from_slice(stored).map_err(|error| match format_of(stored) {
        Some(newer) if newer > u64::from(FORMAT) => {
            let message = format!("a stored {what} has format {newer}; this program reads format {FORMAT}");
            Error::new(ErrorKind::Unsupported, message)
                .with_help("a newer version of function-runner stored it: open the store with that version")
        }
        _ => Error::new(ErrorKind::Corrupt, format!("a stored {what} cannot be read")).with_source(error),
    })
}

/// The format that a document names, whatever else is in it.
fn format_of(stored: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Head {
        v: u64,
    }
    serde_json::from_slice::<Head>(stored).ok().map(|head| head.v)
}
