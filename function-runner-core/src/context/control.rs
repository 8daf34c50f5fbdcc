//! The other end of a context: a worker's, or a test's.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::Notify;

use super::Inner;
use crate::{Checkpoint, LogLevel, LogLine, Payload, Progress, Report, sync::atomic::Ordering};

/// The other end of a [`Context`](crate::Context): who holds it cancels the body and hears what it tells.
#[derive(Clone)]
pub struct Control(pub(super) Arc<Inner>);

/// What a body does with its context, as [`Control::follows`] hears it: before it counts, as the body gave it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Touch<'a> {
    /// It asks whether it is to stop.
    Check,
    /// It tells its progress.
    Progress(&'a Progress),
    /// It writes a line.
    Log(&'a LogLine),
    /// It gives a part of its output.
    Part(&'a Payload),
    /// It leaves a checkpoint.
    Checkpoint(&'a Bytes),
}

pub(super) type Follower = Box<dyn Fn(Touch<'_>) + Send + Sync>;

impl Control {
    /// Asks the body to stop.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Release);
        self.0.cancel.notify_waiters();
    }

    /// Whether it was asked to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// How long ago the attempt began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.begin.elapsed()
    }

    /// Everything that was told, where it is recorded: see [`Context::recording`](crate::Context::recording).
    #[must_use]
    pub fn progress(&self) -> Vec<Progress> {
        self.0.hear(|told| told.all_progress())
    }

    /// Every line of its log, where it is recorded.
    #[must_use]
    pub fn logs(&self) -> Vec<LogLine> {
        self.0.hear(|told| told.all_logs())
    }

    /// Every part of its output, where it is recorded.
    #[must_use]
    pub fn parts(&self) -> Vec<Payload> {
        self.0.hear(|told| told.all_parts())
    }

    /// What it would leave for another attempt.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        self.0.hear(|told| told.latest_checkpoint())
    }

    /// Whom to wake when the body tells something; the first one counts.
    pub fn wakes(&self, news: Arc<Notify>) {
        // a second worker of one attempt does not exist
        let _ = self.0.news.set(news);
    }

    /// Calls this at everything that the body does with its context, on the body's own thread and in the middle of it;
    /// the first one counts. For tests: one that panics kills the body there.
    pub fn follows(&self, follower: impl Fn(Touch<'_>) + Send + Sync + 'static) {
        // a second follower of one attempt would have nothing else to hear
        let _ = self.0.follower.set(Box::new(follower));
    }

    /// Writes a line into the body's log in its stead.
    pub(crate) fn log_at(&self, level: LogLevel, message: String) {
        self.0.tell(|told| told.log(LogLine { level, message }));
    }

    /// What was told and not yet [`heard`](Self::heard), numbered when first taken, up to about `limit` bytes.
    #[must_use]
    pub fn report(&self, limit: usize) -> Report {
        self.0.hear(|told| told.report(limit))
    }

    /// Whether there is anything that was not yet heard.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.0.hear(|told| told.has_news())
    }

    /// This report got through: it is not sent again.
    pub fn heard(&self, report: &Report) {
        self.0.hear(|told| told.heard(report));
    }

    /// Whether nothing of the attempt runs any more, threads included.
    #[must_use]
    pub fn is_vacant(&self) -> bool {
        self.0.holds.load(Ordering::Acquire) == 0
    }

    /// Waits until nothing of the attempt runs any more, threads included.
    pub async fn vacant(&self) {
        loop {
            let notified = self.0.vacant.notified();
            if self.is_vacant() {
                return;
            }
            notified.await;
        }
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Control({})", self.0.attempt.task.id)
    }
}
