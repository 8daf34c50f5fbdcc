//! What stops a command before its end: Ctrl-C or the system, once or twice, and its time limit.

use std::{future::pending, io, process, thread, time::Duration};

use function_runner_core::{Error, ErrorKind, Result};
use tokio::{runtime::Builder, sync::watch};

use crate::exit::Exit;

/// Why a call is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Ctrl-C, or the system's own request to end.
    Asked,
    /// The time limit is over: this long.
    TimedOut(Duration),
}

impl Why {
    pub(crate) const fn exit(self) -> Exit {
        match self {
            Self::Asked => Exit::Cancelled,
            Self::TimedOut(_) => Exit::TimedOut,
        }
    }
}

/// Hears what stops the command.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    first: watch::Receiver<Option<Why>>,
    second: watch::Receiver<bool>,
}

/// What is done where it is asked for while it is stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Second {
    /// The program ends at once.
    Ends,
    /// The command hears of it; a third request ends the program.
    Tells,
}

impl Stop {
    /// Listens from now on, in a thread of its own that hears a second request whatever the others do; the time
    /// limit counts from now.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] where signals cannot be heard.
    ///
    /// # Panics
    ///
    /// Inside a runtime, where another cannot begin.
    pub(crate) fn listen(limit: Option<Duration>, second: Second) -> Result<Self> {
        let deaf = |error| Error::new(ErrorKind::Io, "cannot listen for Ctrl-C").with_source(error);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(deaf)?;
        let mut signals = runtime.block_on(async { Signals::new() }).map_err(deaf)?;
        let ((tell, first), (tell_again, heard_again)) = (watch::channel(None), watch::channel(false));
        let listen = async move {
            let why = tokio::select! {
                () = signals.next() => Why::Asked,
                why = over(limit) => why,
            };
            // nobody may be listening any more
            let _ = tell.send(Some(why));
            signals.next().await;
            if second == Second::Tells {
                // likewise
                let _ = tell_again.send(true);
                signals.next().await;
            }
            process::exit(why.exit().code().into());
        };
        thread::Builder::new()
            .name("fnr-stop".to_owned())
            .spawn(move || runtime.block_on(listen))
            .map_err(deaf)?;
        Ok(Self { first, second: heard_again })
    }

    /// Whether the call is to stop.
    pub(crate) fn is_told(&self) -> bool {
        self.first.borrow().is_some()
    }

    /// Waits until the call is to stop.
    pub(crate) async fn told(&self) -> Why {
        let mut heard = self.first.clone();
        match heard.wait_for(Option::is_some).await.map(|why| *why) {
            Ok(Some(why)) => why,
            // the listener is gone: nothing stops it any more
            Ok(None) | Err(_) => pending().await,
        }
    }

    /// Waits until it is asked for a second time.
    pub(crate) fn told_again(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut heard = self.second.clone();
        async move {
            if heard.wait_for(|told| *told).await.is_err() {
                // as above
                pending::<()>().await;
            }
        }
    }

    /// Whether it was asked for a second time.
    pub(crate) fn is_told_again(&self) -> bool {
        *self.second.borrow()
    }

    /// Does this work unless the call is stopped first: then it is dropped.
    pub(crate) async fn unless<T>(&self, work: impl Future<Output = T>) -> Result<T, Why> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            why = self.told() => Err(why),
        }
    }
}

async fn over(limit: Option<Duration>) -> Why {
    match limit {
        Some(limit) => {
            tokio::time::sleep(limit).await;
            Why::TimedOut(limit)
        }
        None => pending().await,
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            pending().await
        }
    }
}
