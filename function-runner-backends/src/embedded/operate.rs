//! What an operator does: pauses, drains, second lives.

use function_runner_core::{
    By, Error, ErrorKind, EventKind, Lane, State, TaskId, WorkerId,
    state::{self, Move, Next},
};

use super::{fault::Step, moves::has_turns, row::Row, store::Store};

impl Store {
    /// Gives nothing more of this lane and its twin.
    pub(super) fn pause(&mut self, lane: &Lane) -> Step<()> {
        self.serve(By::Caller)?;
        for (name, named) in [(lane.clone(), true), (lane.twin(), lane.is_twin())] {
            let number = self.touch_lane(&name)?;
            let row = self.lane_mut(number)?;
            row.paused = true;
            row.named |= named;
            // nobody drains for a lane that gives nothing
            self.wake_drainers(number)?;
        }
        self.wrote = true;
        Ok(())
    }

    /// Gives tasks of this lane and its twin again, and wakes as many calls as there are tasks.
    pub(super) fn resume(&mut self, lane: &Lane) -> Step<()> {
        self.serve(By::Caller)?;
        for name in [lane.clone(), lane.twin()] {
            let Some(number) = self.find_lane(&name)? else { continue };
            let row = self.lane_mut(number)?;
            row.named = false;
            if std::mem::replace(&mut row.paused, false)
                && let Some(head) = self.first(number)?
            {
                self.put_at_reach(number, head.tag)?;
            }
            for _ in 0..self.lane(number)?.ready.min(self.sleepers.len_on(number)) {
                self.wake_for(number)?;
            }
        }
        self.wrote = true;
        Ok(())
    }

    /// Asks a worker to finish what it has and leave.
    pub(super) fn drain(&mut self, worker: &WorkerId) -> Step<()> {
        self.serve(By::Caller)?;
        let (now, times) = (self.steady, self.times);
        let number = match self.find_worker(worker)? {
            Some(number) if self.worker(number)?.is_live(now, &times) => number,
            _ => {
                let error =
                    Error::new(ErrorKind::InvalidCall, "no such worker lives").with_context("worker", worker);
                return Err(error.with_help("list the workers to see which do").into());
            }
        };
        let row = self.worker_mut(number)?;
        if !std::mem::replace(&mut row.draining, true) {
            row.drain_told = false;
            self.wake_worker(number)?;
        }
        self.wrote = true;
        Ok(())
    }

    /// Gives a dead letter another life under the same id.
    pub(super) fn requeue(&mut self, id: &TaskId) -> Step<()> {
        let mut row = self.dead(id)?;
        if !has_turns(&row) {
            let error = Error::new(ErrorKind::NotDead, "the task was queued too often to be queued again");
            return Err(error.with_task(id).with_help("submit it under a new id").into());
        }
        let behind = row.base();
        row.turn(State::Queued);
        (row.attempt, row.failed, row.crashes) = (0, 0, 0);
        (row.started_at, row.finished_at, row.keep) = (None, None, None);
        (row.cancel, row.finished) = (false, false);
        row.queued_at = self.wall;
        row.deadline = row.deadline.filter(|deadline| *deadline > self.wall);
        let mut said = self.said_of(&row)?;
        (said.usage, said.progress) = (None, None);
        self.save_said(&mut row, &said)?;
        let plain = self.lane(row.lane)?.name.plain();
        self.change_lane(&mut row, &plain)?;
        self.say(&row, behind, EventKind::Requeued);
        self.queue(&mut row, None, false)?;
        self.save(&row)
    }

    /// Forgets a dead letter.
    pub(super) fn purge(&mut self, id: &TaskId) -> Step<()> {
        let row = self.dead(id)?;
        self.forget(&row)
    }

    fn dead(&mut self, id: &TaskId) -> Step<Row> {
        self.serve(By::Caller)?;
        let row = self.known(id)?;
        match state::next(row.state, row.cancel, Move::Requeue) {
            Some(Next::To(State::Queued)) => Ok(row),
            _ => {
                let message = format!("the task is {}, not a dead letter", row.state.as_str());
                Err(Error::new(ErrorKind::NotDead, message).with_task(id).into())
            }
        }
    }
}
