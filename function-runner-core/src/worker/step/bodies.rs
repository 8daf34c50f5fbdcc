//! Bodies that run, until nothing of them is left.

use std::{mem, time::Duration};

use rand::RngExt as _;

use super::{
    Action, NEVER, Stage, Steps,
    seats::{Answer, Body, Held, Seat},
};
use crate::{Failure, Outcome, Payload, Renewal, Usage};

/// What is to be done about bodies, gathered while things are heard.
#[derive(Debug, Default)]
pub(super) struct Orders {
    cancelled: Vec<Seat>,
    dropped: Vec<Seat>,
    forgotten: Vec<Seat>,
    /// Whether the end of the drain has been carried out.
    drained: bool,
}

impl Orders {
    /// Before anything starts: a seat that is free again may be taken in the same step.
    pub(super) fn forget(&mut self, actions: &mut Vec<Action>) {
        if !self.forgotten.is_empty() {
            actions.push(Action::Forget(mem::take(&mut self.forgotten)));
        }
    }
}

impl Steps {
    pub(super) fn order(&mut self, actions: &mut Vec<Action>) {
        actions.extend(self.orders.cancelled.drain(..).map(Action::Cancel));
        actions.extend(self.orders.dropped.drain(..).map(Action::Drop));
    }

    /// A body is over. What it gave counts unless its attempt was ended before.
    pub(super) fn ended(&mut self, seat: Seat, result: Option<Result<Payload, Failure>>, vacant: bool) {
        let Some(held) = self.seats.get_mut(seat).filter(|held| held.body == Body::Running) else { return };
        held.body = Body::Over;
        if matches!(held.answer, Answer::Open) {
            let outcome = self.outcome(seat, result);
            self.end(seat, outcome);
        }
        if vacant { self.vacant(seat) } else { self.sweep(seat) }
    }

    fn outcome(&mut self, seat: Seat, result: Option<Result<Payload, Failure>>) -> Outcome {
        match result {
            Some(Ok(output)) => Outcome::Succeeded(output),
            _ if self.seats.get(seat).is_some_and(|held| held.cancel_asked) => Outcome::Cancelled,
            Some(Err(failure)) => self.failed(seat, failure),
            // dropped with the runtime it ran on
            None => Outcome::Released { after: Duration::ZERO },
        }
    }

    fn failed(&mut self, seat: Seat, failure: Failure) -> Outcome {
        let jitter = self.random.random();
        let again = |held: &Held| held.task.envelope.retry.decide(failure.class, held.attempt, jitter);
        match self.seats.get(seat).and_then(again) {
            Some(after) => Outcome::Retry { failure, after },
            None => Outcome::Failed(failure),
        }
    }

    /// Nothing of an attempt runs any more: what it held is free.
    pub(super) fn vacant(&mut self, seat: Seat) {
        if let Some(held) = self.seats.get_mut(seat)
            && let Some(grant) = held.grant.take()
        {
            self.pool.give(&held.task.lane, &grant);
            self.waiting.changed = true;
            self.asks.changed = true;
        }
        self.sweep(seat);
    }

    pub(super) fn sweep(&mut self, seat: Seat) {
        if self.seats.sweep(seat) {
            self.orders.forgotten.push(seat);
            self.asks.changed = true;
        }
    }

    pub(super) fn renewed(&mut self, seat: Seat, renewal: Renewal) {
        // one whose end is being told hears of it by the answer to that
        let Some(held) = self.seats.get_mut(seat).filter(|held| matches!(held.answer, Answer::Open)) else {
            return;
        };
        match (renewal, held.body) {
            (Renewal::Held, _) => {}
            (Renewal::CancelRequested, Body::Waiting) => self.end_unstarted(seat, Outcome::Cancelled),
            (Renewal::CancelRequested, _) => {
                if !mem::replace(&mut held.cancel_asked, true) {
                    self.orders.cancelled.push(seat);
                }
            }
            (Renewal::Lost, body) => {
                if body == Body::Waiting {
                    held.body = Body::Over;
                    self.waiting_changed();
                } else {
                    self.orders.dropped.push(seat);
                }
                self.seats.close(seat);
                self.sweep(seat);
            }
        }
    }

    /// Ends an attempt whose body never started.
    pub(super) fn end_unstarted(&mut self, seat: Seat, outcome: Outcome) {
        let now = self.now;
        if let Some(held) = self.seats.get_mut(seat) {
            (held.body, held.started) = (Body::Over, now);
            self.end(seat, outcome);
            self.waiting_changed();
        }
    }

    /// What it kept from others is free again.
    const fn waiting_changed(&mut self) {
        self.waiting.changed = true;
        self.asks.changed = true;
    }

    /// Ends an attempt from here, whatever its body does.
    fn cut(&mut self, seat: Seat, outcome: Outcome) {
        let cancelled = self.seats.get(seat).is_some_and(|held| held.cancel_asked);
        self.orders.dropped.push(seat);
        self.end(seat, if cancelled { Outcome::Cancelled } else { outcome });
    }

    fn end(&mut self, seat: Seat, outcome: Outcome) {
        let Some(held) = self.seats.get_mut(seat) else { return };
        held.usage = Usage::of_run(self.now - held.started);
        self.ends.push(seat, &outcome);
        held.answer = Answer::Due(outcome);
    }

    /// Ends what ran out of time, by its own limit or by the drain's.
    pub(super) fn end_late(&mut self) {
        while let Some((_, seat)) = self.limits.next(&self.seats).filter(|(at, _)| *at <= self.now) {
            let timeout = self.seats.get(seat).and_then(|held| held.task.envelope.timeout);
            let outcome = self.failed(seat, Failure::timeout(timeout.unwrap_or_default()));
            self.cut(seat, outcome);
        }
        if let Stage::Stopping { until } = self.stage
            && until <= self.now
            && !mem::replace(&mut self.orders.drained, true)
        {
            let live: Vec<Seat> =
                self.seats.iter().filter(|(_, held)| held.is_live()).map(|(seat, _)| seat).collect();
            for seat in live {
                self.cut(seat, Outcome::Released { after: Duration::ZERO });
            }
        }
    }

    /// When the drain ends, or is given up.
    pub(super) fn next_end(&self) -> Duration {
        match self.stage {
            Stage::Stopping { until } if until > self.now => until,
            Stage::Stopping { until } => until.saturating_add(self.times.lease),
            Stage::Leaving { until } => until,
            Stage::Working | Stage::Gone => NEVER,
        }
    }
}
