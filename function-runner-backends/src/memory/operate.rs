//! What an operator does: pauses, drains, second lives.

use function_runner_core::{
    By, Error, ErrorKind, EventKind, Lane, Result, State, TaskId, WorkerId,
    state::{self, Move, Next},
};

use super::store::{Store, unknown};

impl Store {
    /// Gives nothing more of this lane and its twin.
    pub(super) fn pause(&mut self, lane: &Lane) {
        self.serve(By::Caller);
        self.order.pause(lane);
        self.paused.insert(lane.clone());
        // nobody drains for a lane that gives nothing
        for lane in [lane, &lane.twin()] {
            if let Some(number) = self.lanes.find(lane) {
                self.wake_drainers(number);
            }
        }
    }

    /// Gives tasks of this lane and its twin again, and wakes as many calls as there are tasks.
    pub(super) fn resume(&mut self, lane: &Lane) {
        self.serve(By::Caller);
        self.order.resume(lane);
        for lane in [lane, &lane.twin()] {
            self.paused.remove(lane);
            let Some(number) = self.lanes.find(lane) else { continue };
            let ready = self.order.len(lane).min(self.lanes[number].beds.len());
            (0..ready).for_each(|_| self.wake_for(number));
        }
    }

    /// Asks a worker to finish what it has and leave.
    pub(super) fn drain(&mut self, worker: &WorkerId) -> Result<()> {
        self.serve(By::Caller);
        let live = self.workers.by_id(worker).is_some_and(|worker| worker.is_live(self.now, &self.times));
        let Some(number) = self.workers.find(worker).filter(|_| live) else {
            let error =
                Error::new(ErrorKind::InvalidCall, "no such worker lives").with_context("worker", worker);
            return Err(error.with_help("list the workers to see which do"));
        };
        let row = &mut self.workers[number];
        if !std::mem::replace(&mut row.draining, true) {
            row.drain_told = false;
            self.wake_worker(number);
        }
        Ok(())
    }

    /// Gives a dead letter another life under the same id.
    pub(super) fn requeue(&mut self, id: &TaskId) -> Result<()> {
        let at = self.dead(id)?;
        if !self.has_turns(at) {
            let error = Error::new(ErrorKind::NotDead, "the task was queued too often to be queued again");
            return Err(error.with_task(id).with_help("submit it under a new id"));
        }
        self.unkeep(at);
        let row = &mut self.rows[at];
        row.turn(State::Queued);
        (row.attempt, row.failed, row.crashes) = (0, 0, 0);
        (row.started_at, row.finished_at, row.usage) = (None, None, None);
        (row.cancel, row.finished) = (false, false);
        row.queued_at = self.now;
        row.deadline = row.deadline.filter(|deadline| *deadline > self.now);
        let lane = row.task.lane.clone();
        if let Some(more) = &mut row.more {
            more.progress = None;
        }
        self.change_lane(at, &lane);
        self.say(at, |_| EventKind::Requeued);
        self.queue(at, None, false);
        Ok(())
    }

    /// Forgets a dead letter.
    pub(super) fn purge(&mut self, id: &TaskId) -> Result<()> {
        let at = self.dead(id)?;
        self.forget(at);
        Ok(())
    }

    fn dead(&mut self, id: &TaskId) -> Result<u32> {
        self.serve(By::Caller);
        let at = self.find(id).ok_or_else(|| unknown(id))?;
        let row = &self.rows[at];
        match state::next(row.state, row.cancel, Move::Requeue) {
            Some(Next::To(State::Queued)) => Ok(at),
            _ => {
                let message = format!("the task is {}, not a dead letter", row.state.as_str());
                Err(Error::new(ErrorKind::NotDead, message).with_task(id))
            }
        }
    }
}
