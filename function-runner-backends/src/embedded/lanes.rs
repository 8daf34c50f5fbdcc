//! Lanes as rows: their counts, clocks and marks, held in memory while nobody else has written the file.

use std::collections::HashMap;

use function_runner_core::{
    Lane, TaskId, Timestamp, WorkerId,
    schedule::{Flow, advance, order, ready, shift_at, without_excess},
};
use rusqlite::{OptionalExtension as _, Row as Sql, params};

use super::{
    fault::{Broken, Step},
    row::{Row, count, moment, number, written},
    store::Store,
};

const MARKED: i64 = 1;
const NAMED: i64 = 2;

/// The lanes that were looked at, by number and by name.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    rows: HashMap<i64, LaneRow>,
    numbers: HashMap<Lane, i64>,
}

/// One lane.
#[derive(Clone, Debug)]
pub(super) struct LaneRow {
    pub(super) lane: i64,
    pub(super) name: Lane,
    /// How many tasks are kept in it, ended ones too.
    pub(super) tasks: i64,
    /// How many wait, delayed ones too.
    pub(super) waiting: i64,
    pub(super) delayed: i64,
    pub(super) running: i64,
    /// How many could be given.
    pub(super) ready: i64,
    virtual_time: u64,
    shift: i64,
    /// How many flows its clock holds.
    flows: i64,
    /// It gives nothing; so does a twin whose lane was paused.
    pub(super) paused: bool,
    /// It was paused by its name.
    pub(super) named: bool,
    pub(super) passed: Option<Timestamp>,
    pub(super) drain: Option<Drain>,
    pub(super) outsized: Option<i64>,
    /// The first of those ready, once it was looked up.
    head: Option<Option<Head>>,
    /// The flow whose tag was asked for last: of one tenant's burst only the last tag is written.
    recent: Option<Recent>,
    /// Whether flows may be stored.
    stored: bool,
    changed: bool,
}

/// Who drains for a lane, and until when unless it beats.
#[derive(Clone, Debug)]
pub(super) struct Drain {
    pub(super) worker: WorkerId,
    pub(super) until: Timestamp,
}

/// The first ready task of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) number: i64,
    pub(super) tag: u64,
}

#[derive(Clone, Debug)]
struct Recent {
    flow: Flow,
    tag: u64,
    changed: bool,
}

impl Lanes {
    /// Forgets what was held: another process may have changed it.
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.numbers.clear();
    }

    /// Forgets lanes with nothing in them, where there are many.
    pub(super) fn thin(&mut self) {
        if self.rows.len() > 4096 {
            self.rows.retain(|_, row| row.tasks > 0);
            self.numbers.retain(|_, number| self.rows.contains_key(number));
        }
    }
}

impl LaneRow {
    fn new(lane: i64, name: Lane) -> Self {
        Self {
            lane,
            name,
            tasks: 0,
            waiting: 0,
            delayed: 0,
            running: 0,
            ready: 0,
            virtual_time: 0,
            shift: 0,
            flows: 0,
            paused: false,
            named: false,
            passed: None,
            drain: None,
            outsized: None,
            head: Some(None),
            recent: None,
            stored: false,
            changed: true,
        }
    }

    fn read(sql: &Sql<'_>) -> Result<Self, Broken> {
        let name: String = sql.get(1)?;
        let drainer: Option<String> = sql.get(12)?;
        let marks: i64 = sql.get(10)?;
        let flows: i64 = sql.get(9)?;
        let drain = match (drainer, moment(sql, 13)?) {
            (Some(worker), Some(until)) => {
                Some(Drain { worker: WorkerId::new(worker).map_err(Broken::corrupt)?, until })
            }
            _ => None,
        };
        Ok(Self {
            lane: sql.get(0)?,
            name: name.parse().map_err(|error| Broken::corrupt(format_args!("{error}")))?,
            tasks: sql.get(2)?,
            waiting: sql.get(3)?,
            delayed: sql.get(4)?,
            running: sql.get(5)?,
            ready: sql.get(6)?,
            virtual_time: count(sql, 7)?,
            shift: sql.get(8)?,
            flows,
            paused: marks & MARKED != 0,
            named: marks & NAMED != 0,
            passed: moment(sql, 11)?,
            drain,
            outsized: sql.get(14)?,
            head: None,
            recent: None,
            stored: flows > 0,
            changed: false,
        })
    }

    pub(super) const fn shift(&self) -> i64 {
        self.shift
    }

    /// Which task is its first from now on.
    pub(super) const fn set_head(&mut self, head: Option<Head>) {
        self.head = Some(head);
    }

    /// Its first task's place among all lanes.
    pub(super) fn order(&self, head: Head) -> i64 {
        order(head.tag, self.shift)
    }

    const fn is_bare(&self) -> bool {
        self.tasks == 0 && !self.paused && !self.named
    }
}

const LANES: &str = "SELECT lane, name, tasks, waiting, delayed, running, ready, virtual_time, shift, flows, paused, \
    passed, drainer, drains_until, outsized FROM lane";

const BY_NUMBER: &str = "SELECT lane, name, tasks, waiting, delayed, running, ready, virtual_time, shift, flows, paused, \
    passed, drainer, drains_until, outsized FROM lane WHERE lane = ?1";

const BY_NAME: &str = "SELECT lane, name, tasks, waiting, delayed, running, ready, virtual_time, shift, flows, paused, \
    passed, drainer, drains_until, outsized FROM lane WHERE name = ?1";

impl Store {
    /// A lane that is known, to be looked at.
    pub(super) fn lane(&mut self, lane: i64) -> Step<&LaneRow> {
        self.load_lane(lane)?;
        Ok(&self.lanes.rows[&lane])
    }

    /// A lane that is known, to be changed.
    pub(super) fn lane_mut(&mut self, lane: i64) -> Step<&mut LaneRow> {
        self.load_lane(lane)?;
        let Some(row) = self.lanes.rows.get_mut(&lane) else {
            return Err(Broken::corrupt(format_args!("there is no lane {lane}")).into());
        };
        row.changed = true;
        Ok(row)
    }

    fn load_lane(&mut self, lane: i64) -> Step<()> {
        if self.lanes.rows.contains_key(&lane) {
            return Ok(());
        }
        let mut statement = self.sql.prepare_cached(BY_NUMBER)?;
        let Some(row) = statement.query_row([lane], |sql| Ok(LaneRow::read(sql))).optional()? else {
            return Err(Broken::corrupt(format_args!("there is no lane {lane}")).into());
        };
        drop(statement);
        self.hold_lane(row?);
        Ok(())
    }

    fn hold_lane(&mut self, row: LaneRow) {
        self.lanes.numbers.insert(row.name.clone(), row.lane);
        self.lanes.rows.insert(row.lane, row);
    }

    /// The number of the lane of this name, if there is one.
    pub(super) fn find_lane(&mut self, name: &Lane) -> Step<Option<i64>> {
        if let Some(lane) = self.lanes.numbers.get(name) {
            return Ok(Some(*lane));
        }
        let mut statement = self.sql.prepare_cached(BY_NAME)?;
        let row = statement.query_row([name.as_str()], |sql| Ok(LaneRow::read(sql))).optional()?;
        drop(statement);
        let Some(row) = row.transpose()? else { return Ok(None) };
        let lane = row.lane;
        self.hold_lane(row);
        Ok(Some(lane))
    }

    /// The number of the lane of this name, which is made if there is none.
    pub(super) fn touch_lane(&mut self, name: &Lane) -> Step<i64> {
        if let Some(lane) = self.find_lane(name)? {
            return Ok(lane);
        }
        self.sql.prepare_cached("INSERT INTO lane (name) VALUES (?1)")?.execute([name.as_str()])?;
        let lane = self.sql.last_insert_rowid();
        self.hold_lane(LaneRow::new(lane, name.clone()));
        Ok(lane)
    }

    /// Every lane that has a row.
    pub(super) fn all_lanes(&mut self) -> Step<Vec<LaneRow>> {
        self.write_lanes()?;
        let mut statement = self.sql.prepare_cached(LANES)?;
        let rows = statement.query_map([], |sql| Ok(LaneRow::read(sql)))?;
        rows.map(|row| Ok(row??)).collect()
    }

    /// Writes the lanes that were changed.
    pub(super) fn write_lanes(&mut self) -> Step<()> {
        let sql = &self.sql;
        for row in self.lanes.rows.values_mut().filter(|row| row.changed) {
            write_recent(sql, row)?;
            let marks = if row.paused { MARKED } else { 0 } | if row.named { NAMED } else { 0 };
            let query = "UPDATE lane SET tasks = ?2, waiting = ?3, delayed = ?4, running = ?5, ready = ?6, \
                virtual_time = ?7, shift = ?8, flows = ?9, paused = ?10, passed = ?11, drainer = ?12, \
                drains_until = ?13, outsized = ?14 WHERE lane = ?1";
            sql.prepare_cached(query)?.execute(params![
                row.lane,
                row.tasks,
                row.waiting,
                row.delayed,
                row.running,
                row.ready,
                number(row.virtual_time),
                row.shift,
                row.flows,
                marks,
                row.passed.map(written),
                row.drain.as_ref().map(|drain| drain.worker.as_str()),
                row.drain.as_ref().map(|drain| written(drain.until)),
                row.outsized,
            ])?;
            row.changed = false;
        }
        Ok(())
    }

    /// Removes the rows of lanes with nothing in them, in bounded steps, but for those that calls sleep on.
    pub(super) fn sweep_lanes(&mut self) -> Step<()> {
        self.write_lanes()?;
        let query = "SELECT lane FROM lane WHERE tasks = 0 AND paused = 0 LIMIT 64";
        let bare: Vec<i64> = {
            let mut statement = self.sql.prepare_cached(query)?;
            let numbers = statement.query_map([], |sql| sql.get(0))?;
            numbers.collect::<Result<_, _>>()?
        };
        for lane in bare {
            if self.sleepers.sleeps_on(lane) {
                continue;
            }
            self.load_lane(lane)?;
            if self.lanes.rows.get(&lane).is_some_and(LaneRow::is_bare) {
                self.sql.prepare_cached("DELETE FROM lane WHERE lane = ?1")?.execute([lane])?;
                if let Some(row) = self.lanes.rows.remove(&lane) {
                    self.lanes.numbers.remove(&row.name);
                }
            }
        }
        Ok(())
    }

    /// The lane's first ready task, paused or not.
    pub(super) fn first(&mut self, lane: i64) -> Step<Option<Head>> {
        self.load_lane(lane)?;
        let row = &self.lanes.rows[&lane];
        if let Some(head) = row.head {
            return Ok(head);
        }
        let query =
            "SELECT number, tag FROM task WHERE lane = ?1 AND tag IS NOT NULL ORDER BY tag, id LIMIT 1";
        let mut statement = self.sql.prepare_cached(query)?;
        let head = statement.query_row([lane], read_head).optional()?;
        drop(statement);
        if let Some(row) = self.lanes.rows.get_mut(&lane) {
            row.head = Some(head);
        }
        Ok(head)
    }

    /// The lane's first ready task behind this place.
    pub(super) fn behind(&self, lane: i64, tag: u64, id: &TaskId) -> Step<Option<Head>> {
        let query = "SELECT number, tag FROM task WHERE lane = ?1 AND tag IS NOT NULL AND (tag, id) > (?2, ?3) \
            ORDER BY tag, id LIMIT 1";
        let mut statement = self.sql.prepare_cached(query)?;
        let values = params![lane, number(tag), id.as_str()];
        Ok(statement.query_row(values, read_head).optional()?)
    }

    /// The lane's first ready task; none where it is paused.
    pub(super) fn head(&mut self, lane: i64) -> Step<Option<Head>> {
        if self.lane(lane)?.paused { Ok(None) } else { self.first(lane) }
    }

    /// A task becomes ready in its lane; its row is saved by the caller.
    pub(super) fn put_in_line(&mut self, row: &mut Row, front: bool) -> Step<()> {
        let reach = self.counters.reach;
        let number = row.lane;
        if self.lane(number)?.ready == 0 {
            self.stop_clock(number)?;
            self.lane_mut(number)?.shift = shift_at(reach, 0);
        }
        let tag = if front {
            self.lane(number)?.virtual_time
        } else {
            self.tag_of(number, &row.fixed.flow, row.fixed.increment)?
        };
        (row.tag, row.paid) = (Some(tag), front);
        let lane = self.lane_mut(number)?;
        lane.ready += 1;
        lane.head = match lane.head {
            Some(Some(head)) if head.tag < tag => lane.head,
            // equal tags go by id, which the index knows
            Some(Some(head)) if head.tag == tag => None,
            Some(_) => Some(Some(Head { number: row.number, tag })),
            None => None,
        };
        Ok(())
    }

    /// A task is ready no longer; its row is saved by the caller. Answers whether its lane has nothing ready now.
    pub(super) fn take_out_of_line(&mut self, row: &mut Row) -> Step<bool> {
        row.tag = None;
        let lane = self.lane_mut(row.lane)?;
        lane.ready -= 1;
        if lane.head.flatten().is_none_or(|head| head.number == row.number) {
            lane.head = None;
        }
        let empty = lane.ready == 0;
        if empty {
            lane.head = Some(None);
            self.stop_clock(row.lane)?;
        }
        Ok(empty)
    }

    /// Moves a lane's clock on by a task that was leased from it.
    pub(super) fn move_clock(&mut self, lane: i64, tag: u64, increment: u64, shift: i64) -> Step<u64> {
        let row = self.lane_mut(lane)?;
        let flows = usize::try_from(row.flows).unwrap_or(0);
        row.virtual_time = advance(row.virtual_time, tag, increment, flows);
        row.shift = shift;
        Ok(row.virtual_time)
    }

    /// A lane that is resumed goes on from where the store is now.
    pub(super) fn put_at_reach(&mut self, lane: i64, tag: u64) -> Step<()> {
        let reach = self.counters.reach;
        self.lane_mut(lane)?.shift = shift_at(reach, tag);
        Ok(())
    }

    /// Takes an excess of the reach off every lane.
    pub(super) fn take_off(&mut self, excess: u64) -> Step<()> {
        let lanes: Vec<i64> = self.all_lanes()?.into_iter().map(|row| row.lane).collect();
        for lane in lanes {
            let row = self.lane_mut(lane)?;
            row.shift = without_excess(row.shift, excess);
        }
        Ok(())
    }

    fn stop_clock(&mut self, lane: i64) -> Step<()> {
        let row = self.lane_mut(lane)?;
        (row.virtual_time, row.shift, row.flows) = (0, 0, 0);
        row.recent = None;
        if std::mem::take(&mut row.stored) {
            self.sql.prepare_cached("DELETE FROM flow WHERE lane = ?1")?.execute([lane])?;
        }
        Ok(())
    }

    /// The tag of a task of this flow that becomes ready now.
    fn tag_of(&mut self, lane: i64, flow: &Flow, increment: u64) -> Step<u64> {
        let sql = &self.sql;
        let Some(row) = self.lanes.rows.get_mut(&lane) else {
            return Err(Broken::corrupt(format_args!("there is no lane {lane}")).into());
        };
        let virtual_time = row.virtual_time;
        if let Some(recent) = row.recent.as_mut().filter(|recent| recent.flow == *flow) {
            recent.tag = ready(Some(recent.tag), virtual_time, increment);
            recent.changed = true;
            return Ok(recent.tag);
        }
        write_recent(sql, row)?;
        let tenant = tenant_of(flow);
        let mut last = None;
        if row.stored {
            let query = "SELECT tag FROM flow WHERE lane = ?1 AND tenant = ?2 AND priority = ?3";
            let mut statement = sql.prepare_cached(query)?;
            last = statement
                .query_row(params![lane, tenant, flow.priority.value()], |sql| sql.get::<_, i64>(0))
                .optional()?
                .map(i64::unsigned_abs);
            if last.is_none() {
                let query = "DELETE FROM flow WHERE lane = ?1 AND tag < ?2";
                let passed = sql.prepare_cached(query)?.execute(params![lane, number(virtual_time)])?;
                row.flows -= i64::try_from(passed).unwrap_or(0);
            }
        }
        row.flows += i64::from(last.is_none());
        let tag = ready(last, virtual_time, increment);
        row.recent = Some(Recent { flow: flow.clone(), tag, changed: true });
        Ok(tag)
    }
}

fn read_head(sql: &Sql<'_>) -> rusqlite::Result<Head> {
    Ok(Head { number: sql.get(0)?, tag: sql.get::<_, i64>(1)?.unsigned_abs() })
}

fn write_recent(sql: &rusqlite::Connection, row: &mut LaneRow) -> Step<()> {
    let Some(recent) = row.recent.as_mut().filter(|recent| recent.changed) else { return Ok(()) };
    let query = "INSERT OR REPLACE INTO flow VALUES (?1, ?2, ?3, ?4)";
    let (tenant, priority) = (tenant_of(&recent.flow), recent.flow.priority.value());
    sql.prepare_cached(query)?.execute(params![row.lane, tenant, priority, number(recent.tag)])?;
    recent.changed = false;
    row.stored = true;
    Ok(())
}

fn tenant_of(flow: &Flow) -> &str {
    flow.tenant.as_ref().map_or("", |tenant| tenant.as_str())
}
