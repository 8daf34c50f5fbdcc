//! How far the tasks of a batch are together.

use std::{
    fmt,
    pin::Pin,
    task::{Context as Waker, Poll, ready},
};

use function_runner_core::{Event, Progress, Result, TaskId};
use futures::{
    Stream, StreamExt as _,
    stream::{SelectAll, select_all},
};

use crate::{Events, Runner, events::progress_of};

/// How far a batch is: which task came further, and what that makes of all.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BatchProgress {
    /// The task that came further or ended.
    pub task: TaskId,
    /// The latest of that task.
    pub latest: Progress,
    /// Of all tasks together, from 0 to 1, each weighing the same and one that ended being whole; it never falls.
    pub fraction: f32,
    /// How many tasks have ended, however they did.
    pub ended: usize,
    /// How many tasks the batch has.
    pub tasks: usize,
}

/// The progress of a batch until its last task has ended, or none can be followed any more.
///
/// It is a [`Stream`], and has a `next` of its own.
#[must_use = "progress is told only while the stream is polled"]
pub struct BatchProgressStream {
    events: SelectAll<Numbered>,
    members: Vec<Member>,
    whole: f64,
    ended: usize,
}

struct Member {
    id: TaskId,
    latest: Progress,
    fraction: f32,
    ended: bool,
}

/// The events of one task, each with the place of the task in its batch.
struct Numbered {
    index: usize,
    events: Events,
}

impl BatchProgressStream {
    pub(crate) fn new(runner: &Runner, ids: &[TaskId]) -> Self {
        let events = |(index, id): (usize, &TaskId)| Numbered {
            index,
            events: Events::new(runner.clone(), id.clone()),
        };
        let member =
            |id: &TaskId| Member { id: id.clone(), latest: Progress::default(), fraction: 0.0, ended: false };
        Self {
            events: select_all(ids.iter().enumerate().map(events)),
            members: ids.iter().map(member).collect(),
            whole: 0.0,
            ended: 0,
        }
    }

    /// The next progress; `None` when all have ended or none can be followed any more.
    pub async fn next(&mut self) -> Option<BatchProgress> {
        std::future::poll_fn(|waker| self.poll_next_unpin(waker)).await
    }

    fn hear(&mut self, index: usize, event: Event) -> Option<BatchProgress> {
        let member = self.members.get_mut(index)?;
        let ended = event.is_terminal() && !member.ended;
        let progress = progress_of(event);
        if progress.is_none() && !ended {
            return None;
        }
        let progress = progress.unwrap_or_else(|| member.latest.clone());
        let fraction = if ended { 1.0 } else { progress.fraction.unwrap_or(0.0).max(member.fraction) };
        self.whole += f64::from(fraction) - f64::from(member.fraction);
        self.ended += usize::from(ended);
        *member = Member { id: member.id.clone(), latest: progress, fraction, ended: member.ended || ended };
        let (task, latest) = (member.id.clone(), member.latest.clone());
        let tasks = self.members.len();
        let fraction =
            if self.ended == tasks { 1.0 } else { (self.whole / tasks as f64).clamp(0.0, 1.0) as f32 };
        Some(BatchProgress { task, latest, fraction, ended: self.ended, tasks })
    }
}

impl Stream for BatchProgressStream {
    type Item = BatchProgress;

    fn poll_next(mut self: Pin<&mut Self>, waker: &mut Waker<'_>) -> Poll<Option<BatchProgress>> {
        loop {
            let Some((index, event)) = ready!(self.events.poll_next_unpin(waker)) else {
                return Poll::Ready(None);
            };
            if let Ok(event) = event
                && let Some(progress) = self.hear(index, event)
            {
                return Poll::Ready(Some(progress));
            }
        }
    }
}

impl fmt::Debug for BatchProgressStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BatchProgressStream({} of {} ended)", self.ended, self.members.len())
    }
}

impl Stream for Numbered {
    type Item = (usize, Result<Event>);

    fn poll_next(mut self: Pin<&mut Self>, waker: &mut Waker<'_>) -> Poll<Option<Self::Item>> {
        let index = self.index;
        self.events.poll_next_unpin(waker).map(|event| event.map(|event| (index, event)))
    }
}
