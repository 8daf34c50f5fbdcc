//! Joining, reading what others serve, leaving.

use std::time::Duration;

use super::{Action, NEVER, Stage, Steps};
use crate::{Error, ErrorKind, Result, TemplateSet, WorkerInfo};

#[derive(Debug, Default)]
pub(super) struct Membership {
    /// Whether the store knows this worker.
    pub(super) joined: bool,
    /// Whether it ever did, so that there is something to leave.
    ever: bool,
    joining: bool,
    join_due: Duration,
    /// Why the worker may not join.
    refused: Option<Error>,
    /// The revision that was read last; 0 before the first.
    revision: u64,
    stale: bool,
    reading: bool,
    read_due: Duration,
}

impl Steps {
    pub(super) fn join(&mut self, actions: &mut Vec<Action>) {
        if self.next_join() <= self.now {
            self.member.joining = true;
            actions.push(Action::Join(self.info.clone()));
        }
    }

    pub(super) fn next_join(&self) -> Duration {
        let member = &self.member;
        if member.joined || member.joining || self.is_stopping() { NEVER } else { member.join_due }
    }

    pub(super) fn joined(&mut self, answer: Result<()>) {
        self.member.joining = false;
        match answer {
            Ok(()) => {
                (self.member.joined, self.member.ever, self.member.stale) = (true, true, true);
                self.beats.due = self.now.saturating_add(self.times.beat());
            }
            Err(error) if error.is_retryable() => {
                self.member.join_due = self.now.saturating_add(self.times.retry());
            }
            Err(error) => {
                self.member.refused = Some(error);
                self.stop(Duration::ZERO);
            }
        }
    }

    pub(super) fn must_join(&mut self, forgotten: bool) {
        if forgotten {
            (self.member.joined, self.member.join_due) = (false, self.now);
        }
    }

    pub(super) fn must_read(&mut self, revision: u64) {
        self.member.stale |= revision != self.member.revision;
    }

    pub(super) fn read_templates(&mut self, actions: &mut Vec<Action>) {
        if self.next_read() <= self.now {
            (self.member.reading, self.member.stale) = (true, false);
            actions.push(Action::Templates { known: self.member.revision });
        }
    }

    pub(super) fn next_read(&self) -> Duration {
        let member = &self.member;
        let reads = member.joined && member.stale && !member.reading && !self.is_stopping();
        if reads { member.read_due } else { NEVER }
    }

    pub(super) fn learnt(&mut self, answer: Result<Option<TemplateSet>>) {
        self.member.reading = false;
        match answer {
            Ok(None) => {}
            Ok(Some(set)) => {
                self.member.revision = set.revision;
                if self.lanes.learn(&set, &self.info.templates, &self.pool) {
                    self.asks.widen();
                }
            }
            Err(_) => {
                (self.member.stale, self.member.read_due) =
                    (true, self.now.saturating_add(self.times.retry()));
            }
        }
    }

    /// Leaves once every end has been told, and goes once that was heard.
    pub(super) fn leave(&mut self, actions: &mut Vec<Action>) {
        match self.stage {
            Stage::Stopping { .. }
                if self.seats.open() == 0 && !self.ends.is_busy() && !self.member.joining =>
            {
                if self.member.ever && self.member.refused.is_none() {
                    self.stage = Stage::Leaving { until: self.now.saturating_add(self.times.beat()) };
                    actions.push(Action::Leave(WorkerInfo::leaving(self.info.worker.clone())));
                } else {
                    self.exit(actions);
                }
            }
            // by now the store has given up what it was not told the end of
            Stage::Stopping { until } if until.saturating_add(self.times.lease) <= self.now => {
                self.exit(actions)
            }
            Stage::Leaving { until } if until <= self.now => self.exit(actions),
            _ => {}
        }
    }

    pub(super) const fn left(&mut self) {
        if let Stage::Leaving { until } = &mut self.stage {
            *until = self.now;
        }
    }

    fn exit(&mut self, actions: &mut Vec<Action>) {
        self.stage = Stage::Gone;
        let untold = self.seats.open();
        let lost = || {
            let message =
                format!("the worker stopped, but the queue could not be told of {untold} attempt(s)");
            Error::new(ErrorKind::Unavailable, message)
                .with_help("they run again when their leases have ended")
        };
        let refused = self.member.refused.take();
        actions.push(Action::Exit(refused.or_else(|| (untold > 0).then(lost)).map_or(Ok(()), Err)));
    }
}
