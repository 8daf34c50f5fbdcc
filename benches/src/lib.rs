//! What the benchmarks share: interleaved rounds, medians, and a table with each figure beside its limit.

use std::{fmt::Write as _, time::Duration};

/// How many rounds; every round measures everything once, so that a slow moment of the machine hits all alike.
pub const ROUNDS: usize = 5;

/// One thing that is measured over the rounds, in events a second.
#[derive(Clone, Debug)]
pub struct Figure {
    name: String,
    rates: Vec<f64>,
}

impl Figure {
    /// A figure of this name with no rounds yet.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), rates: Vec::new() }
    }

    /// Adds a round in which so many events took so long.
    pub fn add(&mut self, events: usize, took: Duration) {
        self.rates.push(events as f64 / took.as_secs_f64());
    }

    /// The median of the rounds; 0 without any.
    #[must_use]
    pub fn median(&self) -> f64 {
        let mut sorted = self.rates.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }

    fn spread(&self) -> f64 {
        let least = self.rates.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.rates.iter().copied().fold(0.0, f64::max);
        (most - least) / self.median().max(f64::MIN_POSITIVE)
    }
}

/// A table of figures, each with its ratio to the limit beside it.
#[must_use]
pub fn table(rows: &[(&Figure, Option<&Figure>)]) -> String {
    let mut text = format!("{:<44} {:>12} {:>8} {:>10}\n", "", "per second", "spread", "of limit");
    for (figure, limit) in rows {
        let ratio = limit.map_or(String::new(), |limit| format!("{:.3}", figure.median() / limit.median()));
        let spread = figure.spread() * 100.0;
        // writing to a string cannot fail
        let _ =
            writeln!(text, "{:<44} {:>12.0} {:>7.0}% {:>10}", figure.name, figure.median(), spread, ratio);
    }
    text
}
