//! What can be wrong with a watch.

use std::{
    future::ready,
    sync::atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use function_runner_core::{
    Event, EventKind, EventStream, Executor as _, Finish, Finished, Progress, Queue as _, Report, Result,
    Seen, TaskId,
};
use futures::{StreamExt as _, stream};

use super::broken::{Broken, Good};

/// The same stream with each event replaced by these.
fn instead(events: EventStream, with: impl Fn(Event) -> Vec<Event> + Send + 'static) -> EventStream {
    let items = move |item: Result<Event>| match item {
        Ok(event) => with(event).into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error)],
    };
    events.flat_map(move |item| stream::iter(items(item))).boxed()
}

fn is_snapshot(event: &Event) -> bool {
    matches!(event.kind, EventKind::Snapshot(_))
}

fn is_part(event: &Event) -> bool {
    matches!(event.kind, EventKind::OutputPart { .. })
}

/// Begins a watch with what happens next.
#[derive(Debug, Default)]
pub(crate) struct SnapshotMissing;

impl Broken for SnapshotMissing {
    fn tells(&self, events: EventStream) -> EventStream {
        instead(
            events,
            |event| if is_snapshot(&event) && !event.is_terminal() { vec![] } else { vec![event] },
        )
    }
}

/// Tells every event twice.
#[derive(Debug, Default)]
pub(crate) struct EventTwice;

impl Broken for EventTwice {
    fn tells(&self, events: EventStream) -> EventStream {
        instead(events, |event| if event.is_terminal() { vec![event] } else { vec![event.clone(), event] })
    }
}

/// Tells an end twice.
#[derive(Debug, Default)]
pub(crate) struct EndTwice;

impl Broken for EndTwice {
    fn tells(&self, events: EventStream) -> EventStream {
        let is_end = |event: &Event| event.is_terminal() && !is_snapshot(event);
        instead(events, move |event| if is_end(&event) { vec![event.clone(), event] } else { vec![event] })
    }
}

/// Tells the end of a task that has ended behind its snapshot.
#[derive(Debug, Default)]
pub(crate) struct EndedSnapshotFollowed;

impl Broken for EndedSnapshotFollowed {
    fn tells(&self, events: EventStream) -> EventStream {
        let end = |event: &Event| match &event.kind {
            EventKind::Snapshot(record) if event.is_terminal() => Some(Event::new(
                event.seq,
                event.at,
                event.attempt,
                EventKind::Succeeded(record.output.clone()),
            )),
            _ => None,
        };
        instead(events, move |event| end(&event).map_or(vec![event.clone()], |end| vec![event, end]))
    }
}

/// Ends a watch without the terminal event.
#[derive(Debug, Default)]
pub(crate) struct EndMissing;

impl Broken for EndMissing {
    fn tells(&self, events: EventStream) -> EventStream {
        instead(
            events,
            |event| if event.is_terminal() && !is_snapshot(&event) { vec![] } else { vec![event] },
        )
    }
}

/// Says nothing of starts.
#[derive(Debug, Default)]
pub(crate) struct StateChangeMissing;

impl Broken for StateChangeMissing {
    fn tells(&self, events: EventStream) -> EventStream {
        let started = |event: &Event| matches!(event.kind, EventKind::Started { .. });
        instead(events, move |event| if started(&event) { vec![] } else { vec![event] })
    }
}

/// Says nothing of a cancel that was asked.
#[derive(Debug, Default)]
pub(crate) struct CancelNotTold;

impl Broken for CancelNotTold {
    fn tells(&self, events: EventStream) -> EventStream {
        instead(events, |event| if event.kind == EventKind::CancelRequested { vec![] } else { vec![event] })
    }
}

/// Numbers what a body tells like the start of its attempt.
#[derive(Debug, Default)]
pub(crate) struct SeqStandsStill;

impl Broken for SeqStandsStill {
    fn tells(&self, events: EventStream) -> EventStream {
        instead(events, |mut event| {
            if !is_snapshot(&event) && !is_part(&event) {
                event.seq &= !u64::from(u32::MAX);
            }
            vec![event]
        })
    }
}

/// Takes every reader for a new one.
#[derive(Debug, Default)]
pub(crate) struct ResumesAtTheStart;

#[async_trait]
impl Broken for ResumesAtTheStart {
    async fn watch(&self, good: &Good, id: &TaskId, after: Seen) -> Result<EventStream> {
        let parts = after.parts;
        good.queue.watch(id, Seen { seq: 0, parts }).await
    }
}

/// Forgets what happened while a reader was away.
#[derive(Debug, Default)]
pub(crate) struct ResumesAtTheEnd;

#[async_trait]
impl Broken for ResumesAtTheEnd {
    async fn watch(&self, good: &Good, id: &TaskId, after: Seen) -> Result<EventStream> {
        if after == Seen::default() {
            return good.queue.watch(id, after).await;
        }
        let record = good.queue.record(id).await?;
        let after = if record.state.is_terminal() { after } else { Seen { seq: record.seq, ..after } };
        good.queue.watch(id, after).await
    }
}

/// Keeps a reader waiting who has seen the end.
#[derive(Debug, Default)]
pub(crate) struct WatchAtTheEndHangs;

#[async_trait]
impl Broken for WatchAtTheEndHangs {
    async fn watch(&self, good: &Good, id: &TaskId, after: Seen) -> Result<EventStream> {
        let record = good.queue.record(id).await?;
        if record.state.is_terminal() && after.seq >= record.seq {
            return Ok(stream::pending().boxed());
        }
        good.queue.watch(id, after).await
    }
}

/// Ends the watch of a reader that falls behind.
#[derive(Debug, Default)]
pub(crate) struct ReaderBehindIsCut;

impl Broken for ReaderBehindIsCut {
    fn tells(&self, events: EventStream) -> EventStream {
        let again =
            |(place, item): &(usize, Result<Event>)| *place > 0 && item.as_ref().is_ok_and(is_snapshot);
        let whole = events.enumerate().take_while(move |numbered| ready(!again(numbered)));
        whole.map(|(_, item)| item).boxed()
    }
}

/// Ends a watch when its task is tried again.
#[derive(Debug, Default)]
pub(crate) struct WatchEndsWithAttempt;

impl Broken for WatchEndsWithAttempt {
    fn tells(&self, events: EventStream) -> EventStream {
        let retried = |item: &Result<Event>| {
            item.as_ref().is_ok_and(|event| matches!(event.kind, EventKind::Retrying { .. }))
        };
        events.take_while(move |item| ready(!retried(item))).boxed()
    }
}

/// Gives a reader that comes back the parts that it has seen.
#[derive(Debug, Default)]
pub(crate) struct PartsAgain;

#[async_trait]
impl Broken for PartsAgain {
    async fn watch(&self, good: &Good, id: &TaskId, after: Seen) -> Result<EventStream> {
        good.queue.watch(id, Seen { parts: 0, ..after }).await
    }
}

/// Tells a part behind what came after it.
#[derive(Debug, Default)]
pub(crate) struct PartsReordered;

impl Broken for PartsReordered {
    fn tells(&self, events: EventStream) -> EventStream {
        let held: Option<Result<Event>> = None;
        let swapped = stream::unfold((events, held), |(mut events, held)| async move {
            let next = match held {
                Some(item) => return Some((item, (events, None))),
                None => events.next().await?,
            };
            if next.as_ref().is_ok_and(is_part)
                && let Some(later) = events.next().await
            {
                return Some((later, (events, Some(next))));
            }
            Some((next, (events, None)))
        });
        swapped.boxed()
    }
}

/// Tells progress the wrong way round.
#[derive(Debug, Default)]
pub(crate) struct ProgressFalls;

impl Broken for ProgressFalls {
    fn tells(&self, events: EventStream) -> EventStream {
        instead(events, |mut event| {
            if let EventKind::Progress(Progress { fraction: Some(fraction), .. }) = &mut event.kind {
                *fraction = 1.0 - *fraction;
            }
            vec![event]
        })
    }
}

/// Tells progress nine times as often as it may.
#[derive(Debug, Default)]
pub(crate) struct ProgressFloods;

impl Broken for ProgressFloods {
    fn tells(&self, events: EventStream) -> EventStream {
        let earlier = |event: &Event, by| {
            let mut earlier = event.clone();
            earlier.seq -= by;
            earlier
        };
        instead(events, move |event| match &event.kind {
            EventKind::Progress(_) => (0..9).rev().map(|by| earlier(&event, by)).collect(),
            _ => vec![event],
        })
    }
}

/// Loses the progress that came with the end.
#[derive(Debug, Default)]
pub(crate) struct LastProgressLost;

#[async_trait]
impl Broken for LastProgressLost {
    async fn finish(&self, good: &Good, mut done: Vec<Finish>) -> Result<Vec<Finished>> {
        done.iter_mut().for_each(|finish| finish.last.progress = None);
        good.queue.finish(done).await
    }
}

/// Keeps no lines of logs.
#[derive(Debug, Default)]
pub(crate) struct LogsLost;

impl Broken for LogsLost {
    fn hears(&self, report: &mut Report) {
        report.logs.clear();
    }
}

/// Says nothing of the end to whoever comes after two hundred others.
#[derive(Debug, Default)]
pub(crate) struct LateWatchersForgotten(AtomicU32);

impl Broken for LateWatchersForgotten {
    fn tells(&self, events: EventStream) -> EventStream {
        if self.0.fetch_add(1, Ordering::Relaxed) < 200 {
            return events;
        }
        instead(
            events,
            |event| if event.is_terminal() && !is_snapshot(&event) { vec![] } else { vec![event] },
        )
    }
}
