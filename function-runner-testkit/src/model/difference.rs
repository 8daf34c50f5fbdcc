//! What a sequence found: where the subject answered otherwise than the model.

use std::fmt;

/// Where a subject answered otherwise than the model, after the shortest sequence that shows it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Difference {
    /// The seed of the sequence that was found.
    pub seed: u64,
    /// The shortest sequence that still shows it, in words, a line for each operation.
    pub script: Vec<String>,
    /// What was compared.
    pub what: String,
    /// What the contract says.
    pub expected: String,
    /// What came.
    pub actual: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, script, what, expected, actual } = self;
        writeln!(f, "the subject answers otherwise than the model, in {} operations:", script.len())?;
        for (number, line) in script.iter().enumerate() {
            writeln!(f, "{:>4}. {line}", number + 1)?;
        }
        writeln!(f, "  {what}")?;
        writeln!(f, "  expected: {expected}")?;
        writeln!(f, "  actual:   {actual}")?;
        write!(f, "  seed {seed}: run it again with FUNCTION_RUNNER_SEED={seed}")
    }
}

/// One answer that differs.
#[derive(Debug)]
pub(super) struct Differs {
    pub(super) what: String,
    pub(super) expected: String,
    pub(super) actual: String,
}

/// Says that these are not the same.
pub(super) fn differs<T>(
    what: impl fmt::Display,
    expected: impl fmt::Debug,
    actual: impl fmt::Debug,
) -> Result<T, Differs> {
    let (expected, actual) = (format!("{expected:?}"), format!("{actual:?}"));
    Err(Differs { what: what.to_string(), expected, actual })
}

/// Compares two values.
pub(super) fn same<T: PartialEq + fmt::Debug>(
    what: impl fmt::Display,
    expected: &T,
    actual: &T,
) -> Result<(), Differs> {
    if expected == actual { Ok(()) } else { differs(what, expected, actual) }
}
