//! Every kind of source that is promised, each by what it looks like.

use std::io::Cursor;

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::{
    super::{Format, decode::Source},
    Colours, Depth, Factor, Filter, Image, Options, enlarged, formula, jpeg_options, noise, options, run,
    write_png,
};

const DRAWN: (u32, u32) = (48, 32);

fn drawn(colours: Colours) -> Image {
    Image::new(DRAWN.0, DRAWN.1, colours, Depth::Eight, |x, y, channel| formula(x, y)[channel])
}

/// The way up and the colours, near enough for a lossy format.
fn assert_shows_formula(file: &[u8], format: Format, tolerance: u16) -> Image {
    let (said, _) = run(file, &Options::new(Factor::Two)).unwrap();
    assert_eq!(said.source_format, format);
    let result = enlarged(file, &options(Filter::Bilinear, Factor::Two));
    assert_eq!((result.width, result.height), (2 * DRAWN.0, 2 * DRAWN.1));
    let ideal = enlarged(&drawn(Colours::Rgb).png(), &options(Filter::Bilinear, Factor::Two));
    for (x, y) in (0..result.height).flat_map(|y| (0..result.width).map(move |x| (x, y))) {
        for (real, ideal) in result.pixel(x, y).into_iter().zip(ideal.pixel(x, y)) {
            assert!(real.abs_diff(ideal) <= tolerance, "at {x}, {y}: {real} for {ideal}");
        }
    }
    result
}

fn jpeg(image: &Image, kind: ColorType, set: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 95);
    set(&mut encoder);
    encoder.encode(&image.bytes, image.width as u16, image.height as u16, kind).unwrap();
    file
}

#[test]
fn jpeg_of_every_kind() {
    let image = drawn(Colours::Rgb);
    for factor in [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_2_2, SamplingFactor::F_4_1]
    {
        for progressive in [false, true] {
            let file = jpeg(&image, ColorType::Rgb, |encoder| {
                encoder.set_sampling_factor(factor);
                encoder.set_progressive(progressive);
            });
            assert_shows_formula(&file, Format::Jpeg, 24);
        }
    }
    let restarts = jpeg(&image, ColorType::Rgb, |encoder| encoder.set_restart_interval(2));
    assert_shows_formula(&restarts, Format::Jpeg, 8);
    let scan_by_scan = jpeg(&image, ColorType::Rgb, |encoder| encoder.set_optimized_huffman_tables(true));
    assert_shows_formula(&scan_by_scan, Format::Jpeg, 8);
    assert_shows_formula(include_bytes!("data/progressive.jpg"), Format::Jpeg, 12);
    assert_shows_formula(include_bytes!("data/rgb.jpg"), Format::Jpeg, 8);
}

#[test]
fn jpeg_of_printers_colours() {
    assert_shows_formula(include_bytes!("data/cmyk.jpg"), Format::Jpeg, 8);
    let plates = Image::new(DRAWN.0, DRAWN.1, Colours::Rgba, Depth::Eight, |x, y, channel| match channel {
        3 => 0,
        channel => 255 - formula(x, y)[channel],
    });
    for kind in [ColorType::Cmyk, ColorType::CmykAsYcck] {
        let file = jpeg(&plates, kind, |encoder| encoder.set_sampling_factor(SamplingFactor::F_1_1));
        assert_shows_formula(&file, Format::Jpeg, 8);
    }
}

#[test]
fn jpeg_in_grey_stays_grey() {
    let result = enlarged(include_bytes!("data/grey.jpg"), &Options::new(Factor::Two));
    assert_eq!(result.layout.colours, Colours::Grey);
    let luma = |x: u32, y: u32| {
        let [red, green, blue] = formula(x, y).map(f64::from);
        0.299 * red + 0.587 * green + 0.114 * blue
    };
    assert!((f64::from(result.at(40, 30, 0)) - luma(20, 15)).abs() < 8.0);
}

#[test]
fn webp_of_every_kind() {
    assert_shows_formula(include_bytes!("data/lossy.webp"), Format::Webp, 10);
    let lossless = assert_shows_formula(include_bytes!("data/lossless.webp"), Format::Webp, 0);
    assert_eq!(lossless.layout.colours, Colours::Rgb);
    for file in [&include_bytes!("data/lossy-alpha.webp")[..], include_bytes!("data/animated.webp")] {
        let result = assert_shows_formula(file, Format::Webp, 12);
        assert_eq!(
            (result.layout.colours, result.at(20, 20, 3), result.at(80, 20, 3)),
            (Colours::Rgba, 255, 128)
        );
    }
}

#[test]
fn png_with_a_palette_and_transparency() {
    let mut info = png::Info::with_size(4, 4);
    (info.color_type, info.bit_depth) = (png::ColorType::Indexed, png::BitDepth::Two);
    info.palette = Some(vec![255, 0, 0, 0, 255, 0, 0, 0, 255].into());
    let rows = [0b0001_1000; 4];
    let result = enlarged(&write_png(info.clone(), &rows), &options(Filter::Bilinear, Factor::Two));
    assert_eq!(
        (result.layout.colours, result.pixel(0, 0), result.pixel(7, 7)),
        (Colours::Rgb, vec![255, 0, 0], vec![255, 0, 0])
    );
    info.trns = Some(vec![255, 0].into());
    let result = enlarged(&write_png(info, &rows), &options(Filter::Bilinear, Factor::Two));
    assert_eq!(result.layout.colours, Colours::Rgba);
    assert_eq!((result.pixel(0, 0), result.at(2, 0, 3)), (vec![255, 0, 0, 255], 64));
}

#[test]
fn png_of_few_bits_and_one_transparent_grey() {
    for (depth, rows, full) in [
        (png::BitDepth::One, vec![0b0101_0000_u8; 2], 1_u16),
        (png::BitDepth::Two, vec![0b0011_0011; 2], 3),
        (png::BitDepth::Four, vec![0x0f, 0x0f, 0x0f, 0x0f], 15),
    ] {
        let mut info = png::Info::with_size(4, 2);
        (info.color_type, info.bit_depth) = (png::ColorType::Grayscale, depth);
        let result = enlarged(&write_png(info.clone(), &rows), &options(Filter::Bilinear, Factor::Two));
        assert_eq!((result.layout.colours, result.at(0, 0, 0), result.at(7, 3, 0)), (Colours::Grey, 0, 255));
        info.trns = Some(full.to_be_bytes().to_vec().into());
        let result = enlarged(&write_png(info, &rows), &options(Filter::Bilinear, Factor::Two));
        assert_eq!(
            (result.layout.colours, result.at(0, 0, 1), result.at(7, 3, 1)),
            (Colours::GreyAlpha, 255, 0)
        );
    }
}

#[test]
fn png_interlaced_and_of_sixteen_bits() {
    let result = enlarged(include_bytes!("data/interlaced.png"), &options(Filter::Bilinear, Factor::Two));
    assert_eq!(result.layout.depth, Depth::Sixteen);
    let plain = Image::new(48, 32, Colours::Rgba, Depth::Sixteen, |x, y, channel| {
        [x as u16 * 1_300, y as u16 * 1_900, 32_768, 65_535 - x as u16 * 600][channel]
    });
    assert_eq!(result, enlarged(&plain.png(), &options(Filter::Bilinear, Factor::Two)));
}

#[test]
fn a_photo_is_turned_the_way_it_was_taken() {
    // Stored on its side: row y of the picture is stored column y, from the bottom.
    let upright = |file: &[u8], tolerance: u16| {
        let result = enlarged(file, &options(Filter::Bilinear, Factor::Two));
        assert_eq!((result.width, result.height), (2 * DRAWN.1, 2 * DRAWN.0));
        let stored = enlarged(&drawn(Colours::Rgb).png(), &options(Filter::Bilinear, Factor::Two));
        for (x, y) in (0..result.height).flat_map(|y| (0..result.width).map(move |x| (x, y))) {
            let ideal = stored.pixel(y, stored.height - 1 - x);
            for (real, ideal) in result.pixel(x, y).into_iter().zip(ideal) {
                assert!(real.abs_diff(ideal) <= tolerance, "at {x}, {y}: {real} for {ideal}");
            }
        }
    };
    upright(include_bytes!("data/turned.png"), 1);
    upright(include_bytes!("data/turned.webp"), 1);
    upright(include_bytes!("data/turned.jpg"), 8);
}

/// A block of EXIF that says this orientation.
fn exif(orientation: u8, little: bool) -> Vec<u8> {
    if little {
        [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", &[orientation, 0, 0, 0][..], &[0; 4]].concat()
    } else {
        [b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01", &[0, orientation, 0, 0][..], &[0; 4]].concat()
    }
}

#[test]
fn all_eight_orientations() {
    // Where the stored corner pixels (top left, top right, bottom left) are seen, after the EXIF standard.
    type Seen = fn(u32, u32, u32, u32) -> (u32, u32);
    let seen: [Seen; 8] = [
        |x, y, _, _| (x, y),
        |x, y, w, _| (w - 1 - x, y),
        |x, y, w, h| (w - 1 - x, h - 1 - y),
        |x, y, _, h| (x, h - 1 - y),
        |x, y, _, _| (y, x),
        |x, y, _, h| (h - 1 - y, x),
        |x, y, w, h| (h - 1 - y, w - 1 - x),
        |x, y, w, _| (y, w - 1 - x),
    ];
    for (width, height) in [(5, 3), (37, 20)] {
        let image = noise(width, height, Colours::GreyAlpha, Depth::Eight);
        for (number, seen) in (1..).zip(seen) {
            for little in [false, true] {
                let mut info = image.encoder();
                info.exif_metadata = Some(exif(number, little).into());
                let file = write_png(info, &image.bytes);
                let mut source = Source::open(Cursor::new(&file), &|| false).unwrap();
                let mut rows = vec![vec![0; source.width as usize * 2]; source.height as usize];
                rows.iter_mut().for_each(|row| source.read_row(row).unwrap());
                for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
                    let (sx, sy) = seen(x, y, width, height);
                    let real = rows[sy as usize][2 * sx as usize];
                    assert_eq!(u16::from(real), image.at(x, y, 0), "orientation {number} at {x}, {y}");
                }
            }
        }
    }
}

#[test]
fn odd_exif_is_upright() {
    let image = noise(4, 3, Colours::Rgb, Depth::Eight);
    let good = exif(6, true);
    for at in 0..good.len() {
        for odd in [good[..at].to_vec(), [&good[..at], &[0xff], &good[at + 1..]].concat()] {
            let mut info = image.encoder();
            info.exif_metadata = Some(odd.into());
            let result = enlarged(&write_png(info, &image.bytes), &Options::new(Factor::Two));
            assert!(matches!((result.width, result.height), (8, 6) | (6, 8)));
        }
    }
}

/// A profile that says which colours it is for, and nothing else.
fn profile(space: &[u8; 4]) -> Vec<u8> {
    let mut profile = vec![7; 600];
    profile[16..20].copy_from_slice(space);
    profile[36..40].copy_from_slice(b"acsp");
    profile
}

#[test]
fn a_colour_profile_goes_along_where_it_fits() {
    let image = drawn(Colours::Rgb);
    for (space, kept) in [(b"RGB ", true), (b"CMYK", false)] {
        let profile = profile(space);
        let mut info = image.encoder();
        info.icc_profile = Some(profile.clone().into());
        let png = write_png(info, &image.bytes);
        let jpeg = jpeg(&image, ColorType::Rgb, |encoder| encoder.add_icc_profile(&profile).unwrap());
        for file in [png, jpeg] {
            let (_, result) = run(&file, &Options::new(Factor::Two)).unwrap();
            let reader = png::Decoder::new(Cursor::new(&result)).read_info().unwrap();
            assert_eq!(reader.info().icc_profile.as_deref(), kept.then_some(&profile[..]));
            let (_, result) = run(&file, &jpeg_options()).unwrap();
            assert_eq!(result.windows(profile.len()).any(|part| part == profile), kept);
        }
    }
}

#[test]
fn a_pngs_own_words_on_colour_go_along() {
    let image = drawn(Colours::Rgb);
    let mut info = image.encoder();
    info.source_gamma = Some(png::ScaledFloat::new(0.5));
    let (_, result) = run(&write_png(info, &image.bytes), &Options::new(Factor::Two)).unwrap();
    let reader = png::Decoder::new(Cursor::new(&result)).read_info().unwrap();
    assert_eq!(reader.info().gama_chunk, Some(png::ScaledFloat::new(0.5)));
    let mut info = image.encoder();
    info.srgb = Some(png::SrgbRenderingIntent::Perceptual);
    let (_, result) = run(&write_png(info, &image.bytes), &Options::new(Factor::Two)).unwrap();
    let reader = png::Decoder::new(Cursor::new(&result)).read_info().unwrap();
    assert_eq!(reader.info().srgb, Some(png::SrgbRenderingIntent::Perceptual));
}

#[test]
fn a_jpeg_result_shows_the_same() {
    let image = drawn(Colours::Rgb);
    let (said, file) = run(&image.png(), &jpeg_options()).unwrap();
    let expected = enlarged(&image.png(), &Options::new(Factor::Two));
    let mut source = Source::open(Cursor::new(&file), &|| false).unwrap();
    assert_eq!((source.format, source.width, source.height), (Format::Jpeg, said.width, said.height));
    let mut row = vec![0; source.width as usize * 3];
    for y in 0..source.height {
        source.read_row(&mut row).unwrap();
        for (at, real) in row.iter().enumerate() {
            let ideal = expected.at(at as u32 / 3, y, at % 3);
            assert!(u16::from(*real).abs_diff(ideal) <= 10, "at {at}, {y}: {real} for {ideal}");
        }
    }
}

#[test]
fn a_jpeg_result_lies_on_white() {
    for (colours, depth, channels) in [
        (Colours::Rgba, Depth::Eight, 3),
        (Colours::GreyAlpha, Depth::Sixteen, 1),
        (Colours::Rgba, Depth::Sixteen, 3),
    ] {
        let image = Image::new(16, 16, colours, depth, |_, _, _| 0);
        let (_, file) = run(&image.png(), &jpeg_options()).unwrap();
        let mut source = Source::open(Cursor::new(&file), &|| false).unwrap();
        assert_eq!(source.layout.channels(), channels);
        let mut row = vec![0; source.width as usize * channels];
        source.read_row(&mut row).unwrap();
        assert!(row.iter().all(|sample| *sample == 255));
    }
}
