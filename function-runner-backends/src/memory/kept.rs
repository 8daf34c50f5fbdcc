//! What has ended, by the moment at which it is to be forgotten.

use std::collections::{BTreeMap, VecDeque};

use function_runner_core::Timestamp;

/// Rows by their moment; of one moment, those that ended first go first.
///
/// Most tasks are kept equally long, so what ends comes last, beside what ended in the same millisecond.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// None of them is empty.
    moments: BTreeMap<Timestamp, VecDeque<u32>>,
    len: usize,
}

impl Kept {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn first(&self) -> Option<(Timestamp, u32)> {
        let (until, rows) = self.moments.first_key_value()?;
        Some((*until, *rows.front()?))
    }

    pub(super) fn insert(&mut self, until: Timestamp, at: u32) {
        self.len += 1;
        if let Some(mut last) = self.moments.last_entry()
            && *last.key() == until
        {
            return last.get_mut().push_back(at);
        }
        self.moments.entry(until).or_default().push_back(at);
    }

    pub(super) fn remove(&mut self, until: Timestamp, at: u32) {
        let Some(rows) = self.moments.get_mut(&until) else { return };
        // what is forgotten because its time has come stands first
        let Some(place) = rows.iter().position(|row| *row == at) else { return };
        rows.remove(place);
        self.len -= 1;
        if rows.is_empty() {
            self.moments.remove(&until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_go_first_stands_first_and_what_goes_leaves_nothing() {
        let mut kept = Kept::default();
        let at = Timestamp::from_millis;
        for (until, row) in [(7, 1), (7, 2), (3, 3), (9, 4), (7, 5)] {
            kept.insert(at(until), row);
        }
        kept.remove(at(7), 2);
        kept.remove(at(7), 2);
        kept.remove(at(8), 1);
        let mut rows = Vec::new();
        while let Some((until, row)) = kept.first() {
            kept.remove(until, row);
            rows.push(row);
        }
        assert_eq!((rows, kept.len(), kept.moments.len()), (vec![3, 1, 5, 4], 0, 0));
    }
}
