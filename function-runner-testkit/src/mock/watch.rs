//! Watching a task of the mock.

use std::{collections::VecDeque, sync::Arc};

use function_runner_core::{Event, EventKind, EventStream, Phase, Seen, seq, turn_of};
use futures::{StreamExt as _, stream};

use super::entry::{Entry, Story};

/// How many events a reader may be behind before it gets a snapshot in their place.
const MAX_BEHIND: usize = 256;

struct Reader {
    entry: Arc<Entry>,
    seen: Seen,
    /// Which events were given, by their place; `None` before the first look.
    next: Option<usize>,
    ready: VecDeque<Event>,
    ended: bool,
}

/// What happens after what was seen.
pub(super) fn stream(entry: Arc<Entry>, seen: Seen) -> EventStream {
    let reader = Reader { entry, seen, next: None, ready: VecDeque::new(), ended: false };
    stream::unfold(reader, |mut reader| async move {
        let event = reader.following().await?;
        Some((Ok(event), reader))
    })
    .boxed()
}

impl Reader {
    async fn following(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.ended = event.is_terminal();
                return Some(event);
            }
            if self.ended {
                return None;
            }
            let entry = self.entry.clone();
            let told = entry.told.notified();
            self.look(&entry.story());
            if self.ready.is_empty() && !self.ended {
                told.await;
            }
        }
    }

    fn look(&mut self, story: &Story) {
        match self.next {
            Some(next) if story.events.len() - next <= MAX_BEHIND => {
                self.ready.extend(story.events[next..].iter().cloned());
            }
            _ => self.snapshot(story),
        }
        self.next = Some(story.events.len());
        if let Some(last) = self.ready.back() {
            self.seen.seq = self.seen.seq.max(last.seq);
        }
    }

    /// The task as it is, and the parts of its output that were not seen.
    fn snapshot(&mut self, story: &Story) {
        let (record, turn) = (&story.record, story.turns);
        let same_turn = turn_of(self.seen.seq) == turn;
        if record.seq > self.seen.seq {
            let kind = EventKind::Snapshot(Box::new(record.clone()));
            let at = record.finished_at.or(record.started_at).unwrap_or(record.created_at);
            self.ready.push_back(Event::new(record.seq, at, record.attempt, kind));
        } else if record.state.is_terminal() {
            self.ended = true;
        }
        if record.state.is_terminal() {
            return;
        }
        let from = if same_turn { self.seen.parts as usize } else { 0 };
        for (index, part) in story.parts.iter().enumerate().skip(from) {
            let kind = EventKind::OutputPart { turn, index: index as u64, part: part.clone() };
            let at = record.started_at.unwrap_or(record.created_at);
            self.ready.push_back(Event::new(
                record.seq.max(seq(turn, Phase::Running, 0)),
                at,
                record.attempt,
                kind,
            ));
        }
        self.seen.parts = story.parts.len() as u64;
    }
}
