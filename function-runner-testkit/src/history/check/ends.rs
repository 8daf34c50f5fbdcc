//! How a task ends: once, once more after a requeue, and not in success after its cancel.

use std::collections::BTreeMap;

use function_runner_core::State;

use super::{
    findings::Findings,
    story::{End, Story},
    trace::Trace,
};
use crate::history::{
    Invariant,
    entry::Entry,
    line::{Id, Kind, Renewal},
};

pub(super) fn check(trace: &Trace<'_>, task: &Id, story: &Story<'_>, findings: &mut Findings) {
    once(trace, task, story, findings);
    behind(task, story, findings);
    cancelled(trace, task, story, findings);
}

fn once(trace: &Trace<'_>, task: &Id, story: &Story<'_>, findings: &mut Findings) {
    let ends = story.ends();
    let forgotten = story.submits.len() > 1 && story.may_be_gone_at() <= trace.background.until;
    if ends.is_empty() || story.may_be_purged() || forgotten {
        return;
    }
    let requeues = story.may_be_requeued();
    let invariant =
        if requeues == 0 { Invariant::AtMostOneTerminalEvent } else { Invariant::RequeueEndsOnceMore };
    findings.checked(invariant);
    let (mut numbers, mut fences) = (BTreeMap::new(), BTreeMap::new());
    for end in &ends {
        if let Some(seq) = end.seq {
            numbers.entry(seq).or_insert(*end);
        }
        if let Some(fence) = end.fence {
            fences.entry(fence).or_insert(*end);
        }
    }
    for distinct in [numbers, fences] {
        if distinct.len() > requeues + 1 {
            let mut witnesses: Vec<&Entry> = distinct.values().map(|end| end.entry).collect();
            witnesses.extend(story.requeues.iter().filter(|requeue| requeue.may_be_done()));
            let times = distinct.len();
            let message =
                format!("task {task} ended {times} times and was requeued {requeues} times at most");
            findings.fail(invariant, Some(task), &witnesses, message);
            return;
        }
    }
    let differs = |one: &End<'_>| ends.iter().find(|other| other.state != one.state).copied();
    if let (0, Some(other)) = (requeues, differs(&ends[0])) {
        let (one, other, first) = (ends[0].state.as_str(), other.state.as_str(), ends[0].entry);
        let second = ends.iter().find(|end| end.state.as_str() == other).map_or(first, |end| end.entry);
        let message = format!("task {task} was seen to end {one} and to end {other}");
        findings.fail(invariant, Some(task), &[first, second], message);
    }
}

/// Nothing comes in a watch behind its end.
fn behind(task: &Id, story: &Story<'_>, findings: &mut Findings) {
    for watch in &story.watches {
        let end = watch.items.iter().position(|(_, event)| event.kind.end().is_some());
        let Some(end) = end else { continue };
        findings.checked(Invariant::AtMostOneTerminalEvent);
        let more = watch.items[end + 1..].iter().find(|(_, event)| !matches!(event.kind, Kind::Over(_)));
        if let Some((more, _)) = more {
            let message = format!("a watch of task {task} goes on behind its end");
            findings.fail(
                Invariant::AtMostOneTerminalEvent,
                Some(task),
                &[watch.items[end].0, more],
                message,
            );
        }
    }
}

fn cancelled(trace: &Trace<'_>, task: &Id, story: &Story<'_>, findings: &mut Findings) {
    if story.may_be_requeued() > 0 || story.may_be_purged() {
        return;
    }
    let ends = story.ends();
    let asked = story.events().find(|(_, event)| event.kind == Kind::CancelRequested).map(|(entry, _)| entry);
    let cancels = story.cancels.iter().copied().filter(|cancel| cancel.is_done());
    let alive = cancels.filter_map(|cancel| Some((cancel, alive_after(trace, story, cancel)?))).next();
    if asked.is_none() && alive.is_none() {
        return;
    }
    findings.checked(Invariant::NoSuccessAfterCancel);
    let Some(success) = ends.iter().find(|end| end.state == State::Succeeded) else { return };
    let mut witnesses = vec![success.entry];
    witnesses.extend(asked);
    if asked.is_none() {
        witnesses.extend(alive.iter().flat_map(|(cancel, seen)| [*cancel, *seen]));
    }
    let message =
        format!("the cancel of task {task} was acknowledged before its end, and it ended in success");
    findings.fail(Invariant::NoSuccessAfterCancel, Some(task), &witnesses, message);
}

/// A call made after this one that shows the task still alive.
fn alive_after<'a>(trace: &Trace<'_>, story: &Story<'a>, cancel: &Entry) -> Option<&'a Entry> {
    let records = story.found().filter(|(_, standing)| !standing.state.is_terminal()).map(|(entry, _)| entry);
    let held = |answer| matches!(answer, Some(Renewal::Held | Renewal::CancelRequested));
    let beats = story.beats.iter().filter(|beat| held(beat.answer)).map(|beat| beat.entry);
    let leases = story.leases.iter().map(|claim| claim.entry);
    let finishes = story.finishes.iter().filter(|finish| {
        // one sent again may have counted before
        let again = story
            .finishes
            .iter()
            .any(|other| other.done.fence == finish.done.fence && !trace.before(cancel, other.entry));
        finish.state().is_some() && !again
    });
    let mut alive = records.chain(beats).chain(leases).chain(finishes.map(|finish| finish.entry));
    alive.find(|entry| trace.before(cancel, entry))
}
