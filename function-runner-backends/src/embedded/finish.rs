//! Ending attempts.

use function_runner_core::{
    AttemptEnd, EventKind, Finish, Finished, Outcome, PastAttempt, State,
    state::{self, Next},
};

use super::{fault::Step, row::Row, said::Said, store::Store};
use crate::turn::{Again, End};

impl Store {
    /// The end of an attempt, and what becomes of its task.
    pub(super) fn finish(&mut self, finish: Finish) -> Step<Finished> {
        let Some(mut row) = self.claimed(&finish.key)? else { return self.finished_before(&finish) };
        if !finish.last.is_empty() {
            self.hear(&mut row, finish.last)?;
        }
        let mut said = self.said_of(&row)?;
        let queued = row.started_at.unwrap_or_default().since(row.queued_at);
        said.usage = Some(finish.usage.waited(queued));
        let next = state::next(row.state, row.cancel, finish.outcome.as_move());
        self.leave(&mut row)?;
        match next {
            Some(Next::To(State::Cancelled)) => self.end_with(&mut row, End::Cancelled, said)?,
            _ => self.conclude(&mut row, finish.outcome, said)?,
        }
        row.finished = row.state.is_terminal();
        self.save(&row)?;
        Ok(Finished::Done(row.state))
    }

    fn conclude(&mut self, row: &mut Row, outcome: Outcome, mut said: Said) -> Step<()> {
        match outcome {
            Outcome::Succeeded(output) => self.end_with(row, End::Succeeded(output), said),
            Outcome::Failed(failure) => self.end_with(row, End::Failed(failure), said),
            Outcome::Cancelled => self.end_with(row, End::Cancelled, said),
            Outcome::Retry { failure, after } => {
                said.remember(self.past(row, AttemptEnd::Failed(failure.clone()))?);
                row.failed += 1;
                said.failure = Some(failure.clone());
                let event = EventKind::Retrying { failure, after };
                self.again(row, Again { event, after, front: false }, said)
            }
            Outcome::Released { after } => {
                said.remember(self.past(row, AttemptEnd::Released)?);
                let front = after.is_zero();
                if !front {
                    // a worker that stops gives back at once: one that names a time has found the task too large
                    self.lane_mut(row.lane)?.outsized = Some(row.number);
                }
                self.again(row, Again { event: EventKind::Released, after, front }, said)
            }
        }
    }

    fn past(&mut self, row: &Row, end: AttemptEnd) -> Step<PastAttempt> {
        Ok(PastAttempt::new(row.attempt, self.worker_id(row.worker)?, end, self.wall))
    }

    /// A finish that ended its task and is sent again is answered as before; any other came too late.
    fn finished_before(&self, finish: &Finish) -> Step<Finished> {
        let row = self.row_of(&finish.key.id)?;
        let own = row.filter(|row| row.finished && row.fence == finish.key.fence);
        Ok(own.map_or(Finished::Lost, |row| Finished::Done(row.state)))
    }
}
