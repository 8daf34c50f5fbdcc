//! How answers are compared.

use std::{ops::RangeInclusive, time::Duration};

use bytes::Bytes;
use function_runner_core::{
    Error, ErrorKind, Event, EventKind, Lease, LeaseReply, LogLevel, LogLine, Numbered, Payload, Progress,
    Report, Result, State, Submitted, Task, TaskId, TaskRecord, Timestamp, WorkerStatus,
};

use crate::model::{
    difference::{Differs, differs, same},
    reference::{Answer, Promise, Row, Taken, Told, Worker},
};

type Compared = Result<(), Differs>;

/// A call that answers with nothing.
pub(super) fn done(what: &str, expected: &Result<(), ErrorKind>, answer: Option<Result<()>>) -> Compared {
    let Some(answer) = answer else { return differs(what, expected, "no answer") };
    same(what, expected, &answer.map_err(|error| error.kind()))
}

/// An error of this kind that names this task.
pub(super) fn error(what: &str, kind: ErrorKind, id: &TaskId, error: &Error) -> Compared {
    same(what, &(kind, Some(id)), &(error.kind(), error.task()))
}

/// The answer to a submit; whether each task was stored.
pub(super) fn submitted(
    expected: &Result<Vec<Taken>, (ErrorKind, TaskId)>,
    answer: &Result<Vec<Submitted>>,
) -> Result<Vec<bool>, Differs> {
    match (expected, answer) {
        (Ok(expected), Ok(answer)) => {
            let may = |(expected, answer_to_it): (&Taken, &Submitted)| match expected {
                Taken::Surely(submitted) => submitted == answer_to_it,
                Taken::NewOr(older) => {
                    *answer_to_it == Submitted::New || *answer_to_it == Submitted::Duplicate(older.clone())
                }
                Taken::Like { first, new, purged } => {
                    let older = if answer[*first] == Submitted::New { new } else { purged };
                    *answer_to_it == Submitted::Duplicate(older.clone())
                }
            };
            if expected.len() != answer.len() || !expected.iter().zip(answer).all(may) {
                return differs("submit", expected, answer);
            }
            Ok(answer.iter().map(|answer| *answer == Submitted::New).collect())
        }
        (Err((kind, id)), Err(came)) => {
            error("submit", *kind, id, came)?;
            Ok(Vec::new())
        }
        _ => differs("submit", expected, answer),
    }
}

fn near(what: &str, expected: Timestamp, actual: Timestamp, tolerance: Duration) -> Compared {
    let apart = expected.since(actual).max(actual.since(expected));
    if apart <= tolerance { Ok(()) } else { differs(what, expected, actual) }
}

fn near_option(
    what: &str,
    expected: Option<Timestamp>,
    actual: Option<Timestamp>,
    tolerance: Duration,
) -> Compared {
    match (expected, actual) {
        (Some(expected), Some(actual)) => near(what, expected, actual, tolerance),
        (expected, actual) => same(what, &expected, &actual),
    }
}

/// What the store knows of a task.
pub(super) fn record(row: &Row, ahead: Option<u64>, actual: &TaskRecord, tolerance: Duration) -> Compared {
    let id = &row.task.id;
    let of = |field: &str| format!("`{field}` in the record of {id}");
    same(of("state"), &row.state, &actual.state)?;
    same(of("attempt"), &row.attempt, &actual.attempt)?;
    same(of("crashes"), &row.crashes, &actual.crashes)?;
    same(of("cancel_requested"), &row.cancel, &actual.cancel_requested)?;
    same(of("seq"), &row.seq(), &actual.seq)?;
    same(of("task"), &row.task.content(), &actual.task.content())?;
    if !is_same_task(&row.task, &actual.task) {
        return differs(of("task"), &row.task, &actual.task);
    }
    near(&of("created_at"), row.created_at, actual.created_at, tolerance)?;
    near_option(&of("not_before"), row.waits_until, actual.not_before, tolerance)?;
    near_option(&of("deadline"), row.deadline, actual.deadline, tolerance)?;
    near_option(&of("started_at"), row.started_at, actual.started_at, tolerance)?;
    near_option(&of("finished_at"), row.finished_at, actual.finished_at, tolerance)?;
    same(of("worker"), &row.claim.as_ref().map(|claim| &claim.worker), &actual.worker.as_ref())?;
    same(of("output"), &row.output, &actual.output)?;
    same(of("ahead"), &ahead, &actual.ahead)?;
    if row.state == State::Running || actual.progress.is_some() {
        same(of("progress"), &row.progress, &actual.progress)?;
    }
    if row.failure_is_told || actual.failure.is_some() {
        same(of("failure"), &row.failure, &actual.failure)?;
    }
    usage(&of("usage"), row, actual, tolerance)?;
    attempts(&of("attempts"), row, actual, tolerance)
}

/// Whether a task is as it was submitted. What its content's hash was made of, a store need not keep apart.
fn is_same_task(expected: &Task, actual: &Task) -> bool {
    let named =
        |task: &Task| (task.id.clone(), task.function.clone(), task.lane.clone(), task.tenant.clone());
    let chosen =
        |task: &Task| (task.quality.clone(), task.priority, task.delay, task.deadline, task.increment);
    let asked = |task: &Task| (task.retry, task.dedupe.clone(), task.labels.clone());
    expected.content() == actual.content()
        && named(expected) == named(actual)
        && chosen(expected) == chosen(actual)
        && asked(expected) == asked(actual)
        && expected.input == actual.input
        && expected.follow_ups == actual.follow_ups
        && expected.envelope == actual.envelope
}

fn usage(what: &str, row: &Row, actual: &TaskRecord, tolerance: Duration) -> Compared {
    let (Some(expected), Some(usage)) = (row.usage, actual.usage) else {
        return same(what, &row.usage, &actual.usage);
    };
    let apart = Duration::from_millis(expected.queued_ms.abs_diff(usage.queued_ms));
    if apart <= tolerance && expected.run_ms == usage.run_ms {
        Ok(())
    } else {
        differs(what, expected, usage)
    }
}

fn attempts(what: &str, row: &Row, actual: &TaskRecord, tolerance: Duration) -> Compared {
    let expected = &row.history[row.history.len().saturating_sub(32)..];
    same(what, &expected.len(), &actual.attempts.len())?;
    for (expected, actual) in expected.iter().zip(&actual.attempts) {
        let plain =
            |past: &function_runner_core::PastAttempt| (past.attempt, past.worker.clone(), past.end.clone());
        same(what, &plain(expected), &plain(actual))?;
        near(what, expected.at, actual.at, tolerance)?;
    }
    Ok(())
}

/// What a lease call was answered.
pub(super) fn reply(
    what: &str,
    expected: &Answer,
    is_over: bool,
    actual: &LeaseReply,
    tolerance: Duration,
) -> Compared {
    let (leases, drain_for) = match expected {
        Answer::Now { leases, drain_for } => (leases.as_slice(), drain_for),
        Answer::Wait { drain_for, may_answer } if is_over || *may_answer => (&[][..], drain_for),
        Answer::Wait { .. } => return differs(what, "nothing: it waits on", actual),
    };
    let ids: Vec<_> = leases.iter().map(|promise| &promise.task.id).collect();
    same(what, &ids, &actual.leases.iter().map(|lease| &lease.key.id).collect())?;
    same(format_args!("{what}: the lane to drain for"), drain_for, &actual.drain_for)?;
    leases.iter().zip(&actual.leases).try_for_each(|(promise, lease)| claim(promise, lease, tolerance))
}

fn claim(promise: &Promise, actual: &Lease, tolerance: Duration) -> Compared {
    let id = &promise.task.id;
    let of = |field: &str| format!("`{field}` in a lease of {id}");
    same(of("attempt"), &promise.attempt, &actual.attempt)?;
    same(of("suspect"), &promise.suspect, &actual.suspect)?;
    same(of("checkpoint"), &promise.checkpoint, &actual.checkpoint)?;
    if !is_same_task(&promise.task, &actual.task) {
        return differs(of("task"), &promise.task, &actual.task);
    }
    match (promise.deadline, actual.deadline) {
        (Some(expected), Some(actual)) if expected.abs_diff(actual) <= tolerance => {}
        (expected, actual) => same(of("deadline"), &expected, &actual)?,
    }
    if actual.key.fence <= promise.above {
        return differs(of("fence"), format!("more than {}", promise.above), actual.key.fence);
    }
    Ok(())
}

/// What a watch told.
pub(super) fn events(what: &str, told: &[Told], heard: &[Event], tolerance: Duration) -> Compared {
    let mut heard_left = heard.iter();
    let mut next = heard_left.next();
    for (at, told_one) in told.iter().enumerate() {
        match next {
            Some(event) if is_event(told_one, event, tolerance)? => next = heard_left.next(),
            _ if may_lack(told_one, &told[at + 1..]) => {}
            _ => return differs(what, words_of_all(told), heard_in_words(heard)),
        }
    }
    if next.is_some() { differs(what, words_of_all(told), heard_in_words(heard)) } else { Ok(()) }
}

/// Log lines are best effort, and of progress only the latest counts.
fn may_lack(told: &Told, later: &[Told]) -> bool {
    match &told.kind {
        Some(EventKind::Log(_)) => true,
        Some(EventKind::Progress(_)) => {
            let is_progress = |told: &Told| matches!(told.kind, Some(EventKind::Progress(_)));
            later.iter().any(is_progress)
        }
        _ => false,
    }
}

fn is_event(told: &Told, event: &Event, tolerance: Duration) -> Result<bool, Differs> {
    let apart = told.at.since(event.at).max(event.at.since(told.at));
    let is_part = matches!(event.kind, EventKind::OutputPart { .. });
    if apart > tolerance || told.attempt != event.attempt || (told.seq != event.seq && !is_part) {
        return Ok(false);
    }
    match (&told.kind, &event.kind, &told.row) {
        (None, EventKind::Snapshot(actual), Some((row, ahead))) => {
            record(row, *ahead, actual, tolerance)?;
            Ok(true)
        }
        (Some(EventKind::Succeeded(None)), EventKind::Succeeded(_), _) => Ok(true),
        (Some(kind), actual, _) => Ok(kind == actual),
        _ => Ok(false),
    }
}

fn words_of_all(told: &[Told]) -> Vec<String> {
    told.iter()
        .map(|told| match &told.kind {
            None => format!("{} a snapshot at {}, attempt {}", told.seq, told.at, told.attempt),
            Some(kind) => format!("{} {kind:?} at {}, attempt {}", told.seq, told.at, told.attempt),
        })
        .collect()
}

fn heard_in_words(heard: &[Event]) -> Vec<String> {
    heard
        .iter()
        .map(|event| match &event.kind {
            EventKind::Snapshot(_) => {
                format!("{} a snapshot at {}, attempt {}", event.seq, event.at, event.attempt)
            }
            kind => format!("{} {kind:?} at {}, attempt {}", event.seq, event.at, event.attempt),
        })
        .collect()
}

/// A worker as it is listed.
pub(super) fn worker(
    worker: &Worker,
    held: u64,
    actual: &WorkerStatus,
    seen: &RangeInclusive<Timestamp>,
) -> Compared {
    let of = |field: &str| format!("`{field}` of {} in the list of workers", worker.id);
    same(of("capacity"), &worker.capacity, &actual.capacity)?;
    if worker.is_sure {
        same(of("load"), &worker.load, &actual.load)?;
        same(of("drains_for"), &worker.drains_for, &actual.drains_for)?;
    }
    same(of("running"), &held, &actual.running)?;
    same(of("draining"), &worker.draining, &actual.draining)?;
    if !seen.contains(&actual.seen_at) {
        return differs(of("seen_at"), seen, actual.seen_at);
    }
    let name =
        |template: &function_runner_core::Template| format!("{}@{}", template.function, template.version);
    let (mut own, mut functions): (Vec<_>, Vec<_>) =
        (worker.own.iter().map(name).collect(), actual.functions.clone());
    own.sort();
    functions.sort();
    same(of("functions"), &own, &functions)
}

/// What a body tells, a bit each; numbered on from `n`.
pub(super) fn report(tells: u8, n: &mut u32) -> Report {
    let mut report = Report::default();
    let mut next = || {
        *n += 1;
        *n
    };
    if tells & 4 > 0 {
        let line = LogLine { level: LogLevel::Info, message: "a line".to_owned() };
        report.logs.push(Numbered::new(next(), line));
    }
    if tells & 1 > 0 {
        let n = next();
        report.progress = Some(Numbered::new(n, Progress::new(0.1, format!("at {n}"))));
    }
    for _ in 0..(tells >> 3 & 3) {
        let n = next();
        report.parts.push(Numbered::new(n, Payload::encode(&n).expect("a number is JSON")));
    }
    if tells & 2 > 0 {
        report.checkpoint = Some(Bytes::from(format!("checkpoint {}", next())));
    }
    report
}

pub(super) fn words_of_report(report: &Report) -> String {
    let mut words = Vec::new();
    words.extend(report.progress.as_ref().map(|progress| format!("progress {}", progress.n)));
    words.extend(report.logs.iter().map(|log| format!("log {}", log.n)));
    words.extend(report.parts.iter().map(|part| format!("part {}", part.n)));
    words.extend(report.checkpoint.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned()));
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
}
