//! What can be wrong with taking tasks in.

use std::{collections::HashSet, sync::Mutex, time::Duration};

use async_trait::async_trait;
use function_runner_core::{
    Error, ErrorKind, Executor as _, MAX_BATCH, Result, Submitted, Task, TaskId, Timestamp, When,
};

use super::broken::{Broken, Good, lock};

fn failed_as(answer: &Result<Vec<Submitted>>, kind: ErrorKind) -> bool {
    answer.as_ref().is_err_and(|error| error.kind() == kind)
}

/// Stores of a batch with a conflict what stands before and behind it.
#[derive(Debug, Default)]
pub(crate) struct BatchHalfStored;

#[async_trait]
impl Broken for BatchHalfStored {
    async fn submit(&self, good: &Good, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        let answer = good.queue.submit(tasks.clone()).await;
        if failed_as(&answer, ErrorKind::Conflict) {
            for task in tasks {
                // one of them is the conflict
                let _ = good.queue.submit(vec![task]).await;
            }
        }
        answer
    }
}

/// Loses the last task of a batch, and says that it is stored.
#[derive(Debug, Default)]
pub(crate) struct BatchEndLost;

#[async_trait]
impl Broken for BatchEndLost {
    async fn submit(&self, good: &Good, mut tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        if !(2..=MAX_BATCH).contains(&tasks.len()) {
            return good.queue.submit(tasks).await;
        }
        let last = tasks.pop().filter(|last| tasks.iter().any(|task| task.id == last.id));
        tasks.extend(last);
        let mut answer = good.queue.submit(tasks).await?;
        answer.push(Submitted::New);
        Ok(answer)
    }
}

/// Takes other content under a known id for the same.
#[derive(Debug, Default)]
pub(crate) struct ConflictAccepted;

#[async_trait]
impl Broken for ConflictAccepted {
    async fn submit(&self, good: &Good, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        let answer = good.queue.submit(tasks.clone()).await;
        if !failed_as(&answer, ErrorKind::Conflict) {
            return answer;
        }
        let mut answers = Vec::new();
        for task in tasks {
            let answer = good.queue.submit(vec![task]).await;
            answers.extend(answer.unwrap_or_else(|_| vec![Submitted::AlreadyKnown]));
        }
        Ok(answers)
    }
}

/// Refuses the same task under its id as another's.
#[derive(Debug, Default)]
pub(crate) struct SameTaskIsAConflict;

#[async_trait]
impl Broken for SameTaskIsAConflict {
    async fn submit(&self, good: &Good, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        let first = tasks.first().map(|task| task.id.clone());
        let answers = good.queue.submit(tasks).await?;
        match first.filter(|_| answers.contains(&Submitted::AlreadyKnown)) {
            Some(id) => Err(Error::new(ErrorKind::Conflict, "known").with_task(&id)),
            None => Ok(answers),
        }
    }
}

/// Says of a task that it knows that it is new.
#[derive(Debug, Default)]
pub(crate) struct KnownTaskIsNew;

#[async_trait]
impl Broken for KnownTaskIsNew {
    async fn submit(&self, good: &Good, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        let mut answers = good.queue.submit(tasks).await?;
        for answer in answers.iter_mut().filter(|answer| **answer == Submitted::AlreadyKnown) {
            *answer = Submitted::New;
        }
        Ok(answers)
    }
}

/// Takes batches of any size.
#[derive(Debug, Default)]
pub(crate) struct BatchLimitIgnored;

#[async_trait]
impl Broken for BatchLimitIgnored {
    async fn submit(&self, good: &Good, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        let answer = good.queue.submit(tasks.clone()).await;
        if tasks.len() < 2 || !failed_as(&answer, ErrorKind::TooLarge) {
            return answer;
        }
        let mut answers = Vec::new();
        for tasks in tasks.chunks(2) {
            answers.extend(good.queue.submit(tasks.to_vec()).await?);
        }
        Ok(answers)
    }
}

/// Takes an id that stands twice in one batch for one task.
#[derive(Debug, Default)]
pub(crate) struct IdTwiceAccepted;

#[async_trait]
impl Broken for IdTwiceAccepted {
    async fn submit(&self, good: &Good, mut tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        let mut ids = HashSet::new();
        let firsts: Vec<bool> = tasks.iter().map(|task| ids.insert(task.id.clone())).collect();
        let mut is_first = firsts.iter();
        tasks.retain(|_| is_first.next() == Some(&true));
        let mut answers = good.queue.submit(tasks).await?.into_iter();
        let answer = |first| if first { answers.next() } else { Some(Submitted::AlreadyKnown) };
        Ok(firsts.into_iter().filter_map(answer).collect())
    }
}

/// Knows no deduplication keys.
#[derive(Debug, Default)]
pub(crate) struct DedupeIgnored;

impl Broken for DedupeIgnored {
    fn stores(&self, task: &mut Task) {
        task.dedupe = None;
    }
}

/// Keeps a deduplication key far beyond its window.
#[derive(Debug, Default)]
pub(crate) struct DedupeWindowIgnored;

impl Broken for DedupeWindowIgnored {
    fn stores(&self, task: &mut Task) {
        if let Some(dedupe) = &mut task.dedupe {
            dedupe.window = Duration::from_secs(24 * 3600);
        }
    }
}

/// Lets the last of a deduplication key win within a batch.
#[derive(Debug, Default)]
pub(crate) struct LastOfAKeyWins;

#[async_trait]
impl Broken for LastOfAKeyWins {
    async fn submit(&self, good: &Good, mut tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        let keyed = tasks.iter().any(|task| task.dedupe.is_some());
        if keyed {
            tasks.reverse();
        }
        let mut answers = good.queue.submit(tasks).await?;
        if keyed {
            answers.reverse();
        }
        Ok(answers)
    }
}

/// Looks at the deduplication key before the id.
#[derive(Debug, Default)]
pub(crate) struct KeyBeforeId;

#[async_trait]
impl Broken for KeyBeforeId {
    async fn submit(&self, good: &Good, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        let keyed = |task: &Task| task.dedupe.is_some().then(|| task.id.clone());
        let ids: Vec<Option<TaskId>> = tasks.iter().map(keyed).collect();
        let mut answers = good.queue.submit(tasks).await?;
        for (answer, id) in answers.iter_mut().zip(ids) {
            if let (Submitted::AlreadyKnown, Some(id)) = (&*answer, id) {
                *answer = Submitted::Duplicate(id);
            }
        }
        Ok(answers)
    }
}

/// Starts what is to start later at once.
#[derive(Debug, Default)]
pub(crate) struct DelayIgnored;

impl Broken for DelayIgnored {
    fn stores(&self, task: &mut Task) {
        task.delay = None;
    }
}

/// Knows no deadlines.
#[derive(Debug, Default)]
pub(crate) struct DeadlineIgnored;

impl Broken for DeadlineIgnored {
    fn stores(&self, task: &mut Task) {
        task.deadline = None;
    }
}

/// Keeps delayed tasks under their moment, one of each.
#[derive(Debug, Default)]
pub(crate) struct DueTogetherLost(Mutex<HashSet<Timestamp>>);

#[async_trait]
impl Broken for DueTogetherLost {
    async fn submit(&self, good: &Good, mut tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        let count = tasks.len();
        tasks.retain(|task| match task.delay {
            Some(When::At(moment)) => lock(&self.0).insert(moment),
            _ => true,
        });
        let mut answers = good.queue.submit(tasks).await?;
        answers.resize(count, Submitted::New);
        Ok(answers)
    }
}
