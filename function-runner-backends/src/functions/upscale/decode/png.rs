//! PNG: every colour type and depth, interlaced or not.

use std::io::{self, Read, Seek, SeekFrom};

use png::{
    CodingIndependentCodePoints, ColorType, DecodingError, Limits, ScaledFloat, SourceChromaticities,
    SrgbRenderingIntent, Transformations,
};

use super::{
    super::{
        error::EnlargeError,
        format::Format,
        orient::{Orientation, Turned, mirror},
        pixels::{Colours, Depth, Layout},
        watched::{Notes, Watched},
    },
    Colour, HEADER_LIMIT, NOTES_LIMIT, Rows, Source, check_size, fitting_profile, room,
};

/// How a PNG says what its numbers mean, profile apart.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Chunks {
    pub(in super::super) srgb: Option<SrgbRenderingIntent>,
    pub(in super::super) gamma: Option<ScaledFloat>,
    pub(in super::super) chromaticities: Option<SourceChromaticities>,
    pub(in super::super) points: Option<CodingIndependentCodePoints>,
}

/// A PNG whose rows come as they are decoded.
pub(super) struct Stream<'a, R: Read + Seek> {
    reader: png::Reader<Watched<'a, R>>,
    notes: Notes,
    mirrored: Option<usize>,
    left: u32,
}

pub(super) fn open<'a, R: Read + Seek>(
    mut source: Watched<'a, R>,
    notes: Notes,
) -> Result<Source<'a, R>, EnlargeError> {
    let (width, height) = header_size(&mut source, &notes)?;
    check_size(Format::Png, width, height)?;
    let mut decoder = png::Decoder::new_with_limits(source, Limits { bytes: NOTES_LIMIT });
    decoder.set_transformations(Transformations::EXPAND);
    decoder.set_ignore_text_chunk(true);
    notes.allow(HEADER_LIMIT);
    let mut reader = decoder.read_info().map_err(|error| fault(&notes, &error))?;
    notes.allow(u64::MAX);
    if reader.info().frame_control.is_some_and(|frame| (frame.width, frame.height) != (width, height)) {
        return Err(malformed("its first frame has another size than the image"));
    }
    let layout = layout(&reader);
    let orientation = reader.info().exif_metadata.as_deref().map(Orientation::read).unwrap_or_default();
    let colour = colour(&reader, layout.colours);
    let size = orientation.size(width, height);
    let rows = if orientation.keeps_rows() && !reader.info().interlaced {
        let mirrored = orientation.from_right.then(|| layout.bytes_per_pixel());
        Rows::Streamed(Box::new(Stream { reader, notes, mirrored, left: height }))
    } else {
        let mut pixels = room(width as usize * height as usize * layout.bytes_per_pixel())?;
        reader.next_frame(&mut pixels).map_err(|error| fault(&notes, &error))?;
        Rows::Held(Turned::new(pixels, (width, height), layout.bytes_per_pixel(), orientation))
    };
    Ok(Source { format: Format::Png, width: size.0, height: size.1, layout, colour, rows })
}

impl<R: Read + Seek> Stream<'_, R> {
    pub(super) fn read_row(&mut self, row: &mut [u8]) -> Result<(), EnlargeError> {
        self.reader.read_row(row).map_err(|error| fault(&self.notes, &error))?;
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            // The end of the image data has its checksum.
            self.reader.read_row(&mut []).map_err(|error| fault(&self.notes, &error))?;
        }
        if let Some(bytes_per_pixel) = self.mirrored {
            mirror(row, bytes_per_pixel);
        }
        Ok(())
    }
}

/// The size as the first chunk states it. Asked for before the decoder, which refuses some sizes in words of its own.
pub(super) fn header_size<R: Read + Seek>(
    source: &mut Watched<'_, R>,
    notes: &Notes,
) -> Result<(u32, u32), EnlargeError> {
    let mut head = [0; 24];
    let told = |error: io::Error| notes.cause(Format::Png, malformed(error.to_string()));
    source.read_exact(&mut head).map_err(told)?;
    source.seek(SeekFrom::Start(0)).map_err(told)?;
    let [.., a, b, c, d, e, f, g, h] = head;
    if &head[12..16] != b"IHDR" {
        return Err(malformed("it does not begin with its header"));
    }
    Ok((u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])))
}

fn layout<R: Read + Seek>(reader: &png::Reader<Watched<'_, R>>) -> Layout {
    let (colours, depth) = reader.output_color_type();
    Layout {
        colours: match colours {
            ColorType::Grayscale => Colours::Grey,
            ColorType::GrayscaleAlpha => Colours::GreyAlpha,
            // Palettes have been expanded.
            ColorType::Rgb | ColorType::Indexed => Colours::Rgb,
            ColorType::Rgba => Colours::Rgba,
        },
        depth: if depth == png::BitDepth::Sixteen { Depth::Sixteen } else { Depth::Eight },
    }
}

fn colour<R: Read + Seek>(reader: &png::Reader<Watched<'_, R>>, colours: Colours) -> Colour {
    let info = reader.info();
    Colour {
        profile: fitting_profile(info.icc_profile.as_ref().map(|profile| profile.to_vec()), colours),
        chunks: Chunks {
            srgb: info.srgb,
            gamma: info.gama_chunk,
            chromaticities: info.chrm_chunk,
            points: info.coding_independent_code_points,
        },
    }
}

fn malformed(reason: impl Into<String>) -> EnlargeError {
    EnlargeError::Malformed { format: Format::Png, reason: reason.into() }
}

fn fault(notes: &Notes, error: &DecodingError) -> EnlargeError {
    notes.cause(Format::Png, malformed(error.to_string()))
}
