//! Where a worker keeps its leases, each from its reply until nothing is left of it.

use std::{mem, sync::Arc, time::Duration};

use crate::{Checkpoint, Grant, LeaseKey, Outcome, Task, Usage};

/// Where a worker keeps one lease until nothing is left of it.
///
/// Its [`index`](Self::index) is small and used again by a later lease, which is another seat all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seat {
    index: u32,
    turn: u32,
}

impl Seat {
    /// A small number, of one lease at a time.
    #[must_use]
    pub const fn index(self) -> usize {
        self.index as usize
    }
}

/// Where a lease's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// It has not started: there was no room yet.
    Waiting,
    /// It runs.
    Running,
    /// It is over, or never was.
    Over,
}

/// What the queue knows of an attempt's end.
#[derive(Debug)]
pub(super) enum Answer {
    /// It has not ended.
    Open,
    /// It has, and the queue is to be told.
    Due(Outcome),
    /// The queue is being told.
    Sent(Outcome),
    /// The queue knows, or the lease was lost.
    Gone,
}

impl Answer {
    /// What to send, where there is something to send.
    pub(super) fn send(&mut self) -> Option<Outcome> {
        match mem::replace(self, Self::Gone) {
            Self::Due(outcome) => {
                *self = Self::Sent(outcome.clone());
                Some(outcome)
            }
            other => {
                *self = other;
                None
            }
        }
    }

    /// What is to be sent again.
    pub(super) fn unsend(&mut self) -> Option<&Outcome> {
        match mem::replace(self, Self::Gone) {
            Self::Sent(outcome) => *self = Self::Due(outcome),
            other => *self = other,
        }
        if let Self::Due(outcome) = self { Some(outcome) } else { None }
    }
}

#[derive(Debug)]
pub(super) struct Held {
    pub(super) key: LeaseKey,
    pub(super) task: Arc<Task>,
    pub(super) attempt: u32,
    /// Whether a worker holds one such at most.
    pub(super) suspect: bool,
    pub(super) lane: usize,
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) deadline: Option<Duration>,
    pub(super) body: Body,
    pub(super) started: Duration,
    /// What it holds of the machine, until nothing of it runs any more.
    pub(super) grant: Option<Grant>,
    pub(super) cancel_asked: bool,
    pub(super) answer: Answer,
    pub(super) usage: Usage,
}

impl Held {
    /// Whether its attempt goes on: it can still be ended from here.
    pub(super) const fn is_live(&self) -> bool {
        matches!((self.body, &self.answer), (Body::Running, Answer::Open))
    }

    const fn is_left(&self) -> bool {
        !matches!((self.body, &self.answer, &self.grant), (Body::Over, Answer::Gone, None))
    }
}

#[derive(Debug, Default)]
pub(super) struct Seats {
    slots: Vec<Slot>,
    free: Vec<u32>,
    open: usize,
    suspects: usize,
}

#[derive(Debug)]
struct Slot {
    turn: u32,
    held: Option<Held>,
}

impl Seats {
    pub(super) fn insert(&mut self, held: Held) -> Seat {
        self.open += 1;
        self.suspects += usize::from(held.suspect);
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index as usize];
            slot.turn = slot.turn.wrapping_add(1);
            slot.held = Some(held);
            return Seat { index, turn: slot.turn };
        }
        self.slots.push(Slot { turn: 0, held: Some(held) });
        // a worker's memory ends long before it holds 2^32 leases
        Seat { index: (self.slots.len() - 1) as u32, turn: 0 }
    }

    pub(super) fn get(&self, seat: Seat) -> Option<&Held> {
        let slot = self.slots.get(seat.index())?;
        slot.held.as_ref().filter(|_| slot.turn == seat.turn)
    }

    pub(super) fn get_mut(&mut self, seat: Seat) -> Option<&mut Held> {
        let slot = self.slots.get_mut(seat.index())?;
        slot.held.as_mut().filter(|_| slot.turn == seat.turn)
    }

    /// The queue knows how it ended, or it is another's by now.
    pub(super) fn close(&mut self, seat: Seat) {
        if let Some(held) = self.get_mut(seat)
            && !matches!(held.answer, Answer::Gone)
        {
            held.answer = Answer::Gone;
            self.open -= 1;
        }
    }

    /// Removes it if nothing is left of it; answers whether it did.
    pub(super) fn sweep(&mut self, seat: Seat) -> bool {
        if self.get(seat).is_none_or(Held::is_left) {
            return false;
        }
        let held = &mut self.slots[seat.index()].held;
        self.suspects -= usize::from(held.as_ref().is_some_and(|held| held.suspect));
        // dropped where it lies: it is large
        *held = None;
        self.free.push(seat.index);
        true
    }

    /// How many leases the queue has heard no end of.
    pub(super) const fn open(&self) -> usize {
        self.open
    }

    /// Whether there is a lease of a suspect, or anything left of one.
    pub(super) const fn has_suspect(&self) -> bool {
        self.suspects > 0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Seat, &Held)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let seat = Seat { index: index as u32, turn: slot.turn };
            Some((seat, slot.held.as_ref()?))
        })
    }
}
