//! One tile through a network: once, or in all eight ways to flip and turn it.

use super::{error::EnlargeError, halve::Halver, network::Rendering};
use crate::networks::{Network, Rect, Session};

/// Bytes of a pixel as numbers.
const NUMBERS: u64 = 12;

/// Runs tiles, in buffers that it keeps.
pub(super) struct Tiler {
    session: Session,
    scale: u32,
    ways: &'static [Turn],
    input: Vec<f32>,
    turned: Vec<f32>,
    output: Vec<f32>,
    sum: Vec<f32>,
}

impl Tiler {
    pub(super) fn new(network: &Network, rendering: Rendering, threads: usize) -> Self {
        Self {
            session: network.session(threads),
            scale: network.plan().scale,
            ways: if rendering.ensemble { &Turn::ALL } else { &Turn::ALL[..1] },
            input: Vec::new(),
            turned: Vec::new(),
            output: Vec::new(),
            sum: Vec::new(),
        }
    }

    /// Bytes that tiles of this size take: what the session holds, and the numbers that go in and come out.
    pub(super) fn bytes(
        network: &Network,
        rendering: Rendering,
        threads: usize,
        width: u32,
        height: u32,
    ) -> u64 {
        let scale = u64::from(network.plan().scale);
        let numbers = u64::from(width) * u64::from(height) * NUMBERS * (1 + scale * scale);
        if rendering.ensemble {
            let session = |width, height| network.session_bytes(width, height, threads);
            2 * numbers + session(width, height).max(session(height, width))
        } else {
            numbers + network.session_bytes(width, height, threads)
        }
    }

    /// Where the next tile's pixels go: `[height][width][3]`.
    pub(super) fn input(&mut self) -> &mut Vec<f32> {
        &mut self.input
    }

    /// Runs the network on what [`input`](Self::input) was given. `told` hears the share that is done.
    pub(super) fn run(
        &mut self,
        width: u32,
        height: u32,
        stopped: &(dyn Fn() -> bool + Sync),
        told: &mut dyn FnMut(f32),
    ) -> Result<Raster<'_>, EnlargeError> {
        let (wide, high) = (width * self.scale, height * self.scale);
        let numbers = wide as usize * high as usize * 3;
        self.output.resize(numbers, 0.0);
        if let [_] = self.ways {
            let ran = self.session.run(width, height, &self.input, &mut self.output, stopped, told);
            ran.map_err(|_| EnlargeError::Stopped)?;
            return Ok(Raster { pixels: &self.output, width: wide, height: high });
        }
        self.sum.clear();
        self.sum.resize(numbers, 0.0);
        let count = self.ways.len() as f32;
        for (at, way) in self.ways.iter().enumerate() {
            let (across, down) = way.size(width, height);
            way.forth(&self.input, width, height, &mut self.turned);
            let mut share = |share: f32| told((at as f32 + share) / count);
            let ran = self.session.run(across, down, &self.turned, &mut self.output, stopped, &mut share);
            ran.map_err(|_| EnlargeError::Stopped)?;
            way.back(&self.output, wide, high, &mut self.sum);
        }
        self.sum.iter_mut().for_each(|sum| *sum /= count);
        Ok(Raster { pixels: &self.sum, width: wide, height: high })
    }
}

/// A way to flip and turn an image: mirrored, then perhaps exchanged across the diagonal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Turn {
    from_right: bool,
    from_bottom: bool,
    transposed: bool,
}

impl Turn {
    /// All eight; the first changes nothing.
    const ALL: [Self; 8] = {
        let mut all = [Self { from_right: false, from_bottom: false, transposed: false }; 8];
        let mut at = 0;
        while at < 8 {
            all[at] = Self { from_right: at & 1 != 0, from_bottom: at & 2 != 0, transposed: at & 4 != 0 };
            at += 1;
        }
        all
    };

    /// The turned size of an image.
    fn size(self, width: u32, height: u32) -> (u32, u32) {
        if self.transposed { (height, width) } else { (width, height) }
    }

    /// The place in the turned image of a pixel of one of this size.
    fn place(self, width: usize, height: usize, x: usize, y: usize) -> usize {
        let x = if self.from_right { width - 1 - x } else { x };
        let y = if self.from_bottom { height - 1 - y } else { y };
        if self.transposed { x * height + y } else { y * width + x }
    }

    /// Turns pixels of this size.
    fn forth(self, pixels: &[f32], width: u32, height: u32, turned: &mut Vec<f32>) {
        turned.resize(pixels.len(), 0.0);
        let (width, height) = (width as usize, height as usize);
        let (to, _) = turned.as_chunks_mut::<3>();
        for (at, pixel) in pixels.as_chunks::<3>().0.iter().enumerate() {
            to[self.place(width, height, at % width, at / width)] = *pixel;
        }
    }

    /// Turns pixels back and adds them to those of this size.
    fn back(self, turned: &[f32], width: u32, height: u32, sum: &mut [f32]) {
        let (width, height) = (width as usize, height as usize);
        let (from, _) = turned.as_chunks::<3>();
        for (at, sum) in sum.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            let pixel = from[self.place(width, height, at % width, at / width)];
            sum.iter_mut().zip(pixel).for_each(|(sum, number)| *sum += number);
        }
    }
}

/// Pixels that a network made: red, green and blue, about 0 to 1.
#[derive(Clone, Copy)]
pub(super) struct Raster<'a> {
    pixels: &'a [f32],
    width: u32,
    height: u32,
}

impl Raster<'_> {
    /// A part of a row: of what the network made, or of that halved. `part` counts in pixels of the result, and so
    /// does its row.
    pub(super) fn row(&self, halver: Option<&Halver>, part: Rect, y: u32, row: &mut Vec<[f32; 3]>) {
        row.clear();
        let columns = part.left..part.left + part.width;
        match halver {
            None => row.extend(columns.map(|x| self.at(x, y))),
            Some(halver) => {
                let blended = self.blended(halver, y);
                let sum =
                    |x| sum(halver.taps(x, self.width).map(|(x, weight)| (blended[x as usize], weight)));
                row.extend(columns.map(sum));
            }
        }
    }

    fn at(&self, x: u32, y: u32) -> [f32; 3] {
        let at = (y as usize * self.width as usize + x as usize) * 3;
        std::array::from_fn(|channel| self.pixels[at + channel])
    }

    /// All columns of a row of the halved raster, which are not yet halved across.
    fn blended(&self, halver: &Halver, y: u32) -> Vec<[f32; 3]> {
        let taps = halver.taps(y, self.height);
        (0..self.width).map(|x| sum(taps.clone().map(|(y, weight)| (self.at(x, y), weight)))).collect()
    }
}

fn sum(pixels: impl Iterator<Item = ([f32; 3], f32)>) -> [f32; 3] {
    let add = |sum: [f32; 3], (pixel, weight): ([f32; 3], f32)| {
        std::array::from_fn(|channel| sum[channel] + weight * pixel[channel])
    };
    pixels.fold([0.0; 3], add)
}

#[cfg(test)]
mod tests {
    use super::{super::halve::Halving, *};

    #[test]
    fn every_way_there_and_back_is_the_same_image() {
        let (width, height) = (5, 3);
        let pixels: Vec<f32> = (0..width * height * 3).map(|at| at as f32).collect();
        let mut seen = Vec::new();
        for way in Turn::ALL {
            let (mut turned, mut back) = (Vec::new(), vec![0.0; pixels.len()]);
            way.forth(&pixels, width, height, &mut turned);
            way.back(&turned, width, height, &mut back);
            assert_eq!(back, pixels, "{way:?}");
            assert!(!seen.contains(&turned), "{way:?} is another one too");
            seen.push(turned);
        }
        assert_eq!(seen[0], pixels);
    }

    #[test]
    fn halving_is_the_cubic_between_the_middle_two() {
        let pixels: Vec<f32> = (0..8).flat_map(|x| [f32::from(x == 3); 3]).collect();
        let raster = Raster { pixels: &pixels, width: 8, height: 1 };
        let part = Rect { left: 0, top: 0, width: 4, height: 1 };
        let mut row = Vec::new();
        raster.row(Some(&Halver::new(Halving::Bicubic)), part, 0, &mut row);
        assert_eq!(row.iter().map(|pixel| pixel[0]).collect::<Vec<_>>(), [0.0, 0.59375, -0.09375, 0.0]);
    }
}
