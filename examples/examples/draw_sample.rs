//! Draws `examples/sample.png`: a small picture with what enlarging is hard on: edges, gradients, texture, fine lines
//! and writing. The same picture each time.
//!
//! `cargo run -p function-runner-examples --example draw_sample -- examples/sample.png`

use std::{env, error::Error, fs::File, io::BufWriter};

const SIZE: usize = 256;

/// Points looked at in each pixel, along each side.
const FINE: usize = 4;

type Colour = [f64; 3];

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args().nth(1).ok_or("say where the picture goes: draw_sample PATH")?;
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), SIZE as u32, SIZE as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::High);
    encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&picture())?;
    writer.finish()?;
    Ok(())
}

fn picture() -> Vec<u8> {
    let pixels = (0..SIZE * SIZE).flat_map(|at| {
        let mut sum = [0.0; 3];
        for fine in 0..FINE * FINE {
            let x = (at % SIZE) as f64 + ((fine % FINE) as f64 + 0.5) / FINE as f64;
            let y = (at / SIZE) as f64 + ((fine / FINE) as f64 + 0.5) / FINE as f64;
            let colour = colour(x, y);
            sum.iter_mut().zip(colour).for_each(|(sum, part)| *sum += part);
        }
        sum.map(|sum| (sum / (FINE * FINE) as f64 * 255.0).round().clamp(0.0, 255.0) as u8)
    });
    pixels.collect()
}

/// What is seen at a point; the nearest thing first.
fn colour(x: f64, y: f64) -> Colour {
    if let Some(ink) = writing(x, y) {
        return ink;
    }
    if (168.0..248.0).contains(&x) && (168.0..248.0).contains(&y) {
        return rings(x - 168.0, y - 168.0);
    }
    if let Some(wall) = house(x, y) {
        return wall;
    }
    if y > 150.0 + 14.0 * (x / 41.0).sin() + 6.0 * noise(x / 9.0, 7.0) {
        return meadow(x, y);
    }
    if y > 120.0 - 30.0 * (x / 60.0 + 1.0).sin() - 18.0 * noise(x / 23.0, 3.0) {
        let haze = 0.25 * noise(x / 3.0, y / 3.0);
        return [0.36 + haze * 0.4, 0.42 + haze * 0.5, 0.56 + haze * 0.4];
    }
    sky(x, y)
}

fn sky(x: f64, y: f64) -> Colour {
    let far = ((x - 196.0).powi(2) + (y - 52.0).powi(2)).sqrt();
    if far < 24.0 {
        return [1.0, 0.93, 0.62];
    }
    let glow = 0.35 * (-(far - 24.0) / 30.0).exp();
    let low = y / 150.0;
    let cloud = (noise(x / 30.0, y / 12.0) * 0.6 + noise(x / 11.0, y / 6.0) * 0.4 - 0.55).max(0.0) * 1.1;
    mix(
        [0.22 + 0.45 * low + glow, 0.45 + 0.36 * low + glow * 0.9, 0.82 + 0.1 * low + glow * 0.3],
        [1.0; 3],
        cloud,
    )
}

/// Grass: noise in strokes.
fn meadow(x: f64, y: f64) -> Colour {
    let blade = noise(x / 1.3, y / 5.0) * 0.6 + noise(x / 4.0, y / 4.0) * 0.4;
    let shade = 0.55 + 0.45 * noise(x / 37.0, y / 21.0);
    [(0.18 + 0.32 * blade) * shade, (0.38 + 0.42 * blade) * shade, (0.12 + 0.16 * blade) * shade]
}

/// A house with a slanted roof, bricks and a window: hard edges in every direction.
fn house(x: f64, y: f64) -> Option<Colour> {
    let (x, y) = (x - 30.0, y - 88.0);
    if (-6.0..74.0).contains(&x) && y < 22.0 && y > (x - 34.0).abs() * 0.62 - 3.0 {
        let row = (y / 4.0).floor();
        let tile = ((x + 3.0 * row) / 6.0).floor();
        return Some([0.5 + 0.12 * hash(tile, row), 0.2 + 0.06 * hash(tile, row + 9.0), 0.17]);
    }
    if !(0.0..68.0).contains(&x) || !(22.0..76.0).contains(&y) {
        return None;
    }
    if (42.0..60.0).contains(&x) && (34.0..52.0).contains(&y) {
        let bar = (x - 51.0).abs() < 0.8 || (y - 43.0).abs() < 0.8;
        return Some(if bar { [0.95; 3] } else { [0.2 + 0.01 * (y - 34.0), 0.3, 0.45] });
    }
    if (12.0..27.0).contains(&x) && y > 44.0 {
        return Some(if (x - 24.0).hypot(y - 61.0) < 1.2 { [0.9, 0.8, 0.3] } else { [0.27, 0.18, 0.12] });
    }
    let row = (y / 5.0).floor();
    let along = x + 5.0 * (row % 2.0);
    if y.rem_euclid(5.0) < 0.8 || along.rem_euclid(10.0) < 0.8 {
        return Some([0.78, 0.75, 0.7]);
    }
    let burnt = hash((along / 10.0).floor(), row);
    Some([0.58 + 0.2 * burnt, 0.28 + 0.1 * burnt, 0.2 + 0.06 * burnt])
}

/// Rings that get finer outwards, up to what pixels can just hold.
fn rings(x: f64, y: f64) -> Colour {
    let wave = 0.5 + 0.5 * ((x * x + y * y) * 0.0135).cos();
    [wave, wave, wave * 0.94 + 0.04]
}

/// Letters as strokes of a pen; each stroke is x, y to x, y on a grid of 4 × 6.
const LETTERS: [&[[f64; 4]]; 3] = [
    &[[0.0, 0.0, 0.0, 6.0], [0.0, 0.0, 4.0, 0.0], [0.0, 3.0, 3.0, 3.0]],
    &[[0.0, 6.0, 0.0, 0.0], [0.0, 0.0, 4.0, 6.0], [4.0, 6.0, 4.0, 0.0]],
    &[
        [0.0, 6.0, 0.0, 0.0],
        [0.0, 0.0, 3.0, 0.0],
        [3.0, 0.0, 4.0, 1.5],
        [4.0, 1.5, 3.0, 3.0],
        [3.0, 3.0, 0.0, 3.0],
        [1.5, 3.0, 4.0, 6.0],
    ],
];

/// The same three letters, large to small, on a plain board.
fn writing(x: f64, y: f64) -> Option<Colour> {
    let (x, y) = (x - 10.0, y - 196.0);
    if !(0.0..146.0).contains(&x) || !(0.0..50.0).contains(&y) {
        return None;
    }
    let mut left = 7.0;
    for (size, pen) in [(3.2, 1.5), (2.0, 0.9), (1.3, 0.6), (0.9, 0.45)] {
        for letter in LETTERS {
            let near = letter.iter().any(|[ax, ay, bx, by]| {
                let point = |px: f64, py: f64| (left + px * size, 35.0 + (py - 6.0) * size);
                distance((x, y), point(*ax, *ay), point(*bx, *by)) < pen
            });
            if near {
                return Some([0.1, 0.1, 0.14]);
            }
            left += 5.6 * size;
        }
        left += 1.5 * size;
    }
    Some([0.96, 0.94, 0.88])
}

/// From a point to a line between two others.
fn distance(point: (f64, f64), from: (f64, f64), to: (f64, f64)) -> f64 {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let along = ((point.0 - from.0) * dx + (point.1 - from.1) * dy) / (dx * dx + dy * dy);
    let along = along.clamp(0.0, 1.0);
    (point.0 - from.0 - along * dx).hypot(point.1 - from.1 - along * dy)
}

fn mix(a: Colour, b: Colour, share: f64) -> Colour {
    std::array::from_fn(|part| a[part] + (b[part] - a[part]) * share.clamp(0.0, 1.0))
}

/// A number of 0 to 1 for each point of the grid.
fn hash(x: f64, y: f64) -> f64 {
    let mut bits = (x as i64 as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (y as i64 as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    bits ^= bits >> 29;
    bits = bits.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits ^= bits >> 32;
    (bits >> 40) as f64 / (1_u64 << 24) as f64
}

/// The same, smooth in between.
fn noise(x: f64, y: f64) -> f64 {
    let (left, top) = (x.floor(), y.floor());
    let ease = |t: f64| t * t * (3.0 - 2.0 * t);
    let (across, down) = (ease(x - left), ease(y - top));
    let row = |y: f64| hash(left, y) + (hash(left + 1.0, y) - hash(left, y)) * across;
    row(top) + (row(top + 1.0) - row(top)) * down
}
