//! `fnr run`: one call, from its arguments to its end.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use function_runner_client::{Handle, capacity};
use function_runner_core::{
    Capacity, Durability, Error, ErrorKind, Progress, Quality, Registry, Result, Stage, Template, WorkerId,
};
use serde_json::Value;

use crate::{
    at_work::AtWork,
    bar::Bar,
    document::Call,
    ending::Ending,
    exit::Exit,
    follow::{OnStop, Outcome, follow},
    headline::headline,
    input::{self, Given},
    known, models, out,
    queue::{self, Opened, Place},
    stop::{Second, Stop},
    target::Target,
};

/// How long the program waits at its end for what it started, such as the removal of its temporary files.
const LEAVING: Duration = Duration::from_secs(5);

/// Run a function and wait for its result.
///
/// The task goes into the queue, and this process works on that queue until the task has ended: whoever takes it first
/// runs it. Of others' tasks it may take some meanwhile; they go back at its end.
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
    /// Start it after so long, such as 10m.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    delay: Option<Duration>,
    /// Fail it unless it has started within so long.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    deadline: Option<Duration>,
    /// Cancel it after so long, such as 90s or 5m, and exit with 124.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
    /// Where the result goes; the extension chooses the format where the function has several.
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// Put it into the queue, print its id, and end: `fnr watch` follows it.
    #[arg(long, conflicts_with_all = ["no_work", "output", "timeout"])]
    detach: bool,
    /// Wait for a worker elsewhere; do not work in this process.
    #[arg(long)]
    no_work: bool,
}

/// What this process does for the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// It works on the queue until the task has ended.
    Work,
    /// It waits for another's work.
    Wait,
    /// It goes as soon as the task is queued.
    Detach,
}

/// Runs one of these functions, or one that is known to the queue.
///
/// # Errors
///
/// What is wrong with the arguments or the input, and what the function failed with, unless it was told already.
pub(crate) fn run(registry: Registry, args: Args, json: bool) -> Result<Exit> {
    let runtime = queue::runtime()?;
    let (begin, stop) = (Instant::now(), Stop::listen(args.timeout, Second::Ends)?);
    let exit = runtime.block_on(call(registry, &args, json, begin, stop));
    runtime.shutdown_timeout(LEAVING);
    exit
}

async fn call(registry: Registry, args: &Args, json: bool, begin: Instant, stop: Stop) -> Result<Exit> {
    let mut mode = match (args.detach, args.no_work) {
        (true, _) => Mode::Detach,
        (false, true) => Mode::Wait,
        (false, false) => Mode::Work,
    };
    let (template, opened) = match known::find(&registry, &args.function) {
        Ok(template) => (template.clone(), None),
        Err(error) => {
            // what is not built in can run elsewhere alone
            let (template, opened) = published(args, error).await?;
            mode = if mode == Mode::Work { Mode::Wait } else { mode };
            (template, Some(opened))
        }
    };
    let quality: Quality = args.quality.parse()?;
    if mode == Mode::Work {
        models::demand(&registry, &template, &quality)?;
    }
    let target = match mode {
        Mode::Detach => Target::Stdout,
        Mode::Work | Mode::Wait => Target::plan(&template, args.output.as_deref())?,
    };
    let machine = registry.equip(capacity::measure());
    let (call, output) = (Call::of(&template, &quality), args.output.clone());
    let ending = Ending { call, target, output, json, begin: Some(begin), here: mode == Mode::Work };
    let job = Job { args, mode, machine, template, quality, ending, stop };
    let given = match job.stop.unless(job.read()).await {
        Ok(given) => given?,
        Err(why) => return job.ending.cancelled(None, why),
    };
    let opened = match opened {
        Some(opened) => opened,
        None => args.place.open().await?,
    };
    job.run(&opened, registry, given).await
}

/// The template of a function that is not built in, from those that workers made known to the queue.
async fn published(args: &Args, error: Error) -> Result<(Template, Opened)> {
    if error.kind() != ErrorKind::UnknownFunction || !args.place.is_given() {
        return Err(error);
    }
    let opened = args.place.open().await?;
    let set = opened.runner.functions().await?;
    match known::among(&set.templates, &args.function) {
        Some(template) => Ok((template.clone(), opened)),
        None => Err(error),
    }
}

/// One call.
struct Job<'a> {
    args: &'a Args,
    mode: Mode,
    /// What this process has for it.
    machine: Capacity,
    template: Template,
    quality: Quality,
    ending: Ending,
    stop: Stop,
}

impl Job<'_> {
    async fn read(&self) -> Result<Given> {
        let mut given = input::read(&self.template, self.args.input.as_deref(), &self.args.fields).await?;
        self.ending.target.choose_format(&self.template, &mut given)?;
        Ok(given)
    }

    /// Makes the functions known, then calls, with a worker beside it where this process works.
    async fn run(&self, opened: &Opened, registry: Registry, given: Given) -> Result<Exit> {
        let id = WorkerId::unique();
        let here = known::among(registry.templates(), &self.args.function).is_some();
        if here {
            let published = opened.publish(&id, &self.machine, &registry).await;
            match self.mode {
                Mode::Work => published?,
                // others serve another build of it: then they are who runs it
                Mode::Wait | Mode::Detach => {
                    published.or_else(|error| conflict(error).map_or(Ok(()), Err))?
                }
            }
        }
        if self.mode != Mode::Work || opened.queue.is_none() {
            opened.leave(&id).await?;
            return self.see_through(opened, given).await;
        }
        let mut at_work = AtWork::start(opened, registry, id)?;
        let exit = tokio::select! {
            biased;
            exit = self.see_through(opened, given) => exit,
            error = at_work.failed() => return Err(error),
        };
        at_work.end().await;
        exit
    }

    async fn see_through(&self, opened: &Opened, given: Given) -> Result<Exit> {
        let handle = match self.stop.unless(self.submit(opened, given)).await {
            Ok(handle) => handle?,
            Err(why) => return self.ending.cancelled(None, why),
        };
        if self.mode == Mode::Detach {
            return self.detached(&handle);
        }
        let mut bar = Bar::new(!self.ending.json);
        let ended = self.follow(opened, &handle, &mut bar).await;
        bar.finish(matches!(ended, Ok(Outcome::Output(_))));
        match ended {
            Ok(Outcome::Output(output)) => self.ending.succeeded(&handle, output).await,
            Ok(Outcome::Stopped(why)) => self.ending.cancelled(Some(handle.id()), why),
            Err(error) => self.ending.failed(&handle, error).await,
        }
    }

    /// Until its output is where it goes.
    async fn follow(&self, opened: &Opened, handle: &Handle<Value>, bar: &mut Bar) -> Result<Outcome> {
        let output = match follow(handle, &self.stop, OnStop::Cancel, bar, self.ending.json).await? {
            Outcome::Output(output) => output,
            stopped => return Ok(stopped),
        };
        if let Some(path) = &self.args.output {
            bar.set(Progress::at(Stage::Finalizing, format!("writing {}", path.display())));
        }
        match self.stop.unless(self.ending.write(&opened.runner, &output)).await {
            Ok(written) => written.map(|()| Outcome::Output(output)),
            Err(why) => Ok(Outcome::Stopped(why)),
        }
    }

    async fn submit(&self, opened: &Opened, given: Given) -> Result<Handle<Value>> {
        let runner = &opened.runner;
        if self.mode == Mode::Detach && runner.executor().capabilities().durability == Durability::None {
            let message = "with --detach this process ends, and what this queue holds with it";
            return Err(Error::new(ErrorKind::InvalidCall, message)
                .with_help("give a queue that lasts, such as --queue sqlite:tasks.db"));
        }
        let image = given.file("image").map(Path::to_owned);
        let input = given.upload(runner).await?;
        let mut call = runner.call_by_name(&self.args.function, input.clone()).quality(self.quality.clone());
        if let Some(priority) = self.args.priority {
            call = call.priority(priority);
        }
        if let Some(delay) = self.args.delay {
            call = call.delay(delay);
        }
        if let Some(deadline) = self.args.deadline {
            call = call.deadline(deadline);
        }
        for label in &self.args.labels {
            let (key, value) = label.split_once('=').ok_or_else(|| {
                let message = format!("the label `{}` is not key=value", label.escape_debug());
                Error::new(ErrorKind::InvalidCall, message).with_help("write --label key=value")
            })?;
            call = call.label(key, value);
        }
        let handle = call.submit().await?;
        if !self.ending.json {
            let machine = (self.mode == Mode::Work).then(|| self.machine.clone());
            out::aside(&headline(&self.template, &self.quality, &input, machine, image.as_deref()));
        }
        Ok(handle)
    }

    fn detached(&self, handle: &Handle<Value>) -> Result<Exit> {
        if self.ending.json {
            out::document(&self.ending.call.queued(handle.id()))?;
        } else {
            out::line(handle.id().as_str())?;
        }
        Ok(Exit::Succeeded)
    }
}

/// The error, unless it is that live workers serve other content.
fn conflict(error: Error) -> Option<Error> {
    (error.kind() != ErrorKind::Conflict).then_some(error)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use clap::Parser;
    use function_runner_core::{Failure, Function};

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
        let line = Line::parse_from([&["run", "--queue", "memory:"], arguments].concat());
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
    fn what_is_detached_needs_a_queue_that_lasts() {
        let refused = run(&["double", "--input", "4", "--detach"]).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidCall);
        assert!(refused.remedy().contains("sqlite:"), "{refused}");
    }
}
