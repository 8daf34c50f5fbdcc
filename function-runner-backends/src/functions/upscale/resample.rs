//! The filter at work: rows of the source go in one by one, rows of the result come out in batches.
//!
//! Each source row is widened once; of the widened rows only those are kept that the next rows of the result look
//! at. The work across rows, which is most of it, is shared between threads by bands of rows.

use std::{
    collections::VecDeque,
    io::{Read, Seek},
    thread,
};

use super::{
    decode::Source,
    error::EnlargeError,
    filter::{Factor, Filter, Taps},
    pixels::{Layout, load, store},
};

/// A batch is about so many bytes.
const BATCH: usize = 1 << 20;

/// And not more source rows than this, so that progress and cancelling are smooth on small images.
const BATCH_ROWS: usize = 16;

/// A band of fewer bytes is not worth a thread.
const BAND: usize = 64 * 1024;

/// Numbers filtered at a time: they stay in the first cache. Divisible by every count of channels.
const CHUNK: usize = 3_072;

/// Turns a source into rows of the result. `T` is the number of weights along an axis.
pub(super) struct Resampler<'a, R: Read + Seek, const T: usize> {
    source: Source<'a, R>,
    plan: Plan,
    threads: usize,
    window: Window,
    spare: Vec<Vec<f32>>,
    next: u32,
    sample_row: Vec<u8>,
    row: Vec<f32>,
    phase: Vec<f32>,
}

/// What is done, once and for all rows.
#[derive(Clone, Copy)]
struct Plan {
    across: Axis,
    down: Axis,
    from: Layout,
    to: Layout,
}

#[derive(Clone, Copy)]
struct Axis {
    filter: Filter,
    factor: Factor,
    /// Source pixels along it.
    size: u32,
}

/// Widened rows of the source, from row `first` on.
struct Window {
    rows: VecDeque<Vec<f32>>,
    first: usize,
}

impl Axis {
    fn taps<const T: usize>(self, at: u32) -> Taps<T> {
        Taps::new(self.filter, self.factor, self.size, at)
    }

    fn times(self) -> usize {
        self.factor.times() as usize
    }
}

impl<'a, R: Read + Seek, const T: usize> Resampler<'a, R, T> {
    /// `to` is the source's layout or its opaque form.
    pub(super) fn new(
        source: Source<'a, R>,
        filter: Filter,
        factor: Factor,
        to: Layout,
        threads: usize,
    ) -> Self {
        let width = source.width as usize;
        let from = source.layout;
        let across = Axis { filter, factor, size: source.width };
        let down = Axis { size: source.height, ..across };
        Self {
            plan: Plan { across, down, from, to },
            threads: threads.max(1),
            window: Window { rows: VecDeque::new(), first: 0 },
            spare: Vec::new(),
            next: 0,
            sample_row: vec![0; width * from.bytes_per_pixel()],
            row: vec![0.0; width * from.channels()],
            phase: vec![0.0; width * from.channels()],
            source,
        }
    }

    /// Fills `batch` with the next rows of the result; leaves it empty after the last.
    pub(super) fn next_batch(&mut self, batch: &mut Vec<u8>) -> Result<(), EnlargeError> {
        let Plan { down, .. } = self.plan;
        let line = self.plan.line();
        let source_rows = (BATCH / (down.times() * line)).clamp(1, BATCH_ROWS);
        let left = down.size * down.factor.times() - self.next;
        let rows = ((source_rows * down.times()) as u32).min(left);
        batch.resize(rows as usize * line, 0);
        if rows == 0 {
            return Ok(());
        }
        let first = down.taps::<T>(self.next).places(down.size)[0];
        let last = down.taps::<T>(self.next + rows - 1).places(down.size)[T - 1];
        self.spare.extend(self.window.forget_before(first));
        while self.window.end() <= last {
            let row = self.widened_row()?;
            self.window.rows.push_back(row);
        }
        self.fill(batch, line);
        self.next += rows;
        Ok(())
    }

    /// The next source row, widened.
    fn widened_row(&mut self) -> Result<Vec<f32>, EnlargeError> {
        let Plan { across, from, .. } = self.plan;
        self.source.read_row(&mut self.sample_row)?;
        load(&self.sample_row, from, &mut self.row);
        let mut wide = self.spare.pop().unwrap_or_default();
        wide.resize(self.row.len() * across.times(), 0.0);
        match from.channels() {
            1 => widen::<1, T>(across, &self.row, &mut self.phase, &mut wide),
            2 => widen::<2, T>(across, &self.row, &mut self.phase, &mut wide),
            3 => widen::<3, T>(across, &self.row, &mut self.phase, &mut wide),
            _ => widen::<4, T>(across, &self.row, &mut self.phase, &mut wide),
        }
        Ok(wide)
    }

    /// All rows of a batch, each band on a thread of its own where that pays.
    fn fill(&self, batch: &mut [u8], line: usize) {
        let rows = batch.len() / line;
        let bands = self.threads.min(batch.len() / BAND).clamp(1, rows);
        let rows_per_band = rows.div_ceil(bands);
        let (plan, window) = (self.plan, &self.window);
        let mut pieces = batch.chunks_mut(rows_per_band * line).zip((self.next..).step_by(rows_per_band));
        let own = pieces.next();
        thread::scope(|scope| {
            for (band, first) in pieces {
                scope.spawn(move || plan.fill_band::<T>(window, band, first));
            }
            if let Some((band, first)) = own {
                plan.fill_band::<T>(window, band, first);
            }
        });
    }
}

impl Window {
    fn end(&self) -> usize {
        self.first + self.rows.len()
    }

    /// Drops the rows before `row`; their memory is for those that come.
    fn forget_before(&mut self, row: usize) -> impl Iterator<Item = Vec<f32>> {
        let old = row.saturating_sub(self.first).min(self.rows.len());
        self.first += old;
        self.rows.drain(..old)
    }
}

impl Plan {
    /// Bytes of a row of the result.
    fn line(self) -> usize {
        self.across.size as usize * self.across.times() * self.to.bytes_per_pixel()
    }

    /// Rows `first` and on of the result.
    fn fill_band<const T: usize>(self, window: &Window, band: &mut [u8], first: u32) {
        let (channels, per_pixel) = (self.from.channels(), self.to.bytes_per_pixel());
        let mut numbers = [0.0; CHUNK];
        for (at, row) in (first..).zip(band.chunks_exact_mut(self.line())) {
            let taps = self.down.taps::<T>(at);
            let rows = taps.places(self.down.size).map(|place| &window.rows[place - window.first][..]);
            for (piece, samples) in row.chunks_mut(CHUNK / channels * per_pixel).enumerate() {
                let start = piece * CHUNK;
                let numbers = &mut numbers[..samples.len() / per_pixel * channels];
                blend(rows.map(|row| &row[start..]), taps.weights, numbers);
                store(numbers, self.from, self.to, samples);
            }
        }
    }
}

/// Widens a row of pixels of `C` numbers each. `phase` is room for as many numbers as the row has.
///
/// Away from the edges all places of the result with the same remainder by the factor have the same weights, so they
/// are computed together, as one row shifted against itself.
fn widen<const C: usize, const T: usize>(axis: Axis, row: &[f32], phase: &mut [f32], wide: &mut [f32]) {
    let (times, size) = (axis.times(), axis.size as usize);
    // The source pixels all of whose taps are inside.
    let inner = (T / 2).min(size)..size.saturating_sub(T / 2).max((T / 2).min(size));
    let (wide, _) = wide.as_chunks_mut::<C>();
    let (pixels, _) = row.as_chunks::<C>();
    for at in (0..inner.start * times).chain(inner.end * times..size * times) {
        let taps = axis.taps::<T>(at as u32);
        let places = taps.places(axis.size);
        wide[at] = std::array::from_fn(|channel| {
            places.iter().zip(taps.weights).map(|(place, weight)| weight * pixels[*place][channel]).sum()
        });
    }
    if inner.is_empty() {
        return;
    }
    let phase = &mut phase[..inner.len() * C];
    for remainder in 0..times {
        let first = inner.start * times + remainder;
        let taps = axis.taps::<T>(first as u32);
        let start = taps.places(axis.size)[0];
        blend(std::array::from_fn(|tap| &row[(start + tap) * C..]), taps.weights, phase);
        for (target, pixel) in wide.iter_mut().skip(first).step_by(times).zip(phase.as_chunks::<C>().0) {
            *target = *pixel;
        }
    }
}

/// The weighted sum of some rows, which are at least as long. This loop is where the time goes; it is plain so that
/// it vectorises.
fn blend<const T: usize>(rows: [&[f32]; T], weights: [f32; T], sum: &mut [f32]) {
    let rows = rows.map(|row| &row[..sum.len()]);
    for (at, sum) in sum.iter_mut().enumerate() {
        let mut total = 0.0;
        for tap in 0..T {
            total += weights[tap] * rows[tap][at];
        }
        *sum = total;
    }
}
