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
//! | `installed` | the last line of `fnr models install` | `name`, `path`, `changed`; `cancelled` has `model` |

use std::path::Path;

use function_runner_core::{Error, ErrorKind, Failure, Fault, Progress, Quality, TaskId, Template, Usage};
use serde_json::{Value, json};

use crate::{exit, stop::Why};

/// Which call a document is about.
pub(crate) struct Call<'a> {
    pub(crate) template: &'a Template,
    pub(crate) quality: &'a Quality,
    /// Its task, once there is one.
    pub(crate) task: Option<&'a TaskId>,
}

impl Call<'_> {
    fn document<const N: usize>(&self, kind: &str, more: [(&str, Value); N]) -> Value {
        let mut document = json!({
            "kind": kind,
            "task": self.task,
            "function": self.template.function,
            "version": self.template.version,
            "quality": self.quality,
        });
        more.into_iter().for_each(|(name, value)| document[name] = value);
        document
    }

    pub(crate) fn succeeded(&self, output: Value, file: Option<&Path>, took: &Took) -> Value {
        let file = file.map(|file| file.to_string_lossy().into_owned());
        self.document("succeeded", [("output", output), ("file", file.into()), ("usage", took.document())])
    }

    pub(crate) fn failed(&self, failure: &Failure, took: &Took) -> Value {
        self.document("failed", [("failure", json!(failure)), ("usage", took.document())])
    }

    pub(crate) fn cancelled(&self, why: Why) -> Value {
        let reason = match why {
            Why::Asked => "asked",
            Why::TimedOut(_) => "timeout",
        };
        self.document("cancelled", [("reason", reason.into())])
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
