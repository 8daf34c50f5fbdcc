//! The loop's one timer: set to the earliest time at which something is due.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use super::desk::Desk;
use crate::runtime::{Instant, Sleep, sleep};

/// The longest it sleeps: it may ring early, and then something else is due.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

pub(super) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    /// When it rings, since the worker began; `None` once it rang.
    at: Option<Duration>,
}

impl Alarm {
    pub(super) fn new() -> Self {
        Self { sleep: Box::pin(sleep(LONGEST)), at: None }
    }

    /// Makes it ring at this time at the latest. One that is set to ring before stays as it is: that costs one idle
    /// round, where setting it anew costs every round.
    pub(super) fn set(&mut self, desk: &Desk, wake: Duration) {
        if self.at.is_some_and(|at| at <= wake) {
            return;
        }
        let at = wake.min(desk.now().saturating_add(LONGEST));
        self.at = Some(at);
        self.sleep.as_mut().reset(desk.instant(at).unwrap_or_else(|| Instant::now() + LONGEST));
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let rings = self.at.is_some() && matches!(self.sleep.as_mut().poll(cx), Poll::Ready(()));
        if rings {
            self.at = None;
        }
        rings
    }
}
