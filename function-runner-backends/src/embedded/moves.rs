//! How a task gets from one state to the next, whoever moves it. Rows are changed here and saved by who moves.

use std::{sync::Arc, time::Duration};

use function_runner_core::{
    AttemptEnd, EventKind, Failure, Lane, MAX_TURNS, PastAttempt, State, Task, Timestamp,
    state::{Expiry, expired},
};

use super::{fault::Step, row::Row, said::Said, store::Store};
use crate::turn::{Again, End};

/// The most tasks that are held in memory from their submit to their lease.
const MAX_RECENT: usize = 1024;

impl Store {
    /// Stores a new task, and queues it.
    pub(super) fn insert(&mut self, task: &Arc<Task>) -> Step<()> {
        let start = task.delay.map(|delay| delay.due(self.wall)).filter(|start| *start > self.wall);
        let lane = self.touch_lane(&task.lane)?;
        self.counters.numbers += 1;
        let mut row = Row::new(self.counters.numbers, task, lane, self.wall);
        self.lane_mut(lane)?.tasks += 1;
        self.queue(&mut row, start, false)?;
        self.insert_row(&row)?;
        self.insert_body(row.number, task)?;
        if self.recent.len() < MAX_RECENT {
            self.recent.insert(row.number, task.clone());
        }
        if let Some(dedupe) = &task.dedupe {
            self.keep_key(task, row.number, self.wall.after(dedupe.window))?;
        }
        self.wrote = true;
        Ok(())
    }

    /// Queues a task in its lane: to wait for its time, or ready now.
    pub(super) fn queue(&mut self, row: &mut Row, start: Option<Timestamp>, front: bool) -> Step<()> {
        row.not_before = start;
        row.delayed = start.is_some();
        let lane = self.lane_mut(row.lane)?;
        lane.waiting += 1;
        if start.is_some() {
            lane.delayed += 1;
        } else {
            self.line_up(row, front)?;
        }
        self.plan(row);
        Ok(())
    }

    /// A queued task can be given from now on.
    pub(super) fn line_up(&mut self, row: &mut Row, front: bool) -> Step<()> {
        self.put_in_line(row, front)?;
        if !self.lane(row.lane)?.paused {
            self.wake_for(row.lane)?;
        }
        Ok(())
    }

    /// Takes a task out of where it waits or runs; it is moved on at once.
    pub(super) fn leave(&mut self, row: &mut Row) -> Step<()> {
        match row.state {
            State::Running => self.let_go(row),
            _ => self.drop_out(row),
        }
    }

    fn drop_out(&mut self, row: &mut Row) -> Step<()> {
        let number = row.lane;
        let lane = self.lane_mut(number)?;
        lane.waiting -= 1;
        let empty = if std::mem::take(&mut row.delayed) {
            lane.delayed -= 1;
            lane.ready == 0
        } else {
            self.take_out_of_line(row)?
        };
        self.removed(number, row.number, empty)?;
        if empty {
            self.wake_drainers(number)?;
        }
        Ok(())
    }

    fn let_go(&mut self, row: &mut Row) -> Step<()> {
        row.ends = None;
        self.lane_mut(row.lane)?.running -= 1;
        let untold = row.cancel && !row.told;
        let worker = self.worker_mut(row.worker)?;
        worker.held -= 1;
        worker.untold -= i64::from(untold);
        Ok(())
    }

    /// Ends a task that has left where it was: its event, its retention, its follow-ups, all in this one move.
    pub(super) fn end(&mut self, row: &mut Row, end: End) -> Step<()> {
        let said = self.said_of(row)?;
        self.end_with(row, end, said)
    }

    /// As [`end`](Self::end), where what was said is at hand.
    pub(super) fn end_with(&mut self, row: &mut Row, end: End, mut said: Said) -> Step<()> {
        let behind = row.base();
        self.ended = true;
        row.finished_at = Some(self.wall);
        said.checkpoint = None;
        said.failure = None;
        if let Some(progress) = &mut said.progress {
            progress.preview = None;
        }
        let kind = match end {
            End::Succeeded(output) => {
                row.turn(State::Succeeded);
                let told = (output.len() <= function_runner_core::MAX_EVENT_OUTPUT).then(|| output.clone());
                said.output = Some(output);
                EventKind::Succeeded(told)
            }
            End::Failed(failure) => {
                row.turn(State::Failed);
                said.failure = Some(failure.clone());
                EventKind::Failed(failure)
            }
            End::Cancelled => {
                row.turn(State::Cancelled);
                EventKind::Cancelled
            }
        };
        row.keep = Some(self.wall.after(row.fixed.retention.after(row.state)));
        self.plan(row);
        self.drop_parts_of(row)?;
        self.save_said(row, &said)?;
        self.say(row, behind, kind);
        if row.fixed.followed {
            self.save(row)?;
            self.follow_up(row)?;
        }
        Ok(())
    }

    /// Queues what follows this task's end, with a copy of its terminal event as input.
    fn follow_up(&mut self, row: &Row) -> Step<()> {
        for next in self.record_of(row)?.follow_ups() {
            if self.find(&next.id)?.is_none() {
                self.insert(&Arc::new(next))?;
            }
        }
        Ok(())
    }

    /// Queues a task that was held once more; one that has had too many turns ends instead.
    pub(super) fn again(&mut self, row: &mut Row, again: Again, mut said: Said) -> Step<()> {
        if !has_turns(row) {
            let failure = Failure::permanent("it was queued again too often")
                .code("turns")
                .remedy("find out why its workers give it back, then submit it under a new id");
            return self.end_with(row, End::Failed(failure), said);
        }
        let behind = row.base();
        row.turn(State::Queued);
        row.queued_at = self.wall;
        said.progress = None;
        self.drop_parts_of(row)?;
        self.save_said(row, &said)?;
        let start = (!again.after.is_zero()).then(|| self.wall.after(again.after));
        self.say(row, behind, again.event);
        self.queue(row, start, again.front)
    }

    /// A claim has run out: its worker died, or its reply was lost on the way.
    pub(super) fn expire(&mut self, row: &mut Row) -> Step<()> {
        let worker = self.worker(row.worker)?;
        // a later beat left the task out although the ask that took it had ended: the worker never knew of it
        let lost_reply = worker.beat > row.renewed && worker.ended >= row.ask;
        let id = worker.id.clone();
        self.leave(row)?;
        let mut said = self.said_of(row)?;
        match expired(row.cancel, lost_reply, row.crashes, row.fixed.max_crashes) {
            Expiry::Cancelled => return self.end_with(row, End::Cancelled, said),
            Expiry::Dead { crashes } => {
                row.crashes = crashes;
                said.remember(PastAttempt::new(row.attempt, id, AttemptEnd::Lost, self.wall));
                return self.end_with(row, End::Failed(Failure::crashed(crashes)), said);
            }
            Expiry::Front { crashes, suspect } => {
                row.crashes = crashes;
                if suspect {
                    let twin = self.lane(row.lane)?.name.twin();
                    self.change_lane(row, &twin)?;
                }
            }
        }
        said.remember(PastAttempt::new(row.attempt, id, AttemptEnd::Lost, self.wall));
        self.again(row, Again { event: EventKind::Lost, after: Duration::ZERO, front: true }, said)
    }

    /// A task that is neither queued nor held is kept in another lane.
    pub(super) fn change_lane(&mut self, row: &mut Row, lane: &Lane) -> Step<()> {
        let number = self.touch_lane(lane)?;
        self.lane_mut(row.lane)?.tasks -= 1;
        self.lane_mut(number)?.tasks += 1;
        row.lane = number;
        Ok(())
    }

    /// Forgets a task that has ended.
    pub(super) fn forget(&mut self, row: &Row) -> Step<()> {
        self.wrote = true;
        self.recent.remove(&row.number);
        for query in [
            "DELETE FROM task WHERE number = ?1",
            "DELETE FROM body WHERE number = ?1",
            "DELETE FROM said WHERE number = ?1",
            "DELETE FROM dedupe WHERE number = ?1",
        ] {
            self.sql.prepare_cached(query)?.execute([row.number])?;
        }
        self.lane_mut(row.lane)?.tasks -= 1;
        Ok(())
    }

    fn drop_parts_of(&mut self, row: &mut Row) -> Step<()> {
        if std::mem::take(&mut row.parts) { self.drop_parts(row.number) } else { Ok(()) }
    }
}

/// Whether a task can be queued again: one turn more must be left for its end.
pub(super) const fn has_turns(row: &Row) -> bool {
    row.turns + 2 < MAX_TURNS
}
