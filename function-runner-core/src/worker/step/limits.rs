//! When attempts run out of time: the earliest is found without looking at the others.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use super::seats::{Held, Seat, Seats};

#[derive(Debug, Default)]
pub(super) struct Limits {
    heap: BinaryHeap<Reverse<(Duration, Seat)>>,
    /// How long the heap may grow before those that are over are thrown out.
    most: usize,
}

impl Limits {
    pub(super) fn push(&mut self, at: Duration, seat: Seat, seats: &Seats) {
        self.heap.push(Reverse((at, seat)));
        if self.heap.len() > self.most {
            self.heap.retain(|Reverse((_, seat))| is_live(seats, *seat));
            self.most = 2 * self.heap.len() + 64;
        }
    }

    /// The earliest limit of an attempt that goes on.
    pub(super) fn next(&mut self, seats: &Seats) -> Option<(Duration, Seat)> {
        while let Some(Reverse((at, seat))) = self.heap.peek() {
            if is_live(seats, *seat) {
                return Some((*at, *seat));
            }
            self.heap.pop();
        }
        None
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }
}

fn is_live(seats: &Seats, seat: Seat) -> bool {
    seats.get(seat).is_some_and(Held::is_live)
}
