//! Makes an image two or four times larger, with live progress; Ctrl-C cancels it.
//!
//! `cargo run --release --example upscale -- INPUT OUTPUT --quality standard [--factor 4] [--style art]`

use std::{env, path::PathBuf, time::Instant};

use function_runner_backends::functions::{
    registry,
    upscale::{OutputFormat, Style, UPSCALE, UpscaleInput, UpscaleOutput},
};
use function_runner_client::{Error, Stage, prelude::*};
use indicatif::{ProgressBar, ProgressStyle};

struct Wanted {
    input: PathBuf,
    output: PathBuf,
    quality: Quality,
    factor: u8,
    style: Style,
}

#[tokio::main]
async fn main() -> Result<()> {
    let wanted = Wanted::read()?;
    let runner = Runner::local(registry())?;
    let done = enlarge(&runner, &wanted).await;
    runner.close().await?; // waits until its temporary files are gone
    println!("{}", done?);
    Ok(())
}

async fn enlarge(runner: &Runner, wanted: &Wanted) -> Result<String> {
    let begin = Instant::now();
    let photo = runner.upload(&wanted.input).await?;
    let input = UpscaleInput::new(photo).factor(wanted.factor).style(wanted.style).format(wanted.format());
    let handle = runner.call(UPSCALE, input).quality(wanted.quality.clone()).submit().await?;
    println!("{}", used(&handle, wanted.style).await?);

    let output = tokio::select! {
        output = follow(&handle) => output?,
        _ = tokio::signal::ctrl_c() => {
            handle.cancel().await?;
            handle.output().await? // ends when the body has stopped, in an error that says `cancelled`
        }
    };
    runner.download(&output.image, &wanted.output).await?; // whole, or not at all

    let (seconds, place) = (begin.elapsed().as_secs_f64(), wanted.output.display());
    Ok(format!("{place}  {} × {} · {seconds:.1} s{}", output.width, output.height, peak()))
}

/// Shows how far the task is, until its end.
async fn follow(handle: &Handle<UpscaleOutput>) -> Result<UpscaleOutput> {
    let bar = ProgressBar::new(1000);
    if let Ok(style) = ProgressStyle::with_template("  {bar:24} {percent:>3} %  {msg}") {
        bar.set_style(style);
    }
    let mut progress = handle.progress();
    while let Some(p) = progress.next().await {
        let stage = match p.stage {
            Stage::Queued => "queued",
            Stage::Preparing => "preparing",
            Stage::Running => "running",
            Stage::Finalizing => "finalizing",
        };
        let left = p.eta.filter(|eta| !eta.is_zero()).map(|eta| format!(" · {} s left", eta.as_secs() + 1));
        bar.set_message(format!("{stage}  {}{}", p.message, left.unwrap_or_default()));
        bar.set_position((p.fraction.unwrap_or(0.0) * 1000.0) as u64);
    }
    bar.finish_and_clear();
    handle.output().await
}

/// The parameters that the task was given.
async fn used(handle: &Handle<UpscaleOutput>, style: Style) -> Result<String> {
    let task = handle.record().await?.task;
    let Some(filter) = task.envelope.parameters.get(style.parameter()) else {
        return Ok(task.lane.to_string());
    };
    Ok(format!("{} · {} {filter} · needs {}", task.lane, style.parameter(), task.envelope.requires))
}

/// The most memory that this process has had, as Linux tells it.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    let mib = line.and_then(|kib| kib.parse::<u64>().ok()).map(|kib| kib / 1024);
    mib.map(|mib| format!(" · peak {mib} MiB")).unwrap_or_default()
}

impl Wanted {
    fn read() -> Result<Self> {
        let (mut paths, mut arguments) = (Vec::new(), env::args().skip(1));
        let (mut quality, mut factor, mut style) = (Quality::Standard, 2, Style::Photo);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| usage(format!("{argument} needs a value")));
            match argument.as_str() {
                "--quality" => quality = value()?.parse()?,
                "--factor" => factor = value()?.parse().map_err(|_| usage("--factor takes 2 or 4"))?,
                "--style" => {
                    style = match value()?.as_str() {
                        "photo" => Style::Photo,
                        "art" => Style::Art,
                        _ => return Err(usage("--style takes photo or art")),
                    }
                }
                option if option.starts_with("--") => return Err(usage(format!("there is no {option}"))),
                path => paths.push(PathBuf::from(path)),
            }
        }
        let [input, output] = <[_; 2]>::try_from(paths).map_err(|_| usage("give two paths"))?;
        Ok(Self { input, output, quality, factor, style })
    }

    /// What the output's extension says.
    fn format(&self) -> OutputFormat {
        let extension = self.output.extension().map(|extension| extension.to_ascii_lowercase());
        match extension.as_deref().and_then(|extension| extension.to_str()) {
            Some("jpg" | "jpeg") => OutputFormat::Jpeg,
            _ => OutputFormat::Png,
        }
    }
}

fn usage(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidCall, message.into()).with_help(
        "upscale INPUT OUTPUT [--quality draft|standard|high|ultra] [--factor 2|4] [--style photo|art]",
    )
}
