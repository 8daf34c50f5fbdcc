//! What happened, one thing after the other: calls with their answers, and what watches gave.

use super::line::{Call, Event, Id, Reply};

/// When: by the clock, and as which line of its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// In microseconds.
    pub(super) at: u64,
    pub(super) line: u64,
}

/// One call from its start to its end, or one item of a watch.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// What tells it from every other of the history.
    pub(super) number: u64,
    /// In which log it stands: lines of one log are in order, whatever the clock says.
    pub(super) log: u32,
    pub(super) start: Moment,
    /// Nothing where the log ends before.
    pub(super) end: Option<Moment>,
    pub(super) fact: Fact,
}

#[derive(Clone, Debug)]
pub(super) enum Fact {
    Call {
        call: Call,
        reply: Reply,
    },
    /// The watch that is entry number `watch` gave this.
    Gave {
        watch: u64,
        event: Event,
    },
}

impl Entry {
    pub(super) fn called(number: u64, log: u32, start: Moment, call: Call) -> Self {
        let reply = Reply::Unknown(Id::new("no answer"));
        Self { number, log, start, end: None, fact: Fact::Call { call, reply } }
    }

    pub(super) const fn gave(number: u64, log: u32, at: Moment, watch: u64, event: Event) -> Self {
        Self { number, log, start: at, end: Some(at), fact: Fact::Gave { watch, event } }
    }

    /// It came to this.
    pub(super) fn came(&mut self, at: Moment, to: Reply) {
        self.end = Some(at);
        if let Fact::Call { reply, .. } = &mut self.fact {
            *reply = to;
        }
    }

    /// Whether it is known to have been done.
    pub(super) const fn is_done(&self) -> bool {
        match &self.fact {
            Fact::Call { reply, .. } => !matches!(reply, Reply::Unknown(_) | Reply::Refused { .. }),
            Fact::Gave { .. } => true,
        }
    }

    /// Whether it may have been done.
    pub(super) const fn may_be_done(&self) -> bool {
        !matches!(&self.fact, Fact::Call { reply: Reply::Refused { .. }, .. })
    }

    /// The latest moment at which it may have had its effect, in microseconds; of a call that never came
    /// back, so long after its start.
    pub(super) fn latest(&self, patience: u64) -> u64 {
        self.end.map_or(self.start.at.saturating_add(patience), |end| end.at)
    }

    /// Names every task of it, with its place in the list of the call.
    pub(super) fn each_task<'a>(&'a self, mut named: impl FnMut(&'a Id, usize)) {
        match &self.fact {
            Fact::Gave { event, .. } => named(&event.task, 0),
            Fact::Call { call, reply } => match call {
                Call::Submit(tasks) => tasks.iter().enumerate().for_each(|(at, sent)| named(&sent.task, at)),
                Call::Renew { keys, .. } => {
                    keys.iter().enumerate().for_each(|(at, key)| named(&key.task, at))
                }
                Call::Finish(done) => done.iter().enumerate().for_each(|(at, done)| named(&done.task, at)),
                Call::Record(task)
                | Call::Watch { task, .. }
                | Call::Cancel(task)
                | Call::Requeue(task)
                | Call::Purge(task)
                | Call::Body { task, .. } => named(task, 0),
                Call::Lease { .. } => {
                    if let Reply::Leased(leases) = reply {
                        leases.iter().enumerate().for_each(|(at, lease)| named(&lease.task, at));
                    }
                }
                _ => {}
            },
        }
    }
}
