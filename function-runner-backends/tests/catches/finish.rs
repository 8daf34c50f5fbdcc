//! What can be wrong with the ends of attempts.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use function_runner_core::{
    Executor as _, Failure, Finish, Finished, FollowUp, LeaseKey, Operate as _, Outcome, Payload, Queue as _,
    Report, Result, Retention, State, Submitted, Task, TaskEnded, TaskId, TaskRecord,
};

use super::broken::{Broken, Good, lock};

/// Forgets a task whose attempt failed.
#[derive(Debug, Default)]
pub(crate) struct ForgetsOnError;

#[async_trait]
impl Broken for ForgetsOnError {
    async fn finish(&self, good: &Good, mut done: Vec<Finish>) -> Result<Vec<Finished>> {
        for finish in &mut done {
            if let Outcome::Retry { failure, .. } = &finish.outcome {
                finish.outcome = Outcome::Failed(failure.clone());
            }
        }
        let ids: Vec<TaskId> = done.iter().map(|finish| finish.key.id.clone()).collect();
        let ended = good.queue.finish(done).await?;
        for (id, ended) in ids.iter().zip(&ended) {
            if *ended == Finished::Done(State::Failed) {
                // one that is gone already is as forgotten
                let _ = good.queue.purge(id).await;
            }
        }
        Ok(ended)
    }
}

/// Takes the first failure for the last.
#[derive(Debug, Default)]
pub(crate) struct NeverRetries;

impl Broken for NeverRetries {
    fn ends(&self, outcome: &mut Outcome) {
        if let Outcome::Retry { failure, .. } = outcome {
            *outcome = Outcome::Failed(failure.clone());
        }
    }
}

/// Tries again what failed for good.
#[derive(Debug, Default)]
pub(crate) struct PermanentFailureRetried;

impl Broken for PermanentFailureRetried {
    fn ends(&self, outcome: &mut Outcome) {
        if let Outcome::Failed(failure) = outcome {
            *outcome = Outcome::Retry { failure: failure.clone(), after: Duration::ZERO };
        }
    }
}

/// Tries once more than it may.
#[derive(Debug, Default)]
pub(crate) struct OneAttemptTooMany;

impl Broken for OneAttemptTooMany {
    fn stores(&self, task: &mut Task) {
        Arc::make_mut(&mut task.envelope).retry.max_attempts += 1;
    }
}

/// Counts a release as an attempt.
#[derive(Debug, Default)]
pub(crate) struct ReleaseCounted;

impl Broken for ReleaseCounted {
    fn ends(&self, outcome: &mut Outcome) {
        if let Outcome::Released { after } = *outcome {
            *outcome = Outcome::Retry { failure: Failure::transient("given back"), after };
        }
    }
}

/// Puts what was given back behind what waits.
#[derive(Debug, Default)]
pub(crate) struct ReleaseGoesToTheBack;

impl Broken for ReleaseGoesToTheBack {
    fn ends(&self, outcome: &mut Outcome) {
        if let Outcome::Released { after } = outcome {
            *after = (*after).max(Duration::from_millis(1));
        }
    }
}

/// Gives at once what was given back for later.
#[derive(Debug, Default)]
pub(crate) struct ReleaseWaitIgnored;

impl Broken for ReleaseWaitIgnored {
    fn ends(&self, outcome: &mut Outcome) {
        if let Outcome::Released { after } = outcome {
            *after = Duration::ZERO;
        }
    }
}

/// Tries again at once.
#[derive(Debug, Default)]
pub(crate) struct RetryWaitIgnored;

impl Broken for RetryWaitIgnored {
    fn ends(&self, outcome: &mut Outcome) {
        if let Outcome::Retry { after, .. } = outcome {
            *after = Duration::ZERO;
        }
    }
}

/// Takes a finish that is sent again for one that came too late.
#[derive(Debug, Default)]
pub(crate) struct FinishAgainIsLost(Mutex<HashSet<LeaseKey>>);

#[async_trait]
impl Broken for FinishAgainIsLost {
    async fn finish(&self, good: &Good, done: Vec<Finish>) -> Result<Vec<Finished>> {
        let again: Vec<bool> = done.iter().map(|finish| !lock(&self.0).insert(finish.key.clone())).collect();
        let mut ended = good.queue.finish(done).await?;
        for (ended, _) in ended.iter_mut().zip(again).filter(|(_, again)| *again) {
            *ended = Finished::Lost;
        }
        Ok(ended)
    }
}

/// Drops what a body told last.
#[derive(Debug, Default)]
pub(crate) struct LastReportDropped;

#[async_trait]
impl Broken for LastReportDropped {
    async fn finish(&self, good: &Good, mut done: Vec<Finish>) -> Result<Vec<Finished>> {
        done.iter_mut().for_each(|finish| finish.last = Report::default());
        good.queue.finish(done).await
    }
}

/// Queues no follow-ups.
#[derive(Debug, Default)]
pub(crate) struct FollowUpLost;

impl Broken for FollowUpLost {
    fn stores(&self, task: &mut Task) {
        task.follow_ups.clear();
    }
}

/// Queues every follow-up of a finished task once more, under an id of its own.
#[derive(Debug, Default)]
pub(crate) struct FollowUpTwice(Mutex<HashMap<TaskId, Task>>);

fn once_more(follow_up: &FollowUp, record: &TaskRecord) -> Result<Task> {
    let input = Payload::encode(&TaskEnded::of(record))?;
    let (function, lane) = (follow_up.function.clone(), follow_up.lane.clone());
    let mut task = Task::new(TaskId::unique(), function, lane, input, follow_up.envelope.clone());
    task.labels.clone_from(&follow_up.labels);
    Ok(task)
}

#[async_trait]
impl Broken for FollowUpTwice {
    async fn submit(&self, good: &Good, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        let followed = tasks.iter().filter(|task| !task.follow_ups.is_empty());
        lock(&self.0).extend(followed.map(|task| (task.id.clone(), task.clone())));
        good.queue.submit(tasks).await
    }

    async fn finish(&self, good: &Good, done: Vec<Finish>) -> Result<Vec<Finished>> {
        let ids: Vec<TaskId> = done.iter().map(|finish| finish.key.id.clone()).collect();
        let ended = good.queue.finish(done).await?;
        for (id, ended) in ids.iter().zip(&ended) {
            let ends = matches!(ended, Finished::Done(state) if state.is_terminal());
            let Some(task) = lock(&self.0).remove(id).filter(|_| ends) else { continue };
            let record = good.queue.record(id).await?;
            let more: Result<Vec<Task>> =
                task.follow_ups.iter().map(|follow_up| once_more(follow_up, &record)).collect();
            good.queue.submit(more?).await?;
        }
        Ok(ended)
    }
}

/// Keeps every result for ever.
#[derive(Debug, Default)]
pub(crate) struct RetentionNeverRuns;

impl Broken for RetentionNeverRuns {
    fn stores(&self, task: &mut Task) {
        Arc::make_mut(&mut task.envelope).retention = Retention::of(Duration::from_secs(365 * 24 * 3600));
    }
}

/// Keeps every result for a moment only.
#[derive(Debug, Default)]
pub(crate) struct RetentionTooShort;

impl Broken for RetentionTooShort {
    fn stores(&self, task: &mut Task) {
        Arc::make_mut(&mut task.envelope).retention = Retention::of(Duration::from_millis(1));
    }
}
