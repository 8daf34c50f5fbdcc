//! The client as its users see it: every call, every ending, every error.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod batch;
mod calls;
mod drops;
mod errors;
mod experience;
mod fan_out;
mod files;
mod handles;
mod hostile;
mod local;
mod prelude;
mod user;
mod wrapped;
