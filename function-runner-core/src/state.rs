//! The life of a task: one pure table of what may follow what.

use serde::{Deserialize, Serialize};

/// Where a task is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits for a worker; also while delayed, or between two attempts.
    Queued,
    /// A worker holds a lease of it.
    Running,
    /// Ended with an output.
    Succeeded,
    /// Ended without: a dead letter.
    Failed,
    /// Ended because somebody asked for it.
    Cancelled,
}

impl State {
    /// Whether it has ended; only a requeue leads out of an end, and only out of `Failed`.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What can happen to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    /// A worker takes it.
    Lease,
    /// Its attempt gave an output.
    Succeed,
    /// Its attempt failed for good, or crashed too often.
    Fail,
    /// Its attempt failed and is tried again.
    Retry,
    /// Its worker gave it back.
    Release,
    /// Its lease ran out.
    Expire,
    /// Its attempt stopped because it was asked to.
    Stop,
    /// Somebody asks for its cancel.
    Cancel,
    /// Its deadline passed while it waited.
    Deadline,
    /// An operator gives a dead letter another life.
    Requeue,
}

/// What a move does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The task is in this state now, by an event of its own.
    To(State),
    /// It runs on, with a cancel asked.
    CancelAsked,
    /// Nothing changes, and that is no error.
    Stay,
}

/// What follows when `moved` happens to a task in `state` whose cancel was or was not acknowledged; `None` where
/// it cannot happen: the caller's fence is old, or the task is gone.
///
/// Once a cancel is acknowledged, every way an attempt can end leads to `Cancelled`.
#[must_use]
pub const fn next(state: State, cancel_asked: bool, moved: Move) -> Option<Next> {
    use Move::{Cancel, Deadline, Expire, Fail, Lease, Release, Requeue, Retry, Stop, Succeed};
    use State::{Cancelled, Failed, Queued, Running, Succeeded};
    match (state, moved) {
        (Queued, Lease) => Some(Next::To(Running)),
        (Queued, Cancel) => Some(Next::To(Cancelled)),
        (Queued, Deadline) => Some(Next::To(Failed)),
        (Running, Succeed | Fail | Retry | Release | Expire | Stop) if cancel_asked => {
            Some(Next::To(Cancelled))
        }
        (Running, Succeed) => Some(Next::To(Succeeded)),
        (Running, Fail) => Some(Next::To(Failed)),
        (Running, Retry | Release | Expire) => Some(Next::To(Queued)),
        (Running, Stop) => Some(Next::To(Cancelled)),
        (Running, Cancel) if cancel_asked => Some(Next::Stay),
        (Running, Cancel) => Some(Next::CancelAsked),
        (Succeeded | Failed | Cancelled, Cancel) => Some(Next::Stay),
        (Failed, Requeue) => Some(Next::To(Queued)),
        _ => None,
    }
}

/// What becomes of a task whose claim has run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// It ends cancelled, as had been asked.
    Cancelled,
    /// It ends as a dead letter.
    Dead {
        /// How many workers have died holding it.
        crashes: u32,
    },
    /// It waits again, before what has not been given yet.
    Front {
        /// How many workers have died holding it.
        crashes: u32,
        /// Whether it waits in its lane's twin: it may be what kills them.
        suspect: bool,
    },
}

/// The crashes after which a task is a suspect.
const SUSPECT: u32 = 2;

/// What becomes of a running task whose claim has run out, after so many crashes before.
///
/// `cancel` is whether its cancel was acknowledged, and `lost_reply` whether its worker never knew of the claim:
/// then nobody died of it. What is a suspect already stays one.
///
/// # Examples
///
/// ```
/// use function_runner_core::state::{Expiry, expired};
///
/// assert_eq!(expired(false, false, 0, 3), Expiry::Front { crashes: 1, suspect: false });
/// assert_eq!(expired(false, false, 1, 3), Expiry::Front { crashes: 2, suspect: true });
/// assert_eq!(expired(false, false, 2, 3), Expiry::Dead { crashes: 3 });
/// assert_eq!(expired(false, true, 2, 3), Expiry::Front { crashes: 2, suspect: true });
/// assert_eq!(expired(true, false, 2, 3), Expiry::Cancelled);
/// ```
#[must_use]
pub const fn expired(cancel: bool, lost_reply: bool, crashes: u32, max_crashes: u32) -> Expiry {
    if let Some(Next::To(State::Cancelled)) = next(State::Running, cancel, Move::Expire) {
        return Expiry::Cancelled;
    }
    let crashes = crashes.saturating_add(!lost_reply as u32);
    if crashes >= max_crashes && !lost_reply {
        return Expiry::Dead { crashes };
    }
    Expiry::Front { crashes, suspect: crashes >= SUSPECT }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 5] =
        [State::Queued, State::Running, State::Succeeded, State::Failed, State::Cancelled];
    const ENDS: [Move; 6] = [Move::Succeed, Move::Fail, Move::Retry, Move::Release, Move::Expire, Move::Stop];

    #[test]
    fn an_acknowledged_cancel_ends_cancelled_whatever_comes() {
        for end in ENDS {
            assert_eq!(next(State::Running, true, end), Some(Next::To(State::Cancelled)), "{end:?}");
        }
    }

    #[test]
    fn nothing_leads_out_of_an_end_but_a_requeue_of_a_dead_letter() {
        for state in STATES.into_iter().filter(|state| state.is_terminal()) {
            for moved in ENDS.into_iter().chain([Move::Lease, Move::Deadline, Move::Requeue]) {
                let expected =
                    (state == State::Failed && moved == Move::Requeue).then_some(Next::To(State::Queued));
                assert_eq!(next(state, false, moved), expected, "{state:?} {moved:?}");
            }
            assert_eq!(next(state, false, Move::Cancel), Some(Next::Stay));
        }
    }

    #[test]
    fn only_a_running_task_can_end_an_attempt() {
        for end in ENDS {
            assert_eq!(next(State::Queued, false, end), None, "{end:?}");
        }
        assert_eq!(next(State::Running, false, Move::Lease), None, "one lease at a time");
    }

    #[test]
    fn a_lost_reply_counts_no_crash_and_kills_nothing() {
        for crashes in 0..5 {
            let front = Expiry::Front { crashes, suspect: crashes >= 2 };
            assert_eq!(expired(false, true, crashes, 3), front);
            assert_eq!(expired(true, true, crashes, 3), Expiry::Cancelled);
        }
    }

    #[test]
    fn so_many_crashes_are_the_end_and_two_make_a_suspect() {
        let ends = |max| (0..9).find(|&crashes| expired(false, false, crashes, max) != front(crashes + 1));
        assert_eq!([1, 2, 3, 9].map(ends), [Some(0), Some(1), Some(2), Some(8)]);
        assert_eq!(expired(false, false, 0, 1), Expiry::Dead { crashes: 1 });
        assert_eq!(expired(false, false, u32::MAX, 9), Expiry::Dead { crashes: u32::MAX });
    }

    fn front(crashes: u32) -> Expiry {
        Expiry::Front { crashes, suspect: crashes > 1 }
    }
}
