//! Files that are no images, or not such as are read: each ends in its own error, before much is allocated.

use std::{
    io::{self, Cursor},
    panic::catch_unwind,
    sync::atomic::{AtomicUsize, Ordering},
};

use jpeg_encoder::{ColorType, Encoder};

use super::{
    super::{EnlargeError, Format, PIXEL_LIMIT, enlarge},
    Colours, Depth, Factor, Options, jpeg_options, noise, run,
};

fn error(file: &[u8]) -> EnlargeError {
    run(file, &Options::new(Factor::Two)).map(|_| ()).unwrap_err()
}

fn png() -> Vec<u8> {
    noise(24, 20, Colours::Rgb, Depth::Eight).png()
}

fn jpeg(progressive: bool) -> Vec<u8> {
    let image = noise(48, 32, Colours::Rgb, Depth::Eight);
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 80);
    encoder.set_progressive(progressive);
    encoder.encode(&image.bytes, 48, 32, ColorType::Rgb).unwrap();
    file
}

fn webp() -> Vec<u8> {
    let image = noise(24, 20, Colours::Rgba, Depth::Eight);
    let mut file = Vec::new();
    let encoder = image_webp::WebPEncoder::new(&mut file);
    encoder.encode(&image.bytes, 24, 20, image_webp::ColorType::Rgba8).unwrap();
    file
}

/// Whole files of every kind.
fn good() -> Vec<(Format, Vec<u8>)> {
    vec![
        (Format::Png, png()),
        (Format::Png, include_bytes!("data/interlaced.png").to_vec()),
        (Format::Jpeg, jpeg(false)),
        (Format::Jpeg, jpeg(true)),
        (Format::Jpeg, include_bytes!("data/cmyk.jpg").to_vec()),
        (Format::Webp, webp()),
        (Format::Webp, include_bytes!("data/lossy.webp").to_vec()),
        (Format::Webp, include_bytes!("data/lossy-alpha.webp").to_vec()),
        // Up to the end of the first frame: what comes after it is nobody's business.
        (Format::Webp, include_bytes!("data/animated.webp")[..292].to_vec()),
    ]
}

/// A PNG's header alone.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut info = png::Info::with_size(width, height);
    info.color_type = png::ColorType::Rgba;
    let mut file = Vec::new();
    drop(png::Encoder::with_info(&mut file, info).unwrap().write_header().unwrap());
    file
}

/// A JPEG with another size written over its own.
fn jpeg_claiming(width: u16, height: u16) -> Vec<u8> {
    let mut file = jpeg(false);
    let at = file.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    file[at + 5..at + 7].copy_from_slice(&height.to_be_bytes());
    file[at + 7..at + 9].copy_from_slice(&width.to_be_bytes());
    file
}

fn lossless_claiming(width: u32, height: u32) -> Vec<u8> {
    let mut file = webp();
    let bits = (width - 1) | (height - 1) << 14;
    file[21..25].copy_from_slice(&bits.to_le_bytes());
    file
}

/// What a frame inside a container says of its own size, overwritten.
fn frame_claiming(file: &[u8], width: u16, height: u16) -> Vec<u8> {
    let mut file = file.to_vec();
    let at = file.windows(3).position(|magic| magic == [0x9d, 0x01, 0x2a]).unwrap();
    file[at + 3..at + 5].copy_from_slice(&width.to_le_bytes());
    file[at + 5..at + 7].copy_from_slice(&height.to_le_bytes());
    file
}

#[test]
fn nothing_at_all() {
    let error = error(b"");
    assert!(matches!(error, EnlargeError::Empty));
    assert_eq!(error.to_string(), "the image file is empty (0 bytes)");
}

#[test]
fn other_formats_are_named() {
    for (file, words) in [
        (&b"GIF89a\x01\0\x01\0\0\0\0"[..], "this is a GIF; image.upscale reads PNG, JPEG and WebP"),
        (b"II*\0\x08\0\0\0", "this is a TIFF or camera raw file; image.upscale reads PNG, JPEG and WebP"),
        (b"BM6\0\0\0\0\0\0\0", "this is a BMP; image.upscale reads PNG, JPEG and WebP"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "this is an AVIF; image.upscale reads PNG, JPEG and WebP"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "this is a HEIC; image.upscale reads PNG, JPEG and WebP"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "this is a WAV; image.upscale reads PNG, JPEG and WebP"),
        (b"%PDF-1.7", "this is a PDF; image.upscale reads PNG, JPEG and WebP"),
        (b"<svg xmlns=", "this is an SVG; image.upscale reads PNG, JPEG and WebP"),
        (b"hello, world", "this is not an image of a known format; image.upscale reads PNG, JPEG and WebP"),
        (b"x", "this is not an image of a known format; image.upscale reads PNG, JPEG and WebP"),
    ] {
        let error = error(file);
        assert_eq!(error.to_string(), words);
        assert!(error.is_of_the_input() && error.remedy().is_some());
    }
}

#[test]
fn a_file_cut_anywhere_is_truncated() {
    for (format, file) in good() {
        run(&file, &Options::new(Factor::Two)).unwrap();
        // Without the checksum of its end mark a PNG is whole, and a WebP without its padding.
        let whole = match format {
            Format::Png => file.len() - 4,
            Format::Jpeg => file.len(),
            Format::Webp => file.len() - 1,
        };
        for length in 1..whole {
            let Err(error) = run(&file[..length], &Options::new(Factor::Two)) else {
                panic!("{format}: {length} of {} bytes pass for whole", file.len());
            };
            let told = matches!(&error, EnlargeError::Truncated { format: told } if *told == format);
            // Of some the first bytes tell nothing yet.
            assert!(told || length < 12, "{format}, {length} of {} bytes: {error:?}", file.len());
            assert!(error.is_of_the_input(), "{error:?}");
        }
    }
}

#[test]
fn a_file_damaged_anywhere_does_no_harm() {
    for (format, file) in good() {
        for seed in 0..if cfg!(debug_assertions) { 100 } else { 5_000_u64 } {
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut next = |below: usize| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random as usize % below
            };
            let mut damaged = file.clone();
            for _ in 0..=next(4) {
                let at = next(file.len());
                damaged[at] = next(256) as u8;
            }
            // What has become a large image is not enlarged to its end.
            let asked = AtomicUsize::new(0);
            let stopped = || asked.fetch_add(1, Ordering::Relaxed) > 20;
            let options = Options::new(Factor::Two);
            let file = Cursor::new(&damaged);
            let result = catch_unwind(|| enlarge(file, io::sink(), &options, &stopped, &mut |_, _| {}));
            match result {
                Ok(Ok(_) | Err(EnlargeError::Stopped)) => {}
                Ok(Err(error)) => assert!(error.is_of_the_input(), "{format}, seed {seed}: {error:?}"),
                Err(_) => panic!("{format}, seed {seed}: a panic"),
            }
        }
    }
}

#[test]
fn damage_is_told_apart() {
    let mut file = png();
    let middle = file.len() / 2;
    file[middle] ^= 0x55;
    assert!(matches!(error(&file), EnlargeError::Malformed { format: Format::Png, .. }));
    assert!(matches!(
        error(b"\xff\xd8\xff\xe0\0\x01"),
        EnlargeError::Malformed { .. } | EnlargeError::Truncated { .. }
    ));
    let mut file = jpeg(false);
    let quantisation = file.windows(2).position(|pair| pair == [0xff, 0xdb]).unwrap();
    file[quantisation + 2] = 0xee;
    assert!(error(&file).is_of_the_input());
}

#[test]
fn rare_kinds_are_told() {
    let mut arithmetic = jpeg(false);
    let at = arithmetic.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    arithmetic[at + 1] = 0xc9;
    let told = error(&arithmetic);
    assert!(matches!(told, EnlargeError::Unsupported { format: Format::Jpeg, .. }), "{told:?}");
    let mut deep = jpeg(false);
    deep[at + 4] = 12;
    let error = error(&deep);
    assert_eq!(error.to_string(), "this kind of JPEG is not read: its samples do not have 8 bits");
}

#[test]
fn sizes_of_zero_are_told() {
    let zero_png = {
        // The checksum is right: only the size is wrong.
        let mut file = png_header(1, 1);
        file[16..24].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 5]);
        let crc = crc32(&file[12..29]);
        file[29..33].copy_from_slice(&crc.to_be_bytes());
        file
    };
    for file in [
        zero_png,
        jpeg_claiming(0, 8),
        jpeg_claiming(8, 0),
        frame_claiming(include_bytes!("data/lossy.webp"), 0, 32),
    ] {
        let error = error(&file);
        assert!(matches!(error, EnlargeError::ZeroSized { .. }), "{error:?}");
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}

#[test]
fn too_many_pixels_are_refused_by_the_header() {
    for file in [
        png_header(8_125, 8_000),
        png_header(65_536, 1),
        png_header(1, 65_536),
        png_header(60_000, 60_000),
        png_header(u32::MAX >> 1, u32::MAX >> 1),
        jpeg_claiming(8_125, 8_000),
        jpeg_claiming(65_535, 65_535),
        lossless_claiming(8_125, 8_000),
        lossless_claiming(16_384, 16_384),
        frame_claiming(include_bytes!("data/lossy.webp"), 8_125, 8_000),
        frame_claiming(include_bytes!("data/lossy.webp"), 16_383, 16_383),
    ] {
        let error = error(&file);
        assert!(matches!(error, EnlargeError::TooLarge { .. }), "{error:?}");
        assert!(error.to_string().contains("at most 64 megapixels"), "{error}");
    }
    assert_eq!(u64::from(8_125_u32) * 8_000, PIXEL_LIMIT);
    let error = error(&png_header(8_124, 8_000));
    assert!(
        matches!(error, EnlargeError::Malformed { .. }),
        "its size is well, its pixels are missing: {error:?}"
    );
}

#[test]
fn a_frame_larger_than_its_container_says_is_refused() {
    for file in [&include_bytes!("data/lossy-alpha.webp")[..], include_bytes!("data/animated.webp")] {
        let error = error(&frame_claiming(file, 16_383, 3_000));
        assert!(matches!(error, EnlargeError::Malformed { format: Format::Webp, .. }), "{error:?}");
    }
}

#[test]
fn a_result_too_large_for_a_jpeg_is_refused() {
    let image = noise(40_000, 1, Colours::Grey, Depth::Eight);
    let error = run(&image.png(), &jpeg_options()).unwrap_err();
    assert!(matches!(error, EnlargeError::OutputTooLarge { width: 80_000, height: 2 }));
    assert!(error.remedy().unwrap().contains("png"));
}
