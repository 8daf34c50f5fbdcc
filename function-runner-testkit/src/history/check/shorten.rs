//! The shortest history of a violation: what names its tasks, less everything without which it still shows.

use std::collections::BTreeSet;

use super::{findings::Finding, still_shows, trace::Background};
use crate::history::{
    Rules,
    entry::{Entry, Fact},
    line::{Call, Id, Reply},
};

/// Entries that still show this, as few as may be: none of them can be left out.
pub(super) fn shorten(
    entries: &[Entry],
    rules: &Rules,
    background: &Background,
    finding: &Finding,
) -> Vec<Entry> {
    let (tasks, workers) = concerned(entries, finding);
    let mut part: Vec<Entry> = entries
        .iter()
        .filter(|entry| concerns(entry, &tasks, &workers) || finding.witnesses.contains(&entry.number))
        .map(|entry| only(entry, &tasks))
        .collect();
    part.sort_by_key(|entry| (entry.start.at, entry.start.line));
    let shows = |part: &[Entry]| still_shows(part, rules, background, finding);
    if !shows(&part) {
        // what was left out of the batches counts after all
        part.retain(|entry| finding.witnesses.contains(&entry.number));
        return part;
    }
    let mut size = part.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < part.len() {
            let mut fewer = part.clone();
            fewer.drain(at..(at + size).min(part.len()));
            if shows(&fewer) {
                part = fewer;
            } else {
                at += size;
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    part
}

/// The tasks and workers that the witnesses name.
fn concerned(entries: &[Entry], finding: &Finding) -> (BTreeSet<Id>, BTreeSet<Id>) {
    let (mut tasks, mut workers) = (BTreeSet::new(), BTreeSet::new());
    tasks.extend(finding.task.clone());
    for entry in entries.iter().filter(|entry| finding.witnesses.contains(&entry.number)) {
        match &entry.fact {
            Fact::Call { call: Call::Body { worker, task, .. }, .. } => {
                tasks.insert(task.clone());
                workers.insert(worker.clone());
            }
            Fact::Call { call: Call::Lease { .. }, reply: Reply::Leased(leases) } => {
                tasks.extend(leases.iter().filter(|lease| lease.suspect).map(|lease| lease.task.clone()));
            }
            _ => {}
        }
    }
    (tasks, workers)
}

fn concerns(entry: &Entry, tasks: &BTreeSet<Id>, workers: &BTreeSet<Id>) -> bool {
    let mut named = false;
    entry.each_task(|task, _| named |= tasks.contains(task));
    named
        || matches!(&entry.fact, Fact::Call { call: Call::Join { worker, .. }, .. } if workers.contains(worker))
}

/// An entry with nothing of a batch but these tasks.
fn only(entry: &Entry, tasks: &BTreeSet<Id>) -> Entry {
    let mut entry = entry.clone();
    let Fact::Call { call, reply } = &mut entry.fact else { return entry };
    match (call, reply) {
        (Call::Submit(sent), Reply::Stored(stored)) => {
            keep_both(sent, stored, |sent| tasks.contains(&sent.task));
        }
        (Call::Submit(sent), _) => sent.retain(|sent| tasks.contains(&sent.task)),
        (Call::Renew { keys, .. }, Reply::Renewed { tasks: answers, .. }) => {
            keep_both(keys, answers, |key| tasks.contains(&key.task));
        }
        (Call::Renew { keys, .. }, _) => keys.retain(|key| tasks.contains(&key.task)),
        (Call::Finish(done), Reply::Finished(states)) => {
            keep_both(done, states, |done| tasks.contains(&done.task));
        }
        (Call::Finish(done), _) => done.retain(|done| tasks.contains(&done.task)),
        (Call::Lease { .. }, Reply::Leased(leases)) => leases.retain(|lease| tasks.contains(&lease.task)),
        _ => {}
    }
    entry
}

/// Keeps the items that are wanted, each with its answer.
fn keep_both<A, B>(items: &mut Vec<A>, answers: &mut Vec<B>, wanted: impl Fn(&A) -> bool) {
    let keep: Vec<bool> = items.iter().map(wanted).collect();
    let mut at = keep.iter();
    items.retain(|_| at.next().copied().unwrap_or(false));
    let mut at = keep.iter();
    answers.retain(|_| at.next().copied().unwrap_or(false));
}
