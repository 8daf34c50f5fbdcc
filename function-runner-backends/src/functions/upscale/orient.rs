//! Which way up a photo is: the orientation that cameras note in EXIF.

/// How the stored pixels are turned to be looked at: first perhaps exchanged across the diagonal, then mirrored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Orientation {
    /// Rows of the picture are columns of what is stored.
    pub(super) transposed: bool,
    /// Stored columns are taken from the right.
    pub(super) from_right: bool,
    /// Stored rows are taken from the bottom.
    pub(super) from_bottom: bool,
}

impl Orientation {
    /// By the number that EXIF gives it, 1 to 8; anything else is upright.
    fn from_exif(number: u16) -> Self {
        Self {
            transposed: (5..=8).contains(&number),
            from_right: matches!(number, 2 | 3 | 7 | 8),
            from_bottom: matches!(number, 3 | 4 | 6 | 7),
        }
    }

    /// From a block of EXIF (a small TIFF file), with or without its `Exif` heading. What cannot be understood is
    /// upright: a photo with odd notes is still a photo.
    pub(super) fn read(exif: &[u8]) -> Self {
        let tiff = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
        tag(tiff).map(Self::from_exif).unwrap_or_default()
    }

    /// Whether whole rows can be taken from the top, one after another.
    pub(super) fn keeps_rows(self) -> bool {
        !self.transposed && !self.from_bottom
    }

    /// The picture's size, of what is stored.
    pub(super) fn size(self, width: u32, height: u32) -> (u32, u32) {
        if self.transposed { (height, width) } else { (width, height) }
    }
}

const ORIENTATION: u16 = 0x0112;
const SHORT: u16 = 3;

fn tag(tiff: &[u8]) -> Option<u16> {
    let little = match tiff.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let short = |at: usize| -> Option<u16> {
        let bytes = *tiff.get(at..)?.first_chunk()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let long = |at: usize| -> Option<u32> {
        let bytes = *tiff.get(at..)?.first_chunk()?;
        Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    let directory = usize::try_from(long(4)?).ok()?;
    let entries = usize::from(short(directory)?);
    let found = (0..entries)
        .map(|entry| directory.saturating_add(2 + 12 * entry))
        .find(|at| short(*at) == Some(ORIENTATION) && short(at + 2) == Some(SHORT))?;
    short(found + 8)
}

/// Decoded pixels that are handed out as the rows of the turned picture.
#[derive(Debug)]
pub(super) struct Turned {
    pixels: Vec<u8>,
    stored: (usize, usize),
    bytes_per_pixel: usize,
    orientation: Orientation,
    next: usize,
    /// A few rows of a transposed picture, gathered together because a stored row is touched for each of them.
    band: Vec<u8>,
}

/// So many pixels fill a cache line or two.
const BAND: usize = 16;

impl Turned {
    /// `stored` is the width and height of `pixels`.
    pub(super) fn new(
        pixels: Vec<u8>,
        stored: (u32, u32),
        bytes_per_pixel: usize,
        orientation: Orientation,
    ) -> Self {
        let stored = (stored.0 as usize, stored.1 as usize);
        debug_assert_eq!(pixels.len(), stored.0 * stored.1 * bytes_per_pixel);
        Self { pixels, stored, bytes_per_pixel, orientation, next: 0, band: Vec::new() }
    }

    /// Bytes that it holds.
    pub(super) fn bytes(&self) -> u64 {
        let (width, height) = self.stored;
        let band = if self.orientation.transposed { BAND.min(width) * height } else { 0 };
        ((width * height + band) * self.bytes_per_pixel) as u64
    }

    /// The next row; past the last one the last again.
    pub(super) fn read_row(&mut self, row: &mut [u8]) {
        let at = self.next;
        self.next += 1;
        if self.orientation.transposed {
            self.gathered(at, row);
        } else {
            let (width, height) = self.stored;
            let at = at.min(height - 1);
            let at = if self.orientation.from_bottom { height - 1 - at } else { at };
            let line = width * self.bytes_per_pixel;
            row.copy_from_slice(&self.pixels[at * line..][..line]);
            if self.orientation.from_right {
                mirror(row, self.bytes_per_pixel);
            }
        }
    }

    fn gathered(&mut self, at: usize, row: &mut [u8]) {
        let (width, height) = self.stored;
        let at = at.min(width - 1);
        let line = height * self.bytes_per_pixel;
        if at.is_multiple_of(BAND) || self.band.is_empty() {
            self.gather(at - at % BAND);
        }
        row.copy_from_slice(&self.band[(at % BAND) * line..][..line]);
        if self.orientation.from_bottom {
            mirror(row, self.bytes_per_pixel);
        }
    }

    /// Fills the band with rows `first` and on of the picture, which are stored columns.
    fn gather(&mut self, first: usize) {
        let (width, height) = self.stored;
        let size = self.bytes_per_pixel;
        self.band.resize(BAND * height * size, 0);
        for (y, stored) in self.pixels.chunks_exact(width * size).enumerate() {
            for row in 0..BAND.min(width - first) {
                let x = if self.orientation.from_right { width - 1 - first - row } else { first + row };
                self.band[(row * height + y) * size..][..size].copy_from_slice(&stored[x * size..][..size]);
            }
        }
    }
}

/// Turns a row left to right.
pub(super) fn mirror(row: &mut [u8], bytes_per_pixel: usize) {
    let pixels = row.len() / bytes_per_pixel;
    for left in 0..pixels / 2 {
        let right = pixels - 1 - left;
        let (head, tail) = row.split_at_mut(right * bytes_per_pixel);
        head[left * bytes_per_pixel..][..bytes_per_pixel].swap_with_slice(&mut tail[..bytes_per_pixel]);
    }
}
