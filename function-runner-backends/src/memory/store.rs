//! The one store behind every connection, and its lock.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, PoisonError},
};

use function_runner_core::{
    By, Clock, Error, ErrorKind, EventKind, Lane, Outage, Result, State, TaskId, TaskRecord, TemplateSet,
    Times, Timestamp,
    schedule::{Order, Reserve},
    state::{self, Move, Next},
};

use super::{
    ids::Ids,
    keys::Keys,
    lanes::Lanes,
    newest::Newest,
    row::{Key, Row},
    slab::Slab,
    sync::{Mutex, MutexGuard},
    templates::Templates,
    tick::Tick,
    timers::Timers,
    wake::{Sleepers, Wakes},
    watch::Watching,
    workers::Workers,
};
use crate::turn::End;

/// What every connection to one store shares.
pub(super) struct Shared {
    store: Mutex<Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) times: Times,
    pub(super) tick: Tick,
}

impl Shared {
    pub(super) fn new(times: Times, clock: Arc<dyn Clock>, depth: usize, history: usize) -> Self {
        let store = Mutex::new(Store::new(times, clock.now(), depth, history));
        Self { store, clock, times, tick: Tick::default() }
    }

    /// One move of the store, at one moment. Whoever it wakes is woken when the lock is free again.
    pub(super) fn with<R>(&self, act: impl FnOnce(&mut Store) -> R) -> R {
        let now = self.clock.now();
        let mut store = self.lock();
        // another may have read the clock later and come first
        store.now = store.now.max(now);
        store.calls += 1;
        let answer = act(&mut store);
        store.wake_for_timers();
        let wakes = std::mem::take(&mut store.wakes);
        drop(store);
        wakes.wake();
        answer
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("times", &self.times)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

/// Everything the store knows. Its subjects each have a file: what is done to it stands there.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) times: Times,
    /// The most waiting tasks of a lane.
    pub(super) depth: usize,
    /// The most tasks that are kept after their end.
    pub(super) history: usize,
    /// The moment of the move under way.
    pub(super) now: Timestamp,
    /// The number of the move under way: tells which of two moves of one moment was later.
    pub(super) calls: u64,
    pub(super) rows: Slab<Row>,
    pub(super) ids: Ids,
    /// How many tasks were ever stored.
    pub(super) numbers: u64,
    /// The rows in the order in which they came.
    pub(super) newest: Newest,
    pub(super) keys: Keys,
    pub(super) lanes: Lanes,
    pub(super) order: Order<Key>,
    pub(super) reserve: Reserve<Key>,
    /// The lanes that were paused by name.
    pub(super) paused: BTreeSet<Lane>,
    pub(super) workers: Workers,
    pub(super) templates: Templates,
    pub(super) fences: u64,
    pub(super) outage: Outage,
    pub(super) timers: Timers,
    pub(super) sleepers: Sleepers,
    pub(super) watching: Watching,
    pub(super) wakes: Wakes,
}

impl Store {
    fn new(times: Times, now: Timestamp, depth: usize, history: usize) -> Self {
        Self {
            times,
            depth,
            history,
            now,
            calls: 0,
            rows: Slab::new(),
            ids: Ids::default(),
            numbers: 0,
            newest: Newest::default(),
            keys: Keys::default(),
            lanes: Lanes::new(),
            order: Order::new(),
            reserve: Reserve::new(times),
            paused: BTreeSet::new(),
            workers: Workers::new(),
            templates: Templates::new(),
            fences: 0,
            outage: Outage::default(),
            timers: Timers::new(),
            sleepers: Sleepers::new(),
            watching: Watching::default(),
            wakes: Wakes::default(),
        }
    }

    /// The row of an id, whether its retention has passed or not.
    pub(super) fn known(&self, id: &TaskId) -> Option<u32> {
        self.ids.find(id, self.ids.hash(id), &self.rows)
    }

    /// The row of a task that is still known: one whose retention has passed is forgotten here and now.
    pub(super) fn find(&mut self, id: &TaskId) -> Option<u32> {
        self.find_hashed(id, self.ids.hash(id))
    }

    /// As [`find`](Self::find), of an id with this hash.
    pub(super) fn find_hashed(&mut self, id: &TaskId, hash: u32) -> Option<u32> {
        let at = self.ids.find(id, hash, &self.rows)?;
        if self.rows[at].kept_until().is_some_and(|until| until <= self.now) {
            self.forget(at);
            return None;
        }
        Some(at)
    }

    pub(super) fn record(&mut self, id: &TaskId) -> Result<TaskRecord> {
        self.serve(By::Caller);
        let at = self.find(id).ok_or_else(|| unknown(id))?;
        Ok(self.record_of(at))
    }

    /// The whole record of a task as it is now.
    pub(super) fn record_of(&self, at: u32) -> TaskRecord {
        let row = &self.rows[at];
        let mut record = row.record();
        match row.state {
            State::Running => record.worker = Some(self.workers[row.claim.worker].id.clone()),
            State::Queued if !row.delayed => {
                let ahead = self.order.ahead(&self.lanes[row.lane].lane, row.tag, &self.key(at));
                record.ahead = ahead.map(|ahead| ahead as u64);
            }
            _ => {}
        }
        record
    }

    pub(super) fn cancel(&mut self, id: &TaskId) -> Result<()> {
        self.serve(By::Caller);
        let at = self.find(id).ok_or_else(|| unknown(id))?;
        let row = &mut self.rows[at];
        match state::next(row.state, row.cancel, Move::Cancel) {
            Some(Next::To(_)) => {
                row.cancel = true;
                self.leave(at);
                self.end(at, End::Cancelled);
            }
            Some(Next::CancelAsked) => self.ask_cancel(at),
            Some(Next::Stay) | None => {}
        }
        Ok(())
    }

    /// A running task is to stop: its worker hears of it through its open lease call, which ends early.
    fn ask_cancel(&mut self, at: u32) {
        let row = &mut self.rows[at];
        (row.cancel, row.told, row.shown) = (true, false, 0);
        let worker = row.claim.worker;
        self.workers[worker].untold += 1;
        self.say(at, |_| EventKind::CancelRequested);
        self.wake_worker(worker);
    }

    /// What can be called here.
    pub(super) fn template_set(&mut self) -> Arc<TemplateSet> {
        self.serve(By::Caller);
        self.templates.set(&self.workers, self.now).clone()
    }

    /// How much of everything is kept: nothing where nothing is left over.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> Vec<(&'static str, usize)> {
        let all = [
            ("rows", self.rows.len()),
            ("ids", self.ids.len()),
            ("newest", self.newest.len()),
            ("keys", self.keys.len()),
            ("lanes", self.lanes.len()),
            ("order", usize::from(!self.order.is_empty())),
            ("workers", self.workers.len()),
            ("templates", self.templates.len()),
            ("timers", self.timers.len()),
            ("sleepers", self.sleepers.len()),
            ("watching", self.watching.len()),
        ];
        all.into_iter().filter(|(_, size)| *size > 0).collect()
    }
}

/// The error of an id that stands for nothing.
pub(super) fn unknown(id: &TaskId) -> Error {
    Error::new(ErrorKind::UnknownTask, "no such task").with_context("backend", "memory").with_task(id)
}
