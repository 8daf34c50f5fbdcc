//! Ending attempts.

use function_runner_core::{
    AttemptEnd, EventKind, Finish, Finished, Outcome, State,
    state::{self, Next},
};

use super::store::Store;
use crate::turn::{Again, End};

impl Store {
    /// The end of an attempt, and what becomes of its task.
    pub(super) fn finish(&mut self, finish: Finish) -> Finished {
        let Some(at) = self.claimed(&finish.key) else { return self.finished_before(&finish) };
        if !finish.last.is_empty() {
            self.hear(at, finish.last);
        }
        let row = &mut self.rows[at];
        let queued = row.started_at.unwrap_or_default().since(row.queued_at);
        row.usage = Some(finish.usage.waited(queued));
        let next = state::next(row.state, row.cancel, finish.outcome.as_move());
        self.leave(at);
        match next {
            Some(Next::To(State::Cancelled)) => self.end(at, End::Cancelled),
            _ => self.conclude(at, finish.outcome),
        }
        let row = &mut self.rows[at];
        row.finished = row.state.is_terminal();
        Finished::Done(row.state)
    }

    fn conclude(&mut self, at: u32, outcome: Outcome) {
        match outcome {
            Outcome::Succeeded(output) => self.end(at, End::Succeeded(output)),
            Outcome::Failed(failure) => self.end(at, End::Failed(failure)),
            Outcome::Cancelled => self.end(at, End::Cancelled),
            Outcome::Retry { failure, after } => {
                self.remember(at, AttemptEnd::Failed(failure.clone()));
                let row = &mut self.rows[at];
                row.failed += 1;
                row.more().failure = Some(failure.clone());
                self.again(at, Again { event: EventKind::Retrying { failure, after }, after, front: false });
            }
            Outcome::Released { after } => {
                self.remember(at, AttemptEnd::Released);
                let front = after.is_zero();
                if !front {
                    // a worker that stops gives back at once: one that names a time has found the task too large
                    let key = self.key(at);
                    self.reserve.released_for_size(&self.lanes[self.rows[at].lane].lane, key);
                }
                self.again(at, Again { event: EventKind::Released, after, front });
            }
        }
    }

    fn remember(&mut self, at: u32, end: AttemptEnd) {
        let row = &mut self.rows[at];
        row.remember(self.workers[row.claim.worker].id.clone(), end, self.now);
    }

    /// A finish that ended its task and is sent again is answered as before; any other came too late.
    fn finished_before(&self, finish: &Finish) -> Finished {
        let row = self.known(&finish.key.id).map(|at| &self.rows[at]);
        let own = row.filter(|row| row.finished && row.claim.fence == finish.key.fence);
        own.map_or(Finished::Lost, |row| Finished::Done(row.state))
    }
}
