//! A whole fleet in one thread and in no time: the real decisions of thousands of workers against a real queue, from
//! a seed.
//!
//! Each simulated worker is core's [`Steps`](function_runner_core::worker::Steps), which decides; its calls are the
//! queue's own futures, polled by hand; its bodies last as long as the seed says. The queue has to take its time from
//! the [`ManualClock`] it is simulated with, and may start nothing of its own. So the same seed gives the same history,
//! and the [`Report`] has its hash.
//!
//! Machines without GPU, with one and with eight serve a dozen functions for tenants of different weights. Workers
//! vanish, hang and go on, are slow, come and go, are drained; bodies fail, never end, or kill their worker; tasks are
//! cancelled, delayed, and late; the store is out of reach for a while, or loses calls before and after their effect.
//! What must hold all the same is checked with every answer, and summed up as figures beside their bounds.
//!
//! # Examples
//!
//! ```
//! use function_runner_core::{Connection, Result};
//! use function_runner_testkit::{
//!     ManualClock,
//!     simulation::{Plan, Report, simulate},
//! };
//!
//! fn prove(connect: impl Fn(ManualClock) -> Connection) -> Result<Report> {
//!     let clock = ManualClock::new();
//!     simulate(connect(clock.clone()), &clock, &Plan::new(7).workers(40).tasks(2000))
//! }
//! ```

// Where what stands:
//
// | how large, what comes when; functions and machines | `plan`, `catalog` |
// | the world and its loop | `world` |
// | workers, their calls, their bodies | `node`, `calls`, `fleet`, `machine` |
// | callers: submits and cancels; watches | `callers`, `watches` |
// | what is known of tasks and lanes, and must hold | `ledger`, `lanes`, `meter` |
// | what happened; what came out | `history`, `verdict`, `report` |
// | chance | `dice` |

mod callers;
mod calls;
mod catalog;
mod fleet;
mod history;
mod lanes;
mod ledger;
mod machine;
mod meter;
mod node;
mod plan;
mod report;
mod verdict;
mod watches;
mod world;

use function_runner_core::{Connection, Result};

pub use plan::Plan;
pub use report::{Figure, Report};

use self::world::World;
use crate::ManualClock;

/// Simulates a fleet on an empty store that lives by this clock, and says what it found.
///
/// # Errors
///
/// [`ErrorKind::InvalidSetup`](function_runner_core::ErrorKind::InvalidSetup) where the connection lacks a worker's or
/// an operator's side.
pub fn simulate(connection: Connection, clock: &ManualClock, plan: &Plan) -> Result<Report> {
    let mut world = World::new(connection, clock.clone(), plan.clone())?;
    world.live();
    Ok(world.report())
}
