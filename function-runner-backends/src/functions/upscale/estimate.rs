//! How long an image will take, before the work and in its midst.

use std::{
    io::{Read, Seek},
    time::Duration,
};

use super::{
    decode,
    error::{EnlargeError, PIXEL_LIMIT, SIDE_LIMIT},
    filter::Factor,
    frame::FRAME,
    network::{Network, Way},
    speeds::Speeds,
};
use crate::networks::Tiling;

/// About how many pixels a tile has.
const TILE: u64 = 400_000;

/// For each model: how far its tiles overlap.
const OVERLAPS: [(&str, u32); 6] = [
    ("esrgan-medium-x2", 18),
    ("esrgan-medium-x4", 18),
    ("esrgan-slim-x2", 10),
    ("esrgan-slim-x4", 10),
    ("esrgan-thick-x4", 8),
    ("realesr-animevideov3-x4", 18),
];

/// Seconds that filters take for a million pixels of the result: as measured for Lanczos to a PNG, where the encoder
/// sets the pace on any number of threads.
const FILTERED: f64 = 0.025;

/// The size of an image, as its header says it: pixels across and down as they are stored.
///
/// # Errors
///
/// As [`enlarge`](super::enlarge()) for what can be told from the header.
pub fn size(source: impl Read + Seek) -> Result<(u32, u32), EnlargeError> {
    decode::size(source)
}

/// How long an image of this size takes, at these speeds and on so many threads.
///
/// A good guess for a machine that does nothing else: it knows of tiles and how they overlap, and leaves out the time
/// to load the model, to fetch the image and to store the result. `None` where there is no speed of the model, and for
/// images that are [too large](EnlargeError::TooLarge).
///
/// # Examples
///
/// ```
/// use function_runner_backends::functions::upscale::{Factor, Network, Speeds, estimate};
///
/// let speeds = Speeds::built_in();
/// let short = estimate(Network::Lanczos, Factor::Four, (640, 480), 2, &speeds).unwrap();
/// let long = estimate(Network::ThickEnsemble, Factor::Four, (640, 480), 2, &speeds).unwrap();
/// assert!(long > 8 * short);
/// ```
#[must_use]
pub fn estimate(
    network: Network,
    factor: Factor,
    size: (u32, u32),
    threads: usize,
    speeds: &Speeds,
) -> Option<Duration> {
    if size.0.max(size.1) > SIDE_LIMIT || u64::from(size.0) * u64::from(size.1) >= PIXEL_LIMIT {
        return None;
    }
    let times = f64::from(factor.times());
    let seconds = match network.way(factor) {
        Way::Filtered(_) => f64::from(size.0) * f64::from(size.1) * times * times / 1e6 * FILTERED,
        Way::Rendered(rendering) => {
            let runs = if rendering.ensemble { 8.0 } else { 1.0 };
            computed(rendering.model, size)? * runs * speeds.of(rendering.model, threads)? / 1e6
        }
    };
    Some(Duration::from_secs_f64(seconds))
}

/// About how many source pixels are computed.
fn computed(model: &str, (width, height): (u32, u32)) -> Option<f64> {
    let (_, overlap) = OVERLAPS.iter().find(|(name, _)| *name == model)?;
    let fits = |across: u32, down: u32| u64::from(across) * u64::from(down) <= TILE;
    let (width, height) = (width + 2 * FRAME, height + 2 * FRAME);
    let all = f64::from(width) * f64::from(height);
    Some(Tiling::new(width, height, *overlap, &fits).map_or(all, |tiling| tiling.pixels() as f64))
}

/// How much time is left, from an estimate made before the work and from what is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Seconds a pixel, as it was thought before.
    before: f64,
}

/// The estimate counts like this share of the work, so that the first pixels, which are the slowest, do not alarm.
const TRUST: f64 = 0.02;

impl Pace {
    /// `whole` is the estimate for so many pixels.
    pub(super) fn new(whole: Duration, pixels: f64) -> Self {
        Self { before: whole.as_secs_f64() / pixels.max(1.0) }
    }

    /// What is left after `done` of `all` pixels took this long.
    pub(super) fn left(self, took: Duration, done: f64, all: f64) -> Duration {
        let trust = TRUST * all;
        let each = (took.as_secs_f64() + trust * self.before) / (done + trust).max(1.0);
        Duration::from_secs_f64((each * (all - done)).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlaps_are_counted() {
        let speeds = Speeds::built_in();
        let take = |network, size| estimate(network, Factor::Four, size, 2, &speeds).unwrap().as_secs_f64();
        let (small, large) = (take(Network::Thick, (500, 500)), take(Network::Thick, (2_000, 2_000)));
        assert!(large > 16.0 * small && large < 22.0 * small, "{small} {large}");
        let ensemble = take(Network::ThickEnsemble, (500, 500));
        assert!((ensemble - 8.0 * small).abs() < 1e-6);
    }

    #[test]
    fn every_model_has_its_tiles() {
        for model in crate::models::known() {
            assert!(computed(&model.name, (10, 10)).is_some(), "{}", model.name);
        }
    }

    #[test]
    fn what_is_left_goes_from_the_estimate_to_what_was_measured() {
        let pace = Pace::new(Duration::from_secs(100), 1000.0);
        let left = |took, done| pace.left(Duration::from_secs(took), done, 1000.0).as_secs_f64();
        assert!((left(0, 0.0) - 100.0).abs() < 1e-9);
        // half of it took four times as long as was thought
        assert!((180.0..200.0).contains(&left(200, 500.0)), "{}", left(200, 500.0));
        assert_eq!(left(300, 1000.0), 0.0);
    }
}
