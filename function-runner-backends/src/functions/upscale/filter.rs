//! The two filters and their weights.

use std::f64::consts::PI;

/// How the new pixels are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filter {
    /// From the nearest 2 × 2 pixels: fast and soft.
    Bilinear,
    /// From the nearest 6 × 6 pixels, by the windowed sinc with three lobes: sharp, with a faint halo at hard edges.
    Lanczos3,
}

/// How many times wider and higher the result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factor {
    /// Twice.
    Two,
    /// Four times.
    Four,
}

impl Factor {
    /// As a number.
    #[must_use]
    pub fn times(self) -> u32 {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }
}

impl TryFrom<u8> for Factor {
    type Error = u8;

    fn try_from(times: u8) -> Result<Self, u8> {
        match times {
            2 => Ok(Self::Two),
            4 => Ok(Self::Four),
            other => Err(other),
        }
    }
}

/// The weights of one place of the result along one axis: of source pixels `first`, `first + 1` and so on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taps<const T: usize> {
    /// May lie outside the image; the weights there are 0.
    pub(super) first: i64,
    pub(super) weights: [f32; T],
}

impl<const T: usize> Taps<T> {
    /// The weights for place `at` of the result, of a source of `size` pixels. `T` is 2 for bilinear and 6 for
    /// Lanczos.
    ///
    /// Pixel centres lie at halves, so place `at` looks at the source at `(at + ½) / factor − ½`. What would be
    /// outside has no weight and the others are scaled up to a sum of 1: no border is made up.
    pub(super) fn new(filter: Filter, factor: Factor, size: u32, at: u32) -> Self {
        let centre = (f64::from(at) + 0.5) / f64::from(factor.times()) - 0.5;
        let first = centre.floor() as i64 - (T as i64 / 2 - 1);
        let inside = |place: i64| (0..i64::from(size)).contains(&place);
        let exact: [f64; T] = std::array::from_fn(|tap| {
            let place = first + tap as i64;
            if inside(place) { filter.weight(centre - place as f64) } else { 0.0 }
        });
        let sum: f64 = exact.iter().sum();
        Self { first, weights: exact.map(|weight| (weight / sum) as f32) }
    }

    /// The source pixel of each weight, brought inside where the weight is 0.
    pub(super) fn places(&self, size: u32) -> [usize; T] {
        std::array::from_fn(|tap| (self.first + tap as i64).clamp(0, i64::from(size) - 1) as usize)
    }
}

impl Filter {
    fn weight(self, distance: f64) -> f64 {
        match self {
            Self::Bilinear => (1.0 - distance.abs()).max(0.0),
            Self::Lanczos3 if distance.abs() < 3.0 => sinc(distance) * sinc(distance / 3.0),
            Self::Lanczos3 => 0.0,
        }
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}
