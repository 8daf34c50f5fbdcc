//! The networks whose weights lie in this repository, run on real pixels.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use function_runner_backends::networks::{Activation, Conv, Network, Plan, Session, Tile, Tiling};
use std::{
    fs::{self, File},
    io::BufReader,
    path::Path,
};

#[path = "../../function-runner-backends/src/networks/direct.rs"]
mod direct;

/// One step of an 8-bit sample.
const STEP: f32 = 1.0 / 255.0;

/// How far sums of 32 bits in one order may be from sums of 64 bits in another.
const NEAR: f32 = STEP / 20.0;

const MODELS: [&str; 6] = [
    "esrgan-thick-x4",
    "esrgan-slim-x2",
    "esrgan-slim-x4",
    "esrgan-medium-x2",
    "esrgan-medium-x4",
    "realesr-animevideov3-x4",
];

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

/// Pixels `[height][width][3]`, red green blue, 0 to 1.
#[derive(Clone, Debug, PartialEq)]
struct Image {
    width: u32,
    height: u32,
    samples: Vec<f32>,
}

impl Image {
    fn read(path: impl AsRef<Path>) -> Self {
        let file = BufReader::new(File::open(path.as_ref()).unwrap());
        let mut reader = png::Decoder::new(file).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
        let samples = bytes.iter().map(|byte| f32::from(*byte) * STEP).collect();
        Self { width: info.width, height: info.height, samples }
    }

    fn sample() -> Self {
        Self::read(format!("{FOLDER}/sample.png"))
    }

    fn black(width: u32, height: u32) -> Self {
        Self { width, height, samples: vec![0.0; (width * height * 3) as usize] }
    }

    fn row(&self, left: u32, top: u32, width: u32) -> std::ops::Range<usize> {
        let start = 3 * (top * self.width + left) as usize;
        start..start + 3 * width as usize
    }

    fn crop(&self, left: u32, top: u32, width: u32, height: u32) -> Self {
        let rows = (top..top + height).flat_map(|row| &self.samples[self.row(left, row, width)]);
        Self { width, height, samples: rows.copied().collect() }
    }

    fn paste(&mut self, image: &Self, left: u32, top: u32) {
        for row in 0..image.height {
            let place = self.row(left, top + row, image.width);
            self.samples[place].copy_from_slice(&image.samples[image.row(0, row, image.width)]);
        }
    }

    /// The average of each square of so many pixels.
    fn reduced(&self, factor: u32) -> Self {
        let mut small = Self::black(self.width / factor, self.height / factor);
        for (place, sample) in self.samples.iter().enumerate() {
            let (row, rest) = (place as u32 / (3 * self.width), place as u32 % (3 * self.width));
            let target = (row / factor * small.width + rest / 3 / factor) * 3 + rest % 3;
            small.samples[target as usize] += sample / (factor * factor) as f32;
        }
        small
    }

    /// The largest difference of what would be seen, and the average.
    fn apart(&self, other: &Self) -> (f32, f32) {
        assert_eq!((self.width, self.height), (other.width, other.height));
        let seen = |sample: f32| {
            if sample.is_finite() { sample.clamp(0.0, 1.0) } else { panic!("{sample} in an image") }
        };
        let apart =
            || self.samples.iter().zip(&other.samples).map(|(one, other)| (seen(*one) - seen(*other)).abs());
        (apart().fold(0.0, f32::max), apart().sum::<f32>() / self.samples.len() as f32)
    }
}

/// A model ready to run.
struct Model {
    network: Network,
    session: Session,
}

impl Model {
    fn open(name: &str) -> Self {
        let network = Network::open(Path::new(&format!("{FOLDER}/models/{name}.safetensors"))).unwrap();
        let session = network.session(2);
        Self { network, session }
    }

    fn scale(&self) -> u32 {
        self.network.plan().scale
    }

    fn run(&mut self, image: &Image) -> Image {
        let mut result = Image::black(image.width * self.scale(), image.height * self.scale());
        result.samples.fill(f32::NAN);
        let samples = &mut result.samples;
        self.session.run(image.width, image.height, &image.samples, samples, &|| false, &mut |_| {}).unwrap();
        result
    }

    /// What comes of the upper left corner of so many source pixels a side.
    fn corner(&self, result: &Image, side: u32) -> Image {
        result.crop(0, 0, result.width.min(side * self.scale()), result.height.min(side * self.scale()))
    }

    /// The same by the plan's own sums; what is farther away than the overlap does not count.
    fn said(&self, image: &Image, side: u32) -> Image {
        let plan = self.network.plan();
        let seen = |length: u32| length.min(side + plan.overlap);
        let image = image.crop(0, 0, seen(image.width), seen(image.height));
        let samples = direct::run(plan, image.width as usize, image.height as usize, &image.samples);
        let (width, height) = (image.width * plan.scale, image.height * plan.scale);
        self.corner(&Image { width, height, samples }, side)
    }

    fn tiled(&mut self, image: &Image, tiling: &Tiling) -> Image {
        let scale = self.scale();
        let mut result = Image::black(image.width * scale, image.height * scale);
        result.samples.fill(f32::NAN);
        for Tile { source, core, .. } in tiling.rows.iter().flat_map(|row| &row.tiles) {
            let tile = self.run(&image.crop(source.left, source.top, source.width, source.height));
            let (left, top) = ((core.left - source.left) * scale, (core.top - source.top) * scale);
            let counts = tile.crop(left, top, core.width * scale, core.height * scale);
            result.paste(&counts, core.left * scale, core.top * scale);
        }
        result
    }
}

/// Each shape against the sums of its plan, done one by one, at a corner of so many pixels a side; 0: only that it runs.
fn runs_at_every_size(name: &str, corners: [u32; 4]) {
    let mut model = Model::open(name);
    let sample = Image::sample();
    let shapes = [(80, 90, 1, 1), (80, 90, 7, 5), (20, 90, 64, 64), (60, 40, 3, 200)];
    for ((left, top, width, height), corner) in shapes.into_iter().zip(corners) {
        let image = sample.crop(left, top, width, height);
        let result = model.run(&image);
        assert!(result.samples.iter().all(|sample| sample.is_finite()));
        if corner == 0 {
            continue;
        }
        let (most, _) = model.corner(&result, corner).apart(&model.said(&image, corner));
        println!("{name}: {width} × {height} is {} steps off", most / STEP);
        assert!(most < NEAR, "{name} at {width} × {height}: {} steps off", most / STEP);
    }
}

/// Whatever a model adds of its own, on average it gives back what it was given.
fn resembles(name: &str) {
    let mut model = Model::open(name);
    let image = Image::sample().crop(0, 60, 96, 80);
    // Towards the edges the zeros around the image darken it.
    let inside = |image: &Image| image.crop(16, 16, 64, 48);
    let (_, average) = inside(&model.run(&image).reduced(model.scale())).apart(&inside(&image));
    println!("{name}: {} steps from the source on average", average / STEP);
    assert!(average < 8.0 * STEP, "{name}: {} steps from the source", average / STEP);
}

/// Against what the model's own runtime gave, as `tests/data/networks/README.md` tells; `limit` in 8-bit steps.
///
/// Most of the difference comes from the weights of 16 bits.
fn is_as_published(name: &str, limit: f32) {
    let mut model = Model::open(name);
    let folder = format!("{FOLDER}/tests/data/networks");
    for size in ["7x5", "24x20"] {
        let result = model.run(&Image::read(format!("{folder}/{size}.png")));
        let bytes = fs::read(format!("{folder}/{name}.{size}.f32")).unwrap();
        let samples = bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let published = Image { width: result.width, height: result.height, samples };
        assert_eq!(published.samples.len(), result.samples.len());
        let (most, average) = result.apart(&published);
        println!("{name}: {size} is at most {} steps off, {} on average", most / STEP, average / STEP);
        assert!(most < limit * STEP, "{name} at {size}: {} steps off", most / STEP);
    }
}

/// In tiles of at most `side` pixels, with the overlap that the model's plan states.
fn tiles_are_the_whole(name: &str, image: &Image, side: u32, limit: f32) {
    let mut model = Model::open(name);
    let overlap = model.network.plan().overlap;
    let fits = |width: u32, height: u32| width.max(height) <= side;
    let tiling = Tiling::new(image.width, image.height, overlap, &fits).unwrap();
    let tiles: usize = tiling.rows.iter().map(|row| row.tiles.len()).sum();
    assert!(tiles > 1, "{tiling:?}");
    let (most, average) = model.tiled(image, &tiling).apart(&model.run(image));
    println!("{name}: {tiles} tiles, at most {} steps apart, {} on average", most / STEP, average / STEP);
    assert!(most < limit, "{name}: {} steps apart", most / STEP);
}

#[test]
fn thick_x4_runs_at_every_size() {
    runs_at_every_size("esrgan-thick-x4", [1, 7, 0, 8]);
}

#[test]
fn slim_x2_runs_at_every_size() {
    runs_at_every_size("esrgan-slim-x2", [1, 7, 4, 8]);
}

#[test]
fn slim_x4_runs_at_every_size() {
    runs_at_every_size("esrgan-slim-x4", [1, 7, 4, 8]);
}

#[test]
fn medium_x2_runs_at_every_size() {
    runs_at_every_size("esrgan-medium-x2", [1, 7, 4, 8]);
}

#[test]
fn medium_x4_runs_at_every_size() {
    runs_at_every_size("esrgan-medium-x4", [1, 7, 4, 8]);
}

#[test]
fn animevideov3_runs_at_every_size() {
    runs_at_every_size("realesr-animevideov3-x4", [1, 7, 4, 8]);
}

#[test]
fn thick_x4_in_tiles_is_within_a_step() {
    tiles_are_the_whole("esrgan-thick-x4", &Image::sample().crop(0, 64, 176, 96), 128, STEP);
}

/// A radius that is the overlap makes tiling exact, up to the order in which is summed.
fn is_the_same_in_tiles(name: &str) {
    let plan = Model::open(name).network.plan().clone();
    assert_eq!(plan.overlap, plan.radius);
    let side = 3 * plan.radius + 4;
    tiles_are_the_whole(name, &Image::sample().crop(10, 70, side + 12, side), side, STEP / 100.0);
}

#[test]
fn slim_x2_is_the_same_in_tiles() {
    is_the_same_in_tiles("esrgan-slim-x2");
}

#[test]
fn slim_x4_is_the_same_in_tiles() {
    is_the_same_in_tiles("esrgan-slim-x4");
}

#[test]
fn medium_x2_is_the_same_in_tiles() {
    is_the_same_in_tiles("esrgan-medium-x2");
}

#[test]
fn medium_x4_is_the_same_in_tiles() {
    is_the_same_in_tiles("esrgan-medium-x4");
}

#[test]
fn animevideov3_is_the_same_in_tiles() {
    is_the_same_in_tiles("realesr-animevideov3-x4");
}

#[test]
fn what_a_model_gives_resembles_its_source() {
    for name in MODELS {
        resembles(name);
    }
}

#[test]
fn thick_x4_gives_what_its_own_runtime_gives() {
    is_as_published("esrgan-thick-x4", 0.15);
}

#[test]
fn slim_x2_gives_what_its_own_runtime_gives() {
    is_as_published("esrgan-slim-x2", 0.15);
}

#[test]
fn slim_x4_gives_what_its_own_runtime_gives() {
    is_as_published("esrgan-slim-x4", 0.15);
}

#[test]
fn medium_x2_gives_what_its_own_runtime_gives() {
    is_as_published("esrgan-medium-x2", 0.15);
}

#[test]
fn medium_x4_gives_what_its_own_runtime_gives() {
    is_as_published("esrgan-medium-x4", 0.15);
}

#[test]
fn animevideov3_gives_what_its_own_runtime_gives() {
    is_as_published("realesr-animevideov3-x4", 0.01);
}
