//! The filters against their definitions: a plain sum over all source pixels, in two dimensions at once and in `f64`.

use std::f64::consts::PI;

use super::{Colours, Depth, Factor, Filter, Image, enlarged, noise, options};

fn kernel(filter: Filter, x: f64) -> f64 {
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
    match filter {
        Filter::Bilinear => (1.0 - x.abs()).max(0.0),
        Filter::Lanczos3 => {
            if x.abs() < 3.0 {
                sinc(x) * sinc(x / 3.0)
            } else {
                0.0
            }
        }
    }
}

/// One pixel of the result, with colours not premultiplied and nothing rounded or clamped but alpha.
fn ideal(image: &Image, filter: Filter, factor: Factor, x: u32, y: u32) -> Vec<f64> {
    let channels = image.layout.channels();
    let alpha = image.alpha();
    let full = if image.layout.depth == Depth::Eight { 255.0 } else { 65_535.0 };
    let place = |at: u32| (f64::from(at) + 0.5) / f64::from(factor.times()) - 0.5;
    let mut sums = vec![0.0; channels];
    let mut total = 0.0;
    for sy in 0..image.height {
        let down = kernel(filter, place(y) - f64::from(sy));
        if down == 0.0 {
            continue;
        }
        for sx in 0..image.width {
            let weight = down * kernel(filter, place(x) - f64::from(sx));
            let share = alpha.map_or(1.0, |alpha| f64::from(image.at(sx, sy, alpha)) / full);
            for (channel, sum) in sums.iter_mut().enumerate() {
                let share = if Some(channel) == alpha { 1.0 } else { share };
                *sum += weight * share * f64::from(image.at(sx, sy, channel));
            }
            total += weight;
        }
    }
    sums.iter_mut().for_each(|sum| *sum /= total);
    if let Some(alpha) = alpha {
        sums[alpha] = sums[alpha].clamp(0.0, full);
        let opacity = sums[alpha] / full;
        sums[..alpha].iter_mut().for_each(|sum| *sum /= opacity);
    }
    sums
}

fn compare(image: &Image, filter: Filter, factor: Factor) {
    let result = enlarged(&image.png(), &options(filter, factor));
    let times = factor.times();
    assert_eq!((result.width, result.height), (image.width * times, image.height * times));
    assert_eq!(result.layout, image.layout);
    let full = if image.layout.depth == Depth::Eight { 255.0 } else { 65_535.0 };
    for (x, y) in (0..result.height).flat_map(|y| (0..result.width).map(move |x| (x, y))) {
        let ideal = ideal(image, filter, factor, x, y);
        let real = result.pixel(x, y);
        let alpha = image.alpha().map(|alpha| ideal[alpha]);
        for (channel, (ideal, real)) in ideal.iter().zip(real).enumerate() {
            // The colour of what can hardly be seen is a quotient of two small numbers.
            if alpha.is_some_and(|alpha| alpha < 2.0) && channel + 1 < image.layout.channels() {
                continue;
            }
            let ideal = ideal.clamp(0.0, full);
            let off = (ideal - f64::from(real)).abs();
            assert!(off <= 1.0, "{filter:?} {factor:?} at {x}, {y} channel {channel}: {real} for {ideal}");
        }
    }
}

const FILTERS: [Filter; 2] = [Filter::Bilinear, Filter::Lanczos3];
const FACTORS: [Factor; 2] = [Factor::Two, Factor::Four];
const KINDS: [Colours; 4] = [Colours::Grey, Colours::GreyAlpha, Colours::Rgb, Colours::Rgba];

#[test]
fn every_layout_agrees_with_the_definition() {
    for (filter, factor) in FILTERS.into_iter().flat_map(|filter| FACTORS.map(|factor| (filter, factor))) {
        for (colours, depth) in
            KINDS.into_iter().flat_map(|kind| [(kind, Depth::Eight), (kind, Depth::Sixteen)])
        {
            compare(&noise(13, 11, colours, depth), filter, factor);
        }
    }
}

#[test]
fn every_shape_agrees_with_the_definition() {
    for (width, height) in [(1, 1), (1, 2), (2, 1), (3, 5), (5, 3), (6, 6), (7, 5), (40, 30)] {
        for (filter, factor) in FILTERS.into_iter().flat_map(|filter| FACTORS.map(|factor| (filter, factor)))
        {
            compare(&noise(width, height, Colours::Rgb, Depth::Eight), filter, factor);
        }
    }
}

#[test]
fn long_thin_images_agree_with_the_definition() {
    for (width, height) in [(1, 4_000), (4_000, 1)] {
        for factor in FACTORS {
            let image = noise(width, height, Colours::Rgba, Depth::Eight);
            let result = enlarged(&image.png(), &options(Filter::Lanczos3, factor));
            let times = factor.times();
            assert_eq!((result.width, result.height), (width * times, height * times));
            for at in (0..4_000 * times).step_by(97) {
                let (x, y) = if width == 1 { (times - 1, at) } else { (at, times - 1) };
                let ideal = ideal(&image, Filter::Lanczos3, factor, x, y);
                for (ideal, real) in ideal.iter().zip(result.pixel(x, y)) {
                    assert!(
                        (ideal.clamp(0.0, 255.0) - f64::from(real)).abs() <= 1.0,
                        "{factor:?} at {x}, {y}"
                    );
                }
            }
        }
    }
}

#[test]
fn one_colour_stays_one_colour() {
    for (filter, factor) in FILTERS.into_iter().flat_map(|filter| FACTORS.map(|factor| (filter, factor))) {
        for (depth, value) in
            [(Depth::Eight, 0), (Depth::Eight, 201), (Depth::Eight, 255), (Depth::Sixteen, 54_321)]
        {
            for colours in KINDS {
                let opaque = if depth == Depth::Eight { 255 } else { 65_535 };
                let alpha = matches!(colours, Colours::GreyAlpha | Colours::Rgba);
                let channels = noise(1, 1, colours, depth).layout.channels();
                let sample = |_, _, channel| if alpha && channel + 1 == channels { opaque } else { value };
                let image = Image::new(64, 64, colours, depth, sample);
                let result = enlarged(&image.png(), &options(filter, factor));
                let expected = Image::new(result.width, result.height, colours, depth, sample);
                assert!(result == expected, "{filter:?} {factor:?} {colours:?} {depth:?} {value}");
            }
        }
    }
}

#[test]
fn a_ramp_stays_a_ramp_inside() {
    for (filter, factor) in FILTERS.into_iter().flat_map(|filter| FACTORS.map(|factor| (filter, factor))) {
        let image = Image::new(64, 64, Colours::Rgb, Depth::Sixteen, |x, y, channel| match channel {
            0 => x as u16 * 1_000,
            1 => y as u16 * 1_000,
            _ => (x + y) as u16 * 500,
        });
        let result = enlarged(&image.png(), &options(filter, factor));
        let times = factor.times();
        let place = |at: u32| (f64::from(at) + 0.5) / f64::from(times) - 0.5;
        for (x, y) in (4 * times..60 * times).flat_map(|y| (4 * times..60 * times).map(move |x| (x, y))) {
            let ideal = [1_000.0 * place(x), 1_000.0 * place(y), 500.0 * (place(x) + place(y))];
            for (ideal, real) in ideal.into_iter().zip(result.pixel(x, y)) {
                // Lanczos is not exact for ramps; it errs by some 2 % of the slope.
                assert!(
                    (ideal - f64::from(real)).abs() <= 25.0,
                    "{filter:?} {factor:?} at {x}, {y}: {real} for {ideal}"
                );
            }
        }
    }
}

#[test]
fn what_is_invisible_does_not_bleed() {
    // Red, visible on the left; green, invisible on the right.
    let image = Image::new(16, 8, Colours::Rgba, Depth::Eight, |x, _, channel| match (x < 8, channel) {
        (true, 0 | 3) | (false, 1) => 255,
        _ => 0,
    });
    for (filter, factor) in FILTERS.into_iter().flat_map(|filter| FACTORS.map(|factor| (filter, factor))) {
        let result = enlarged(&image.png(), &options(filter, factor));
        for (x, y) in (0..result.height).flat_map(|y| (0..result.width).map(move |x| (x, y))) {
            assert_eq!(result.at(x, y, 1), 0, "green at {x}, {y}");
            assert!(result.at(x, y, 3) == 0 || result.at(x, y, 0) == 255, "pale red at {x}, {y}");
        }
    }
}
