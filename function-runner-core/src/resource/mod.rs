//! Resources: what tasks need, what workers have, and the exact arithmetic between them.

mod amounts;
mod capacity;
mod largest;
mod pool;
mod requirement;
mod room;
mod seen;
mod shortage;
mod words;

pub use amounts::Amounts;
pub use capacity::Capacity;
pub use largest::{Excess, Largest};
pub use pool::{Grant, Pool};
pub use requirement::ResourceRequirement;
pub use seen::LargestSeen;
pub(crate) use shortage::shortage;
