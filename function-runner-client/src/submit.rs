//! Sending tasks off: again where the reply was lost, under the same id, and with a cancel owed where nobody waits any more.

use std::{mem, time::Duration};

use function_runner_core::{
    Error, ErrorKind, Executor, FailureClass, Payload, Request, Result, RetryPolicy, Submitted, Task, TaskId,
    outcome,
};
use futures::future::BoxFuture;

use crate::Runner;

/// How often a submit is sent when it is unknown whether it arrived, and how long it waits between.
const AGAIN: RetryPolicy = RetryPolicy::exponential(4).first_delay(Duration::from_millis(200));

/// Submits these tasks, all or none, and sends them again where it is unknown whether they were stored: their ids
/// make that harmless. A full queue is the caller's to answer.
pub(crate) async fn submit(executor: &dyn Executor, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
    let mut sent = 1;
    loop {
        let error = match executor.submit(tasks.clone()).await {
            Ok(submitted) => return Ok(submitted),
            Err(error) => error,
        };
        match wait_after(&error, sent) {
            Some(wait) => tokio::time::sleep(wait).await,
            None => return Err(error),
        }
        sent += 1;
    }
}

fn wait_after(error: &Error, sent: u32) -> Option<Duration> {
    let unknown = error.is_retryable() && error.kind() != ErrorKind::QueueFull;
    if unknown { AGAIN.decide(FailureClass::Transient, sent, rand::random()) } else { None }
}

/// Submits one task; its error carries the task's id.
pub(crate) async fn submit_one(runner: Runner, task: Task) -> Result<Submitted> {
    let id = task.id.clone();
    let submitted = submit(&**runner.executor(), vec![task]).await.map_err(|error| error.with_task(&id))?;
    Ok(submitted.into_iter().next().unwrap_or(Submitted::New))
}

/// Submits what is asked for and waits for its output; dropped half-way, it asks for the task's cancel.
pub(crate) async fn run(runner: Runner, request: Request) -> Result<Payload> {
    runner.remember_runtime();
    // nothing is stored yet: a drop in here owes nothing
    let task = runner.admit(request).await?;
    let mut owed = Owed {
        id: task.id.clone(),
        stage: Stage::Submitting(Box::pin(submit_one(runner.clone(), task))),
        runner,
    };
    let output = owed.output().await;
    owed.stage = Stage::Settled;
    output
}

/// A task that somebody waits for; dropped before its end, it asks for the task's cancel.
struct Owed {
    runner: Runner,
    id: TaskId,
    stage: Stage,
}

enum Stage {
    /// A drop lets it arrive first: a cancel that overtook it would be lost.
    Submitting(BoxFuture<'static, Result<Submitted>>),
    /// A drop cancels it.
    Ours,
    /// It ended, or it belongs to whoever submitted it before.
    Settled,
}

impl Owed {
    async fn output(&mut self) -> Result<Payload> {
        if let Stage::Submitting(submitting) = &mut self.stage {
            let submitted = submitting.await?;
            self.stage = Stage::Ours;
            if let Submitted::Duplicate(older) = submitted {
                self.stage = Stage::Settled;
                self.id = older;
            }
        }
        outcome(&**self.runner.executor(), &self.id).await
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        let submitting = match mem::replace(&mut self.stage, Stage::Settled) {
            Stage::Submitting(submitting) => Some(submitting),
            Stage::Ours => None,
            Stage::Settled => return,
        };
        let Some(runtime) = self.runner.runtime() else { return };
        let (runner, id) = (self.runner.clone(), self.id.clone());
        runtime.spawn(async move {
            let submitted = match submitting {
                Some(submitting) => submitting.await,
                None => Ok(Submitted::New),
            };
            if !matches!(submitted, Ok(Submitted::Duplicate(_))) {
                // nobody is left to be told
                let _ = runner.executor().cancel(&id).await;
            }
        });
    }
}
