//! What is checked: a connection, and how its time passes.

use std::{
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use function_runner_core::{Clock as _, Connection, SystemClock, TaskId, Times, Timestamp};

use crate::ManualClock;

/// What one sequence gives to whoever opens its subject. Clones are the same case.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Case {
    /// A name for the store that nothing else uses: at most 61 of `[a-z0-9_-]`.
    pub namespace: String,
    /// The contract's own times. A store that lives by a clock of its own is opened with a part of them,
    /// `case.times.scaled(30)`, as its time really passes; the model takes its times from the store.
    pub times: Times,
    clock: Arc<OnceLock<(ManualClock, Answers)>>,
}

/// Who answers a store's calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answers {
    /// The thread that asks.
    Here,
    /// One other thread, in the order in which they came.
    OneThread,
    /// Several threads, each of which hears a little later what another did.
    Threads,
}

impl Case {
    pub(super) fn new() -> Self {
        let namespace = format!("model-{}", TaskId::unique());
        Self { namespace, times: Times::default(), clock: Arc::default() }
    }

    /// The sequence's clock, for a store that takes its time from one and answers in the thread that asks: from then on
    /// the sequence turns its hands, and everything is compared to the millisecond.
    #[must_use]
    pub fn clock(&self) -> ManualClock {
        self.clock_for(Answers::Here)
    }

    /// As [`clock`](Self::clock), for a store whose calls one other thread answers: all of a connection in the order in
    /// which they came, and each of them, and whom it wakes, by the time at which it was made. That thread may look for
    /// a lease call that sleeps whenever it likes.
    #[must_use]
    pub fn clock_of_thread(&self) -> ManualClock {
        self.clock_for(Answers::OneThread)
    }

    /// As [`clock_of_thread`](Self::clock_of_thread), for a connection whose calls go to several such stores in turn
    /// that share what they know, and hear of one another a little later. A look-up of a task is to go through all.
    #[must_use]
    pub fn clock_of_threads(&self) -> ManualClock {
        self.clock_for(Answers::Threads)
    }

    fn clock_for(&self, answers: Answers) -> ManualClock {
        self.clock.get_or_init(|| (ManualClock::new(), answers)).0.clone()
    }
}

/// What is checked.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) connection: Connection,
    time: Time,
}

#[derive(Debug)]
enum Time {
    Manual(ManualClock, Answers),
    Real(SystemClock),
}

impl Subject {
    pub(super) fn new(case: &Case, connection: Connection) -> Self {
        let manual = case.clock.get().cloned().map(|(clock, answers)| Time::Manual(clock, answers));
        Self { connection, time: manual.unwrap_or_else(|| Time::Real(SystemClock::new())) }
    }

    pub(super) const fn is_manual(&self) -> bool {
        matches!(self.time, Time::Manual(..))
    }

    /// Whether another thread answers, unseen, by a clock that is turned by hand.
    pub(super) const fn is_apart(&self) -> bool {
        matches!(self.time, Time::Manual(_, Answers::OneThread | Answers::Threads))
    }

    /// Whether several do, which hear of one another later.
    pub(super) const fn is_many(&self) -> bool {
        matches!(self.time, Time::Manual(_, Answers::Threads))
    }

    pub(super) fn now(&self) -> Timestamp {
        match &self.time {
            Time::Manual(clock, _) => clock.now(),
            Time::Real(clock) => clock.now(),
        }
    }

    /// Lets this much time pass.
    pub(super) fn pass(&self, time: Duration) {
        match &self.time {
            Time::Manual(clock, _) => clock.advance(time),
            Time::Real(_) => thread::sleep(time),
        }
    }
}
