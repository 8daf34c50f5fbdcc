//! What exercising a body found, as a table.

use std::{collections::BTreeSet, fmt};

use super::{Finding, Found};

/// What exercising a body found; `Display` is a table of the ways, and every finding with its remedy.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exercised {
    /// The function, as `name@version`.
    pub function: String,
    /// Everything that was found, in the order of the ways.
    pub findings: Vec<Found>,
    /// Each way, with how many attempts it took.
    pub ways: Vec<(&'static str, usize)>,
    /// The size of the largest checkpoint in bytes, and how many the plain attempt left.
    pub checkpoints: (usize, usize),
    allowed: BTreeSet<Finding>,
}

impl Exercised {
    pub(super) const fn new(function: String, allowed: BTreeSet<Finding>) -> Self {
        Self { function, findings: Vec::new(), ways: Vec::new(), checkpoints: (0, 0), allowed }
    }

    /// Whether nothing was found but what is allowed.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.iter().all(|found| found.allowed)
    }

    /// Whether something of this kind was found.
    #[must_use]
    pub fn has(&self, finding: Finding) -> bool {
        self.findings.iter().any(|found| found.finding == finding)
    }

    /// Ends the test where something was found that is not allowed.
    ///
    /// # Panics
    ///
    /// Then, with the whole table.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert!(self.is_clean(), "{self}");
    }

    pub(super) fn begin(&mut self, way: &'static str) {
        self.ways.push((way, 0));
    }

    pub(super) fn count(&mut self) {
        if let Some((_, attempts)) = self.ways.last_mut() {
            *attempts += 1;
        }
    }

    /// Adds a finding of the way that is under way; of one kind the first is told and the others are counted.
    pub(super) fn find(&mut self, finding: Finding, detail: impl Into<String>) {
        let Some(&(way, _)) = self.ways.last() else { return };
        let known = |found: &&mut Found| (found.finding, found.way) == (finding, way);
        match self.findings.iter_mut().find(known) {
            Some(found) => found.times += 1,
            None => {
                let (detail, allowed) = (detail.into(), self.allowed.contains(&finding));
                self.findings.push(Found { finding, way, detail, times: 1, allowed });
            }
        }
    }
}

impl fmt::Display for Exercised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attempts: usize = self.ways.iter().map(|(_, attempts)| attempts).sum();
        let faults = self.findings.iter().filter(|found| !found.allowed).count();
        writeln!(f, "`{}` exercised: {attempts} attempts, {faults} finding(s)\n", self.function)?;
        writeln!(f, "  {:<24}{:>8}  findings", "way", "attempts")?;
        for (way, attempts) in &self.ways {
            let names = self.findings.iter().filter(|found| found.way == *way);
            let names: Vec<_> = names.map(|found| found.finding.name()).collect();
            let names = if names.is_empty() { "-".to_owned() } else { names.join(", ") };
            writeln!(f, "  {way:<24}{attempts:>8}  {names}")?;
        }
        let (largest, count) = self.checkpoints;
        writeln!(f, "\n  {count} checkpoint(s) in the plain attempt, the largest {largest} bytes")?;
        for found in &self.findings {
            let Found { finding, way, detail, times, allowed } = found;
            let times = if *times == 1 { String::new() } else { format!(" ({times} times)") };
            let allowed = if *allowed { ", allowed" } else { "" };
            write!(f, "\n{finding}{allowed}, {way}{times}: {detail}\n  help: {}\n", finding.remedy())?;
        }
        Ok(())
    }
}
