//! What callers do: submit, look up, watch, cancel.

use function_runner_core::{Phase, Seen, Task, TaskId, seq};

use super::{
    Drive, check,
    poll::{Flag, complete},
    settle::{Open, Reading},
    tasks::words_of,
};
use crate::model::{
    difference::{Differs, differs},
    op::Wish,
    reference::Row,
};

impl Drive<'_> {
    pub(super) fn submit(&mut self, wishes: &[Wish], drop_woken: bool) -> Result<(), Differs> {
        let tasks = self.tasks(wishes);
        if tasks.is_empty() {
            return Ok(());
        }
        self.send(tasks)?;
        if drop_woken && self.subject.is_apart() {
            return self.drop_answered();
        }
        if drop_woken {
            let woken = |call: &Open| call.is_woken();
            while let Some(at) = self.calls.iter().position(woken) {
                let call = self.calls.remove(at);
                self.say(format_args!(
                    "the call of {} that this woke is dropped before it looks",
                    call.worker()
                ));
                self.drop_call(call);
            }
        }
        Ok(())
    }

    /// A task that was submitted before is sent once more.
    pub(super) fn submit_again(
        &mut self,
        which: u8,
        changed: bool,
        beside: Option<&Wish>,
        twice: bool,
    ) -> Result<(), Differs> {
        let own = self.model.rows.iter().filter(|row| self.ids.contains(&row.task.id));
        let known: Vec<Task> = own.map(|row| Task::clone(&row.task)).collect();
        let Some(task) = known.get(usize::from(which) % known.len().max(1)) else { return Ok(()) };
        let mut task = task.clone();
        if changed {
            task.labels.insert("changed".to_owned(), "yes".to_owned());
        }
        let mut tasks = beside.map_or_else(Vec::new, |wish| self.tasks(std::slice::from_ref(wish)));
        if twice {
            tasks.push(task.clone());
        }
        tasks.push(task);
        self.send(tasks)
    }

    fn send(&mut self, tasks: Vec<Task>) -> Result<(), Differs> {
        let words: Vec<String> = tasks.iter().map(words_of).collect();
        self.say(format_args!("submit {}", words.join("; and ")));
        let asleep = self.calls.iter().filter(|call| !call.is_woken()).count();
        let quiet = !self.model.has_due();
        let expected = self.model.admit(&tasks);
        let Some(answer) = complete(self.queue.submit(tasks.clone())) else {
            return differs("submit", &expected, "no answer");
        };
        let taken = check::submitted(&expected, &answer)?;
        let stored: Vec<Task> =
            tasks.into_iter().zip(taken).filter(|(_, new)| *new).map(|(task, _)| task).collect();
        self.ids.extend(stored.iter().map(|task| task.id.clone()));
        let plain = |task: &Task| task.delay.is_none() && task.deadline.is_none();
        let one = (stored.len() == 1 && quiet && stored.iter().all(plain)).then(|| stored[0].clone());
        self.model.store(stored.into_iter());
        if let Some(task) = one.filter(|_| self.subject.is_manual() && !self.subject.is_many()) {
            self.one_is_woken(&task, asleep)?;
        }
        Ok(())
    }

    /// One submit wakes one call of those that wait for it, a warm one first.
    fn one_is_woken(&self, task: &Task, asleep: usize) -> Result<(), Differs> {
        let woken: Vec<_> = self.calls.iter().filter(|call| call.is_woken()).collect();
        let before = self.calls.len() - asleep;
        if woken.len() > before + 1 {
            let actual = format!("{} calls", woken.len() - before);
            return differs("whom one submit wakes", "one call", actual);
        }
        let is_warm = |call: &&Open| call.asks_for(&task.lane) == Some(true);
        let sleeps_warm = self.calls.iter().filter(|call| !call.is_woken()).any(|call| is_warm(&call));
        let cold = woken.iter().find(|call| call.asks_for(&task.lane) == Some(false));
        match cold.filter(|_| sleeps_warm && before == 0) {
            Some(cold) => differs("whom one submit wakes", "a worker whose model is loaded", cold.worker()),
            None => Ok(()),
        }
    }

    pub(super) fn cancel(&mut self, which: u8) -> Result<(), Differs> {
        self.serve_first()?;
        let id = self.id(which);
        self.say(format_args!("cancel {id}"));
        let expected = self.model.cancel(&id);
        check::done("cancel", &expected, complete(self.queue.cancel(&id)))
    }

    pub(super) fn look_at(&mut self, which: u8) -> Result<(), Differs> {
        let id = self.id(which);
        self.record(&id)
    }

    pub(super) fn record(&mut self, id: &TaskId) -> Result<(), Differs> {
        self.say(format_args!("read the record of {id}"));
        let tolerance = self.tolerance;
        let expected = self.model.look_up(id).cloned();
        let Some(answer) = complete(self.queue.record(id)) else {
            return differs(format_args!("the record of {id}"), "an answer", "none");
        };
        match (expected, answer) {
            (Ok(row), Ok(record)) => check::record(&row, self.model.ahead(&row), &record, tolerance),
            (Err(kind), Err(error)) => check::error(&format!("the record of {id}"), kind, id, &error),
            (expected, answer) => {
                let expected = expected.map(|row| row.state);
                differs(format_args!("the record of {id}"), expected, answer.map(|record| record.state))
            }
        }
    }

    /// A call that serves timers, where something is due: of those that may serve them or not.
    pub(super) fn serve_first(&mut self) -> Result<(), Differs> {
        if !self.model.has_due() {
            return Ok(());
        }
        let unfinished = self.model.rows.iter().find(|row| !row.state.is_terminal());
        match unfinished.map(|row| row.task.id.clone()) {
            Some(id) => self.record(&id),
            None => Ok(()),
        }
    }

    pub(super) fn watch(&mut self, which: u8, seen: u8) -> Result<(), Differs> {
        self.serve_first()?;
        let id = self.id(which);
        let expected = self.model.look_up(&id).cloned();
        let after = expected.as_ref().map_or(Seen::default(), |row| seen_of(row, seen));
        self.say(format_args!("watch {id} after {} with {} parts", after.seq, after.parts));
        let Some(answer) = complete(self.queue.watch(&id, after)) else {
            return differs(format_args!("the watch of {id}"), "an answer", "none");
        };
        match (expected, answer) {
            (Ok(_), Ok(stream)) => {
                self.count += 1;
                self.model.watch(&id, after, self.count);
                self.readings.push(Reading {
                    number: self.count,
                    stream,
                    flag: Flag::new(),
                    late: Vec::new(),
                });
                Ok(())
            }
            (Err(kind), Err(error)) => check::error(&format!("the watch of {id}"), kind, &id, &error),
            (expected, answer) => {
                let answer = answer.map(|_| "a stream");
                differs(format_args!("the watch of {id}"), expected.map(|_| "a stream"), answer)
            }
        }
    }

    pub(super) fn unwatch(&mut self, which: u8) {
        if self.readings.is_empty() {
            return;
        }
        let at = usize::from(which) % self.readings.len();
        let reading = self.readings.remove(at);
        self.model.hearings.retain(|hearing| hearing.number != reading.number);
        self.say("a watch is dropped");
    }
}

/// Where a reader may be who comes to this task.
fn seen_of(row: &Row, which: u8) -> Seen {
    let parts = row.parts.len() as u64;
    match which % 7 {
        0 => Seen::default(),
        1 => Seen { seq: row.seq(), parts },
        2 => Seen { seq: row.seq() - 1, parts },
        3 => Seen { seq: row.seq(), parts: parts / 2 },
        4 => Seen { seq: seq(1, Phase::Stopping, u32::MAX), parts: 0 },
        5 => Seen { seq: seq(row.turns, Phase::Still, 0), parts: 0 },
        _ => Seen { seq: seq(row.turns.saturating_sub(1), Phase::Running, 1), parts: 1 },
    }
}
