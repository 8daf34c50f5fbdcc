//! What a caller asks for, before anything is resolved.

use std::time::Duration;

use crate::{
    Dedupe, Error, ErrorKind, FunctionRef, Labels, Payload, Priority, Quality, Result, Retention,
    RetryPolicy, TaskId, Tenant, When,
};

/// The longest a task may be delayed: 30 days, which is how long an unserved version stays published.
const LONGEST_DELAY: Duration = Duration::from_secs(30 * 24 * 3600);

/// The longest window of a deduplication key: 24 h.
const LONGEST_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// The most follow-ups of one task.
const MAX_FOLLOW_UPS: usize = 4;

/// The most labels of one task, the longest key and the longest value in bytes.
const MAX_LABELS: (usize, usize, usize) = (32, 64, 256);

/// The longest deduplication key in bytes.
const MAX_KEY: usize = 256;

/// A function that is to be called when the task has ended, whatever ended it; its input is a
/// [`TaskEnded`](crate::TaskEnded).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowUpRequest {
    /// The function.
    pub function: FunctionRef,
    /// Labels of its task.
    pub labels: Labels,
}

/// What a caller asks for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Request {
    /// The task's id, made by the caller.
    pub id: TaskId,
    /// The function as written.
    pub function: FunctionRef,
    /// The input as JSON.
    pub input: Payload,
    /// How good the result is to be.
    pub quality: Quality,
    /// Its share of the workers.
    pub priority: Priority,
    /// Whose it is.
    pub tenant: Option<Tenant>,
    /// The caller's own words.
    pub labels: Labels,
    /// When it may start.
    pub delay: Option<When>,
    /// When it must have started.
    pub deadline: Option<When>,
    /// A retry policy in place of the function's.
    pub retry: Option<RetryPolicy>,
    /// A key under which the same work is not queued twice.
    pub dedupe: Option<Dedupe>,
    /// What is called when it has ended.
    pub follow_ups: Vec<FollowUpRequest>,
}

impl Request {
    /// A request with everything else as default, under an id of its own.
    #[must_use]
    pub fn new(function: FunctionRef, input: Payload) -> Self {
        Self {
            id: TaskId::unique(),
            function,
            input,
            quality: Quality::default(),
            priority: Priority::default(),
            tenant: None,
            labels: Labels::new(),
            delay: None,
            deadline: None,
            retry: None,
            dedupe: None,
            follow_ups: Vec::new(),
        }
    }

    /// Refuses settings that are out of range whatever the function.
    pub(crate) fn check(&self) -> Result<()> {
        check_labels(&self.labels)?;
        self.follow_ups.iter().try_for_each(|follow_up| check_labels(&follow_up.labels))?;
        if self.follow_ups.len() > MAX_FOLLOW_UPS {
            let count = self.follow_ups.len();
            return Err(refuse(format!("{count} follow-ups are over the limit of {MAX_FOLLOW_UPS}")));
        }
        match (self.delay, self.deadline) {
            (Some(When::In(delay)), _) if delay > LONGEST_DELAY => {
                return Err(refuse(format!(
                    "the delay of {} s is over the limit of 30 days",
                    delay.as_secs()
                )));
            }
            (_, Some(When::In(deadline))) if deadline.is_zero() => {
                return Err(refuse("the deadline has passed already; give it some time".to_owned()));
            }
            (Some(When::In(delay)), Some(When::In(deadline))) if deadline <= delay => {
                return Err(refuse(
                    "the deadline passes before the delay is over; make the deadline later".to_owned(),
                ));
            }
            (Some(When::At(start)), Some(When::At(end))) if end <= start => {
                return Err(refuse(
                    "the deadline passes before the delay is over; make the deadline later".to_owned(),
                ));
            }
            _ => {}
        }
        match self.retry.as_ref().and_then(RetryPolicy::fault) {
            Some(fault) => Err(refuse(fault)),
            None => Ok(()),
        }
    }

    /// Refuses a deduplication key that would outlive the task it points to.
    pub(crate) fn check_dedupe(&self, retention: Retention) -> Result<()> {
        let Some(Dedupe { key, window }) = &self.dedupe else { return Ok(()) };
        if key.is_empty() || key.len() > MAX_KEY {
            let size = key.len();
            return Err(refuse(format!("a deduplication key of {size} bytes; it takes 1 to {MAX_KEY}")));
        }
        let longest = LONGEST_WINDOW.min(retention.result).min(retention.dead);
        if window.is_zero() || *window > longest {
            let (window, longest) = (window.as_secs_f64(), longest.as_secs_f64());
            return Err(refuse(format!(
                "a deduplication window of {window} s; it is longer than 0 and at most {longest} s, as long as the result is kept"
            )));
        }
        Ok(())
    }
}

fn check_labels(labels: &Labels) -> Result<()> {
    let (most, longest_key, longest_value) = MAX_LABELS;
    if labels.len() > most {
        return Err(refuse(format!("{} labels are over the limit of {most}", labels.len())));
    }
    for (key, value) in labels {
        let shown: String = key.chars().take(40).flat_map(char::escape_default).collect();
        if key.is_empty() || key.len() > longest_key {
            return Err(refuse(format!(
                "the label `{shown}` has a key of {} bytes; it takes 1 to {longest_key}",
                key.len()
            )));
        }
        if value.len() > longest_value {
            return Err(refuse(format!(
                "the label `{shown}` has {} bytes; it takes at most {longest_value}",
                value.len()
            )));
        }
    }
    Ok(())
}

fn refuse(message: String) -> Error {
    Error::new(ErrorKind::InvalidCall, message)
}
