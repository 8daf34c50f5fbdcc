//! What can go wrong while an image is enlarged, in words for people.

use std::io;

use super::format::Format;

/// The most pixels a source may have is one less than this: whatever is sold as 64 megapixels fits.
pub const PIXEL_LIMIT: u64 = 65_000_000;

/// The most pixels a source may have along a side.
pub const SIDE_LIMIT: u32 = 65_535;

/// Why an image was not enlarged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnlargeError {
    /// The file has no bytes at all.
    #[error("the image file is empty (0 bytes)")]
    Empty,
    /// It is something else than PNG, JPEG or WebP; `found` names it where it could be told.
    #[error("{}; image.upscale reads PNG, JPEG and WebP", found.map_or_else(|| "this is not an image of a known format".to_owned(), |name| format!("this is {name}")))]
    Format {
        /// What it is, with its article: `a GIF`.
        found: Option<&'static str>,
    },
    /// A side of the image is 0 pixels long.
    #[error("the {format} image has no pixels: its header says {width} × {height}")]
    ZeroSized {
        /// What the file is.
        format: Format,
        /// Pixels across, as the header says.
        width: u32,
        /// Pixels down, as the header says.
        height: u32,
    },
    /// More pixels than are read; told from the header, before anything is allocated.
    #[error(
        "the image has {width} × {height} pixels ({:.1} megapixels); at most 64 megapixels and {SIDE_LIMIT} pixels a side are read",
        f64::from(*width) * f64::from(*height) / 1e6
    )]
    TooLarge {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
    /// The file ends before its image does.
    #[error("the {format} file is truncated: it ends in the middle of the image")]
    Truncated {
        /// What the file is.
        format: Format,
    },
    /// The file breaks the rules of its format.
    #[error("the {format} file is damaged: {reason}")]
    Malformed {
        /// What the file is.
        format: Format,
        /// What the decoder found.
        reason: String,
    },
    /// A rare kind of its format that is not read.
    #[error("this kind of {format} is not read: {reason}")]
    Unsupported {
        /// What the file is.
        format: Format,
        /// What is rare about it.
        reason: String,
    },
    /// The enlarged image is more than a JPEG can be.
    #[error("the result would have {width} × {height} pixels and a JPEG has at most 65535 a side")]
    OutputTooLarge {
        /// Pixels across the result.
        width: u32,
        /// Pixels down the result.
        height: u32,
    },
    /// The machine has not the memory for the decoded source.
    #[error("there is no memory for the decoded image ({mib} MiB)")]
    Memory {
        /// What was asked of the machine.
        mib: u64,
    },
    /// A network cannot be run in so little memory, however small the tiles.
    #[error("the network does not fit into {mib} MiB beside this image, however small its tiles")]
    Tiles {
        /// What it may take.
        mib: u64,
    },
    /// What an earlier attempt had finished could not be fetched just now.
    #[error("what an earlier attempt had finished cannot be fetched: {why}")]
    Kept {
        /// What the store said.
        why: String,
    },
    /// The source could not be read.
    #[error("the image cannot be read")]
    Read(#[source] io::Error),
    /// The result could not be written.
    #[error("the result cannot be written")]
    Write(#[source] io::Error),
    /// The caller asked to stop.
    #[error("stopped")]
    Stopped,
}

impl EnlargeError {
    /// What a person can do about it.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Empty | Self::Truncated { .. } | Self::Malformed { .. } | Self::ZeroSized { .. } => {
                Some("open it in an image viewer; if it does not show there either, fetch or export it again")
            }
            Self::Format { .. } | Self::Unsupported { .. } => Some("convert it to PNG, JPEG or WebP first"),
            Self::TooLarge { .. } => Some("crop it or scale it down first, or cut it into parts"),
            Self::OutputTooLarge { .. } => Some("leave `format` out or ask for png, or choose the factor 2"),
            Self::Memory { .. } => Some("run it where more memory is free"),
            Self::Tiles { .. } => Some("choose the standard quality, or a smaller image"),
            Self::Write(error) if is_full(error) => Some("free some disk space"),
            Self::Kept { .. } | Self::Read(_) | Self::Write(_) | Self::Stopped => None,
        }
    }

    /// Whether the file itself is at fault, so that another try is no use.
    #[must_use]
    pub fn is_of_the_input(&self) -> bool {
        !matches!(
            self,
            Self::Memory { .. }
                | Self::Tiles { .. }
                | Self::Kept { .. }
                | Self::Read(_)
                | Self::Write(_)
                | Self::Stopped
        )
    }

    /// Whether the machine ran out of memory or disk space.
    #[must_use]
    pub fn is_of_resources(&self) -> bool {
        match self {
            Self::Memory { .. } | Self::Tiles { .. } => true,
            Self::Read(error) | Self::Write(error) => is_full(error),
            _ => false,
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, OutOfMemory, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge | OutOfMemory)
}
