//! What loop and heart share: the worker's state, its bodies, and what is decided and not yet done.

use std::{
    mem,
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use super::{
    bodies::{Bodies, Taken},
    inbox::Inbox,
    step::{Action, Heard, Steps},
    watchdog::Watchdog,
};
use crate::{
    BeatReply, Heartbeat, Queue, Result, Times,
    runtime::{Handle as Runtime, Instant},
    sync::{Mutex, MutexGuard, Signal},
};

/// What loop and heart share.
pub(super) struct Desk {
    pub(super) queue: Arc<dyn Queue>,
    pub(super) times: Times,
    /// Where bodies run.
    pub(super) runtime: Runtime,
    pub(super) inbox: Inbox,
    /// Told by every body that tells something.
    pub(super) news: Arc<Notify>,
    /// Told when there is a beat for the heart.
    pub(super) pulse: Signal,
    pub(super) watchdog: Watchdog,
    begin: Instant,
    state: Mutex<State>,
}

pub(super) struct State {
    steps: Steps,
    pub(super) bodies: Bodies,
    /// What the loop has yet to do.
    left: Vec<Action>,
    beat: Option<(Heartbeat, Taken)>,
    wake: Duration,
}

/// What the loop is to do, and until when it may sleep.
pub(super) struct Todo {
    pub(super) actions: Vec<Action>,
    pub(super) wake: Duration,
    /// Whether it is to listen to bodies that tell something.
    pub(super) hears_news: bool,
}

impl Desk {
    pub(super) fn new(queue: Arc<dyn Queue>, times: Times, steps: Steps, runtime: Runtime) -> Self {
        let state =
            State { steps, bodies: Bodies::default(), left: Vec::new(), beat: None, wake: Duration::MAX };
        Self {
            queue,
            times,
            runtime,
            inbox: Inbox::default(),
            news: Arc::default(),
            pulse: Signal::new(),
            watchdog: Watchdog::new(),
            begin: Instant::now(),
            state: Mutex::new(state),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // a panic under this lock is a bug of ours; leases are better kept with what state there is than lost
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time since the worker began.
    pub(super) fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    /// The moment at this time, where that is a moment at all.
    pub(super) fn instant(&self, at: Duration) -> Option<Instant> {
        self.begin.checked_add(at)
    }

    /// Steps, for the loop.
    pub(super) fn step(&self, heard: impl IntoIterator<Item = Heard>) -> Todo {
        let state = &mut *self.state();
        self.advance(state, heard);
        let (actions, hears_news) = (mem::take(&mut state.left), state.steps.hears_news());
        Todo { actions, wake: state.wake, hears_news }
    }

    /// Steps, for the heart, and calls the loop where something is left for it.
    pub(super) fn hear(&self, heard: impl IntoIterator<Item = Heard>) {
        let state = &mut *self.state();
        let before = (state.wake, state.steps.hears_news());
        self.advance(state, heard);
        let sooner = state.wake < before.0 || state.steps.hears_news() != before.1;
        if sooner || !state.left.is_empty() {
            self.inbox.put(Heard::Timer);
        }
    }

    /// Fires tokens and hands over beats at once, whoever is here; the rest is left for the loop.
    fn advance(&self, state: &mut State, heard: impl IntoIterator<Item = Heard>) {
        for action in state.steps.step(self.now(), heard) {
            match action {
                Action::Wake(at) => state.wake = at,
                // one that the loop has yet to start is stopped by the loop, after that
                Action::Cancel(seat) if state.bodies.cancel(seat) => {}
                Action::Drop(seat) if state.bodies.drop(seat) => {}
                Action::Beat { seats, mut beat, reports } => {
                    let taken =
                        if reports { state.bodies.report(&seats, &mut beat.tasks) } else { Taken::none() };
                    state.beat = Some((beat, taken));
                    self.pulse.notify_one();
                }
                action => state.left.push(action),
            }
        }
    }

    pub(super) fn take_beat(&self) -> Option<(Heartbeat, Taken)> {
        self.state().beat.take()
    }

    /// What became of a beat.
    pub(super) fn beaten(&self, taken: &Taken, reply: Result<BeatReply>) {
        if reply.is_ok() {
            taken.strike_off();
        }
        let more = taken.more.then_some(Heard::News);
        self.hear([Heard::Beaten(reply)].into_iter().chain(more));
    }

    /// How long until something is due that the loop should have done a while ago.
    pub(super) fn patience(&self) -> Duration {
        let due = self.state().wake.saturating_add(self.times.flush);
        due.saturating_sub(self.now())
    }

    /// Names bodies that block the runtime.
    pub(super) fn watch(&self) {
        let named = self.state().bodies.watch(&self.watchdog);
        if named {
            self.hear([Heard::News]);
        }
    }
}
