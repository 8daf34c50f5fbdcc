//! What a handle hears of its task: events, and the progress among them.

use std::{
    fmt,
    pin::Pin,
    task::{Context as Waker, Poll, ready},
};

use function_runner_core::{
    Event, EventKind, EventStream, Progress, Result, Seen, Stage, State, TaskId, TaskRecord,
};
use futures::{FutureExt as _, Stream, StreamExt as _, future::BoxFuture};

use crate::Runner;

/// What happens to a task until its end: a snapshot first, then each event.
///
/// An `Err` is the last item: the task can no longer be followed. A reader that falls behind gets a snapshot in
/// place of what it missed. It is a [`Stream`], and has a `next` of its own.
#[must_use = "events are told only while the stream is polled"]
pub struct Events {
    /// Keeps a local runner alive.
    _runner: Runner,
    id: TaskId,
    source: Source,
}

enum Source {
    Opening(BoxFuture<'static, Result<EventStream>>),
    Open(EventStream),
    Ended,
}

impl Events {
    pub(crate) fn new(runner: Runner, id: TaskId) -> Self {
        let (executor, watched) = (runner.executor().clone(), id.clone());
        let opening = async move { executor.watch(&watched, Seen::default()).await };
        Self { _runner: runner, id, source: Source::Opening(opening.boxed()) }
    }

    /// The next event; `None` behind the last.
    pub async fn next(&mut self) -> Option<Result<Event>> {
        std::future::poll_fn(|waker| self.poll_next_unpin(waker)).await
    }
}

impl Stream for Events {
    type Item = Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, waker: &mut Waker<'_>) -> Poll<Option<Result<Event>>> {
        let item = loop {
            match &mut self.source {
                Source::Opening(opening) => match ready!(opening.poll_unpin(waker)) {
                    Ok(events) => self.source = Source::Open(events),
                    Err(error) => break Some(Err(error)),
                },
                Source::Open(events) => break ready!(events.poll_next_unpin(waker)),
                Source::Ended => return Poll::Ready(None),
            }
        };
        if !matches!(&item, Some(Ok(event)) if !event.is_terminal()) {
            self.source = Source::Ended;
        }
        Poll::Ready(item.map(|event| event.map_err(|error| error.with_task(&self.id))))
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Events(task {})", self.id)
    }
}

/// How far a task is, until its end; the latest replaces those before.
///
/// While the task waits, and again while it waits for another attempt, the stage is
/// [`Queued`](Stage::Queued) and the message says why. It ends with the task, or when the task can no longer be
/// followed. It is a [`Stream`], and has a `next` of its own.
#[derive(Debug)]
#[must_use = "progress is told only while the stream is polled"]
pub struct ProgressStream(Events);

impl ProgressStream {
    pub(crate) const fn new(events: Events) -> Self {
        Self(events)
    }

    /// The next progress; `None` when the task has ended or can no longer be followed.
    pub async fn next(&mut self) -> Option<Progress> {
        std::future::poll_fn(|waker| self.poll_next_unpin(waker)).await
    }
}

impl Stream for ProgressStream {
    type Item = Progress;

    fn poll_next(mut self: Pin<&mut Self>, waker: &mut Waker<'_>) -> Poll<Option<Progress>> {
        loop {
            let Some(Ok(event)) = ready!(self.0.poll_next_unpin(waker)) else { return Poll::Ready(None) };
            if let Some(progress) = progress_of(event) {
                return Poll::Ready(Some(progress));
            }
        }
    }
}

/// How far the task is by this event, if it says so.
pub(crate) fn progress_of(event: Event) -> Option<Progress> {
    match event.kind {
        EventKind::Progress(progress) => Some(progress),
        EventKind::Snapshot(record) if record.state == State::Queued => Some(waiting(&record)),
        EventKind::Snapshot(record) => record.progress,
        EventKind::Retrying { failure, .. } => {
            Some(Progress::at(Stage::Queued, format!("is tried again: {failure}")))
        }
        EventKind::Released | EventKind::Lost | EventKind::Requeued => {
            Some(Progress::at(Stage::Queued, "waits again"))
        }
        _ => None,
    }
}

fn waiting(record: &TaskRecord) -> Progress {
    let message = match (record.not_before, record.ahead) {
        (Some(start), _) => format!("waits until {start}"),
        (None, Some(ahead @ 1..)) => format!("{ahead} ahead"),
        (None, _) => "waits for a worker".to_owned(),
    };
    Progress::at(Stage::Queued, message)
}
