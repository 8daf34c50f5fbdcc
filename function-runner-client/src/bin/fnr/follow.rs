//! Following a task until its end, and asking for its end where the call is to stop.

use std::time::Duration;

use function_runner_client::Handle;
use function_runner_core::{Progress, Result, TaskId};
use serde_json::Value;

use crate::{
    bar::Bar,
    document, out,
    stop::{Stop, Why},
};

/// How often the live line counts down on its own.
const TICK: Duration = Duration::from_millis(250);

/// How a task ended, where it did not fail.
#[derive(Debug)]
pub(crate) enum Outcome {
    Output(Value),
    Stopped(Why),
}

/// What becomes of the task where following it is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnStop {
    /// It is cancelled, and followed to its end all the same: the body cleans up behind itself.
    Cancel,
    /// It goes on.
    Leave,
}

/// Follows a task until its end and tells how far it is.
///
/// # Errors
///
/// What the function failed with, and what kept it from being followed.
pub(crate) async fn follow(
    handle: &Handle<Value>,
    stop: &Stop,
    on_stop: OnStop,
    bar: &mut Bar,
    json: bool,
) -> Result<Outcome> {
    let (mut progress, mut tick, mut stopped) = (handle.progress(), tokio::time::interval(TICK), None);
    loop {
        tokio::select! {
            next = progress.next() => match next {
                Some(next) => tell(handle.id(), next, bar, json)?,
                None => break,
            },
            why = stop.told(), if stopped.is_none() => {
                if on_stop == OnStop::Leave {
                    return Ok(Outcome::Stopped(why));
                }
                stopped = Some(why);
                bar.stopping();
                handle.cancel().await?;
            }
            _ = tick.tick(), if bar.is_shown() => bar.draw(),
        }
    }
    match stopped {
        Some(why) => Ok(Outcome::Stopped(why)),
        None => handle.output().await.map(Outcome::Output),
    }
}

fn tell(task: &TaskId, progress: Progress, bar: &mut Bar, json: bool) -> Result<()> {
    if json {
        return out::document(&document::progress(task, &progress));
    }
    bar.set(progress);
    Ok(())
}
