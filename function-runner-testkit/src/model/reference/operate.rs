//! What callers and operators ask of a task or a lane.

use function_runner_core::{ErrorKind, EventKind, Lane, State, TaskId, Tenant, Weight, WorkerId};

use super::{Known, Model, moves::End};

impl Model {
    /// A task is to end.
    pub(in crate::model) fn cancel(&mut self, id: &TaskId) -> Result<(), ErrorKind> {
        self.call();
        let at = self.at(id).ok_or(ErrorKind::UnknownTask)?;
        let row = &mut self.rows[at];
        match row.state {
            State::Queued => {
                row.cancel = true;
                self.drop_out(at);
                self.end(at, End::Cancelled);
            }
            State::Running if !row.cancel => {
                (row.cancel, row.told, row.shown) = (true, false, 0);
                self.say(at, EventKind::CancelRequested);
            }
            _ => {}
        }
        self.pushes.clear();
        Ok(())
    }

    pub(in crate::model) fn pause(&mut self, lane: &Lane) {
        self.call();
        self.order.pause(lane);
    }

    pub(in crate::model) fn resume(&mut self, lane: &Lane) {
        self.call();
        self.order.resume(lane);
    }

    /// A worker is to stop; whether it may be answered that none such lives.
    pub(in crate::model) fn drain(&mut self, worker: &WorkerId) -> Result<(), ErrorKind> {
        self.call();
        if self.known(worker) != Known::Yes {
            return Err(ErrorKind::InvalidCall);
        }
        let worker = self.worker(worker);
        worker.drain_told &= worker.draining;
        worker.draining = true;
        Ok(())
    }

    /// A dead letter lives again.
    pub(in crate::model) fn requeue(&mut self, id: &TaskId) -> Result<(), ErrorKind> {
        let at = self.dead(id)?;
        let now = self.now;
        let row = &mut self.rows[at];
        row.state = State::Queued;
        row.turns += 1;
        (row.attempt, row.failed, row.crashes) = (0, 0, 0);
        (row.started_at, row.finished_at, row.usage, row.progress) = (None, None, None, None);
        (row.cancel, row.ended_by, row.failure_is_told) = (false, None, false);
        row.queued_at = now;
        row.deadline = row.deadline.filter(|deadline| *deadline > now);
        row.lane = row.task.lane.clone();
        self.say(at, EventKind::Requeued);
        self.queue(at, None, false);
        self.pushes.clear();
        Ok(())
    }

    /// A dead letter is forgotten.
    pub(in crate::model) fn purge(&mut self, id: &TaskId) -> Result<(), ErrorKind> {
        let at = self.dead(id)?;
        self.rows.remove(at);
        self.purge_key(id);
        Ok(())
    }

    fn dead(&mut self, id: &TaskId) -> Result<usize, ErrorKind> {
        self.call();
        let at = self.at(id).ok_or(ErrorKind::UnknownTask)?;
        if self.rows[at].state == State::Failed { Ok(at) } else { Err(ErrorKind::NotDead) }
    }

    pub(in crate::model) fn weigh(&mut self, tenant: &Tenant, weight: Weight) {
        if weight == Weight::default() {
            self.weights.remove(tenant);
        } else {
            self.weights.insert(tenant.clone(), weight);
        }
    }
}
