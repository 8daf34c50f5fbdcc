//! How long tasks wait: after the death of their worker, and before their start.

use function_runner_core::State;

use super::{
    findings::Findings,
    story::{Claim, Story},
    trace::{Trace, plain, twin},
};
use crate::history::{
    Invariant,
    entry::{Entry, Fact},
    line::{Call, Id, Outcome, Renewal, Reply},
    rules::micros,
};

pub(super) fn check(trace: &Trace<'_>, task: &Id, story: &Story<'_>, findings: &mut Findings) {
    if let Some(call) = trace.rules.recovers.map(micros) {
        for (place, claim) in story.leases.iter().enumerate() {
            dead(trace, task, story, (place, claim), call, findings);
        }
    }
    if let Some(bound) = trace.rules.starts.map(micros) {
        starts(trace, task, story, bound, findings);
    }
}

/// A lease that is neither renewed nor ended any more is given again, or its task ends.
fn dead(
    trace: &Trace<'_>,
    task: &Id,
    story: &Story<'_>,
    (place, claim): (usize, &Claim<'_>),
    call: u64,
    findings: &mut Findings,
) {
    let Some(held) = last_held(trace, story, claim) else { return };
    let over = held.latest(trace.rules.lease()).saturating_add(trace.rules.lease());
    let (due, is_sure) = due(trace, claim, over, call);
    let due = due.saturating_add(trace.rules.slack_micros());
    let later = story.leases[place + 1..].iter().map(|next| next.entry);
    let next = later.into_iter().find(|next| next.number != claim.entry.number);
    let ends = story.ends();
    let end = ends.iter().map(|end| end.entry).find(|end| !trace.before(end, claim.entry));
    let seen = next.into_iter().chain(end).filter_map(|entry| entry.end).map(|end| end.at).min();
    if seen.is_some_and(|seen| seen <= due) {
        return findings.checked(Invariant::DeadWorkerIsNoticed);
    }
    let known = story.leases.iter().filter(|other| other.lease.fence <= claim.lease.fence).count();
    let asked = unsure(trace, &claim.lease.lane, claim.entry.start.at);
    let crashes = known + asked.take_while(|(from, _)| *from <= due).count();
    let may_be_dead = next.is_none() && crashes >= claim.lease.max_crashes as usize;
    if !is_sure || may_be_dead || is_excused(trace, story, claim, due) {
        return;
    }
    let lane = &claim.lease.lane;
    let mut calls = trace.entries.iter();
    let Some(waited) = calls.find(|entry| waits_for(entry, lane, due.saturating_sub(call), due)) else {
        return;
    };
    let (worker, fence) = (claim.worker, claim.lease.fence);
    let lasted = over.saturating_sub(claim.entry.start.at) / 1000;
    let mut witnesses = vec![claim.entry, held, waited];
    witnesses.extend(next);
    findings.judge(Invariant::DeadWorkerIsNoticed, false, task, &witnesses, || {
        format!(
            "{worker} held task {task} (fence {fence}) for {lasted} ms at most, \
             and a call that waits for its lane is not given it then"
        )
    });
}

/// The last call by which a claim may have been held on to; nothing where it was given up or lost.
fn last_held<'a>(trace: &Trace<'_>, story: &Story<'a>, claim: &Claim<'a>) -> Option<&'a Entry> {
    let fence = claim.lease.fence;
    let beats = story.beats.iter().filter(|beat| beat.fence == fence);
    let is_lost = beats.clone().any(|beat| beat.answer == Some(Renewal::Lost));
    if is_lost || story.finishes.iter().any(|finish| finish.done.fence == fence) {
        return None;
    }
    let lease = trace.rules.lease();
    beats.map(|beat| beat.entry).chain([claim.entry]).max_by_key(|entry| entry.latest(lease))
}

/// Whether there may be another reason that a task was not given again by then.
fn is_excused(trace: &Trace<'_>, story: &Story<'_>, claim: &Claim<'_>, due: u64) -> bool {
    story.cancels.iter().any(|cancel| cancel.may_be_done() && cancel.start.at <= due)
        || trace.background.may_be_paused(&claim.lease.lane, claim.entry.start.at, due)
        || trace.background.until <= due
        || story.may_be_purged()
}

/// By when a lease that ran out at `over` is given again. And whether anybody called after that: where nobody
/// does, nobody is to be given anything.
fn due(trace: &Trace<'_>, claim: &Claim<'_>, over: u64, call: u64) -> (u64, bool) {
    let mut due = over.saturating_add(call);
    loop {
        // an ask without an answer may have been given it, and then held it for a lease
        let asked = unsure(trace, &claim.lease.lane, claim.entry.start.at);
        let given = asked.take_while(|(from, _)| *from <= due).map(|(_, to)| to).max();
        let held = given.map_or(0, |to| to.saturating_add(trace.rules.lease()).saturating_add(call));
        let (later, is_sure) = after_silences(trace, over, call, due.max(held));
        if later == due {
            return (due, is_sure);
        }
        due = later;
    }
}

/// Asks without an answer that may have taken something of this lane after this moment: from when, and until
/// when.
fn unsure<'a>(trace: &'a Trace<'_>, lane: &Id, since: u64) -> impl Iterator<Item = (u64, u64)> + 'a {
    let lane = plain(lane);
    let asks = trace.background.unsure_asks.iter();
    let asks = asks.filter(move |(_, to, lanes)| *to >= since && lanes.contains(&lane));
    asks.map(|(from, to, _)| (*from, *to))
}

/// That moment, later by the pause after every silence of all workers; and whether anybody called after it.
fn after_silences(trace: &Trace<'_>, over: u64, call: u64, due: u64) -> (u64, bool) {
    let times = &trace.rules.times;
    let (gap, pause) = (micros(times.gap).saturating_sub(trace.rules.slack_micros()), micros(times.pause));
    let calls = &trace.background.worker_calls;
    let mut due = due;
    let first = calls.partition_point(|(from, _)| from.saturating_add(trace.rules.lease()) < over);
    let Some((mut before, _)) = calls.get(first.saturating_sub(1)).copied() else { return (due, false) };
    for (from, to) in &calls[first..] {
        if before > due {
            break;
        }
        if to.saturating_sub(before) > gap {
            due = due.max(to.saturating_add(pause).saturating_add(call));
        }
        before = *from;
    }
    (due, before > due)
}

/// Whether a lease call that asked for this lane and its twin was open all that time and brought nothing.
fn waits_for(entry: &Entry, lane: &Id, from: u64, to: u64) -> bool {
    let Fact::Call { call: Call::Lease { lanes, .. }, reply } = &entry.fact else { return false };
    let idle = match reply {
        Reply::Unknown(_) | Reply::Drain(_) | Reply::Refused { .. } => false,
        Reply::Leased(_) => true,
        _ => false,
    };
    let names = |lane: &Id| lanes.contains(lane);
    idle && entry.start.at <= from
        && entry.end.is_some_and(|end| end.at > to)
        && names(lane)
        && names(&twin(lane))
}

/// Everything that makes a task ready is followed by a lease within the bound.
fn starts(trace: &Trace<'_>, task: &Id, story: &Story<'_>, bound: u64, findings: &mut Findings) {
    let Some(submit) = story.acknowledged() else { return };
    if submit.sent.has_deadline || story.may_be_purged() {
        return;
    }
    let over = |entry: &Entry| entry.end.map_or(entry.start.at, |end| end.at);
    let after = |entry: &Entry, millis: u64| over(entry).saturating_add(millis.saturating_mul(1000));
    let mut ready: Vec<(&Entry, u64, u64)> = Vec::new();
    ready.extend(submit.sent.delay_ms.map(|delay| (submit.entry, after(submit.entry, delay), 0)));
    for finish in story.finishes.iter().filter(|finish| finish.state() == Some(State::Queued)) {
        if let Outcome::Retry { after_ms } | Outcome::Released { after_ms } = finish.done.outcome {
            ready.push((finish.entry, after(finish.entry, after_ms), finish.done.fence + 1));
        }
    }
    ready.extend(story.requeues.iter().filter(|entry| entry.is_done()).map(|entry| (*entry, over(entry), 0)));
    let ends = story.ends();
    for (entry, at, fence) in ready {
        let due = at.saturating_add(bound).saturating_add(trace.rules.slack_micros());
        let next =
            story.leases.iter().find(|claim| claim.lease.fence >= fence && !trace.before(claim.entry, entry));
        let in_time = next.is_some_and(|next| over(next.entry) <= due);
        let excused = story.cancels.iter().any(|cancel| cancel.may_be_done() && cancel.start.at <= due)
            || trace.background.may_be_paused(&submit.sent.lane, entry.start.at, due)
            || ends.iter().any(|end| !trace.before(end.entry, entry) && over(end.entry) <= due)
            || unsure(trace, &submit.sent.lane, entry.start.at).any(|(from, _)| from <= due)
            || (next.is_none() && trace.background.until <= due);
        if !in_time && excused {
            continue;
        }
        let mut witnesses = vec![entry];
        witnesses.extend(next.map(|next| next.entry));
        findings.judge(Invariant::WaitsAreBounded, in_time, task, &witnesses, || {
            format!("task {task} could start and did not within {} ms", bound / 1000)
        });
    }
}
