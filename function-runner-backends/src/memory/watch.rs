//! Watching a task: a snapshot, then what happens, for thousands of readers of one task or of as many tasks.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll},
};

use function_runner_core::{By, Event, EventKind, Payload, Result, Seen, TaskId, turn_of};
use futures::Stream;

use super::{
    row::Row,
    store::{Shared, Store, unknown},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    wake::Wakes,
};
use crate::heard::{Found, Heard};

/// One reader's end in the store.
#[derive(Debug)]
pub(super) struct Watcher {
    heard: Mutex<Heard>,
    /// What its reader had seen when it came: up to there nothing is told, nor is anybody woken.
    seen: u64,
    /// Its place in the list of all watchers, used only under the store's lock.
    place: AtomicUsize,
}

impl Watcher {
    fn new(seen: u64) -> Self {
        Self { heard: Mutex::default(), seen, place: AtomicUsize::new(0) }
    }

    /// Whether its reader is to hear of what has this number.
    pub(super) const fn hears(&self, seq: u64) -> bool {
        seq > self.seen
    }

    /// Something happened; under the store's lock.
    fn hear(&self, event: &Arc<Event>, ends: bool, wakes: &mut Wakes) {
        // parts are told apart by turn and index, never by their number
        let is_part = matches!(event.kind, EventKind::OutputPart { .. });
        if !self.hears(event.seq) && !is_part && !ends {
            return;
        }
        let mut heard = self.heard();
        heard.ended |= ends;
        heard.add(event);
        if let Some(waker) = heard.sleeper() {
            wakes.push(waker);
        }
    }

    /// Wakes the reader, so that it looks at the tick.
    fn nudge(&self, wakes: &mut Wakes) {
        if let Some(waker) = self.heard().sleeper() {
            wakes.push(waker);
        }
    }

    fn next(&self, context: &Context<'_>) -> Found {
        self.heard().next(context)
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every watcher of a task that has not ended.
#[derive(Debug, Default)]
pub(super) struct Watching(Vec<Arc<Watcher>>);

impl Watching {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Wakes all of them: one that is polled serves the timers.
    pub(super) fn nudge(&self, wakes: &mut Wakes) {
        self.0.iter().for_each(|watcher| watcher.nudge(wakes));
    }

    fn add(&mut self, watcher: Arc<Watcher>) {
        watcher.place.store(self.0.len(), Ordering::Relaxed);
        self.0.push(watcher);
    }

    fn remove(&mut self, watcher: &Watcher) {
        let place = watcher.place.load(Ordering::Relaxed);
        self.0.swap_remove(place);
        if let Some(moved) = self.0.get(place) {
            moved.place.store(place, Ordering::Relaxed);
        }
    }
}

impl Store {
    /// Tells a task's watchers what happened; costs nothing where there are none.
    pub(super) fn say(&mut self, at: u32, kind: impl FnOnce(&Row) -> EventKind) {
        let row = &self.rows[at];
        if row.watchers.is_empty() {
            return;
        }
        let event = Arc::new(Event::new(row.seq(), self.now, row.attempt, kind(row)));
        row.watchers.iter().for_each(|watcher| watcher.hear(&event, false, &mut self.wakes));
    }

    /// Tells a task's watchers how it ended, and lets them go.
    pub(super) fn say_end(&mut self, at: u32) {
        let row = &mut self.rows[at];
        if row.watchers.is_empty() {
            return;
        }
        let watchers = std::mem::take(&mut row.watchers);
        let event = Arc::new(Event::new(row.seq(), self.now, row.attempt, end_of(row)));
        for watcher in watchers {
            watcher.hear(&event, true, &mut self.wakes);
            self.watching.remove(&watcher);
        }
    }

    /// What a reader who has seen so much is given first, and where what follows is heard; none where nothing does.
    fn open(&mut self, id: &TaskId, seen: Seen) -> Result<(View, Option<Reader>)> {
        self.serve(By::Caller);
        let at = self.find(id).ok_or_else(|| unknown(id))?;
        let first = self.view(at, seen);
        let row = &mut self.rows[at];
        if row.state.is_terminal() {
            return Ok((first, None));
        }
        let watcher = Arc::new(Watcher::new(seen.seq));
        row.watchers.push(watcher.clone());
        self.watching.add(watcher.clone());
        Ok((first, Some(Reader { watcher, at, number: row.number })))
    }

    /// The task as it is now, for a reader who has seen so much; then the parts it lacks.
    fn view(&self, at: u32, seen: Seen) -> View {
        let row = &self.rows[at];
        let seq = row.seq();
        let event = |kind| Event::new(seq, self.now, row.attempt, kind);
        let snapshot = (seq > seen.seq).then(|| event(EventKind::Snapshot(Box::new(self.record_of(at)))));
        // the snapshot of a task that has ended is the last item; its parts went with its last attempt
        let parts = row.more.as_ref().map_or(&[][..], |more| &more.parts);
        let from = if turn_of(seen.seq) == row.turns { seen.parts as usize } else { 0 };
        let lacking = parts.iter().enumerate().skip(from);
        let part = |(index, part): (usize, &Payload)| {
            event(EventKind::OutputPart { turn: row.turns, index: index as u64, part: part.clone() })
        };
        View { snapshot, parts: lacking.map(part).collect() }
    }

    /// A reader that fell behind starts anew where the task is now.
    fn catch_up(&mut self, id: &TaskId, reader: &Reader, seen: Seen) -> Result<View> {
        let same = |row: &&Row| row.number == reader.number;
        if self.rows.get(reader.at).filter(same).is_none() {
            return Err(unknown(id));
        }
        let mut heard = reader.watcher.heard();
        heard.catch_up();
        let row = &mut self.rows[reader.at];
        if heard.ended && !row.state.is_terminal() {
            // it ended and lives again, all while nobody read
            heard.ended = false;
            row.watchers.push(reader.watcher.clone());
            self.watching.add(reader.watcher.clone());
        }
        drop(heard);
        Ok(self.view(reader.at, seen))
    }

    /// A reader of an unfinished task goes.
    fn unwatch(&mut self, reader: &Reader) {
        if reader.watcher.heard().ended {
            return;
        }
        self.watching.remove(&reader.watcher);
        if let Some(row) = self.rows.get_mut(reader.at) {
            row.watchers.retain(|watcher| !Arc::ptr_eq(watcher, &reader.watcher));
        }
    }
}

/// As [`TaskRecord::end_event`](function_runner_core::TaskRecord::end_event), without a record.
fn end_of(row: &Row) -> EventKind {
    let failure = row.more.as_ref().and_then(|more| more.failure.as_ref());
    EventKind::of_end(row.state, row.output.as_ref(), failure)
}

/// What a reader is given before what it hears.
#[derive(Debug, Default)]
struct View {
    snapshot: Option<Event>,
    parts: VecDeque<Event>,
}

impl View {
    fn next(&mut self) -> Option<Event> {
        self.snapshot.take().or_else(|| self.parts.pop_front())
    }
}

/// Where a stream hears of its task.
#[derive(Debug)]
struct Reader {
    watcher: Arc<Watcher>,
    at: u32,
    number: u64,
}

/// The stream of one watch.
#[derive(Debug)]
pub(super) struct Watch {
    shared: Arc<Shared>,
    id: TaskId,
    seen: Seen,
    first: View,
    /// None once nothing more can come.
    reader: Option<Reader>,
}

impl Watch {
    pub(super) fn open(shared: &Arc<Shared>, id: &TaskId, seen: Seen) -> Result<Self> {
        let (opened, now) = shared.with(|store| (store.open(id, seen), store.now));
        let (first, reader) = opened?;
        if reader.is_some() {
            shared.start_ticking(now);
        }
        Ok(Self { shared: shared.clone(), id: id.clone(), seen, first, reader })
    }

    /// Gives this event, and is behind it from then on.
    fn give(&mut self, event: Event) -> Poll<Option<Result<Event>>> {
        if turn_of(event.seq) != turn_of(self.seen.seq) {
            self.seen.parts = 0;
        }
        self.seen.seq = event.seq;
        if let EventKind::OutputPart { index, .. } = event.kind {
            self.seen.parts = index + 1;
        }
        if event.is_terminal() {
            self.stop();
        }
        Poll::Ready(Some(Ok(event)))
    }

    fn stop(&mut self) {
        if let Some(reader) = self.reader.take() {
            let ended = reader.watcher.heard().ended;
            if !ended {
                self.shared.lock().unwatch(&reader);
            }
        }
    }
}

impl Stream for Watch {
    type Item = Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let mut ticked = false;
        loop {
            if let Some(event) = this.first.next() {
                return this.give(event);
            }
            let Some(reader) = &this.reader else { return Poll::Ready(None) };
            match reader.watcher.next(context) {
                Found::Event(event) => return this.give(Arc::unwrap_or_clone(event)),
                Found::Behind => {
                    match this.shared.with(|store| store.catch_up(&this.id, reader, this.seen)) {
                        Ok(view) => this.first = view,
                        Err(error) => {
                            this.stop();
                            return Poll::Ready(Some(Err(error)));
                        }
                    }
                }
                Found::Ended => this.stop(),
                Found::Nothing if !ticked && this.shared.ticks() => ticked = true,
                Found::Nothing => {
                    if ticked && this.shared.has_rung() {
                        context.waker().wake_by_ref();
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
    }
}
