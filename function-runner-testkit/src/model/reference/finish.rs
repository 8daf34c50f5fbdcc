//! Ending attempts.

use function_runner_core::{
    AttemptEnd, EventKind, Finish, Finished, Outcome, PastAttempt, State, Usage, WorkerId,
};

use super::{
    Model,
    moves::{Again, End},
};

impl Model {
    /// The end of an attempt; the answers that may come.
    pub(in crate::model) fn finish(&mut self, finish: &Finish) -> Vec<Finished> {
        self.begin();
        let Some(at) = self.held_by(&finish.key) else { return self.sent_again(finish) };
        self.hear(at, &finish.last);
        let row = &mut self.rows[at];
        let queued = row.started_at.unwrap_or_default().since(row.queued_at);
        let mut usage: Usage = finish.usage;
        usage.queued_ms = u64::try_from(queued.as_millis()).unwrap_or(u64::MAX);
        row.usage = Some(usage);
        let worker = row.claim.take().map(|claim| claim.worker);
        match &finish.outcome {
            _ if row.cancel => self.end(at, End::Cancelled),
            Outcome::Succeeded(output) => self.end(at, End::Succeeded(output.clone())),
            Outcome::Failed(failure) => self.end(at, End::Failed(failure.clone())),
            Outcome::Cancelled => self.end(at, End::Cancelled),
            Outcome::Retry { failure, after } => {
                self.remember(at, worker, AttemptEnd::Failed(failure.clone()));
                let row = &mut self.rows[at];
                row.failed += 1;
                (row.failure, row.failure_is_told) = (Some(failure.clone()), true);
                let event = EventKind::Retrying { failure: failure.clone(), after: *after };
                self.again(at, Again { event, after: *after, front: false });
            }
            Outcome::Released { after } => {
                self.remember(at, worker, AttemptEnd::Released);
                let row = &mut self.rows[at];
                row.failure_is_told = false;
                if !after.is_zero() {
                    let (lane, id) = (row.lane.clone(), row.task.id.clone());
                    self.outsized.retain(|(of, _)| *of != lane);
                    self.outsized.push((lane, id));
                }
                let front = after.is_zero();
                self.again(at, Again { event: EventKind::Released, after: *after, front });
            }
        }
        self.pushes.clear();
        let row = &mut self.rows[at];
        row.ended_by = row.state.is_terminal().then_some(finish.key.fence);
        vec![Finished::Done(row.state)]
    }

    fn remember(&mut self, at: usize, worker: Option<WorkerId>, end: AttemptEnd) {
        let Some(worker) = worker else { return };
        let row = &mut self.rows[at];
        row.history.push(PastAttempt::new(row.attempt, worker, end, self.now));
    }

    fn sent_again(&self, finish: &Finish) -> Vec<Finished> {
        let Some(row) = self.find(&finish.key.id) else {
            let gone = self.gone.iter().filter(|(key, _)| *key == finish.key);
            return gone.map(|(_, state)| Finished::Done(*state)).chain([Finished::Lost]).collect();
        };
        if row.ended_by == Some(finish.key.fence) {
            return vec![Finished::Done(row.state)];
        }
        let goes_on = matches!(finish.outcome, Outcome::Retry { .. } | Outcome::Released { .. });
        if goes_on && row.state == State::Queued && row.fence == finish.key.fence {
            return vec![Finished::Lost, Finished::Done(State::Queued)];
        }
        vec![Finished::Lost]
    }
}
