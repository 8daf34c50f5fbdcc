//! What waits for one reader of a task: events in order, of progress the latest, and no more than so many.

use std::{
    collections::VecDeque,
    fmt,
    sync::Arc,
    task::{Context, Waker},
};

use function_runner_core::{Event, EventKind};

/// The most events that wait for one reader; one that falls further behind gets a snapshot in their place.
pub(crate) const MAX_HEARD: usize = 64;

/// What one reader has to hear.
#[derive(Default)]
pub(crate) struct Heard {
    events: VecDeque<Arc<Event>>,
    /// It fell behind, and what waited for it was thrown away.
    behind: bool,
    /// Nothing follows what waits.
    pub(crate) ended: bool,
    waker: Option<Waker>,
}

/// What a reader finds.
pub(crate) enum Found {
    Event(Arc<Event>),
    Behind,
    Ended,
    Nothing,
}

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heard")
            .field("events", &self.events.len())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl Heard {
    pub(crate) fn add(&mut self, event: &Arc<Event>) {
        let is_progress = |event: &Event| matches!(event.kind, EventKind::Progress(_));
        if self.behind {
            return;
        }
        if let Some(last) = self.events.back_mut()
            && is_progress(last)
            && is_progress(event)
        {
            // of progress only the latest counts
            last.clone_from(event);
        } else if self.events.len() == MAX_HEARD {
            self.fall_behind();
        } else {
            self.events.push_back(event.clone());
        }
    }

    /// What waited is thrown away: the reader has to look for itself.
    pub(crate) fn fall_behind(&mut self) {
        self.events = VecDeque::new();
        self.behind = true;
    }

    #[cfg(feature = "embedded")]
    pub(crate) const fn is_behind(&self) -> bool {
        self.behind
    }

    /// The reader has looked for itself.
    pub(crate) fn catch_up(&mut self) {
        self.behind = false;
        self.events.clear();
    }

    /// Whoever sleeps on it, to be woken.
    pub(crate) const fn sleeper(&mut self) -> Option<Waker> {
        self.waker.take()
    }

    /// What comes next; where there is nothing the reader is woken when there is.
    pub(crate) fn next(&mut self, context: &Context<'_>) -> Found {
        if self.behind {
            return Found::Behind;
        }
        if let Some(event) = self.events.pop_front() {
            return Found::Event(event);
        }
        if self.ended {
            return Found::Ended;
        }
        match &mut self.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Found::Nothing
    }
}
