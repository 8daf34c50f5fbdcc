//! What a check finds, and what it looked at.

use crate::history::{Invariant, entry::Entry, line::Id};

/// More are not kept: the first to come to its end is told.
const MOST: usize = 1000;

/// What a check found, and how much it looked at.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) found: Vec<Finding>,
    pub(super) checked: [u64; Invariant::ALL.len()],
}

/// An invariant that does not hold.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) invariant: Invariant,
    /// What is wrong, in words.
    pub(super) message: String,
    pub(super) task: Option<Id>,
    /// The numbers of the entries that show it.
    pub(super) witnesses: Vec<u64>,
    /// When the last of them was over, in microseconds.
    pub(super) at: u64,
}

impl Findings {
    /// Looked at one case of this invariant.
    pub(super) fn checked(&mut self, invariant: Invariant) {
        self.checked[invariant as usize] += 1;
    }

    /// A case in which it does not hold.
    pub(super) fn fail(
        &mut self,
        invariant: Invariant,
        task: Option<&Id>,
        witnesses: &[&Entry],
        message: String,
    ) {
        if self.found.len() >= MOST {
            return;
        }
        let last = |entry: &&Entry| entry.end.unwrap_or(entry.start).at;
        let mut numbers: Vec<u64> = witnesses.iter().map(|entry| entry.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        self.found.push(Finding {
            invariant,
            message,
            task: task.cloned(),
            witnesses: numbers,
            at: witnesses.iter().map(last).max().unwrap_or(0),
        });
    }

    /// Looked at one case, which holds or does not.
    pub(super) fn judge(
        &mut self,
        invariant: Invariant,
        holds: bool,
        task: &Id,
        witnesses: &[&Entry],
        message: impl FnOnce() -> String,
    ) {
        self.checked(invariant);
        if !holds {
            self.fail(invariant, Some(task), witnesses, message());
        }
    }

    /// The violation whose last witness came first.
    pub(super) fn first(&self) -> Option<&Finding> {
        self.found.iter().min_by_key(|finding| finding.at)
    }
}
