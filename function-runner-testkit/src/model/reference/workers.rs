//! Who serves what.

use std::{collections::BTreeMap, time::Duration};

use function_runner_core::{
    Amounts, Capacity, Lane, Largest, Name, Template, Times, Timestamp, Version, WorkerId, WorkerInfo,
};

use super::{Model, same_version};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A worker that joined, asked or holds something.
#[derive(Clone, Debug)]
pub(in crate::model) struct Worker {
    pub(in crate::model) id: WorkerId,
    pub(in crate::model) joined: bool,
    pub(in crate::model) capacity: Capacity,
    pub(in crate::model) load: Amounts,
    /// Whether what its last beat told must still be known.
    pub(in crate::model) is_sure: bool,
    pub(in crate::model) own: Vec<Template>,
    pub(in crate::model) seen_at: Timestamp,
    pub(in crate::model) draining: bool,
    pub(in crate::model) drains_for: Option<Lane>,
    pub(super) alive_at: Timestamp,
    /// The call that was its latest beat, and the latest ask that had ended by then.
    pub(super) beat: u64,
    pub(super) ended: u64,
    pub(super) drain_told: bool,
    /// The lane that its latest reply told it to drain for.
    pub(in crate::model) told: Option<Lane>,
}

/// Whether the store knows a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) enum Known {
    Yes,
    No,
    /// It died, and a sweep may have found that or not.
    Perhaps,
}

/// A version that was published.
#[derive(Clone, Debug)]
pub(super) struct Published {
    template: Template,
    /// When somebody last served it: at the latest, and at the earliest where a sweep may have found a dead worker.
    served_at: Timestamp,
    surely_at: Timestamp,
    /// Whether a sweep may have dropped it.
    dropped: bool,
}

impl Worker {
    /// Two leases after its last beat; one that never joined goes by its calls.
    pub(super) fn dead_at(&self, times: &Times) -> Timestamp {
        let lived = if self.joined { self.alive_at } else { self.seen_at };
        lived.after(times.lease * 2)
    }

    /// Whether it joined and lives.
    pub(in crate::model) fn is_live(&self, model: &Model) -> bool {
        self.joined && model.now < self.dead_at(&model.times)
    }

    fn serves(&self, template: &Template) -> bool {
        self.own.iter().any(|own| same_version(own, template))
    }
}

impl Model {
    /// Whether the store must know this worker.
    pub(in crate::model) fn known(&self, id: &WorkerId) -> Known {
        match self.workers.iter().find(|worker| worker.id == *id) {
            Some(worker) if worker.is_live(self) => Known::Yes,
            Some(worker) if worker.joined => Known::Perhaps,
            _ => Known::No,
        }
    }

    pub(super) fn worker(&mut self, id: &WorkerId) -> &mut Worker {
        let at = self.workers.iter().position(|worker| worker.id == *id);
        let at = at.unwrap_or_else(|| {
            self.workers.push(Worker {
                id: id.clone(),
                joined: false,
                capacity: Capacity::default(),
                load: Amounts::default(),
                is_sure: true,
                own: Vec::new(),
                seen_at: self.now,
                alive_at: self.now,
                beat: 0,
                ended: 0,
                draining: false,
                drain_told: false,
                drains_for: None,
                told: None,
            });
            self.workers.len() - 1
        });
        &mut self.workers[at]
    }

    /// The store has found that this worker is dead.
    pub(in crate::model) fn buried(&mut self, id: &WorkerId) {
        let Some(at) = self.workers.iter().position(|worker| worker.id == *id) else { return };
        let worker = &mut self.workers[at];
        worker.joined = false;
        let (own, lived) = (std::mem::take(&mut worker.own), worker.alive_at);
        self.served(&own, lived, lived);
    }

    /// Whether a join must be refused: no where a live worker serves other content, perhaps where a dead one did.
    pub(in crate::model) fn conflict(&mut self, info: &WorkerInfo) -> Known {
        self.call();
        let clashes = |worker: &Worker| {
            worker.id != info.worker
                && worker.joined
                && info.templates.iter().any(|template| {
                    worker.serves(template) && self.content_of(template) != Some(template.content())
                })
        };
        let (live, dead): (Vec<_>, Vec<_>) =
            self.workers.iter().filter(|worker| clashes(worker)).partition(|worker| worker.is_live(self));
        match (live.is_empty(), dead.is_empty()) {
            (false, _) => Known::Yes,
            (true, false) => Known::Perhaps,
            (true, true) => Known::No,
        }
    }

    fn content_of(&self, template: &Template) -> Option<u128> {
        let published = self.published.iter().find(|published| same_version(&published.template, template));
        published.map(|published| published.template.content())
    }

    /// A worker says what it serves, and is not refused.
    pub(in crate::model) fn join(&mut self, info: &WorkerInfo) {
        if info.templates.is_empty() {
            if self.known(&info.worker) != Known::No {
                self.buried(&info.worker);
            }
            return;
        }
        let (now, known) = (self.now, self.known(&info.worker));
        let worker = self.worker(&info.worker);
        worker.is_sure &= known == Known::Yes || worker.beat == 0;
        let lived = if known == Known::Yes { now } else { worker.alive_at };
        (worker.seen_at, worker.alive_at, worker.joined) = (now, now, true);
        worker.capacity = info.capacity.clone();
        let before = std::mem::replace(&mut worker.own, info.templates.clone());
        self.served(&before, now, lived);
        self.see(info.capacity.clone());
        for template in &info.templates {
            self.published.retain(|published| !same_version(&published.template, template));
            self.published.push(Published {
                template: template.clone(),
                served_at: now,
                surely_at: now,
                dropped: false,
            });
        }
    }

    /// These were served as somebody's own until then.
    fn served(&mut self, own: &[Template], until: Timestamp, surely: Timestamp) {
        for template in own {
            let same = |published: &&mut Published| same_version(&published.template, template);
            if let Some(published) = self.published.iter_mut().find(same) {
                published.served_at = published.served_at.max(until);
                published.surely_at = published.surely_at.max(surely);
            }
        }
    }

    pub(super) fn see(&mut self, capacity: Capacity) {
        let now = self.now;
        self.seen.retain(|(at, seen)| now.since(*at) < DAY + HOUR && !(*at == now && *seen == capacity));
        self.seen.push((now, capacity));
    }

    /// What is published: each template with whether it may be left out.
    pub(in crate::model) fn templates(&self) -> Vec<(&Template, bool)> {
        self.published
            .iter()
            .map(|published| (&published.template, published.dropped || self.is_stale(published)))
            .collect()
    }

    /// A sweep may drop what is stale.
    pub(super) fn sweep(&mut self) {
        let stale: Vec<bool> = self.published.iter().map(|published| self.is_stale(published)).collect();
        self.published.iter_mut().zip(stale).for_each(|(published, stale)| published.dropped |= stale);
    }

    /// Whether nobody has served it for 30 days and nothing of it is unfinished.
    fn is_stale(&self, published: &Published) -> bool {
        let template = &published.template;
        let served = self.workers.iter().any(|worker| worker.is_live(self) && worker.serves(template));
        let of = |lane: &Lane| {
            (lane.function(), lane.major(), lane.minor())
                == (template.function.as_str(), template.version.major, template.version.minor)
        };
        let unfinished = self.rows.iter().any(|row| !row.state.is_terminal() && of(&row.lane));
        !served && !unfinished && self.is_old(published, true)
    }

    /// Whether nobody has served it for 30 days; or, `surely`, may not have.
    fn is_old(&self, published: &Published, surely: bool) -> bool {
        // who was spared when a sweep might have found it dead, and beat then, served on
        let serves = |worker: &&Worker| worker.joined && worker.serves(&published.template);
        let lived = self.workers.iter().filter(serves).map(|worker| worker.alive_at).max();
        let served_at = if surely { published.surely_at } else { published.served_at };
        self.now.since(lived.map_or(served_at, |lived| lived.max(served_at))) >= 30 * DAY
    }

    /// The default versions, where of the workers that may be dead these still count, and what may have been
    /// served for the last time long ago was, `surely`.
    pub(in crate::model) fn defaults(
        &self,
        dead_that_count: &[&WorkerId],
        surely: bool,
    ) -> BTreeMap<Name, Version> {
        let is_old = |published: &Published| self.is_old(published, surely);
        let counts = |worker: &&Worker| worker.is_live(self) || dead_that_count.contains(&&worker.id);
        let own = || self.workers.iter().filter(|worker| worker.joined).filter(counts);
        let mut names: Vec<&Name> = Vec::new();
        for published in &self.published {
            let function = &published.template.function;
            let served = own().any(|worker| worker.serves(&published.template));
            if served || !is_old(published) {
                names.push(function);
            }
        }
        let of_name = |name: &Name| {
            let versions = |worker: &&Worker| -> Vec<Version> {
                let of = worker.own.iter().filter(|template| template.function == *name);
                of.map(|template| template.version).collect()
            };
            let all: Vec<Vec<Version>> =
                own().map(|worker| versions(&worker)).filter(|own| !own.is_empty()).collect();
            let Some(lowest) = all.iter().flatten().map(|version| version.major).min() else {
                let newest = self
                    .published
                    .iter()
                    .filter(|published| published.template.function == *name && !is_old(published));
                return newest.map(|published| published.template.version).max();
            };
            // a worker serves what is older than its own too, within its major
            let newest = |own: &Vec<Version>| own.iter().filter(|own| own.major == lowest).max().copied();
            all.iter().filter_map(newest).min()
        };
        names.into_iter().filter_map(|name| Some((name.clone(), of_name(name)?))).collect()
    }

    /// Whether nobody has served any version of this function for 30 days: a sweep may have dropped its default.
    pub(in crate::model) fn is_fading(&self, name: &Name) -> bool {
        let of = |published: &&Published| published.template.function == *name;
        self.published.iter().filter(of).all(|published| {
            let served = |worker: &Worker| worker.is_live(self) && worker.serves(&published.template);
            self.is_old(published, true) && !self.workers.iter().any(served)
        })
    }

    /// Workers that died and that a sweep may not have found.
    pub(in crate::model) fn perhaps(&self) -> Vec<&WorkerId> {
        let dead = self.workers.iter().filter(|worker| worker.joined && !worker.is_live(self));
        dead.map(|worker| &worker.id).collect()
    }

    /// The least and the most that the largest worker may be.
    pub(in crate::model) fn largest(&self) -> [Largest; 2] {
        let within = |time: Duration| {
            let mut largest = Largest::default();
            let seen = self.seen.iter().filter(|(at, _)| self.now.since(*at) < time);
            seen.for_each(|(_, capacity)| largest.merge(capacity));
            largest
        };
        let seen = self.times.seen;
        [within(seen - seen / 24), within(seen + seen / 24)]
    }
}
