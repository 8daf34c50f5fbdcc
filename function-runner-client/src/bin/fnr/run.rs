//! `fnr run`: one call in this process, from its arguments to its end.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use function_runner_client::{Handle, Runner, capacity};
use function_runner_core::{
    Capacity, Error, ErrorKind, Progress, Quality, Registry, Result, Stage, TaskId, Template,
};
use serde_json::Value;

use crate::{
    bar::Bar,
    document::{self, Took},
    exit::Exit,
    follow::{Outcome, follow},
    headline::headline,
    input::{self, Given},
    known,
    layout::{mib, time},
    models, out,
    stop::{Stop, Why},
    target::Target,
};

/// How long the program waits at its end for what it started, such as the removal of its temporary files.
const LEAVING: Duration = Duration::from_secs(5);

/// Run a function in this process and wait for its result.
///
/// Fields of the input stand behind the function: `factor=4` is read by the field's type, `image=@photo.png` gives a
/// file, `key:=json` gives JSON whatever the type. `fnr functions FUNCTION` shows the fields.
///
/// Where the function gives a file, -o says where it goes; it is there whole or not at all. Other results go to
/// stdout as JSON, or to -o. Ctrl-C cancels, a second one ends at once.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::exit::HELP)]
pub(crate) struct Args {
    /// The function, or one version of it: image.upscale, image.upscale@1.
    function: String,
    /// Fields of the input: key=value, key=@path for a file, key:=json.
    #[arg(value_name = "KEY=VALUE")]
    fields: Vec<String>,
    /// The input as JSON, from a file, or from stdin; fields stand over it.
    #[arg(long, value_name = "JSON|@FILE|-")]
    input: Option<String>,
    /// How good the result is to be: draft, standard, high, ultra, as far as the function has them.
    #[arg(short, long, default_value = "standard")]
    quality: String,
    /// Its share among other tasks, from 1 (last) to 10 (first).
    #[arg(long, value_name = "N")]
    priority: Option<u8>,
    /// A word of your own about the task; as often as you like.
    #[arg(long = "label", value_name = "KEY=VALUE")]
    labels: Vec<String>,
    /// Cancel it after so long, such as 90s or 5m, and exit with 124.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
    /// Where the result goes; the extension chooses the format where the function has several.
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
}

/// Runs one of these functions.
///
/// # Errors
///
/// What is wrong with the arguments or the input, and what the function failed with, unless it was told already.
pub(crate) fn run(registry: Registry, args: Args, json: bool) -> Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        Error::new(ErrorKind::Io, "cannot start the threads that functions run on").with_source(error)
    })?;
    let (begin, stop) = (Instant::now(), Stop::listen(args.timeout)?);
    let exit = runtime.block_on(call(registry, &args, json, begin, stop));
    runtime.shutdown_timeout(LEAVING);
    exit
}

async fn call(registry: Registry, args: &Args, json: bool, begin: Instant, stop: Stop) -> Result<Exit> {
    let template = known::find(&registry, &args.function)?.clone();
    let quality: Quality = args.quality.parse()?;
    models::demand(&registry, &template, &quality)?;
    let target = Target::plan(&template, args.output.as_deref())?;
    let machine = registry.equip(capacity::measure());
    let job = Job { args, machine, template, quality, target, json, begin, stop };
    let given = match job.stop.unless(job.read()).await {
        Ok(given) => given?,
        Err(why) => return job.stopped(None, why),
    };
    let runner = Runner::local(registry)?;
    let exit = job.run(&runner, given).await;
    // its temporary files are gone before the program is
    let closed = runner.close().await;
    exit.and_then(|exit| closed.map(|()| exit))
}

/// One call.
struct Job<'a> {
    args: &'a Args,
    /// What this process has for it.
    machine: Capacity,
    template: Template,
    quality: Quality,
    target: Target,
    json: bool,
    begin: Instant,
    stop: Stop,
}

impl Job<'_> {
    async fn read(&self) -> Result<Given> {
        let mut given = input::read(&self.template, self.args.input.as_deref(), &self.args.fields).await?;
        self.target.choose_format(&self.template, &mut given)?;
        Ok(given)
    }

    async fn run(&self, runner: &Runner, given: Given) -> Result<Exit> {
        let handle = match self.stop.unless(self.submit(runner, given)).await {
            Ok(handle) => handle?,
            Err(why) => return self.stopped(None, why),
        };
        let mut bar = Bar::new(!self.json);
        let ended = self.see_through(runner, &handle, &mut bar).await;
        bar.finish(matches!(ended, Ok(Outcome::Output(_))));
        match ended {
            Ok(Outcome::Output(output)) => self.succeeded(&handle, output).await,
            Ok(Outcome::Stopped(why)) => self.stopped(Some(handle.id()), why),
            Err(error) => self.failed(&handle, error).await,
        }
    }

    /// Until its output is where it goes.
    async fn see_through(&self, runner: &Runner, handle: &Handle<Value>, bar: &mut Bar) -> Result<Outcome> {
        let output = match follow(handle, &self.stop, bar, self.json).await? {
            Outcome::Output(output) => output,
            stopped => return Ok(stopped),
        };
        if let Some(path) = &self.args.output {
            bar.set(Progress::at(Stage::Finalizing, format!("writing {}", path.display())));
        }
        match self.stop.unless(self.write(runner, &output)).await {
            Ok(written) => written.map(|()| Outcome::Output(output)),
            Err(why) => Ok(Outcome::Stopped(why)),
        }
    }

    async fn submit(&self, runner: &Runner, given: Given) -> Result<Handle<Value>> {
        let image = given.file("image").map(Path::to_owned);
        let input = given.upload(runner).await?;
        let mut call = runner.call_by_name(&self.args.function, input.clone()).quality(self.quality.clone());
        if let Some(priority) = self.args.priority {
            call = call.priority(priority);
        }
        for label in &self.args.labels {
            let (key, value) = label.split_once('=').ok_or_else(|| {
                let message = format!("the label `{}` is not key=value", label.escape_debug());
                Error::new(ErrorKind::InvalidCall, message).with_help("write --label key=value")
            })?;
            call = call.label(key, value);
        }
        let handle = call.submit().await?;
        if !self.json {
            let image = image.as_deref();
            out::aside(&headline(&self.template, &self.quality, &input, self.machine.clone(), image));
        }
        Ok(handle)
    }

    /// Puts the output where it goes, if that is a file: whole, or not at all.
    async fn write(&self, runner: &Runner, output: &Value) -> Result<()> {
        match &self.target {
            Target::Stdout => Ok(()),
            Target::Json(path) => {
                let text = format!("{output:#}\n");
                let artifact = runner.upload_bytes(text, "application/json").await?;
                runner.download(&artifact, path).await
            }
            Target::File { path, field } => {
                runner.download(&Target::artifact(field.as_deref(), output)?, path).await
            }
        }
    }

    async fn succeeded(&self, handle: &Handle<Value>, output: Value) -> Result<Exit> {
        let took = took(handle).await;
        if self.json {
            let file = self.args.output.as_deref();
            out::document(&self.call(Some(handle.id())).succeeded(output, file, &took))?;
            return Ok(Exit::Succeeded);
        }
        if self.target == Target::Stdout {
            out::line(&format!("{output:#}"))?;
        }
        let mut parts: Vec<_> = dimensions(&output).into_iter().collect();
        parts.push(time(self.begin.elapsed()));
        parts.extend(took.peak_mib.map(|peak| format!("peak {}", mib(peak))));
        parts.push(format!("task {}", handle.id()));
        let name = self.args.output.as_deref().map(Path::display);
        let name = name.map(|name| format!("{name}  ")).unwrap_or_default();
        out::aside(&format!("{name}{}", parts.join(" · ")));
        Ok(Exit::Succeeded)
    }

    /// What failed in the function is told here as JSON; everything else is the caller's to tell.
    async fn failed(&self, handle: &Handle<Value>, error: Error) -> Result<Exit> {
        if error.kind() == ErrorKind::Cancelled {
            return self.stopped(Some(handle.id()), Why::Asked);
        }
        match error.failure().filter(|_| self.json) {
            Some(failure) => {
                out::document(&self.call(Some(handle.id())).failed(failure, &took(handle).await))?;
                Ok(Exit::of(&error))
            }
            None => Err(error),
        }
    }

    fn stopped(&self, task: Option<&TaskId>, why: Why) -> Result<Exit> {
        if self.json {
            out::document(&self.call(task).cancelled(why))?;
            return Ok(why.exit());
        }
        match why {
            Why::Asked => {
                out::aside(&format!("cancelled after {}; nothing was written", time(self.begin.elapsed())))
            }
            Why::TimedOut(limit) => out::aside(&format!(
                "error: timed out after {}; the task was cancelled and nothing was written\n\
                 help: raise --timeout, or choose a lower quality",
                humantime::format_duration(limit)
            )),
        }
        Ok(why.exit())
    }

    const fn call<'a>(&'a self, task: Option<&'a TaskId>) -> document::Call<'a> {
        document::Call { template: &self.template, quality: &self.quality, task }
    }
}

/// What the task took; what cannot be told is left out, since the result is what counts.
async fn took(handle: &Handle<Value>) -> Took {
    let usage = handle.record().await.ok().and_then(|record| record.usage);
    Took { usage, peak_mib: peak_mib() }
}

/// The most memory that this process has had, as Linux tells it.
fn peak_mib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib.div_ceil(1024))
}

/// `1024 × 1024`, where the output says so.
fn dimensions(output: &Value) -> Option<String> {
    let side = |name| output.get(name).and_then(Value::as_u64);
    Some(format!("{} × {}", side("width")?, side("height")?))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use function_runner_core::{Failure, Function};
    use serde_json::json;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn run(arguments: &[&str]) -> Result<Exit> {
        const DOUBLE: Function<u32, u32> = Function::new("double");
        let double = DOUBLE.implement(|_, n| async move {
            if n > 9 { Err(Failure::permanent("that is too much").remedy("take less")) } else { Ok(2 * n) }
        });
        let line = Line::parse_from([&["run"], arguments].concat());
        super::run(Registry::new().add(double), line.args, false)
    }

    #[test]
    fn an_output_without_a_file_goes_as_json_to_a_file_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.json");
        let exit = run(&["double", "--input", "4", "-o", path.to_str().unwrap()]).unwrap();
        assert_eq!((exit, fs::read_to_string(&path).unwrap().as_str()), (Exit::Succeeded, "8\n"));
        assert_eq!(run(&["double", "--input", "4"]).unwrap(), Exit::Succeeded);
    }

    #[test]
    fn a_failure_and_a_fault_are_told_apart() {
        let failed = run(&["double", "--input", "10"]).unwrap_err();
        assert_eq!((Exit::of(&failed), failed.remedy()), (Exit::Failed, "take less"));
        let misused = run(&["double", "--input", "\"four\""]).unwrap_err();
        assert_eq!((Exit::of(&misused), misused.kind()), (Exit::Misused, ErrorKind::InvalidInput));
    }

    #[test]
    fn the_most_memory_so_far_is_known_where_the_system_tells_it() {
        assert_eq!(peak_mib().is_some(), Path::new("/proc/self/status").exists());
        assert!(peak_mib().is_none_or(|peak| peak > 0));
        assert_eq!(dimensions(&json!({ "width": 3, "height": 2 })).as_deref(), Some("3 × 2"));
        assert_eq!(dimensions(&json!([3, 2])), None);
    }
}
