//! The life of one task: attempts, as a worker would make them.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use function_runner_core::{
    Attempt, Checkpoint, Clock, Context, Control, Failure, Implementation, Payload, State, Timestamp, Usage,
};
use tokio::{sync::Notify, time::sleep};

use super::{
    Mock,
    entry::{Ending, Entry},
    script::Script,
};

/// How much of what a body told is taken at once: everything.
const ALL: usize = usize::MAX;

/// Runs a task to its end.
pub(super) async fn live(mock: Arc<Mock>, entry: Arc<Entry>) {
    let mut checkpoint = None;
    while wait(&mock, &entry).await {
        let Some(number) = entry.start(mock.clock.now()) else { break };
        let begin = Instant::now();
        let result = attempt(&mock, &entry, number, &mut checkpoint).await;
        let usage = Usage::of_run(begin.elapsed());
        mock.change(&entry, |entry, now| match result {
            Ok(output) => entry.end(Ending::Succeeded(output, usage), now),
            Err(failure) => match entry.task().envelope.retry.decide(failure.class, number, 1.0) {
                Some(after) => entry.retry(failure, after, now),
                None => entry.end(Ending::Failed(failure, Some(usage)), now),
            },
        });
    }
}

/// Waits until the task may start; `false` where it ended meanwhile.
async fn wait(mock: &Arc<Mock>, entry: &Entry) -> bool {
    let record = entry.record();
    let now = mock.clock.now();
    let due = record.not_before.unwrap_or(now);
    let first = record.deadline.map_or(due, |deadline| deadline.min(due));
    if first > now {
        tokio::select! {
            () = mock.clock.sleep_until(first) => {}
            () = entry.cancel_asked() => return false,
        }
    }
    match record.deadline {
        Some(deadline) if deadline <= due.max(mock.clock.now()) => {
            mock.change(entry, |entry, now| entry.end(Ending::Failed(Failure::deadline(), None), now));
            false
        }
        _ => entry.record().state == State::Queued,
    }
}

async fn attempt(
    mock: &Mock,
    entry: &Entry,
    number: u32,
    checkpoint: &mut Option<Checkpoint>,
) -> Result<Payload, Failure> {
    let task = entry.task();
    let (body, script) = prepare(mock, task.lane.function(), task.lane.major())?;
    let (context, control) = Context::new(start(mock, entry, &body, number, checkpoint.take()));
    let news = Arc::new(Notify::new());
    control.wakes(news.clone());
    let work = async {
        script.progress.into_iter().for_each(|progress| context.update(progress));
        if let Some(delay) = script.delay {
            tokio::select! {
                () = mock.clock.sleep_until(mock.clock.now().after(delay)) => {}
                () = context.cancelled() => return Err(Failure::cancelled()),
            }
        }
        match script.failure {
            Some(failure) => Err(failure),
            None => body.run(context.clone(), task.input.clone()).await,
        }
    };
    let timeout = task.envelope.timeout;
    let result = tokio::select! {
        result = work => result,
        () = relay(mock, entry, &control, &news) => unreachable!("it never ends"),
        failure = too_long(timeout) => Err(failure),
    };
    let last = control.report(ALL);
    *checkpoint = control.checkpoint();
    entry.hear(last, mock.clock.now());
    result
}

/// One attempt's part of a script.
struct Prepared {
    failure: Option<Failure>,
    delay: Option<Duration>,
    progress: Vec<function_runner_core::Progress>,
}

fn prepare(mock: &Mock, function: &str, major: u32) -> Result<(Implementation, Prepared), Failure> {
    let mut state = mock.state();
    let mut none = Script::default();
    let script = state.scripts.get_mut(function).unwrap_or(&mut none);
    let failure = script.failures.pop_front();
    let prepared = Prepared { failure, delay: script.delay, progress: script.progress.clone() };
    let body = state.functions.find(function, major).cloned();
    let body =
        body.ok_or_else(|| Failure::permanent(format_args!("the mock has no answer for `{function}`")))?;
    Ok((body, prepared))
}

fn start(
    mock: &Mock,
    entry: &Entry,
    body: &Implementation,
    number: u32,
    checkpoint: Option<Checkpoint>,
) -> Attempt {
    let mut attempt = Attempt::new(entry.task().clone(), number);
    attempt.parameters = Arc::new(body.template().parameters_at(&entry.task().quality));
    attempt.checkpoint = checkpoint;
    attempt.deadline = entry.record().deadline.map(|deadline| Instant::now() + until(&*mock.clock, deadline));
    attempt
}

fn until(clock: &dyn Clock, moment: Timestamp) -> Duration {
    moment.since(clock.now())
}

/// Carries what the body tells to the watchers, at most once per flush time, and a cancel to the body.
async fn relay(mock: &Mock, entry: &Entry, control: &Control, news: &Notify) {
    let (mut asked, mut quiet) = (false, false);
    let mut flush = pin!(sleep(Duration::ZERO));
    loop {
        tokio::select! {
            () = news.notified(), if !quiet => {
                let report = control.report(ALL);
                entry.hear(report.clone(), mock.clock.now());
                control.heard(&report);
                quiet = true;
                flush.set(sleep(mock.times.flush));
            }
            () = &mut flush, if quiet => quiet = false,
            () = entry.cancel_asked(), if !asked => {
                asked = true;
                control.cancel();
            }
        }
    }
}

/// The failure of an attempt past its timeout.
async fn too_long(timeout: Option<Duration>) -> Failure {
    match timeout {
        None => std::future::pending().await,
        Some(timeout) => {
            sleep(timeout).await;
            Failure::timeout(timeout)
        }
    }
}
