//! What a worker does next: `step(now, heard) -> actions`, with no clock, no await, no queue and no bodies.
//!
//! | file | subject |
//! |---|---|
//! | `action` | what is heard, and what is to be done |
//! | `seats` | the leases it has, each with its body and its end |
//! | `lanes` | what it serves |
//! | `admit` | leases that came in, until their bodies start |
//! | `bodies` | bodies that run, until nothing of them is left |
//! | `limits` | attempts that run out of time |
//! | `finish` | telling how attempts ended |
//! | `beat` | the heartbeat |
//! | `ask` | the open lease call |
//! | `join` | joining, reading templates, leaving |

mod action;
mod admit;
mod ask;
mod beat;
mod bodies;
mod finish;
mod join;
mod lanes;
mod limits;
mod seats;

use std::time::Duration;

use rand::{SeedableRng as _, rngs::StdRng};

pub use action::{Action, Heard, Start};
pub use seats::Seat;

use self::{
    admit::Waiting, ask::Asks, beat::Beats, bodies::Orders, finish::Ends, join::Membership, lanes::Lanes,
    limits::Limits, seats::Seats,
};
use crate::{Pool, Times, WorkerInfo};

#[cfg(test)]
mod tests;

/// A time that never comes.
const NEVER: Duration = Duration::MAX;

/// How far a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Working,
    /// It asks for no more work; what still runs at this time is dropped and released.
    Stopping {
        until: Duration,
    },
    /// It says that it leaves, and waits for an answer until this time.
    Leaving {
        until: Duration,
    },
    Gone,
}

/// The decisions of a worker: what happened goes in, what to do comes out.
///
/// Times are since the worker began. What comes out depends on nothing but what went in and the seed, so a
/// simulation can drive thousands of workers through any history and have it again.
///
/// # Examples
///
/// ```
/// use function_runner_core::{
///     Capacity, Times, WorkerId, WorkerInfo,
///     worker::{Action, Heard, Steps},
/// };
/// use std::time::Duration;
///
/// let info = WorkerInfo::new(WorkerId::unique(), Capacity::new(), Vec::new());
/// let mut steps = Steps::new(info, Times::default());
/// let actions = steps.step(Duration::ZERO, [Heard::Timer]);
/// assert!(matches!(actions[..], [Action::Join(_), Action::Wake(_)]));
/// ```
#[derive(Debug)]
pub struct Steps {
    info: WorkerInfo,
    times: Times,
    drain_limit: Duration,
    random: StdRng,
    now: Duration,
    stage: Stage,
    lanes: Lanes,
    pool: Pool,
    seats: Seats,
    waiting: Waiting,
    limits: Limits,
    orders: Orders,
    ends: Ends,
    beats: Beats,
    asks: Asks,
    member: Membership,
}

impl Steps {
    /// A worker that has not joined yet.
    #[must_use]
    pub fn new(info: WorkerInfo, times: Times) -> Self {
        let pool = Pool::new(info.capacity.clone());
        Self {
            times,
            drain_limit: Duration::from_secs(30),
            random: StdRng::seed_from_u64(0),
            now: Duration::ZERO,
            stage: Stage::Working,
            lanes: Lanes::new(&info.templates, &pool),
            pool,
            seats: Seats::default(),
            waiting: Waiting::default(),
            limits: Limits::default(),
            orders: Orders::default(),
            ends: Ends::default(),
            beats: Beats::default(),
            asks: Asks::default(),
            member: Membership::default(),
            info,
        }
    }

    /// How long bodies may go on once the worker was asked to stop: 30 s unless said.
    #[must_use]
    pub const fn drain_limit(mut self, limit: Duration) -> Self {
        self.drain_limit = limit;
        self
    }

    /// What the waits before retries are drawn from.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.random = StdRng::seed_from_u64(seed);
        self
    }

    /// Takes in everything that was heard since the last step, then works out once what follows from it.
    ///
    /// `now` is the time since the worker began; one that lies before the last is taken for the last.
    pub fn step(&mut self, now: Duration, heard: impl IntoIterator<Item = Heard>) -> Vec<Action> {
        self.now = self.now.max(now);
        for heard in heard {
            self.hear(heard);
        }
        let mut actions = Vec::new();
        self.settle(&mut actions);
        actions
    }

    /// Whether [`Heard::News`] would be news: it is none while a beat is to take on what bodies told.
    #[must_use]
    pub const fn hears_news(&self) -> bool {
        !self.beats.news
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Timer => {}
            Heard::News => self.beats.news = true,
            Heard::Joined(answer) => self.joined(answer),
            Heard::Left => self.left(),
            Heard::Templates(answer) => self.learnt(answer),
            Heard::Leased { call, reply } => self.leased(call, reply),
            Heard::Beaten(reply) => self.beaten(reply),
            Heard::Finished(answers) => self.finished(answers),
            Heard::Ended { seat, result, vacant } => self.ended(seat, result, vacant),
            Heard::Vacant(seat) => self.vacant(seat),
            Heard::Stop => self.stop(self.drain_limit),
            Heard::StopNow => self.stop(Duration::ZERO),
        }
    }

    fn stop(&mut self, limit: Duration) {
        let until = self.now.saturating_add(limit);
        match &mut self.stage {
            Stage::Working => self.stage = Stage::Stopping { until },
            Stage::Stopping { until: before } => *before = until.min(*before),
            Stage::Leaving { .. } | Stage::Gone => {}
        }
        self.asks.drain_for = None;
        self.waiting.changed = true;
    }

    /// What follows from where the worker is, whatever happened.
    fn settle(&mut self, actions: &mut Vec<Action>) {
        if self.stage == Stage::Gone {
            return;
        }
        self.end_late();
        self.give_up_ask();
        self.start(actions);
        self.order(actions);
        self.finish(actions);
        self.join(actions);
        self.read_templates(actions);
        self.beat(actions);
        self.ask(actions);
        self.leave(actions);
        if self.stage != Stage::Gone {
            actions.push(Action::Wake(self.wake()));
        }
    }

    /// When something is to be done that waits for no answer.
    fn wake(&mut self) -> Duration {
        let limit = self.limits.next(&self.seats).map_or(NEVER, |(at, _)| at);
        let calls =
            [self.next_finish(), self.next_join(), self.next_read(), self.next_beat(), self.next_ask()];
        calls.into_iter().chain([limit, self.next_end()]).fold(NEVER, Duration::min)
    }

    const fn is_stopping(&self) -> bool {
        !matches!(self.stage, Stage::Working)
    }
}
