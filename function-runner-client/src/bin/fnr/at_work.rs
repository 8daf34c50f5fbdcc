//! A worker in this process, beside the call that it works for.

use std::time::Duration;

use function_runner_core::{Error, ErrorKind, Registry, Result, WorkerId};
use tokio::{sync::oneshot, task::JoinHandle};

use crate::queue::Opened;

/// How long the worker is waited for when its call has ended.
const LEAVING: Duration = Duration::from_secs(5);

/// A worker that works until it is stopped.
pub(crate) struct AtWork {
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<()>>,
}

impl AtWork {
    /// Starts it, under the id in whose name its functions were made known.
    ///
    /// # Errors
    ///
    /// What is wrong with the registry; [`ErrorKind::Unsupported`] where only callers connect.
    pub(crate) fn start(opened: &Opened, registry: Registry, id: WorkerId) -> Result<Self> {
        let (stop, stopped) = oneshot::channel::<()>();
        // what it has taken of others goes back when its own call has ended, and costs no attempt
        let worker = opened.runner.worker(registry)?.id(id).drain_limit(Duration::ZERO);
        Ok(Self { stop, ended: tokio::spawn(worker.run_until(stopped)) })
    }

    /// Waits until it cannot work any more, and why; for ever while it can.
    pub(crate) async fn failed(&mut self) -> Error {
        match (&mut self.ended).await {
            Ok(Err(error)) => error,
            Ok(Ok(())) => {
                Error::new(ErrorKind::Cancelled, "an operator asked the worker in this process to stop")
                    .with_help("add --no-work to let others run it, or start it again")
            }
            Err(error) => Error::new(ErrorKind::Unavailable, "the worker was given up").with_source(error),
        }
    }

    /// Lets it give back what it has, and leave. It may have ended by itself.
    pub(crate) async fn end(self) {
        drop(self.stop);
        if !self.ended.is_finished() {
            // one that hangs may not hold up the end
            let _ = tokio::time::timeout(LEAVING, self.ended).await;
        }
    }
}
