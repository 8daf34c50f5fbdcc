//! One task's place in its life, as a row: read whole, written whole.

use std::time::Duration;

use function_runner_core::{
    Phase, Priority, Retention, State, Task, TaskId, Tenant, Timestamp, schedule::Flow, seq,
};
use rusqlite::{OptionalExtension as _, Row as Sql, params};

use super::{
    fault::{Broken, Step},
    store::Store,
};

const CANCEL: i64 = 1;
const TOLD: i64 = 2;
const DELAYED: i64 = 4;
const FINISHED: i64 = 8;
const PAID: i64 = 16;
const FOLLOWED: i64 = 32;
const PARTS: i64 = 64;
const SAID: i64 = 128;

/// A task in its life; what it is and what it said are kept apart.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// Rises with every task: what lists go by.
    pub(super) number: i64,
    pub(super) id: TaskId,
    /// The lane it waits or runs in, a suspect's twin included.
    pub(super) lane: i64,
    pub(super) state: State,
    /// Whether its cancel was acknowledged.
    pub(super) cancel: bool,
    /// Whether its holder has been told so.
    pub(super) told: bool,
    /// Whether it waits for its time still.
    pub(super) delayed: bool,
    /// Whether the finish of the latest claim ended it: such a finish, sent again, is answered the same.
    pub(super) finished: bool,
    /// Whether something that was said of it may be stored.
    pub(super) said: bool,
    /// Whether its body has told parts of its output in this turn.
    pub(super) parts: bool,
    pub(super) turns: u64,
    /// The last number its worker gave in this turn.
    pub(super) heard: u32,
    /// The number of its latest event in this phase.
    pub(super) shown: u32,
    /// The latest attempt; 0 before the first.
    pub(super) attempt: u32,
    /// How many attempts failed.
    pub(super) failed: u32,
    pub(super) crashes: u32,
    pub(super) created_at: Timestamp,
    pub(super) queued_at: Timestamp,
    pub(super) started_at: Option<Timestamp>,
    pub(super) finished_at: Option<Timestamp>,
    /// When it may start, if its latest wait was for a time.
    pub(super) not_before: Option<Timestamp>,
    pub(super) deadline: Option<Timestamp>,
    /// Its place among the timers, while it is queued.
    pub(super) due: Option<Timestamp>,
    /// Until when it is kept, once it has ended.
    pub(super) keep: Option<Timestamp>,
    /// Its place in the order of work, while it is ready.
    pub(super) tag: Option<u64>,
    /// It has returned to the front, and moves no clock.
    pub(super) paid: bool,
    /// When its claim ends, while it is held.
    pub(super) ends: Option<Timestamp>,
    pub(super) fence: u64,
    /// Who holds it, or held it last; 0 before the first.
    pub(super) worker: i64,
    /// The ask that took it.
    pub(super) ask: u64,
    /// The store's call that renewed it last.
    pub(super) renewed: u64,
    /// What never changes.
    pub(super) fixed: Fixed,
}

/// What its moves need of what the task is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fixed {
    pub(super) flow: Flow,
    /// What it moves its lane's clock by.
    pub(super) increment: u64,
    pub(super) retention: Retention,
    pub(super) max_crashes: u32,
    /// Whether something follows its end.
    pub(super) followed: bool,
}

impl Fixed {
    pub(super) fn of(task: &Task) -> Self {
        Self {
            flow: Flow::new(task.tenant.clone(), task.priority),
            increment: task.increment,
            retention: task.envelope.retention,
            max_crashes: task.envelope.retry.max_crashes,
            followed: !task.follow_ups.is_empty(),
        }
    }
}

const BY_NUMBER: &str = "SELECT number, id, lane, state, marks, turns, heard, shown, attempt, failed, crashes, \
    created_at, queued_at, started_at, finished_at, not_before, deadline, due, keep, tag, ends, fence, \
    worker, ask, renewed, tenant, priority, increment, keep_result, keep_dead, max_crashes FROM task WHERE number = ?1";

const NUMBER_OF: &str = "SELECT number FROM task WHERE id = ?1";

impl Row {
    pub(super) fn new(number: i64, task: &Task, lane: i64, now: Timestamp) -> Self {
        Self {
            number,
            id: task.id.clone(),
            lane,
            state: State::Queued,
            cancel: false,
            told: false,
            delayed: false,
            finished: false,
            said: false,
            parts: false,
            turns: 1,
            heard: 0,
            shown: 0,
            attempt: 0,
            failed: 0,
            crashes: 0,
            created_at: now,
            queued_at: now,
            started_at: None,
            finished_at: None,
            not_before: None,
            deadline: task.deadline.map(|deadline| deadline.due(now)),
            due: None,
            keep: None,
            tag: None,
            paid: false,
            ends: None,
            fence: 0,
            worker: 0,
            ask: 0,
            renewed: 0,
            fixed: Fixed::of(task),
        }
    }

    /// The sequence number of its latest event.
    pub(super) const fn seq(&self) -> u64 {
        seq(self.turns, self.phase(), self.shown)
    }

    /// The sequence number of its latest change of state.
    pub(super) const fn base(&self) -> u64 {
        seq(self.turns, self.phase(), 0)
    }

    const fn phase(&self) -> Phase {
        match (self.state, self.cancel) {
            (State::Running, false) => Phase::Running,
            (State::Running, true) => Phase::Stopping,
            _ => Phase::Still,
        }
    }

    /// Queued again or ended.
    pub(super) const fn turn(&mut self, state: State) {
        self.state = state;
        self.turns += 1;
        (self.heard, self.shown) = (0, 0);
    }

    /// Whether it has ended and is kept no longer.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.keep.is_some_and(|keep| keep <= now)
    }

    fn marks(&self) -> i64 {
        let mark = |set: bool, mark: i64| if set { mark } else { 0 };
        mark(self.cancel, CANCEL)
            | mark(self.told, TOLD)
            | mark(self.delayed, DELAYED)
            | mark(self.finished, FINISHED)
            | mark(self.paid, PAID)
            | mark(self.said, SAID)
            | mark(self.parts, PARTS)
            | mark(self.fixed.followed, FOLLOWED)
    }

    fn read(sql: &Sql<'_>) -> Result<Self, Broken> {
        let id: String = sql.get(1)?;
        let marks: i64 = sql.get(4)?;
        Ok(Self {
            number: sql.get(0)?,
            id: TaskId::from_stored(&id).map_err(Broken::corrupt)?,
            lane: sql.get(2)?,
            state: state_of(sql.get(3)?)?,
            cancel: marks & CANCEL != 0,
            told: marks & TOLD != 0,
            delayed: marks & DELAYED != 0,
            finished: marks & FINISHED != 0,
            said: marks & SAID != 0,
            parts: marks & PARTS != 0,
            turns: count(sql, 5)?,
            heard: sql.get(6)?,
            shown: sql.get(7)?,
            attempt: sql.get(8)?,
            failed: sql.get(9)?,
            crashes: sql.get(10)?,
            created_at: moment(sql, 11)?.unwrap_or_default(),
            queued_at: moment(sql, 12)?.unwrap_or_default(),
            started_at: moment(sql, 13)?,
            finished_at: moment(sql, 14)?,
            not_before: moment(sql, 15)?,
            deadline: moment(sql, 16)?,
            due: moment(sql, 17)?,
            keep: moment(sql, 18)?,
            tag: sql.get::<_, Option<i64>>(19)?.map(i64::unsigned_abs),
            paid: marks & PAID != 0,
            ends: moment(sql, 20)?,
            fence: count(sql, 21)?,
            worker: sql.get(22)?,
            ask: count(sql, 23)?,
            renewed: count(sql, 24)?,
            fixed: Fixed::read(sql, 25, marks & FOLLOWED != 0)?,
        })
    }
}

impl Fixed {
    fn read(sql: &Sql<'_>, at: usize, followed: bool) -> Result<Self, Broken> {
        let tenant: Option<String> = sql.get(at)?;
        let tenant = tenant.map(Tenant::new).transpose().map_err(Broken::corrupt)?;
        let priority = Priority::new(sql.get(at + 1)?).map_err(Broken::corrupt)?;
        let mut retention = Retention::default();
        retention.result = Duration::from_millis(count(sql, at + 3)?);
        retention.dead = Duration::from_millis(count(sql, at + 4)?);
        Ok(Self {
            flow: Flow::new(tenant, priority),
            increment: count(sql, at + 2)?,
            retention,
            max_crashes: sql.get(at + 5)?,
            followed,
        })
    }
}

impl Store {
    pub(super) fn row(&self, number: i64) -> Step<Option<Row>> {
        let mut statement = self.sql.prepare_cached(BY_NUMBER)?;
        let row = statement.query_row([number], |sql| Ok(Row::read(sql))).optional()?;
        Ok(row.transpose()?)
    }

    /// The row of a task, kept or not.
    pub(super) fn row_of(&self, id: &TaskId) -> Step<Option<Row>> {
        let number =
            self.sql.prepare_cached(NUMBER_OF)?.query_row([id.as_str()], |sql| sql.get(0)).optional()?;
        number.map_or(Ok(None), |number| self.row(number))
    }

    /// Stores a new task's row; its place in its life is saved behind it.
    pub(super) fn insert_row(&self, row: &Row) -> Step<()> {
        let fixed = &row.fixed;
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.sql.prepare_cached(INSERT)?.execute(params![
            row.number,
            row.id.as_str(),
            row.lane,
            row.state as i64,
            row.marks(),
            number(row.turns),
            written(row.created_at),
            written(row.queued_at),
            row.not_before.map(written),
            row.deadline.map(written),
            row.due.map(written),
            row.tag.map(number),
            fixed.flow.tenant.as_ref().map(Tenant::as_str),
            fixed.flow.priority.value(),
            number(fixed.increment),
            millis(fixed.retention.result),
            millis(fixed.retention.dead),
            fixed.max_crashes,
        ])?;
        Ok(())
    }

    pub(super) fn save(&self, row: &Row) -> Step<()> {
        let mut statement = self.sql.prepare_cached(UPDATE)?;
        statement.execute(params![
            row.number,
            row.lane,
            row.state as i64,
            row.marks(),
            number(row.turns),
            row.heard,
            row.shown,
            row.attempt,
            row.failed,
            row.crashes,
            written(row.created_at),
            written(row.queued_at),
            row.started_at.map(written),
            row.finished_at.map(written),
            row.not_before.map(written),
            row.deadline.map(written),
            row.due.map(written),
            row.keep.map(written),
            row.tag.map(number),
            row.ends.map(written),
            number(row.fence),
            row.worker,
            number(row.ask),
            number(row.renewed),
        ])?;
        Ok(())
    }
}

const INSERT: &str = "INSERT INTO task VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, 0, 0, 0, ?7, ?8, NULL, NULL, ?9, ?10, \
    ?11, NULL, ?12, NULL, 0, 0, 0, 0, ?13, ?14, ?15, ?16, ?17, ?18)";

// the id is named in no assignment, so its index is left alone
const UPDATE: &str = "UPDATE task SET lane = ?2, state = ?3, marks = ?4, turns = ?5, heard = ?6, shown = ?7, \
    attempt = ?8, failed = ?9, crashes = ?10, created_at = ?11, queued_at = ?12, started_at = ?13, \
    finished_at = ?14, not_before = ?15, deadline = ?16, due = ?17, keep = ?18, tag = ?19, ends = ?20, fence = ?21, \
    worker = ?22, ask = ?23, renewed = ?24 WHERE number = ?1";

fn state_of(number: i64) -> Result<State, Broken> {
    let all = [State::Queued, State::Running, State::Succeeded, State::Failed, State::Cancelled];
    let state = all.into_iter().find(|state| *state as i64 == number);
    state.ok_or_else(|| Broken::corrupt(format_args!("{number} is no state of a task")))
}

/// A moment as it is stored: those that never come are kept within what a column holds.
pub(super) fn written(moment: Timestamp) -> i64 {
    number(moment.as_millis())
}

/// A number as it is stored.
pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn moment(sql: &Sql<'_>, at: usize) -> Result<Option<Timestamp>, Broken> {
    Ok(sql.get::<_, Option<i64>>(at)?.map(read_moment))
}

pub(super) fn read_moment(stored: i64) -> Timestamp {
    Timestamp::from_millis(if stored == i64::MAX { u64::MAX } else { stored.max(0).unsigned_abs() })
}

pub(super) fn count(sql: &Sql<'_>, at: usize) -> Result<u64, Broken> {
    Ok(sql.get::<_, i64>(at)?.unsigned_abs())
}
