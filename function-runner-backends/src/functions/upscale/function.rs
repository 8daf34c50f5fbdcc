//! The typed face of `image.upscale`.

use std::{fs::File, time::Instant};

use function_runner_core::{
    Artifact, Context, Digest, Failure, FailureClass, Function, Implementation, Progress, Quality,
    QualityPreset, ResourceRequirement, Stage,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    EnlargeError, Enlarged, Factor, Filter, Options, OutputFormat, enlarge,
    files::{fetch, keep},
};

/// `image.upscale`: an image made two or four times larger.
///
/// | quality | style photo | style art |
/// |---|---|---|
/// | draft | bilinear | Lanczos with three lobes |
/// | standard | Lanczos with three lobes | Lanczos with three lobes |
pub const UPSCALE: Function<UpscaleInput, UpscaleOutput> = Function::new("image.upscale").version("1.0.0");

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

/// How an image is enlarged: the value of the presets' parameters `photo` and `art`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Network {
    /// From the nearest 2 × 2 pixels.
    Bilinear,
    /// From the nearest 6 × 6 pixels, by the windowed sinc with three lobes.
    Lanczos,
}

impl From<Network> for Filter {
    fn from(network: Network) -> Self {
        match network {
            Network::Bilinear => Self::Bilinear,
            Network::Lanczos => Self::Lanczos3,
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

/// The body with its presets and its needs.
///
/// It needs 800 MiB: an animated WebP of 64 megapixels with alpha was measured at 740 MiB, a JPEG at 195 (progressive:
/// up to 676), a PNG that can be streamed at 13. It makes use of two cores and does with one.
pub fn implementation() -> Implementation {
    let needs = |millis| ResourceRequirement::new().cpu_millis(millis).memory_mib(800);
    UPSCALE
        .implement_blocking(upscale)
        .title("Make an image larger")
        .description(
            "Makes a PNG, JPEG or WebP of up to 64 megapixels two or four times wider and higher. Photos: draft is \
             bilinear, standard is Lanczos with three lobes. Art: both are Lanczos. The result is turned the way the \
             photo's EXIF says; alpha, 16 bits and the colour profile are kept in a PNG.",
        )
        .requires(needs(2000).or(needs(1000)))
        .set(Style::Photo.parameter(), Network::Lanczos)
        .set(Style::Art.parameter(), Network::Lanczos)
        .preset(Quality::Draft, QualityPreset::new().set(Style::Photo.parameter(), Network::Bilinear))
        .preset(Quality::Standard, QualityPreset::new())
        .example("the sample, four times larger", UpscaleInput::new(sample()).factor(4))
}

/// The body of [`UPSCALE`].
///
/// # Errors
///
/// `invalid_input` where the file is not an image that is read, with what to do about it; `resource` where disk or
/// memory ran out; `cancelled`; else `transient`.
pub fn upscale(ctx: Context, input: UpscaleInput) -> Result<UpscaleOutput, Failure> {
    let options = options(&ctx, &input)?;
    let folder = ctx.scratch()?;
    ctx.update(Progress::at(Stage::Preparing, "fetching the image"));
    let source = fetch(&ctx, &input.image, &folder.join("source"))?;
    ctx.update(Progress::at(Stage::Preparing, "reading the image"));
    let result = folder.join("result");
    let enlarged = work(&ctx, source, &result, &options)?;
    ctx.update(Progress::new(1.0, "storing the result").stage(Stage::Finalizing));
    let image = keep(&ctx, &result, media_type(options.output))?;
    let image = match &input.image.name {
        Some(name) => image.named(new_name(name, input.factor, options.output)),
        None => image,
    };
    Ok(UpscaleOutput { image, width: enlarged.width, height: enlarged.height })
}

fn options(ctx: &Context, input: &UpscaleInput) -> Result<Options, Failure> {
    let factor = Factor::try_from(input.factor).map_err(|other| {
        Failure::invalid_input(format_args!("factor: {other} is not one of 2, 4")).remedy("choose 2 or 4")
    })?;
    let network: Network = ctx.parameter(input.style.parameter())?;
    let mut options = Options::new(factor);
    options.filter = network.into();
    options.output = input.format.unwrap_or_default();
    options.threads = (ctx.granted().amounts.cpu_millis / 1000).max(1) as usize;
    Ok(options)
}

fn work(
    ctx: &Context,
    source: File,
    result: &std::path::Path,
    options: &Options,
) -> Result<Enlarged, Failure> {
    let sink = File::create(result).map_err(|error| failure(EnlargeError::Write(error)))?;
    let begin = Instant::now();
    let mut report = |done: u32, rows: u32| {
        let left = begin.elapsed().mul_f64(f64::from(rows - done) / f64::from(done.max(1)));
        let progress = Progress::new(done as f32 / rows as f32, format!("row {done} of {rows}"));
        ctx.update(progress.stage(Stage::Running).step(done, rows).eta(left));
    };
    enlarge(source, sink, options, &|| ctx.is_cancelled(), &mut report).map_err(failure)
}

fn failure(error: EnlargeError) -> Failure {
    let class = match &error {
        EnlargeError::Stopped => return Failure::cancelled(),
        error if error.is_of_the_input() => FailureClass::InvalidInput,
        error if error.is_of_resources() => FailureClass::Resource,
        _ => FailureClass::Transient,
    };
    let field = match (&error, class) {
        (EnlargeError::OutputTooLarge { .. }, _) => "format: ",
        (_, FailureClass::InvalidInput) => "image: ",
        _ => "",
    };
    let remedy = error.remedy();
    let mut failure = Failure::from(error);
    failure.class = class;
    failure.message.insert_str(0, field);
    match remedy {
        Some(remedy) => failure.remedy(remedy),
        None => failure,
    }
}

const fn media_type(format: OutputFormat) -> &'static str {
    match format {
        OutputFormat::Png => "image/png",
        OutputFormat::Jpeg => "image/jpeg",
    }
}

/// `photo.webp` becomes `photo-4x.png`; a name has at most 255 characters.
fn new_name(name: &str, factor: u8, format: OutputFormat) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let stem: String = stem.chars().take(240).collect();
    let ending = match format {
        OutputFormat::Png => "png",
        OutputFormat::Jpeg => "jpg",
    };
    format!("{stem}-{factor}x.{ending}")
}
