//! Seeded chance.

use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};

/// Draws that a seed decides.
pub(crate) struct Dice(StdRng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below this one.
    pub(crate) fn below(&mut self, count: u64) -> u64 {
        self.0.random_range(0..count)
    }

    /// Whether one chance in so many comes true.
    pub(crate) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// One of these.
    pub(crate) fn of<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        if items.is_empty() { None } else { items.get(self.0.random_range(0..items.len())) }
    }
}
