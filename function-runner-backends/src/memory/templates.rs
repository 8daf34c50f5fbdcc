//! What can be called here: published templates, default versions, weights, and the largest worker seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use function_runner_core::{
    Capacity, LargestSeen, Name, PUBLISHED_FOR, Template, TemplateSet, Tenant, Times, Timestamp, Version,
    Weight, default_versions,
};

use super::workers::Workers;

/// A version of a function.
pub(super) type Served = (Name, Version);

/// Everything the template set is made of.
#[derive(Debug)]
pub(super) struct Templates {
    published: BTreeMap<Served, Published>,
    weights: BTreeMap<Tenant, Weight>,
    seen: LargestSeen,
    set: Option<Arc<TemplateSet>>,
    next_sweep: Timestamp,
}

#[derive(Debug)]
struct Published {
    template: Template,
    content: u128,
    /// How many live workers serve it as their own.
    servers: u32,
    /// When one last did, while none does.
    served_at: Timestamp,
}

impl Published {
    /// Whether it counts as published: some live worker serves it, or did so not long ago.
    fn counts(&self, now: Timestamp) -> bool {
        self.servers > 0 || now.since(self.served_at) < PUBLISHED_FOR
    }
}

impl Templates {
    pub(super) fn new() -> Self {
        Self {
            published: BTreeMap::new(),
            weights: BTreeMap::new(),
            seen: LargestSeen::default(),
            set: None,
            next_sweep: Timestamp::from_millis(u64::MAX),
        }
    }

    /// The set as it is now; worked out again when something has changed.
    pub(super) fn set(&mut self, workers: &Workers, now: Timestamp) -> &Arc<TemplateSet> {
        // taken out for the borrow of `self`
        let set = self.set.take().unwrap_or_else(|| Arc::new(self.work_out(workers, now)));
        self.set.insert(set)
    }

    fn work_out(&self, workers: &Workers, now: Timestamp) -> TemplateSet {
        let templates = self.published.values().map(|published| published.template.clone()).collect();
        let own: Vec<&[Served]> = workers.iter().map(|worker| worker.own.as_slice()).collect();
        let published =
            self.published.iter().map(|((name, version), published)| (name, *version, published.counts(now)));
        let defaults = default_versions(published, &own);
        TemplateSet::new(templates, defaults, self.weights.clone(), self.seen.largest())
    }

    pub(super) fn content_of(&self, served: &Served) -> Option<u128> {
        self.published.get(served).map(|published| published.content)
    }

    /// A worker serves these templates from now on, in place of what it served before.
    pub(super) fn publish(&mut self, templates: Vec<Template>, before: &[Served], now: Timestamp) {
        let mut own = BTreeSet::new();
        for template in templates {
            let served = (template.function.clone(), template.version);
            let content = template.content();
            let is_new = own.insert(served.clone()) && !before.contains(&served);
            let published = self.published.entry(served.clone()).or_insert_with(|| Published {
                template: template.clone(),
                content,
                servers: 0,
                served_at: now,
            });
            let changes = published.servers == 0 || published.template != template;
            published.servers += u32::from(is_new);
            (published.template, published.content) = (template, content);
            if changes || !self.is_alone(&served) {
                self.set = None;
            }
        }
        let gone: Vec<Served> = before.iter().filter(|served| !own.contains(*served)).cloned().collect();
        self.part(&gone, now);
    }

    /// A worker serves these no longer, having last lived at this time.
    pub(super) fn part(&mut self, gone: &[Served], lived_at: Timestamp) {
        for served in gone {
            let Some(published) = self.published.get_mut(served) else { continue };
            published.servers = published.servers.saturating_sub(1);
            published.served_at = published.served_at.max(lived_at);
            self.next_sweep = self.next_sweep.min(published.served_at.after(PUBLISHED_FOR));
            if published.servers == 0 || !self.is_alone(served) {
                self.set = None;
            }
        }
    }

    /// Whether it is the only version of its function, so that who serves it changes no default: a thousand workers
    /// that come and go must not have the set worked out a thousand times.
    fn is_alone(&self, served: &Served) -> bool {
        let first = (served.0.clone(), Version::new(0, 0, 0));
        self.published.range(first..).take_while(|(other, _)| other.0 == served.0).count() == 1
    }

    /// A worker of this capacity lives, and was last counted in this span of time; answers with the span it is now.
    pub(super) fn see(
        &mut self,
        capacity: &Capacity,
        counted: Option<u64>,
        now: Timestamp,
        times: &Times,
    ) -> u64 {
        let span = LargestSeen::span(now, times);
        if counted != Some(span) && self.seen.see(capacity, now, times) {
            self.set = None;
            self.next_sweep =
                self.seen.next_sweep(times).map_or(self.next_sweep, |at| self.next_sweep.min(at));
        }
        span
    }

    /// Gives a tenant this weight.
    pub(super) fn weigh(&mut self, tenant: &Tenant, weight: Weight) {
        if weight == Weight::default() {
            self.weights.remove(tenant);
        } else {
            self.weights.insert(tenant.clone(), weight);
        }
        self.set = None;
    }

    /// When a sweep may find something.
    pub(super) const fn next_sweep(&self) -> Timestamp {
        self.next_sweep
    }

    /// Drops versions that nobody has served for long and that have no unfinished tasks, and spans that are over.
    pub(super) fn sweep(
        &mut self,
        now: Timestamp,
        times: &Times,
        unfinished: impl Fn(&str, Version) -> bool,
    ) {
        if now < self.next_sweep {
            return;
        }
        self.published.retain(|(name, version), published| {
            published.counts(now) || unfinished(name.as_str(), *version)
        });
        self.seen.sweep(now, times);
        self.set = None;
        let unserved = self.published.values().filter(|published| published.servers == 0);
        // one that is kept for its tasks is looked at again when some have had time to end
        let soon = now.after(times.lease);
        let served = unserved.map(|published| published.served_at.after(PUBLISHED_FOR).max(soon)).min();
        let span = self.seen.next_sweep(times);
        self.next_sweep = served.into_iter().chain(span).min().unwrap_or(Timestamp::from_millis(u64::MAX));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.published.len() + self.seen.len()
    }
}
