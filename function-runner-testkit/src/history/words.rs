//! A history in words: one line per entry, with the time since its beginning.

use std::fmt::Write as _;

use function_runner_core::turn_of;

use super::{
    entry::{Entry, Fact},
    line::{Call, Done, Id, Kind, Leased, Outcome, Renewal, Reply, Sent, Share, Standing, Stored},
};

/// A timeline of these entries, a line each, times counted from `begin`.
pub(super) fn timeline(entries: &[Entry], begin: u64) -> String {
    let mut text = String::new();
    let many = entries.iter().any(|entry| entry.log > 0);
    for entry in entries {
        let start = clock(entry.start.at, begin);
        let until = match entry.end {
            Some(end) if end.at / 1000 > entry.start.at / 1000 => format!(" until {}", clock(end.at, begin)),
            _ => String::new(),
        };
        let log = if many { format!(" log {}", entry.log + 1) } else { String::new() };
        let _ = writeln!(text, "  {start}{until}{log}  {}", line(entry));
    }
    text
}

/// A moment in minutes, seconds and milliseconds since the beginning.
pub(super) fn clock(at: u64, begin: u64) -> String {
    let millis = at.saturating_sub(begin) / 1000;
    format!("{:02}:{:02}.{:03}", millis / 60_000, millis / 1000 % 60, millis % 1000)
}

/// A number as people read it: turn, phase and place.
pub(super) fn number(seq: u64) -> String {
    let (turn, phase, place) = (turn_of(seq), (seq >> 32) & 3, seq & 0xffff_ffff);
    format!("{turn}.{phase}.{place}")
}

fn line(entry: &Entry) -> String {
    match &entry.fact {
        Fact::Call { call, reply } => called(call, reply),
        Fact::Gave { event, .. } => {
            let number = match event.kind {
                Kind::Over(_) | Kind::Snapshot(_) => String::new(),
                _ => format!(" (number {})", number(event.seq)),
            };
            format!("a watch of task {} gives {}{number}", event.task, kind(&event.kind))
        }
    }
}

fn called(call: &Call, reply: &Reply) -> String {
    let short = short(reply);
    match (call, reply) {
        (Call::Submit(sent), Reply::Stored(stored)) => {
            let all =
                sent.iter().zip(stored).map(|(sent, stored)| format!("{}: {}", task(sent), became(stored)));
            format!("a caller submits {}", list(all))
        }
        (Call::Submit(sent), _) => format!("a caller submits {}: {short}", list(sent.iter().map(task))),
        (Call::Lease { worker, .. }, Reply::Leased(leases)) if !leases.is_empty() => {
            format!("{worker} leases {}", list(leases.iter().map(leased)))
        }
        (Call::Lease { worker, lanes, .. }, _) => {
            format!("{worker} asks for work of {}: {short}", list(lanes.iter().map(Id::to_string)))
        }
        (Call::Renew { .. } | Call::Finish(_), _) => claims(call, reply),
        (Call::Record(task), Reply::Found(found)) => {
            format!("a caller looks up task {task}: {}", standing(found))
        }
        (Call::Record(task), _) => format!("a caller looks up task {task}: {short}"),
        (Call::Watch { task, .. }, _) => format!("a caller opens a watch of task {task}: {short}"),
        (Call::Cancel(task), _) => format!("a caller cancels task {task}: {short}"),
        (Call::Body { worker, task, attempt, granted, .. }, _) => {
            let end = if let Reply::Over(how) = reply { how.as_str() } else { "no end was noted" };
            format!("{worker} runs a body of task {task} (attempt {attempt}) with {}: {end}", share(granted))
        }
        (call, _) => format!("{}: {short}", rest(call)),
    }
}

/// What was said of claims: beats and ends of attempts.
fn claims(call: &Call, reply: &Reply) -> String {
    let short = short(reply);
    match (call, reply) {
        (Call::Renew { worker, keys, .. }, Reply::Renewed { tasks, .. }) if !keys.is_empty() => {
            let all = keys.iter().zip(tasks).map(|(key, answer)| {
                format!("task {} (fence {}): {}", key.task, key.fence, renewal(*answer))
            });
            format!("{worker} renews {}", list(all))
        }
        (Call::Renew { worker, keys, .. }, _) => {
            let all = keys.iter().map(|key| format!("task {} (fence {})", key.task, key.fence));
            format!("{worker} beats with {}: {short}", list(all))
        }
        (Call::Finish(done), reply) => {
            let answer = |at: usize| match reply {
                Reply::Finished(states) => match states.get(at) {
                    Some(Some(state)) => format!("the task is {}", state.as_str()),
                    _ => "too late".to_owned(),
                },
                _ => short.clone(),
            };
            let all = done.iter().enumerate().map(|(at, done)| {
                let Done { task, fence, outcome: end } = done;
                format!("task {task} (fence {fence}) {}: {}", outcome(*end), answer(at))
            });
            format!("a worker finishes {}", list(all))
        }
        _ => short,
    }
}

fn rest(call: &Call) -> String {
    match call {
        Call::Join { worker, serves: 0, .. } => format!("{worker} leaves"),
        Call::Join { worker, capacity, .. } => {
            let gpus =
                if capacity.gpus.is_empty() { String::new() } else { format!(", GPUs {:?}", capacity.gpus) };
            format!("{worker} joins with {}{gpus}", list(amounts(&capacity.amounts)))
        }
        Call::Pause(lane) => format!("an operator pauses {lane}"),
        Call::Resume(lane) => format!("an operator resumes {lane}"),
        Call::Drain(worker) => format!("an operator drains {worker}"),
        Call::Requeue(task) => format!("an operator requeues task {task}"),
        Call::Purge(task) => format!("an operator purges task {task}"),
        Call::Lanes => "an operator looks at the lanes".to_owned(),
        Call::Other(name) => format!("somebody calls {name}"),
        _ => String::new(),
    }
}

/// An answer that says nothing of single tasks.
fn short(reply: &Reply) -> String {
    match reply {
        Reply::Unknown(why) => format!("answer unknown ({why})"),
        Reply::Refused { kind, .. } => format!("refused as {kind}"),
        Reply::Leased(_) => "nothing".to_owned(),
        Reply::Drain(lane) => format!("is to drain for {lane}"),
        Reply::Lanes { waiting, running } => format!("{waiting} tasks wait and {running} run"),
        Reply::Over(how) => how.to_string(),
        _ => "done".to_owned(),
    }
}

fn task(sent: &Sent) -> String {
    format!("task {}", sent.task)
}

fn became(stored: &Stored) -> String {
    match stored {
        Stored::New => "new".to_owned(),
        Stored::Known => "already known".to_owned(),
        Stored::Duplicate(other) => format!("a duplicate of task {other}"),
    }
}

fn leased(lease: &Leased) -> String {
    let suspect = if lease.suspect { ", a suspect" } else { "" };
    format!("task {} (fence {}, attempt {}{suspect})", lease.task, lease.fence, lease.attempt)
}

const fn renewal(answer: Renewal) -> &'static str {
    match answer {
        Renewal::Held => "held",
        Renewal::CancelRequested => "held, and its cancel was asked",
        Renewal::Lost => "lost",
    }
}

fn outcome(outcome: Outcome) -> String {
    match outcome {
        Outcome::Succeeded => "as succeeded".to_owned(),
        Outcome::Failed => "as failed".to_owned(),
        Outcome::Cancelled => "as cancelled".to_owned(),
        Outcome::Retry { after_ms } => format!("to be tried again after {after_ms} ms"),
        Outcome::Released { after_ms } => format!("as released for {after_ms} ms"),
    }
}

fn standing(standing: &Standing) -> String {
    let Standing { state, attempt, crashes, cancel_asked, .. } = standing;
    let cancel = if *cancel_asked { ", its cancel asked" } else { "" };
    format!(
        "{}, attempt {attempt}, {crashes} crashes{cancel} (number {})",
        state.as_str(),
        number(standing.seq)
    )
}

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Snapshot(found) => format!("a snapshot: {}", standing(found)),
        Kind::Started(worker) => format!("started by {worker}"),
        Kind::Progress(Some(fraction)) => format!("progress {fraction}"),
        Kind::Progress(None) => "progress".to_owned(),
        Kind::Part { turn, index } => format!("part {index} of turn {turn}"),
        Kind::Log => "a line of its log".to_owned(),
        Kind::CancelRequested => "its cancel was asked".to_owned(),
        Kind::Retrying => "it is tried again".to_owned(),
        Kind::Released => "released".to_owned(),
        Kind::Lost => "lost".to_owned(),
        Kind::Requeued => "requeued".to_owned(),
        Kind::Succeeded => "succeeded".to_owned(),
        Kind::Failed => "failed".to_owned(),
        Kind::Cancelled => "cancelled".to_owned(),
        Kind::Other => "something else".to_owned(),
        Kind::Over(None) => "nothing more".to_owned(),
        Kind::Over(Some(kind)) => format!("the error {kind}"),
    }
}

fn share(share: &Share) -> String {
    let mut all: Vec<String> = amounts(&share.own).collect();
    all.extend(amounts(&share.shared).map(|amount| format!("{amount} shared")));
    if share.gpu_memory > 0 && !share.whole {
        all.push(format!("{} MiB of GPU", share.gpu_memory));
    }
    if !share.gpus.is_empty() {
        all.push(format!("on GPUs {:?}", share.gpus));
    }
    list(all)
}

fn amounts(amounts: &std::collections::BTreeMap<String, u64>) -> impl Iterator<Item = String> {
    amounts.iter().filter(|(_, amount)| **amount > 0).map(|(name, amount)| format!("{amount} {name}"))
}

/// Some things one after the other, the first of many.
fn list(items: impl IntoIterator<Item = String>) -> String {
    const MOST: usize = 8;
    let all: Vec<String> = items.into_iter().collect();
    match all.len() {
        0 => "nothing".to_owned(),
        count if count > MOST => format!("{} and {} more", all[..MOST].join(", "), count - MOST),
        _ => all.join(", "),
    }
}
