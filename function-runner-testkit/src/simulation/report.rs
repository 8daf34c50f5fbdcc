//! What a simulation found: figures beside their bounds, violations, and the hash of its history.

use std::fmt;

/// One figure of a simulation, with the bound it has to keep.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Figure {
    /// What was looked at.
    pub name: &'static str,
    /// What was found.
    pub found: String,
    /// What it has to be; empty where it is only told.
    pub bound: String,
    /// Whether it is so.
    pub holds: bool,
    /// How much of its bound it takes, 1 at the bound: of several seeds the one that takes most is the worst.
    pub taken: f64,
}

impl Figure {
    pub(super) fn told(name: &'static str, found: impl fmt::Display) -> Self {
        Self { name, found: found.to_string(), bound: String::new(), holds: true, taken: 0.0 }
    }

    /// One that must be this and nothing else.
    pub(super) fn exactly(name: &'static str, found: u64, value: u64, bound: impl fmt::Display) -> Self {
        let (holds, taken) = (found == value, if found == value { 0.0 } else { f64::INFINITY });
        Self { name, found: found.to_string(), bound: bound.to_string(), holds, taken }
    }

    /// One that may be so much at most, `found` and `bound` as they are to be read.
    pub(super) fn at_most(
        name: &'static str,
        found: impl fmt::Display,
        bound: impl fmt::Display,
        of: Part,
    ) -> Self {
        let Part(value, most) = of;
        let taken = if value == 0 { 0.0 } else { value as f64 / most as f64 };
        let bound = format!("at most {bound}");
        Self { name, found: found.to_string(), bound, holds: value <= most, taken }
    }

    /// One that must be so much at least.
    pub(super) fn at_least(
        name: &'static str,
        found: impl fmt::Display,
        bound: impl fmt::Display,
        of: Part,
    ) -> Self {
        let Part(value, least) = of;
        let bound = format!("at least {bound}");
        Self {
            name,
            found: found.to_string(),
            bound,
            holds: value >= least,
            taken: least as f64 / value as f64,
        }
    }
}

/// A figure and its bound as numbers.
pub(super) struct Part(pub(super) u64, pub(super) u64);

impl Figure {
    /// The figure as a line of a table.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { name, found, bound, holds, .. } = self;
        let verdict = if *holds { "" } else { "  VIOLATED" };
        format!("{name:<60} {found:>24}  {bound}{verdict}")
    }
}

/// What a simulation found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The seed it was drawn from.
    pub seed: u64,
    /// A hash of everything that happened: the same seed gives the same.
    pub history: u64,
    /// The figures, each beside its bound.
    pub figures: Vec<Figure>,
    /// What was not as it must be, each with the last that happened to the task and the worker concerned.
    pub violations: Vec<String>,
}

impl Report {
    /// Whether nothing was wrong.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.violations.is_empty() && self.figures.iter().all(|figure| figure.holds)
    }

    /// Goes on only where nothing was wrong.
    ///
    /// # Panics
    ///
    /// With the whole report, its seed first, where something was.
    pub fn check(&self) {
        assert!(self.holds(), "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, history {:016x}", self.seed, self.history)?;
        self.figures.iter().try_for_each(|figure| writeln!(f, "{}", figure.line().trim_end()))?;
        self.violations.iter().try_for_each(|violation| writeln!(f, "VIOLATED: {violation}"))
    }
}
