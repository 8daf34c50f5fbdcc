//! JSON Schemas: how inputs and outputs are declared, checked, told wrong, and kept compatible.
//!
//! | file | subject |
//! |---|---|
//! | `parse` | JSON text into a value, with its depth bounded first |
//! | `flat` | JSON text as a validator reads it, without a tree |
//! | `compile` | [`Schema`]: a schema compiled once, and what it offers |
//! | `survey` | what a schema may be at all: depth, size, work |
//! | `explain` | every violation, found by walking schema and value side by side |
//! | `branches` | which of several alternatives was meant |
//! | `wording` | what a violation reads like |
//! | `fault` | [`Fault`]: one violation |
//! | `nearest` | the nearest name to a misspelt one |
//! | `defaults` | filling in what was left out |
//! | `close` | making derived schemas strict about unknown fields |
//! | `compatible` | what a changed schema breaks |
//! | `pointer` | JSON pointers and local references |
//!
//! The verdict whether a value is valid is always the `jsonschema` crate's; the walk only explains it,
//! because it can be bounded and jsonschema's own list of errors cannot: that grows with the value.

mod branches;
mod close;
mod compatible;
mod compile;
mod defaults;
mod explain;
mod fault;
mod flat;
mod nearest;
mod parse;
mod pointer;
mod survey;
mod wording;

pub use close::close;
pub use compatible::{Side, breaks};
pub use compile::Schema;
pub use explain::MAX_FAULTS;
pub use fault::{Fault, FaultCode};
pub use nearest::nearest;
pub use parse::{MAX_DEPTH, parse};
