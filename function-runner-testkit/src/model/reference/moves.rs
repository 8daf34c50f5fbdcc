//! How a task gets from one state to the next, without core's table of moves.
//!
//! The moves are cut as the memory backend's are, so a misreading of the design may stand in both: the order of work,
//! leases and timers beside this file are thought out anew.

use std::{sync::Arc, time::Duration};

use function_runner_core::{
    EventKind, Failure, MAX_EVENT_OUTPUT, Payload, State, Task, TaskEnded, TaskRecord, Timestamp,
};

use super::{Model, Row};

/// How a task ends.
#[derive(Debug)]
pub(super) enum End {
    Succeeded(Payload),
    Failed(Failure),
    Cancelled,
}

/// How a task that was held is queued again.
#[derive(Debug)]
pub(super) struct Again {
    pub(super) event: EventKind,
    pub(super) after: Duration,
    pub(super) front: bool,
}

impl Model {
    /// Stores a new task and queues it.
    pub(super) fn insert(&mut self, task: Arc<Task>) {
        let start = task.delay.map(|delay| delay.due(self.now)).filter(|start| *start > self.now);
        let row = Row {
            state: State::Queued,
            cancel: false,
            turns: 1,
            attempt: 0,
            crashes: 0,
            created_at: self.now,
            waits_until: None,
            deadline: task.deadline.map(|deadline| deadline.due(self.now)),
            started_at: None,
            finished_at: None,
            claim: None,
            progress: None,
            output: None,
            failure: None,
            failure_is_told: true,
            usage: None,
            history: Vec::new(),
            lane: task.lane.clone(),
            fence: 0,
            parts: Vec::new(),
            checkpoint: None,
            failed: 0,
            queued_at: self.now,
            told: false,
            heard: 0,
            shown: 0,
            ended_by: None,
            task,
        };
        self.rows.push(row);
        self.queue(self.rows.len() - 1, start, false);
    }

    /// Queues a task: to wait for its time, or ready now.
    pub(super) fn queue(&mut self, at: usize, start: Option<Timestamp>, front: bool) {
        self.rows[at].waits_until = start;
        if start.is_none() {
            self.line_up(at, front);
        }
    }

    pub(super) fn line_up(&mut self, at: usize, front: bool) {
        let row = &self.rows[at];
        let (lane, flow, id) = (row.lane.clone(), row.flow(), row.task.id.clone());
        let increment = row.task.increment;
        if front {
            self.order.front(&lane, id);
        } else {
            self.order.ready(&lane, &flow, increment, id);
            self.pushed(&lane, &flow);
        }
    }

    /// Takes a queued task out of where it waits.
    pub(super) fn drop_out(&mut self, at: usize) {
        let row = &mut self.rows[at];
        let (lane, id) = (row.lane.clone(), row.task.id.clone());
        row.waits_until = None;
        self.order.remove(&lane, &id);
        if self.order.is_empty(&lane) {
            self.forget_passed(&lane);
        }
        self.outsized.retain(|(of, large)| *of != lane || *large != id);
    }

    /// Queued again, or ended.
    fn turn(&mut self, at: usize, state: State) {
        let row = &mut self.rows[at];
        row.state = state;
        row.turns += 1;
        (row.heard, row.shown) = (0, 0);
        row.claim = None;
        row.parts = Vec::new();
    }

    /// Ends a task: its event and its follow-ups, in this one move.
    pub(super) fn end(&mut self, at: usize, end: End) {
        let (state, kind) = match end {
            End::Succeeded(output) => {
                let told = Some(output.clone()).filter(|output| output.len() <= MAX_EVENT_OUTPUT);
                self.rows[at].output = Some(output);
                (State::Succeeded, EventKind::Succeeded(told))
            }
            End::Failed(failure) => (State::Failed, EventKind::Failed(failure)),
            End::Cancelled => (State::Cancelled, EventKind::Cancelled),
        };
        self.turn(at, state);
        let row = &mut self.rows[at];
        row.finished_at = Some(self.now);
        row.checkpoint = None;
        row.failure = match &kind {
            EventKind::Failed(failure) => Some(failure.clone()),
            _ => None,
        };
        row.failure_is_told = true;
        self.say_end(at, kind);
        self.follow_up(at);
    }

    /// Queues what follows a task's end.
    fn follow_up(&mut self, at: usize) {
        let row = &self.rows[at];
        let mut record = TaskRecord::new(row.task.clone(), row.seq(), row.created_at);
        record.state = row.state;
        record.attempt = row.attempt;
        record.finished_at = row.finished_at;
        record.output = row.output.clone();
        record.failure = row.failure.clone();
        let Ok(input) = Payload::encode(&TaskEnded::of(&record)) else { return };
        let task = row.task.clone();
        for (index, follow_up) in task.follow_ups.iter().enumerate() {
            let id = task.id.follow_up(record.seq, index);
            if self.at(&id).is_some() {
                // the id of an earlier task under the same id that ended likewise: it stands already
                continue;
            }
            let (function, lane) = (follow_up.function.clone(), follow_up.lane.clone());
            let mut next = Task::new(id, function, lane, input.clone(), follow_up.envelope.clone());
            next.tenant = task.tenant.clone();
            next.priority = task.priority;
            next.labels = follow_up.labels.clone();
            next.increment = follow_up.increment;
            self.insert(Arc::new(next));
        }
    }

    /// Queues a task that was held once more.
    pub(super) fn again(&mut self, at: usize, again: Again) {
        self.turn(at, State::Queued);
        self.rows[at].queued_at = self.now;
        self.say(at, again.event);
        let start = (!again.after.is_zero()).then(|| self.now.after(again.after));
        self.queue(at, start, again.front);
    }
}
