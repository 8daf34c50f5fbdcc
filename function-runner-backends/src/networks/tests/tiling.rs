//! Tiles: their cores are the image, their overlaps what was asked for, and little is computed twice.

use proptest::{
    prelude::{Just, Strategy, prop_assert, prop_assert_eq},
    prop_assume, proptest,
};
use std::cell::Cell;

use crate::networks::{Rect, Tiling};

/// An image, an overlap, a band and how many pixels a tile may have.
fn cases() -> impl Strategy<Value = (u32, u32, u32, u32, u64)> {
    (1_u32..400, 1_u32..400, 0_u32..30).prop_flat_map(|(width, height, overlap)| {
        (Just(width), Just(height), Just(overlap), 1..=height, 1_u64..40_000)
    })
}

proptest! {
    #[test]
    fn cores_are_the_image_and_sources_have_the_overlap((width, height, overlap, band, most) in cases()) {
        let fits = |width: u32, height: u32| u64::from(width) * u64::from(height) <= most;
        let tiling = Tiling::in_bands(width, height, overlap, band, &fits);
        prop_assume!(tiling.is_some());
        let tiling = tiling.unwrap();

        let mut top = 0;
        for row in &tiling.rows {
            let mut left = 0;
            for tile in &row.tiles {
                prop_assert_eq!((tile.core.left, tile.core.top), (left, top));
                prop_assert_eq!(tile.core.height, row.tiles[0].core.height);
                prop_assert!(tile.core.width > 0 && tile.core.height > 0 && tile.core.height <= band);
                prop_assert_eq!(tile.source, around(tile.core, overlap, width, height));
                prop_assert!(fits(tile.source.width, tile.source.height));
                left += tile.core.width;
            }
            prop_assert_eq!(left, width);
            top += row.tiles[0].core.height;
        }
        prop_assert_eq!(top, height);
        prop_assert!(even(tiling.rows.iter().map(|row| row.tiles[0].core.height)));
        prop_assert!(even(tiling.rows[0].tiles.iter().map(|tile| tile.core.width)));
        let pixels = tiling.rows.iter().flat_map(|row| &row.tiles).map(|tile| tile.source.width * tile.source.height);
        prop_assert_eq!(tiling.pixels(), u64::from(pixels.sum::<u32>()));
    }

    /// Every number of columns and rows tried one by one finds nothing better.
    #[test]
    fn no_even_cut_computes_fewer_pixels((width, height, overlap, _, most) in cases()) {
        let fits = |width: u32, height: u32| u64::from(width) * u64::from(height) <= most;
        let side = |length: u32, parts: u32| {
            let edges = 2.min(parts - 1);
            (length.div_ceil(parts) + edges * overlap).min(length)
        };
        let parts = |length: u32| 1..=(length / overlap.max(1)).max(1);
        let all = parts(width).flat_map(|columns| parts(height).map(move |rows| (columns, rows)));
        let fitting = all.filter(|(columns, rows)| fits(side(width, *columns), side(height, *rows)));
        let total = |length: u32, parts: u32| u64::from(length) + 2 * u64::from(overlap) * u64::from(parts - 1);
        let best = fitting.map(|(columns, rows)| total(width, columns) * total(height, rows)).min();
        prop_assert_eq!(Tiling::new(width, height, overlap, &fits).map(|tiling| tiling.pixels()), best);
    }
}

#[test]
fn an_image_that_fits_is_one_tile() {
    let tiling = Tiling::new(640, 480, 12, &|_, _| true).unwrap();
    let whole = Rect { left: 0, top: 0, width: 640, height: 480 };
    assert_eq!(tiling.rows.len(), 1);
    assert_eq!(tiling.rows[0].tiles.len(), 1);
    assert_eq!((tiling.rows[0].tiles[0].source, tiling.rows[0].tiles[0].core), (whole, whole));
}

#[test]
fn a_single_pixel_is_one_tile_however_far_tiles_overlap() {
    let tiling = Tiling::new(1, 1, u32::MAX, &|width, height| (width, height) == (1, 1)).unwrap();
    assert_eq!(tiling.pixels(), 1);
}

#[test]
fn cores_smaller_than_the_overlap_are_not_made() {
    // A core of 20 in the middle of the image is given 60 each way.
    let fits = |most: u32| move |width: u32, height: u32| width.max(height) <= most;
    assert!(Tiling::new(200, 200, 20, &fits(60)).is_some());
    assert_eq!(Tiling::new(200, 200, 20, &fits(59)), None);
    assert_eq!(Tiling::new(200, 200, 0, &|_, _| false), None);
}

#[test]
fn without_an_image_there_are_no_tiles() {
    assert_eq!(Tiling::new(0, 5, 2, &|_, _| true), None);
    assert_eq!(Tiling::new(5, 0, 2, &|_, _| true), None);
    assert_eq!(Tiling::in_bands(5, 5, 2, 0, &|_, _| true), None);
}

#[test]
fn bands_are_kept_even_where_they_are_lower_than_the_overlap() {
    let tiling = Tiling::in_bands(100, 100, 30, 8, &|_, _| true).unwrap();
    assert_eq!(tiling.rows.len(), 13);
    assert!(tiling.rows.iter().all(|row| row.tiles.len() == 1 && row.tiles[0].core.height <= 8));
}

#[test]
fn the_largest_images_ask_for_few_sizes() {
    let asked = Cell::new(0);
    for (width, height) in [(8000, 8000), (65_535, 991), (991, 65_535)] {
        for most in [1_u64 << 12, 1 << 16, 1 << 20, 1 << 40] {
            asked.set(0);
            let fits = |width: u32, height: u32| {
                asked.set(asked.get() + 1);
                u64::from(width) * u64::from(height) <= most
            };
            let tiling = Tiling::new(width, height, 10, &fits).unwrap();
            assert!(asked.get() < 6000, "{} for {width} × {height} in {most}", asked.get());
            let image = u64::from(width) * u64::from(height);
            // A tile of 64 pixels a side has a core of 44; larger ones waste less.
            assert!(tiling.pixels() < image * 23 / 10, "{} of {image} in {most}", tiling.pixels());
        }
    }
}

fn around(core: Rect, overlap: u32, width: u32, height: u32) -> Rect {
    let (left, top) = (core.left.saturating_sub(overlap), core.top.saturating_sub(overlap));
    let right = (core.left + core.width + overlap).min(width);
    let bottom = (core.top + core.height + overlap).min(height);
    Rect { left, top, width: right - left, height: bottom - top }
}

fn even(lengths: impl Iterator<Item = u32> + Clone) -> bool {
    lengths.clone().max().unwrap_or(0) - lengths.min().unwrap_or(0) <= 1
}
