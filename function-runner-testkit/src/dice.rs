//! Chance that is the same on every machine and with every version of every library: each draw follows from the seed.

use std::{ops::Range, time::Duration};

/// A source of draws (SplitMix64, Steele, Lea and Flood 2014).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A source that follows from a seed and these numbers alone, whatever is drawn before or beside it.
    pub(crate) fn of(seed: u64, numbers: &[u64]) -> Self {
        let mix =
            |mut dice: Self, number: &u64| Self(dice.draw() ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        numbers.iter().fold(Self(seed), mix)
    }

    /// A source of its own that follows from this one: what is drawn from it shifts nothing else.
    pub(crate) fn split(&mut self) -> Self {
        Self(self.draw())
    }

    pub(crate) const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..n`; 0 where there is none.
    pub(crate) const fn below(&mut self, n: u64) -> u64 {
        let drawn = self.draw();
        if n == 0 { 0 } else { drawn % n }
    }

    /// One of `low..=high`.
    pub(crate) const fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True so often in a thousand.
    pub(crate) const fn per_mille(&mut self, chance: u64) -> bool {
        self.below(1000) < chance
    }

    /// The index of one of these, each as often as its number says.
    pub(crate) fn pick(&mut self, shares: &[u64]) -> usize {
        let mut drawn = self.below(shares.iter().sum());
        for (index, share) in shares.iter().enumerate() {
            if drawn < *share {
                return index;
            }
            drawn -= share;
        }
        0
    }

    /// As many as `expected` says on average.
    pub(crate) fn round(&mut self, expected: f64) -> u64 {
        let part = (expected.fract() * 1e6) as u64;
        expected as u64 + u64::from(self.below(1_000_000) < part)
    }

    /// From 0 to 1, without 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A time out of this range.
    pub(crate) fn within(&mut self, range: &Range<Duration>) -> Duration {
        range.start + range.end.saturating_sub(range.start).mul_f64(self.fraction())
    }
}
