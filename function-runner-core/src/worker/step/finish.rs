//! Telling how attempts ended: finishes first, then releases, in one call at a time, until it is answered.

use std::{collections::VecDeque, mem, time::Duration};

use super::{Action, NEVER, Steps, seats::Seat};
use crate::{Finish, Finished, Outcome, Result};

/// The most ends of one call.
const MOST: usize = 1000;

/// How many bytes of outputs one call takes on before it leaves the rest for the next.
const ENOUGH: usize = 32 << 20;

#[derive(Debug, Default)]
pub(super) struct Ends {
    finishes: VecDeque<Seat>,
    releases: VecDeque<Seat>,
    /// Those of the call that is under way.
    sent: Vec<Seat>,
    due: Duration,
}

impl Ends {
    pub(super) fn push(&mut self, seat: Seat, outcome: &Outcome) {
        self.queue(outcome).push_back(seat);
    }

    fn queue(&mut self, outcome: &Outcome) -> &mut VecDeque<Seat> {
        if matches!(outcome, Outcome::Released { .. }) { &mut self.releases } else { &mut self.finishes }
    }

    fn len(&self) -> usize {
        self.finishes.len() + self.releases.len()
    }

    fn next(&mut self) -> Option<Seat> {
        self.finishes.pop_front().or_else(|| self.releases.pop_front())
    }

    /// Whether a call is under way.
    pub(super) const fn is_busy(&self) -> bool {
        !self.sent.is_empty()
    }
}

impl Steps {
    pub(super) fn finish(&mut self, actions: &mut Vec<Action>) {
        if self.ends.is_busy() || self.ends.len() == 0 || self.ends.due > self.now {
            return;
        }
        let most = self.ends.len().min(MOST);
        let (mut bytes, mut done) = (0, Vec::with_capacity(most));
        self.ends.sent.reserve(most);
        while done.len() < MOST && bytes < ENOUGH {
            let Some(seat) = self.ends.next() else { break };
            let Some(held) = self.seats.get_mut(seat) else { continue };
            let Some(outcome) = held.answer.send() else { continue };
            if let Outcome::Succeeded(output) = &outcome {
                bytes += output.len();
            }
            let mut finish = Finish::new(held.key.clone(), outcome);
            finish.usage = held.usage;
            done.push(finish);
            self.ends.sent.push(seat);
        }
        actions.push(Action::Finish { seats: self.ends.sent.clone(), done });
    }

    pub(super) fn finished(&mut self, answers: Result<Vec<Finished>>) {
        let sent = mem::take(&mut self.ends.sent);
        // whether it counted or came too late: the queue knows
        let known = answers.map_or(0, |answers| answers.len()).min(sent.len());
        let (known, unknown) = sent.split_at(known);
        for &seat in known {
            self.seats.close(seat);
            self.sweep(seat);
        }
        if !unknown.is_empty() {
            self.ends.due = self.now.saturating_add(self.times.retry());
        }
        for &seat in unknown.iter().rev() {
            let Some(held) = self.seats.get_mut(seat) else { continue };
            if let Some(outcome) = held.answer.unsend() {
                self.ends.queue(outcome).push_front(seat);
            }
        }
    }

    pub(super) fn next_finish(&self) -> Duration {
        if self.ends.is_busy() || self.ends.len() == 0 { NEVER } else { self.ends.due }
    }
}
