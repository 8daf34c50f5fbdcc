//! How a call ended: its output where it goes, what is said of it, and the exit code.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use function_runner_client::{Handle, Runner};
use function_runner_core::{Error, ErrorKind, Result, TaskId};
use serde_json::Value;

use crate::{
    document::{Call, Took},
    exit::Exit,
    layout::{mib, time},
    out,
    stop::Why,
    target::Target,
};

/// What is known of a call before its end.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) call: Call,
    pub(crate) target: Target,
    /// Where the result goes, as it was written.
    pub(crate) output: Option<PathBuf>,
    pub(crate) json: bool,
    /// When it was begun, where it was begun here.
    pub(crate) begin: Option<Instant>,
    /// Whether this process works for it, so that its memory is the task's.
    pub(crate) here: bool,
}

impl Ending {
    /// Puts the output where it goes, if that is a file: whole, or not at all.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] where it cannot be written; [`ErrorKind::Corrupt`] where it has no file; what the store says.
    pub(crate) async fn write(&self, runner: &Runner, output: &Value) -> Result<()> {
        match &self.target {
            Target::Stdout => Ok(()),
            Target::Json(path) => {
                let text = format!("{output:#}\n");
                let artifact = runner.upload_bytes(text, "application/json").await?;
                runner.download(&artifact, path).await
            }
            Target::File { path, field } => {
                runner.download(&Target::artifact(field.as_deref(), output)?, path).await
            }
        }
    }

    /// # Errors
    ///
    /// [`ErrorKind::Io`] where stdout cannot be written.
    pub(crate) async fn succeeded(&self, handle: &Handle<Value>, output: Value) -> Result<Exit> {
        let (took, whole) = self.took(handle).await;
        if self.json {
            let file = self.output.as_deref();
            out::document(&self.call.succeeded(handle.id(), output, file, &took))?;
            return Ok(Exit::Succeeded);
        }
        if self.target == Target::Stdout {
            out::line(&format!("{output:#}"))?;
        }
        let mut parts: Vec<_> = dimensions(&output).into_iter().collect();
        parts.extend(whole.map(time));
        parts.extend(took.peak_mib.map(|peak| format!("peak {}", mib(peak))));
        parts.push(format!("task {}", handle.id()));
        let name = self.output.as_deref().map(Path::display);
        let name = name.map(|name| format!("{name}  ")).unwrap_or_default();
        out::aside(&format!("{name}{}", parts.join(" · ")));
        Ok(Exit::Succeeded)
    }

    /// What failed in the function is told here as JSON; everything else is the caller's to tell.
    ///
    /// # Errors
    ///
    /// The error, where it was not told here.
    pub(crate) async fn failed(&self, handle: &Handle<Value>, error: Error) -> Result<Exit> {
        if error.kind() == ErrorKind::Cancelled {
            return self.cancelled(Some(handle.id()), Why::Asked);
        }
        match error.failure().filter(|_| self.json) {
            Some(failure) => {
                out::document(&self.call.failed(handle.id(), failure, &self.took(handle).await.0))?;
                Ok(Exit::of(&error))
            }
            None => Err(error),
        }
    }

    /// # Errors
    ///
    /// [`ErrorKind::Io`] where stdout cannot be written.
    pub(crate) fn cancelled(&self, task: Option<&TaskId>, why: Why) -> Result<Exit> {
        if self.json {
            out::document(&self.call.cancelled(task, why))?;
            return Ok(why.exit());
        }
        let after = self.begin.map(|begin| format!(" after {}", time(begin.elapsed()))).unwrap_or_default();
        match why {
            Why::Asked => out::aside(&format!("cancelled{after}; nothing was written")),
            Why::TimedOut(limit) => out::aside(&format!(
                "error: timed out after {}; the task was cancelled and nothing was written\n\
                 help: raise --timeout, or choose a lower quality",
                humantime::format_duration(limit)
            )),
        }
        Ok(why.exit())
    }

    /// What the task took, and how long it was from its beginning to its end; what cannot be told is left out, since
    /// the result is what counts.
    async fn took(&self, handle: &Handle<Value>) -> (Took, Option<std::time::Duration>) {
        let record = handle.record().await.ok();
        let usage = record.as_ref().and_then(|record| record.usage);
        let peak_mib = if self.here { peak_mib() } else { None };
        let stored = record.and_then(|record| Some(record.finished_at?.since(record.created_at)));
        (Took { usage, peak_mib }, self.begin.map(|begin| begin.elapsed()).or(stored))
    }
}

/// The most memory that this process has had, as Linux tells it.
fn peak_mib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib.div_ceil(1024))
}

/// `1024 × 1024`, where the output says so.
fn dimensions(output: &Value) -> Option<String> {
    let side = |name| output.get(name).and_then(Value::as_u64);
    Some(format!("{} × {}", side("width")?, side("height")?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_most_memory_so_far_is_known_where_the_system_tells_it() {
        assert_eq!(peak_mib().is_some(), Path::new("/proc/self/status").exists());
        assert!(peak_mib().is_none_or(|peak| peak > 0));
        assert_eq!(dimensions(&json!({ "width": 3, "height": 2 })).as_deref(), Some("3 × 2"));
        assert_eq!(dimensions(&json!([3, 2])), None);
    }
}
