//! Backends of function-runner: where tasks are kept, and what runs there.
//!
//! Applications want [`function-runner-client`](https://docs.rs/function-runner-client), which opens a backend by its
//! URL. This crate is for whoever puts a [`Connection`](function_runner_core::Connection) together by hand.
//!
//! | module | cargo feature | what it is |
//! |---|---|---|
//! | `memory` | `memory` (default) | tasks kept in this process |
//! | `embedded` | `embedded` | tasks kept in one file, shared by the processes of one machine |
//! | `folder` | `folder` | artifacts by their content, and scratch folders, on the local disk |
//! | `models` | `networks` | the folder where weights lie, looked up by name and checksum |
//! | `networks` | `networks` | networks of convolutions on the CPU |
//! | `functions` | `functions` | the built-in functions: `image.upscale` |
//!
//! # Examples
//!
//! A store in memory with a worker of its own:
//!
//! ```
//! # #[cfg(feature = "memory")]
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use function_runner_backends::memory::MemoryQueue;
//! use function_runner_core::{Executor, Function, Intake, Payload, Registry, Request, Worker, outcome};
//! use std::sync::Arc;
//!
//! const DOUBLE: Function<u32, u32> = Function::new("double");
//!
//! let queue = MemoryQueue::new();
//! let registry = Registry::new().add(DOUBLE.implement(|_, n| async move { Ok(n * 2) }));
//! let worker = Worker::new(queue.clone(), registry);
//! let call = async {
//!     let intake = Intake::new(Arc::new(queue.clone())).patient(std::time::Duration::from_secs(10));
//!     let task = intake.admit(Request::new(DOUBLE.reference()?, Payload::encode(&21)?)).await?;
//!     let id = task.id.clone();
//!     queue.submit(vec![task]).await?;
//!     outcome(&queue, &id).await?.decode::<u32>()
//! };
//! tokio::select! {
//!     ended = worker.run_until(std::future::pending::<()>()) => ended?,
//!     answer = call => assert_eq!(answer?, 42),
//! }
//! # Ok::<(), function_runner_core::Error>(())
//! # }).unwrap();
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(feature = "folder")]
pub mod folder;
#[cfg(feature = "functions")]
pub mod functions;
#[cfg(any(feature = "embedded", feature = "memory"))]
mod heard;
#[cfg(feature = "memory")]
pub mod memory;
#[cfg(feature = "networks")]
pub mod models;
#[cfg(feature = "networks")]
pub mod networks;
#[cfg(any(feature = "embedded", feature = "memory"))]
mod turn;
