//! The typed face of `image.upscale`.

use function_runner_core::{
    Artifact, Digest, Function, Implementation, Quality, QualityPreset, ResourceRequirement,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Network, OutputFormat, body::upscale};
use crate::models;

/// `image.upscale`: an image made two or four times larger.
///
/// | quality | style photo | style art |
/// |---|---|---|
/// | draft | bilinear | Lanczos with three lobes |
/// | standard | Lanczos with three lobes | `realesr-animevideov3-x4` |
/// | high | `esrgan-thick-x4` | `esrgan-thick-x4` |
/// | ultra | the mean of `esrgan-thick-x4` in eight directions | as photo |
///
/// These models make images four times larger; at the factor 2 the result is halved: see [`Network`]. High measures
/// 0.46 dB of PSNR above standard on photos at the factor 2 and 0.22 dB at 4; ultra, in eight times the time, 0.02 dB
/// above high.
pub const UPSCALE: Function<UpscaleInput, UpscaleOutput> = Function::new("image.upscale").version("1.1.0");

/// What `image.upscale` is asked for.
///
/// # Examples
///
/// ```
/// use function_runner_backends::functions::upscale::{Style, UpscaleInput};
/// use function_runner_core::{Artifact, Digest};
///
/// let photo = Artifact::new(Digest::of(b"..."), 3, "image/png");
/// let input = UpscaleInput::new(photo).factor(4).style(Style::Art);
/// assert_eq!(input.factor, 4);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "An image to make larger, and how.")]
#[non_exhaustive]
pub struct UpscaleInput {
    /// A PNG, JPEG or WebP of up to 64 megapixels, told by its content.
    pub image: Artifact,
    /// How many times wider and higher.
    #[serde(default = "two")]
    #[schemars(extend("enum" = [2, 4]))]
    pub factor: u8,
    /// What kind of image it is.
    #[serde(default)]
    pub style: Style,
    /// What to write; png where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<OutputFormat>,
}

const fn two() -> u8 {
    2
}

impl UpscaleInput {
    /// This image, twice as large, to a PNG.
    #[must_use]
    pub fn new(image: Artifact) -> Self {
        Self { image, factor: two(), style: Style::Photo, format: None }
    }

    /// How many times wider and higher: 2 or 4; other numbers are refused when it is submitted.
    #[must_use]
    pub fn factor(mut self, factor: u8) -> Self {
        self.factor = factor;
        self
    }

    /// What kind of image it is.
    #[must_use]
    pub fn style(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    /// What to write.
    #[must_use]
    pub fn format(mut self, format: OutputFormat) -> Self {
        self.format = Some(format);
        self
    }
}

/// What kind of image it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Style {
    /// Taken with a camera.
    #[default]
    Photo,
    /// Drawn: flat colours and lines.
    Art,
}

impl Style {
    /// The preset's parameter that says how images of this style are enlarged.
    #[must_use]
    pub const fn parameter(self) -> &'static str {
        match self {
            Self::Photo => "photo",
            Self::Art => "art",
        }
    }
}

/// What `image.upscale` gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct UpscaleOutput {
    /// The larger image.
    pub image: Artifact,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

impl UpscaleOutput {
    /// An output, for tests that answer in the function's place.
    #[must_use]
    pub fn new(image: Artifact, width: u32, height: u32) -> Self {
        Self { image, width, height }
    }
}

/// The sample of this repository, of which the template's example speaks.
fn sample() -> Artifact {
    const DIGEST: [u8; 32] = *b"\x08\x59\xc9\x18\xa2\xf5\x53\x2f\xa7\x61\x8d\xcd\xca\x10\xfe\x00\
        \xb4\x59\xf0\xb1\x23\xc9\x65\x6a\xb8\xf8\x14\x27\xb4\xd9\xd8\x1f";
    Artifact::new(Digest::from_bytes(DIGEST), 64024, "image/png").named("sample.png")
}

/// How many tasks one worker's model serves: more than there will ever be side by side.
const MODELS: u64 = 1_000_000;

/// The body with its presets and its needs.
///
/// Every preset makes use of two cores and does with one. Memory of each task: 800 MiB, and for the large network
/// 1 GiB. An animated WebP of 64 megapixels with alpha alone was measured at 740 MiB, a JPEG at 195 (progressive: up
/// to 676), a PNG that can be streamed at 13; by a network, tiles are chosen so that all fits. Shared by the tasks of
/// a lane are the weights.
///
/// What brings a model is its file in a models folder: a worker without it is given no task at `high` and `ultra`. At
/// `standard` photos need no model, so a worker without the one for art takes the lane and fails those tasks.
pub fn implementation() -> Implementation {
    let base = UPSCALE
        .implement_blocking(upscale)
        .title("Make an image larger")
        .description(
            "Makes a PNG, JPEG or WebP of up to 64 megapixels two or four times wider and higher. Photos: draft is \
             bilinear, standard is Lanczos with three lobes, high is a network of 154 convolutions, ultra the mean \
             of what that makes of the photo flipped and turned in all eight ways. Art: draft is Lanczos, standard a \
             network for drawings, high and ultra are as for photos. The networks make images four times larger; \
             where twice is asked for, the result is halved. The result is turned the way the photo's EXIF says; \
             alpha, 16 bits and the colour profile are kept in a PNG.",
        )
        .requires(needs(Network::Lanczos, 0))
        .set(Style::Photo.parameter(), Network::Lanczos)
        .set(Style::Art.parameter(), Network::Lanczos)
        .preset(Quality::Draft, QualityPreset::new().set(Style::Photo.parameter(), Network::Bilinear))
        .preset(Quality::Standard, standard())
        .preset(Quality::High, large(Network::Thick))
        .preset(Quality::Ultra, large(Network::ThickEnsemble))
        .example("the sample, four times larger", UpscaleInput::new(sample()).factor(4));
    let present = models::known().iter().filter(|model| models::is_present(&model.name));
    present.fold(base, |all, model| all.brings(custom(&model.name), MODELS))
}

fn standard() -> QualityPreset {
    let preset = QualityPreset::new().set(Style::Art.parameter(), Network::Animevideo);
    preset.requires(needs(Network::Animevideo, SMALL_MIB))
}

fn large(network: Network) -> QualityPreset {
    let needs = |millis| need(network, THICK_MIB, millis).custom(custom("esrgan-thick-x4"), 1);
    QualityPreset::new()
        .set(Style::Photo.parameter(), network)
        .set(Style::Art.parameter(), network)
        .requires(needs(2000).or(needs(1000)))
}

/// MiB that the weights take when they are loaded.
const SMALL_MIB: u64 = 24;
const THICK_MIB: u64 = 240;

/// Two cores, or one.
fn needs(network: Network, weights_mib: u64) -> ResourceRequirement {
    need(network, weights_mib, 2000).or(need(network, weights_mib, 1000))
}

fn need(network: Network, weights_mib: u64, millis: u64) -> ResourceRequirement {
    ResourceRequirement::new()
        .cpu_millis(millis)
        .memory_mib(network.memory_mib())
        .shared(ResourceRequirement::new().memory_mib(weights_mib))
}

/// The name by which a requirement asks for a model.
fn custom(model: &str) -> String {
    format!("{}{model}", models::COUNT_PREFIX)
}
