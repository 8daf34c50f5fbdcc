//! Everything a history says of one task.

use function_runner_core::State;

use crate::history::{
    entry::{Entry, Fact},
    line::{Call, Done, Event, Id, Leased, Renewal, Reply, Sent, Standing, Stored},
};

/// One task's part of a history; lists are in the order of their starts, leases by their fences.
#[derive(Default)]
pub(super) struct Story<'a> {
    pub(super) submits: Vec<Submit<'a>>,
    pub(super) leases: Vec<Claim<'a>>,
    pub(super) beats: Vec<Beat<'a>>,
    pub(super) finishes: Vec<Finish<'a>>,
    pub(super) cancels: Vec<&'a Entry>,
    pub(super) requeues: Vec<&'a Entry>,
    pub(super) purges: Vec<&'a Entry>,
    pub(super) records: Vec<&'a Entry>,
    pub(super) watches: Vec<Watch<'a>>,
    pub(super) bodies: Vec<&'a Entry>,
}

#[derive(Clone, Copy)]
pub(super) struct Submit<'a> {
    pub(super) entry: &'a Entry,
    pub(super) sent: &'a Sent,
    pub(super) stored: Option<&'a Stored>,
}

impl Submit<'_> {
    pub(super) const fn is_acknowledged(&self) -> bool {
        matches!(self.stored, Some(Stored::New | Stored::Known))
    }

    pub(super) const fn is_refused(&self) -> bool {
        !self.entry.may_be_done() || matches!(self.stored, Some(Stored::Duplicate(_)))
    }
}

#[derive(Clone, Copy)]
pub(super) struct Claim<'a> {
    pub(super) entry: &'a Entry,
    pub(super) worker: &'a Id,
    pub(super) lease: &'a Leased,
}

#[derive(Clone, Copy)]
pub(super) struct Beat<'a> {
    pub(super) entry: &'a Entry,
    pub(super) fence: u64,
    pub(super) answer: Option<Renewal>,
}

#[derive(Clone, Copy)]
pub(super) struct Finish<'a> {
    pub(super) entry: &'a Entry,
    pub(super) done: &'a Done,
    /// Unknown, too late, or the state it led to.
    pub(super) answer: Option<Option<State>>,
}

impl Finish<'_> {
    pub(super) fn state(&self) -> Option<State> {
        self.answer.flatten()
    }

    /// Whether it may have ended its attempt.
    pub(super) fn may_count(&self) -> bool {
        self.entry.may_be_done() && self.answer != Some(None)
    }
}

/// A watch with what it gave; of one that is not in the history, only that.
pub(super) struct Watch<'a> {
    pub(super) number: u64,
    pub(super) opened: Option<&'a Entry>,
    pub(super) items: Vec<(&'a Entry, &'a Event)>,
}

/// Somebody saw the task at its end.
#[derive(Clone, Copy)]
pub(super) struct End<'a> {
    pub(super) entry: &'a Entry,
    pub(super) state: State,
    pub(super) seq: Option<u64>,
    pub(super) fence: Option<u64>,
}

impl<'a> Story<'a> {
    /// The story of a task out of the entries that name it, each with its place in the entry's list.
    pub(super) fn of(task: &Id, mentions: impl Iterator<Item = (&'a Entry, usize)>) -> Self {
        let mut story = Self::default();
        for (entry, place) in mentions {
            match &entry.fact {
                Fact::Call { call, reply } => story.call(task, entry, place, (call, reply)),
                Fact::Gave { watch, event } => story.gave(entry, *watch, event),
            }
        }
        story.leases.sort_by_key(|claim| claim.lease.fence);
        story
    }

    fn call(&mut self, task: &Id, entry: &'a Entry, place: usize, (call, reply): (&'a Call, &'a Reply)) {
        match call {
            Call::Submit(tasks) => {
                let stored = if let Reply::Stored(stored) = reply { stored.get(place) } else { None };
                self.submits.push(Submit { entry, sent: &tasks[place], stored });
            }
            Call::Lease { worker, .. } => {
                if let Reply::Leased(leases) = reply {
                    self.leases.push(Claim { entry, worker, lease: &leases[place] });
                }
            }
            Call::Renew { keys, .. } => {
                let answer =
                    if let Reply::Renewed { tasks, .. } = reply { tasks.get(place).copied() } else { None };
                self.beats.push(Beat { entry, fence: keys[place].fence, answer });
            }
            Call::Finish(done) => {
                let answer = if let Reply::Finished(states) = reply { states.get(place) } else { None };
                self.finishes.push(Finish { entry, done: &done[place], answer: answer.copied() });
            }
            Call::Cancel(_) => self.cancels.push(entry),
            Call::Requeue(_) => self.requeues.push(entry),
            Call::Purge(_) => self.purges.push(entry),
            Call::Record(_) => self.records.push(entry),
            Call::Watch { .. } => self.watch(entry.number).opened = Some(entry),
            Call::Body { task: of, .. } if of == task => self.bodies.push(entry),
            _ => {}
        }
    }

    fn gave(&mut self, entry: &'a Entry, watch: u64, event: &'a Event) {
        self.watch(watch).items.push((entry, event));
    }

    fn watch(&mut self, number: u64) -> &mut Watch<'a> {
        let at = self.watches.iter().position(|watch| watch.number == number).unwrap_or_else(|| {
            self.watches.push(Watch { number, opened: None, items: Vec::new() });
            self.watches.len() - 1
        });
        &mut self.watches[at]
    }

    /// What all watches gave.
    pub(super) fn events(&self) -> impl Iterator<Item = (&'a Entry, &'a Event)> {
        self.watches.iter().flat_map(|watch| watch.items.iter().copied())
    }

    /// What records said.
    pub(super) fn found(&self) -> impl Iterator<Item = (&'a Entry, &'a Standing)> {
        self.records.iter().filter_map(|entry| match &entry.fact {
            Fact::Call { reply: Reply::Found(standing), .. } => Some((*entry, standing)),
            _ => None,
        })
    }

    /// Whoever saw it at an end.
    pub(super) fn ends(&self) -> Vec<End<'a>> {
        let mut ends: Vec<End<'a>> = Vec::new();
        for (entry, event) in self.events() {
            if let Some(state) = event.kind.end() {
                ends.push(End { entry, state, seq: Some(event.seq), fence: None });
            }
        }
        for (entry, standing) in self.found().filter(|(_, standing)| standing.state.is_terminal()) {
            ends.push(End { entry, state: standing.state, seq: Some(standing.seq), fence: None });
        }
        for finish in &self.finishes {
            if let Some(state) = finish.state().filter(|state| state.is_terminal()) {
                ends.push(End { entry: finish.entry, state, seq: None, fence: Some(finish.done.fence) });
            }
        }
        ends.sort_by_key(|end| (end.entry.start.at, end.entry.start.line));
        ends
    }

    /// The submit that was acknowledged first.
    pub(super) fn acknowledged(&self) -> Option<Submit<'a>> {
        let acknowledged = self.submits.iter().filter(|submit| submit.is_acknowledged());
        acknowledged
            .min_by_key(|submit| submit.entry.end.map_or((u64::MAX, u64::MAX), |end| (end.at, end.line)))
            .copied()
    }

    /// How often it may have been requeued.
    pub(super) fn may_be_requeued(&self) -> usize {
        self.requeues.iter().filter(|entry| entry.may_be_done()).count()
    }

    /// Whether it may have been requeued by a call that did not begin surely after this one.
    pub(super) fn may_be_requeued_by(&self, by: &Entry, before: impl Fn(&Entry, &Entry) -> bool) -> bool {
        self.requeues.iter().any(|requeue| requeue.may_be_done() && !before(by, requeue))
    }

    /// Whether it may have been purged: then the same id may live again.
    pub(super) fn may_be_purged(&self) -> bool {
        self.purges.iter().any(|entry| entry.may_be_done())
    }

    /// The first moment, in microseconds, at which it may have been forgotten.
    pub(super) fn may_be_gone_at(&self) -> u64 {
        let first = self.submits.iter().map(|submit| submit.entry.start.at).min().unwrap_or(0);
        let kept = self.submits.iter().map(|submit| submit.sent.kept_ms).min().unwrap_or(0);
        let purged = self.purges.iter().filter(|entry| entry.may_be_done()).map(|entry| entry.start.at).min();
        first.saturating_add(kept.saturating_mul(1000)).min(purged.unwrap_or(u64::MAX))
    }
}
