//! The conformance suites: every sentence of the traits' contracts as a test that any backend runs.
//!
//! A backend's author implements [`Executor`](function_runner_core::Executor) and, if workers pull from it,
//! [`Queue`](function_runner_core::Queue); then one line makes a module of tests:
//!
//! ```
//! use function_runner_core::{Queue, Result, Times};
//! # struct MyQueue;
//! # impl MyQueue {
//! #     async fn connect(_: &str, _: Times) -> Result<std::sync::Arc<dyn Queue>> { unreachable!() }
//! # }
//!
//! function_runner_testkit::queue_conformance!(|case| async move {
//!     MyQueue::connect(&case.namespace, case.times).await.unwrap()
//! });
//! # fn main() {}
//! ```
//!
//! | macro | the closure answers with | what is proved |
//! |---|---|---|
//! | [`executor_conformance!`](crate::executor_conformance) | an `Executor` behind which `case.functions` run | the contract of `Executor` |
//! | [`queue_conformance!`](crate::queue_conformance) | a `Queue` | the contracts of `Queue` and, with core's worker behind it, of `Executor` |
//! | [`inspect_conformance!`](crate::inspect_conformance) | a `Connection` with `queue` and `inspect` | the contract of `Inspect` |
//! | [`operate_conformance!`](crate::operate_conformance) | a `Connection` with `queue` and `operate` | the contract of `Operate` |
//! | [`artifact_conformance!`](crate::artifact_conformance) | an `ArtifactStore` | the contract of `ArtifactStore` |
//!
//! # What the suites ask of a backend
//!
//! - The closure is called once for each connection, with the same [`Case::namespace`] within a case: what one
//!   connection stores, the others see. A store that lives in this process is found again by that name.
//! - A store is opened with [`Case::times`], so that the expiry of a lease is a test and not a wait.
//! - A store that takes its time from a [`Clock`](function_runner_core::Clock) takes [`Case::clock`]: the case then
//!   turns its hands, waits for nothing, and checks to the millisecond what it otherwise checks by the order of
//!   events alone.
//! - Every case has a runtime, a namespace and a deadline of its own, so they run side by side and the caller's
//!   crate needs no tokio. No case says that something must be quick, its deadline apart.
//! - A failure tells the case, the sentence of the contract, and what came.
//! - A networked backend can be tried in this process behind [`OwnThread`](crate::OwnThread).
//!
//! The names of the tests are those of the sentences: what `a_dead_worker_costs_one_lease` means stands at the
//! trait. Each macro makes a module named after it; use it inside modules of your own to run it over several setups:
//!
//! ```
//! # use function_runner_core::Executor;
//! # struct Mine;
//! # impl Mine { async fn start(_: &function_runner_core::Registry) -> std::sync::Arc<dyn Executor> { unreachable!() } }
//! mod plain {
//!     use super::*;
//!     function_runner_testkit::executor_conformance!(|case| async move { Mine::start(&case.functions).await });
//! }
//!
//! mod with_a_cache {
//!     use super::*;
//!     function_runner_testkit::executor_conformance!(|case| async move { Mine::start(&case.functions).await });
//! }
//! # fn main() {}
//! ```

#![expect(clippy::unwrap_used, reason = "the suites are tests: what goes wrong ends the case")]

#[doc(hidden)]
pub mod artifacts;
mod board;
mod case;
#[doc(hidden)]
pub mod executor;
mod functions;
mod hand;
#[doc(hidden)]
pub mod inspect;
mod macros;
mod named;
#[doc(hidden)]
pub mod operate;
#[doc(hidden)]
pub mod queue;
mod story;
#[cfg(test)]
mod tests;

pub use self::case::Case;
#[doc(hidden)]
pub use self::named::{Failed, NamedCase};

/// The suites whose cases stand in one file each, where the macros find them.
#[doc(hidden)]
pub mod side {
    pub use super::{artifacts, inspect, operate};
}
