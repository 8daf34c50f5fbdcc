//! The lanes that have a task, ended ones included, or a worker asleep on them.

use std::{
    collections::BTreeSet,
    ops::{Index, IndexMut},
};

use function_runner_core::Lane;
use hashbrown::HashMap;

use super::slab::Slab;

/// Every lane that is in use, by number and by name.
#[derive(Debug)]
pub(super) struct Lanes {
    numbers: HashMap<Lane, u32>,
    rows: Slab<LaneRow>,
}

/// What the store counts of a lane.
#[derive(Debug)]
pub(super) struct LaneRow {
    pub(super) lane: Lane,
    /// How many tasks of it are kept, ended ones included.
    tasks: usize,
    /// How many are queued, delayed ones included.
    pub(super) waiting: usize,
    pub(super) delayed: usize,
    pub(super) running: usize,
    /// The calls asleep on it, the next to be woken first.
    pub(super) beds: BTreeSet<Bed>,
    /// The calls that wait while their worker drains for it.
    pub(super) drainers: Vec<u32>,
}

/// A sleeping call's place on a lane: those whose model is loaded go first, then those asleep longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bed {
    pub(super) cold: bool,
    pub(super) serial: u64,
    pub(super) call: u32,
}

impl Lanes {
    pub(super) fn new() -> Self {
        Self { numbers: HashMap::default(), rows: Slab::new() }
    }

    pub(super) fn find(&self, lane: &Lane) -> Option<u32> {
        self.numbers.get(lane).copied()
    }

    pub(super) fn by_name(&self, lane: &Lane) -> Option<&LaneRow> {
        Some(&self.rows[self.find(lane)?])
    }

    /// The lane's number, for as long as something is in it: [`settle`](Self::settle) follows whatever leaves.
    pub(super) fn touch(&mut self, lane: &Lane) -> u32 {
        if let Some(number) = self.find(lane) {
            return number;
        }
        let number = self.rows.insert(LaneRow::new(lane.clone()));
        self.numbers.insert(lane.clone(), number);
        number
    }

    /// A task is kept in this lane from now on.
    pub(super) fn enter(&mut self, lane: &Lane) -> u32 {
        let number = self.touch(lane);
        self.rows[number].tasks += 1;
        number
    }

    /// A task is kept in this lane no longer.
    pub(super) fn exit(&mut self, number: u32) {
        self.rows[number].tasks -= 1;
        self.settle(number);
    }

    /// Forgets a lane with nothing in it.
    pub(super) fn settle(&mut self, number: u32) {
        let row = &self.rows[number];
        if row.tasks == 0 && row.beds.is_empty() && row.drainers.is_empty() {
            self.numbers.remove(&row.lane);
            self.rows.remove(number);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &LaneRow> {
        self.rows.iter().map(|(_, row)| row)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }
}

impl LaneRow {
    fn new(lane: Lane) -> Self {
        let (beds, drainers) = (BTreeSet::new(), Vec::new());
        Self { lane, tasks: 0, waiting: 0, delayed: 0, running: 0, beds, drainers }
    }
}

impl Index<u32> for Lanes {
    type Output = LaneRow;

    fn index(&self, number: u32) -> &LaneRow {
        &self.rows[number]
    }
}

impl IndexMut<u32> for Lanes {
    fn index_mut(&mut self, number: u32) -> &mut LaneRow {
        &mut self.rows[number]
    }
}
