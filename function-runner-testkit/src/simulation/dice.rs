//! Chance that is the same on every machine: each draw follows from the seed.

/// A source of draws (SplitMix64, Steele, Lea and Flood 2014).
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A source of its own that follows from this one: what is drawn from it shifts nothing else.
    pub(super) fn split(&mut self) -> Self {
        Self(self.draw())
    }

    pub(super) const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..n`; 0 where there is none.
    pub(super) const fn below(&mut self, n: u64) -> u64 {
        let drawn = self.draw();
        if n == 0 { 0 } else { drawn % n }
    }

    /// One of `low..=high`.
    pub(super) const fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True so often in a thousand.
    pub(super) const fn per_mille(&mut self, chance: u64) -> bool {
        self.below(1000) < chance
    }

    /// The index of one of these, each as often as its number says.
    pub(super) fn pick(&mut self, shares: &[u64]) -> usize {
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
    pub(super) fn round(&mut self, expected: f64) -> u64 {
        let part = (expected.fract() * 1e6) as u64;
        expected as u64 + u64::from(self.below(1_000_000) < part)
    }
}
