//! How a convolution is cut into squares: Winograd's minimal filtering.
//!
//! Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015. A square of `side × side` inputs gives
//! `outputs × outputs` results by `side²` multiplications a channel instead of `outputs² · kernel²`: 5.1 times fewer
//! for 3×3, 6.25 times for 5×5. Both use the points 0, ±1, ±2, ±½ and ∞, so they share the transform of inputs.

use super::vector::Vector;

/// How a convolution is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// 1×1: every pixel for itself.
    Single,
    /// 3×3, six by six outputs.
    Three,
    /// 5×5, four by four outputs.
    Five,
}

/// The finite points at which polynomials are evaluated.
const POINTS: [f64; 7] = [0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5];

impl Scheme {
    /// The scheme of a kernel size, if there is one.
    pub(super) fn of(kernel: usize) -> Option<Self> {
        match kernel {
            1 => Some(Self::Single),
            3 => Some(Self::Three),
            5 => Some(Self::Five),
            _ => None,
        }
    }

    /// Side of the square of inputs.
    pub(super) fn side(self) -> usize {
        if self == Self::Single { 1 } else { 8 }
    }

    /// Side of the square of outputs.
    pub(super) fn outputs(self) -> usize {
        self.side() + 1 - self.kernel()
    }

    /// How far a result sees.
    pub(super) fn reach(self) -> usize {
        self.kernel() / 2
    }

    /// The numbers of a transformed square.
    pub(super) fn positions(self) -> usize {
        self.side() * self.side()
    }

    fn kernel(self) -> usize {
        match self {
            Self::Single => 1,
            Self::Three => 3,
            Self::Five => 5,
        }
    }

    /// `[side][kernel]`: what weights are multiplied by from both sides.
    pub(super) fn weight_matrix(self) -> Vec<Vec<f64>> {
        if self == Self::Single {
            return vec![vec![1.0]];
        }
        let mut rows: Vec<Vec<f64>> = POINTS
            .iter()
            .map(|point| {
                // the transform of inputs has the row of 0 negated
                let sign = if *point == 0.0 { -1.0 } else { 1.0 };
                let others = POINTS.iter().filter(|other| *other != point);
                let over: f64 = others.map(|other| point - other).product();
                (0..self.kernel()).map(|power| sign * point.powi(power as i32) / over).collect()
            })
            .collect();
        rows.push((0..self.kernel()).map(|power| f64::from(u8::from(power + 1 == self.kernel()))).collect());
        rows
    }
}

/// Transforms eight inputs.
#[inline(always)]
pub(super) fn input<V: Vector>(x: [V; 8]) -> [V; 8] {
    let first = x[0].sub(x[6]).plus(x[4].sub(x[2]), 5.25);
    let last = x[7].sub(x[1]).plus(x[3].sub(x[5]), 5.25);
    let (even, odd) = (x[2].add(x[6]).plus(x[4], -4.25), x[1].add(x[5]).plus(x[3], -4.25));
    let (one, minus_one) = (even.add(odd), even.sub(odd));
    let even = x[6].plus(x[2], 0.25).plus(x[4], -1.25);
    let odd = x[1].scale(0.5).plus(x[3], -2.5).plus(x[5], 2.0);
    let (two, minus_two) = (even.add(odd), even.sub(odd));
    let even = x[6].plus(x[2], 4.0).plus(x[4], -5.0);
    let odd = x[1].scale(2.0).plus(x[3], -2.5).plus(x[5], 0.5);
    let (half, minus_half) = (even.add(odd), even.sub(odd));
    [first, one, minus_one, two, minus_two, half, minus_half, last]
}

/// Transforms eight products into the outputs of a kernel of `9 − OUTPUTS`.
#[inline(always)]
pub(super) fn output<V: Vector, const OUTPUTS: usize>(m: [V; 8]) -> [V; OUTPUTS] {
    let (even1, odd1) = (m[1].add(m[2]), m[1].sub(m[2]));
    let (even2, odd2) = (m[3].add(m[4]), m[3].sub(m[4]));
    let (even3, odd3) = (m[5].add(m[6]), m[5].sub(m[6]));
    let mut results = [m[0].add(even1).add(even2.add(even3)); OUTPUTS];
    for (power, result) in results.iter_mut().enumerate().skip(1) {
        let by = (1 << power) as f32;
        let last = power + 1 == OUTPUTS;
        *result = match (power % 2, last) {
            (0, false) => even1.plus(even2, by).plus(even3, by.recip()),
            (0, true) => m[7].add(even1).plus(even2, by).plus(even3, by.recip()),
            (_, false) => odd1.plus(odd2, by).plus(odd3, by.recip()),
            (_, true) => m[7].add(odd1).plus(odd2, by).plus(odd3, by.recip()),
        };
    }
    results
}
