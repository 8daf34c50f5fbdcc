//! The rows of the source around a row of tiles, and tiles cut out of them.

use std::{
    collections::VecDeque,
    io::{Read, Seek},
    ops::Range,
};

use super::{
    decode::Source,
    error::EnlargeError,
    frame::Framed,
    pixels::{Colours, Depth, Layout},
};

/// A fully transparent pixel takes its colour from the visible ones up to so many pixels away.
pub(super) const BLEED: u32 = 3;

/// Rows of the source, of which those are kept that the tiles at work look at.
pub(super) struct Window<'a, R: Read + Seek> {
    source: Source<'a, R>,
    rows: VecDeque<Vec<u8>>,
    /// The row of the image that stands first.
    first: u32,
}

impl<'a, R: Read + Seek> Window<'a, R> {
    pub(super) fn new(source: Source<'a, R>) -> Self {
        Self { source, rows: VecDeque::new(), first: 0 }
    }

    pub(super) fn layout(&self) -> Layout {
        self.source.layout
    }

    /// Moves on to these rows; what lies before them is gone for good.
    pub(super) fn advance(&mut self, rows: Range<u32>) -> Result<(), EnlargeError> {
        let mut spare = Vec::new();
        while self.first < rows.start {
            match self.rows.pop_front() {
                Some(row) => spare.push(row),
                None => {
                    let mut row = self.room(&mut spare);
                    self.source.read_row(&mut row)?;
                    spare.push(row);
                }
            }
            self.first += 1;
        }
        while self.first + (self.rows.len() as u32) < rows.end {
            let mut row = self.room(&mut spare);
            self.source.read_row(&mut row)?;
            self.rows.push_back(row);
        }
        Ok(())
    }

    fn room(&self, spare: &mut Vec<Vec<u8>>) -> Vec<u8> {
        let line = self.source.width as usize * self.source.layout.bytes_per_pixel();
        spare.pop().unwrap_or_else(|| vec![0; line])
    }

    /// What a network is given of this: red, green and blue of 0 to 1. Grey is given three times; a fully
    /// transparent pixel takes the mean colour of the visible ones within [`BLEED`], by their alpha, else black.
    pub(super) fn cut(&self, framed: &Framed, input: &mut Vec<f32>) {
        input.clear();
        for y in (0..framed.height).map(|at| framed.row(at)) {
            input.extend((0..framed.width).flat_map(|at| self.colour(framed.column(at), y)));
        }
    }

    fn colour(&self, x: u32, y: u32) -> [f32; 3] {
        match self.source.layout.colours {
            Colours::Grey => [self.sample(x, y, 0); 3],
            Colours::Rgb => self.pixel(x, y),
            Colours::GreyAlpha | Colours::Rgba if self.alpha(x, y) == 0.0 => self.around(x, y),
            Colours::GreyAlpha | Colours::Rgba => self.pixel(x, y),
        }
    }

    /// The colours of a pixel, as they are stored.
    fn pixel(&self, x: u32, y: u32) -> [f32; 3] {
        match self.source.layout.colours {
            Colours::Grey | Colours::GreyAlpha => [self.sample(x, y, 0); 3],
            Colours::Rgb | Colours::Rgba => std::array::from_fn(|channel| self.sample(x, y, channel)),
        }
    }

    /// The mean colour of the visible pixels around one that is not.
    fn around(&self, x: u32, y: u32) -> [f32; 3] {
        let near = |at: u32, size: u32| at.saturating_sub(BLEED)..(at + BLEED + 1).min(size);
        let (mut sum, mut total) = ([0.0; 3], 0.0);
        for y in near(y, self.source.height) {
            for x in near(x, self.source.width) {
                let alpha = self.alpha(x, y);
                if alpha > 0.0 {
                    let colours = self.pixel(x, y);
                    sum.iter_mut().zip(colours).for_each(|(sum, colour)| *sum += alpha * colour);
                    total += alpha;
                }
            }
        }
        if total > 0.0 { sum.map(|sum| sum / total) } else { sum }
    }

    /// The alpha of a pixel of 0 to 1, where the image has any.
    pub(super) fn alpha(&self, x: u32, y: u32) -> f32 {
        self.sample(x, y, self.source.layout.channels() - 1)
    }

    fn sample(&self, x: u32, y: u32, channel: usize) -> f32 {
        let row = &self.rows[(y - self.first) as usize];
        let at = x as usize * self.source.layout.channels() + channel;
        match self.source.layout.depth {
            Depth::Eight => f32::from(row[at]) / 255.0,
            Depth::Sixteen => f32::from(u16::from_be_bytes([row[2 * at], row[2 * at + 1]])) / 65_535.0,
        }
    }
}
