//! WebP: lossy, lossless, with alpha; of an animation the first frame.

use std::io::{self, Read, Seek, SeekFrom};

use image_webp::{DecodingError, WebPDecoder};

use super::{
    super::{
        error::EnlargeError,
        format::Format,
        orient::{Orientation, Turned},
        pixels::{Colours, Depth, Layout},
        watched::{Notes, Watched},
    },
    Colour, NOTES_LIMIT, Rows, Source, check_size, fitting_profile, room,
};

pub(super) fn open<'a, R: Read + Seek>(
    mut source: Watched<'a, R>,
    notes: &Notes,
) -> Result<Source<'a, R>, EnlargeError> {
    check_frames(&mut source, notes)?;
    source.seek(SeekFrom::Start(0)).map_err(|error| told(notes, &error))?;
    let mut decoder = WebPDecoder::new(source).map_err(|error| fault(notes, error))?;
    decoder.set_memory_limit(NOTES_LIMIT);
    let (width, height) = decoder.dimensions();
    check_size(Format::Webp, width, height)?;
    let colours = if decoder.has_alpha() { Colours::Rgba } else { Colours::Rgb };
    let layout = Layout { colours, depth: Depth::Eight };
    // Notes that cannot be read are no reason to refuse the image.
    let orientation =
        decoder.exif_metadata().ok().flatten().map(|exif| Orientation::read(&exif)).unwrap_or_default();
    let profile = decoder.icc_profile().ok().flatten();
    let mut pixels = room(width as usize * height as usize * layout.bytes_per_pixel())?;
    decoder.read_image(&mut pixels).map_err(|error| fault(notes, error))?;
    let size = orientation.size(width, height);
    let colour = Colour { profile: fitting_profile(profile, colours), ..Colour::default() };
    let rows = Rows::Held(Turned::new(pixels, (width, height), layout.bytes_per_pixel(), orientation));
    Ok(Source { format: Format::Webp, width: size.0, height: size.1, layout, colour, rows })
}

/// The size of the image or of the animation.
pub(super) fn header_size<R: Read + Seek>(
    mut source: Watched<'_, R>,
    notes: &Notes,
) -> Result<(u32, u32), EnlargeError> {
    check_frames(&mut source, notes)?;
    source.seek(SeekFrom::Start(0)).map_err(|error| told(notes, &error))?;
    Ok(WebPDecoder::new(source).map_err(|error| fault(notes, error))?.dimensions())
}

/// A file of chunks has no more than this before its image; else it is a trick.
const CHUNK_LIMIT: usize = 1_000;

/// The decoder allocates by the size inside each frame before it compares it with the one outside: so it is compared
/// here first, and each chunk's length with the file's.
fn check_frames<R: Read + Seek>(source: &mut Watched<'_, R>, notes: &Notes) -> Result<(), EnlargeError> {
    let end = source.seek(SeekFrom::End(0)).map_err(|error| told(notes, &error))?;
    let mut at = 12;
    let mut canvas = None;
    for _ in 0..CHUNK_LIMIT {
        if at + 8 > end {
            return Ok(());
        }
        let chunk = Chunk::read(source, at).map_err(|error| told(notes, &error))?;
        let animated = &chunk.name == b"ANMF";
        if chunk.is_of_an_image() && at + 8 + chunk.size > end {
            return Err(EnlargeError::Truncated { format: Format::Webp });
        }
        if &chunk.name == b"VP8X" {
            canvas = Some((chunk.u24(4) + 1, chunk.u24(7) + 1));
        } else if animated {
            let frame = (chunk.u24(6) + 1, chunk.u24(9) + 1);
            check_size(Format::Webp, frame.0, frame.1)?;
            return check_frame(source, notes, at + 8 + 16, at + 8 + chunk.size, frame);
        }
        if let Some(size) = chunk.image_size() {
            check_size(Format::Webp, size.0, size.1)?;
            if canvas.is_some_and(|canvas| canvas != size) {
                return Err(malformed("the image has another size than its canvas"));
            }
        }
        at += 8 + chunk.size.next_multiple_of(2);
    }
    Err(malformed("it has too many chunks"))
}

/// The same inside the first frame of an animation.
fn check_frame<R: Read + Seek>(
    source: &mut Watched<'_, R>,
    notes: &Notes,
    mut at: u64,
    end: u64,
    frame: (u32, u32),
) -> Result<(), EnlargeError> {
    for _ in 0..CHUNK_LIMIT {
        if at + 8 > end {
            return Ok(());
        }
        let chunk = Chunk::read(source, at).map_err(|error| told(notes, &error))?;
        if chunk.image_size().is_some_and(|size| size != frame) {
            return Err(malformed("the image has another size than its frame"));
        }
        at += 8 + chunk.size.next_multiple_of(2);
    }
    Err(malformed("it has too many chunks"))
}

/// A chunk's heading and its first bytes.
struct Chunk {
    name: [u8; 4],
    size: u64,
    head: [u8; 16],
}

impl Chunk {
    fn read<R: Read + Seek>(source: &mut Watched<'_, R>, at: u64) -> io::Result<Self> {
        source.seek(SeekFrom::Start(at))?;
        let mut heading = [0; 8];
        source.read_exact(&mut heading)?;
        let [a, b, c, d, size @ ..] = heading;
        let size = u64::from(u32::from_le_bytes(size));
        let mut head = Vec::with_capacity(16);
        source.by_ref().take(size.min(16)).read_to_end(&mut head)?;
        head.resize(16, 0);
        let head = *head.first_chunk().unwrap_or(&[0; 16]);
        Ok(Self { name: [a, b, c, d], size, head })
    }

    fn is_of_an_image(&self) -> bool {
        matches!(&self.name, b"VP8 " | b"VP8L" | b"ALPH" | b"ANMF")
    }

    fn u24(&self, at: usize) -> u32 {
        u32::from_le_bytes([self.head[at], self.head[at + 1], self.head[at + 2], 0])
    }

    /// The size that the coded image itself claims.
    fn image_size(&self) -> Option<(u32, u32)> {
        match &self.name {
            b"VP8 " => Some((self.u24(6) & 0x3fff, (self.u24(8)) & 0x3fff)),
            b"VP8L" => {
                let [_, a, b, c, d, ..] = self.head;
                let bits = u32::from_le_bytes([a, b, c, d]);
                Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
            }
            _ => None,
        }
    }
}

fn malformed(reason: impl Into<String>) -> EnlargeError {
    EnlargeError::Malformed { format: Format::Webp, reason: reason.into() }
}

/// What the reader met; its own note of it is fuller than the copy that came through.
fn told(notes: &Notes, error: &io::Error) -> EnlargeError {
    notes.cause(Format::Webp, malformed(error.to_string()))
}

fn fault(notes: &Notes, error: DecodingError) -> EnlargeError {
    let error = match error {
        DecodingError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            EnlargeError::Truncated { format: Format::Webp }
        }
        DecodingError::UnsupportedFeature(reason) => {
            EnlargeError::Unsupported { format: Format::Webp, reason: reason.to_lowercase() }
        }
        other => malformed(other.to_string().to_lowercase()),
    };
    notes.cause(Format::Webp, error)
}
