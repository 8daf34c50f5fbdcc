//! Notices a body that blocks the runtime it runs on, and names it.

use crate::sync::atomic::{AtomicU32, Ordering};

/// Counts its looks, from 1; a mark that is older than the look before is a body that blocks.
#[derive(Debug)]
pub(super) struct Watchdog(AtomicU32);

/// Where a body marks that it is being polled: the number of the look since which it is, or 0.
#[derive(Debug, Default)]
pub(super) struct Mark(AtomicU32);

/// While it lives, the body is being polled.
pub(super) struct Polled<'a>(&'a AtomicU32);

impl Watchdog {
    pub(super) const fn new() -> Self {
        Self(AtomicU32::new(1))
    }

    /// Begins the next look; answers the number of the one before.
    pub(super) fn look(&self) -> u32 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

impl Mark {
    pub(super) fn enter(&self, watchdog: &Watchdog) -> Polled<'_> {
        self.0.store(watchdog.0.load(Ordering::Relaxed), Ordering::Relaxed);
        Polled(&self.0)
    }

    /// Whether it has been polled, without a break, since before the look of this number began.
    pub(super) fn blocks(&self, look: u32) -> bool {
        let since = self.0.load(Ordering::Relaxed);
        since != 0 && since < look
    }
}

impl Drop for Polled<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_blocks_that_is_polled_from_one_look_to_the_next_but_one() {
        let watchdog = Watchdog::new();
        let mark = Mark::default();
        assert!(!mark.blocks(watchdog.look()));
        let polled = mark.enter(&watchdog);
        assert!(!mark.blocks(watchdog.look()), "it has just begun");
        assert!(mark.blocks(watchdog.look()));
        drop(polled);
        let again = mark.enter(&watchdog);
        assert!(!mark.blocks(watchdog.look()), "it had a break");
        drop(again);
        watchdog.look();
        assert!(!mark.blocks(watchdog.look()));
    }
}
