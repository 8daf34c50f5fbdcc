//! From core's types into a history's own.

use std::{collections::BTreeMap, time::Duration};

use function_runner_core as core;
use function_runner_core::{ErrorKind, EventKind, Finished, Submitted, When};

use super::line::{
    Call, Done, Event, Id, Key, Kind, Leased, Outcome, Renewal, Reply, Room, Sent, Share, Standing, Stored,
};

pub(super) fn submit(tasks: &[core::Task]) -> Call {
    Call::Submit(tasks.iter().map(sent).collect())
}

fn sent(task: &core::Task) -> Sent {
    let content = task.content();
    let (result, dead) = (millis(task.envelope.retention.result), millis(task.envelope.retention.dead));
    Sent {
        task: Id::new(task.id.as_str()),
        content: content as u64 ^ (content >> 64) as u64,
        lane: Id::new(task.lane.as_str()),
        max_attempts: task.envelope.retry.max_attempts,
        max_crashes: task.envelope.retry.max_crashes,
        delay_ms: match task.delay {
            None => Some(0),
            Some(When::In(delay)) => Some(millis(delay)),
            Some(When::At(_)) => None,
        },
        has_deadline: task.deadline.is_some(),
        has_dedupe: task.dedupe.is_some(),
        kept_ms: result.min(dead),
        kept_at_most_ms: result.max(dead),
    }
}

pub(super) fn join(info: &core::WorkerInfo) -> Call {
    let capacity = &info.capacity;
    let mut amounts = capacity.custom.clone();
    let named = [
        ("cpu_millis", capacity.cpu_millis),
        ("memory_mib", capacity.memory_mib),
        ("disk_mib", capacity.disk_mib),
        ("slots", capacity.slots),
    ];
    amounts.extend(named.map(|(name, amount)| (name.to_owned(), amount)));
    Call::Join {
        worker: Id::new(info.worker.as_str()),
        capacity: Room { amounts, gpus: capacity.gpus.clone() },
        serves: count(info.templates.len()),
    }
}

pub(super) fn lease(ask: &core::LeaseRequest) -> Call {
    Call::Lease {
        worker: Id::new(ask.worker.as_str()),
        ask: ask.call,
        lanes: ask.lanes.iter().map(|asked| Id::new(asked.lane.as_str())).collect(),
        would_fit: count(ask.would_fit.len()),
        wait_ms: millis(ask.wait),
    }
}

pub(super) fn renew(beat: &core::Heartbeat) -> Call {
    Call::Renew {
        worker: Id::new(beat.worker.as_str()),
        ended: beat.ended,
        keys: beat
            .tasks
            .iter()
            .map(|task| Key { task: Id::new(task.key.id.as_str()), fence: task.key.fence })
            .collect(),
    }
}

pub(super) fn finish(done: &[core::Finish]) -> Call {
    let one = |finish: &core::Finish| Done {
        task: Id::new(finish.key.id.as_str()),
        fence: finish.key.fence,
        outcome: match &finish.outcome {
            core::Outcome::Succeeded(_) => Outcome::Succeeded,
            core::Outcome::Failed(_) => Outcome::Failed,
            core::Outcome::Cancelled => Outcome::Cancelled,
            core::Outcome::Retry { after, .. } => Outcome::Retry { after_ms: millis(*after) },
            core::Outcome::Released { after } => Outcome::Released { after_ms: millis(*after) },
        },
    };
    Call::Finish(done.iter().map(one).collect())
}

/// What an answer comes to; of errors, whether they leave open what was done.
pub(super) fn reply<T>(answer: &core::Result<T>, ok: impl FnOnce(&T) -> Reply) -> Reply {
    match answer {
        Ok(answer) => ok(answer),
        Err(error) => match error.kind() {
            kind @ (ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Corrupt | ErrorKind::Io) => {
                Reply::Unknown(Id::new(kind.name()))
            }
            kind => Reply::Refused {
                kind: Id::new(kind.name()),
                task: error.task().map(|task| Id::new(task.as_str())),
            },
        },
    }
}

pub(super) fn stored(answers: &[Submitted]) -> Reply {
    let one = |answer: &Submitted| match answer {
        Submitted::New => Stored::New,
        Submitted::AlreadyKnown => Stored::Known,
        Submitted::Duplicate(other) => Stored::Duplicate(Id::new(other.as_str())),
    };
    Reply::Stored(answers.iter().map(one).collect())
}

pub(super) fn leased(reply: &core::LeaseReply) -> Reply {
    if let (Some(lane), true) = (&reply.drain_for, reply.leases.is_empty()) {
        return Reply::Drain(Id::new(lane.as_str()));
    }
    let one = |lease: &core::Lease| Leased {
        task: Id::new(lease.key.id.as_str()),
        fence: lease.key.fence,
        attempt: lease.attempt,
        suspect: lease.suspect,
        lane: Id::new(lease.task.lane.as_str()),
        max_attempts: lease.task.envelope.retry.max_attempts,
        max_crashes: lease.task.envelope.retry.max_crashes,
    };
    Reply::Leased(reply.leases.iter().map(one).collect())
}

pub(super) fn renewed(reply: &core::BeatReply) -> Reply {
    let one = |renewal: &core::Renewal| match renewal {
        core::Renewal::Held => Renewal::Held,
        core::Renewal::CancelRequested => Renewal::CancelRequested,
        core::Renewal::Lost => Renewal::Lost,
    };
    Reply::Renewed { tasks: reply.tasks.iter().map(one).collect(), joined: reply.joined }
}

pub(super) fn finished(answers: &[Finished]) -> Reply {
    let one = |answer: &Finished| match answer {
        Finished::Done(state) => Some(*state),
        Finished::Lost => None,
    };
    Reply::Finished(answers.iter().map(one).collect())
}

pub(super) fn lanes(lanes: &[core::LaneStatus]) -> Reply {
    Reply::Lanes {
        waiting: lanes.iter().map(|lane| lane.queued + lane.delayed).sum(),
        running: lanes.iter().map(|lane| lane.running).sum(),
    }
}

pub(super) fn standing(record: &core::TaskRecord) -> Standing {
    Standing {
        state: record.state,
        seq: record.seq,
        attempt: record.attempt,
        crashes: record.crashes,
        cancel_asked: record.cancel_requested,
        fraction: record.progress.as_ref().and_then(|progress| progress.fraction),
    }
}

pub(super) fn event(task: &Id, event: &core::Event) -> Event {
    let kind = match &event.kind {
        EventKind::Snapshot(record) => Kind::Snapshot(standing(record)),
        EventKind::Started { worker } => Kind::Started(Id::new(worker.as_str())),
        EventKind::Progress(progress) => Kind::Progress(progress.fraction),
        EventKind::OutputPart { turn, index, .. } => Kind::Part { turn: *turn, index: *index },
        EventKind::Log(_) => Kind::Log,
        EventKind::CancelRequested => Kind::CancelRequested,
        EventKind::Retrying { .. } => Kind::Retrying,
        EventKind::Released => Kind::Released,
        EventKind::Lost => Kind::Lost,
        EventKind::Requeued => Kind::Requeued,
        EventKind::Succeeded(_) => Kind::Succeeded,
        EventKind::Failed(_) => Kind::Failed,
        EventKind::Cancelled => Kind::Cancelled,
        _ => Kind::Other,
    };
    Event { task: task.clone(), seq: event.seq, kind }
}

pub(super) fn share(grant: &core::Grant) -> Share {
    Share {
        own: divisible(&grant.amounts),
        shared: divisible(&grant.shared),
        // whole GPUs that a lane's bodies share are not told apart here
        gpus: if grant.shared.gpus > 0 { Vec::new() } else { grant.gpus.clone() },
        whole: grant.amounts.gpus > 0,
        gpu_memory: grant.amounts.gpu_memory_mib,
        shared_gpu_memory: grant.shared.gpu_memory_mib,
    }
}

fn divisible(amounts: &core::Amounts) -> BTreeMap<String, u64> {
    let mut all = amounts.custom.clone();
    let named = [
        ("cpu_millis", amounts.cpu_millis),
        ("memory_mib", amounts.memory_mib),
        ("disk_mib", amounts.disk_mib),
        ("slots", amounts.slots),
    ];
    all.extend(named.map(|(name, amount)| (name.to_owned(), amount)));
    all.retain(|_, amount| *amount > 0);
    all
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// How many, where a list is never that long.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
