//! What goes wrong with a call, and what went wrong.

use std::{fmt, time::Duration};

use function_runner_core::{Error, ErrorKind};

use super::Call;

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// It does not arrive: an error, with no effect.
    Refused,
    /// It arrives and has its effect, and the reply is lost on the way back: an error all the same.
    ReplyLost,
    /// It arrives late, and its reply too.
    Delayed {
        /// How long it takes to arrive.
        there: Duration,
        /// How long its reply takes.
        back: Duration,
    },
    /// It arrives twice, one after the other, and one answer is given.
    Doubled(Answer),
    /// A copy of it arrives so long after it was answered, and nobody hears what that is answered.
    Straggler(Duration),
    /// The stream breaks off with an error: of a watch after so many items, of an artifact that is got or put after so
    /// many bytes. 0 breaks it before the first.
    Cut {
        /// After how many items or bytes.
        after: u64,
    },
    /// The connection of a watch breaks after so many items and is made again, as a networked executor does by itself:
    /// its reader sees no gap.
    Reconnected {
        /// After how many items.
        after: u64,
    },
}

/// Which answer of a call that arrived twice is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// The first: the copy came from a resend that was not needed.
    First,
    /// The second: the first was lost on its way.
    Second,
}

impl Fault {
    /// Whether it can happen to this call.
    #[must_use]
    pub const fn fits(self, call: Call) -> bool {
        match self {
            Self::Cut { .. } => matches!(call, Call::Watch | Call::Get | Call::Put),
            Self::Reconnected { .. } => matches!(call, Call::Watch),
            _ => true,
        }
    }
}

/// A fault that struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Planted {
    /// Its number, from 1, in the order in which they struck.
    pub number: u64,
    /// The seed it came from.
    pub seed: u64,
    /// The call it struck.
    pub call: Call,
    /// Which one of its kind, from 1.
    pub nth: u64,
    /// What went wrong.
    pub fault: Fault,
}

impl fmt::Display for Planted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, seed, call, nth, fault } = self;
        write!(f, "planted fault {number} of seed {seed}: ")?;
        match fault {
            Fault::Refused => write!(f, "{call} {nth} did not arrive"),
            Fault::ReplyLost => write!(f, "the reply of {call} {nth} was lost"),
            Fault::Delayed { there, back } => {
                write!(f, "{call} {nth} took {there:?} there and {back:?} back")
            }
            Fault::Doubled(Answer::First) => {
                write!(f, "{call} {nth} arrived twice, the first answer is given")
            }
            Fault::Doubled(Answer::Second) => {
                write!(f, "{call} {nth} arrived twice, the second answer is given")
            }
            Fault::Straggler(after) => write!(f, "{call} {nth} arrived once more {after:?} after its answer"),
            Fault::Cut { after } if *call == Call::Watch => {
                write!(f, "the stream of {call} {nth} was cut after {after} items")
            }
            Fault::Cut { after } => write!(f, "the content of {call} {nth} was cut after {after} bytes"),
            Fault::Reconnected { after } => write!(f, "{call} {nth} was connected anew after {after} items"),
        }
    }
}

impl Planted {
    /// What the caller is told: of no answer `Timeout` or `Unavailable`, by the number of the call.
    pub(super) fn error(&self) -> Error {
        let kind = match self.fault {
            Fault::ReplyLost if self.nth.is_multiple_of(2) => ErrorKind::Timeout,
            _ => ErrorKind::Unavailable,
        };
        Error::new(kind, self.to_string())
    }
}
