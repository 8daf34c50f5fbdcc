//! Task ids and the rows they stand for.

use std::{collections::hash_map::RandomState, hash::BuildHasher};

use function_runner_core::TaskId;
use hashbrown::HashTable;

use super::{row::Row, slab::Slab};

/// Below this many places nothing is given back.
const SMALL: usize = 1024;

/// Finds the row of an id.
///
/// Each row is kept with half of its id's hash, so that a table that grows reads no row: with a million of them that
/// would be as many reads all over the memory while everybody waits. The id itself stands in the row alone.
#[derive(Debug, Default)]
pub(super) struct Ids {
    rows: HashTable<Known>,
    state: RandomState,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    hash: u32,
    at: u32,
}

impl Ids {
    /// The hash of an id, here and for now.
    pub(super) fn hash(&self, id: &TaskId) -> u32 {
        self.state.hash_one(id) as u32
    }

    /// The row of an id with this hash.
    pub(super) fn find(&self, id: &TaskId, hash: u32, rows: &Slab<Row>) -> Option<u32> {
        let is = |known: &Known| known.hash == hash && rows[known.at].task.id == *id;
        Some(self.rows.find(spread(hash), is)?.at)
    }

    /// Keeps the row of an id that it does not hold.
    pub(super) fn insert(&mut self, hash: u32, at: u32) {
        self.rows.insert_unique(spread(hash), Known { hash, at }, |known| spread(known.hash));
    }

    pub(super) fn remove(&mut self, hash: u32, at: u32) {
        if let Ok(known) = self.rows.find_entry(spread(hash), |known| known.at == at) {
            known.remove();
        }
        if self.rows.capacity() > SMALL && self.rows.len() < self.rows.capacity() / 8 {
            self.rows.shrink_to(self.rows.len() * 2, |known| spread(known.hash));
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }
}

/// Half a hash over all the bits that a table looks at.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
