//! Claims: their fences, how long they hold, how many attempts there are.

use std::collections::BTreeMap;

use function_runner_core::State;

use super::{
    findings::Findings,
    story::{Claim, Story},
    trace::Trace,
};
use crate::history::{
    Invariant,
    entry::Entry,
    line::{Id, Outcome, Renewal},
};

pub(super) fn check(trace: &Trace<'_>, task: &Id, story: &Story<'_>, findings: &mut Findings) {
    fences(trace, task, story, findings);
    stale(trace, task, story, findings);
    overlap(trace, task, story, findings);
    after_the_end(trace, task, story, findings);
    attempts(trace, task, story, findings);
}

fn fences(trace: &Trace<'_>, task: &Id, story: &Story<'_>, findings: &mut Findings) {
    for pair in story.leases.windows(2) {
        let (low, high) = (&pair[0], &pair[1]);
        let (one, other) = (low.lease.fence, high.lease.fence);
        let witnesses = [low.entry, high.entry];
        findings.judge(Invariant::FencesRise, one != other, task, &witnesses, || {
            format!("two leases of task {task} have fence {one}")
        });
        let holds = one == other || !trace.before(high.entry, low.entry);
        findings.judge(Invariant::FencesRise, holds, task, &witnesses, || {
            format!("task {task} was leased with fence {one} after it had been with fence {other}")
        });
    }
}

fn stale(trace: &Trace<'_>, task: &Id, story: &Story<'_>, findings: &mut Findings) {
    for finish in &story.finishes {
        let fence = finish.done.fence;
        let newer = story
            .leases
            .iter()
            .find(|claim| claim.lease.fence > fence && trace.before(claim.entry, finish.entry));
        let Some(newer) = newer else { continue };
        let again = story.finishes.iter().any(|other| {
            other.done.fence == fence
                && other.entry.number != finish.entry.number
                && other.may_count()
                && !trace.before(finish.entry, other.entry)
        });
        let holds = again || finish.state().is_none();
        findings.judge(Invariant::StaleFinishIsRefused, holds, task, &[newer.entry, finish.entry], || {
            let newer = newer.lease.fence;
            format!(
                "a finish of task {task} with fence {fence} was accepted after fence {newer} had been given"
            )
        });
    }
}

/// Sure bounds of the moments at which claims were given, from the lowest fence up.
fn given_from(story: &Story<'_>) -> Vec<u64> {
    let submitted = story.submits.iter().map(|submit| submit.entry.start.at).min().unwrap_or(0);
    let mut from = submitted;
    let later = |claim: &Claim<'_>| {
        from = from.max(claim.entry.start.at);
        from
    };
    story.leases.iter().map(later).collect()
}

fn overlap(trace: &Trace<'_>, task: &Id, story: &Story<'_>, findings: &mut Findings) {
    let given = given_from(story);
    for (place, (held, given)) in story.leases.iter().zip(given).enumerate() {
        let fence = held.lease.fence;
        let Some(next) = story.leases[place + 1..].iter().find(|next| next.lease.fence > fence) else {
            continue;
        };
        let renewals = story.beats.iter().filter(|beat| {
            beat.fence == fence && matches!(beat.answer, Some(Renewal::Held | Renewal::CancelRequested))
        });
        let renewal = renewals.max_by_key(|beat| beat.entry.start.at);
        let renewed = renewal.map_or(0, |beat| beat.entry.start.at);
        let last = given.max(renewed);
        let sure = (last + trace.rules.lease()).saturating_sub(trace.doubt(held.entry, next.entry));
        let over = next.entry.end.map_or(u64::MAX, |end| end.at);
        let ended = |number: u64| {
            story.finishes.iter().any(|finish| {
                finish.done.fence == number && finish.may_count() && !trace.before(next.entry, finish.entry)
            })
        };
        let mut witnesses = vec![held.entry, next.entry];
        witnesses.extend(renewal.filter(|_| renewed > given).map(|beat| beat.entry));
        findings.judge(Invariant::LeasesNeverOverlap, over >= sure || ended(fence), task, &witnesses, || {
            let (one, other) = (held.worker, next.worker);
            let (second, left) = (next.lease.fence, sure.saturating_sub(over) / 1000);
            format!("task {task} was leased to {other} (fence {second}) while {one} held it (fence {fence}) for {left} ms more")
        });
    }
}

fn after_the_end(trace: &Trace<'_>, task: &Id, story: &Story<'_>, findings: &mut Findings) {
    if story.leases.is_empty() || story.may_be_purged() {
        return;
    }
    let ends = story.ends();
    let cancels = story.cancels.iter().filter(|cancel| cancel.is_done()).copied();
    let stops: Vec<&Entry> = ends.iter().map(|end| end.entry).chain(cancels).collect();
    // whoever was over first accuses the most
    let over = |entry: &&&Entry| entry.end.map_or((u64::MAX, u64::MAX), |end| (end.at, end.line));
    let Some(stop) = stops.iter().min_by_key(over) else { return };
    for claim in &story.leases {
        let exempt = story.may_be_requeued_by(claim.entry, |one, other| trace.before(one, other))
            || claim.entry.end.is_some_and(|end| end.at >= story.may_be_gone_at());
        if exempt {
            continue;
        }
        let holds = !trace.before(stop, claim.entry);
        findings.judge(Invariant::NothingRunsAfterTheEnd, holds, task, &[stop, claim.entry], || {
            let fence = claim.lease.fence;
            format!("task {task} was leased (fence {fence}) by a call made after its end or its acknowledged cancel")
        });
    }
}

fn attempts(trace: &Trace<'_>, task: &Id, story: &Story<'_>, findings: &mut Findings) {
    for claim in &story.leases {
        let (attempt, most) = (claim.lease.attempt, claim.lease.max_attempts);
        findings.judge(Invariant::AttemptsStayWithinMax, attempt <= most, task, &[claim.entry], || {
            format!("task {task} has {most} attempts at most, and this lease is of attempt {attempt}")
        });
        if !story.may_be_purged() {
            counted(trace, task, story, claim, findings);
        }
    }
    for (entry, standing) in story.found() {
        let Some(submit) = story.acknowledged() else { break };
        let (crashes, most) = (standing.crashes, submit.sent.max_crashes);
        findings.judge(
            Invariant::AttemptsStayWithinMax,
            crashes <= most,
            task,
            &[submit.entry, entry],
            || format!("task {task} may crash {most} times at most, and its record tells of {crashes}"),
        );
    }
}

/// The attempt of a lease against the retries there were: no more, no less.
fn counted(trace: &Trace<'_>, task: &Id, story: &Story<'_>, claim: &Claim<'_>, findings: &mut Findings) {
    let attempt = u64::from(claim.lease.attempt);
    let (sure, possible) = retries(trace, story, claim);
    let (low, high) = (sure.len() as u64, possible.len() as u64);
    let mut witnesses: Vec<&Entry> = sure.into_values().collect();
    witnesses.push(claim.entry);
    findings.judge(Invariant::AttemptsStayWithinMax, attempt > low, task, &witnesses, || {
        format!("{low} retries of task {task} were acknowledged, and this lease is of attempt {attempt}")
    });
    findings.judge(Invariant::AttemptsStayWithinMax, attempt <= high + 1, task, &[claim.entry], || {
        format!("{high} retries of task {task} may have counted, and this lease is of attempt {attempt}")
    });
}

/// The retries of this life before a lease, by their fences: those that counted, and those that may have.
fn retries<'a>(
    trace: &Trace<'_>,
    story: &Story<'a>,
    claim: &Claim<'_>,
) -> (BTreeMap<u64, &'a Entry>, BTreeMap<u64, &'a Entry>) {
    let requeues = || story.requeues.iter().copied().filter(|entry| entry.may_be_done());
    let (mut sure, mut possible) = (BTreeMap::new(), BTreeMap::new());
    for finish in &story.finishes {
        let (fence, entry) = (finish.done.fence, finish.entry);
        if !matches!(finish.done.outcome, Outcome::Retry { .. }) || fence >= claim.lease.fence {
            continue;
        }
        let is_void = requeues().any(|requeue| {
            requeue.is_done() && trace.before(requeue, claim.entry) && trace.before(entry, requeue)
        });
        if finish.may_count() && !is_void {
            possible.entry(fence).or_insert(entry);
        }
        let may_be_void =
            requeues().any(|requeue| !trace.before(claim.entry, requeue) && !trace.before(requeue, entry));
        if finish.state() == Some(State::Queued) && !may_be_void {
            sure.entry(fence).or_insert(entry);
        }
    }
    (sure, possible)
}
