//! The `fnr` command as people and scripts meet it: the real program, its output and its exit codes.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod bad_images;
mod bench;
mod calibrate;
mod models;
mod operators;
mod others;
mod picture;
#[cfg(unix)]
mod program;
mod queue;
mod refusals;
mod runs;
#[cfg(unix)]
mod stops;
#[cfg(unix)]
mod worker;
