//! Tests programs that call functions, bodies of functions, and backends of function-runner: with no GPU, no server and
//! no waiting.
//!
//! | to test | take |
//! |---|---|
//! | a body alone | [`TestContext`], the other end of its context |
//! | a body in every way that a queue may run it | [`exercise`]: killed, cancelled, resumed, with a store that fails |
//! | a program that calls functions | [`MockExecutor`], which answers from a script or [by hand](Hand) |
//! | that a change of types breaks nobody | [`assert_compatible!`] |
//! | a backend of your own | [`conformance`]: every sentence of the contract is a test |
//! | what a bad network does | [`faults`]: calls refused, lost, late, doubled, cut, from a seed |
//! | a run with crashes, lost answers and many processes | [`history`]: recorded, and held to the invariants |
//! | that backend in random sequences of everything | [`model`]: each answer is compared with a reference |
//! | what takes time | [`ManualClock`] |
//! | a whole fleet on a backend, in no time | [`simulation`] |
//!
//! # Examples
//!
//! ```
//! use function_runner_core::{Context, Failure};
//! use function_runner_testkit::TestContext;
//!
//! async fn shout(ctx: Context, text: String) -> Result<String, Failure> {
//!     ctx.progress(1.0, "shouted");
//!     Ok(text.to_uppercase())
//! }
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let test = TestContext::new();
//! assert_eq!(shout(test.context(), "hello".to_owned()).await.unwrap(), "HELLO");
//! assert_eq!(test.progress()[0].message, "shouted");
//! # });
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod clock;
pub mod compatible;
pub mod conformance;
mod context;
mod dice;
pub mod exercise;
pub mod faults;
pub mod history;
mod mock;
pub mod model;
mod own_thread;
mod seeds;
pub mod simulation;

pub use clock::ManualClock;
pub use context::TestContext;
pub use mock::{Hand, Job, MockExecutor};
pub use own_thread::OwnThread;
pub use seeds::seeds;
