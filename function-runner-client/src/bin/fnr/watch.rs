//! `fnr watch`: a task that somebody submitted, followed to its end.

use std::{path::PathBuf, time::Duration};

use function_runner_core::{Progress, Registry, Result, Stage, TaskId, TaskRecord, Template};

use crate::{
    bar::Bar,
    document::Call,
    ending::Ending,
    exit::Exit,
    follow::{OnStop, Outcome, follow},
    out,
    queue::{self, Opened, Place},
    stop::{Second, Stop, Why},
    target::Target,
};

/// Follow a task until its end, and fetch its result.
///
/// It tells how far the task is and ends as `fnr run` does, with the task's exit code. Ctrl-C stops watching; the task
/// goes on.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::exit::HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    /// The task's id.
    task: String,
    /// Where the result goes; without it, stdout has it as JSON.
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Stop watching after so long, such as 90s or 5m, and exit with 124.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
}

/// Follows one task.
///
/// # Errors
///
/// [`ErrorKind::UnknownTask`](function_runner_core::ErrorKind::UnknownTask); what the function failed with, unless it
/// was told already; what the queue says.
pub(crate) fn watch(registry: &Registry, args: &Args, json: bool) -> Result<Exit> {
    let id: TaskId = args.task.parse()?;
    let stop = Stop::listen(args.timeout, Second::Ends)?;
    queue::with(&args.place, async |opened: &Opened| {
        match stop.unless(see_through(registry, args, json, opened, &id, &stop)).await {
            Ok(exit) => exit,
            Err(why) => Ok(why.exit()),
        }
    })
}

async fn see_through(
    registry: &Registry,
    args: &Args,
    json: bool,
    opened: &Opened,
    id: &TaskId,
    stop: &Stop,
) -> Result<Exit> {
    let handle = opened.runner.attach_by_name(id.clone());
    let record = handle.record().await?;
    let target = match (&args.output, template(registry, opened, &record).await?) {
        (None, _) => Target::Stdout,
        (Some(path), Some(template)) => Target::plan(&template, Some(path))?,
        // what its output is nobody can tell any more
        (Some(path), None) => Target::Json(path.clone()),
    };
    let (call, output) = (Call::recorded(&record), args.output.clone());
    let ending = Ending { call, target, output, json, begin: None, here: false };
    let mut bar = Bar::new(!json);
    let ended = match follow(&handle, stop, OnStop::Leave, &mut bar, json).await {
        Ok(Outcome::Output(output)) => {
            if let Some(path) = &args.output {
                bar.set(Progress::at(Stage::Finalizing, format!("writing {}", path.display())));
            }
            ending.write(&opened.runner, &output).await.map(|()| Outcome::Output(output))
        }
        other => other,
    };
    bar.finish(matches!(ended, Ok(Outcome::Output(_))));
    match ended {
        Ok(Outcome::Output(output)) => ending.succeeded(&handle, output).await,
        Ok(Outcome::Stopped(why)) => left(&ending, id, why),
        Err(error) => ending.failed(&handle, error).await,
    }
}

/// The template that the task was resolved to: of this build, or as a worker made it known.
async fn template(registry: &Registry, opened: &Opened, record: &TaskRecord) -> Result<Option<Template>> {
    let (lane, version) = (&record.task.lane, record.task.envelope.version);
    let is_it =
        |template: &&Template| template.function.as_str() == lane.function() && template.version == version;
    if let Some(template) = registry.templates().find(is_it) {
        return Ok(Some(template.clone()));
    }
    let set = opened.runner.functions().await?;
    Ok(set.templates.iter().find(is_it).cloned())
}

fn left(ending: &Ending, id: &TaskId, why: Why) -> Result<Exit> {
    if ending.json {
        out::document(&ending.call.watched(id, why))?;
    } else {
        out::aside(&format!("watched no longer; the task goes on: fnr watch {id}"));
    }
    Ok(why.exit())
}
