//! What an operator does: `fnr cancel`, `retry`, `purge`, `pause`, `resume`, `drain`.

use function_runner_core::{Lane, Result, State, TaskId, WorkerId};
use serde_json::json;

use crate::{
    exit::Exit,
    out,
    queue::{self, Opened, Place},
};

/// One task.
#[derive(Debug, clap::Args)]
pub(crate) struct TaskArgs {
    #[command(flatten)]
    place: Place,
    /// The task's id.
    task: String,
}

/// One lane.
#[derive(Debug, clap::Args)]
pub(crate) struct LaneArgs {
    #[command(flatten)]
    place: Place,
    /// The lane, such as image.upscale@1.1:high; `fnr lanes` shows them.
    lane: String,
}

/// One worker.
#[derive(Debug, clap::Args)]
pub(crate) struct WorkerArgs {
    #[command(flatten)]
    place: Place,
    /// The worker's id; `fnr workers` shows them.
    worker: String,
}

/// Asks for a task's end.
///
/// # Errors
///
/// [`ErrorKind::UnknownTask`](function_runner_core::ErrorKind::UnknownTask); what the queue says.
pub(crate) fn cancel(args: &TaskArgs, json: bool) -> Result<Exit> {
    let id: TaskId = args.task.parse()?;
    let state = queue::with(&args.place, async |opened: &Opened| {
        let handle = opened.runner.attach_by_name(id.clone());
        handle.cancel().await?;
        Ok(handle.record().await?.state)
    })?;
    let words = match state {
        State::Cancelled => "cancelled",
        State::Queued | State::Running => "asked to stop",
        State::Succeeded => "it had succeeded before",
        State::Failed => "it had failed before",
    };
    told("cancel", "task", id.as_str(), words, json)
}

/// Gives a dead letter another life.
///
/// # Errors
///
/// [`ErrorKind::UnknownTask`](function_runner_core::ErrorKind::UnknownTask),
/// [`ErrorKind::NotDead`](function_runner_core::ErrorKind::NotDead); what the queue says.
pub(crate) fn retry(args: &TaskArgs, json: bool) -> Result<Exit> {
    let id: TaskId = args.task.parse()?;
    queue::with(&args.place, async |opened: &Opened| opened.operate()?.requeue(&id).await)?;
    told("retry", "task", id.as_str(), "queued again", json)
}

/// Forgets a dead letter.
///
/// # Errors
///
/// As [`retry`].
pub(crate) fn purge(args: &TaskArgs, json: bool) -> Result<Exit> {
    let id: TaskId = args.task.parse()?;
    queue::with(&args.place, async |opened: &Opened| opened.operate()?.purge(&id).await)?;
    told("purge", "task", id.as_str(), "forgotten", json)
}

/// Gives nothing more of a lane.
///
/// # Errors
///
/// [`ErrorKind::InvalidCall`](function_runner_core::ErrorKind::InvalidCall) for what is no lane; what the queue says.
pub(crate) fn pause(args: &LaneArgs, json: bool) -> Result<Exit> {
    let lane: Lane = args.lane.parse()?;
    queue::with(&args.place, async |opened: &Opened| opened.operate()?.pause(&lane).await)?;
    told("pause", "lane", lane.as_str(), "paused: what runs goes on", json)
}

/// Gives tasks of a lane again.
///
/// # Errors
///
/// As [`pause`].
pub(crate) fn resume(args: &LaneArgs, json: bool) -> Result<Exit> {
    let lane: Lane = args.lane.parse()?;
    queue::with(&args.place, async |opened: &Opened| opened.operate()?.resume(&lane).await)?;
    told("resume", "lane", lane.as_str(), "goes on", json)
}

/// Asks a worker to finish what it has and leave.
///
/// # Errors
///
/// [`ErrorKind::InvalidCall`](function_runner_core::ErrorKind::InvalidCall) where no such worker lives; what the queue
/// says.
pub(crate) fn drain(args: &WorkerArgs, json: bool) -> Result<Exit> {
    let worker: WorkerId = args.worker.parse()?;
    queue::with(&args.place, async |opened: &Opened| opened.operate()?.drain(&worker).await)?;
    told("drain", "worker", worker.as_str(), "finishes what it has and leaves", json)
}

fn told(action: &str, what: &str, name: &str, words: &str, json: bool) -> Result<Exit> {
    if json {
        out::document(&json!({ "kind": "done", "action": action, what: name, "state": words }))?;
    } else {
        out::aside(&format!("{name}  {words}"));
    }
    Ok(Exit::Succeeded)
}
