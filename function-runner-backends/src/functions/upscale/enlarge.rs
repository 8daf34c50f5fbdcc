//! The way of an image from file to larger file.

use std::{
    io::{Read, Seek, Write},
    mem,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use super::{
    decode::Source,
    encode::{self, OutputFormat, Picture},
    error::EnlargeError,
    feed::{Feed, Progress, pipe},
    filter::{Factor, Filter},
    format::Format,
    pixels::Depth,
    render::{Job, Renderer, Watch},
    resample::Resampler,
    watched::Stopped,
};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// How many times wider and higher.
    pub factor: Factor,
    /// How new pixels are found.
    pub filter: Filter,
    /// What is written.
    pub output: OutputFormat,
    /// How many threads may work at a time: one writes, the others read and filter; a single one does it all.
    pub threads: usize,
}

impl Options {
    /// Lanczos to a PNG on one thread.
    #[must_use]
    pub fn new(factor: Factor) -> Self {
        Self { factor, filter: Filter::Lanczos3, output: OutputFormat::Png, threads: 1 }
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Enlarged {
    /// Pixels across the result.
    pub width: u32,
    /// Pixels down the result.
    pub height: u32,
    /// Pixels across the source, the way up it is looked at.
    pub source_width: u32,
    /// Pixels down the source.
    pub source_height: u32,
    /// What the source was.
    pub source_format: Format,
    /// Whether the source has 16 bits a sample.
    pub sixteen_bit: bool,
}

/// Enlarges an image.
///
/// The source is a PNG of any kind, a JPEG (baseline or progressive; grey, colour, CMYK) or a WebP (lossy or
/// lossless; of an animation the first frame), told by its content, of fewer than 65,000,000 pixels and at most
/// 65,535 a side. It is turned the way its EXIF orientation says. Alpha is kept in a PNG; 16 bits stay 16 bits in a
/// PNG; a colour profile (ICC, and a PNG's own colour chunks) goes over to the result, except that a JPEG result takes
/// the ICC profile alone and CMYK becomes plain RGB without one. The numbers are filtered as they are stored, which
/// for nearly all images is sRGB, as most programs do it: not in linear light.
///
/// `stopped` is asked at every 64 KiB read and every few rows, so only a short file that holds a large image (one
/// colour, say) is decoded to its end first. `report` is told how many rows of the result went to the encoder, of how
/// many.
///
/// # Memory
///
/// The result is never held. A PNG that is neither interlaced nor turned by EXIF (mirroring alone is no matter) is
/// read row by row. Everything else is held decoded, per source pixel:
///
/// | source | bytes a pixel held | at most, while it is decoded |
/// |---|---|---|
/// | PNG, interlaced or turned | 1 to 4, twice that at 16 bits | the same |
/// | JPEG, baseline | 3 (grey 1) | the same |
/// | JPEG, progressive or with a scan for each component | 3 (grey 1) | 3 more for thinned chroma (4:2:0), 6 for full, 8 for CMYK, grey 2 |
/// | WebP, lossless | 3, with alpha 4 | 4 more without alpha |
/// | WebP, lossy | 3, with alpha 4 | 2 more, with alpha 7 |
/// | WebP, animated | 3, with alpha 4 | 8 more |
///
/// To it come the rows at work: as `f32`, the widened rows under the filter (2 or 6, and as many as a batch of about
/// 1 MiB of the result needs), and four such batches: about 10 MiB for a photo, at most 90 MiB for an image 65,535
/// pixels wide at 16 bits with alpha.
///
/// # Errors
///
/// [`EnlargeError`] tells apart what is wrong with the file, with the machine and with the caller's wishes. Whatever
/// the error, the sink may have taken a part of the result.
pub fn enlarge<R: Read + Seek + Send, W: Write>(
    source: R,
    mut sink: W,
    options: &Options,
    stopped: &(dyn Fn() -> bool + Sync),
    report: &mut dyn FnMut(u32, u32),
) -> Result<Enlarged, EnlargeError> {
    let source = Source::open(source, stopped)?;
    let plan = Plan::new(&source, options.factor, options.output)?;
    match options.filter {
        Filter::Bilinear => plan.filter::<_, _, 2>(source, options, stopped, report, &mut sink),
        Filter::Lanczos3 => plan.filter::<_, _, 6>(source, options, stopped, report, &mut sink),
    }
}

/// Enlarges an image by a network: as [`enlarge`], but for what makes the new pixels.
///
/// Red, green and blue go through the network as they are stored, whatever the bits; of grey all three are the same,
/// and the mean of what comes back is taken. Alpha is enlarged by Lanczos. The colour of a fully transparent pixel
/// counts for nothing: it is given the mean of the visible ones up to three pixels away, else black.
///
/// # Memory
///
/// All of it stays below [`Job::memory`], the weights apart and as long as decoding alone does.
pub(super) fn render<R: Read + Seek, W: Write + Send>(
    source: R,
    mut sink: W,
    job: Job<'_>,
    output: OutputFormat,
    mut watch: Watch<'_, '_>,
) -> Result<Enlarged, EnlargeError> {
    let over = AtomicBool::new(false);
    let asked = watch.stopped;
    let stopped = || over.load(Ordering::Relaxed) || asked();
    let mut source = Source::open(source, &stopped)?;
    let plan = Plan::new(&source, job.factor, output)?;
    let colour = mem::take(&mut source.colour);
    let watch = Watch { stopped: &stopped, told: &mut *watch.told, shelf: watch.shelf.as_deref_mut() };
    let mut renderer = Renderer::new(source, job, plan.picture.layout, watch)?;
    let mut make = |band: &mut Vec<u8>| renderer.next_band(band);
    // how far it is the renderer tells
    let (line, rows) = (plan.picture.line(), plan.picture.height);
    let mut silent = |_, _| {};
    if job.threads < 2 {
        let rows = Progress { stopped: asked, report: &mut silent, line, rows, done: 0 };
        encode::encode(output, plan.picture, &colour, Feed::made(&mut make, rows), &mut sink)?;
        return Ok(plan.enlarged);
    }
    thread::scope(|scope| {
        // a band is large: one is made while the other is written, and none waits
        let (filler, pipe) = pipe(0);
        let encoder = scope.spawn(|| {
            let rows = Progress { stopped: asked, report: &mut silent, line, rows, done: 0 };
            let feed = Feed::piped(pipe, rows);
            let written = encode::encode(output, plan.picture, &colour, feed, &mut sink);
            over.store(true, Ordering::Relaxed);
            written
        });
        // here, and not on a thread of its own, because the store may want the runtime that this one belongs to
        filler.run(make);
        encoder.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    Ok(plan.enlarged)
}

/// What comes out.
#[derive(Clone, Copy)]
struct Plan {
    enlarged: Enlarged,
    picture: Picture,
}

impl Plan {
    fn new<R: Read + Seek>(
        source: &Source<'_, R>,
        factor: Factor,
        output: OutputFormat,
    ) -> Result<Self, EnlargeError> {
        let times = factor.times();
        let enlarged = Enlarged {
            width: source.width * times,
            height: source.height * times,
            source_width: source.width,
            source_height: source.height,
            source_format: source.format,
            sixteen_bit: source.layout.depth == Depth::Sixteen,
        };
        encode::check(output, enlarged.width, enlarged.height)?;
        let layout = if output == OutputFormat::Jpeg { source.layout.opaque() } else { source.layout };
        Ok(Self { enlarged, picture: Picture { width: enlarged.width, height: enlarged.height, layout } })
    }

    fn filter<R: Read + Seek + Send, W: Write, const T: usize>(
        self,
        mut source: Source<'_, R>,
        options: &Options,
        stopped: Stopped<'_>,
        report: &mut dyn FnMut(u32, u32),
        sink: &mut W,
    ) -> Result<Enlarged, EnlargeError> {
        let Options { factor, filter, output, threads } = *options;
        let colour = mem::take(&mut source.colour);
        let (line, rows) = (self.picture.line(), self.picture.height);
        let others = threads.saturating_sub(1);
        let mut resampler = Resampler::<R, T>::new(source, filter, factor, self.picture.layout, others);
        let mut make = |batch: &mut Vec<u8>| resampler.next_batch(batch);
        let rows = Progress { stopped, report, line, rows, done: 0 };
        if threads < 2 {
            encode::encode(output, self.picture, &colour, Feed::made(&mut make, rows), sink)?;
            return Ok(self.enlarged);
        }
        thread::scope(|scope| {
            let (filler, pipe) = pipe(WAITING);
            scope.spawn(move || filler.run(make));
            encode::encode(output, self.picture, &colour, Feed::piped(pipe, rows), sink)
        })?;
        Ok(self.enlarged)
    }
}

/// Batches of about 1 MiB that may wait for the encoder.
const WAITING: usize = 2;
