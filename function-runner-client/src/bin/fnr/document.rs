//! What `--json` prints: one document per line, of these kinds.
//!
//! | kind | when | beside it |
//! |---|---|---|
//! | `progress` | while the task is under way | `task`, `progress` |
//! | `succeeded` | the last line | `task`, `function`, `version`, `quality`, `output`, `file`, `usage` |
//! | `failed` | the last line | the same, with `failure` for `output` and `file` |
//! | `cancelled` | the last line | `task` (null where there was none yet), …, `reason`: `asked` or `timeout` |
//! | `error` | the last line | `error`: `code`, `message`, `remedy`, `errors`, `causes`, `task` |
//! | `check` | a line of `fnr doctor` | `name`, `state`, `needed`, `found`, `remedy` |
//! | `model` | a line of `fnr models` | its manifest (its kind as `does`), `state`, `path`, `fault`, `remedy` |
//! | `speed`, `calibrated` | lines of `fnr calibrate`, the last one | `model`, `threads`, `seconds_per_megapixel`; `path` |
//! | `queued` | the last line of `fnr run --detach` | `task`, `function`, `version`, `quality` |
//! | `watched` | the last line of `fnr watch` that was stopped | `task`, …, `reason` |
//! | `worker`, `started`, `finished`, `draining`, `stopped` | lines of `fnr worker` | see `worker.rs` |
//! | `task`, `dead` | a line of `fnr tasks`, `fnr dead` | the task's record; `attempts` |
//! | `worker`, `lane` | a line of `fnr workers`, `fnr lanes` | how it is |
//! | `why` | the line of `fnr why` | `task`, `state`, `reasons`, `text`, `remedy` |
//! | `done` | the line of what an operator does | `action`, `task`, `lane` or `worker`, `state` |
//! | `installed` | the last line of `fnr models install` | `name`, `path`, `changed`; `cancelled` has `model` |

use std::path::Path;

use function_runner_core::{
    Error, ErrorKind, Failure, Fault, Progress, Quality, TaskId, TaskRecord, Template, Usage, Version,
};
use serde_json::{Value, json};

use crate::{exit, stop::Why};

/// Which call a document is about.
#[derive(Debug)]
pub(crate) struct Call {
    function: String,
    version: Version,
    quality: Quality,
}

impl Call {
    /// A call of this function.
    pub(crate) fn of(template: &Template, quality: &Quality) -> Self {
        Self { function: template.function.to_string(), version: template.version, quality: quality.clone() }
    }

    /// The call that this is the record of.
    pub(crate) fn recorded(record: &TaskRecord) -> Self {
        let task = &record.task;
        Self {
            function: task.lane.function().to_owned(),
            version: task.envelope.version,
            quality: task.quality.clone(),
        }
    }

    /// `task` is its task, once there is one.
    fn document<const N: usize>(&self, kind: &str, task: Option<&TaskId>, more: [(&str, Value); N]) -> Value {
        let mut document = json!({
            "kind": kind,
            "task": task,
            "function": self.function,
            "version": self.version,
            "quality": self.quality,
        });
        more.into_iter().for_each(|(name, value)| document[name] = value);
        document
    }

    pub(crate) fn queued(&self, task: &TaskId) -> Value {
        self.document("queued", Some(task), [])
    }

    pub(crate) fn succeeded(&self, task: &TaskId, output: Value, file: Option<&Path>, took: &Took) -> Value {
        let file = file.map(|file| file.to_string_lossy().into_owned());
        let more = [("output", output), ("file", file.into()), ("usage", took.document())];
        self.document("succeeded", Some(task), more)
    }

    pub(crate) fn failed(&self, task: &TaskId, failure: &Failure, took: &Took) -> Value {
        self.document("failed", Some(task), [("failure", json!(failure)), ("usage", took.document())])
    }

    pub(crate) fn cancelled(&self, task: Option<&TaskId>, why: Why) -> Value {
        self.document("cancelled", task, [("reason", reason(why).into())])
    }

    /// The task goes on; watching it was stopped.
    pub(crate) fn watched(&self, task: &TaskId, why: Why) -> Value {
        self.document("watched", Some(task), [("reason", reason(why).into())])
    }
}

const fn reason(why: Why) -> &'static str {
    match why {
        Why::Asked => "asked",
        Why::TimedOut(_) => "timeout",
    }
}

/// What a task took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Took {
    /// What the store says of its last attempt.
    pub(crate) usage: Option<Usage>,
    /// The most memory this process has had, where the system tells it.
    pub(crate) peak_mib: Option<u64>,
}

impl Took {
    fn document(&self) -> Value {
        let usage = self.usage.unwrap_or_default();
        json!({ "queued_ms": usage.queued_ms, "run_ms": usage.run_ms, "peak_memory_mib": self.peak_mib })
    }
}

pub(crate) fn progress(task: &TaskId, progress: &Progress) -> Value {
    json!({ "kind": "progress", "task": task, "progress": progress })
}

pub(crate) fn error(error: &Error) -> Value {
    let words = exit::text(error, &error.to_string());
    let mut document = json!({
        "code": error.kind().name(),
        "message": words.lines().next(),
        "remedy": error.remedy(),
        "errors": error.faults().iter().map(fault).collect::<Vec<_>>(),
        "task": error.task(),
    });
    let first = std::error::Error::source(error);
    let causes: Vec<_> =
        std::iter::successors(first, |cause| cause.source()).map(ToString::to_string).collect();
    if !causes.is_empty() {
        document["causes"] = causes.into();
    }
    json!({ "kind": "error", "error": document })
}

/// What clap says of arguments that it could not read.
pub(crate) fn usage(message: &str) -> Value {
    error(
        &Error::new(ErrorKind::InvalidCall, message.to_owned())
            .with_help("`fnr --help` shows how it is used"),
    )
}

fn fault(fault: &Fault) -> Value {
    json!({
        "pointer": fault.pointer,
        "code": fault.code,
        "detail": fault.message,
        "allowed": fault.allowed,
        "suggestion": fault.suggestion,
    })
}
