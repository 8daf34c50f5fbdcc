//! One transaction of the store: what is held in memory is as the file is, and all of it is written at the end.

use function_runner_core::{LargestSeen, Timestamp};

use super::{
    bell::Bell,
    clock::Reading,
    counters::{Counters, FENCE_JUMP},
    fault::Step,
    lanes::Lanes,
    open::Plan,
    processes::Processes,
    sleepers::Sleepers,
    store::Store,
    watch::Watching,
    workers::Workers,
};

impl Store {
    pub(super) fn new(sql: rusqlite::Connection, bell: Bell, plan: &Plan) -> Self {
        Self {
            sql,
            times: plan.times,
            depth: plan.depth,
            clocks: plan.clocks.clone(),
            steady: Timestamp::default(),
            wall: Timestamp::default(),
            counters: Counters::default(),
            stored: Counters::default(),
            largest: LargestSeen::default(),
            wrote: false,
            ended: false,
            fresh: None,
            served: [None; 2],
            timer: None,
            recent: Default::default(),
            version: -1,
            lanes: Lanes::default(),
            workers: Workers::default(),
            set: None,
            processes: Processes::new(bell),
            sleepers: Sleepers::default(),
            asleep: Default::default(),
            woken: Vec::new(),
            ready: Vec::new(),
            watching: Watching::default(),
            news: Vec::new(),
        }
    }

    /// Begins with the right to write, so that it never has to be given up half way.
    pub(super) fn begin(&mut self) -> Step<()> {
        self.sql.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        (self.wrote, self.ended, self.fresh, self.served) = (false, false, None, [None; 2]);
        let version: i64 = self.sql.prepare_cached("PRAGMA data_version")?.query_row([], |sql| sql.get(0))?;
        if version != self.version {
            self.counters = self.read_counters()?;
            self.stored = self.counters.clone();
            self.largest = self.read_largest()?;
            self.lanes.clear();
            self.workers.clear();
            if self.version == -1 && self.processes.own == 0 {
                self.counters.fences += FENCE_JUMP;
                self.wrote = true;
            }
            self.version = version;
            self.read_processes()?;
            self.share_sleepers()?;
        }
        self.look_at_clock(None);
        Ok(())
    }

    pub(super) fn commit(&mut self) -> Step<()> {
        self.write_lanes()?;
        self.write_workers()?;
        self.write_counters()?;
        self.timer = None;
        if !self.asleep.is_empty() {
            self.timer = self.next_timer()?.map(|time| self.steady.after(time));
        }
        self.sql.prepare_cached("COMMIT")?.execute([])?;
        self.lanes.thin();
        Ok(())
    }

    /// Puts on the disk what was committed before: a commit that waits takes the whole log with it.
    pub(super) fn sync(&mut self) -> Step<()> {
        self.sql.prepare_cached("UPDATE store SET one = 1")?.execute([])?;
        Ok(())
    }

    /// Nothing of the transaction counts, and what is held in memory is read anew.
    pub(super) fn roll_back(&mut self) {
        if !self.sql.is_autocommit() {
            // where this fails the file has rolled back already
            let _ = self.sql.execute_batch("ROLLBACK");
        }
        self.version = -1;
        self.set = None;
        // their numbers are another's next
        self.recent.clear();
        self.woken.clear();
        self.news.clear();
        self.processes.forget_letters();
        self.sleepers = Sleepers::default();
    }

    /// Takes the time, from a reading that was made when a call came or from one made now.
    pub(super) fn look_at_clock(&mut self, made_at: Option<Reading>) {
        let raw = made_at.unwrap_or_else(|| self.clocks.read());
        let now = self.counters.line.read(self.clocks.boot(), raw);
        (self.steady, self.wall) = (now.steady, now.wall);
    }

    /// Whether a timer was set that rings before all others, so that calls asleep elsewhere must hear of it.
    pub(super) fn rings_sooner(&mut self) -> bool {
        let Some(fresh) = self.fresh.take() else { return false };
        if self.processes.is_alone() || !self.sleepers.has_others(self.processes.own) {
            return false;
        }
        // where it cannot be read they look by themselves
        self.next_timer().is_ok_and(|next| next.is_some_and(|next| fresh <= next))
    }
}
