//! An invariant that does not hold, with the shortest history that shows it.

use std::fmt;

use super::{Invariant, entry::Entry, words};

/// An invariant does not hold. It prints, by `Display` and `Debug` alike, what is wrong and the shortest
/// history that shows it: a timeline out of which nothing can be left.
#[derive(Clone)]
pub struct Violation {
    invariant: Invariant,
    message: String,
    timeline: String,
}

pub(super) fn of(invariant: Invariant, message: String, shown: Vec<Entry>, begin: u64) -> Violation {
    Violation { invariant, message, timeline: words::timeline(&shown, begin) }
}

impl Violation {
    /// Which invariant.
    #[must_use]
    pub const fn invariant(&self) -> Invariant {
        self.invariant
    }

    /// What is wrong, in a sentence.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The shortest history that shows it, a line for each call, event or body, with the time since the
    /// history began.
    #[must_use]
    pub fn timeline(&self) -> &str {
        &self.timeline
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n{}", self.invariant, self.message, self.timeline.trim_end_matches('\n'))
    }
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Violation {}
