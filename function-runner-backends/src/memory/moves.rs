//! How a task gets from one state to the next, whoever moves it.

use std::{sync::Arc, time::Duration};

use function_runner_core::{
    AttemptEnd, EventKind, Failure, Lane, MAX_TURNS, State, Task, Timestamp, WorkerId,
    schedule::Flow,
    state::{Expiry, expired},
};

use super::{
    row::{Key, Row},
    store::Store,
};
use crate::turn::{Again, End};

impl Store {
    /// Stores a new task whose id has this hash, and queues it.
    pub(super) fn insert(&mut self, task: Arc<Task>, hash: u32) {
        let start = task.delay.map(|delay| delay.due(self.now)).filter(|start| *start > self.now);
        let lane = self.lanes.enter(&task.lane);
        self.numbers += 1;
        let at = self.rows.insert(Row::new(task, hash, self.numbers, lane, self.now));
        self.newest.insert(self.numbers, at);
        let task = &self.rows[at].task;
        self.ids.insert(hash, at);
        if let Some(dedupe) = &task.dedupe {
            let until = self.now.after(dedupe.window);
            self.keys.insert(task, until);
        }
        self.queue(at, start, false);
    }

    /// Queues a task in its lane: to wait for its time, or ready now.
    pub(super) fn queue(&mut self, at: u32, start: Option<Timestamp>, front: bool) {
        let row = &mut self.rows[at];
        row.not_before = start;
        row.delayed = start.is_some();
        let lane = row.lane;
        self.lanes[lane].waiting += 1;
        if start.is_some() {
            self.lanes[lane].delayed += 1;
        } else {
            self.line_up(at, front);
        }
        self.plan(at);
    }

    /// A queued task can be given from now on.
    pub(super) fn line_up(&mut self, at: u32, front: bool) {
        let row = &self.rows[at];
        let (lane, key) = (row.lane, self.key(at));
        let name = &self.lanes[lane].lane;
        let tag = if front {
            self.order.push_front(name, key)
        } else {
            let flow = Flow::new(row.task.tenant.clone(), row.task.priority);
            self.order.push(name, &flow, row.task.increment, key)
        };
        self.rows[at].tag = tag;
        if !self.paused(lane) {
            self.wake_for(lane);
        }
    }

    /// Takes a task out of where it waits or runs; it is moved on at once.
    pub(super) fn leave(&mut self, at: u32) {
        match self.rows[at].state {
            State::Running => self.let_go(at),
            _ => self.drop_out(at),
        }
    }

    fn drop_out(&mut self, at: u32) {
        let key = self.key(at);
        let row = &mut self.rows[at];
        let number = row.lane;
        let lane = &mut self.lanes[number];
        lane.waiting -= 1;
        if std::mem::take(&mut row.delayed) {
            lane.delayed -= 1;
        } else {
            self.order.remove(&lane.lane, row.tag, &key);
        }
        let empty = self.order.len(&lane.lane) == 0;
        self.reserve.removed(&lane.lane, &key, empty);
        if empty {
            self.wake_drainers(number);
        }
    }

    fn let_go(&mut self, at: u32) {
        self.unchain(at);
        let row = &self.rows[at];
        let untold = row.cancel && !row.told;
        self.lanes[row.lane].running -= 1;
        let worker = &mut self.workers[row.claim.worker];
        worker.held -= 1;
        worker.untold -= u32::from(untold);
    }

    /// Ends a task that has left where it was: its event, its retention, its follow-ups, all in this one move.
    pub(super) fn end(&mut self, at: u32, end: End) {
        let row = &mut self.rows[at];
        row.finished_at = Some(self.now);
        if let Some(more) = &mut row.more {
            more.checkpoint = None;
            more.failure = None;
            if let Some(progress) = &mut more.progress {
                progress.preview = None;
            }
        }
        match end {
            End::Succeeded(output) => {
                row.turn(State::Succeeded);
                row.output = Some(output);
            }
            End::Failed(failure) => {
                row.turn(State::Failed);
                row.more().failure = Some(failure);
            }
            End::Cancelled => row.turn(State::Cancelled),
        }
        self.plan(at);
        self.keep(at);
        self.say_end(at);
        if !self.rows[at].task.follow_ups.is_empty() {
            self.follow_up(at);
        }
    }

    /// Queues what follows this task's end, with a copy of its terminal event as input.
    fn follow_up(&mut self, at: u32) {
        for next in self.rows[at].record().follow_ups() {
            let hash = self.ids.hash(&next.id);
            if self.find_hashed(&next.id, hash).is_none() {
                self.insert(Arc::new(next), hash);
            }
        }
    }

    /// Queues a task that was held once more; one that has had too many turns ends instead.
    pub(super) fn again(&mut self, at: u32, again: Again) {
        if !self.has_turns(at) {
            let failure = Failure::permanent("it was queued again too often")
                .code("turns")
                .remedy("find out why its workers give it back, then submit it under a new id");
            return self.end(at, End::Failed(failure));
        }
        let row = &mut self.rows[at];
        row.turn(State::Queued);
        row.queued_at = self.now;
        if let Some(more) = &mut row.more {
            more.progress = None;
        }
        let start = (!again.after.is_zero()).then(|| self.now.after(again.after));
        self.say(at, |_| again.event);
        self.queue(at, start, again.front);
    }

    /// Whether a task can be queued again: one turn more must be left for its end.
    pub(super) fn has_turns(&self, at: u32) -> bool {
        self.rows[at].turns + 2 < MAX_TURNS
    }

    /// A claim has run out: its worker died, or its reply was lost on the way.
    pub(super) fn expire(&mut self, at: u32) {
        let row = &self.rows[at];
        let worker = &self.workers[row.claim.worker];
        // a later beat left the task out although the ask that took it had ended: the worker never knew of it
        let lost_reply = worker.beat > row.claim.renewed && worker.ended >= row.claim.ask;
        let expiry = expired(row.cancel, lost_reply, row.crashes, row.task.envelope.retry.max_crashes);
        let id = worker.id.clone();
        self.leave(at);
        match expiry {
            Expiry::Cancelled => self.end(at, End::Cancelled),
            Expiry::Dead { crashes } => {
                self.lose(at, id, crashes);
                self.end(at, End::Failed(Failure::crashed(crashes)));
            }
            Expiry::Front { crashes, suspect } => {
                self.lose(at, id, crashes);
                if suspect {
                    let twin = self.rows[at].task.lane.twin();
                    self.change_lane(at, &twin);
                }
                self.again(at, Again { event: EventKind::Lost, after: Duration::ZERO, front: true });
            }
        }
    }

    /// The attempt that was held is lost, with it perhaps its worker.
    fn lose(&mut self, at: u32, worker: WorkerId, crashes: u32) {
        let row = &mut self.rows[at];
        row.remember(worker, AttemptEnd::Lost, self.now);
        row.crashes = crashes;
    }

    /// A task that is neither queued nor held is kept in another lane.
    pub(super) fn change_lane(&mut self, at: u32, lane: &Lane) {
        let number = self.lanes.enter(lane);
        let old = std::mem::replace(&mut self.rows[at].lane, number);
        self.lanes.exit(old);
    }

    /// Forgets a task that has ended.
    pub(super) fn forget(&mut self, at: u32) {
        self.unkeep(at);
        let Some(row) = self.rows.remove(at) else { return };
        self.ids.remove(row.hash, at);
        self.newest.remove(row.number);
        self.lanes.exit(row.lane);
        if row.task.dedupe.is_some() {
            self.keys.remove(&row.task);
        }
    }

    pub(super) fn key(&self, at: u32) -> Key {
        Key { id: self.rows[at].task.id.clone(), at }
    }

    fn paused(&self, lane: u32) -> bool {
        !self.paused.is_empty() && self.order.is_paused(&self.lanes[lane].lane)
    }
}
