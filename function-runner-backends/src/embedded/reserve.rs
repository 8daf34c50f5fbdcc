//! Room for large tasks, as marks of their lanes: who drains for which, decided by core.

use function_runner_core::{
    Lane, LeaseRequest, WorkerId,
    schedule::{Waiting, choose, drainers},
};
use rusqlite::params;

use super::{
    fault::Step,
    lanes::{Drain, Head},
    row::written,
    store::Store,
};

impl Store {
    /// The lane that this call's worker is to drain for; then it is given nothing.
    pub(super) fn drain_for(&mut self, ask: &LeaseRequest) -> Step<Option<Lane>> {
        let heads = self.would_fit(ask)?;
        let mut marked = false;
        for (lane, head, _) in &heads {
            self.meet(*lane, *head)?;
            let now = self.steady;
            if self.lane(*lane)?.drain.as_ref().is_some_and(|drain| drain.until <= now) {
                self.lane_mut(*lane)?.drain = None;
            }
            marked |= self.lane(*lane)?.passed.is_some();
        }
        if !marked {
            return Ok(None);
        }
        let (draining, own) = self.drains_under_way(&ask.worker)?;
        let live = usize::try_from(self.counters.live).unwrap_or(usize::MAX);
        let may_reserve = draining < drainers(live) && !own;
        let mut waiting = Vec::with_capacity(heads.len());
        let mut holders = Vec::with_capacity(heads.len());
        for (lane, ..) in &heads {
            let row = self.lane(*lane)?;
            holders.push((row.passed, row.drain.as_ref().map(|drain| drain.worker.clone()), row.outsized));
        }
        for ((_, _, name), (passed, holder, outsized)) in heads.iter().zip(&holders) {
            let outsized = outsized.is_some();
            waiting.push(Waiting { lane: name, passed: *passed, holder: holder.as_ref(), outsized });
        }
        let chosen = choose(&ask.worker, &waiting, may_reserve, self.times.reserve, self.steady);
        let Some(lane) = chosen.cloned() else { return Ok(None) };
        let until = self.steady.after(self.times.lease);
        if let Some(number) = self.find_lane(&lane)? {
            let worker = ask.worker.clone();
            self.lane_mut(number)?.drain.get_or_insert(Drain { worker, until });
        }
        Ok(Some(lane))
    }

    /// How many workers drain for a lane, and whether this is one of them.
    fn drains_under_way(&mut self, worker: &WorkerId) -> Step<(usize, bool)> {
        self.write_lanes()?;
        let query = "SELECT count(*), coalesce(max(drainer = ?1), 0) FROM lane \
            WHERE drainer IS NOT NULL AND drains_until > ?2";
        let values = params![worker.as_str(), written(self.steady)];
        let (count, own): (i64, bool) =
            self.sql.prepare_cached(query)?.query_row(values, |sql| Ok((sql.get(0)?, sql.get(1)?)))?;
        Ok((usize::try_from(count).unwrap_or(0), own))
    }

    /// The lanes that would fit if the worker drained, with their heads; those that fit now are asked for as such.
    fn would_fit(&mut self, ask: &LeaseRequest) -> Step<Vec<(i64, Head, Lane)>> {
        let mut heads = Vec::new();
        for name in &ask.would_fit {
            if ask.lanes.iter().any(|asked| asked.lane == *name) {
                continue;
            }
            let Some(lane) = self.find_lane(name)? else { continue };
            if let Some(head) = self.head(lane)? {
                heads.push((lane, head, name.clone()));
            }
        }
        Ok(heads)
    }

    /// What a call gave: lane, place and name of each.
    pub(super) fn given(&mut self, given: &[(i64, i64, Lane)], ask: &LeaseRequest) -> Step<()> {
        for (lane, ..) in given {
            let row = self.lane(*lane)?;
            if row.passed.is_some() || row.drain.is_some() || row.outsized.is_some() {
                let row = self.lane_mut(*lane)?;
                (row.passed, row.drain, row.outsized) = (None, None, None);
            }
        }
        if ask.would_fit.is_empty() {
            return Ok(());
        }
        let Some(last) = given.iter().map(|(_, order, name)| (*order, name)).max() else { return Ok(()) };
        for (lane, head, name) in self.would_fit(ask)? {
            self.meet(lane, head)?;
            let row = self.lane(lane)?;
            if (row.order(head), &name) < last && row.passed.is_none() {
                self.lane_mut(lane)?.passed = Some(self.steady);
            }
        }
        Ok(())
    }

    /// A task has left its lane unserved, or ended while it was delayed.
    pub(super) fn removed(&mut self, lane: i64, number: i64, empty: bool) -> Step<()> {
        let row = self.lane(lane)?;
        if row.passed.is_none() && row.drain.is_none() && row.outsized.is_none() {
            return Ok(());
        }
        let row = self.lane_mut(lane)?;
        if empty {
            (row.passed, row.drain) = (None, None);
        }
        if row.outsized == Some(number) {
            row.outsized = None;
        }
        Ok(())
    }

    /// A worker's heartbeat names the lane it drains for: its reservation, if it still has it, lasts one lease from now.
    pub(super) fn extend_drain(&mut self, worker: &WorkerId, lane: &Lane) -> Step<()> {
        let Some(number) = self.find_lane(lane)? else { return Ok(()) };
        let (now, until) = (self.steady, self.steady.after(self.times.lease));
        let drain = self.lane(number)?.drain.as_ref();
        if drain.is_some_and(|drain| drain.worker == *worker && now < drain.until) {
            self.lane_mut(number)?.drain = Some(Drain { worker: worker.clone(), until });
        }
        Ok(())
    }

    /// A call has met this task at the front of the lane.
    fn meet(&mut self, lane: i64, head: Head) -> Step<()> {
        if self.lane(lane)?.outsized.is_some_and(|outsized| outsized != head.number) {
            self.lane_mut(lane)?.outsized = None;
        }
        Ok(())
    }
}
