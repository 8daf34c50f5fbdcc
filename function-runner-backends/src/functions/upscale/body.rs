//! The body of `image.upscale`: from the task's input to its output.

use std::{
    fs::File,
    path::Path,
    time::{Duration, Instant},
};

use function_runner_core::{Artifact, Context, Failure, FailureClass, Progress, Stage};

use super::{
    EnlargeError, Enlarged, Factor, Filter, Network, Options, OutputFormat, Speeds, UpscaleInput,
    UpscaleOutput, Way, enlarge,
    enlarge::render,
    estimate::{Pace, estimate, size},
    files::{fetch, keep},
    model,
    network::Rendering,
    render::{Done, Job, Watch},
    shelf::{Shelf, Work},
};
use crate::{models, networks};

/// The body of [`UPSCALE`](super::UPSCALE).
///
/// By a network it goes tile by tile, and after each row of tiles leaves a checkpoint: the next attempt goes on
/// behind the rows that are finished, unless input, parameters or weights are others. A checkpoint that cannot be
/// read, or a row that is no longer in the artifact store, is computed again.
///
/// # Errors
///
/// `invalid_input` where the file is not an image that is read, with what to do about it; `permanent` where a model
/// is not installed; `resource` where disk or memory ran out; `cancelled`; else `transient`.
pub fn upscale(ctx: Context, input: UpscaleInput) -> Result<UpscaleOutput, Failure> {
    let load = |name: &str| model::shared(&ctx, name);
    run(&ctx, &input, &Means { load: &load, memory: &|network| network.memory_mib() << 20 })
}

/// Where networks come from, and how many bytes a task may take by one.
pub(super) struct Means<'a> {
    pub(super) load: &'a dyn Fn(&str) -> Result<networks::Network, Failure>,
    pub(super) memory: &'a dyn Fn(Network) -> u64,
}

pub(super) fn run(ctx: &Context, input: &UpscaleInput, means: &Means<'_>) -> Result<UpscaleOutput, Failure> {
    let asked = Asked::read(ctx, input)?;
    let model = match asked.network.way(asked.factor) {
        Way::Filtered(filter) => Model::Filter(filter),
        Way::Rendered(rendering) => Model::Network(rendering, (means.load)(rendering.model)?),
    };
    let folder = ctx.scratch()?;
    ctx.update(Progress::at(Stage::Preparing, "fetching the image"));
    let source = fetch(ctx, &input.image, &folder.join("source"))?;
    ctx.update(asked.first_progress(&source));
    let result = folder.join("result");
    let enlarged = match &model {
        Model::Filter(filter) => asked.filter(ctx, source, &result, *filter)?,
        Model::Network(rendering, network) => {
            let job = Job {
                network,
                rendering: *rendering,
                factor: asked.factor,
                threads: asked.threads,
                memory: (means.memory)(asked.network),
            };
            asked.render(ctx, source, &result, job)?
        }
    };
    ctx.update(Progress::new(1.0, "storing the result").stage(Stage::Finalizing));
    let image = keep(ctx, &result, media_type(asked.output))?;
    let image = match &input.image.name {
        Some(name) => image.named(new_name(name, input.factor, asked.output)),
        None => image,
    };
    Ok(UpscaleOutput { image, width: enlarged.width, height: enlarged.height })
}

/// What makes the new pixels.
enum Model {
    Filter(Filter),
    Network(Rendering, networks::Network),
}

/// What a task asks for, in the body's terms.
struct Asked<'a> {
    image: &'a Artifact,
    factor: Factor,
    network: Network,
    output: OutputFormat,
    threads: usize,
    speeds: Speeds,
}

impl<'a> Asked<'a> {
    fn read(ctx: &Context, input: &'a UpscaleInput) -> Result<Self, Failure> {
        let factor = Factor::try_from(input.factor).map_err(|other| {
            Failure::invalid_input(format_args!("factor: {other} is not one of 2, 4")).remedy("choose 2 or 4")
        })?;
        Ok(Self {
            image: &input.image,
            factor,
            network: ctx.parameter(input.style.parameter())?,
            output: input.format.unwrap_or_default(),
            threads: (ctx.granted().amounts.cpu_millis / 1000).max(1) as usize,
            speeds: Speeds::here(),
        })
    }

    /// What is told when the file is there: how long it will take, as far as its header says it.
    fn first_progress(&self, source: &File) -> Progress {
        let progress = Progress::at(Stage::Preparing, "reading the image");
        // what is wrong with the file is told by whoever decodes it
        let size = size(source).ok();
        let takes =
            size.and_then(|size| estimate(self.network, self.factor, size, self.threads, &self.speeds));
        match takes {
            Some(takes) => progress.eta(takes),
            None => progress,
        }
    }

    fn filter(
        &self,
        ctx: &Context,
        source: File,
        result: &Path,
        filter: Filter,
    ) -> Result<Enlarged, Failure> {
        let mut options = Options::new(self.factor);
        (options.filter, options.output, options.threads) = (filter, self.output, self.threads);
        let begin = Instant::now();
        let mut report = |done: u32, rows: u32| {
            let left = begin.elapsed().mul_f64(f64::from(rows - done) / f64::from(done.max(1)));
            let progress = Progress::new(done as f32 / rows as f32, format!("row {done} of {rows}"));
            ctx.update(progress.stage(Stage::Running).step(done, rows).eta(left));
        };
        let sink = create(result)?;
        enlarge(source, sink, &options, &|| ctx.is_cancelled(), &mut report).map_err(failure)
    }

    fn render(&self, ctx: &Context, source: File, result: &Path, job: Job<'_>) -> Result<Enlarged, Failure> {
        let Rendering { model, ensemble, .. } = job.rendering;
        let work = Work {
            image: self.image.sha256,
            model,
            weights: models::find(model).map_err(models::ModelError::into_failure)?.files[0].sha256,
            ensemble,
            factor: self.factor.times(),
        };
        let mut shelf = Shelf::new(ctx, work, &ctx.scratch()?);
        let runs = if ensemble { 8.0 } else { 1.0 };
        let each = self.speeds.of(model, self.threads).unwrap_or_default() * runs / 1e6;
        let mut begin = None;
        let mut told = |done: Done| {
            let begin = *begin.get_or_insert_with(Instant::now);
            let pace = Pace::new(Duration::from_secs_f64(each * done.all), done.all);
            let left = pace.left(begin.elapsed(), done.pixels - done.kept, done.all - done.kept);
            ctx.update(progress(done).eta(left));
        };
        let stopped = || ctx.is_cancelled();
        let watch = Watch { stopped: &stopped, told: &mut told, shelf: Some(&mut shelf) };
        render(source, create(result)?, job, self.output, watch).map_err(failure)
    }
}

/// `tile 19/30`: the one at work.
fn progress(done: Done) -> Progress {
    let at = (done.tile + 1).min(done.tiles);
    let progress = Progress::new((done.pixels / done.all) as f32, format!("tile {at}/{}", done.tiles));
    progress.stage(Stage::Running).step(done.tile, done.tiles)
}

fn create(path: &Path) -> Result<File, Failure> {
    File::create(path).map_err(|error| failure(EnlargeError::Write(error)))
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
