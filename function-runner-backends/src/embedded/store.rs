//! The store as its one thread sees it: the file, and what is held in memory of it between two transactions.

use std::{collections::HashMap, sync::Arc, time::Duration};

use function_runner_core::{
    By, Envelope, Error, ErrorKind, Event, EventKind, Lane, LargestSeen, Payload, Result, State, Task,
    TaskId, TaskRecord, TemplateSet, Times, Timestamp, Version, WorkerId,
    state::{self, Move, Next},
};

use super::{
    clock::Clocks,
    counters::Counters,
    fault::{Fault, Step},
    lanes::Lanes,
    lease::{Asleep, Ready},
    processes::Processes,
    row::Row,
    sleepers::Sleepers,
    watch::Watching,
    workers::Workers,
};
use crate::turn::End;

/// Everything the thread has.
pub(super) struct Store {
    pub(super) sql: rusqlite::Connection,
    pub(super) times: Times,
    /// The most waiting tasks of a lane.
    pub(super) depth: usize,
    pub(super) clocks: Clocks,
    /// The moments of the transaction under way: steady for leases, wall for what is due.
    pub(super) steady: Timestamp,
    pub(super) wall: Timestamp,
    pub(super) counters: Counters,
    /// Of every resource the most that any worker had.
    pub(super) largest: LargestSeen,
    /// The counters as they are stored.
    pub(super) stored: Counters,
    /// Whether the transaction under way has changed anything that lasts.
    pub(super) wrote: bool,
    /// Whether it has ended a task.
    pub(super) ended: bool,
    /// In how long the first timer rings that was set in the transaction under way.
    pub(super) fresh: Option<Duration>,
    /// When what is due was served last, by a worker's call and by a caller's.
    pub(super) served: [Option<(Timestamp, Timestamp)>; 2],
    /// When a timer rings next, as of the last transaction (steady).
    pub(super) timer: Option<Timestamp>,
    /// Tasks that came a moment ago: who leases them reads them from here.
    pub(super) recent: HashMap<i64, Arc<Task>>,
    /// Tells whether another process has written since.
    pub(super) version: i64,
    pub(super) lanes: Lanes,
    pub(super) workers: Workers,
    /// The template set as of this catalog number.
    pub(super) set: Option<(u64, Arc<TemplateSet>)>,
    pub(super) processes: Processes,
    pub(super) sleepers: Sleepers,
    /// This process's lease calls that wait.
    pub(super) asleep: HashMap<u64, Asleep>,
    /// Its calls that were woken in the transaction under way.
    pub(super) woken: Vec<u64>,
    /// What calls are answered when the transaction is committed.
    pub(super) ready: Vec<Ready>,
    pub(super) watching: Watching,
    /// What happened in the transaction under way.
    pub(super) news: Vec<News>,
}

/// Something that happened to a task.
#[derive(Clone, Debug)]
pub(super) struct News {
    pub(super) number: i64,
    /// The number of the state change before it: who has not seen that one has missed something.
    pub(super) behind: u64,
    pub(super) event: Event,
}

impl Store {
    /// The row of a task that is still known: one whose retention has passed is forgotten here and now.
    pub(super) fn find(&mut self, id: &TaskId) -> Step<Option<Row>> {
        match self.row_of(id)? {
            Some(row) if row.is_over(self.wall) => {
                self.forget(&row)?;
                Ok(None)
            }
            found => Ok(found),
        }
    }

    pub(super) fn known(&mut self, id: &TaskId) -> Step<Row> {
        self.find(id)?.ok_or_else(|| unknown(id).into())
    }

    pub(super) fn record(&mut self, id: &TaskId) -> Step<TaskRecord> {
        self.serve(By::Caller)?;
        let row = self.known(id)?;
        self.record_of(&row)
    }

    /// The whole record of a task as it is now.
    pub(super) fn record_of(&mut self, row: &Row) -> Step<TaskRecord> {
        let task = self.task_or_stub(row)?;
        let said = self.said_of(row)?;
        let mut record = TaskRecord::new(task, row.seq(), row.created_at);
        record.state = row.state;
        record.attempt = row.attempt;
        record.crashes = row.crashes;
        record.cancel_requested = row.cancel;
        record.not_before = row.not_before.filter(|_| row.delayed);
        record.deadline = row.deadline;
        record.started_at = row.started_at;
        record.finished_at = row.finished_at;
        record.progress = said.progress;
        record.output = said.output;
        record.failure = said.failure;
        record.usage = said.usage;
        record.attempts = said.attempts;
        match row.state {
            State::Running => record.worker = Some(self.worker_id(row.worker)?),
            State::Queued => record.ahead = self.ahead(row)?,
            _ => {}
        }
        Ok(record)
    }

    /// How many of its lane come before it, counted up to a bound.
    fn ahead(&self, row: &Row) -> Step<Option<u64>> {
        let Some(tag) = row.tag else { return Ok(None) };
        let query = "SELECT count(*) FROM (SELECT 1 FROM task WHERE lane = ?1 AND tag IS NOT NULL \
            AND (tag, id) < (?2, ?3) LIMIT 10000)";
        let values = rusqlite::params![row.lane, super::row::number(tag), row.id.as_str()];
        let ahead: i64 = self.sql.prepare_cached(query)?.query_row(values, |sql| sql.get(0))?;
        Ok(Some(ahead.unsigned_abs()))
    }

    /// What the task is; where that cannot be read, what is known of it by its row.
    pub(super) fn task_or_stub(&mut self, row: &Row) -> Step<Arc<Task>> {
        match self.task(row) {
            Err(Fault::Broken(broken)) if broken.is_corrupt() => {
                let lane = self.lane(row.lane)?.name.plain();
                Ok(Arc::new(stub(row, &lane).map_err(|_| broken)?))
            }
            other => other,
        }
    }

    pub(super) fn cancel(&mut self, id: &TaskId) -> Step<()> {
        self.serve(By::Caller)?;
        let mut row = self.known(id)?;
        match state::next(row.state, row.cancel, Move::Cancel) {
            Some(Next::To(_)) => {
                row.cancel = true;
                self.leave(&mut row)?;
                self.end(&mut row, End::Cancelled)?;
                self.save(&row)
            }
            Some(Next::CancelAsked) => self.ask_cancel(&mut row),
            Some(Next::Stay) | None => Ok(()),
        }
    }

    /// A running task is to stop: its worker hears of it through its open lease call, which ends early.
    fn ask_cancel(&mut self, row: &mut Row) -> Step<()> {
        let behind = row.base();
        (row.cancel, row.told, row.shown) = (true, false, 0);
        self.worker_mut(row.worker)?.untold += 1;
        self.say(row, behind, EventKind::CancelRequested);
        self.wake_worker(row.worker)?;
        self.save(row)
    }

    /// Something happened to a task; it is told once the transaction is committed.
    pub(super) fn say(&mut self, row: &Row, behind: u64, kind: EventKind) {
        self.wrote = true;
        if self.is_heard(row.number) {
            let event = Event::new(row.seq(), self.wall, row.attempt, kind);
            self.news.push(News { number: row.number, behind, event });
        }
    }

    /// Whether anybody may watch this task.
    pub(super) fn is_heard(&self, number: i64) -> bool {
        self.watching.watches(number) || self.processes.any_watching()
    }

    pub(super) fn worker_id(&mut self, worker: i64) -> Step<WorkerId> {
        Ok(self.worker(worker)?.id.clone())
    }
}

/// What is left of a task whose body cannot be read.
fn stub(row: &Row, lane: &Lane) -> Result<Task> {
    let function = lane.function().parse()?;
    let version = Version::new(lane.major(), lane.minor(), 0);
    let envelope = Arc::new(Envelope::new(version));
    let input = Payload::from_stored("null".as_bytes());
    let mut task = Task::new(row.id.clone(), function, lane.clone(), input, envelope);
    (task.tenant, task.priority) = (row.fixed.flow.tenant.clone(), row.fixed.flow.priority);
    Ok(task)
}

/// The error of an id that stands for nothing.
pub(super) fn unknown(id: &TaskId) -> Error {
    Error::new(ErrorKind::UnknownTask, "no such task").with_context("backend", "embedded").with_task(id)
}
