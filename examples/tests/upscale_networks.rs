//! `image.upscale` with the networks whose weights lie in this repository: presets, estimates and memory.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{fs::File, io::BufReader, path::Path};

use function_runner_backends::{
    functions::{
        registry,
        upscale::{Style, UPSCALE, UpscaleInput},
    },
    models,
};
use function_runner_client::{Runner, prelude::*};

/// An image of red, green and blue.
#[derive(Clone, Debug, PartialEq)]
struct Image {
    width: u32,
    height: u32,
    samples: Vec<u8>,
}

impl Image {
    /// Waves and edges, the same each time.
    fn drawn(width: u32, height: u32) -> Self {
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let samples = places.flat_map(|(x, y)| {
            let wave = 90.0 * (f64::from(x) / 5.0).sin() + 60.0 * (f64::from(y) / 7.0).cos();
            let edge = if (x / 9 + y / 11) % 2 == 0 { 30.0 } else { -30.0 };
            [127.0 + 0.6 * wave + edge, 127.0 + 0.4 * wave, 127.0 - 0.5 * wave + edge]
                .map(|value| value as u8)
        });
        Self { width, height, samples: samples.collect() }
    }

    fn write(&self, path: &Path) {
        let mut encoder = png::Encoder::new(File::create(path).unwrap(), self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&self.samples).unwrap();
        writer.finish().unwrap();
    }

    fn read(path: &Path) -> Self {
        let mut reader = png::Decoder::new(BufReader::new(File::open(path).unwrap())).read_info().unwrap();
        let mut samples = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut samples).unwrap();
        Self { width: info.width, height: info.height, samples }
    }

    /// The mean of each square of so many pixels.
    fn reduced(&self, times: u32) -> Self {
        let (width, height) = (self.width / times, self.height / times);
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let samples = places.flat_map(|(x, y)| [0, 1, 2].map(|channel| self.mean(times, x, y, channel)));
        Self { width, height, samples: samples.collect() }
    }

    fn mean(&self, times: u32, x: u32, y: u32, channel: u32) -> u8 {
        let inner = (0..times).flat_map(|dy| (0..times).map(move |dx| (dx, dy)));
        let at = |dx, dy| (((y * times + dy) * self.width + x * times + dx) * 3 + channel) as usize;
        let sum: u32 = inner.map(|(dx, dy)| u32::from(self.samples[at(dx, dy)])).sum();
        (sum / (times * times)) as u8
    }

    /// How far samples are apart, on the mean.
    fn apart(&self, other: &Self) -> f64 {
        assert_eq!((self.width, self.height), (other.width, other.height));
        let pairs = self.samples.iter().zip(&other.samples);
        let sum: u32 = pairs.map(|(one, other)| u32::from(one.abs_diff(*other))).sum();
        f64::from(sum) / self.samples.len() as f64
    }
}

const EVERY: [(Quality, Style); 8] = [
    (Quality::Draft, Style::Photo),
    (Quality::Standard, Style::Photo),
    (Quality::High, Style::Photo),
    (Quality::Ultra, Style::Photo),
    (Quality::Draft, Style::Art),
    (Quality::Standard, Style::Art),
    (Quality::High, Style::Art),
    (Quality::Ultra, Style::Art),
];

/// Each preset on an image of this size: the result has the right size and shows the same.
async fn every_preset_shows(width: u32, height: u32) {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("source.png"), folder.path().join("target.png"));
    let image = Image::drawn(width, height);
    image.write(&source);
    let runner = Runner::local(registry()).unwrap();
    let artifact = runner.upload(&source).await.unwrap();
    for (quality, style) in EVERY {
        for factor in [2, 4] {
            let input = UpscaleInput::new(artifact.clone()).factor(factor).style(style);
            let output = runner.call(UPSCALE, input).quality(quality.clone()).await.unwrap();
            runner.download(&output.image, &target).await.unwrap();
            let result = Image::read(&target);
            let times = u32::from(factor);
            assert_eq!((result.width, result.height), (width * times, height * times));
            let apart = image.apart(&result.reduced(times));
            assert!(apart < 12.0, "{apart} at {width} × {height}, {quality} {style:?} ×{factor}");
        }
    }
    runner.close().await.unwrap();
}

#[tokio::test]
async fn every_preset_takes_a_single_pixel() {
    every_preset_shows(1, 1).await;
}

#[tokio::test]
async fn every_preset_takes_a_few_pixels() {
    every_preset_shows(7, 5).await;
}

#[tokio::test]
async fn every_preset_takes_a_small_image() {
    every_preset_shows(64, 64).await;
}

#[tokio::test]
async fn every_preset_takes_a_long_thin_image() {
    every_preset_shows(3, 400).await;
}

#[tokio::test]
async fn the_weights_fit_what_presets_say_is_shared() {
    let registry = registry();
    let template = registry.find("image.upscale", 1).unwrap().template();
    for (quality, model) in [
        (Quality::Standard, "realesr-animevideov3-x4"),
        (Quality::High, "esrgan-thick-x4"),
        (Quality::Ultra, "esrgan-thick-x4"),
    ] {
        let network =
            function_runner_backends::networks::Network::open(&models::verified(model).unwrap()).unwrap();
        let mib = network.weight_bytes().div_ceil(1 << 20);
        for option in template.requires_at(&quality).options() {
            let said = option.shared.memory_mib;
            assert!(mib <= said && said <= 2 * mib + 16, "{model}: {mib} MiB, and {quality} says {said}");
        }
    }
}
