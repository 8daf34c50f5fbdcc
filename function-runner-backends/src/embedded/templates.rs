//! What can be called here, as rows: published templates, default versions, weights, and the largest worker seen.

use std::{collections::BTreeMap, sync::Arc};

use function_runner_core::{
    Name, PUBLISHED_FOR, Template, TemplateSet, Tenant, Timestamp, Version, Weight, default_versions,
};
use rusqlite::{OptionalExtension as _, params};

use super::{
    fault::{Broken, Step},
    row::{read_moment, written},
    store::Store,
    workers::{Worker, is_of, never},
};

/// A version of a function.
type Served = (Name, Version);

struct Published {
    template: Template,
    served_at: Timestamp,
}

impl Store {
    /// What can be called here, worked out again when something has changed.
    pub(super) fn template_set(&mut self) -> Step<Arc<TemplateSet>> {
        if let Some((catalog, set)) = &self.set
            && *catalog == self.counters.catalog
        {
            return Ok(set.clone());
        }
        let set = Arc::new(self.work_out()?);
        self.set = Some((self.counters.catalog, set.clone()));
        Ok(set)
    }

    fn work_out(&mut self) -> Step<TemplateSet> {
        let published = self.published()?;
        let workers: Vec<Worker> = self.all_workers()?.into_iter().filter(|worker| worker.joined).collect();
        let own: Vec<&[Served]> = workers.iter().map(|worker| worker.own.as_slice()).collect();
        let versions = published.iter().map(|published| {
            let template = &published.template;
            let counts = is_served(&workers, &template.function, template.version)
                || self.wall.since(published.served_at) < PUBLISHED_FOR;
            (&template.function, template.version, counts)
        });
        let defaults = default_versions(versions, &own);
        let weights = self.weights()?;
        let largest = self.largest.largest();
        let templates = published.into_iter().map(|published| published.template).collect();
        Ok(TemplateSet::new(templates, defaults, weights, largest))
    }

    fn published(&self) -> Step<Vec<Published>> {
        let mut statement = self.sql.prepare_cached("SELECT template, served_at FROM template")?;
        let rows = statement.query_map([], |sql| Ok((sql.get::<_, Vec<u8>>(0)?, sql.get::<_, i64>(1)?)))?;
        let read = |row: rusqlite::Result<(Vec<u8>, i64)>| {
            let (stored, served_at) = row?;
            let template = serde_json::from_slice(&stored).map_err(Broken::corrupt)?;
            Ok(Published { template, served_at: read_moment(served_at) })
        };
        rows.map(read).collect()
    }

    fn weights(&self) -> Step<BTreeMap<Tenant, Weight>> {
        let mut statement = self.sql.prepare_cached("SELECT tenant, weight FROM weight")?;
        let rows = statement.query_map([], |sql| Ok((sql.get::<_, String>(0)?, sql.get::<_, u32>(1)?)))?;
        rows.map(|row| {
            let (tenant, weight) = row?;
            let tenant = Tenant::new(tenant).map_err(Broken::corrupt)?;
            Ok((tenant, Weight::new(weight).map_err(Broken::corrupt)?))
        })
        .collect()
    }

    /// Whatever the set is made of may be another now.
    pub(super) const fn changed_catalog(&mut self) {
        self.counters.catalog += 1;
        self.wrote = true;
    }

    pub(super) fn content_of(&self, template: &Template) -> Step<Option<u128>> {
        let query = "SELECT content FROM template WHERE name = ?1 AND version = ?2";
        let mut statement = self.sql.prepare_cached(query)?;
        let values = params![template.function.as_str(), template.version.to_string()];
        let content: Option<[u8; 16]> = statement.query_row(values, |sql| sql.get(0)).optional()?;
        Ok(content.map(u128::from_be_bytes))
    }

    /// A worker serves these templates from now on, in place of what it served before.
    pub(super) fn publish(&mut self, templates: &[Template], before: &[Served]) -> Step<()> {
        for template in templates {
            let stored = serde_json::to_vec(template).map_err(Broken::corrupt)?;
            let query = "INSERT OR REPLACE INTO template VALUES (?1, ?2, ?3, ?4, ?5)";
            self.sql.prepare_cached(query)?.execute(params![
                template.function.as_str(),
                template.version.to_string(),
                stored,
                template.content().to_be_bytes(),
                written(self.wall)
            ])?;
        }
        let own = |served: &&Served| !templates.iter().any(|template| is_of(served, template));
        let gone: Vec<Served> = before.iter().filter(own).cloned().collect();
        self.changed_catalog();
        self.unpublish(&gone, self.wall)
    }

    /// A worker serves these no longer, having last lived at this time.
    pub(super) fn unpublish(&mut self, gone: &[Served], lived_at: Timestamp) -> Step<()> {
        for (name, version) in gone {
            let query = "UPDATE template SET served_at = max(served_at, ?3) WHERE name = ?1 AND version = ?2";
            let values = params![name.as_str(), version.to_string(), written(lived_at)];
            self.sql.prepare_cached(query)?.execute(values)?;
            let next = lived_at.after(PUBLISHED_FOR);
            self.counters.next_unserved = self.counters.next_unserved.min(next);
        }
        if !gone.is_empty() {
            self.changed_catalog();
        }
        Ok(())
    }

    /// Gives a tenant this weight.
    pub(super) fn weigh(&mut self, tenant: &Tenant, weight: Weight) -> Step<()> {
        let tenant = tenant.as_str();
        if weight == Weight::default() {
            self.sql.prepare_cached("DELETE FROM weight WHERE tenant = ?1")?.execute([tenant])?;
        } else {
            let query = "INSERT OR REPLACE INTO weight VALUES (?1, ?2)";
            self.sql.prepare_cached(query)?.execute(params![tenant, weight.value()])?;
        }
        self.changed_catalog();
        Ok(())
    }

    /// Drops versions that nobody has served for long and that have no unfinished tasks, and capacities seen long ago.
    pub(super) fn sweep_templates(&mut self) -> Step<()> {
        let (wall, times) = (self.wall, self.times);
        let spans = self.largest.next_sweep(&times).unwrap_or(never());
        if wall < self.counters.next_unserved.min(spans) {
            return Ok(());
        }
        if self.largest.sweep(wall, &times) {
            self.write_largest()?;
        }
        let workers: Vec<Worker> = self.all_workers()?.into_iter().filter(|worker| worker.joined).collect();
        let lanes = self.all_lanes()?;
        let mut next = never();
        for Published { template, served_at } in self.published()? {
            let (name, version) = (&template.function, template.version);
            if is_served(&workers, name, version) {
                continue;
            }
            let unfinished = lanes.iter().any(|row| {
                let lane = &row.name;
                row.waiting + row.running > 0
                    && (lane.function(), lane.major(), lane.minor())
                        == (name.as_str(), version.major, version.minor)
            });
            if wall.since(served_at) >= PUBLISHED_FOR && !unfinished {
                let query = "DELETE FROM template WHERE name = ?1 AND version = ?2";
                self.sql.prepare_cached(query)?.execute(params![name.as_str(), version.to_string()])?;
            } else {
                // one that is kept for its tasks is looked at again when some have had time to end
                next = next.min(served_at.after(PUBLISHED_FOR).max(wall.after(times.lease)));
            }
        }
        self.counters.next_unserved = next;
        self.changed_catalog();
        Ok(())
    }
}

fn is_served(workers: &[Worker], name: &Name, version: Version) -> bool {
    workers.iter().any(|worker| worker.own.iter().any(|own| own.0 == *name && own.1 == version))
}
