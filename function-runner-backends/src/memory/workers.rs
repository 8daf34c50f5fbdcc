//! The workers that joined or hold a claim.

use std::{
    collections::{BTreeSet, HashMap},
    ops::{Index, IndexMut},
    time::Duration,
};

use function_runner_core::{
    Amounts, By, Capacity, Error, ErrorKind, Heartbeat, Lane, Name, Result, Times, Timestamp, Version,
    WorkerId, WorkerInfo,
};

use super::{slab::Slab, store::Store};

/// Every worker, by number and by id.
#[derive(Debug)]
pub(super) struct Workers {
    numbers: HashMap<WorkerId, u32>,
    rows: Slab<Worker>,
    /// How many have joined.
    pub(super) live: usize,
    /// No worker has to be looked at before.
    next_sweep: Timestamp,
}

/// One worker.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) id: WorkerId,
    pub(super) joined: bool,
    pub(super) capacity: Capacity,
    pub(super) load: Amounts,
    /// The functions it serves as its own.
    pub(super) own: Vec<(Name, Version)>,
    /// The span of time in which the store last counted its capacity.
    counted: Option<u64>,
    /// When it last called.
    pub(super) seen_at: Timestamp,
    /// When it last joined or beat: what it lives by.
    alive_at: Timestamp,
    /// The store's call that was its latest beat.
    pub(super) beat: u64,
    /// The latest ask that had ended by then.
    pub(super) ended: u64,
    /// How many claims it holds.
    pub(super) held: u32,
    /// Of how many of them a cancel was asked that no beat has told it of.
    pub(super) untold: u32,
    pub(super) draining: bool,
    pub(super) drain_told: bool,
    /// The lane its beat says it drains for.
    pub(super) drains_for: Option<Lane>,
    /// The lane its latest reply named in `drain_for`.
    pub(super) told: Option<Lane>,
    /// Its lease calls that have slept and are open.
    pub(super) calls: Vec<u32>,
}

impl Workers {
    pub(super) fn new() -> Self {
        let never = Timestamp::from_millis(u64::MAX);
        Self { numbers: HashMap::new(), rows: Slab::new(), live: 0, next_sweep: never }
    }

    pub(super) fn find(&self, worker: &WorkerId) -> Option<u32> {
        self.numbers.get(worker).copied()
    }

    pub(super) fn by_id(&self, worker: &WorkerId) -> Option<&Worker> {
        self.find(worker).map(|number| &self.rows[number])
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Worker> {
        self.rows.iter().map(|(_, worker)| worker)
    }

    /// A worker calls.
    pub(super) fn call(&mut self, id: &WorkerId, now: Timestamp, times: &Times) -> u32 {
        let number = self.find(id).unwrap_or_else(|| self.add(id, now, times));
        self.rows[number].seen_at = now;
        number
    }

    fn add(&mut self, id: &WorkerId, now: Timestamp, times: &Times) -> u32 {
        let number = self.rows.insert(Worker::new(id.clone(), now));
        self.numbers.insert(id.clone(), number);
        self.next_sweep = self.next_sweep.min(now.after(lifetime(times)));
        number
    }

    fn remove(&mut self, number: u32) {
        if let Some(worker) = self.rows.remove(number) {
            self.numbers.remove(&worker.id);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }
}

impl Worker {
    fn new(id: WorkerId, now: Timestamp) -> Self {
        Self {
            id,
            joined: false,
            capacity: Capacity::default(),
            load: Amounts::default(),
            own: Vec::new(),
            counted: None,
            seen_at: now,
            alive_at: now,
            beat: 0,
            ended: 0,
            held: 0,
            untold: 0,
            draining: false,
            drain_told: false,
            drains_for: None,
            told: None,
            calls: Vec::new(),
        }
    }

    /// When it is dead unless it calls: two leases after its last beat; one that never joined goes by its calls.
    fn dead_at(&self, times: &Times) -> Timestamp {
        let alive_at = if self.joined { self.alive_at } else { self.seen_at };
        alive_at.after(lifetime(times))
    }

    /// Whether it joined and is not dead, however long nobody looked.
    pub(super) fn is_live(&self, now: Timestamp, times: &Times) -> bool {
        self.joined && now < self.dead_at(times)
    }

    /// Whether there is something that only a beat can tell it.
    pub(super) const fn has_news(&self) -> bool {
        self.untold > 0 || (self.draining && !self.drain_told)
    }

    const fn is_idle(&self) -> bool {
        !self.joined && self.held == 0 && self.calls.is_empty()
    }
}

impl Store {
    /// A worker says who it is and what it serves; with nothing to serve it leaves.
    pub(super) fn join(&mut self, info: WorkerInfo) -> Result<()> {
        self.serve(By::Caller);
        if info.templates.is_empty() {
            if let Some(number) = self.workers.find(&info.worker) {
                self.part(number);
            }
            return Ok(());
        }
        self.check_templates(&info)?;
        let number = self.workers.call(&info.worker, self.now, &self.times);
        let own = info.templates.iter().map(|template| (template.function.clone(), template.version));
        let own = own.collect::<BTreeSet<_>>().into_iter().collect();
        let worker = &mut self.workers.rows[number];
        worker.alive_at = self.now;
        worker.capacity = info.capacity;
        let before = std::mem::replace(&mut worker.own, own);
        let joined = std::mem::replace(&mut worker.joined, true);
        self.workers.live += usize::from(!joined);
        let worker = &mut self.workers.rows[number];
        worker.counted = Some(self.templates.see(&worker.capacity, None, self.now, &self.times));
        self.templates.publish(info.templates, &before, self.now);
        Ok(())
    }

    /// A worker beats: it lives, and its capacity counts among the largest.
    pub(super) fn beat(&mut self, beat: &Heartbeat) -> Option<&Worker> {
        let number = self.workers.find(&beat.worker)?;
        let worker = &mut self.workers.rows[number];
        (worker.seen_at, worker.alive_at) = (self.now, self.now);
        (worker.beat, worker.ended) = (self.calls, beat.ended);
        worker.load.clone_from(&beat.load);
        worker.drains_for.clone_from(&beat.drains_for);
        worker.drain_told = worker.draining;
        if worker.joined {
            worker.counted =
                Some(self.templates.see(&worker.capacity, worker.counted, self.now, &self.times));
        }
        Some(worker)
    }

    /// Refuses what a live worker serves with other content.
    fn check_templates(&self, info: &WorkerInfo) -> Result<()> {
        for template in &info.templates {
            let name = (template.function.clone(), template.version);
            let same = self.templates.content_of(&name).is_none_or(|content| content == template.content());
            let others = || self.workers.iter().filter(|other| other.joined && other.id != info.worker);
            if !same && others().any(|other| other.own.contains(&name)) {
                let message = format!("a live worker serves other content as `{}@{}`", name.0, name.1);
                return Err(Error::new(ErrorKind::Conflict, message)
                    .with_context("worker", &info.worker)
                    .with_help(
                        "give the changed function a new version, or stop the workers that serve the old one",
                    ));
            }
        }
        Ok(())
    }

    /// A worker leaves or is dead: it serves no more. It is forgotten once it holds nothing.
    fn part(&mut self, number: u32) {
        let worker = &mut self.workers.rows[number];
        if std::mem::replace(&mut worker.joined, false) {
            self.workers.live -= 1;
            let own = std::mem::take(&mut worker.own);
            self.templates.part(&own, worker.alive_at);
        }
        self.workers.next_sweep = self.workers.next_sweep.min(self.now.after(lifetime(&self.times)));
        if self.workers.rows[number].is_idle() {
            self.workers.remove(number);
        }
    }

    /// Looks for workers that have died, and for templates that nobody serves any more.
    pub(super) fn sweep_workers(&mut self, by: By) {
        if self.now < self.workers.next_sweep.min(self.templates.next_sweep()) {
            return;
        }
        let lasts = lifetime(&self.times);
        let dead: Vec<u32> = self
            .workers
            .rows
            .iter()
            .filter_map(|(number, worker)| {
                let ends_at = worker.dead_at(&self.times);
                self.outage.is_over(ends_at, lasts, by, self.now, &self.times).then_some(number)
            })
            .collect();
        dead.into_iter().for_each(|number| self.part(number));
        let soonest = self.workers.rows.iter().map(|(_, worker)| worker.dead_at(&self.times)).min();
        // one that is spared in an outage is looked at again soon, not with every call
        let soon = self.now.after(self.times.beat().max(Duration::from_millis(1)));
        self.workers.next_sweep =
            soonest.map_or(Timestamp::from_millis(u64::MAX), |soonest| soonest.max(soon));
        let unfinished = |name: &str, version: Version| {
            let of = |lane: &Lane| {
                (lane.function(), lane.major(), lane.minor()) == (name, version.major, version.minor)
            };
            self.lanes.iter().any(|row| row.waiting + row.running > 0 && of(&row.lane))
        };
        self.templates.sweep(self.now, &self.times, unfinished);
    }
}

/// How long a worker lives without a beat.
fn lifetime(times: &Times) -> Duration {
    times.lease * 2
}

impl Index<u32> for Workers {
    type Output = Worker;

    fn index(&self, number: u32) -> &Worker {
        &self.rows[number]
    }
}

impl IndexMut<u32> for Workers {
    fn index_mut(&mut self, number: u32) -> &mut Worker {
        &mut self.rows[number]
    }
}
