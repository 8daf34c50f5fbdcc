//! A raster made half as wide and high, where a model makes twice as much as is asked for.

use std::f64::consts::PI;

/// A way to make an image half as wide and high.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halving {
    /// The cubic with `a = −0.75` through the nearest 4 × 4 pixels, as ncnn's `Interp` does it; at an edge the last
    /// pixel is repeated.
    Bicubic,
    /// The windowed sinc with three lobes, as wide as it must be so that nothing finer than a pixel is left: over the
    /// nearest 12 × 12 pixels; what would lie outside the image has no weight.
    Lanczos,
}

impl Halving {
    /// How many pixels of the source it looks at beyond the one at work, where a model makes four by four of one.
    pub(super) fn overlap(self) -> u32 {
        match self {
            Self::Bicubic => 1,
            Self::Lanczos => 2,
        }
    }
}

/// A way to halve, with its weights.
#[derive(Clone, Debug)]
pub(super) struct Halver {
    /// Of the pixels around a place, which lies between the middle two.
    weights: Vec<f32>,
    repeats: bool,
}

impl Halver {
    pub(super) fn new(halving: Halving) -> Self {
        match halving {
            Halving::Bicubic => {
                Self { weights: vec![-0.093_75, 0.593_75, 0.593_75, -0.093_75], repeats: true }
            }
            Halving::Lanczos => {
                let sinc = |x: f64| (PI * x).sin() / (PI * x);
                let weight = |x: f64| sinc(x) * sinc(x / 3.0);
                let exact: Vec<f64> = (0..12).map(|tap| weight((f64::from(tap) - 5.5) / 2.0)).collect();
                let sum: f64 = exact.iter().sum();
                Self { weights: exact.iter().map(|weight| (weight / sum) as f32).collect(), repeats: false }
            }
        }
    }

    /// How many pixels it looks at beyond the two that become one.
    fn reach(&self) -> i64 {
        self.weights.len() as i64 / 2 - 1
    }

    /// The pixels, and their weights, of a place of the result along a side of so many pixels.
    pub(super) fn taps(&self, at: u32, size: u32) -> impl Iterator<Item = (u32, f32)> + Clone {
        let first = 2 * i64::from(at) - self.reach();
        let last = i64::from(size) - 1;
        let places = (first..).zip(&self.weights);
        let inside = move |place: i64| (0..=last).contains(&place);
        let sum = if self.repeats {
            1.0
        } else {
            places.clone().filter(|(place, _)| inside(*place)).map(|(_, weight)| weight).sum::<f32>()
        };
        let kept = places.filter(move |(place, _)| self.repeats || inside(*place));
        kept.map(move |(place, weight)| (place.clamp(0, last) as u32, weight / sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_colour_stays_one_colour() {
        for halver in [Halving::Bicubic, Halving::Lanczos].map(Halver::new) {
            for size in [2, 4, 10, 40] {
                for at in 0..size / 2 {
                    let sum: f32 = halver.taps(at, size).map(|(_, weight)| weight).sum();
                    assert!((sum - 1.0).abs() < 1e-5, "{sum} at {at} of {size}");
                    assert!(halver.taps(at, size).all(|(place, _)| place < size));
                }
            }
        }
    }

    #[test]
    fn the_middle_lies_between_the_two_pixels() {
        for (halver, count) in [(Halver::new(Halving::Bicubic), 4), (Halver::new(Halving::Lanczos), 12)] {
            let taps: Vec<_> = halver.taps(10, 40).collect();
            assert_eq!((taps.len(), taps[count / 2 - 1].0, taps[count / 2].0), (count, 20, 21));
            let mirrored = taps.iter().zip(taps.iter().rev());
            assert!(mirrored.into_iter().all(|(left, right)| (left.1 - right.1).abs() < 1e-7));
        }
    }

    #[test]
    fn a_bicubic_edge_repeats_its_last_pixel() {
        let taps: Vec<_> = Halver::new(Halving::Bicubic).taps(0, 8).collect();
        assert_eq!(taps, [(0, -0.09375), (0, 0.59375), (1, 0.59375), (2, -0.09375)]);
    }
}
