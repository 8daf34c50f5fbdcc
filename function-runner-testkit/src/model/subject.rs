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
    clock: Arc<OnceLock<ManualClock>>,
}

impl Case {
    pub(super) fn new() -> Self {
        let namespace = format!("model-{}", TaskId::unique());
        Self { namespace, times: Times::default(), clock: Arc::default() }
    }

    /// The sequence's clock, for a store that takes its time from one: from then on the sequence turns its hands,
    /// and everything is compared to the millisecond.
    #[must_use]
    pub fn clock(&self) -> ManualClock {
        self.clock.get_or_init(ManualClock::new).clone()
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
    Manual(ManualClock),
    Real(SystemClock),
}

impl Subject {
    pub(super) fn new(case: &Case, connection: Connection) -> Self {
        let manual = case.clock.get().cloned().map(Time::Manual);
        Self { connection, time: manual.unwrap_or_else(|| Time::Real(SystemClock::new())) }
    }

    pub(super) const fn is_manual(&self) -> bool {
        matches!(self.time, Time::Manual(_))
    }

    pub(super) fn now(&self) -> Timestamp {
        match &self.time {
            Time::Manual(clock) => clock.now(),
            Time::Real(clock) => clock.now(),
        }
    }

    /// Lets this much time pass.
    pub(super) fn pass(&self, time: Duration) {
        match &self.time {
            Time::Manual(clock) => clock.advance(time),
            Time::Real(_) => thread::sleep(time),
        }
    }
}
