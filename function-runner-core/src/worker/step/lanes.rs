//! The lanes a worker serves: its own, and older minor versions that it stands in for.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use crate::{Lane, MAX_LANES, Pool, Quality, ResourceRequirement, Template, TemplateSet, lane::LaneMap};

/// A lane with what a worker needs to know of it.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) lane: Lane,
    pub(super) twin: Lane,
    /// What its tasks need, as far as a worker can say before it has one: a task's envelope wins.
    pub(super) needs: ResourceRequirement,
    /// Whether one of its tasks would fit the empty machine.
    pub(super) fits_ever: bool,
    /// Which of the worker's own templates serves it.
    pub(super) function: usize,
    pub(super) parameters: Arc<BTreeMap<String, Value>>,
}

/// Lanes by number: a number once given stays, so that what a worker still holds is served when the set changes.
#[derive(Debug)]
pub(super) struct Lanes {
    all: Vec<Served>,
    numbers: LaneMap<usize>,
    own: usize,
    older: Vec<usize>,
    first: usize,
}

impl Lanes {
    pub(super) fn new(templates: &[Template], pool: &Pool) -> Self {
        let mut lanes =
            Self { all: Vec::new(), numbers: LaneMap::default(), own: 0, older: Vec::new(), first: 0 };
        for (function, template) in templates.iter().enumerate() {
            for (lane, needs) in template.lanes() {
                lanes.serve(lane, needs, function, template, pool);
            }
        }
        lanes.own = lanes.all.len();
        lanes
    }

    /// Serves the older minor versions that the set lists; answers whether anything changed.
    pub(super) fn learn(&mut self, set: &TemplateSet, own: &[Template], pool: &Pool) -> bool {
        let mut older = Vec::new();
        let mut changed = false;
        for listed in &set.templates {
            let serves = |own: &&Template| {
                own.function == listed.function
                    && own.version.major == listed.version.major
                    && listed.version.minor < own.version.minor
            };
            let Some(function) = own.iter().position(|template| serves(&template)) else { continue };
            for (lane, needs) in listed.lanes() {
                let known = self.numbers.get(&lane).is_some_and(|&number| self.all[number].needs == needs);
                changed |= !known;
                let number = self.serve(lane, needs, function, &own[function], pool);
                if !older.contains(&number) {
                    older.push(number);
                }
            }
        }
        changed |= older != self.older;
        self.older = older;
        self.first %= self.older.len().max(1);
        changed
    }

    fn serve(
        &mut self,
        lane: Lane,
        needs: ResourceRequirement,
        function: usize,
        own: &Template,
        pool: &Pool,
    ) -> usize {
        let fits_ever = pool.how_many_at_all(&lane, &needs) > 0;
        if let Some(&number) = self.numbers.get(&lane) {
            let served = &mut self.all[number];
            (served.needs, served.fits_ever) = (needs, fits_ever);
            return number;
        }
        // a lane's quality is one: it was checked when the lane was made
        let quality = lane.quality().parse().unwrap_or(Quality::Standard);
        let (number, twin) = (self.all.len(), lane.twin());
        self.numbers.insert(lane.clone(), number);
        self.numbers.insert(twin.clone(), number);
        let parameters = Arc::new(own.parameters_at(&quality));
        self.all.push(Served { lane, twin, needs, fits_ever, function, parameters });
        number
    }

    /// The number of this lane, or of the lane whose twin this is.
    pub(super) fn number(&self, lane: &Lane) -> Option<usize> {
        self.numbers.get(lane).copied()
    }

    pub(super) fn get(&self, number: usize) -> &Served {
        &self.all[number]
    }

    pub(super) const fn len(&self) -> usize {
        self.all.len()
    }

    /// Those that an ask may name now: all of its own, and as many of the older ones as there are places left.
    pub(super) fn selected(&self) -> impl Iterator<Item = usize> {
        let older = (0..self.places()).map(|place| self.older[(self.first + place) % self.older.len()]);
        (0..self.own).chain(older)
    }

    /// Makes the next ask go on where this one ended.
    pub(super) fn rotate(&mut self) {
        if !self.older.is_empty() {
            self.first = (self.first + self.places()) % self.older.len();
        }
    }

    fn places(&self) -> usize {
        MAX_LANES.saturating_sub(self.own).min(self.older.len())
    }
}
