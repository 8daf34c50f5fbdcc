//! What became of what callers submitted: kept, known, refused, forgotten.

use super::{
    findings::Findings,
    story::{End, Story, Submit},
    trace::Trace,
};
use crate::history::{
    Invariant,
    entry::{Entry, Fact},
    line::{Call, Id, Reply, Stored},
    rules::micros,
};

pub(super) fn check(trace: &Trace<'_>, task: &Id, story: &Story<'_>, findings: &mut Findings) {
    kept(trace, task, story, findings);
    ended(trace, task, story, findings);
    known(trace, task, story, findings);
    refused(trace, task, story, findings);
    forgotten(trace, task, story, findings);
}

/// What was acknowledged is not unknown.
fn kept(trace: &Trace<'_>, task: &Id, story: &Story<'_>, findings: &mut Findings) {
    let Some(submit) = story.acknowledged() else { return };
    let gone_at = story.may_be_gone_at();
    let watches = story.watches.iter().filter_map(|watch| watch.opened);
    let looks = story.records.iter().chain(&story.cancels).chain(&story.requeues).copied().chain(watches);
    for look in looks.filter(|look| trace.before(submit.entry, look)) {
        let over = look.end.map_or(u64::MAX, |end| end.at);
        if over.saturating_add(trace.rules.slack_micros()) >= gone_at {
            continue;
        }
        let holds = refused_as(look) != Some("unknown_task");
        findings.judge(
            Invariant::AcknowledgedSubmitIsKept,
            holds,
            task,
            &[submit.entry, look],
            || format!("the submit of task {task} was acknowledged, and a later call finds it unknown within its retention"),
        );
    }
}

/// In a drained run what was acknowledged was seen at its end, also once more after a requeue.
fn ended(trace: &Trace<'_>, task: &Id, story: &Story<'_>, findings: &mut Findings) {
    if !trace.rules.drained || story.may_be_gone_at() <= trace.background.until {
        return;
    }
    let ends = story.ends();
    if let Some(submit) = story.acknowledged() {
        findings.judge(Invariant::AcknowledgedSubmitIsKept, !ends.is_empty(), task, &[submit.entry], || {
            format!("the submit of task {task} was acknowledged, the run is drained, and nobody saw it end")
        });
    }
    let Some(requeue) = story.requeues.iter().filter(|requeue| requeue.is_done()).max_by_key(|r| r.start.at)
    else {
        return;
    };
    let before: Vec<_> = ends.iter().filter(|end| trace.before(end.entry, requeue)).collect();
    let again = ends.iter().any(|end| {
        let is_new = |old: &&&End<'_>| {
            (old.seq.is_some() && old.seq == end.seq) || (old.fence.is_some() && old.fence == end.fence)
        };
        !trace.before(end.entry, requeue) && !before.iter().any(|old| is_new(&old))
    });
    findings.judge(Invariant::RequeueEndsOnceMore, again, task, &[requeue], || {
        format!("task {task} was requeued, the run is drained, and nobody saw it end once more")
    });
}

/// The same submit again is known, another under its id is refused, and nothing is new twice.
fn known(trace: &Trace<'_>, task: &Id, story: &Story<'_>, findings: &mut Findings) {
    if story.submits.len() < 2 {
        return;
    }
    let gone_at = story.may_be_gone_at();
    let in_time = |entry: &Entry| {
        entry.end.is_some_and(|end| end.at.saturating_add(trace.rules.slack_micros()) < gone_at)
    };
    new_once(task, story, in_time, findings);
    let Some(first) = story.acknowledged() else { return };
    for again in &story.submits {
        if !trace.before(first.entry, again.entry) || !in_time(again.entry) {
            continue;
        }
        let witnesses = [first.entry, again.entry];
        let conflicts = conflicts(again.entry, task);
        if again.sent.content == first.sent.content {
            let holds = !conflicts && !matches!(again.stored, Some(Stored::New | Stored::Duplicate(_)));
            findings.judge(Invariant::SameSubmitIsAlreadyKnown, holds, task, &witnesses, || {
                format!("task {task} was submitted again with the same content and is not `AlreadyKnown`")
            });
        } else {
            findings.judge(
                Invariant::SameSubmitIsAlreadyKnown,
                again.stored.is_none(),
                task,
                &witnesses,
                || format!("task {task} was submitted again with other content, and that was accepted"),
            );
        }
    }
}

/// No id is new twice.
fn new_once(task: &Id, story: &Story<'_>, in_time: impl Fn(&Entry) -> bool, findings: &mut Findings) {
    let is_new = |submit: &&Submit<'_>| submit.stored == Some(&Stored::New) && in_time(submit.entry);
    let mut new = story.submits.iter().filter(is_new).map(|submit| submit.entry);
    let (Some(first), Some(second)) = (new.next(), new.next()) else { return };
    findings.judge(Invariant::SameSubmitIsAlreadyKnown, false, task, &[first, second], || {
        format!("task {task} was new twice")
    });
}

/// A refused task is not leased and has no body.
fn refused(trace: &Trace<'_>, task: &Id, story: &Story<'_>, findings: &mut Findings) {
    if !story.submits.iter().any(Submit::is_refused) {
        return;
    }
    findings.checked(Invariant::RefusedTaskNeverRuns);
    let leases = story.leases.iter().map(|claim| claim.entry);
    for run in leases.chain(story.bodies.iter().copied()) {
        let mut came: Vec<&Entry> = Vec::new();
        for submit in story.submits.iter().filter(|submit| !trace.before(run, submit.entry)) {
            if !submit.is_refused() {
                return;
            }
            came.push(submit.entry);
        }
        if let Some(last) = came.last() {
            findings.fail(
                Invariant::RefusedTaskNeverRuns,
                Some(task),
                &[last, run],
                format!("every submit of task {task} was refused, and it runs all the same"),
            );
            return;
        }
    }
}

/// What ended long ago is forgotten.
fn forgotten(trace: &Trace<'_>, task: &Id, story: &Story<'_>, findings: &mut Findings) {
    let Some(grace) = trace.rules.forgets.map(micros) else { return };
    let ends = story.ends();
    // counted from the last time anybody may have brought it to an end
    let Some(end) = ends.first().filter(|_| story.may_be_requeued() == 0) else { return };
    let kept = story.submits.iter().map(|submit| submit.sent.kept_at_most_ms).max();
    let Some(kept) = kept.map(|kept| kept.saturating_mul(1000)) else { return };
    let over = end.entry.end.unwrap_or(end.entry.start).at;
    let gone_at = over.saturating_add(kept).saturating_add(grace);
    let again = |look: &Entry| {
        story.submits.iter().any(|submit| {
            submit.entry.may_be_done()
                && trace.before(end.entry, submit.entry)
                && !trace.before(look, submit.entry)
        })
    };
    let watches = story.watches.iter().filter_map(|watch| watch.opened);
    let looks = story.records.iter().chain(&story.cancels).copied().chain(watches);
    for look in looks.filter(|look| look.start.at > gone_at + trace.doubt(end.entry, look) && !again(look)) {
        findings.judge(Invariant::NothingIsLeft, !look.is_done(), task, &[end.entry, look], || {
            format!("task {task} ended, its retention is over, and a later call still finds it")
        });
    }
}

/// After a drained run the last look at the lanes finds nothing.
pub(super) fn lanes(trace: &Trace<'_>, findings: &mut Findings) {
    if !trace.rules.drained {
        return;
    }
    let looks = trace.entries.iter().filter_map(|entry| match &entry.fact {
        Fact::Call { reply: Reply::Lanes { waiting, running }, .. } => Some((entry, *waiting, *running)),
        _ => None,
    });
    if let Some((look, waiting, running)) = looks.max_by_key(|(entry, ..)| entry.start.at) {
        findings.checked(Invariant::NothingIsLeft);
        if waiting + running > 0 {
            let message = format!("the run is drained, and {waiting} tasks wait and {running} run");
            findings.fail(Invariant::NothingIsLeft, None, &[look], message);
        }
    }
}

fn refused_as(entry: &Entry) -> Option<&str> {
    match &entry.fact {
        Fact::Call { reply: Reply::Refused { kind, .. }, .. } => Some(kind.as_str()),
        _ => None,
    }
}

/// Whether a submit was refused because of this task's content.
fn conflicts(entry: &Entry, task: &Id) -> bool {
    match &entry.fact {
        Fact::Call { call: Call::Submit(tasks), reply: Reply::Refused { kind, task: of } } => {
            kind.as_str() == "conflict" && of.as_ref().map_or_else(|| tasks.len() == 1, |of| of == task)
        }
        _ => false,
    }
}
