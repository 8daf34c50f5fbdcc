//! One task of the mock: its record, its events, and who waits for more of them.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use function_runner_core::{
    AttemptEnd, Event, EventKind, Failure, MAX_EVENT_OUTPUT, PastAttempt, Payload, Phase, Progress, Report,
    State, Task, TaskRecord, Timestamp, Usage, WorkerId, seq,
};
use tokio::sync::Notify;

pub(super) struct Entry {
    task: Arc<Task>,
    worker: WorkerId,
    story: Mutex<Story>,
    cancel: AtomicBool,
    cancelled: Notify,
    pub(super) told: Notify,
}

/// What happened so far: the record, and every event of it, since a mock is no store that must not grow.
pub(super) struct Story {
    pub(super) record: TaskRecord,
    pub(super) events: Vec<Event>,
    pub(super) parts: Vec<Payload>,
    pub(super) turns: u64,
}

impl Entry {
    pub(super) fn new(task: Arc<Task>, worker: WorkerId, now: Timestamp) -> Self {
        let mut record = TaskRecord::new(task.clone(), seq(1, Phase::Still, 0), now);
        record.not_before = task.delay.map(|delay| delay.due(now)).filter(|due| *due > now);
        record.deadline = task.deadline.map(|deadline| deadline.due(now));
        let story = Story { record, events: Vec::new(), parts: Vec::new(), turns: 1 };
        Self {
            task,
            worker,
            story: Mutex::new(story),
            cancel: AtomicBool::new(false),
            cancelled: Notify::new(),
            told: Notify::new(),
        }
    }

    pub(super) const fn task(&self) -> &Arc<Task> {
        &self.task
    }

    pub(super) fn story(&self) -> MutexGuard<'_, Story> {
        self.story.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn record(&self) -> TaskRecord {
        let mut record = self.story().record.clone();
        record.ahead = (record.state == State::Queued && record.not_before.is_none()).then_some(0);
        record
    }

    pub(super) fn is_ended(&self) -> bool {
        self.story().record.state.is_terminal()
    }

    pub(super) fn is_cancel_asked(&self) -> bool {
        self.cancel.load(Ordering::Acquire)
    }

    /// Waits until a cancel was asked.
    pub(super) async fn cancel_asked(&self) {
        loop {
            let notified = self.cancelled.notified();
            if self.is_cancel_asked() {
                return;
            }
            notified.await;
        }
    }

    pub(super) fn ask_cancel(&self, now: Timestamp) {
        let mut story = self.story();
        match story.record.state {
            State::Running if !story.record.cancel_requested => {
                story.record.cancel_requested = true;
                let at = seq(story.turns, Phase::Stopping, 0);
                story.say(at, now, EventKind::CancelRequested);
            }
            State::Queued => story.end(now, Ending::Cancelled),
            _ => {}
        }
        drop(story);
        self.cancel.store(true, Ordering::Release);
        self.cancelled.notify_waiters();
        self.told.notify_waiters();
    }

    /// Begins the next attempt; `None` where the task ended while it waited.
    pub(super) fn start(&self, now: Timestamp) -> Option<u32> {
        let mut story = self.story();
        if story.record.state != State::Queued {
            return None;
        }
        story.parts.clear();
        let record = &mut story.record;
        record.state = State::Running;
        record.attempt += 1;
        record.not_before = None;
        record.started_at = Some(now);
        record.progress = None;
        record.worker = Some(self.worker.clone());
        let (attempt, at) = (record.attempt, seq(story.turns, Phase::Running, 0));
        story.say(at, now, EventKind::Started { worker: self.worker.clone() });
        drop(story);
        self.told.notify_waiters();
        Some(attempt)
    }

    /// What the body told since it was last asked.
    pub(super) fn hear(&self, report: Report, now: Timestamp) {
        if report.is_empty() {
            return;
        }
        self.story().hear(report, now);
        self.told.notify_waiters();
    }

    pub(super) fn retry(&self, failure: Failure, after: std::time::Duration, now: Timestamp) {
        let mut story = self.story();
        if story.record.cancel_requested {
            story.end(now, Ending::Cancelled);
        } else {
            let past = PastAttempt::new(
                story.record.attempt,
                self.worker.clone(),
                AttemptEnd::Failed(failure.clone()),
                now,
            );
            story.turns += 1;
            let record = &mut story.record;
            record.attempts.push(past);
            record.state = State::Queued;
            record.worker = None;
            record.not_before = Some(now.after(after)).filter(|_| !after.is_zero());
            record.failure = Some(failure.clone());
            let at = seq(story.turns, Phase::Still, 0);
            story.say(at, now, EventKind::Retrying { failure, after });
        }
        drop(story);
        self.told.notify_waiters();
    }

    /// Ends the task; once its cancel was asked, as cancelled.
    pub(super) fn end(&self, ending: Ending, now: Timestamp) {
        let mut story = self.story();
        if !story.record.state.is_terminal() {
            let cancelled = story.record.cancel_requested;
            story.end(now, if cancelled { Ending::Cancelled } else { ending });
        }
        drop(story);
        self.told.notify_waiters();
    }
}

/// How a task ends.
pub(super) enum Ending {
    Succeeded(Payload, Usage),
    Failed(Failure, Option<Usage>),
    Cancelled,
}

impl Story {
    fn say(&mut self, seq: u64, now: Timestamp, kind: EventKind) {
        self.record.seq = seq;
        self.events.push(Event::new(seq, now, self.record.attempt, kind));
    }

    fn hear(&mut self, report: Report, now: Timestamp) {
        let phase = if self.record.cancel_requested { Phase::Stopping } else { Phase::Running };
        let mut told: Vec<(u32, EventKind)> = Vec::new();
        told.extend(report.logs.into_iter().map(|line| (line.n, EventKind::Log(line.item))));
        for part in report.parts {
            let (turn, index) = (self.turns, self.parts.len() as u64);
            self.parts.push(part.item.clone());
            told.push((part.n, EventKind::OutputPart { turn, index, part: part.item }));
        }
        told.extend(report.progress.map(|progress| (progress.n, EventKind::Progress(progress.item))));
        told.sort_by_key(|(n, _)| *n);
        for (n, kind) in told {
            if let EventKind::Progress(progress) = &kind {
                self.record.progress = Some(Progress::clone(progress));
            }
            self.say(seq(self.turns, phase, n), now, kind);
        }
    }

    fn end(&mut self, now: Timestamp, ending: Ending) {
        self.turns += 1;
        let record = &mut self.record;
        record.finished_at = Some(now);
        record.not_before = None;
        record.worker = None;
        record.cancel_requested = false;
        let kind = match ending {
            Ending::Succeeded(output, usage) => {
                (record.state, record.usage, record.failure) = (State::Succeeded, Some(usage), None);
                record.output = Some(output.clone());
                EventKind::Succeeded(Some(output).filter(|output| output.len() <= MAX_EVENT_OUTPUT))
            }
            Ending::Failed(failure, usage) => {
                (record.state, record.usage) = (State::Failed, usage);
                record.failure = Some(failure.clone());
                EventKind::Failed(failure)
            }
            Ending::Cancelled => {
                record.state = State::Cancelled;
                EventKind::Cancelled
            }
        };
        let at = seq(self.turns, Phase::Still, 0);
        self.say(at, now, kind);
    }
}
