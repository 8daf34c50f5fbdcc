//! Runs AI functions (image, video, audio, text) with typed input, typed output and live progress, without the
//! caller caring where they run.
//!
//! ```
//! use function_runner_client::prelude::*;
//!
//! #[derive(Serialize, Deserialize, JsonSchema)]
//! struct Greeting { name: String }
//!
//! const GREET: Function<Greeting, String> = Function::new("greet");
//!
//! async fn greet(_: Context, input: Greeting) -> Result<String, Failure> {
//!     Ok(format!("Hello, {}!", input.name))
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<()> {
//!     let runner = Runner::local(Registry::new().add(GREET.implement(greet)))?;
//!     println!("{}", runner.call(GREET, Greeting { name: "Ada".into() }).await?);
//!     Ok(())
//! }
//! ```
//!
//! No server, no macro of ours, no configuration; `Cargo.toml` needs this crate, serde and tokio.
//!
//! # The ideas
//!
//! - A **function** is a constant with a name, a version and the types of its input and output; its body is an
//!   ordinary `async fn`, or a `fn` that computes, and what it needs stands with its implementation in a
//!   [`Registry`].
//! - A [`Runner`] calls functions. [`Runner::local`] runs them in this process, [`Runner::connect`] on workers behind
//!   a URL, [`Runner::new`] and [`Runner::over`] behind anything that implements [`Executor`], a mock included.
//! - A [`Call`] takes settings (quality, priority, deadline, …) and has two endings: awaited it is the output,
//!   `.submit().await?` gives a [`Handle`], which tells progress, cancels, and can be found again by its id.
//! - A [`Batch`] is many calls in one move, a [`FanOut`] one function over many inputs.
//! - Files travel as [`Artifact`]s: [`Runner::upload`] and [`Runner::download`].
//!
//! # Progress
//!
//! ```
//! # use function_runner_client::prelude::*;
//! # const COUNT: Function<u32, u32> = Function::new("count");
//! # async fn count(ctx: Context, n: u32) -> Result<u32, Failure> {
//! #     ctx.progress(0.5, "half");
//! #     Ok(n)
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! # let runner = Runner::local(Registry::new().add(COUNT.implement(count)))?;
//! let handle = runner.call(COUNT, 1000).priority(8).submit().await?;
//! let mut progress = handle.progress();
//! while let Some(p) = progress.next().await {
//!     println!("{:?} {}", p.fraction, p.message);
//! }
//! println!("{}", handle.output().await?);
//! # Ok(())
//! # }
//! ```
//!
//! # From one process to a fleet
//!
//! One string changes, and where the work runs there is one line more:
//!
//! ```
//! # use function_runner_client::prelude::*;
//! # const DOUBLE: Function<u32, u32> = Function::new("double");
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! # let registry = Registry::new().add(DOUBLE.implement(|_, n| async move { Ok(n * 2) }));
//! # let until_told = async {};
//! let runner = Runner::connect("memory:").await?;
//! runner.worker(registry)?.run_until(until_told).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Errors
//!
//! An [`Error`] is what the machinery says, a [`Failure`] what a function says. Both teach: every fault of an input
//! is listed with its place and what is allowed, and a `help:` line says what to do. Programs tell by
//! [`Error::kind`], and every error of a call carries the task's id.
//!
//! # Cargo features
//!
//! - `embedded`: tasks kept in one file, shared by the processes of one machine: `sqlite:tasks.db`.
//! - `nvidia`: workers count the machine's NVIDIA GPUs, through the driver, which need not be there.
//! - `cli`: the `fnr` command.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod batch;
mod call;
pub mod capacity;
pub mod connect;
mod events;
mod fan_out;
mod files;
mod handle;
mod local;
pub mod prelude;
mod runner;
mod submit;

pub use batch::{Batch, BatchHandle, BatchProgress, BatchProgressStream, Ticket};
pub use call::Call;
pub use events::{Events, ProgressStream};
pub use fan_out::FanOut;
pub use function_runner_core::{
    Artifact, Capacity, Connection, Error, ErrorKind, Event, EventKind, Executor, Failure, FailureClass,
    Handler, Implementation, Payload, Registry, Result, Stage, State, TaskEnded, TaskId, TaskRecord,
    Template, TemplateSet, Timestamp, When, Worker,
};
pub use handle::Handle;
pub use runner::Runner;
