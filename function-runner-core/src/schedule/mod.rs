//! The order of work and admission: which ready task goes next, to whom, and for which large one a worker
//! drains.
//!
//! Pure decisions over integers below 2^53: no clock, no runtime, no randomness. A store that lives in memory
//! uses [`Order`] and [`Reserve`] whole; one that keeps rows uses the functions beneath them ([`ready`],
//! [`advance`], [`Merge`], [`choose`], …), and one that runs scripts repeats them and is compared answer by
//! answer.
//!
//! Work is ordered by self-clocked fair queueing (S. J. Golestani, "A self-clocked fair queueing scheme for
//! broadband applications", INFOCOM 1994): a task gets one integer, its tag, when it becomes ready, its
//! [`Flow`]'s last one plus its cost over the flow's share; a lane gives its tasks by tag, then key. Each
//! lane has a clock of its own, so a lane that nobody serves holds nothing up elsewhere.
//!
//! | in the formulas | here |
//! |---|---|
//! | `inc` | [`increment`] |
//! | `F`, the tag | [`ready`] |
//! | `V`, the virtual time of a lane | [`advance`], [`LaneClock::virtual_time`] |
//! | `F + shift` | [`order`], [`Head::order`] |
//! | `W`, the reach of a store | [`reached`] |
//!
//! # Examples
//!
//! One tenant has two tasks waiting, then another comes with one of a higher priority:
//!
//! ```
//! use function_runner_core::{
//!     Lane, Priority, Tenant, Weight,
//!     schedule::{Flow, Order, ROOM, increment, lane_cost},
//! };
//!
//! let lane: Lane = "image.upscale@1.0:high".parse()?;
//! let early = Flow::new(Tenant::new("early")?, Priority::default());
//! let late = Flow::new(Tenant::new("late")?, Priority::new(8)?);
//! let cost = |flow: &Flow| increment(1, flow.priority, Weight::default());
//!
//! let mut order = Order::new();
//! order.push(&lane, &early, cost(&early), "a");
//! let tag = order.push(&lane, &early, cost(&early), "b");
//! order.push(&lane, &late, cost(&late), "c");
//! assert_eq!(order.ahead(&lane, tag, &"b"), Some(2));
//!
//! // a worker in which two tasks of this lane would fit
//! let cost = lane_cost(2).unwrap();
//! let given = order.take(ROOM, [(&lane, cost)]);
//! let keys: Vec<&str> = given.iter().map(|given| given.key).collect();
//! assert_eq!(keys, ["c", "a"]);
//! assert_eq!(order.ahead(&lane, tag, &"b"), Some(0));
//! # Ok::<(), function_runner_core::Error>(())
//! ```

mod clock;
mod cost;
mod merge;
mod order;
mod priority;
mod ranked;
mod reserve;
mod weight;

pub use clock::{
    COST_LIMIT, Flow, LAG_LIMIT, LaneClock, TAG_LIMIT, advance, caught_up, excess, increment, order, reached,
    ready, shift_at, without_excess,
};
pub use cost::{ROOM, lane_cost};
pub use merge::{GIVEN_LIMIT, Merge, Pick};
pub use order::{Given, Head, Order};
pub use priority::Priority;
pub use reserve::{Reserve, Waiting, choose, drainers};
pub use weight::Weight;
