//! Watching tasks: that each one's events rise, end once, and end as its task did.

use std::task::{Context, Poll};

use function_runner_core::{Event, EventKind, EventStream, Result, Seen, State};

use super::{
    callers::id,
    history::{NOBODY, What},
    ledger::Place,
    node::Pending,
    world::{Awoken, World},
};

/// A watch of one task.
struct Watched {
    task: u32,
    stage: Watching,
    seen: u64,
    end: Option<State>,
}

enum Watching {
    Opens(Pending<Result<EventStream>>),
    Reads(EventStream),
}

/// All watches there are and were.
#[derive(Default)]
pub(super) struct Watches {
    watches: Vec<Option<Watched>>,
    pub(super) open: usize,
    pub(super) all: u64,
    pub(super) events: u64,
}

impl World {
    pub(super) fn watch(&mut self, task: u32) {
        let executor = self.executor.clone();
        let open = Box::pin(async move { executor.watch(&id(task)?, Seen::default()).await });
        let place = self.callers.watches.watches.len() as u32;
        let stage = Watching::Opens(open);
        self.callers.watches.watches.push(Some(Watched { task, stage, seen: 0, end: None }));
        self.callers.watches.open += 1;
        self.callers.watches.all += 1;
        self.poll_watch(place);
    }

    pub(super) fn poll_watch(&mut self, place: u32) {
        let waker = self.waker(Awoken::Watch(place));
        let mut context = Context::from_waker(&waker);
        let Some(mut watched) = self.callers.watches.watches[place as usize].take() else { return };
        let open = loop {
            match &mut watched.stage {
                Watching::Opens(open) => match open.as_mut().poll(&mut context) {
                    Poll::Pending => break true,
                    Poll::Ready(Ok(stream)) => watched.stage = Watching::Reads(stream),
                    Poll::Ready(Err(error)) => {
                        self.ledger.violation(format!("watch: {error}"), watched.task, NOBODY);
                        break false;
                    }
                },
                Watching::Reads(stream) => match stream.as_mut().poll_next(&mut context) {
                    Poll::Pending => break true,
                    Poll::Ready(Some(Ok(event))) => self.read(&mut watched, event),
                    Poll::Ready(Some(Err(error))) => {
                        self.ledger.violation(format!("watch: {error}"), watched.task, NOBODY);
                        break false;
                    }
                    Poll::Ready(None) => {
                        self.read_all(&watched);
                        break false;
                    }
                },
            }
        };
        if open {
            self.callers.watches.watches[place as usize] = Some(watched);
        } else {
            self.callers.watches.open -= 1;
        }
    }

    fn read(&mut self, watched: &mut Watched, event: Event) {
        self.callers.watches.events += 1;
        let task = watched.task;
        if event.seq <= watched.seen {
            self.ledger.violation(format!("event {} after {}", event.seq, watched.seen), task, NOBODY);
        }
        watched.seen = event.seq;
        if watched.end.is_some() {
            self.ledger.violation("an event after the end", task, NOBODY);
        }
        let Some(state) = event.end() else { return };
        watched.end = Some(state);
        self.ledger.note(What::EndHeard, task, NOBODY, state as u64);
        self.ledger.ended(task, state);
        if let EventKind::Failed(failure) = &event.kind {
            self.failed(task, failure.code.as_deref());
        }
    }

    fn read_all(&mut self, watched: &Watched) {
        let place = self.ledger.entries[watched.task as usize].place;
        if watched.end.is_none_or(|end| place != Place::Ended(end)) {
            let text = format!("its events ended with {:?}", watched.end);
            self.ledger.violation(text, watched.task, NOBODY);
        }
    }
}
