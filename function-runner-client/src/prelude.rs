//! Everything that a program which calls or implements functions writes: `use function_runner_client::prelude::*;`.
//!
//! The derives come along. serde must be a dependency all the same, since its derive names the crate; schemars need
//! not be.

pub use std::time::Duration;

pub use function_runner_core::{
    Classify, Context, ErrorKind, Failure, Function, Progress, Quality, QualityPreset, Registry,
    ResourceRequirement, Result, RetryPolicy, TaskId,
};
pub use schemars::{self, JsonSchema};
pub use serde::{self, Deserialize, Serialize};

pub use crate::{Artifact, Call, Handle, Runner};
