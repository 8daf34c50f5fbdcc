//! How samples lie in a row, and their way to numbers and back.
//!
//! Filters compute on `f32` in the source's own scale (0 to 255 or 0 to 65,535) with colours premultiplied by
//! alpha, so that the colour of invisible pixels never bleeds into visible ones.

/// What a pixel consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    Grey,
    GreyAlpha,
    Rgb,
    Rgba,
}

/// Bits of a sample; those of 16 bits lie high byte first, as in a PNG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    Eight,
    Sixteen,
}

/// How the samples of a row lie: interleaved, without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) colours: Colours,
    pub(super) depth: Depth,
}

impl Layout {
    pub(super) fn channels(self) -> usize {
        match self.colours {
            Colours::Grey => 1,
            Colours::GreyAlpha => 2,
            Colours::Rgb => 3,
            Colours::Rgba => 4,
        }
    }

    pub(super) fn bytes_per_pixel(self) -> usize {
        match self.depth {
            Depth::Eight => self.channels(),
            Depth::Sixteen => 2 * self.channels(),
        }
    }

    /// The value of a full sample.
    pub(super) fn full(self) -> f32 {
        match self.depth {
            Depth::Eight => 255.0,
            Depth::Sixteen => 65_535.0,
        }
    }

    pub(super) fn has_alpha(self) -> bool {
        matches!(self.colours, Colours::GreyAlpha | Colours::Rgba)
    }

    /// What a JPEG can hold of it: eight bits, no alpha.
    pub(super) fn opaque(self) -> Self {
        let colours = match self.colours {
            Colours::Grey | Colours::GreyAlpha => Colours::Grey,
            Colours::Rgb | Colours::Rgba => Colours::Rgb,
        };
        Self { colours, depth: Depth::Eight }
    }
}

/// Turns a row of samples into premultiplied numbers.
pub(super) fn load(row: &[u8], layout: Layout, values: &mut [f32]) {
    match layout.depth {
        Depth::Eight => {
            for (value, sample) in values.iter_mut().zip(row) {
                *value = f32::from(*sample);
            }
        }
        Depth::Sixteen => {
            let (pairs, _) = row.as_chunks::<2>();
            for (value, pair) in values.iter_mut().zip(pairs) {
                *value = f32::from(u16::from_be_bytes(*pair));
            }
        }
    }
    match layout.colours {
        Colours::Grey | Colours::Rgb => {}
        Colours::GreyAlpha => premultiply::<2>(values, layout.full()),
        Colours::Rgba => premultiply::<4>(values, layout.full()),
    }
}

fn premultiply<const N: usize>(values: &mut [f32], full: f32) {
    let (pixels, _) = values.as_chunks_mut::<N>();
    for pixel in pixels {
        let share = pixel[N - 1] / full;
        pixel[..N - 1].iter_mut().for_each(|colour| *colour *= share);
    }
}

/// Turns filtered numbers into samples: clamped, rounded, no longer premultiplied.
///
/// `to` is `from` itself or its opaque form; transparent parts then lie on white. The numbers are used up.
pub(super) fn store(values: &mut [f32], from: Layout, to: Layout, row: &mut [u8]) {
    if to == from {
        match from.colours {
            Colours::Grey | Colours::Rgb => {}
            Colours::GreyAlpha => unmultiply::<2>(values, from.full()),
            Colours::Rgba => unmultiply::<4>(values, from.full()),
        }
        return quantise(values, from.depth, row);
    }
    let kept = match from.colours {
        Colours::Grey | Colours::Rgb => values.len(),
        Colours::GreyAlpha => flatten::<2>(values, from.full()),
        Colours::Rgba => flatten::<4>(values, from.full()),
    };
    if from.depth == Depth::Sixteen {
        values[..kept].iter_mut().for_each(|value| *value *= 255.0 / 65_535.0);
    }
    quantise(&mut values[..kept], to.depth, row);
}

fn unmultiply<const N: usize>(values: &mut [f32], full: f32) {
    let (pixels, _) = values.as_chunks_mut::<N>();
    for pixel in pixels {
        let alpha = pixel[N - 1].clamp(0.0, full);
        // Below half a step alpha is stored as 0 and the colour is nobody's business: black, as compressors like it.
        let gain = if alpha < 0.5 { 0.0 } else { full / alpha };
        pixel[..N - 1].iter_mut().for_each(|colour| *colour *= gain);
        pixel[N - 1] = alpha;
    }
}

/// Lays pixels on white and packs them to the front; says how many numbers are left.
fn flatten<const N: usize>(values: &mut [f32], full: f32) -> usize {
    let pixels = values.len() / N;
    for at in 0..pixels {
        let rest = full - values[at * N + N - 1].clamp(0.0, full);
        for channel in 0..N - 1 {
            values[at * (N - 1) + channel] = values[at * N + channel] + rest;
        }
    }
    pixels * (N - 1)
}

/// Adding this leaves a number of 0 to 65,535, rounded, in the low bits of an `f32`: unlike `as`, it vectorises.
const ROUNDER: f32 = 8_388_608.0;

fn quantise(values: &mut [f32], depth: Depth, row: &mut [u8]) {
    match depth {
        Depth::Eight => {
            for (sample, value) in row.iter_mut().zip(values) {
                *sample = (value.clamp(0.0, 255.0) + ROUNDER).to_bits() as u8;
            }
        }
        Depth::Sixteen => {
            let (pairs, _) = row.as_chunks_mut::<2>();
            for (pair, value) in pairs.iter_mut().zip(values) {
                *pair = ((value.clamp(0.0, 65_535.0) + ROUNDER).to_bits() as u16).to_be_bytes();
            }
        }
    }
}
