//! Planes of 16 channels with a border of zeros, so that no transform asks where the image ends.

use super::scheme::Scheme;

/// Sixteen channels of a pixel: a line of the cache.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [f32; 16]);

impl Line {
    /// All 0.
    pub(super) const ZERO: Self = Self([0.0; 16]);
}

/// How a plane lies in memory: rows of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Columns of the image.
    pub(super) width: usize,
    /// Rows of the image.
    pub(super) height: usize,
    /// Zeros to the left of it and above it.
    pub(super) border: usize,
    /// Lines in a row.
    pub(super) stride: usize,
    /// Lines in a plane.
    pub(super) plane: usize,
}

impl Layout {
    /// The layout for an image that all these schemes read.
    pub(super) fn new(width: usize, height: usize, schemes: impl Iterator<Item = Scheme> + Clone) -> Self {
        let border = schemes.clone().map(Scheme::reach).max().unwrap_or_default();
        let side = |image: usize| {
            let ends = schemes
                .clone()
                .map(|scheme| image.div_ceil(scheme.outputs()) * scheme.outputs() + scheme.reach());
            border + ends.max().unwrap_or(image)
        };
        // An odd stride spreads the rows of a square over all sets of the cache.
        let stride = side(width) | 1;
        Self { width, height, border, stride, plane: stride * side(height) }
    }

    /// The line of a pixel within its plane; the border is reached by the row and column of the square's corner.
    pub(super) fn line(&self, row: usize, column: usize) -> usize {
        (row + self.border) * self.stride + column + self.border
    }
}
