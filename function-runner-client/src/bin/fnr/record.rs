//! A task's record for people and as JSON.

use std::time::Duration;

use function_runner_core::{AttemptEnd, PastAttempt, State, TaskRecord, Timestamp};
use serde_json::{Value, json};

/// A record as a document of this kind; its input and output are left out.
pub(crate) fn document(kind: &str, record: &TaskRecord) -> Value {
    let task = &record.task;
    json!({
        "kind": kind,
        "task": task.id,
        "function": task.lane.function(),
        "version": task.envelope.version,
        "quality": task.quality,
        "lane": task.lane,
        "tenant": task.tenant,
        "priority": task.priority.value(),
        "labels": task.labels,
        "state": record.state,
        "attempt": record.attempt,
        "crashes": record.crashes,
        "cancel_requested": record.cancel_requested,
        "created_at": record.created_at,
        "not_before": record.not_before,
        "deadline": record.deadline,
        "started_at": record.started_at,
        "finished_at": record.finished_at,
        "worker": record.worker,
        "ahead": record.ahead,
        "progress": record.progress,
        "failure": record.failure,
        "usage": record.usage,
    })
}

/// Attempts that are over, as documents.
pub(crate) fn attempts(attempts: &[PastAttempt]) -> Value {
    let document = |past: &PastAttempt| {
        let failure = match &past.end {
            AttemptEnd::Failed(failure) => json!(failure),
            _ => Value::Null,
        };
        json!({
            "attempt": past.attempt,
            "worker": past.worker,
            "end": end(&past.end),
            "failure": failure,
            "at": past.at,
        })
    };
    attempts.iter().map(document).collect()
}

pub(crate) const fn end(end: &AttemptEnd) -> &'static str {
    match end {
        AttemptEnd::Failed(_) => "failed",
        AttemptEnd::Released => "released",
        AttemptEnd::Lost => "lost",
        _ => "ended",
    }
}

/// How a task is, in a few words.
pub(crate) fn words(record: &TaskRecord, now: Timestamp) -> String {
    match record.state {
        State::Queued => match (record.not_before, record.ahead) {
            (Some(until), _) => format!("in {}", age(until.since(now))),
            (None, Some(ahead @ 1..)) => format!("{ahead} ahead"),
            (None, _) => String::new(),
        },
        State::Running => {
            let stop = if record.cancel_requested { "stopping  " } else { "" };
            let progress = record.progress.as_ref();
            let percent = progress.and_then(|progress| progress.fraction);
            let percent = percent.map(|fraction| format!("{:.0} %  ", (fraction * 100.0).floor()));
            let message = progress.map(|progress| progress.message.escape_debug().to_string());
            format!("{stop}{}{}", percent.unwrap_or_default(), message.unwrap_or_default())
        }
        _ => record
            .failure
            .as_ref()
            .map_or_else(String::new, |failure| failure.message.escape_debug().to_string()),
    }
}

/// How long, in one word: `12s`, `5m`, `3h`, `2d`.
pub(crate) fn age(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..100 => format!("{seconds}s"),
        seconds @ ..6000 => format!("{}m", seconds / 60),
        seconds @ ..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_one_word() {
        let told =
            [0, 99, 100, 5999, 6000, 172_799, 172_800].map(|seconds| age(Duration::from_secs(seconds)));
        assert_eq!(told, ["0s", "99s", "1m", "99m", "1h", "47h", "2d"]);
    }
}
