//! The cases as data, for a harness that is not the test runner: made from the same lists as the tests.

use std::{fmt, time::Duration};

use super::Case;

/// A case that is run by name.
///
/// `O` is what opens its subject.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct NamedCase<O> {
    /// The name of its sentence.
    pub name: &'static str,
    make: fn() -> Case,
    run: fn(Case, O) -> Result<(), Failed>,
}

impl<O> fmt::Debug for NamedCase<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NamedCase").field(&self.name).finish()
    }
}

impl<O> NamedCase<O> {
    /// What the lists are made of.
    pub const fn new(name: &'static str, make: fn() -> Case, run: fn(Case, O) -> Result<(), Failed>) -> Self {
        Self { name, make, run }
    }

    /// Runs it on a runtime of its own, within its own limit of time.
    ///
    /// # Errors
    ///
    /// What was expected and what came.
    pub fn run(&self, open: O) -> Result<(), Failed> {
        (self.run)((self.make)(), open)
    }

    /// Runs it within this time, which may be shorter than its own.
    ///
    /// # Errors
    ///
    /// What was expected and what came.
    pub fn run_within(&self, limit: Duration, open: O) -> Result<(), Failed> {
        (self.run)((self.make)().limited(limit), open)
    }
}

/// Why a case failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failed {
    /// The case.
    pub case: &'static str,
    /// The sentence of the contract that its steps were about.
    pub expected: String,
    /// What came instead.
    pub came: String,
    /// Whether its time was over, with nothing else wrong.
    pub timed_out: bool,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "case `{}`\nexpected: {}\ncame: {}", self.case, self.expected, self.came)
    }
}

impl std::error::Error for Failed {}
