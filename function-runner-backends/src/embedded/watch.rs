//! Watching a task: a snapshot, then what happens here, and what other processes tell.

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use function_runner_core::{By, Event, EventKind, Result, Seen, TaskId, turn_of};
use futures::{Stream, future::BoxFuture};

use super::{
    desk::Desk,
    fault::Step,
    row::Row,
    store::{News, Store, unknown},
};
use crate::heard::{Found, Heard};

/// One reader's end in the store.
#[derive(Debug, Default)]
pub(super) struct Ear(Mutex<Place>);

/// What a reader has to hear, and how far it has heard.
#[derive(Debug, Default)]
struct Place {
    heard: Heard,
    /// The number of the latest event that was heard, and of the latest change of state.
    last: u64,
    base: u64,
}

impl Ear {
    fn place(&self) -> MutexGuard<'_, Place> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its reader is given the task as it is by this row, unless it had seen more: up to there nothing is told.
    fn stand_at(&self, row: &Row, seen: u64) {
        let mut place = self.place();
        (place.last, place.base) = (row.seq().max(seen), row.base());
        place.heard.catch_up();
        place.heard.ended = row.state.is_terminal();
    }

    /// Something happened; answers whether it was the end.
    fn hear(&self, behind: u64, event: &Arc<Event>) -> bool {
        let mut place = self.place();
        // parts are told apart by turn and index, never by their number
        let is_part = matches!(event.kind, EventKind::OutputPart { .. });
        let is_new = event.seq > place.last || is_part && event.seq >= place.base;
        if !is_new {
            // a change that its reader had seen before is no gap
            place.base = place.base.max(event.seq >> 32 << 32);
        }
        if !is_new || place.heard.is_behind() {
            return place.heard.ended;
        }
        if behind > place.base {
            place.heard.fall_behind();
        } else {
            place.last = place.last.max(event.seq);
            place.base = event.seq >> 32 << 32;
            place.heard.add(event);
        }
        place.heard.ended = event.is_terminal();
        let ended = place.heard.ended;
        wake(place);
        ended
    }

    /// Something may have been missed: the reader is to look for itself.
    fn miss(&self) {
        let mut place = self.place();
        place.heard.fall_behind();
        wake(place);
    }
}

fn wake(mut place: MutexGuard<'_, Place>) {
    let waker = place.heard.sleeper();
    drop(place);
    waker.into_iter().for_each(Waker::wake);
}

/// The readers of this process, by task.
#[derive(Debug, Default)]
pub(super) struct Watching {
    ears: HashMap<i64, Vec<Arc<Ear>>>,
    /// Of what the last look for what was missed found untold, what had been told by then.
    untold: HashMap<i64, u64>,
}

impl Watching {
    pub(super) fn is_empty(&self) -> bool {
        self.ears.is_empty()
    }

    pub(super) fn watches(&self, number: i64) -> bool {
        self.ears.contains_key(&number)
    }

    fn add(&mut self, number: i64, ear: Arc<Ear>) {
        self.ears.entry(number).or_default().push(ear);
    }

    fn remove(&mut self, number: i64, ear: &Arc<Ear>) {
        if let Some(ears) = self.ears.get_mut(&number) {
            ears.retain(|other| !Arc::ptr_eq(other, ear));
            if ears.is_empty() {
                self.ears.remove(&number);
            }
        }
    }

    /// Tells the readers of a task what happened to it.
    pub(super) fn tell(&mut self, news: News) {
        let Some(ears) = self.ears.get_mut(&news.number) else { return };
        let event = Arc::new(news.event);
        ears.retain(|ear| !ear.hear(news.behind, &event));
        if ears.is_empty() {
            self.ears.remove(&news.number);
        }
    }

    /// Has the readers of a task look for themselves.
    pub(super) fn miss(&mut self, number: i64) {
        self.ears.remove(&number).unwrap_or_default().iter().for_each(|ear| ear.miss());
    }

    fn latest(&self) -> Vec<(i64, u64)> {
        let last = |ears: &Vec<Arc<Ear>>| ears.iter().map(|ear| ear.place().last).min().unwrap_or_default();
        self.ears.iter().map(|(number, ears)| (*number, last(ears))).collect()
    }
}

/// What a reader is given before what it hears.
#[derive(Debug, Default)]
pub(super) struct View {
    number: i64,
    snapshot: Option<Event>,
    parts: VecDeque<Event>,
    ended: bool,
}

impl View {
    fn next(&mut self) -> Option<Event> {
        self.snapshot.take().or_else(|| self.parts.pop_front())
    }
}

impl Store {
    /// What a reader who has seen so much is given; what follows is heard by its ear.
    pub(super) fn watch(&mut self, id: &TaskId, seen: Seen, ear: &Arc<Ear>) -> Step<View> {
        self.serve(By::Caller)?;
        let row = self.known(id)?;
        self.show_watching()?;
        self.view(&row, seen, ear)
    }

    /// The task as it is now, for a reader who has seen so much; then the parts it lacks.
    fn view(&mut self, row: &Row, seen: Seen, ear: &Arc<Ear>) -> Step<View> {
        let seq = row.seq();
        let (now, attempt) = (self.wall, row.attempt);
        let event = |kind| Event::new(seq, now, attempt, kind);
        let mut snapshot = None;
        if seq > seen.seq {
            snapshot = Some(event(EventKind::Snapshot(Box::new(self.record_of(row)?))));
        }
        // the snapshot of a task that has ended is the last item; its parts went with its last attempt
        let from = if turn_of(seen.seq) == row.turns { seen.parts } else { 0 };
        let turn = row.turns;
        let parts = if row.parts { self.parts(row.number, from)? } else { Vec::new() };
        let parts = parts
            .into_iter()
            .map(|(index, part)| event(EventKind::OutputPart { turn, index, part }))
            .collect();
        let ended = row.state.is_terminal();
        ear.stand_at(row, seen.seq);
        if !ended {
            self.watching.add(row.number, ear.clone());
        }
        Ok(View { number: row.number, snapshot, parts, ended })
    }

    /// A reader that fell behind starts anew where the task is now.
    fn catch_up(&mut self, id: &TaskId, number: i64, seen: Seen, ear: &Arc<Ear>) -> Step<View> {
        self.watching.remove(number, ear);
        match self.find(id)?.filter(|row| row.number == number) {
            Some(row) => self.view(&row, seen, ear),
            None => Err(unknown(id).into()),
        }
    }

    /// Looks whether something happened to the watched tasks of which nobody told, not since the last look either:
    /// what has just happened is on its way.
    pub(super) fn look_for_missed(&mut self) -> Step<()> {
        let before = std::mem::take(&mut self.watching.untold);
        for (number, last) in self.watching.latest() {
            if self.row(number)?.is_some_and(|row| row.seq() <= last) {
                continue;
            }
            if before.get(&number) == Some(&last) {
                self.watching.miss(number);
            } else {
                self.watching.untold.insert(number, last);
            }
        }
        Ok(())
    }
}

/// The stream of one watch.
pub(super) struct Watch {
    desk: Arc<Desk>,
    id: TaskId,
    seen: Seen,
    first: View,
    ear: Arc<Ear>,
    /// A look that is under way.
    look: Option<BoxFuture<'static, Result<View>>>,
    done: bool,
}

impl Watch {
    pub(super) async fn open(desk: &Arc<Desk>, id: &TaskId, seen: Seen) -> Result<Self> {
        let ear = Arc::new(Ear::default());
        let (task, own) = (id.clone(), ear.clone());
        let first = desk.call(false, move |store| store.watch(&task, seen, &own)).await?;
        let desk = desk.clone();
        Ok(Self { desk, id: id.clone(), seen, first, ear, look: None, done: false })
    }

    /// Gives this event, and is behind it from then on; none where it was given before.
    fn give(&mut self, event: Event) -> Option<Poll<Option<Result<Event>>>> {
        if turn_of(event.seq) != turn_of(self.seen.seq) {
            self.seen.parts = 0;
        }
        if let EventKind::OutputPart { index, .. } = event.kind {
            if index < self.seen.parts {
                return None;
            }
            self.seen.parts = index + 1;
        }
        self.seen.seq = self.seen.seq.max(event.seq);
        if event.is_terminal() {
            self.stop();
        }
        Some(Poll::Ready(Some(Ok(event))))
    }

    fn catch_up(&mut self) {
        let (id, number, seen, ear) = (self.id.clone(), self.first.number, self.seen, self.ear.clone());
        let desk = self.desk.clone();
        let look =
            async move { desk.call(false, move |store| store.catch_up(&id, number, seen, &ear)).await };
        self.look = Some(Box::pin(look));
    }

    fn stop(&mut self) {
        // who heard the end is on no list any more
        if !std::mem::replace(&mut self.done, true) && !self.ear.place().heard.ended {
            let (number, ear) = (self.first.number, self.ear.clone());
            self.desk.post(move |store| {
                store.watching.remove(number, &ear);
                Ok(())
            });
        }
    }
}

impl Stream for Watch {
    type Item = Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(look) = &mut this.look {
                let Poll::Ready(view) = look.as_mut().poll(context) else { return Poll::Pending };
                this.look = None;
                match view {
                    Ok(view) => this.first = view,
                    // the file may work again: only a task that is gone is
                    Err(error) => {
                        this.stop();
                        return Poll::Ready(Some(Err(error)));
                    }
                }
            }
            if let Some(event) = this.first.next() {
                match this.give(event) {
                    Some(given) => return given,
                    None => continue,
                }
            }
            if this.done {
                return Poll::Ready(None);
            }
            if this.first.ended {
                this.stop();
                continue;
            }
            let found = this.ear.place().heard.next(context);
            match found {
                Found::Event(event) => {
                    if let Some(given) = this.give(Arc::unwrap_or_clone(event)) {
                        return given;
                    }
                }
                Found::Behind => this.catch_up(),
                Found::Ended => this.stop(),
                Found::Nothing => return Poll::Pending,
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
    }
}
