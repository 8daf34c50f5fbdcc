//! A network at work: rows of the source go in, and rows of the result come out, a row of tiles at a time.

use std::{
    io::{Read, Seek},
    ops::Range,
};

use super::{
    alpha::Alpha,
    decode::Source,
    error::EnlargeError,
    filter::Factor,
    frame::{FRAME, Framed},
    halve::{Halver, Halving},
    network::Rendering,
    pixels::{Colours, Layout, store},
    shelf::{Bands, Shelf},
    tile::{Raster, Tiler},
    watched::Stopped,
    window::{BLEED, Window},
};
use crate::networks::{Network, Rect, Tile, TileRow, Tiling};

/// What is not counted piece by piece: the encoder's and decoder's buffers, threads, the program itself.
const MARGIN: u64 = 40 << 20;

/// Bands of the result that are held: the one at work and the one at the encoder.
const BANDS: u64 = 2;

/// What is to be rendered, and with what.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) network: &'a Network,
    pub(super) rendering: Rendering,
    pub(super) factor: Factor,
    pub(super) threads: usize,
    /// Bytes that all of it together may take, the weights apart.
    pub(super) memory: u64,
}

/// How far the work is, in source pixels computed, overlaps counted as often as they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Done {
    /// The tile at work, from 0; as many as there are at the end.
    pub(super) tile: u32,
    pub(super) tiles: u32,
    /// Of all of them.
    pub(super) pixels: f64,
    /// Of those that need not be computed because an earlier attempt did.
    pub(super) kept: f64,
    pub(super) all: f64,
}

/// Whom the work talks to.
pub(super) struct Watch<'a, 's> {
    pub(super) stopped: Stopped<'a>,
    pub(super) told: &'a mut dyn FnMut(Done),
    /// Where finished bands are kept for another attempt.
    pub(super) shelf: Option<&'a mut Shelf<'s>>,
}

/// Turns a source into bands of rows of the result.
pub(super) struct Renderer<'a, 's, R: Read + Seek> {
    window: Window<'a, R>,
    size: (u32, u32),
    job: Job<'a>,
    to: Layout,
    tiler: Tiler,
    halver: Option<Halver>,
    alpha: Alpha,
    tiling: Tiling,
    next: usize,
    kept: usize,
    done: Done,
    watch: Watch<'a, 's>,
}

/// An image that is to be rendered: its size, how its samples lie and will lie, and what of it is held decoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Image {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) from: Layout,
    pub(super) to: Layout,
    /// Bytes.
    pub(super) held: u64,
}

impl Job<'_> {
    /// Cuts an image so that all that is held stays below [`memory`](Self::memory): the decoded source, the rows of
    /// it around a row of tiles, the tile at work, and two bands of the result.
    ///
    /// Only where the result's rows are so long that few of them fit are the bands lower than the overlap, which
    /// computes more than it should and yet gets it done.
    pub(super) fn tiling(&self, image: Image) -> Option<Tiling> {
        let overlap = self.overlap();
        let cut = |band| {
            let fits = |across, down| self.bytes(image, band, across, down) <= self.memory;
            Tiling::in_bands(image.width, image.height, overlap, band, &fits)
        };
        [image.height, 16, 8, 4, 2, 1].into_iter().find_map(cut)
    }

    /// The network's overlap, and what halving looks at beyond.
    fn overlap(&self) -> u32 {
        self.network.plan().overlap + self.rendering.halving.map_or(0, Halving::overlap)
    }

    /// Bytes of everything at tiles of this size, in bands that come from at most so many rows of the source.
    pub(super) fn bytes(&self, image: Image, band: u32, across: u32, down: u32) -> u64 {
        let (width, times) = (u64::from(image.width), u64::from(self.factor.times()));
        // a tile that is not the whole height has an overlap above or below
        let overlap = if down < image.height { self.overlap() } else { 0 };
        let core = u64::from(down.saturating_sub(overlap).clamp(1, band.max(1)));
        let window = width * image.from.bytes_per_pixel() as u64 * u64::from(down + 2 * BLEED);
        let band = width * core * times * times * image.to.bytes_per_pixel() as u64;
        let (across, down) = (across + 2 * FRAME, down + 2 * FRAME);
        // with one core granted tiles are as with two, or a later attempt could not go on
        let threads = self.threads.max(2);
        let tile = Tiler::bytes(self.network, self.rendering, threads, across, down);
        MARGIN + image.held + window + BANDS * band + tile
    }
}

impl<'a, 's, R: Read + Seek> Renderer<'a, 's, R> {
    /// `to` is the source's layout or its opaque form.
    pub(super) fn new(
        source: Source<'a, R>,
        job: Job<'a>,
        to: Layout,
        mut watch: Watch<'a, 's>,
    ) -> Result<Self, EnlargeError> {
        let size = (source.width, source.height);
        let image = Image { width: size.0, height: size.1, from: source.layout, to, held: source.held() };
        let tiling = job.tiling(image).ok_or(EnlargeError::Tiles { mib: job.memory >> 20 })?;
        let tiles = tiling.rows.iter().map(|row| row.tiles.len()).sum::<usize>() as u32;
        let done = Done { tile: 0, tiles, pixels: 0.0, kept: 0.0, all: tiling.pixels() as f64 };
        let times = job.factor.times();
        let bands = Bands {
            width: size.0 * times,
            layout: to,
            rows: tiling.rows.iter().map(|row| core_rows(row).len() as u32 * times).collect(),
            columns: tiling.rows.first().map_or(0, |row| row.tiles.len()),
        };
        let kept = match &mut watch.shelf {
            Some(shelf) => shelf.open(bands),
            None => 0,
        };
        let renderer = Self {
            window: Window::new(source),
            size,
            job,
            to,
            tiler: Tiler::new(job.network, job.rendering, job.threads),
            halver: job.rendering.halving.map(Halver::new),
            alpha: Alpha::new(job.factor, size),
            tiling,
            next: 0,
            kept,
            done,
            watch,
        };
        (renderer.watch.told)(renderer.done);
        Ok(renderer)
    }

    /// Fills `band` with the next rows of the result; leaves it empty after the last.
    pub(super) fn next_band(&mut self, band: &mut Vec<u8>) -> Result<(), EnlargeError> {
        band.clear();
        if (self.watch.stopped)() {
            return Err(EnlargeError::Stopped);
        }
        let Some(row) = self.tiling.rows.get(self.next).cloned() else { return Ok(()) };
        let at = self.next;
        self.next += 1;
        if at < self.kept {
            if self.load(at, band)? {
                let pixels = row.tiles.iter().map(pixels).sum::<f64>();
                self.done.kept += pixels;
                self.finished(row.tiles.len() as u32, pixels);
                return Ok(());
            }
            self.kept = at;
        }
        self.render(&row, band)?;
        // the last one is about to be the result
        match &mut self.watch.shelf {
            Some(shelf) if self.next < self.tiling.rows.len() => shelf.save(at, band, self.watch.stopped),
            _ => Ok(()),
        }
    }

    fn load(&mut self, at: usize, band: &mut Vec<u8>) -> Result<bool, EnlargeError> {
        self.watch.shelf.as_mut().map_or(Ok(false), |shelf| shelf.load(at, band))
    }

    fn finished(&mut self, tiles: u32, pixels: f64) {
        self.done.tile += tiles;
        self.done.pixels += pixels;
        (self.watch.told)(self.done);
    }

    fn render(&mut self, row: &TileRow, band: &mut Vec<u8>) -> Result<(), EnlargeError> {
        let core = core_rows(row);
        let (line, times) = (self.line(), self.job.factor.times());
        band.resize(core.len() * times as usize * line, 0);
        self.window.advance(self.needed(row))?;
        for tile in &row.tiles {
            let framed = Framed::new(tile.source, self.size);
            self.window.cut(&framed, self.tiler.input());
            let (done, pixels) = (self.done, pixels(tile));
            let Watch { stopped, told, .. } = &mut self.watch;
            let mut told =
                |share: f32| told(Done { pixels: done.pixels + f64::from(share) * pixels, ..done });
            let raster = self.tiler.run(framed.width, framed.height, *stopped, &mut told)?;
            let mut strip = Strip {
                window: &self.window,
                alpha: &mut self.alpha,
                halver: self.halver.as_ref(),
                times,
                to: self.to,
                framed,
                core: tile.core,
            };
            strip.fill(raster, band, line);
            self.finished(1, pixels);
        }
        Ok(())
    }

    /// Bytes of a row of the result.
    fn line(&self) -> usize {
        (self.size.0 * self.job.factor.times()) as usize * self.to.bytes_per_pixel()
    }

    /// The source rows that these tiles look at.
    fn needed(&self, row: &TileRow) -> Range<u32> {
        let source = row.tiles.first().map_or(0..0, |tile| rows(tile.source));
        source.start.saturating_sub(BLEED)..(source.end + BLEED).min(self.size.1)
    }
}

/// The place of a tile's core in a band.
struct Strip<'w, 'a, R: Read + Seek> {
    window: &'w Window<'a, R>,
    alpha: &'w mut Alpha,
    halver: Option<&'w Halver>,
    times: u32,
    to: Layout,
    /// What the network was given.
    framed: Framed,
    core: Rect,
}

impl<R: Read + Seek> Strip<'_, '_, R> {
    /// Turns what the network made into samples of the band.
    fn fill(&mut self, raster: Raster<'_>, band: &mut [u8], line: usize) {
        let (Framed { rect, left, top, .. }, core, times) = (self.framed, self.core, self.times);
        let part = Rect {
            left: (left + core.left - rect.left) * times,
            top: (top + core.top - rect.top) * times,
            width: core.width * times,
            height: core.height * times,
        };
        let per_pixel = self.to.bytes_per_pixel();
        let (mut colours, mut alpha, mut values) = (Vec::new(), Vec::new(), Vec::new());
        if self.window.layout().has_alpha() {
            self.alpha.choose(core);
        }
        for y in 0..part.height {
            raster.row(self.halver, part, part.top + y, &mut colours);
            if self.window.layout().has_alpha() {
                self.alpha.row(self.window, core.top * times + y, &mut alpha);
            }
            join(self.window.layout(), &colours, &alpha, &mut values);
            let start = y as usize * line + (core.left * times) as usize * per_pixel;
            let samples = &mut band[start..][..part.width as usize * per_pixel];
            store(&mut values, self.window.layout(), self.to, samples);
        }
    }
}

/// Brings colours and alpha of 0 to 1 together as [`store`] takes them: in the source's own scale and premultiplied.
fn join(layout: Layout, colours: &[[f32; 3]], alpha: &[f32], values: &mut Vec<f32>) {
    let full = layout.full();
    values.clear();
    let clamped = |pixel: &[f32; 3]| pixel.map(|colour| colour.clamp(0.0, 1.0) * full);
    let grey = |pixel: &[f32; 3]| (pixel[0] + pixel[1] + pixel[2]) / 3.0;
    match layout.colours {
        Colours::Grey => values.extend(colours.iter().map(|pixel| grey(pixel) * full)),
        Colours::Rgb => values.extend(colours.iter().flat_map(clamped)),
        Colours::GreyAlpha => {
            for (pixel, alpha) in colours.iter().zip(alpha) {
                values.extend([grey(pixel).clamp(0.0, 1.0) * full * alpha, alpha * full]);
            }
        }
        Colours::Rgba => {
            for (pixel, alpha) in colours.iter().zip(alpha) {
                values.extend(clamped(pixel).map(|colour| colour * alpha));
                values.push(alpha * full);
            }
        }
    }
}

fn rows(rect: Rect) -> Range<u32> {
    rect.top..rect.top + rect.height
}

/// The rows of the source that a row of tiles makes larger.
fn core_rows(row: &TileRow) -> Range<u32> {
    row.tiles.first().map_or(0..0, |tile| rows(tile.core))
}

fn pixels(tile: &Tile) -> f64 {
    f64::from(tile.source.width) * f64::from(tile.source.height)
}
