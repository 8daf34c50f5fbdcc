//! The model: what every backend must answer, and random sequences of operations that compare it with yours.
//!
//! The conformance suites check each sentence of the contracts alone. This checks them together: thousands of
//! sequences of submits, leases, heartbeats, ends, cancels, crashes, outages and of time that passes to, before and
//! past every boundary are played on the subject and on a small reference model that is written from the contracts,
//! in plain lists. Every answer is compared: what is stored, which tasks a lease gives and in which order, records,
//! events with their numbers, templates and their revision, what an operator sees. A sequence that finds a difference
//! is shrunk and told in words.
//!
//! One line makes a module of tests:
//!
//! ```
//! use function_runner_core::{Connection, Times};
//! # use function_runner_testkit::ManualClock;
//! # struct MyQueue;
//! # impl MyQueue {
//! #     fn open(_: &str, _: Times, _: ManualClock) -> Connection { unreachable!() }
//! # }
//!
//! function_runner_testkit::model_conformance!(|case| async move {
//!     MyQueue::open(&case.namespace, case.times, case.clock())
//! });
//! # fn main() {}
//! ```
//!
//! - The closure is called for each sequence, and again for each try to shrink one, always with a namespace of its
//!   own. It answers with a [`Connection`] that has a queue; `inspect` and `operate` are compared where it has them.
//! - A store that takes its time from a [`Clock`](function_runner_core::Clock) takes [`Case::clock`]: then time passes
//!   at once, and is compared to the millisecond. It must answer in the thread that asks, as a sequence waits for
//!   nothing then. One whose calls another thread answers takes [`Case::clock_of_thread`], and a connection whose calls
//!   go to several such stores [`Case::clock_of_threads`]: they are asked for what nobody submitted, and have done by
//!   the answer whatever they were asked before.
//! - A store that lives by a clock of its own is opened with a part of the contract's times
//!   (`case.times.scaled(30)`): its time really passes, is compared to a ninth of its lease, and no operation is
//!   tried nearer than that to a boundary.
//! - `FUNCTION_RUNNER_SEED=n` plays one sequence again.
//!
//! [`check`] does the same for as many seeds as wanted, [`find`] answers with the first difference.

mod difference;
mod drive;
mod op;
mod reference;
mod run;
mod subject;

use function_runner_core::Connection;

use self::run::Player;
pub use self::{difference::Difference, subject::Case};

/// Plays the sequences of these seeds, or of the one that `FUNCTION_RUNNER_SEED` names alone, on subjects that `open`
/// gives.
///
/// # Panics
///
/// Where a subject answers otherwise than the model: with the shortest sequence that shows it.
pub fn check<O, F>(seeds: impl IntoIterator<Item = u64>, open: O)
where
    O: Fn(Case) -> F,
    F: Future<Output = Connection>,
{
    let mut player = Player::new(open);
    crate::seeds(seeds, |seed| {
        if let Some(difference) = player.seed(seed) {
            panic!("{difference}");
        }
    });
    println!("{} sequences kept, {} ended where nothing says what comes first", player.kept, player.unclear);
}

/// Plays the sequences of these seeds until one finds a difference, and answers with it.
pub fn find<O, F>(seeds: impl IntoIterator<Item = u64>, open: O) -> Option<Difference>
where
    O: Fn(Case) -> F,
    F: Future<Output = Connection>,
{
    let mut player = Player::new(open);
    seeds.into_iter().find_map(|seed| player.seed(seed))
}

/// The model against a backend, in a module of tests: 1,000 sequences, in parts that run side by side.
///
/// The closure is given the [`Case`](crate::model::Case) and answers with a
/// [`Connection`](function_runner_core::Connection) that has a queue. See [`model`](crate::model).
#[macro_export]
macro_rules! model_conformance {
    ($open:expr $(,)?) => {
        mod model_conformance {
            #[allow(
                unused_imports,
                reason = "whether the closure needs what stands around it is its author's choice"
            )]
            use super::*;

            $crate::__model_tests! { $open;
            first 0..250, second 250..500, third 500..750, fourth 750..1000 }
        }
    };
}

/// The tests of [`model_conformance!`].
#[doc(hidden)]
#[macro_export]
macro_rules! __model_tests {
    ($open:expr; $($part:ident $seeds:expr),+ $(,)?) => { $(
        #[test]
        fn $part() {
            $crate::model::check($seeds, $open);
        }
    )+ };
}
