//! Alpha beside a network: enlarged by Lanczos, as the standard quality does it.

use std::{
    io::{Read, Seek},
    ops::Range,
};

use super::{
    filter::{Factor, Filter, Taps},
    window::Window,
};
use crate::networks::Rect;

/// Enlarges the alpha of a part of an image, row by row.
pub(super) struct Alpha {
    factor: Factor,
    /// Pixels of the whole source, across and down.
    size: (u32, u32),
    /// The columns of the source that are enlarged.
    columns: Range<u32>,
    across: Vec<Taps<6>>,
    /// What the rows around a row of the result blend to, from three columns before the first.
    blended: Vec<f32>,
}

impl Alpha {
    pub(super) fn new(factor: Factor, size: (u32, u32)) -> Self {
        Self { factor, size, columns: 0..0, across: Vec::new(), blended: Vec::new() }
    }

    /// From now on the columns above this part of the source.
    pub(super) fn choose(&mut self, core: Rect) {
        let times = self.factor.times();
        self.columns = core.left..core.left + core.width;
        self.across.clear();
        let wide = self.columns.start * times..self.columns.end * times;
        let taps = |x| Taps::new(Filter::Lanczos3, self.factor, self.size.0, x);
        self.across.extend(wide.map(taps));
    }

    /// Alpha of 0 to 1 of a row of the result. The window holds the rows of the source up to three away.
    pub(super) fn row<R: Read + Seek>(&mut self, window: &Window<'_, R>, y: u32, row: &mut Vec<f32>) {
        let (width, height) = self.size;
        let down = Taps::<6>::new(Filter::Lanczos3, self.factor, height, y);
        let rows = down.places(height).map(|place| place as u32);
        let left = self.columns.start.saturating_sub(3);
        let right = (self.columns.end + 3).min(width);
        self.blended.clear();
        self.blended.extend((left..right).map(|x| {
            let taps = rows.iter().zip(down.weights);
            taps.map(|(y, weight)| weight * window.alpha(x, *y)).sum::<f32>()
        }));
        row.clear();
        row.extend(self.across.iter().map(|across| {
            let taps = across.places(width).into_iter().zip(across.weights);
            let sum: f32 = taps.map(|(place, weight)| weight * self.blended[place - left as usize]).sum();
            sum.clamp(0.0, 1.0)
        }));
    }
}
