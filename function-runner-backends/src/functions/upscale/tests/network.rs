//! Networks at work, by small plans: shapes, samples, tiles, alpha, ensembles, progress, stopping and memory.

use std::{
    io::Cursor,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::{
    super::{
        enlarge::render,
        frame::FRAME,
        halve::Halving,
        network::Rendering,
        render::{Done, Image as Drawn, Job, Watch},
    },
    Colours, Depth, EnlargeError, Factor, Filter, Image, OutputFormat, enlarged, noise, options,
};
use crate::networks::{Activation, Conv, Network, Plan, Tensor, TensorId};

/// A plan that makes each pixel a square of its colour, and changes that a little by its neighbours.
pub(super) fn plan(scale: u32) -> Plan {
    let (hidden, out) = (8, 3 * (scale * scale) as usize);
    let mut state = 7_u32;
    let mut random = |measure: f32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 8) as f32 / (1 << 23) as f32 - 1.0) * measure
    };
    let first = Conv {
        from: vec![TensorId(0)],
        to: TensorId(1),
        kernel: 3,
        weights: (0..hidden * 3 * 9).map(|_| random(0.3)).collect(),
        bias: (0..hidden).map(|_| random(0.1)).collect(),
        activation: Activation::Relu,
        times: 1.0,
        plus: Vec::new(),
    };
    let mut weights: Vec<f32> = (0..out * (hidden + 3) * 9).map(|_| random(0.03)).collect();
    for to in 0..out {
        let row = &mut weights[to * (hidden + 3) * 9..][hidden * 9..][..27];
        row.fill(0.0);
        row[to % 3 * 9 + 4] = 1.0;
    }
    let second = Conv {
        from: vec![TensorId(1), TensorId(0)],
        to: TensorId(2),
        kernel: 3,
        weights,
        bias: vec![0.0; out],
        activation: Activation::None,
        times: 1.0,
        plus: Vec::new(),
    };
    let tensor = |name: &str, channels| Tensor { name: name.to_owned(), channels };
    Plan {
        scale,
        range: 1.0,
        radius: 2,
        overlap: 2,
        tensors: vec![tensor("input", 3), tensor("hidden", hidden), tensor("output", out)],
        convs: vec![first, second],
        output: TensorId(2),
    }
}

/// A plan that makes each pixel a square of its colour, and nothing else.
fn plain(scale: u32) -> Plan {
    let mut plan = plan(scale);
    plan.convs[1].weights.iter_mut().filter(|weight| **weight != 1.0).for_each(|weight| *weight = 0.0);
    plan
}

const ONCE: Rendering = Rendering { model: "esrgan-thick-x4", ensemble: false, halving: None };

fn job(network: &Network, factor: Factor) -> Job<'_> {
    Job { network, rendering: ONCE, factor, threads: 2, memory: 1 << 30 }
}

/// See [`tight`].
pub(super) fn memory_for(network: &Network, image: &Image, side: u32) -> u64 {
    tight(job(network, Factor::Four), image, side).memory
}

/// As much memory as tiles of about so many pixels a side take.
fn tight<'a>(job: Job<'a>, image: &Image, side: u32) -> Job<'a> {
    let memory = job.bytes(drawn(image), side, side + 4, side + 4);
    Job { memory, ..job }
}

fn drawn(image: &Image) -> Drawn {
    Drawn { width: image.width, height: image.height, from: image.layout, to: image.layout, held: 0 }
}

fn rendered_and_told(file: &[u8], job: Job<'_>, output: OutputFormat) -> (Vec<u8>, Vec<Done>) {
    let (mut result, mut all) = (Vec::new(), Vec::new());
    let mut told = |done| all.push(done);
    let watch = Watch { stopped: &|| false, told: &mut told, shelf: None };
    render(Cursor::new(file), &mut result, job, output, watch).unwrap();
    (result, all)
}

fn rendered(image: &Image, job: Job<'_>) -> Image {
    let result = Image::read(&rendered_and_told(&image.png(), job, OutputFormat::Png).0);
    let times = job.factor.times();
    assert_eq!((result.width, result.height), (image.width * times, image.height * times));
    assert_eq!(result.layout, image.layout);
    result
}

fn most_apart(one: &Image, other: &Image) -> u16 {
    assert_eq!((one.width, one.height, one.layout), (other.width, other.height, other.layout));
    let places = (0..one.height).flat_map(|y| (0..one.width).map(move |x| (x, y)));
    let apart = places.flat_map(|(x, y)| {
        let pixels = one.pixel(x, y).into_iter().zip(other.pixel(x, y));
        pixels.map(|(one, other)| one.abs_diff(other)).collect::<Vec<_>>()
    });
    apart.max().unwrap_or(0)
}

/// What a network makes of a whole opaque image in its frame, in the image's own samples.
fn whole(image: &Image, network: &Network) -> Image {
    let full = if image.layout.depth == Depth::Eight { 255.0 } else { 65_535.0 };
    let grey = image.layout.colours == Colours::Grey;
    let (wide, high) = (image.width + 2 * FRAME, image.height + 2 * FRAME);
    let places = (0..high).flat_map(|y| (0..wide).map(move |x| (x, y)));
    let input: Vec<f32> = places
        .flat_map(|(x, y)| {
            let (x, y) = (x.saturating_sub(FRAME), y.saturating_sub(FRAME));
            let (x, y) = (x.min(image.width - 1), y.min(image.height - 1));
            [0, 1, 2].map(|channel| f32::from(image.at(x, y, if grey { 0 } else { channel })) / full)
        })
        .collect();
    let scale = network.plan().scale;
    let mut output = vec![0.0; (wide * high * scale * scale * 3) as usize];
    let mut session = network.session(1);
    session.run(wide, high, &input, &mut output, &|| false, &mut |_| {}).unwrap();
    let (width, height) = (image.width * scale, image.height * scale);
    Image::new(width, height, image.layout.colours, image.layout.depth, |x, y, channel| {
        let (x, y) = (x + FRAME * scale, y + FRAME * scale);
        let pixel = &output[((y * wide * scale + x) * 3) as usize..][..3];
        let value = if grey { pixel.iter().sum::<f32>() / 3.0 } else { pixel[channel] };
        (value.clamp(0.0, 1.0) * full).round() as u16
    })
}

const SHAPES: [(u32, u32); 6] = [(1, 1), (7, 5), (64, 64), (3, 400), (400, 3), (2, 1)];

#[test]
fn every_shape_and_layout_is_what_the_network_makes_of_it() {
    let network = Network::new(plan(4));
    for (width, height) in SHAPES {
        for (colours, depth, step) in [
            (Colours::Rgb, Depth::Eight, 1),
            (Colours::Grey, Depth::Eight, 1),
            (Colours::Rgb, Depth::Sixteen, 20),
            (Colours::Grey, Depth::Sixteen, 20),
        ] {
            let image = noise(width, height, colours, depth);
            let expected = whole(&image, &network);
            for job in [job(&network, Factor::Four), tight(job(&network, Factor::Four), &image, 11)] {
                let apart = most_apart(&rendered(&image, job), &expected);
                assert!(apart <= step, "{apart} at {width} × {height} {colours:?} {depth:?}");
            }
        }
    }
}

#[test]
fn every_way_serves_every_shape() {
    let (two, four) = (Network::new(plan(2)), Network::new(plan(4)));
    for (width, height) in SHAPES {
        for colours in [Colours::Rgb, Colours::GreyAlpha, Colours::Rgba] {
            let image = noise(width, height, colours, Depth::Eight);
            for (network, factor, halving) in [
                (&two, Factor::Two, None),
                (&four, Factor::Four, None),
                (&four, Factor::Two, Some(Halving::Bicubic)),
                (&four, Factor::Two, Some(Halving::Lanczos)),
            ] {
                for ensemble in [false, true] {
                    let rendering = Rendering { ensemble, halving, ..ONCE };
                    let all = Job { rendering, ..job(network, factor) };
                    let once = rendered(&image, all);
                    for threads in [1, 2] {
                        let tiled = rendered(&image, Job { threads, ..tight(all, &image, 9) });
                        let apart = most_apart(&once, &tiled);
                        assert!(apart <= 1, "{apart} at {width} × {height}, {rendering:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn one_colour_stays_one_colour() {
    let (two, four) = (Network::new(plain(2)), Network::new(plain(4)));
    for (network, factor, halving) in [
        (&two, Factor::Two, None),
        (&four, Factor::Four, None),
        (&four, Factor::Two, Some(Halving::Bicubic)),
        (&four, Factor::Two, Some(Halving::Lanczos)),
    ] {
        for (depth, value) in [(Depth::Eight, 201), (Depth::Eight, 255), (Depth::Sixteen, 54_321)] {
            let image = Image::new(20, 9, Colours::Rgb, depth, |_, _, _| value);
            let rendering = Rendering { halving, ..ONCE };
            let result = rendered(&image, Job { rendering, ..job(network, factor) });
            for at in 0..result.width * result.height {
                let pixel = result.pixel(at % result.width, at / result.width);
                assert!(pixel.iter().all(|sample| sample.abs_diff(value) <= 1), "{pixel:?} for {value}");
            }
        }
    }
}

#[test]
fn alpha_is_enlarged_by_lanczos() {
    let network = Network::new(plan(4));
    for (width, height) in [(1, 1), (7, 5), (40, 33), (3, 90)] {
        for colours in [Colours::GreyAlpha, Colours::Rgba] {
            let image = noise(width, height, colours, Depth::Eight);
            let filtered = enlarged(&image.png(), &options(Filter::Lanczos3, Factor::Four));
            let result = rendered(&image, tight(job(&network, Factor::Four), &image, 9));
            let alpha = image.alpha().unwrap();
            for (x, y) in (0..result.height).flat_map(|y| (0..result.width).map(move |x| (x, y))) {
                let (real, ideal) = (result.at(x, y, alpha), filtered.at(x, y, alpha));
                assert!(real.abs_diff(ideal) <= 1, "{real} for {ideal} at {x}, {y}");
            }
        }
    }
}

#[test]
fn the_colour_of_what_is_invisible_counts_for_nothing() {
    let network = Network::new(plan(4));
    let picture = |hidden: u16| {
        Image::new(24, 12, Colours::Rgba, Depth::Eight, move |x, y, channel| match (x < 12, channel) {
            (true, 3) => 255,
            (false, 3) => 0,
            (true, channel) => 100 + (x * 7 + y * 3) as u16 % 50 + channel as u16,
            (false, _) => hidden,
        })
    };
    let job = job(&network, Factor::Four);
    let black = rendered(&picture(0), job);
    assert!(black == rendered(&picture(255), job));
    // and the visible ones beside it are as if it went on like them
    let opaque = Image::new(24, 12, Colours::Rgb, Depth::Eight, |x, y, channel| {
        100 + (x.min(11) * 7 + y * 3) as u16 % 50 + channel as u16
    });
    let opaque = rendered(&opaque, job);
    for (x, y) in (0..48).flat_map(|y| (0..46).map(move |x| (x, y))) {
        let (real, near) = (black.pixel(x, y), opaque.pixel(x, y));
        let apart = (0..3).map(|channel| real[channel].abs_diff(near[channel])).max().unwrap();
        assert!(apart <= 25, "{real:?} beside {near:?} at {x}, {y}");
    }
}

#[test]
fn a_palette_is_rendered_by_its_colours() {
    let network = Network::new(plan(4));
    let mut info = png::Info::with_size(6, 6);
    (info.color_type, info.bit_depth) = (png::ColorType::Indexed, png::BitDepth::Eight);
    info.palette = Some(vec![10, 20, 30, 200, 100, 50].into());
    let places: Vec<u8> = (0..36).map(|at| (at % 5 % 2) as u8).collect();
    let file = super::write_png(info, &places);
    let result = Image::read(&rendered_and_told(&file, job(&network, Factor::Four), OutputFormat::Png).0);
    let image = Image::new(6, 6, Colours::Rgb, Depth::Eight, |x, y, channel| {
        [[10, 20, 30], [200, 100, 50]][((y * 6 + x) % 5 % 2) as usize][channel]
    });
    assert!(most_apart(&result, &whole(&image, &network)) <= 1);
}

#[test]
fn a_jpeg_lies_on_white() {
    let network = Network::new(plain(2));
    let image = Image::new(16, 16, Colours::Rgba, Depth::Sixteen, |_, _, channel| [50_000, 0, 0, 0][channel]);
    let (file, _) = rendered_and_told(&image.png(), job(&network, Factor::Two), OutputFormat::Jpeg);
    let result = enlarged(&file, &options(Filter::Bilinear, Factor::Two));
    assert!((0..3).all(|channel| result.at(30, 30, channel) >= 254));
}

#[test]
fn the_ensemble_of_a_transposed_image_is_the_transposed_ensemble() {
    let network = Network::new(plan(4));
    let image = noise(23, 14, Colours::Rgb, Depth::Eight);
    let transposed = |image: &Image| {
        Image::new(image.height, image.width, Colours::Rgb, Depth::Eight, |x, y, channel| {
            image.at(y, x, channel)
        })
    };
    for halving in [None, Some(Halving::Lanczos)] {
        let factor = if halving.is_some() { Factor::Two } else { Factor::Four };
        let take = |image: &Image, ensemble| {
            let rendering = Rendering { ensemble, halving, ..ONCE };
            rendered(image, Job { rendering, ..job(&network, factor) })
        };
        let apart = most_apart(&take(&transposed(&image), true), &transposed(&take(&image, true)));
        assert!(apart <= 1, "{apart}");
        let alone = most_apart(&take(&transposed(&image), false), &transposed(&take(&image, false)));
        assert!(alone > 1, "one direction alone has one, or the test shows nothing");
    }
}

#[test]
fn progress_begins_at_nothing_and_rises_to_all() {
    let network = Network::new(plan(4));
    let image = noise(60, 50, Colours::Rgb, Depth::Eight);
    for ensemble in [false, true] {
        let job = Job { rendering: Rendering { ensemble, ..ONCE }, ..job(&network, Factor::Four) };
        let (_, told) = rendered_and_told(&image.png(), tight(job, &image, 20), OutputFormat::Png);
        let (first, last) = (told[0], told[told.len() - 1]);
        assert_eq!((first.tile, first.pixels, first.kept), (0, 0.0, 0.0));
        assert_eq!((last.tile, last.pixels), (last.tiles, last.all));
        assert!(last.tiles > 4 && told.len() > 2 * last.tiles as usize, "told within tiles too");
        assert!(told.is_sorted_by(|one, next| one.pixels <= next.pixels && one.tile <= next.tile));
    }
}

#[test]
fn it_stops_where_it_is_told() {
    let network = Network::new(plan(4));
    let image = noise(40, 40, Colours::Rgba, Depth::Eight);
    let file = image.png();
    for threads in [1, 2] {
        let job = Job { threads, ..tight(job(&network, Factor::Four), &image, 15) };
        let all = rendered_and_told(&file, job, OutputFormat::Png).1.len();
        for limit in 0..all - 1 {
            let seen = AtomicUsize::new(0);
            let stopped = || seen.load(Ordering::Relaxed) > limit;
            let mut told = |_| {
                let _ = seen.fetch_add(1, Ordering::Relaxed);
            };
            let watch = Watch { stopped: &stopped, told: &mut told, shelf: None };
            let error = render(Cursor::new(&file), Vec::new(), job, OutputFormat::Png, watch).unwrap_err();
            assert!(matches!(error, EnlargeError::Stopped), "{error:?} after {limit}");
        }
    }
}

/// Takes nothing at all.
struct Full;

impl std::io::Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_ends_the_work() {
    let network = Network::new(plan(4));
    // more than the buffers before the sink hold
    let image = noise(300, 120, Colours::Rgb, Depth::Eight);
    for threads in [1, 2] {
        let job = Job { threads, ..tight(job(&network, Factor::Four), &image, 40) };
        let mut told = |_| {};
        let watch = Watch { stopped: &|| false, told: &mut told, shelf: None };
        let error = render(Cursor::new(image.png()), Full, job, OutputFormat::Png, watch).unwrap_err();
        assert!(matches!(error, EnlargeError::Write(_)) && error.is_of_resources(), "{error:?}");
    }
}

#[test]
fn memory_stays_below_its_limit_whatever_the_image() {
    let mut large = plan(4);
    // as many planes as the large network has
    large.tensors[1].channels = 300;
    large.convs[0].weights = vec![0.0; 300 * 27];
    large.convs[0].bias = vec![0.0; 300];
    large.convs[1].weights = vec![0.0; 48 * 303 * 9];
    (large.radius, large.overlap) = (32, 32);
    let network = Network::new(large);
    let layouts = [Colours::Grey, Colours::Rgb, Colours::Rgba].into_iter();
    for (colours, depth) in layouts.flat_map(|colours| [(colours, Depth::Eight), (colours, Depth::Sixteen)]) {
        let layout = super::Layout { colours, depth };
        for (width, height) in [
            (1, 1),
            (3, 65_535),
            (65_535, 1),
            (65_535, 45),
            (65_535, 991),
            (991, 65_535),
            (8_000, 8_000),
            (30_000, 2_000),
        ] {
            let decoded = u64::from(width) * u64::from(height) * layout.bytes_per_pixel() as u64;
            for (ensemble, held) in [(false, 0), (false, decoded), (true, decoded)] {
                let job = Job { rendering: Rendering { ensemble, ..ONCE }, ..job(&network, Factor::Four) };
                let image = Drawn { width, height, from: layout, to: layout, held };
                let tiling = job.tiling(image).expect("it is done at all");
                let tiles = tiling.rows.iter().flat_map(|row| &row.tiles);
                for tile in tiles {
                    let bytes = job.bytes(image, tile.core.height, tile.source.width, tile.source.height);
                    assert!(bytes <= job.memory, "{bytes} for {tile:?} of {image:?}");
                }
            }
        }
    }
}
