//! The bodies of a worker, as loop and heart reach them: to stop them, and to hear what they told.

use std::sync::Arc;

use super::{body::Runner, models::ModelId, served::Served, step::Seat, watchdog::Watchdog};
use crate::{Beat, Control, Finish, LogLevel, Report};

/// The most bytes of one beat: 1 MiB.
const MOST: usize = 1 << 20;

/// What one body's report may take beyond its lines and parts: a checkpoint and its progress.
const BESIDE: usize = 96 << 10;

/// What a claim takes in a beat besides its task's id.
const CLAIM: usize = 32;

/// One body, from its start until its worker forgets it.
pub(super) struct Body {
    pub(super) seat: Seat,
    pub(super) served: Arc<Served>,
    pub(super) control: Control,
    pub(super) runner: Runner,
    pub(super) model: ModelId,
    pub(super) warned: bool,
    /// Whether its runner has dropped it, and runs no other.
    pub(super) aborted: bool,
}

/// What a beat took on, to be struck off when it got through.
pub(super) struct Taken {
    reports: Vec<(Control, Report)>,
    /// Whether there was more than fits one beat.
    pub(super) more: bool,
}

#[derive(Default)]
pub(super) struct Bodies {
    /// By the index of their seats.
    all: Vec<Option<Body>>,
    /// Where the next beat begins with reports, so that none is put off for ever.
    first: usize,
}

impl Bodies {
    pub(super) fn insert(&mut self, body: Body) {
        let index = body.seat.index();
        if self.all.len() <= index {
            self.all.resize_with(index + 1, || None);
        }
        self.all[index] = Some(body);
    }

    pub(super) fn remove(&mut self, seat: Seat) -> Option<Body> {
        self.all.get_mut(seat.index())?.take_if(|body| body.seat == seat)
    }

    fn get(&self, seat: Seat) -> Option<&Body> {
        self.all.get(seat.index())?.as_ref().filter(|body| body.seat == seat)
    }

    /// Fires a body's token; false if it has not started.
    pub(super) fn cancel(&self, seat: Seat) -> bool {
        self.get(seat).is_some_and(|body| {
            body.control.cancel();
            true
        })
    }

    /// Fires a body's token and drops it; false if it has not started.
    pub(super) fn drop(&mut self, seat: Seat) -> bool {
        let Some(body) = self.all.get_mut(seat.index()).and_then(Option::as_mut) else { return false };
        if body.seat != seat {
            return false;
        }
        body.control.cancel();
        body.abort();
        true
    }

    /// Adds what bodies told to the beat of these seats: keys first, the rest waits for the next.
    pub(super) fn report(&mut self, seats: &[Seat], tasks: &mut [Beat]) -> Taken {
        let keys: usize = tasks.iter().map(|task| task.key.id.as_str().len() + CLAIM).sum();
        let mut room = MOST.saturating_sub(keys);
        let mut taken = Taken { reports: Vec::new(), more: false };
        let first = self.first.checked_rem(seats.len()).unwrap_or(0);
        for place in (first..seats.len()).chain(0..first) {
            let Some(body) = self.get(seats[place]).filter(|body| body.control.has_news()) else { continue };
            if room < BESIDE {
                (taken.more, self.first) = (true, place);
                break;
            }
            let control = body.control.clone();
            let report = control.report(room - BESIDE);
            room = room.saturating_sub(size(&report));
            tasks[place].report = report.clone();
            taken.reports.push((control, report));
        }
        taken
    }

    /// Adds what bodies told last to their ends: all of it, as no beat follows.
    pub(super) fn report_last(&self, seats: &[Seat], done: &mut [Finish]) {
        for (&seat, finish) in seats.iter().zip(done) {
            if let Some(body) = self.get(seat).filter(|body| body.control.has_news()) {
                finish.last = body.control.report(usize::MAX);
            }
        }
    }

    /// Names every body that blocks the runtime, in its task's log, once; answers whether there was one.
    pub(super) fn watch(&mut self, watchdog: &Watchdog) -> bool {
        let look = watchdog.look();
        let blocks = |body: &&mut Body| !body.warned && body.runner.mark().blocks(look);
        let mut named = false;
        for body in self.all.iter_mut().flatten().filter(blocks) {
            (body.warned, named) = (true, true);
            let message =
                format!("the body of `{}` blocks the runtime; use implement_blocking", body.served.name);
            body.control.log_at(LogLevel::Warn, message);
        }
        named
    }

    pub(super) fn abort_all(&mut self) {
        self.all.iter_mut().flatten().for_each(Body::abort);
    }
}

impl Body {
    fn abort(&mut self) {
        self.aborted = true;
        self.runner.abort();
    }
}

impl Taken {
    /// The beat got through.
    pub(super) fn strike_off(&self) {
        self.reports.iter().for_each(|(control, report)| control.heard(report));
    }

    pub(super) const fn none() -> Self {
        Self { reports: Vec::new(), more: false }
    }
}

fn size(report: &Report) -> usize {
    let logs: usize = report.logs.iter().map(|line| line.item.message.len()).sum();
    let parts: usize = report.parts.iter().map(|part| part.item.len()).sum();
    let progress = report.progress.as_ref().map_or(0, |progress| progress.item.message.len());
    logs + parts + progress + report.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.len())
}
