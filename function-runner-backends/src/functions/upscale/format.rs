//! What a file is, told by its first bytes and never by its name.

use std::{fmt, io::Read};

use super::error::EnlargeError;

/// A format that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Portable Network Graphics.
    Png,
    /// JPEG, baseline or progressive.
    Jpeg,
    /// WebP, lossy or lossless.
    Webp,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::Webp => "WebP",
        })
    }
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Where a signature stands, its bytes, and what has it.
const OTHERS: &[(usize, &[u8], &str)] = &[
    (0, b"GIF8", "a GIF"),
    (0, b"II*\0", "a TIFF or camera raw file"),
    (0, b"MM\0*", "a TIFF or camera raw file"),
    (0, b"II+\0", "a TIFF"),
    (0, b"MM\0+", "a TIFF"),
    (0, b"BM", "a BMP"),
    (4, b"ftypavi", "an AVIF"),
    (4, b"ftyphei", "a HEIC"),
    (4, b"ftyphev", "a HEIC"),
    (4, b"ftypmif1", "a HEIC or AVIF"),
    (4, b"ftypmsf1", "a HEIC or AVIF"),
    (4, b"ftypcrx", "a camera raw file"),
    (4, b"ftyp", "a video"),
    (0, b"\xff\x0a", "a JPEG XL"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"\0\0\x01\0", "an icon (ICO)"),
    (0, b"qoif", "a QOI"),
    (0, b"DDS ", "a DDS"),
    (0, b"v/1\x01", "an OpenEXR"),
    (0, b"#?RADIANCE", "a Radiance HDR"),
    (0, b"farbfeld", "a farbfeld"),
    (0, b"gimp xcf", "a GIMP file"),
    (0, b"P1", "a PNM"),
    (0, b"P2", "a PNM"),
    (0, b"P3", "a PNM"),
    (0, b"P4", "a PNM"),
    (0, b"P5", "a PNM"),
    (0, b"P6", "a PNM"),
    (0, b"P7", "a PAM"),
    (0, b"%PDF", "a PDF"),
    (0, b"%!PS", "a PostScript file"),
    (0, b"<svg", "an SVG"),
    (0, b"<?xml", "an XML file, perhaps an SVG"),
    (0, b"<!DOCTYPE", "a web page"),
    (0, b"<html", "a web page"),
    (8, b"WAVE", "a WAV"),
    (8, b"AVI ", "a video"),
    (0, b"\x1aE\xdf\xa3", "a video"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
];

/// Tells the format from the first bytes.
pub(super) fn sniff(source: &mut impl Read) -> Result<Format, EnlargeError> {
    let mut head = Vec::with_capacity(16);
    source.by_ref().take(16).read_to_end(&mut head).map_err(EnlargeError::Read)?;
    if head.is_empty() {
        return Err(EnlargeError::Empty);
    }
    if head.starts_with(PNG) {
        return Ok(Format::Png);
    }
    if head.starts_with(b"\xff\xd8") {
        return Ok(Format::Jpeg);
    }
    if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP") {
        return Ok(Format::Webp);
    }
    if PNG.starts_with(&head) {
        return Err(EnlargeError::Truncated { format: Format::Png });
    }
    let found = OTHERS
        .iter()
        .find(|(at, signature, _)| head.get(*at..).is_some_and(|rest| rest.starts_with(signature)))
        .map(|(_, _, name)| *name);
    Err(EnlargeError::Format { found })
}
