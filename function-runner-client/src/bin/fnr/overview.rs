//! `fnr workers`, `fnr lanes` and `fnr why`: how the queue is, and why a task is not running.

use function_runner_core::{LaneStatus, Result, TaskId, Timestamp, WorkerStatus, why};
use serde_json::{Value, json};

use crate::{
    exit::Exit,
    layout::table,
    out,
    queue::{self, Opened, Place},
    record::age,
    share,
};

/// The queue alone.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
}

/// Lists the live workers.
///
/// # Errors
///
/// What the queue says.
pub(crate) fn workers(args: &Args, json: bool) -> Result<Exit> {
    let workers = queue::with(&args.place, async |opened: &Opened| opened.inspect()?.workers().await)?;
    let now = Timestamp::now();
    if json {
        workers.iter().try_for_each(|worker| out::document(&worker_document(worker)))?;
    } else if workers.is_empty() {
        out::aside("no worker is there; `fnr worker` starts one");
    } else {
        let heads = ["worker", "runs", "seen", "state", "has", "free", "serves"].map(str::to_owned);
        let rows =
            std::iter::once(heads.to_vec()).chain(workers.iter().map(|worker| worker_row(worker, now)));
        out::line(&table(&rows.collect::<Vec<_>>(), 0))?;
    }
    Ok(Exit::Succeeded)
}

fn worker_row(worker: &WorkerStatus, now: Timestamp) -> Vec<String> {
    let state = match (worker.draining, &worker.drains_for) {
        (true, _) => "stopping".to_owned(),
        (false, Some(lane)) => format!("makes room for {lane}"),
        (false, None) => "works".to_owned(),
    };
    vec![
        worker.worker.to_string(),
        worker.running.to_string(),
        format!("{} ago", age(now.since(worker.seen_at))),
        state,
        share::has(&worker.capacity),
        share::free(&worker.capacity, &worker.load),
        worker.functions.join(", "),
    ]
}

fn worker_document(worker: &WorkerStatus) -> Value {
    json!({
        "kind": "worker",
        "worker": worker.worker,
        "running": worker.running,
        "seen_at": worker.seen_at,
        "draining": worker.draining,
        "drains_for": worker.drains_for,
        "capacity": worker.capacity,
        "load": worker.load,
        "functions": worker.functions,
    })
}

/// Lists the lanes that have tasks or are paused.
///
/// # Errors
///
/// What the queue says.
pub(crate) fn lanes(args: &Args, json: bool) -> Result<Exit> {
    let lanes = queue::with(&args.place, async |opened: &Opened| opened.inspect()?.lanes().await)?;
    if json {
        lanes.iter().try_for_each(|lane| out::document(&lane_document(lane)))?;
    } else if lanes.is_empty() {
        out::aside("no lane has tasks or is paused");
    } else {
        let row = |lane: &LaneStatus| {
            let counts = [lane.queued, lane.delayed, lane.running].map(|count| count.to_string());
            let paused = if lane.paused { "paused" } else { "" };
            [&[lane.lane.to_string()][..], &counts, &[paused.to_owned()]].concat()
        };
        let heads = ["lane", "queued", "delayed", "running", ""].map(str::to_owned).to_vec();
        let rows: Vec<_> = std::iter::once(heads).chain(lanes.iter().map(row)).collect();
        out::line(&table(&rows, 0))?;
    }
    Ok(Exit::Succeeded)
}

fn lane_document(lane: &LaneStatus) -> Value {
    json!({
        "kind": "lane",
        "lane": lane.lane,
        "queued": lane.queued,
        "delayed": lane.delayed,
        "running": lane.running,
        "paused": lane.paused,
    })
}

/// Say why a task is not running, and what can be done.
///
/// With --json it is a document of kind `why`, with each reason and what it rests on.
#[derive(Debug, clap::Args)]
pub(crate) struct WhyArgs {
    #[command(flatten)]
    place: Place,
    /// The task's id.
    task: String,
}

/// Explains one task.
///
/// # Errors
///
/// [`ErrorKind::UnknownTask`](function_runner_core::ErrorKind::UnknownTask); what the queue says.
pub(crate) fn explain(args: &WhyArgs, json: bool) -> Result<Exit> {
    let id: TaskId = args.task.parse()?;
    let told = queue::with(&args.place, async |opened: &Opened| {
        let record = opened.runner.attach_by_name(id).record().await?;
        let inspect = opened.inspect()?;
        Ok(why(&record, &inspect.lanes().await?, &inspect.workers().await?, Timestamp::now()))
    })?;
    if json {
        let mut document = json!(told);
        document["kind"] = "why".into();
        document["text"] = told.to_string().into();
        document["remedy"] = told.remedy().into();
        out::document(&document)?;
    } else {
        out::line(&told.to_string())?;
        told.remedy().iter().for_each(|remedy| out::aside(&format!("help: {remedy}")));
    }
    Ok(Exit::Succeeded)
}
