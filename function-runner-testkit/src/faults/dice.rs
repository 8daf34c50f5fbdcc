//! Numbers that depend on seed, kind and count alone.

use std::{ops::Range, time::Duration};

use super::Call;

/// A row of numbers drawn from the hash of a seed, a call and its count: whatever ran before or beside it, the same.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64, call: Call, nth: u64) -> Self {
        let mut dice = Self(seed);
        for part in [call as u64 + 1, nth] {
            dice.0 = dice.next() ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        dice
    }

    /// Of one more thing that happens to the same call.
    pub(super) fn again(seed: u64, call: Call, nth: u64, round: u64) -> Self {
        let mut dice = Self::new(seed, call, nth);
        dice.0 ^= (round + 1).wrapping_mul(0xd1b5_4a32_d192_ed03);
        dice
    }

    /// The next number: `splitmix64`, by Steele, Lea and Flood.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to 1, without 1.
    pub(super) fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub(super) fn within(&mut self, range: &Range<Duration>) -> Duration {
        range.start + range.end.saturating_sub(range.start).mul_f64(self.fraction())
    }
}
