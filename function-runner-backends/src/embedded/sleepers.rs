//! Lease calls asleep, of this process and of others: who is woken for a task.
//!
//! While this process is alone its calls are kept in memory. Once another has the file open they are rows too, so that
//! whoever queues a task wakes one call of all, the one whose model is loaded and that sleeps longest.

use std::collections::{BTreeSet, HashMap};

use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::{
    fault::{Broken, Step},
    store::Store,
};

/// A call's place on a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bed {
    pub(super) lane: i64,
    /// Whether the lane's model is not loaded there.
    pub(super) cold: bool,
}

/// One call asleep.
#[derive(Clone, Debug)]
pub(super) struct Sleeper {
    pub(super) process: i64,
    pub(super) call: u64,
    /// Rises: who sleeps longest has the lowest.
    pub(super) serial: i64,
    pub(super) worker: i64,
    /// The lane for which its worker drains, if it waits for nothing else.
    pub(super) drains: Option<i64>,
    pub(super) beds: Vec<Bed>,
}

type Key = (i64, u64);

/// Every call asleep that is known of.
#[derive(Debug, Default)]
pub(super) struct Sleepers {
    calls: HashMap<Key, Sleeper>,
    /// By lane; those whose model is loaded go first, then those asleep longest.
    beds: BTreeSet<(i64, bool, i64, Key)>,
    serial: i64,
}

impl Sleepers {
    pub(super) fn sleeps_on(&self, lane: i64) -> bool {
        self.first_on(lane).is_some() || self.calls.values().any(|call| call.drains == Some(lane))
    }

    /// Whether calls of other processes sleep.
    pub(super) fn has_others(&self, own: i64) -> bool {
        self.calls.keys().any(|key| key.0 != own)
    }

    /// A call was taken out of its beds by another process.
    pub(super) fn forget(&mut self, process: i64, call: u64) {
        self.remove((process, call));
    }

    /// How many calls sleep on this lane.
    pub(super) fn len_on(&self, lane: i64) -> i64 {
        let beds = self.beds.range((lane, false, i64::MIN, (i64::MIN, 0))..).take_while(|bed| bed.0 == lane);
        i64::try_from(beds.count()).unwrap_or(i64::MAX)
    }

    /// Whether calls of this worker sleep.
    pub(super) fn has_calls_of(&self, worker: i64) -> bool {
        self.calls.values().any(|call| call.worker == worker)
    }

    fn first_on(&self, lane: i64) -> Option<Key> {
        let from = (lane, false, i64::MIN, (i64::MIN, 0));
        self.beds.range(from..).next().filter(|bed| bed.0 == lane).map(|bed| bed.3)
    }

    /// The lanes on which calls sleep.
    fn lanes(&self) -> Vec<i64> {
        let mut lanes: Vec<i64> = self.beds.iter().map(|bed| bed.0).collect();
        lanes.dedup();
        lanes
    }

    fn add(&mut self, sleeper: Sleeper) {
        let key = (sleeper.process, sleeper.call);
        self.remove(key);
        self.serial = self.serial.max(sleeper.serial);
        for bed in &sleeper.beds {
            self.beds.insert((bed.lane, bed.cold, sleeper.serial, key));
        }
        self.calls.insert(key, sleeper);
    }

    fn remove(&mut self, key: Key) -> Option<Sleeper> {
        let sleeper = self.calls.remove(&key)?;
        for bed in &sleeper.beds {
            self.beds.remove(&(bed.lane, bed.cold, sleeper.serial, key));
        }
        Some(sleeper)
    }

    /// Forgets the calls of other processes: they are read anew.
    fn forget_others(&mut self, own: i64) {
        let others: Vec<Key> = self.calls.keys().filter(|key| key.0 != own).copied().collect();
        others.into_iter().for_each(|key| drop(self.remove(key)));
    }
}

impl Store {
    /// A call of this process goes to sleep.
    pub(super) fn sleep(&mut self, mut sleeper: Sleeper) -> Step<()> {
        sleeper.serial = self.sleepers.serial + 1;
        if self.processes.is_alone() {
            self.sleepers.add(sleeper);
            return Ok(());
        }
        self.write_sleeper(&sleeper)?;
        self.sleepers.add(sleeper);
        Ok(())
    }

    fn write_sleeper(&self, sleeper: &Sleeper) -> Step<()> {
        let beds = serde_json::to_vec(&sleeper.beds).map_err(Broken::corrupt)?;
        self.sql.prepare_cached("INSERT OR REPLACE INTO sleeper VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(
            params![
                sleeper.process,
                super::row::number(sleeper.call),
                sleeper.serial,
                sleeper.worker,
                sleeper.drains,
                beds
            ],
        )?;
        Ok(())
    }

    /// Reads what other processes sleep on, and lets them see what this one does.
    pub(super) fn share_sleepers(&mut self) -> Step<()> {
        let own = self.processes.own;
        self.sleepers.forget_others(own);
        if self.processes.is_alone() {
            return Ok(());
        }
        let others: Vec<Sleeper> = {
            let query = "SELECT process, call, serial, worker, drains, beds FROM sleeper WHERE process <> ?1";
            let mut statement = self.sql.prepare_cached(query)?;
            let rows = statement.query_map([own], |sql| {
                let beds: Vec<u8> = sql.get(5)?;
                Ok(Sleeper {
                    process: sql.get(0)?,
                    call: sql.get::<_, i64>(1)?.unsigned_abs(),
                    serial: sql.get(2)?,
                    worker: sql.get(3)?,
                    drains: sql.get(4)?,
                    beds: serde_json::from_slice(&beds).unwrap_or_default(),
                })
            })?;
            rows.collect::<Result<_, _>>()?
        };
        others.into_iter().for_each(|sleeper| self.sleepers.add(sleeper));
        Ok(())
    }

    /// Writes the calls of this process that sleep, now that somebody else may wake them.
    pub(super) fn show_sleepers(&mut self) -> Step<()> {
        let own: Vec<Sleeper> = {
            let calls = self.sleepers.calls.values();
            calls.filter(|sleeper| sleeper.process == self.processes.own).cloned().collect()
        };
        // those of an earlier time with others may be left
        let query = "DELETE FROM sleeper WHERE process = ?1";
        self.sql.prepare_cached(query)?.execute([self.processes.own])?;
        own.iter().try_for_each(|sleeper| self.write_sleeper(sleeper))
    }

    /// A call sleeps no longer.
    pub(super) fn get_up(&mut self, process: i64, call: u64) -> Step<()> {
        if self.sleepers.remove((process, call)).is_some() && !self.processes.is_alone() {
            let query = "DELETE FROM sleeper WHERE process = ?1 AND call = ?2";
            self.sql.prepare_cached(query)?.execute(params![process, super::row::number(call)])?;
        }
        Ok(())
    }

    fn wake(&mut self, key: Key) -> Step<()> {
        self.get_up(key.0, key.1)?;
        if key.0 == self.processes.own {
            self.woken.push(key.1);
        } else {
            self.processes.wake(key.0, key.1);
        }
        Ok(())
    }

    /// Wakes the first call that sleeps on this lane, if one does.
    pub(super) fn wake_for(&mut self, lane: i64) -> Step<()> {
        self.sleepers.first_on(lane).map_or(Ok(()), |key| self.wake(key))
    }

    /// Wakes the calls of workers that drain for this lane: it may have changed what they wait for.
    pub(super) fn wake_drainers(&mut self, lane: i64) -> Step<()> {
        let drains = |call: &&Sleeper| call.drains == Some(lane);
        self.wake_all(drains)
    }

    /// Wakes the calls of a worker that has something to hear.
    pub(super) fn wake_worker(&mut self, worker: i64) -> Step<()> {
        self.wake_all(|call| call.worker == worker)
    }

    fn wake_all(&mut self, which: impl Fn(&&Sleeper) -> bool) -> Step<()> {
        let calls = self.sleepers.calls.values().filter(which);
        let keys: Vec<Key> = calls.map(|call| (call.process, call.call)).collect();
        keys.into_iter().try_for_each(|key| self.wake(key))
    }

    /// Wakes a call for every lane in which something is ready: where a wake may have been lost.
    pub(super) fn rouse(&mut self) -> Step<()> {
        for lane in self.sleepers.lanes() {
            if self.lane(lane)?.ready > 0 && !self.lane(lane)?.paused {
                self.wake_for(lane)?;
            }
        }
        Ok(())
    }
}
