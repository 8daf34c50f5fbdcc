//! The heartbeat: one call for the whole worker, one at a time.

use std::{mem, time::Duration};

use super::{
    Action, NEVER, Stage, Steps,
    seats::{Answer, Seat},
};
use crate::{Beat, BeatReply, Heartbeat, Report, Result};

#[derive(Debug, Default)]
pub(super) struct Beats {
    /// Those of the call that is under way, in its order, and which ask it told the end of.
    sent: Option<(Vec<Seat>, u64)>,
    pub(super) due: Duration,
    /// Whether a body told something that no beat has taken on.
    pub(super) news: bool,
    /// When the next beat may take on what bodies told.
    flush: Duration,
    /// The latest ask whose end a beat has told.
    pub(super) told: u64,
}

impl Steps {
    pub(super) fn beat(&mut self, actions: &mut Vec<Action>) {
        if self.next_beat() > self.now {
            return;
        }
        let reports = self.beats.flush <= self.now;
        if reports {
            self.beats.news = false;
            self.beats.flush = self.now.saturating_add(self.times.flush);
        }
        self.beats.due = self.now.saturating_add(self.times.beat());
        // one whose end is being told stands in the beat until that was heard
        let held = self.seats.iter().filter(|(_, held)| !matches!(held.answer, Answer::Gone));
        let beats = held.map(|(seat, held)| (seat, Beat::new(held.key.clone(), Report::default())));
        let (seats, tasks): (Vec<Seat>, Vec<Beat>) = beats.unzip();
        let ended = self.asks.ended();
        let mut beat = Heartbeat::new(self.info.worker.clone(), ended, tasks);
        (beat.load, beat.drains_for) = (self.pool.load(), self.asks.drain_for.clone());
        self.beats.sent = Some((seats.clone(), ended));
        actions.push(Action::Beat { seats, beat, reports });
    }

    pub(super) fn beaten(&mut self, reply: Result<BeatReply>) {
        let Some((seats, ended)) = mem::take(&mut self.beats.sent) else { return };
        let Ok(reply) = reply else {
            self.beats.due = self.now.saturating_add(self.times.retry());
            return;
        };
        self.beats.told = self.beats.told.max(ended);
        self.must_join(!reply.joined);
        self.must_read(reply.revision);
        if reply.drain {
            self.stop(self.drain_limit);
        }
        for (seat, renewal) in seats.into_iter().zip(reply.tasks) {
            self.renewed(seat, renewal);
        }
    }

    /// Only whom the store knows, or who holds something, has to beat.
    fn beats(&self) -> bool {
        match self.stage {
            Stage::Working => self.member.joined || self.seats.open() > 0,
            Stage::Stopping { .. } => self.seats.open() > 0,
            Stage::Leaving { .. } | Stage::Gone => false,
        }
    }

    pub(super) fn next_beat(&self) -> Duration {
        if self.beats.sent.is_some() || !self.beats() {
            return NEVER;
        }
        let flush = if self.beats.news { self.beats.flush } else { NEVER };
        self.beats.due.min(flush)
    }
}
