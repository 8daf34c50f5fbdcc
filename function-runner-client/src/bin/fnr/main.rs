//! `fnr`: runs functions from the command line, shows what there are, and what this machine has for them.
//!
//! | file | about |
//! |---|---|
//! | `main.rs` | arguments, and which command they are |
//! | `queue.rs` | which queue, and opening it |
//! | `run.rs`, `at_work.rs` | one call, from its arguments to its end; the worker beside it |
//! | `watch.rs`, `ending.rs` | a task that was submitted before; how a call ended |
//! | `worker.rs`, `noted.rs`, `share.rs` | working on a queue; its lines; what it may use |
//! | `tasks.rs`, `overview.rs`, `steer.rs`, `record.rs` | what operators see and do; a record for people and as JSON |
//! | `input.rs`, `target.rs` | what goes in; where what comes out goes |
//! | `headline.rs`, `bar.rs` | what is said of a call before and while it runs |
//! | `follow.rs`, `stop.rs` | a task until its end; Ctrl-C, once and twice, and the time limit |
//! | `functions.rs`, `known.rs`, `shape.rs` | functions for people, by their names, what their schemas say |
//! | `doctor.rs` | what this machine has and lacks |
//! | `calibrate.rs` | how long models take on this machine |
//! | `models.rs`, `fetch.rs` | models: what there is, and installing; a file from a path or a URL |
//! | `document.rs`, `exit.rs`, `layout.rs`, `out.rs` | JSON lines, exit codes, text in columns, writing it |

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use function_runner_backends::functions::registry;
use function_runner_core::Result;

mod at_work;
mod bar;
mod calibrate;
mod doctor;
mod document;
mod ending;
mod exit;
mod fetch;
mod follow;
mod functions;
mod headline;
mod input;
mod known;
mod layout;
mod models;
mod noted;
mod out;
mod overview;
mod queue;
mod record;
mod run;
mod shape;
mod share;
mod steer;
mod stop;
mod target;
mod tasks;
mod watch;
mod worker;

use crate::exit::Exit;

/// Run AI functions on images, video, audio and text.
#[derive(Debug, Parser)]
#[command(name = "fnr", version, after_help = exit::HELP)]
struct Args {
    /// Print one JSON document per line to stdout, and nothing else.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Watch(watch::Args),
    Worker(worker::Args),
    Tasks(tasks::Args),
    Dead(tasks::DeadArgs),
    Why(overview::WhyArgs),
    /// Show the live workers: what they run, have, have free and serve.
    Workers(overview::Args),
    /// Show the lanes that have tasks or are paused.
    Lanes(overview::Args),
    /// Ask for a task's end: once acknowledged it ends cancelled, whatever its body does.
    Cancel(steer::TaskArgs),
    /// Give a dead letter another life, under the same id.
    Retry(steer::TaskArgs),
    /// Forget a dead letter.
    Purge(steer::TaskArgs),
    /// Give nothing more of a lane; what runs goes on, and deadlines run on.
    Pause(steer::LaneArgs),
    /// Give tasks of a paused lane again.
    Resume(steer::LaneArgs),
    /// Ask a worker to finish what it has and leave.
    Drain(steer::WorkerArgs),
    Functions(functions::Args),
    Models(models::Args),
    Calibrate(calibrate::Args),
    /// Show what this machine has and lacks for running functions.
    ///
    /// Each line says `ok` or `lack`, and what can be done about it. It exits with 1 if something is lacking that a
    /// built-in function needs.
    Doctor,
}

fn main() -> ExitCode {
    match Args::try_parse() {
        Ok(args) => {
            let json = args.json;
            dispatch(args).unwrap_or_else(|error| exit::tell(&error, json)).into()
        }
        Err(usage) => misused(&usage),
    }
}

fn dispatch(args: Args) -> Result<Exit> {
    match args.command {
        Command::Run(run) => run::run(registry(), run, args.json),
        Command::Watch(watch) => watch::watch(&registry(), &watch, args.json),
        Command::Worker(worker) => worker::work(registry(), &worker, args.json),
        Command::Tasks(tasks) => tasks::tasks(&tasks, args.json),
        Command::Dead(dead) => tasks::dead(&dead, args.json),
        Command::Why(why) => overview::explain(&why, args.json),
        Command::Workers(workers) => overview::workers(&workers, args.json),
        Command::Lanes(lanes) => overview::lanes(&lanes, args.json),
        Command::Cancel(task) => steer::cancel(&task, args.json),
        Command::Retry(task) => steer::retry(&task, args.json),
        Command::Purge(task) => steer::purge(&task, args.json),
        Command::Pause(lane) => steer::pause(&lane, args.json),
        Command::Resume(lane) => steer::resume(&lane, args.json),
        Command::Drain(worker) => steer::drain(&worker, args.json),
        Command::Functions(functions) => functions::show(&registry(), &functions, args.json),
        Command::Models(models) => models::models(&models, args.json),
        Command::Calibrate(calibrate) => calibrate::calibrate(&calibrate, args.json),
        Command::Doctor => doctor::examine(&registry(), args.json),
    }
}

/// What clap says: help and version are no misuse.
fn misused(usage: &clap::Error) -> ExitCode {
    if !usage.use_stderr() {
        usage.exit();
    }
    if std::env::args_os().any(|argument| argument == "--json") {
        let text = usage.to_string();
        let message = text.lines().next().unwrap_or_default();
        // a stdout that cannot be written leaves the exit code to tell it
        let _ = out::document(&document::usage(message.strip_prefix("error: ").unwrap_or(message)));
    } else {
        // likewise
        let _ = usage.print();
    }
    Exit::Misused.into()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_put_together_rightly() {
        Args::command().debug_assert();
    }
}
