//! An image cut into tiles that overlap.

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// Columns to its left.
    pub left: u32,
    /// Rows above it.
    pub top: u32,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// A part of the image that is computed at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tile {
    /// What the network is given: the core and the overlap around it, as far as there is image.
    pub source: Rect,
    /// What of it counts; the cores of all tiles are the image.
    pub core: Rect,
}

/// The tiles beside each other, from left to right; their cores are rows of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TileRow {
    /// From left to right, all with the same rows.
    pub tiles: Vec<Tile>,
}

/// How an image is cut.
///
/// # Examples
///
/// ```
/// use function_runner_backends::networks::Tiling;
///
/// // An image of 100 × 40 pixels in tiles of at most 2,000 pixels that overlap by 5.
/// let fits = |width: u32, height: u32| width * height <= 2_000;
/// let tiling = Tiling::new(100, 40, 5, &fits).expect("a tile fits");
/// assert_eq!(tiling.rows.len(), 1);
/// let tiles = &tiling.rows[0].tiles;
/// assert_eq!(tiles.len(), 3);
/// assert_eq!((tiles[1].core.left, tiles[1].core.width), (33, 33));
/// assert_eq!((tiles[1].source.left, tiles[1].source.width), (28, 43));
/// assert_eq!(tiling.pixels(), 100 * 40 + 2 * 2 * 5 * 40);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tiling {
    /// From top to bottom.
    pub rows: Vec<TileRow>,
}

impl Tiling {
    /// Cuts an image so that as little as can be is computed twice.
    ///
    /// `overlap` is how many pixels around its core a tile is given, cut off at the edges of the image: with
    /// [`Plan::radius`](super::Plan::radius) tiling is exact, with [`Plan::overlap`](super::Plan::overlap) it is off
    /// by no more than the model's conversion measured. `fits(width, height)` says whether a tile of that size, its
    /// overlap included, may be computed; what is smaller than a tile that fits must fit as well.
    ///
    /// The cores of a row are as high as each other, those of a column as wide, and no two rows or columns differ by
    /// more than a pixel. A core is at least as wide and high as the overlap, unless the image is not: smaller ones
    /// would compute more than nine pixels for one. `None` says that nothing so large fits, or that there is no image.
    #[must_use]
    pub fn new(width: u32, height: u32, overlap: u32, fits: &dyn Fn(u32, u32) -> bool) -> Option<Self> {
        Self::in_bands(width, height, overlap, height, fits)
    }

    /// As [`new`](Self::new), with cores at most `band` rows high, however small that is.
    ///
    /// For callers that keep the result of a row of tiles until it is finished, and so have memory for so many rows of
    /// it only; or that store a checkpoint after each row, and want more of them.
    #[must_use]
    pub fn in_bands(
        width: u32,
        height: u32,
        overlap: u32,
        band: u32,
        fits: &dyn Fn(u32, u32) -> bool,
    ) -> Option<Self> {
        if width == 0 || height == 0 || band == 0 {
            return None;
        }
        let (columns, rows) = best(width, height, overlap, band, fits)?;
        let across = Cut { length: width, parts: columns, overlap };
        let down = Cut { length: height, parts: rows, overlap };
        let row = |row| TileRow {
            tiles: (0..columns).map(|column| tile(across.part(column), down.part(row))).collect(),
        };
        Some(Self { rows: (0..rows).map(row).collect() })
    }

    /// Source pixels computed, overlaps counted as often as they are.
    #[must_use]
    pub fn pixels(&self) -> u64 {
        let tiles = self.rows.iter().flat_map(|row| &row.tiles);
        tiles.map(|tile| u64::from(tile.source.width) * u64::from(tile.source.height)).sum()
    }
}

/// A side of the image, cut into parts that differ by at most one pixel.
#[derive(Clone, Copy, Debug)]
struct Cut {
    length: u32,
    parts: u32,
    overlap: u32,
}

/// From where to where a part goes along a side, and with its overlap.
#[derive(Clone, Copy, Debug)]
struct Part {
    core: (u32, u32),
    source: (u32, u32),
}

impl Cut {
    fn part(self, index: u32) -> Part {
        let at = |index: u32| (u64::from(self.length) * u64::from(index) / u64::from(self.parts)) as u32;
        let core = (at(index), at(index + 1));
        let end = core.1.saturating_add(self.overlap).min(self.length);
        Part { core, source: (core.0.saturating_sub(self.overlap), end) }
    }

    /// The longest part, its overlap included.
    fn longest(self) -> u32 {
        // Whether a middle part or one at an edge is longest depends on the rounding; both are bounded by this.
        let edges = self.parts.saturating_sub(1).min(2);
        self.length.div_ceil(self.parts).saturating_add(self.overlap.saturating_mul(edges)).min(self.length)
    }

    /// The lengths of all parts, overlaps included; a bit more where overlaps reach beyond a neighbour.
    fn total(self) -> u64 {
        u64::from(self.length) + 2 * u64::from(self.overlap) * u64::from(self.parts - 1)
    }
}

fn tile(across: Part, down: Part) -> Tile {
    let rect = |across: (u32, u32), down: (u32, u32)| Rect {
        left: across.0,
        top: down.0,
        width: across.1 - across.0,
        height: down.1 - down.0,
    };
    Tile { source: rect(across.source, down.source), core: rect(across.core, down.core) }
}

/// How many columns and rows compute the fewest pixels, and of those with as many, the fewest tiles.
fn best(
    width: u32,
    height: u32,
    overlap: u32,
    band: u32,
    fits: &dyn Fn(u32, u32) -> bool,
) -> Option<(u32, u32)> {
    let smallest = overlap.max(1);
    let most_columns = (width / smallest).max(1);
    let fewest_rows = height.div_ceil(band);
    let most_rows = (height / smallest).max(fewest_rows);
    let across = |columns| Cut { length: width, parts: columns, overlap };
    let down = |rows| Cut { length: height, parts: rows, overlap };

    let area = |wide: Cut, high: Cut| u128::from(wide.total()) * u128::from(high.total());
    let mut best: Option<(u128, u64, u32, u32)> = None;
    let mut columns = 1;
    while columns <= most_columns {
        let wide = across(columns);
        // More columns only cost more from here on.
        if best.is_some_and(|(pixels, ..)| area(wide, down(fewest_rows)) > pixels) {
            break;
        }
        if let Some(rows) = first(fewest_rows, most_rows, |rows| fits(wide.longest(), down(rows).longest())) {
            let found = (area(wide, down(rows)), u64::from(columns) * u64::from(rows), columns, rows);
            best = Some(best.map_or(found, |best| best.min(found)));
        }
        columns = next(width, columns);
    }
    best.map(|(.., columns, rows)| (columns, rows))
}

/// The smallest number from `low` to `high` for which it holds; from 3 on, it holds for all above one for which it does.
fn first(low: u32, high: u32, holds: impl Fn(u32) -> bool) -> Option<u32> {
    // A third part has two overlaps where one of two has one, so it can be longer than a half.
    if let Some(few) = (low..=high.min(2)).find(|parts| holds(*parts)) {
        return Some(few);
    }
    let (mut low, mut high) = (low.max(3), high);
    if low > high || !holds(high) {
        return None;
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    Some(low)
}

/// The next number of parts that makes them shorter: there are about `2·√length`, however long the side is.
fn next(length: u32, parts: u32) -> u32 {
    let part = length.div_ceil(parts);
    if part <= 1 { u32::MAX } else { length.div_ceil(part - 1) }
}
