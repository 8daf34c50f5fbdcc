//! JPEG: baseline and progressive, grey, colour and CMYK.

use std::io::{self, Read, Seek, SeekFrom};

use zune_jpeg::{
    JpegDecoder,
    errors::DecodeErrors,
    zune_core::{colorspace::ColorSpace, options::DecoderOptions},
};

use super::{
    super::{
        error::EnlargeError,
        format::Format,
        orient::{Orientation, Turned},
        pixels::{Colours, Depth, Layout},
        watched::{Notes, Watched},
    },
    Colour, HEADER_LIMIT, Rows, Source, check_size, fitting_profile, room,
};

pub(super) fn open<'a, R: Read + Seek>(
    mut source: Watched<'a, R>,
    notes: &Notes,
) -> Result<Source<'a, R>, EnlargeError> {
    notes.allow(HEADER_LIMIT);
    let frame = Frame::find(&mut source).map_err(|error| fault(notes, malformed(error.to_string())))?;
    if let Some(frame) = frame {
        frame.check()?;
    }
    source.seek(SeekFrom::Start(0)).map_err(|error| fault(notes, malformed(error.to_string())))?;
    // Strict, because the decoder would else fill what is damaged or missing with grey and call it an image.
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(source, options);
    decoder.decode_headers().map_err(|error| fault(notes, plain(&error)))?;
    notes.allow(u64::MAX);
    let (width, height) = size(&decoder);
    check_size(Format::Jpeg, width, height)?;
    let colours = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => Colours::Grey,
        _ => Colours::Rgb,
    };
    if colours == Colours::Grey {
        decoder.set_options(options.jpeg_set_out_colorspace(ColorSpace::Luma));
    }
    let layout = Layout { colours, depth: Depth::Eight };
    let mut pixels = room(width as usize * height as usize * layout.bytes_per_pixel())?;
    decoder.decode_into(&mut pixels).map_err(|error| fault(notes, plain(&error)))?;
    if notes.overrun() {
        // The decoder overlooks it in the last row of blocks.
        return Err(EnlargeError::Truncated { format: Format::Jpeg });
    }
    let orientation = decoder.exif().map(|exif| Orientation::read(exif)).unwrap_or_default();
    let size = orientation.size(width, height);
    let colour = Colour { profile: fitting_profile(decoder.icc_profile(), colours), ..Colour::default() };
    let rows = Rows::Held(Turned::new(pixels, (width, height), layout.bytes_per_pixel(), orientation));
    Ok(Source { format: Format::Jpeg, width: size.0, height: size.1, layout, colour, rows })
}

/// The size as the frame header says it.
pub(super) fn header_size<R: Read + Seek>(
    source: &mut Watched<'_, R>,
    notes: &Notes,
) -> Result<(u32, u32), EnlargeError> {
    let frame = Frame::find(source).map_err(|error| fault(notes, malformed(error.to_string())))?;
    let frame = frame.ok_or_else(|| malformed("it has no frame header"))?;
    Ok((frame.width, frame.height))
}

fn size<R: Read + Seek>(decoder: &JpegDecoder<Watched<'_, R>>) -> (u32, u32) {
    decoder.info().map_or((0, 0), |info| (u32::from(info.width), u32::from(info.height)))
}

/// What the frame header says.
struct Frame {
    /// The second byte of its marker, from `c0`: how the image is coded.
    coding: u8,
    precision: u8,
    width: u32,
    height: u32,
}

impl Frame {
    /// Walks the segments up to the frame header. Where something is odd there is none, and the decoder has its say.
    fn find<R: Read + Seek>(source: &mut Watched<'_, R>) -> io::Result<Option<Self>> {
        let mut start = [0; 2];
        source.read_exact(&mut start)?;
        loop {
            let mut heading = [0; 4];
            source.read_exact(&mut heading)?;
            let [0xff, marker, high, low] = heading else { return Ok(None) };
            match marker {
                0xc4 | 0xc8 | 0xcc | 0xdb | 0xdd | 0xe0..=0xef | 0xfe => {
                    let length = u16::from_be_bytes([high, low]);
                    source.seek(SeekFrom::Current(i64::from(length.saturating_sub(2))))?;
                }
                0xc0..=0xcf => {
                    let mut frame = [0; 5];
                    source.read_exact(&mut frame)?;
                    let [precision, a, b, c, d] = frame;
                    let (height, width) =
                        (u16::from_be_bytes([a, b]).into(), u16::from_be_bytes([c, d]).into());
                    return Ok(Some(Self { coding: marker, precision, width, height }));
                }
                _ => return Ok(None),
            }
        }
    }

    /// Refuses what the decoder does not know, in words that say it.
    fn check(&self) -> Result<(), EnlargeError> {
        let rare = match self.coding {
            0xc9.. => Some("it is coded arithmetically"),
            0xc3 | 0xc5..=0xc7 => Some("it is lossless or hierarchical"),
            _ if self.precision != 8 => Some("its samples do not have 8 bits"),
            _ => None,
        };
        match rare {
            Some(reason) => {
                Err(EnlargeError::Unsupported { format: Format::Jpeg, reason: reason.to_owned() })
            }
            None => check_size(Format::Jpeg, self.width, self.height),
        }
    }
}

fn malformed(reason: impl Into<String>) -> EnlargeError {
    EnlargeError::Malformed { format: Format::Jpeg, reason: reason.into() }
}

fn fault(notes: &Notes, error: EnlargeError) -> EnlargeError {
    notes.cause(Format::Jpeg, error)
}

/// The decoder's words without their decoration.
fn plain(error: &DecodeErrors) -> EnlargeError {
    let text = format!("{error:?}");
    match error {
        DecodeErrors::ExhaustedData => EnlargeError::Truncated { format: Format::Jpeg },
        _ => malformed(text.trim().trim_matches('"').trim_end_matches(['\n', '.'])),
    }
}
