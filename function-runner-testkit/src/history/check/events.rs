//! What watches give: numbers that rise, no state change left out, progress that never falls.

use std::collections::BTreeMap;

use function_runner_core::{State, turn_of};

use super::{
    findings::Findings,
    story::{Story, Watch},
};
use crate::history::{
    Invariant,
    entry::{Entry, Fact},
    line::{Call, Event, Id, Kind},
    words::number,
};

pub(super) fn check(task: &Id, story: &Story<'_>, findings: &mut Findings) {
    for watch in &story.watches {
        numbers(task, watch, findings);
        changes(task, watch, findings);
    }
    same_everywhere(task, story, findings);
    progress(task, story, findings);
}

/// What the reader of a watch had seen before.
fn seen_before(watch: &Watch<'_>) -> Option<u64> {
    match watch.opened.map(|entry| &entry.fact) {
        Some(Fact::Call { call: Call::Watch { after, .. }, .. }) => Some(*after),
        _ => None,
    }
}

fn numbers(task: &Id, watch: &Watch<'_>, findings: &mut Findings) {
    let mut last = seen_before(watch).map(|seq| (seq, watch.opened));
    let mut part: Option<((u64, u64), &Entry)> = None;
    for (entry, event) in &watch.items {
        match event.kind {
            Kind::Over(_) => {}
            Kind::Part { turn, index } => {
                let before = part.replace(((turn, index), entry));
                let Some((before, other)) = before else { continue };
                findings.judge(
                    Invariant::EventNumbersRise,
                    before < (turn, index),
                    task,
                    &[other, entry],
                    || format!("a watch of task {task} gave part {index} of turn {turn} out of its order"),
                );
            }
            _ => {
                let before = last.replace((event.seq, Some(entry)));
                let Some((before, other)) = before else { continue };
                let witnesses: Vec<&Entry> = other.into_iter().chain([*entry]).collect();
                findings.judge(Invariant::EventNumbersRise, before < event.seq, task, &witnesses, || {
                    let (one, other) = (number(before), number(event.seq));
                    format!("a watch of task {task} gave number {other} when its reader had seen {one}")
                });
            }
        }
    }
}

/// A number names one event, whoever reads it.
fn same_everywhere(task: &Id, story: &Story<'_>, findings: &mut Findings) {
    if story.watches.len() < 2 {
        return;
    }
    let mut named: BTreeMap<u64, (&Entry, &Event)> = BTreeMap::new();
    for (entry, event) in story.events() {
        if matches!(event.kind, Kind::Over(_) | Kind::Part { .. } | Kind::Snapshot(_)) {
            continue;
        }
        let (other, first) = named.entry(event.seq).or_insert((entry, event));
        findings.judge(Invariant::EventNumbersRise, first.kind == event.kind, task, &[other, entry], || {
            format!("number {} of task {task} names two events", number(event.seq))
        });
    }
}

/// Where a task is, as far as a watch has told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Unknown,
    Queued,
    Running,
    Stopping,
    Ended,
}

/// Where an event leads from where the task was; nothing where it cannot follow.
const fn step(from: Place, kind: &Kind) -> Option<Place> {
    use Place::{Ended, Queued, Running, Stopping, Unknown};
    Some(match (kind, from) {
        (Kind::Snapshot(standing), _) => match (standing.state, standing.cancel_asked) {
            (State::Queued, _) => Queued,
            (State::Running, false) => Running,
            (State::Running, true) => Stopping,
            _ => Ended,
        },
        (Kind::Started(_), Unknown | Queued) => Running,
        (Kind::CancelRequested, Unknown | Running) => Stopping,
        (Kind::Retrying | Kind::Released | Kind::Lost, Unknown | Running)
        | (Kind::Requeued, Unknown | Ended) => Queued,
        (Kind::Succeeded, Unknown | Running)
        | (Kind::Failed, Unknown | Queued | Running)
        | (Kind::Cancelled, Unknown | Queued | Running | Stopping) => Ended,
        (Kind::Progress(_) | Kind::Part { .. } | Kind::Log, Running | Stopping | Unknown)
        | (Kind::Over(_) | Kind::Other, _) => from,
        _ => return None,
    })
}

const fn turns(kind: &Kind) -> bool {
    kind.end().is_some() || matches!(kind, Kind::Retrying | Kind::Released | Kind::Lost | Kind::Requeued)
}

fn changes(task: &Id, watch: &Watch<'_>, findings: &mut Findings) {
    let invariant = Invariant::NoStateChangeIsMissing;
    let mut place = Place::Unknown;
    let mut last: Option<(&Entry, &Event)> = None;
    for (entry, event) in watch.items.iter().copied() {
        findings.checked(invariant);
        let mut witnesses: Vec<&Entry> = last.iter().map(|(entry, _)| *entry).collect();
        if witnesses.is_empty() {
            witnesses.extend(watch.opened);
        }
        witnesses.push(entry);
        let is_snapshot = matches!(event.kind, Kind::Snapshot(_));
        if last.is_none() && seen_before(watch) == Some(0) && !is_snapshot {
            let message = format!("a watch of task {task} from the beginning does not begin with a snapshot");
            return findings.fail(invariant, Some(task), &witnesses, message);
        }
        if event.kind == Kind::Over(None) {
            let read_on = last.is_none() && seen_before(watch) != Some(0);
            if place != Place::Ended && !read_on {
                let message = format!("a watch of task {task} stops before its end");
                findings.fail(invariant, Some(task), &witnesses, message);
            }
            return;
        }
        let Some(next) = step(place, &event.kind) else {
            let message = format!("a watch of task {task} left out what comes before this");
            return findings.fail(invariant, Some(task), &witnesses, message);
        };
        if let Some((_, before)) = last.filter(|_| !is_snapshot && event.seq > 0) {
            let passed = turn_of(event.seq).saturating_sub(turn_of(before.seq));
            if passed != u64::from(turns(&event.kind)) && place != Place::Ended {
                let message = format!("a watch of task {task} left out {passed} turns");
                return findings.fail(invariant, Some(task), &witnesses, message);
            }
        }
        (place, last) = (next, Some((entry, event)));
    }
}

fn progress(task: &Id, story: &Story<'_>, findings: &mut Findings) {
    let told = |(entry, event): (_, &Event)| match &event.kind {
        Kind::Progress(fraction) => Some((event.seq, (*fraction)?, entry)),
        Kind::Snapshot(standing) => Some((event.seq, standing.fraction?, entry)),
        _ => None,
    };
    let mut told: Vec<(u64, f32, &Entry)> = story.events().filter_map(told).collect();
    told.sort_by_key(|(seq, ..)| *seq);
    for pair in told.windows(2) {
        let ((seq, before, one), (next, after, other)) = (pair[0], pair[1]);
        if turn_of(seq) == turn_of(next) {
            findings.judge(Invariant::ProgressNeverFalls, after >= before, task, &[one, other], || {
                format!("the progress of task {task} fell from {before} to {after} within one lease")
            });
        }
    }
}
