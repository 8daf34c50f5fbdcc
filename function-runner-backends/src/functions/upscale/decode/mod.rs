//! From a file to rows of samples.
//!
//! A PNG that is neither interlaced nor turned is decoded row by row. The other decoders have no such interface, so
//! the decoded source is held, in as many bytes a pixel as [`enlarge`](super::enlarge()) states. Sizes are checked
//! on the header, before anything of the image's size is allocated.

mod jpeg;
mod png;
mod webp;

use std::io::{Read, Seek, SeekFrom};

use super::{
    error::{EnlargeError, PIXEL_LIMIT, SIDE_LIMIT},
    format::{Format, sniff},
    orient::Turned,
    pixels::{Colours, Layout},
    watched::{Stopped, Watched},
};

/// So many bytes may stand before the image itself: notes, thumbnails, profiles.
const HEADER_LIMIT: u64 = 64 * 1024 * 1024;

/// Larger colour profiles and EXIF blocks are a trick.
const NOTES_LIMIT: usize = 16 * 1024 * 1024;

/// An opened image: its size the way up it is looked at, and its rows from the top.
pub(super) struct Source<'a, R: Read + Seek> {
    pub(super) format: Format,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) layout: Layout,
    pub(super) colour: Colour,
    rows: Rows<'a, R>,
}

/// What the numbers mean, as far as the file says it.
#[derive(Clone, Debug, Default)]
pub(super) struct Colour {
    pub(super) profile: Option<Vec<u8>>,
    /// The same said by a PNG in its own chunks.
    pub(super) chunks: png::Chunks,
}

enum Rows<'a, R: Read + Seek> {
    Streamed(Box<png::Stream<'a, R>>),
    Held(Turned),
}

impl<'a, R: Read + Seek> Source<'a, R> {
    /// Opens an image of any of the formats; decodes it, unless it can be streamed.
    pub(super) fn open(mut source: R, stopped: Stopped<'a>) -> Result<Self, EnlargeError> {
        source.seek(SeekFrom::Start(0)).map_err(EnlargeError::Read)?;
        let format = sniff(&mut source)?;
        source.seek(SeekFrom::Start(0)).map_err(EnlargeError::Read)?;
        let (source, notes) = Watched::new(source, stopped);
        match format {
            Format::Png => png::open(source, notes),
            Format::Jpeg => jpeg::open(source, &notes),
            Format::Webp => webp::open(source, &notes),
        }
    }

    /// Bytes that the decoded image takes, where it is held.
    pub(super) fn held(&self) -> u64 {
        match &self.rows {
            Rows::Streamed(_) => 0,
            Rows::Held(turned) => turned.bytes(),
        }
    }

    /// The next row of `width` pixels.
    pub(super) fn read_row(&mut self, row: &mut [u8]) -> Result<(), EnlargeError> {
        match &mut self.rows {
            Rows::Streamed(stream) => stream.read_row(row),
            Rows::Held(turned) => {
                turned.read_row(row);
                Ok(())
            }
        }
    }
}

/// The size of what is stored, as the header says it; nothing is decoded.
pub(super) fn size(mut source: impl Read + Seek) -> Result<(u32, u32), EnlargeError> {
    source.seek(SeekFrom::Start(0)).map_err(EnlargeError::Read)?;
    let format = sniff(&mut source)?;
    source.seek(SeekFrom::Start(0)).map_err(EnlargeError::Read)?;
    let (mut source, notes) = Watched::new(source, &|| false);
    notes.allow(HEADER_LIMIT);
    let size = match format {
        Format::Png => png::header_size(&mut source, &notes)?,
        Format::Jpeg => jpeg::header_size(&mut source, &notes)?,
        Format::Webp => webp::header_size(source, &notes)?,
    };
    check_size(format, size.0, size.1)?;
    Ok(size)
}

/// Refuses what has no pixels or too many.
fn check_size(format: Format, width: u32, height: u32) -> Result<(), EnlargeError> {
    if width == 0 || height == 0 {
        return Err(EnlargeError::ZeroSized { format, width, height });
    }
    if width > SIDE_LIMIT || height > SIDE_LIMIT || u64::from(width) * u64::from(height) >= PIXEL_LIMIT {
        return Err(EnlargeError::TooLarge { width, height });
    }
    Ok(())
}

/// Room for decoded pixels; the size was checked before.
fn room(bytes: usize) -> Result<Vec<u8>, EnlargeError> {
    let mut pixels = Vec::new();
    pixels.try_reserve_exact(bytes).map_err(|_| EnlargeError::Memory { mib: bytes as u64 / (1 << 20) })?;
    pixels.resize(bytes, 0);
    Ok(pixels)
}

/// An ICC profile, where it is one and is about such colours.
fn fitting_profile(profile: Option<Vec<u8>>, colours: Colours) -> Option<Vec<u8>> {
    let space: &[u8] = match colours {
        Colours::Grey | Colours::GreyAlpha => b"GRAY",
        Colours::Rgb | Colours::Rgba => b"RGB ",
    };
    profile.filter(|data| data.get(36..40) == Some(b"acsp") && data.get(16..20) == Some(space))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::{Rows, Source};

    #[test]
    fn a_plain_png_is_streamed_and_never_held() {
        let mut file = Vec::new();
        let mut writer = png::Encoder::new(&mut file, 4, 4).write_header().unwrap();
        writer.write_image_data(&[0; 16]).unwrap();
        writer.finish().unwrap();
        let source = Source::open(Cursor::new(file), &|| false).unwrap();
        assert!(matches!(source.rows, Rows::Streamed(_)));
    }
}
