//! Seeds: a test under many of them, whose failure names the one to run again.

use std::thread;

/// The environment variable that has a test run under one seed alone.
const VARIABLE: &str = "FUNCTION_RUNNER_SEED";

/// Runs a test under each of these seeds, or under the one that the environment variable `FUNCTION_RUNNER_SEED` names
/// alone. A failure prints its seed and how to run it again.
///
/// # Panics
///
/// With the test; and where the variable is no number.
///
/// # Examples
///
/// ```
/// function_runner_testkit::seeds(0..20, |seed| {
///     let dice = seed % 6 + 1;
///     assert!((1..=6).contains(&dice));
/// });
/// ```
pub fn seeds(seeds: impl IntoIterator<Item = u64>, test: impl FnMut(u64)) {
    let mut test = test;
    if let Ok(text) = std::env::var(VARIABLE) {
        let seed = text.trim().parse();
        let seed =
            seed.unwrap_or_else(|_| panic!("{VARIABLE} is `{text}`; give it a whole number from 0 on"));
        return run(seed, &mut test);
    }
    seeds.into_iter().for_each(|seed| run(seed, &mut test));
}

fn run(seed: u64, test: &mut impl FnMut(u64)) {
    let _named = Named(seed);
    test(seed);
}

/// Names its seed where the test ends by a panic.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the seed was {seed}: run it again with {VARIABLE}={seed}", seed = self.0);
        }
    }
}
