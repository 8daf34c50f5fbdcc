//! Tests of `image.upscale`; `data/` holds small files of kinds that our own encoders do not write, drawn by
//! [`formula`] with Pillow and pypng.

mod attempts;
mod bad_input;
mod exercised;
mod flow;
mod function;
mod network;
mod reference;
mod sources;

use std::io::Cursor;

use super::{
    EnlargeError, Enlarged, Factor, Filter, Options, OutputFormat, enlarge,
    pixels::{Colours, Depth, Layout},
};

/// An image in memory.
#[derive(Clone, Debug, PartialEq)]
struct Image {
    width: u32,
    height: u32,
    layout: Layout,
    bytes: Vec<u8>,
}

impl Image {
    fn new(
        width: u32,
        height: u32,
        colours: Colours,
        depth: Depth,
        mut sample: impl FnMut(u32, u32, usize) -> u16,
    ) -> Self {
        let layout = Layout { colours, depth };
        let mut bytes = Vec::new();
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            for channel in 0..layout.channels() {
                let value = sample(x, y, channel);
                match depth {
                    Depth::Eight => bytes.push(value as u8),
                    Depth::Sixteen => bytes.extend(value.to_be_bytes()),
                }
            }
        }
        Self { width, height, layout, bytes }
    }

    fn at(&self, x: u32, y: u32, channel: usize) -> u16 {
        let place = (y * self.width + x) as usize * self.layout.channels() + channel;
        match self.layout.depth {
            Depth::Eight => u16::from(self.bytes[place]),
            Depth::Sixteen => u16::from_be_bytes([self.bytes[2 * place], self.bytes[2 * place + 1]]),
        }
    }

    /// The channel that is alpha.
    fn alpha(&self) -> Option<usize> {
        matches!(self.layout.colours, Colours::GreyAlpha | Colours::Rgba).then(|| self.layout.channels() - 1)
    }

    fn pixel(&self, x: u32, y: u32) -> Vec<u16> {
        (0..self.layout.channels()).map(|channel| self.at(x, y, channel)).collect()
    }

    fn encoder(&self) -> png::Info<'static> {
        let mut info = png::Info::with_size(self.width, self.height);
        info.color_type = match self.layout.colours {
            Colours::Grey => png::ColorType::Grayscale,
            Colours::GreyAlpha => png::ColorType::GrayscaleAlpha,
            Colours::Rgb => png::ColorType::Rgb,
            Colours::Rgba => png::ColorType::Rgba,
        };
        info.bit_depth = match self.layout.depth {
            Depth::Eight => png::BitDepth::Eight,
            Depth::Sixteen => png::BitDepth::Sixteen,
        };
        info
    }

    fn png(&self) -> Vec<u8> {
        write_png(self.encoder(), &self.bytes)
    }

    /// Reads a PNG of ours.
    fn read(file: &[u8]) -> Self {
        let mut reader = png::Decoder::new(Cursor::new(file)).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        let colours = match info.color_type {
            png::ColorType::Grayscale => Colours::Grey,
            png::ColorType::GrayscaleAlpha => Colours::GreyAlpha,
            png::ColorType::Rgb => Colours::Rgb,
            png::ColorType::Rgba => Colours::Rgba,
            png::ColorType::Indexed => unreachable!("never written"),
        };
        let depth = if info.bit_depth == png::BitDepth::Sixteen { Depth::Sixteen } else { Depth::Eight };
        Self { width: info.width, height: info.height, layout: Layout { colours, depth }, bytes }
    }
}

fn write_png(info: png::Info<'_>, bytes: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = png::Encoder::with_info(&mut file, info).unwrap().write_header().unwrap();
    writer.write_image_data(bytes).unwrap();
    writer.finish().unwrap();
    file
}

/// What the files in `data/` show: 48 × 32 pixels, alike in all of them as far as their kinds allow.
fn formula(x: u32, y: u32) -> [u16; 3] {
    [x as u16 * 5, y as u16 * 7, 128]
}

/// Pixels that look like nothing in particular and are the same each time.
fn noise(width: u32, height: u32, colours: Colours, depth: Depth) -> Image {
    let mut state = 0x9e37_79b9_u32;
    Image::new(width, height, colours, depth, |x, y, channel| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let wave = ((f64::from(x) / 3.0).sin() + (f64::from(y) / 5.0 + channel as f64).cos()) / 4.0 + 0.5;
        let grain = f64::from(state >> 16) / 65_535.0;
        let full = if depth == Depth::Eight { 255.0 } else { 65_535.0 };
        ((0.6 * wave + 0.4 * grain) * full) as u16
    })
}

fn options(filter: Filter, factor: Factor) -> Options {
    Options { filter, ..Options::new(factor) }
}

fn run(file: &[u8], options: &Options) -> Result<(Enlarged, Vec<u8>), EnlargeError> {
    let mut result = Vec::new();
    let enlarged = enlarge(Cursor::new(file), &mut result, options, &|| false, &mut |_, _| {})?;
    Ok((enlarged, result))
}

/// Enlarges a file to a PNG, and reads that.
fn enlarged(file: &[u8], options: &Options) -> Image {
    let (said, result) = run(file, options).unwrap();
    let image = Image::read(&result);
    assert_eq!((said.width, said.height), (image.width, image.height));
    image
}

fn jpeg_options() -> Options {
    Options { output: OutputFormat::Jpeg, ..Options::new(Factor::Two) }
}
