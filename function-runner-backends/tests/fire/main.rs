//! Fire tests of the embedded backend: real processes on one file, killed, stopped, starved of disk and of power by a
//! seeded script. What every process called and heard is logged, put together and judged by the testkit's checker.
//!
//! | file | subject |
//! |---|---|
//! | `child`, `roles`, `functions` | the processes: this program again, in a role, and what they do |
//! | `stage`, `settle` | a run: its folder, its processes, its judgement |
//! | `shim`, `record`, `replay` | a library between a process and its files: faults, and the disk after a power cut |
//! | all others | the tests, by what happens to the processes |

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod acks;
mod caller;
mod child;
mod clocks;
#[path = "../history/dice.rs"]
mod dice;
mod drains;
mod faults;
mod functions;
mod hammer;
mod kills;
mod pauses;
mod plain;
mod poison;
mod power;
mod record;
mod replay;
mod roles;
mod rows;
mod settle;
mod setup;
mod shim;
mod stage;
mod starved;
mod strict;
