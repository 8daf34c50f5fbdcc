//! The frame of repeated pixels with which an image goes to a network.
//!
//! Networks take everything around a tile for black, which darkens the edges of an image and all of a tiny one.

use crate::networks::Rect;

/// By how many pixels an image goes on beyond each of its edges. Four measure the same as twelve, and better than the
/// image mirrored.
pub(super) const FRAME: u32 = 4;

/// A rectangle of the image, with the frame on the sides where the image ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Framed {
    pub(super) rect: Rect,
    /// Columns of the frame before the rectangle.
    pub(super) left: u32,
    /// Rows of the frame above it.
    pub(super) top: u32,
    /// Columns in all.
    pub(super) width: u32,
    /// Rows in all.
    pub(super) height: u32,
}

impl Framed {
    /// A rectangle of an image of this size.
    pub(super) fn new(rect: Rect, (width, height): (u32, u32)) -> Self {
        let frame = |ends: bool| if ends { FRAME } else { 0 };
        let (left, top) = (frame(rect.left == 0), frame(rect.top == 0));
        Self {
            rect,
            left,
            top,
            width: left + rect.width + frame(rect.left + rect.width == width),
            height: top + rect.height + frame(rect.top + rect.height == height),
        }
    }

    /// The column of the image that a column of it shows.
    pub(super) fn column(&self, at: u32) -> u32 {
        self.rect.left + at.saturating_sub(self.left).min(self.rect.width - 1)
    }

    /// The row of the image that a row of it shows.
    pub(super) fn row(&self, at: u32) -> u32 {
        self.rect.top + at.saturating_sub(self.top).min(self.rect.height - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_edges_of_the_image_are_continued() {
        let size = (10, 6);
        let framed = |left, top, width, height| Framed::new(Rect { left, top, width, height }, size);
        let all = framed(0, 0, 10, 6);
        assert_eq!((all.width, all.height, all.left, all.top), (18, 14, 4, 4));
        let columns: Vec<_> = (0..all.width).map(|at| all.column(at)).collect();
        assert_eq!(columns, [0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9]);
        let inner = framed(2, 1, 5, 3);
        assert_eq!((inner.width, inner.height, inner.left, inner.top), (5, 3, 0, 0));
        assert_eq!((inner.row(0), inner.row(2)), (1, 3));
        let corner = framed(7, 3, 3, 3);
        assert_eq!((corner.width, corner.height, corner.left, corner.top), (7, 7, 0, 0));
        assert_eq!((corner.column(6), corner.row(6)), (9, 5));
    }
}
