//! Task ids and the rows they stand for.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher, BuildHasherDefault, Hash, Hasher},
};

use function_runner_core::TaskId;

/// Below this many places nothing is given back.
const SMALL: usize = 1024;

/// Finds the row of an id.
///
/// Each id is kept with its hash, so that a table that grows reads no id again: with a million of them that would be
/// as many reads all over the memory while everybody waits.
#[derive(Debug, Default)]
pub(super) struct Ids {
    rows: HashMap<Hashed, u32, BuildHasherDefault<Ready>>,
    state: RandomState,
}

impl Ids {
    /// The hash of an id, here and for now.
    pub(super) fn hash(&self, id: &TaskId) -> u64 {
        self.state.hash_one(id)
    }

    pub(super) fn get(&self, id: &TaskId) -> Option<u32> {
        self.find(id, self.hash(id))
    }

    pub(super) fn find(&self, id: &TaskId, hash: u64) -> Option<u32> {
        self.rows.get(&Hashed { hash, id: id.clone() }).copied()
    }

    pub(super) fn insert(&mut self, id: &TaskId, hash: u64, at: u32) {
        self.rows.insert(Hashed { hash, id: id.clone() }, at);
    }

    pub(super) fn remove(&mut self, id: &TaskId, hash: u64) {
        self.rows.remove(&Hashed { hash, id: id.clone() });
        if self.rows.capacity() > SMALL && self.rows.len() < self.rows.capacity() / 8 {
            self.rows.shrink_to(self.rows.len() * 2);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }
}

#[derive(Debug)]
struct Hashed {
    hash: u64,
    id: TaskId,
}

impl PartialEq for Hashed {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.id == other.id
    }
}

impl Eq for Hashed {}

impl Hash for Hashed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Passes a hash on that was made before.
#[derive(Debug, Default)]
pub(super) struct Ready(u64);

impl Hasher for Ready {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // only `write_u64` is ever called; anything else still hashes, if badly
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
