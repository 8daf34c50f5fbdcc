//! What can be listed: templates, lanes, workers, tasks; and the audit at the end of a sequence.

use std::collections::BTreeMap;

use function_runner_core::{
    Executor as _, Inspect as _, Lane, LaneStatus, Largest, Name, State, TaskFilter, TaskRecord, TemplateSet,
    Version,
};

use super::{Drive, check, lane, poll::complete, tasks::tenant};
use crate::model::{
    difference::{Differs, differs, same},
    op::Op,
};

impl Drive<'_> {
    /// Lists something.
    pub(super) fn list(&mut self, op: &Op) -> Result<(), Differs> {
        match op {
            Op::Templates => self.templates(),
            Op::Lanes => self.lanes(),
            Op::Workers => self.workers(),
            Op::Tasks { state, lane: of, tenant: whose, limit } => {
                let mut filter = TaskFilter::default();
                let states =
                    [State::Queued, State::Running, State::Succeeded, State::Failed, State::Cancelled];
                filter.state = (*state > 0).then(|| states[usize::from(*state) % 5]);
                let of = (*of > 0).then(|| lane(of / 2));
                filter.lane = of.map(|lane| if state % 3 == 1 { lane.twin() } else { lane });
                filter.tenant = tenant(*whose);
                filter.limit = (*limit > 0).then(|| 1 + usize::from(*limit) % 7);
                self.list_tasks(filter)
            }
            _ => Ok(()),
        }
    }

    /// Everything that can be read, compared once more.
    pub(super) fn audit(&mut self) -> Result<(), Differs> {
        for id in self.ids.clone() {
            self.record(&id)?;
            if self.model.is_unclear() {
                return Ok(());
            }
        }
        self.settle()?;
        self.lanes()?;
        self.workers()?;
        self.list_tasks(TaskFilter::default())?;
        self.templates()
    }

    fn templates(&mut self) -> Result<(), Differs> {
        self.serve_first()?;
        self.say("read the templates");
        self.model.call();
        let Some(Ok(set)) = complete(self.queue.templates(0)) else {
            return differs("the templates", "a set", "none");
        };
        let Some(set) = set else { return differs("the templates, asked with revision 0", "a set", "none") };
        self.is_set(&set)?;
        self.knows(set.clone())?;
        match complete(self.queue.templates(set.revision)) {
            Some(Ok(None)) => Ok(()),
            other => differs("the templates, asked with their own revision", "none", other),
        }
    }

    /// A heartbeat told this revision: it is that of the set as it is now.
    pub(super) fn revision_is(&mut self, revision: u64) -> Result<(), Differs> {
        if let Some(set) = self.sets.iter().find(|set| set.revision == revision && revision == self.revision)
        {
            return self.is_set(&set.clone());
        }
        self.model.call();
        let set = match complete(self.queue.templates(self.revision)) {
            Some(Ok(Some(set))) => set,
            other => return differs("the templates, after another revision was told", "a set", other),
        };
        same("the revision that a heartbeat told", &set.revision, &revision)?;
        self.is_set(&set)?;
        self.knows(set)
    }

    /// A revision stands for one set, and a set for one revision.
    fn knows(&mut self, set: TemplateSet) -> Result<(), Differs> {
        let plain = |set: &TemplateSet| {
            let mut plain = set.clone();
            plain.revision = 0;
            plain
        };
        for known in &self.sets {
            let same_set = plain(known) == plain(&set);
            if same_set != (known.revision == set.revision) {
                let expected = if same_set { known.revision.to_string() } else { "another".to_owned() };
                let what =
                    if same_set { "the revision of the same set" } else { "the revision of another set" };
                return differs(what, expected, set.revision);
            }
        }
        self.revision = set.revision;
        if self.sets.iter().all(|known| known.revision != set.revision) {
            self.sets.push(set);
        }
        Ok(())
    }

    fn is_set(&self, set: &TemplateSet) -> Result<(), Differs> {
        let expected = self.model.templates();
        for template in &set.templates {
            if expected.iter().all(|(known, _)| *known != template) {
                let known: Vec<String> = expected
                    .iter()
                    .map(|(known, _)| format!("{}@{}", known.function, known.version))
                    .collect();
                let actual = format!("{}@{}, as published by none", template.function, template.version);
                return differs("the published templates", known, actual);
            }
        }
        for (template, may_lack) in &expected {
            if !may_lack && !set.templates.contains(*template) {
                let missing = format!("{}@{}", template.function, template.version);
                return differs("the published templates", missing, "it is not among them");
            }
        }
        same("tenants' weights", self.model.weights(), &set.weights)?;
        let perhaps = self.model.perhaps();
        let choices = (0..2_usize << perhaps.len().min(6)).map(|mask| {
            let counts = perhaps.iter().enumerate().filter(|(at, _)| mask >> (at + 1) & 1 == 1);
            self.model.defaults(&counts.map(|(_, id)| *id).collect::<Vec<_>>(), mask & 1 == 1)
        });
        let lasting = |mut defaults: BTreeMap<Name, Version>| {
            defaults.retain(|name, _| !self.model.is_fading(name));
            defaults
        };
        let choices: Vec<BTreeMap<_, _>> = choices.map(lasting).collect();
        if !choices.contains(&lasting(set.defaults.clone())) {
            return differs("the default versions (one of those listed)", choices, &set.defaults);
        }
        self.is_largest(set.largest.as_ref())
    }

    fn is_largest(&self, largest: Option<&Largest>) -> Result<(), Differs> {
        let [least, most] = self.model.largest();
        let actual = largest.cloned().unwrap_or_default();
        let within = |one: &Largest, other: &Largest| {
            let mut both = other.clone();
            both.merge_amounts(one.amounts());
            both == *other
        };
        if within(&least, &actual) && within(&actual, &most) {
            return Ok(());
        }
        differs("the largest worker (between these two)", (least, most), actual)
    }

    fn lanes(&mut self) -> Result<(), Differs> {
        let Some(inspect) = self.connection().inspect.clone() else { return Ok(()) };
        self.serve_first()?;
        self.say("list the lanes");
        self.model.call();
        let mut expected = BTreeMap::<Lane, LaneStatus>::new();
        for row in self.model.rows.iter().filter(|row| !row.state.is_terminal()) {
            let status =
                expected.entry(row.lane.clone()).or_insert_with(|| LaneStatus::new(row.lane.clone()));
            match (row.state, row.waits_until) {
                (State::Running, _) => status.running += 1,
                (_, Some(_)) => status.delayed += 1,
                _ => status.queued += 1,
            }
        }
        for lane in self.model.paused() {
            expected.entry(lane.clone()).or_insert_with(|| LaneStatus::new(lane));
        }
        let mut expected: Vec<LaneStatus> = expected.into_values().collect();
        expected.iter_mut().for_each(|status| status.paused = self.model.is_paused(&status.lane));
        let Some(Ok(actual)) = complete(inspect.lanes()) else {
            return differs("the lanes", expected, "none");
        };
        // an empty twin may be told by its lane's pause alone
        let told = |lane: &Lane| actual.iter().any(|status| status.lane == *lane);
        expected.retain(|status| {
            let empty = status.queued + status.delayed + status.running == 0;
            !(empty && status.lane.is_twin()) || told(&status.lane)
        });
        same("the lanes", &expected, &actual)
    }

    fn workers(&mut self) -> Result<(), Differs> {
        let Some(inspect) = self.connection().inspect.clone() else { return Ok(()) };
        self.serve_first()?;
        self.say("list the workers");
        self.model.call();
        let live: Vec<_> = self.model.workers.iter().filter(|worker| worker.is_live(&self.model)).collect();
        let Some(Ok(actual)) = complete(inspect.workers()) else {
            return differs("the workers", live.len(), "none");
        };
        let mut names: Vec<_> = live.iter().map(|worker| &worker.id).collect();
        names.sort();
        same("the workers that are listed", &names, &actual.iter().map(|status| &status.worker).collect())?;
        for worker in live {
            let Some(status) = actual.iter().find(|status| status.worker == worker.id) else { continue };
            let held = self.model.rows.iter().filter(|row| row.is_held_by(&worker.id)).count() as u64;
            let seen = if self.subject.is_apart() {
                // that it asked is worth no write of its own for the third of a lease, and it may have looked unseen
                let peeked = self.peeked.get(&worker.id).copied().unwrap_or_default();
                worker.seen_at.before(self.model.times.beat())..=worker.seen_at.max(peeked)
            } else {
                worker.seen_at.before(self.tolerance)..=worker.seen_at.after(self.tolerance)
            };
            check::worker(worker, held, status, &seen)?;
        }
        Ok(())
    }

    fn list_tasks(&mut self, mut filter: TaskFilter) -> Result<(), Differs> {
        let Some(inspect) = self.connection().inspect.clone() else { return Ok(()) };
        self.serve_first()?;
        self.say(words_of(&filter));
        self.model.call();
        let mut actual: Vec<TaskRecord> = Vec::new();
        loop {
            let Some(Ok(page)) = complete(inspect.tasks(filter.clone())) else {
                return differs("a page of tasks", "a page", "none");
            };
            if page.items.len() > filter.limit.unwrap_or(50) {
                return differs("a page of tasks", filter.limit.unwrap_or(50), page.items.len());
            }
            actual.extend(page.items);
            match page.next {
                Some(next) if actual.len() <= self.model.rows.len() => filter.cursor = Some(next),
                _ => break,
            }
        }
        let rows = self.model.rows.iter().rev().filter(|row| {
            filter.state.is_none_or(|state| row.state == state)
                && filter.lane.as_ref().is_none_or(|lane| row.lane == *lane)
                && filter.tenant.is_none() | (row.task.tenant == filter.tenant)
        });
        let rows: Vec<_> = rows.collect();
        let mut expected: Vec<_> = rows.iter().map(|row| &row.task.id).collect();
        let mut ids: Vec<_> = actual.iter().map(|record| &record.task.id).collect();
        expected.sort();
        ids.sort();
        same("the tasks that are listed", &expected, &ids)?;
        let falls = actual.windows(2).all(|pair| pair[0].created_at >= pair[1].created_at);
        same("whether the newest task is listed first", &true, &falls)?;
        for record in &actual {
            if let Some(row) = rows.iter().find(|row| row.task.id == record.task.id) {
                check::record(row, self.model.ahead(row), record, self.tolerance)?;
            }
        }
        Ok(())
    }
}

fn words_of(filter: &TaskFilter) -> String {
    let mut words = "list the tasks".to_owned();
    if let Some(state) = filter.state {
        words.push_str(&format!(" that are {}", state.as_str()));
    }
    if let Some(lane) = &filter.lane {
        words.push_str(&format!(" of {lane}"));
    }
    if let Some(tenant) = &filter.tenant {
        words.push_str(&format!(" of tenant {tenant}"));
    }
    if let Some(limit) = filter.limit {
        words.push_str(&format!(" in pages of {limit}"));
    }
    words
}
