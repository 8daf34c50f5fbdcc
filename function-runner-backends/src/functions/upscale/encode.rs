//! From rows of samples to a file, without ever holding the image.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    io::{self, BufWriter, Write},
};

use jpeg_encoder::{EncodingError as JpegError, ImageBuffer, JpegColorType, rgb_to_ycbcr};
use png::{BitDepth, ColorType, EncodingError as PngError, Info};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    decode::Colour,
    error::EnlargeError,
    feed::Feed,
    pixels::{Colours, Depth, Layout},
};

/// A format that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OutputFormat {
    /// Lossless; keeps alpha and 16 bits.
    #[default]
    Png,
    /// Smaller; 8 bits, at most 65,535 pixels a side; transparent parts lie on white.
    Jpeg,
}

/// Of the scale of 1 to 100: chroma is not thinned out, the loss is hard to see.
const JPEG_QUALITY: u8 = 92;

/// The most pixels a JPEG may have along a side.
const JPEG_SIDE: u32 = 65_535;

const BUFFER: usize = 256 * 1024;

/// What is written: pixels across and down, and how their samples lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Picture {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) layout: Layout,
}

impl Picture {
    /// Bytes of a row.
    pub(super) fn line(self) -> usize {
        self.width as usize * self.layout.bytes_per_pixel()
    }

    /// Its header as a PNG.
    pub(super) fn info<'a>(self) -> Info<'a> {
        let mut info = Info::with_size(self.width, self.height);
        info.color_type = match self.layout.colours {
            Colours::Grey => ColorType::Grayscale,
            Colours::GreyAlpha => ColorType::GrayscaleAlpha,
            Colours::Rgb => ColorType::Rgb,
            Colours::Rgba => ColorType::Rgba,
        };
        info.bit_depth = match self.layout.depth {
            Depth::Eight => BitDepth::Eight,
            Depth::Sixteen => BitDepth::Sixteen,
        };
        info
    }
}

/// Refuses, before any work, what the format cannot hold.
pub(super) fn check(format: OutputFormat, width: u32, height: u32) -> Result<(), EnlargeError> {
    if format == OutputFormat::Jpeg && width.max(height) > JPEG_SIDE {
        return Err(EnlargeError::OutputTooLarge { width, height });
    }
    Ok(())
}

/// Writes all rows of the feed.
pub(super) fn encode(
    format: OutputFormat,
    picture: Picture,
    colour: &Colour,
    feed: Feed<'_>,
    sink: &mut impl Write,
) -> Result<(), EnlargeError> {
    let fault = Cell::new(None);
    let mut noting = BufWriter::with_capacity(BUFFER, Noting { sink, fault: &fault });
    let written = match format {
        OutputFormat::Png => png(picture, colour, feed, &mut noting),
        OutputFormat::Jpeg => jpeg(picture, colour, feed, &mut noting),
    };
    let flushed = written.and_then(|()| noting.flush().map_err(EnlargeError::Write));
    match (flushed, fault.take()) {
        (Err(EnlargeError::Write(_)), Some(error)) => Err(EnlargeError::Write(error)),
        (other, _) => other,
    }
}

/// A sink that remembers its error, of which the encoders pass on the words alone.
struct Noting<'a, W> {
    sink: W,
    fault: &'a Cell<Option<io::Error>>,
}

impl<W: Write> Noting<'_, W> {
    fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let twin = io::Error::new(error.kind(), error.to_string());
            self.fault.set(Some(error));
            twin
        })
    }
}

impl<W: Write> Write for Noting<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.sink.write(bytes);
        self.note(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.sink.flush();
        self.note(flushed)
    }
}

fn png(
    picture: Picture,
    colour: &Colour,
    mut feed: Feed<'_>,
    sink: &mut impl Write,
) -> Result<(), EnlargeError> {
    let mut info = picture.info();
    info.srgb = colour.chunks.srgb;
    info.source_gamma = colour.chunks.gamma;
    info.source_chromaticities = colour.chunks.chromaticities;
    info.icc_profile = colour.profile.as_deref().map(Cow::Borrowed);
    let mut encoder = png::Encoder::with_info(sink, info).map_err(png_error)?;
    // The next level makes a photo an eighth smaller in fifty times the time.
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().map_err(png_error)?;
    if let Some(points) = colour.chunks.points {
        let data = [
            points.color_primaries,
            points.transfer_function,
            points.matrix_coefficients,
            u8::from(points.is_video_full_range_image),
        ];
        writer.write_chunk(png::chunk::ChunkType(*b"cICP"), &data).map_err(png_error)?;
    }
    let mut rows = writer.stream_writer_with_size(BUFFER).map_err(png_error)?;
    while let Some(batch) = feed.next()? {
        rows.write_all(batch).map_err(EnlargeError::Write)?;
    }
    rows.finish().map_err(png_error)?;
    writer.finish().map_err(png_error)
}

fn png_error(error: PngError) -> EnlargeError {
    EnlargeError::Write(match error {
        PngError::IoError(error) => error,
        other => io::Error::other(other),
    })
}

fn jpeg(
    picture: Picture,
    colour: &Colour,
    feed: Feed<'_>,
    sink: &mut impl Write,
) -> Result<(), EnlargeError> {
    let halted = Cell::new(false);
    let mut encoder = jpeg_encoder::Encoder::new(Halting { sink, halted: &halted }, JPEG_QUALITY);
    if let Some(profile) = &colour.profile {
        // One too large for a JPEG is left out.
        let _ = encoder.add_icc_profile(profile);
    }
    let rows = RefCell::new(Rows { feed, row: vec![0; picture.line()], next: 0, fault: None });
    let written = encoder.encode_image(Pulled { picture, rows: &rows, halted: &halted });
    if let Some(error) = rows.into_inner().fault {
        return Err(error);
    }
    written.map_err(jpeg_error)
}

fn jpeg_error(error: JpegError) -> EnlargeError {
    EnlargeError::Write(match error {
        JpegError::IoError(error) => error,
        other => io::Error::other(other),
    })
}

/// The rows as the JPEG encoder pulls them, which has no way to be told of an error.
struct Pulled<'a, 'f> {
    picture: Picture,
    rows: &'a RefCell<Rows<'f>>,
    halted: &'a Cell<bool>,
}

struct Rows<'f> {
    feed: Feed<'f>,
    row: Vec<u8>,
    next: u16,
    fault: Option<EnlargeError>,
}

impl Rows<'_> {
    /// Brings the row up to `y`; the last one is asked for again to fill the last blocks.
    fn advance(&mut self, y: u16) -> Result<(), EnlargeError> {
        while self.next <= y {
            self.feed.read_row(&mut self.row)?;
            self.next += 1;
        }
        Ok(())
    }
}

impl ImageBuffer for Pulled<'_, '_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        match self.picture.layout.colours {
            Colours::Grey | Colours::GreyAlpha => JpegColorType::Luma,
            Colours::Rgb | Colours::Rgba => JpegColorType::Ycbcr,
        }
    }

    fn width(&self) -> u16 {
        self.picture.width as u16
    }

    fn height(&self) -> u16 {
        self.picture.height as u16
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let mut rows = self.rows.borrow_mut();
        if !self.halted.get()
            && let Err(error) = rows.advance(y)
        {
            rows.fault = Some(error);
            self.halted.set(true);
        }
        if self.get_jpeg_color_type() == JpegColorType::Luma {
            buffers[0].extend_from_slice(&rows.row);
            return;
        }
        let (pixels, _) = rows.row.as_chunks::<3>();
        for [red, green, blue] in pixels {
            let (y, cb, cr) = rgb_to_ycbcr(*red, *green, *blue);
            buffers[0].push(y);
            buffers[1].push(cb);
            buffers[2].push(cr);
        }
    }
}

/// A sink that takes nothing more once the rows have failed: so the encoder stops at its next byte.
struct Halting<'a, W> {
    sink: W,
    halted: &'a Cell<bool>,
}

impl<W: Write> Write for Halting<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.halted.get() {
            return Err(io::Error::other("halted"));
        }
        self.sink.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}
