//! What the benchmarks share: an input, interleaved rounds, medians, and a table with each figure beside its limit.

use std::{fmt::Write as _, time::Duration};

use function_runner_core::{Context, Failure, Function};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many rounds; every round measures everything once, so that a slow moment of the machine hits all alike.
pub const ROUNDS: usize = 5;

/// What tasks of the benchmarks take in.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    /// One line.
    pub title: String,
    /// A few words.
    pub tags: Vec<String>,
    /// The text.
    pub lines: Vec<String>,
    /// What a body answers with.
    pub rating: u32,
    /// One more kind of value.
    pub draft: bool,
}

impl Note {
    /// One of about 500 bytes as JSON.
    #[must_use]
    pub fn of_500_bytes() -> Self {
        Self {
            title: "A note of about five hundred bytes".to_owned(),
            tags: ["alpha", "beta", "gamma", "delta"].map(str::to_owned).to_vec(),
            lines: (0..8).map(|i| format!("line {i}: the quick brown fox jumps over it")).collect(),
            rating: 5,
            draft: false,
        }
    }
}

/// The function whose calls are measured.
pub const KEEP: Function<Note, u32> = Function::new("bench.keep");

/// Its body, which does nothing.
///
/// # Errors
///
/// None.
pub async fn keep(_: Context, note: Note) -> Result<u32, Failure> {
    Ok(note.rating)
}

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
    let mut text =
        format!("{:<52} {:>12} {:>9} {:>8} {:>9}\n", "", "per second", "each", "spread", "of limit");
    for (figure, limit) in rows {
        let (name, rate, spread) = (&figure.name, figure.median(), figure.spread() * 100.0);
        let ratio = limit.map_or(String::new(), |limit| format!("{:.3}", rate / limit.median()));
        let each = each(rate);
        // writing to a string cannot fail
        let _ = writeln!(text, "{name:<52} {rate:>12.0} {each:>9} {spread:>7.0}% {ratio:>9}");
    }
    text
}

/// How long one of so many a second takes.
fn each(rate: f64) -> String {
    match 1e9 / rate {
        nanos if nanos < 1e3 => format!("{nanos:.0} ns"),
        nanos if nanos < 1e6 => format!("{:.2} µs", nanos / 1e3),
        nanos => format!("{:.2} ms", nanos / 1e6),
    }
}
