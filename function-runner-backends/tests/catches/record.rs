//! What can be wrong with what a store tells of tasks and templates.

use std::sync::Arc;

use async_trait::async_trait;
use function_runner_core::{
    ErrorKind, Executor as _, FailureClass, MAX_EVENT_OUTPUT, Outcome, Payload, Result, RetryPolicy, Task,
    TaskId, TaskRecord, TemplateSet,
};
use serde_json::Value;

use super::broken::{Broken, Good};

/// Answers a cancel of a task that nobody knows.
#[derive(Debug, Default)]
pub(crate) struct UnknownIdAnswered;

#[async_trait]
impl Broken for UnknownIdAnswered {
    async fn cancel(&self, good: &Good, id: &TaskId) -> Result<()> {
        good.queue.cancel(id).await.or_else(|error| match error.kind() {
            ErrorKind::UnknownTask => Ok(()),
            _ => Err(error),
        })
    }
}

/// Forgets who a task is of.
#[derive(Debug, Default)]
pub(crate) struct RecordWithoutTenant;

impl Broken for RecordWithoutTenant {
    fn shows(&self, record: &mut TaskRecord) {
        Arc::make_mut(&mut record.task).tenant = None;
    }
}

/// Forgets the attempts before the last.
#[derive(Debug, Default)]
pub(crate) struct RecordWithoutAttempts;

impl Broken for RecordWithoutAttempts {
    fn shows(&self, record: &mut TaskRecord) {
        record.attempts.clear();
    }
}

/// Forgets when a task began.
#[derive(Debug, Default)]
pub(crate) struct RecordWithoutStart;

impl Broken for RecordWithoutStart {
    fn shows(&self, record: &mut TaskRecord) {
        record.started_at = None;
    }
}

/// Says nothing of who holds a task.
#[derive(Debug, Default)]
pub(crate) struct RecordWithoutWorker;

impl Broken for RecordWithoutWorker {
    fn shows(&self, record: &mut TaskRecord) {
        record.worker = None;
    }
}

/// Forgets what an attempt took.
#[derive(Debug, Default)]
pub(crate) struct UsageLost;

impl Broken for UsageLost {
    fn shows(&self, record: &mut TaskRecord) {
        record.usage = None;
    }
}

/// Keeps no output that is too large for an event.
#[derive(Debug, Default)]
pub(crate) struct LargeOutputLost;

impl Broken for LargeOutputLost {
    fn shows(&self, record: &mut TaskRecord) {
        record.output = record.output.take().filter(|output| output.len() <= MAX_EVENT_OUTPUT);
    }
}

/// Keeps numbers as doubles.
#[derive(Debug, Default)]
pub(crate) struct NumbersRounded;

fn round(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(rounded) = number.as_f64().and_then(serde_json::Number::from_f64) {
                *number = rounded;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(round),
        Value::Object(fields) => fields.values_mut().for_each(round),
        _ => {}
    }
}

impl Broken for NumbersRounded {
    fn ends(&self, outcome: &mut Outcome) {
        if let Outcome::Succeeded(output) = outcome
            && let Ok(mut value) = output.decode::<Value>()
        {
            round(&mut value);
            *output = Payload::encode(&value).unwrap_or_else(|_| output.clone());
        }
    }
}

/// Keeps of a failure its message alone.
#[derive(Debug, Default)]
pub(crate) struct FailureWithoutCode;

impl Broken for FailureWithoutCode {
    fn ends(&self, outcome: &mut Outcome) {
        if let Outcome::Failed(failure) | Outcome::Retry { failure, .. } = outcome {
            failure.code = None;
        }
    }
}

/// Takes every failure for a permanent one.
#[derive(Debug, Default)]
pub(crate) struct FailureClassLost;

impl Broken for FailureClassLost {
    fn ends(&self, outcome: &mut Outcome) {
        if let Outcome::Failed(failure) | Outcome::Retry { failure, .. } = outcome {
            failure.class = FailureClass::Permanent;
        }
    }
}

/// Answers with the whole set of templates, whatever its caller has.
#[derive(Debug, Default)]
pub(crate) struct KnownRevisionAnswered;

#[async_trait]
impl Broken for KnownRevisionAnswered {
    async fn templates(&self, good: &Good, _: u64) -> Result<Option<TemplateSet>> {
        good.queue.templates(0).await
    }
}

/// Publishes templates without how they are tried again.
#[derive(Debug, Default)]
pub(crate) struct TemplatesWithoutRetry;

impl Broken for TemplatesWithoutRetry {
    fn publishes(&self, set: &mut TemplateSet) {
        for template in &mut set.templates {
            template.retry = RetryPolicy::exponential(2);
        }
    }
}

/// Lets a body run as long as it likes.
#[derive(Debug, Default)]
pub(crate) struct TimeoutIgnored;

impl Broken for TimeoutIgnored {
    fn stores(&self, task: &mut Task) {
        Arc::make_mut(&mut task.envelope).timeout = None;
    }
}
