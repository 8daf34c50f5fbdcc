//! `fnr tasks` and `fnr dead`: which tasks there are, newest first.

use function_runner_core::{Lane, Result, State, TaskFilter, TaskRecord, Tenant, Timestamp};
use serde_json::Value;

use crate::{
    exit::Exit,
    layout::table,
    out,
    queue::{self, Opened, Place},
    record,
};

/// How many of a list are asked for at once.
const PAGE: usize = 500;

/// Show the tasks of the queue, newest first.
///
/// With --json each is a document of kind `task`: all that the queue knows but its input and output.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    /// Only those in this state.
    #[arg(long, value_enum)]
    state: Option<Wanted>,
    /// Only those of this lane, such as image.upscale@1.1:high.
    #[arg(long)]
    lane: Option<String>,
    /// Only this tenant's.
    #[arg(long)]
    tenant: Option<String>,
    /// How many at most.
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: usize,
}

/// A state, as it is written in arguments.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Wanted {
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

impl From<Wanted> for State {
    fn from(wanted: Wanted) -> Self {
        match wanted {
            Wanted::Queued => Self::Queued,
            Wanted::Running => Self::Running,
            Wanted::Succeeded => Self::Succeeded,
            Wanted::Failed => Self::Failed,
            Wanted::Cancelled => Self::Cancelled,
        }
    }
}

/// Lists tasks.
///
/// # Errors
///
/// [`ErrorKind::InvalidCall`](function_runner_core::ErrorKind::InvalidCall) for what is no lane or tenant; what the
/// queue says.
pub(crate) fn tasks(args: &Args, json: bool) -> Result<Exit> {
    let mut filter = TaskFilter::default();
    filter.state = args.state.map(State::from);
    filter.lane = args.lane.as_deref().map(str::parse::<Lane>).transpose()?;
    filter.tenant = args.tenant.as_deref().map(Tenant::new).transpose()?;
    let mut rows = vec![heads(["task", "state", "lane", "age", "attempt", ""])];
    each(&args.place, filter, args.limit, |task| {
        if json {
            return out::document(&record::document("task", &task));
        }
        rows.push(row(&task, Timestamp::now()));
        Ok(())
    })?;
    match (json, rows.len()) {
        (true, _) => {}
        (false, 1) => out::aside("there are no such tasks"),
        (false, _) => out::line(&table(&rows, 0))?,
    }
    Ok(Exit::Succeeded)
}

fn row(task: &TaskRecord, now: Timestamp) -> Vec<String> {
    vec![
        task.task.id.to_string(),
        task.state.as_str().to_owned(),
        task.task.lane.to_string(),
        record::age(now.since(task.created_at)),
        task.attempt.to_string(),
        record::words(task, now),
    ]
}

/// Show the dead letters: the tasks that failed for good, with what failed and what can be done.
///
/// `fnr retry TASK` gives one another life, `fnr purge TASK` forgets it. With --json each is a document of kind `dead`.
#[derive(Debug, clap::Args)]
pub(crate) struct DeadArgs {
    #[command(flatten)]
    place: Place,
    /// How many at most.
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: usize,
}

/// Lists dead letters.
///
/// # Errors
///
/// What the queue says.
pub(crate) fn dead(args: &DeadArgs, json: bool) -> Result<Exit> {
    let mut filter = TaskFilter::default();
    filter.state = Some(State::Failed);
    let mut count = 0;
    each(&args.place, filter, args.limit, |task| {
        count += 1;
        if json {
            out::document(&dead_document(&task))
        } else {
            out::line(&dead_text(&task, Timestamp::now()))
        }
    })?;
    if count == 0 && !json {
        out::aside("there are no dead letters");
    }
    Ok(Exit::Succeeded)
}

fn dead_document(task: &TaskRecord) -> Value {
    let mut document = record::document("dead", task);
    document["attempts"] = record::attempts(&task.attempts);
    document
}

/// `019…  image.upscale@1.1:high  3h ago, attempt 3`, then what failed, and what can be done.
fn dead_text(task: &TaskRecord, now: Timestamp) -> String {
    let ago = task.finished_at.map(|at| format!("{} ago, ", record::age(now.since(at)))).unwrap_or_default();
    let mut lines = vec![format!("{}  {}  {ago}attempt {}", task.task.id, task.task.lane, task.attempt)];
    if let Some(failure) = &task.failure {
        let code = failure.code.iter().map(|code| format!(" ({})", code.escape_debug())).collect::<String>();
        lines.push(format!("  failed: {}{code}", failure.message.escape_debug()));
        lines.extend(failure.remedy.iter().map(|remedy| format!("  help: {}", remedy.escape_debug())));
    }
    for past in &task.attempts {
        lines.push(format!("  attempt {} {} on {}", past.attempt, record::end(&past.end), past.worker));
    }
    lines.join("\n")
}

fn heads<const N: usize>(heads: [&str; N]) -> Vec<String> {
    heads.map(str::to_owned).to_vec()
}

/// Does this with each task of the list, page by page.
fn each(
    place: &Place,
    mut filter: TaskFilter,
    limit: usize,
    mut tell: impl FnMut(TaskRecord) -> Result<()>,
) -> Result<()> {
    queue::with(place, async |opened: &Opened| {
        let mut left = limit;
        while left > 0 {
            filter.limit = Some(left.min(PAGE));
            let page = opened.inspect()?.tasks(filter.clone()).await?;
            left = left.saturating_sub(page.items.len());
            page.items.into_iter().try_for_each(&mut tell)?;
            filter.cursor = page.next;
            if filter.cursor.is_none() {
                break;
            }
        }
        Ok(())
    })
}
