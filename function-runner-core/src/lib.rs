//! The seams of function-runner: what an application, a worker and a backend agree on.
//!
//! Applications want [`function-runner-client`](https://docs.rs/function-runner-client), whose prelude has everything
//! they use of this crate. This one is for whoever writes a backend, a handler or a tool.
//!
//! | seam | who implements it |
//! |---|---|
//! | [`Executor`]: submit, record, watch, cancel | every backend |
//! | [`Queue`]: join, lease, renew, finish | backends that workers pull from |
//! | [`Handler`]: runs one attempt | bodies: closures through [`Function::implement`], kernels, remote model servers |
//! | [`ArtifactStore`]: files by their content | folders, object stores |
//! | [`Inspect`], [`Operate`] | backends that operators look at and steer |
//!
//! Around them stand decisions that are pure, so that every backend makes the same ones: what may follow what
//! ([`state`]), what an outage spares ([`Outage`]), the order of work ([`schedule`]), when to try again
//! ([`RetryPolicy`]), what fits where ([`Pool`]), what fits a schema ([`schema`]). [`Intake`] is the one way from a
//! request to a [`Task`], and [`Worker`] runs bodies over any queue. There is no network here, and no file.
//!
//! # Examples
//!
//! A function by its name and types, its body, and what they declare:
//!
//! ```
//! use function_runner_core::{Context, Failure, Function, Quality, QualityPreset, Registry};
//!
//! const BLUR: Function<Vec<u8>, Vec<u8>> = Function::new("image.blur").version("1.2.0");
//!
//! async fn blur(ctx: Context, pixels: Vec<u8>) -> Result<Vec<u8>, Failure> {
//!     let radius: usize = ctx.parameter("radius")?;
//!     ctx.progress(1.0, format!("radius {radius}"));
//!     Ok(pixels)
//! }
//!
//! let registry = Registry::new().add(
//!     BLUR.implement(blur).set("radius", 4).preset(Quality::High, QualityPreset::new().set("radius", 16)),
//! );
//! registry.check()?;
//! let template = registry.templates().next().unwrap();
//! assert_eq!(template.lane(&Quality::High).to_string(), "image.blur@1.2:high");
//! assert_eq!(template.parameters_at(&Quality::High)["radius"], 16);
//! # Ok::<(), function_runner_core::Error>(())
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod artifact;
mod clock;
mod connection;
mod context;
mod ended;
mod error;
mod event;
mod executor;
mod failure;
mod function;
mod handler;
mod id;
mod inspect;
mod intake;
mod lane;
mod operate;
mod outage;
mod payload;
mod progress;
mod published;
mod quality;
mod queue;
mod registry;
mod resource;
mod retry;
#[cfg(shuttle)]
pub mod runtime;
#[cfg(not(shuttle))]
mod runtime;
pub mod schedule;
pub mod schema;
mod scratch;
pub mod state;
mod stored;
mod sync;
mod task;
mod template;
mod times;
mod told;
mod version;
mod why;
pub mod worker;

pub use artifact::{Artifact, ArtifactStore, ByteStream, Digest};
pub use clock::{Clock, SystemClock, Timestamp, When, duration_millis};
pub use connection::Connection;
pub use context::{Attempt, Context, Control, Hold, MAX_PART, SharedModel, Touch};
pub use error::{Error, ErrorKind, Result};
pub use event::{
    Event, EventKind, LogLevel, LogLine, MAX_EVENT_OUTPUT, MAX_TURNS, Phase, Seen, TaskEnded, Usage, seq,
    turn_of,
};
pub use executor::{
    Capabilities, Durability, EventStream, Executor, MAX_BATCH, MAX_BATCH_BYTES, Submitted, check_batch,
    outcome,
};
pub use failure::{Classify, Failure, FailureClass};
pub use function::{AsyncBody, Data, Function};
pub use handler::Handler;
pub use id::{Name, TaskId, Tenant, WorkerId};
pub use inspect::{Inspect, LaneStatus, Page, TaskFilter, WorkerStatus};
pub use intake::{Admitted, FollowUpRequest, Intake, Request};
pub use lane::Lane;
pub use operate::Operate;
pub use outage::{By, Outage};
pub use payload::{MAX_PAYLOAD, Payload};
pub use progress::{Progress, Stage, Step};
pub use published::{PUBLISHED_FOR, default_versions};
pub use quality::Quality;
pub use queue::{
    AskedLane, Beat, BeatReply, Finish, Finished, Heartbeat, Lease, LeaseKey, LeaseReply, LeaseRequest,
    Numbered, Outcome, Queue, Renewal, Report, WorkerInfo,
};
pub use registry::{Implementation, MAX_LANES, Registry};
pub use resource::{Amounts, Capacity, Excess, Grant, Largest, LargestSeen, Pool, ResourceRequirement};
pub use retry::RetryPolicy;
pub use schedule::{Priority, Weight};
pub use schema::{Fault, FaultCode, Schema};
pub use scratch::{MakeScratch, Scratch};
pub use state::State;
pub use task::{
    AttemptEnd, Checkpoint, Dedupe, Envelope, FollowUp, Labels, MAX_CHECKPOINT, PastAttempt, Retention, Task,
    TaskRecord,
};
pub use template::{Example, QualityPreset, Template, TemplateSet};
pub use times::Times;
pub use version::{FunctionRef, Version, Wanted};
pub use why::{Reason, Why, why};
pub use worker::Worker;
