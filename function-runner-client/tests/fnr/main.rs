//! The `fnr` command as people and scripts meet it: the real program, its output and its exit codes.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod bad_images;
mod bench;
mod calibrate;
mod models;
mod others;
mod picture;
mod refusals;
mod runs;
#[cfg(unix)]
mod stops;
