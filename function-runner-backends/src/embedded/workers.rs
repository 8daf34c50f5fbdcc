//! The workers that joined or hold a claim, as rows.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use function_runner_core::{
    Amounts, By, Capacity, Error, ErrorKind, Heartbeat, Lane, LargestSeen, Name, Template, Times, Timestamp,
    Version, WorkerId, WorkerInfo,
};
use rusqlite::{OptionalExtension as _, Row as Sql, params};

use super::{
    fault::{Broken, Fault, Step},
    row::{count, number, read_moment, written},
    store::Store,
};

/// The workers that were looked at, by number and by id.
#[derive(Debug, Default)]
pub(super) struct Workers {
    rows: HashMap<i64, Worker>,
    numbers: HashMap<WorkerId, i64>,
}

/// One worker.
#[derive(Clone, Debug)]
pub(super) struct Worker {
    pub(super) worker: i64,
    pub(super) id: WorkerId,
    pub(super) joined: bool,
    pub(super) capacity: Capacity,
    pub(super) load: Amounts,
    /// The functions it serves as its own.
    pub(super) own: Vec<(Name, Version)>,
    /// The span of time in which the store last counted its capacity.
    counted: Option<i64>,
    /// When it last called, by the wall clock.
    pub(super) seen_at: Timestamp,
    seen: Timestamp,
    /// When it last joined or beat: what it lives by.
    alive: Timestamp,
    /// The store's call that was its latest beat.
    pub(super) beat: u64,
    /// The latest ask that had ended by then.
    pub(super) ended: u64,
    /// How many claims it holds.
    pub(super) held: i64,
    /// Of how many of them a cancel was asked that no beat has told it of.
    pub(super) untold: i64,
    pub(super) draining: bool,
    pub(super) drain_told: bool,
    /// The lane its beat says it drains for.
    pub(super) drains_for: Option<Lane>,
    /// The lane its latest reply named in `drain_for`.
    pub(super) told: Option<Lane>,
    changed: bool,
    /// Whether more than its counts and moments has changed.
    rewrite: bool,
}

impl Workers {
    /// Forgets what was held: another process may have changed it.
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.numbers.clear();
    }
}

impl Worker {
    fn new(worker: i64, id: WorkerId, seen_at: Timestamp, seen: Timestamp) -> Self {
        Self {
            worker,
            id,
            joined: false,
            capacity: Capacity::default(),
            load: Amounts::default(),
            own: Vec::new(),
            counted: None,
            seen_at,
            seen,
            alive: seen,
            beat: 0,
            ended: 0,
            held: 0,
            untold: 0,
            draining: false,
            drain_told: false,
            drains_for: None,
            told: None,
            changed: true,
            rewrite: true,
        }
    }

    /// When it is dead unless it calls: two leases after its last beat; one that never joined goes by its calls.
    fn dead_at(&self, times: &Times) -> Timestamp {
        let alive = if self.joined { self.alive } else { self.seen };
        alive.after(lifetime(times))
    }

    /// Whether it joined and is not dead, however long nobody looked.
    pub(super) fn is_live(&self, now: Timestamp, times: &Times) -> bool {
        self.joined && now < self.dead_at(times)
    }

    /// Whether there is something that only a beat can tell it.
    pub(super) const fn has_news(&self) -> bool {
        self.untold > 0 || (self.draining && !self.drain_told)
    }

    fn read(sql: &Sql<'_>) -> Result<Self, Broken> {
        let id: String = sql.get(1)?;
        let lane = |at| -> Result<Option<Lane>, Broken> {
            let name: Option<String> = sql.get(at)?;
            name.map(|name| name.parse().map_err(|error| Broken::corrupt(format_args!("{error}"))))
                .transpose()
        };
        fn document<T: serde::de::DeserializeOwned>(sql: &Sql<'_>, at: usize) -> Result<T, Broken> {
            let stored: Vec<u8> = sql.get(at)?;
            serde_json::from_slice(&stored).map_err(Broken::corrupt)
        }
        Ok(Self {
            worker: sql.get(0)?,
            id: WorkerId::new(id).map_err(Broken::corrupt)?,
            joined: sql.get(2)?,
            capacity: document(sql, 3)?,
            load: document(sql, 4)?,
            own: document(sql, 5)?,
            counted: sql.get(6)?,
            seen_at: read_moment(sql.get(7)?),
            seen: read_moment(sql.get(8)?),
            alive: read_moment(sql.get(9)?),
            beat: count(sql, 10)?,
            ended: count(sql, 11)?,
            held: sql.get(12)?,
            untold: sql.get(13)?,
            draining: sql.get(14)?,
            drain_told: sql.get(15)?,
            drains_for: lane(16)?,
            told: lane(17)?,
            changed: false,
            rewrite: false,
        })
    }

    /// What changes with every lease and end.
    fn write_counts(&self, sql: &rusqlite::Connection) -> Step<()> {
        let query = "UPDATE worker SET seen_at = ?2, seen = ?3, alive = ?4, beat = ?5, ended = ?6, held = ?7, \
            untold = ?8, draining = ?9, drain_told = ?10, told = ?11 WHERE worker = ?1";
        sql.prepare_cached(query)?.execute(params![
            self.worker,
            written(self.seen_at),
            written(self.seen),
            written(self.alive),
            number(self.beat),
            number(self.ended),
            self.held,
            self.untold,
            self.draining,
            self.drain_told,
            self.told.as_ref().map(Lane::as_str),
        ])?;
        Ok(())
    }

    fn write(&self, sql: &rusqlite::Connection) -> Step<()> {
        let document = |value: Result<Vec<u8>, serde_json::Error>| value.map_err(Broken::corrupt);
        let query = "INSERT OR REPLACE INTO worker VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, \
            ?14, ?15, ?16, ?17, ?18)";
        sql.prepare_cached(query)?.execute(params![
            self.worker,
            self.id.as_str(),
            self.joined,
            document(serde_json::to_vec(&self.capacity))?,
            document(serde_json::to_vec(&self.load))?,
            document(serde_json::to_vec(&self.own))?,
            self.counted,
            written(self.seen_at),
            written(self.seen),
            written(self.alive),
            number(self.beat),
            number(self.ended),
            self.held,
            self.untold,
            self.draining,
            self.drain_told,
            self.drains_for.as_ref().map(Lane::as_str),
            self.told.as_ref().map(Lane::as_str),
        ])?;
        Ok(())
    }
}

const WORKERS: &str = "SELECT worker, id, joined, capacity, load, own, counted, seen_at, seen, alive, beat, ended, \
    held, untold, draining, drain_told, drains_for, told FROM worker";
const BY_NUMBER: &str = "SELECT worker, id, joined, capacity, load, own, counted, seen_at, seen, alive, beat, ended, \
    held, untold, draining, drain_told, drains_for, told FROM worker WHERE worker = ?1";
const BY_ID: &str = "SELECT worker, id, joined, capacity, load, own, counted, seen_at, seen, alive, beat, ended, \
    held, untold, draining, drain_told, drains_for, told FROM worker WHERE id = ?1";

impl Store {
    /// A worker that is known, to be looked at.
    pub(super) fn worker(&mut self, worker: i64) -> Step<&Worker> {
        self.load_worker(worker)?;
        Ok(&self.workers.rows[&worker])
    }

    /// A worker that is known, to be changed.
    pub(super) fn worker_mut(&mut self, worker: i64) -> Step<&mut Worker> {
        self.load_worker(worker)?;
        match self.workers.rows.get_mut(&worker) {
            Some(row) => {
                row.changed = true;
                Ok(row)
            }
            None => Err(missing(worker)),
        }
    }

    fn load_worker(&mut self, worker: i64) -> Step<()> {
        if self.workers.rows.contains_key(&worker) {
            return Ok(());
        }
        let mut statement = self.sql.prepare_cached(BY_NUMBER)?;
        let row = statement.query_row([worker], |sql| Ok(Worker::read(sql))).optional()?;
        drop(statement);
        self.keep_worker(row.ok_or_else(|| missing(worker))??);
        Ok(())
    }

    fn keep_worker(&mut self, row: Worker) {
        self.workers.numbers.insert(row.id.clone(), row.worker);
        self.workers.rows.insert(row.worker, row);
    }

    pub(super) fn find_worker(&mut self, id: &WorkerId) -> Step<Option<i64>> {
        if let Some(worker) = self.workers.numbers.get(id) {
            return Ok(Some(*worker));
        }
        let mut statement = self.sql.prepare_cached(BY_ID)?;
        let row = statement.query_row([id.as_str()], |sql| Ok(Worker::read(sql))).optional()?;
        drop(statement);
        let Some(row) = row.transpose()? else { return Ok(None) };
        let worker = row.worker;
        self.keep_worker(row);
        Ok(Some(worker))
    }

    /// Every worker that has a row.
    pub(super) fn all_workers(&mut self) -> Step<Vec<Worker>> {
        self.write_workers()?;
        let mut statement = self.sql.prepare_cached(WORKERS)?;
        let rows = statement.query_map([], |sql| Ok(Worker::read(sql)))?;
        rows.map(|row| Ok(row??)).collect()
    }

    /// Writes the workers that were changed.
    pub(super) fn write_workers(&mut self) -> Step<()> {
        for row in self.workers.rows.values_mut().filter(|row| row.changed) {
            if row.rewrite {
                row.write(&self.sql)?
            } else {
                row.write_counts(&self.sql)?
            }
            (row.changed, row.rewrite) = (false, false);
        }
        Ok(())
    }

    /// A worker calls.
    pub(super) fn call_of(&mut self, id: &WorkerId) -> Step<i64> {
        let (seen_at, seen) = (self.wall, self.steady);
        let worker = match self.find_worker(id)? {
            Some(worker) => worker,
            None => self.add_worker(id)?,
        };
        // that it called is worth no write of its own
        if let Some(row) = self.workers.rows.get_mut(&worker) {
            row.changed |= seen.since(row.seen) >= self.times.beat();
            if row.changed {
                (row.seen_at, row.seen) = (seen_at, seen);
            }
        }
        Ok(worker)
    }

    fn add_worker(&mut self, id: &WorkerId) -> Step<i64> {
        // a number is never used twice: rows of tasks name who held them last
        self.counters.numbers += 1;
        let worker = self.counters.numbers;
        self.keep_worker(Worker::new(worker, id.clone(), self.wall, self.steady));
        let dead_at = self.steady.after(lifetime(&self.times));
        self.counters.next_sweep = self.counters.next_sweep.min(dead_at);
        Ok(worker)
    }

    /// A worker says who it is and what it serves; with nothing to serve it leaves.
    pub(super) fn join(&mut self, info: WorkerInfo) -> Step<()> {
        self.serve(By::Caller)?;
        if info.templates.is_empty() {
            return match self.find_worker(&info.worker)? {
                Some(worker) => self.part(worker),
                None => Ok(()),
            };
        }
        self.check_templates(&info)?;
        let worker = self.call_of(&info.worker)?;
        let own = info.templates.iter().map(|template| (template.function.clone(), template.version));
        let own: Vec<_> = own.collect::<BTreeSet<_>>().into_iter().collect();
        let now = self.steady;
        let capacity = info.capacity.clone();
        let row = self.worker_mut(worker)?;
        row.rewrite = true;
        row.alive = now;
        // it may have grown since it was counted
        (row.capacity, row.counted) = (info.capacity, None);
        let before = std::mem::replace(&mut row.own, own);
        let joined = std::mem::replace(&mut row.joined, true);
        self.counters.live += u64::from(!joined);
        self.see_capacity(worker, &capacity)?;
        self.publish(&info.templates, &before)
    }

    /// A worker beats: it lives, and its capacity counts among the largest. Answers whether it joined and is to drain.
    pub(super) fn beat(&mut self, beat: &Heartbeat) -> Step<(bool, bool)> {
        let Some(worker) = self.find_worker(&beat.worker)? else { return Ok((false, false)) };
        let (calls, seen_at, now) = (self.counters.calls, self.wall, self.steady);
        let row = self.worker_mut(worker)?;
        (row.seen_at, row.seen, row.alive) = (seen_at, now, now);
        (row.beat, row.ended) = (calls, beat.ended);
        row.rewrite |= row.load != beat.load || row.drains_for != beat.drains_for;
        row.load.clone_from(&beat.load);
        row.drains_for.clone_from(&beat.drains_for);
        row.drain_told = row.draining;
        let (joined, draining, capacity) = (row.joined, row.draining, row.capacity.clone());
        if joined {
            self.see_capacity(worker, &capacity)?;
        }
        Ok((joined, draining))
    }

    /// A worker of this capacity lives; it is counted once in a span of time.
    fn see_capacity(&mut self, worker: i64, capacity: &Capacity) -> Step<()> {
        let span = number(LargestSeen::span(self.wall, &self.times));
        let row = self.worker_mut(worker)?;
        if row.counted != Some(span) {
            (row.counted, row.rewrite) = (Some(span), true);
            let (wall, times) = (self.wall, self.times);
            if self.largest.see(capacity, wall, &times) {
                self.write_largest()?;
                self.changed_catalog();
            }
        }
        Ok(())
    }

    /// Refuses what a live worker serves with other content.
    fn check_templates(&mut self, info: &WorkerInfo) -> Step<()> {
        for template in &info.templates {
            if self.content_of(template)?.is_none_or(|content| content == template.content()) {
                continue;
            }
            let serves = |other: &Worker| other.own.iter().any(|own| is_of(own, template));
            let mut others = self.all_workers()?.into_iter();
            if others.any(|other| other.joined && other.id != info.worker && serves(&other)) {
                let name = format!("{}@{}", template.function, template.version);
                let message = format!("a live worker serves other content as `{name}`");
                let help =
                    "give the changed function a new version, or stop the workers that serve the old one";
                let error = Error::new(ErrorKind::Conflict, message).with_context("worker", &info.worker);
                return Err(error.with_help(help).into());
            }
        }
        Ok(())
    }

    /// A worker leaves or is dead: it serves no more. It is forgotten once it holds nothing.
    fn part(&mut self, worker: i64) -> Step<()> {
        self.wrote = true;
        let (now, wall) = (self.steady, self.wall);
        let row = self.worker_mut(worker)?;
        row.rewrite = true;
        if std::mem::replace(&mut row.joined, false) {
            let own = std::mem::take(&mut row.own);
            let lived_at = wall.before(now.since(row.alive));
            self.counters.live = self.counters.live.saturating_sub(1);
            self.unpublish(&own, lived_at)?;
        }
        let next = now.after(lifetime(&self.times));
        self.counters.next_sweep = self.counters.next_sweep.min(next);
        if self.worker(worker)?.held == 0 && !self.sleepers.has_calls_of(worker) {
            self.sql.prepare_cached("DELETE FROM worker WHERE worker = ?1")?.execute([worker])?;
            if let Some(row) = self.workers.rows.remove(&worker) {
                self.workers.numbers.remove(&row.id);
            }
        }
        Ok(())
    }

    /// Looks for workers that have died, and for templates that nobody serves any more.
    pub(super) fn sweep_workers(&mut self, by: By) -> Step<()> {
        let (now, times) = (self.steady, self.times);
        if now >= self.counters.next_sweep {
            let lasts = lifetime(&times);
            let workers = self.all_workers()?;
            for worker in &workers {
                let dead_at = worker.dead_at(&times);
                if self.counters.outage.is_over(dead_at, lasts, by, now, &times) {
                    self.part(worker.worker)?;
                }
            }
            let soonest = self.all_workers()?.iter().map(|worker| worker.dead_at(&times)).min();
            // one that is spared in an outage is looked at again soon, not with every call
            let soon = now.after(times.beat().max(Duration::from_millis(1)));
            self.counters.next_sweep = soonest.map_or(never(), |soonest| soonest.max(soon));
            self.sweep_lanes()?;
            self.wrote = true;
        }
        self.sweep_templates()
    }
}

/// The moment that does not come.
pub(super) const fn never() -> Timestamp {
    Timestamp::from_millis(u64::MAX)
}

pub(super) fn is_of(own: &(Name, Version), template: &Template) -> bool {
    own.0 == template.function && own.1 == template.version
}

fn missing(worker: i64) -> Fault {
    Broken::corrupt(format_args!("there is no worker {worker}")).into()
}

/// How long a worker lives without a beat.
fn lifetime(times: &Times) -> Duration {
    times.lease * 2
}
