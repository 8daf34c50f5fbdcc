//! What operators do.

use function_runner_core::{Operate as _, State, TaskId, Weight};

use super::{Drive, check, lane, poll::complete, tasks::tenant};
use crate::model::{difference::Differs, op::Op};

impl Drive<'_> {
    /// Does what an operator does, where the subject lets them.
    pub(super) fn operate(&mut self, op: &Op) -> Result<(), Differs> {
        match op {
            Op::Pause { lane } => self.pause(*lane, true),
            Op::Resume { lane } => self.pause(*lane, false),
            Op::Drain { worker } => self.drain(*worker),
            Op::Requeue { which } => self.requeue(*which, true),
            Op::Purge { which } => self.requeue(*which, false),
            Op::Weigh { tenant, weight } => self.weigh(*tenant, *weight),
            op => self.list(op),
        }
    }

    fn pause(&mut self, number: u8, pauses: bool) -> Result<(), Differs> {
        let Some(operate) = self.connection().operate.clone() else { return Ok(()) };
        let paused: Vec<_> = self.model.paused().into_iter().filter(|lane| !lane.is_twin()).collect();
        let lane = match paused.get(usize::from(number) % paused.len().max(1)) {
            // what is paused is what can be resumed
            Some(lane) if !pauses && number < 200 => lane.clone(),
            _ => lane(number),
        };
        self.serve_first()?;
        self.say(format_args!("{} {lane}", if pauses { "pause" } else { "resume" }));
        if pauses {
            self.model.pause(&lane);
            return check::done("pause", &Ok(()), complete(operate.pause(&lane)));
        }
        self.model.resume(&lane);
        check::done("resume", &Ok(()), complete(operate.resume(&lane)))
    }

    fn drain(&mut self, number: u8) -> Result<(), Differs> {
        let Some(operate) = self.connection().operate.clone() else { return Ok(()) };
        // whether a worker that may be dead can be drained, nothing says
        let perhaps = self.model.perhaps();
        let sure = self.actors.iter().map(|actor| &actor.id).filter(|id| !perhaps.contains(id));
        let all: Vec<_> = sure.cloned().collect();
        let Some(id) = all.get(usize::from(number) % all.len().max(1)) else { return Ok(()) };
        self.serve_first()?;
        self.say(format_args!("drain {id}"));
        let expected = self.model.drain(id);
        check::done("drain", &expected, complete(operate.drain(id)))
    }

    fn requeue(&mut self, which: u8, requeues: bool) -> Result<(), Differs> {
        let Some(operate) = self.connection().operate.clone() else { return Ok(()) };
        let failed = self.model.rows.iter().filter(|row| row.state == State::Failed);
        let failed: Vec<TaskId> = failed.map(|row| row.task.id.clone()).collect();
        let id = match failed.get(usize::from(which) % failed.len().max(1)) {
            Some(id) if which < 200 => id.clone(),
            _ => self.id(which),
        };
        self.serve_first()?;
        self.say(format_args!("{} {id}", if requeues { "requeue" } else { "purge" }));
        if requeues {
            let expected = self.model.requeue(&id);
            return check::done("requeue", &expected, complete(operate.requeue(&id)));
        }
        let expected = self.model.purge(&id);
        check::done("purge", &expected, complete(operate.purge(&id)))
    }

    fn weigh(&mut self, number: u8, weight: u8) -> Result<(), Differs> {
        let Some(operate) = self.connection().operate.clone() else { return Ok(()) };
        let tenant = tenant(1 + number % 2).expect("the first of them alone is none");
        let weight = [128, 16, 256, 2048][usize::from(weight) % 4];
        let weight = Weight::new(weight).expect("each of these is a weight");
        self.say(format_args!("give {tenant} the weight {}", weight.value()));
        self.model.weigh(&tenant, weight);
        check::done("a weight", &Ok(()), complete(operate.set_weight(&tenant, weight)))
    }
}
