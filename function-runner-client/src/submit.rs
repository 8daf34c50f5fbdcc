//! Sending tasks off: again where the reply was lost, under the same id, and with a cancel owed where nobody waits any more.

use std::{
    future::ready,
    mem,
    task::{Context, Poll, ready},
    time::Duration,
};

use function_runner_core::{
    Admitted, Error, ErrorKind, Executor, FailureClass, Payload, Request, Result, RetryPolicy, Submitted,
    Task, TaskId, outcome,
};
use futures::{FutureExt as _, future::BoxFuture};

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

/// A task that somebody waits for; dropped before its end, it asks for the task's cancel.
///
/// Each stage has a small box of its own: one for all would pass the size up to which an allocator is quick, and what
/// the first stages take would lie idle while the task runs.
pub(crate) struct Owed {
    runner: Runner,
    id: TaskId,
    stage: Stage,
}

enum Stage {
    /// Nothing is stored yet: a drop owes nothing.
    Admitting(BoxFuture<'static, Result<Task>>),
    /// A drop lets it arrive first: a cancel that overtook it would be lost.
    Submitting(BoxFuture<'static, Result<Submitted>>),
    /// A drop cancels it, unless it belongs to whoever submitted it before.
    Waiting { ours: bool, outcome: BoxFuture<'static, Result<Payload>> },
    /// It ended, or nothing came of it.
    Settled,
}

impl Owed {
    /// Submits what is asked for, to wait for its output.
    pub(crate) fn new(runner: Runner, request: Request) -> Self {
        runner.remember_runtime();
        let id = request.id.clone();
        let stage = match runner.admit_now(request) {
            Ok(Admitted::Task(task)) => Stage::submitting(&runner, task),
            Ok(Admitted::Later(request)) => {
                let runner = runner.clone();
                Stage::Admitting(async move { runner.admit(request).await }.boxed())
            }
            Err(error) => Stage::Admitting(ready(Err(error)).boxed()),
        };
        Self { runner, id, stage }
    }

    pub(crate) fn poll(&mut self, waker: &mut Context<'_>) -> Poll<Result<Payload>> {
        let output = ready!(self.advance(waker));
        self.stage = Stage::Settled;
        Poll::Ready(output)
    }

    fn advance(&mut self, waker: &mut Context<'_>) -> Poll<Result<Payload>> {
        loop {
            self.stage = match &mut self.stage {
                Stage::Admitting(admitting) => {
                    Stage::submitting(&self.runner, ready!(admitting.poll_unpin(waker))?)
                }
                Stage::Submitting(submitting) => {
                    let submitted = ready!(submitting.poll_unpin(waker))?;
                    let ours = !matches!(submitted, Submitted::Duplicate(_));
                    if let Submitted::Duplicate(older) = submitted {
                        self.id = older;
                    }
                    let (runner, id) = (self.runner.clone(), self.id.clone());
                    let outcome = async move { outcome(&**runner.executor(), &id).await };
                    Stage::Waiting { ours, outcome: outcome.boxed() }
                }
                Stage::Waiting { outcome, .. } => return outcome.poll_unpin(waker),
                Stage::Settled => return Poll::Pending,
            }
        }
    }
}

impl Stage {
    fn submitting(runner: &Runner, task: Task) -> Self {
        Self::Submitting(submit_one(runner.clone(), task).boxed())
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        let submitting = match mem::replace(&mut self.stage, Stage::Settled) {
            Stage::Submitting(submitting) => Some(submitting),
            Stage::Waiting { ours: true, .. } => None,
            Stage::Waiting { ours: false, .. } | Stage::Admitting(_) | Stage::Settled => return,
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
