//! What a check looked at, so that a test can tell a history that holds from one that says nothing.

use std::{collections::HashSet, fmt};

use super::{
    Invariant,
    entry::{Entry, Fact},
    line::{Call, Reply},
};

/// What a check looked at. A history of nothing holds all invariants: assert that yours was about something.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// How many tasks it names.
    pub tasks: u64,
    /// How many calls there were.
    pub calls: u64,
    /// How many of them have no answer.
    pub unknown: u64,
    /// How many leases were given.
    pub leases: u64,
    /// How many items watches gave.
    pub events: u64,
    /// How many bodies ran.
    pub bodies: u64,
    checked: [u64; Invariant::ALL.len()],
}

impl Summary {
    /// How many cases of this invariant there were.
    #[must_use]
    pub const fn checked(&self, invariant: Invariant) -> u64 {
        self.checked[invariant as usize]
    }

    /// The invariants of which there was no case.
    #[must_use]
    pub fn vacuous(&self) -> Vec<Invariant> {
        Invariant::ALL.into_iter().filter(|invariant| self.checked(*invariant) == 0).collect()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tasks, calls, unknown, leases, events, bodies, .. } = self;
        write!(
            f,
            "{tasks} tasks, {calls} calls of which {unknown} without an answer, {leases} leases, {events} events, {bodies} bodies"
        )?;
        for invariant in Invariant::ALL {
            write!(f, "\n{:>12}  {invariant}", self.checked(invariant))?;
        }
        Ok(())
    }
}

pub(super) fn of(entries: &[Entry], checked: [u64; Invariant::ALL.len()]) -> Summary {
    let mut summary = Summary { tasks: 0, calls: 0, unknown: 0, leases: 0, events: 0, bodies: 0, checked };
    let mut tasks = HashSet::new();
    for entry in entries {
        entry.each_task(|task, _| _ = tasks.insert(task));
        match &entry.fact {
            Fact::Gave { .. } => summary.events += 1,
            Fact::Call { call: Call::Body { .. }, .. } => summary.bodies += 1,
            Fact::Call { reply, .. } => {
                summary.calls += 1;
                match reply {
                    Reply::Unknown(_) => summary.unknown += 1,
                    Reply::Leased(leases) => summary.leases += leases.len() as u64,
                    _ => {}
                }
            }
        }
    }
    summary.tasks = tasks.len() as u64;
    summary
}
