//! Judges a run by its history: what every caller and worker did and heard, recorded, and held to the
//! invariants that no backend may break, whatever crashes and answers are lost.
//!
//! 1. [`History::record`] wraps a backend, [`History::bodies`] what a worker serves; any number of workers,
//!    callers and processes may take part. A process that may be killed writes [to a file](History::to_file),
//!    and [`History::read`] puts the files of all together.
//! 2. The run is whatever the test likes: load, faults, kills, outages.
//! 3. [`History::check`] holds it to [`Rules`]: every [`Invariant`] by what clients can observe. It gives a
//!    [`Summary`] of what it looked at, or the [`Violation`] with the shortest history that shows it.
//!
//! # Time
//!
//! A history measures in microseconds by the wall clock of the machine as it was when the history was opened,
//! and steadily from there, or by [a clock of the test](History::with_clock). Lines of one history are in the
//! order in which things happened, whatever their times. Of the logs of several processes, times alone tell
//! what was first, and only if they are further apart than [`Rules::skew`]; anything closer, and a tie,
//! counts as concurrent, and accuses nobody. So the logs are to be of one machine, or of machines whose
//! clocks agree to within that.
//!
//! # Examples
//!
//! ```
//! use function_runner_core::Executor;
//! use function_runner_testkit::{
//!     MockExecutor,
//!     history::{History, Invariant, Rules},
//! };
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let history = History::new();
//! let executor = history.record(MockExecutor::new());
//! let unknown = executor.record(&function_runner_core::TaskId::unique()).await;
//!
//! assert!(unknown.is_err());
//! let summary = history.check(&Rules::new(executor.capabilities().times)).unwrap();
//! assert_eq!(summary.calls, 1);
//! assert!(summary.vacuous().contains(&Invariant::FencesRise), "nothing was leased here");
//! # });
//! ```

mod bodies;
mod check;
mod entry;
mod invariant;
mod line;
mod log;
mod record;
mod rules;
mod summary;
#[cfg(test)]
mod tests;
mod translate;
mod violation;
mod words;

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use function_runner_core::{Clock, Error, ErrorKind, Registry, Result, WorkerId};

pub use invariant::Invariant;
pub use record::Recorded;
pub use rules::Rules;
pub use summary::Summary;
pub use violation::Violation;

use self::{
    line::{Call, Event, Reply},
    log::Log,
    record::Open,
};

/// A history that is being recorded, or was read. Clones are the same history.
///
/// It is kept in memory, about 300 bytes a call, and in a file too if it was [opened so](Self::to_file). Of
/// payloads it keeps a hash.
#[derive(Clone)]
pub struct History(Arc<Inner>);

struct Inner {
    log: Mutex<Log>,
    time: Time,
}

/// What a history takes its times from.
enum Time {
    Machine { wall: u64, begin: Instant },
    Given(Arc<dyn Clock>),
}

impl Time {
    fn machine() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::Machine { wall: rules::micros(wall), begin: Instant::now() }
    }

    fn now(&self) -> u64 {
        match self {
            Self::Machine { wall, begin } => wall.saturating_add(rules::micros(begin.elapsed())),
            Self::Given(clock) => clock.now().as_millis().saturating_mul(1000),
        }
    }
}

impl History {
    /// An empty history in memory, by the machine's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Log::in_memory(), Time::machine())
    }

    /// An empty history in memory by this clock: the one of the store that it records.
    #[must_use]
    pub fn with_clock(clock: impl Clock) -> Self {
        Self::of(Log::in_memory(), Time::Given(Arc::new(clock)))
    }

    /// A history that is also written to this file, behind what it holds: one line of JSON for each thing, in
    /// one write, so that a process that is killed loses the line it was writing and no other.
    ///
    /// The file begins with its format's version. One file belongs to one process at a time.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] where the file cannot be opened or written.
    pub fn to_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let log =
            Log::in_file(path).map_err(|error| cannot_write(error).with_context("file", path.display()))?;
        Ok(Self::of(log, Time::machine()))
    }

    /// What these files hold together, as one history. A line that a kill has torn is left out; a call whose
    /// answer is not there counts as one without an answer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] where a file cannot be read, [`ErrorKind::Corrupt`] where one is no log,
    /// [`ErrorKind::Unsupported`] where one has another format.
    pub fn read(paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<Self> {
        Ok(Self::of(Log::read(paths)?, Time::machine()))
    }

    fn of(log: Log, time: Time) -> Self {
        Self(Arc::new(Inner { log: Mutex::new(log), time }))
    }

    /// This backend with its every call noted; it is what the backend is.
    #[must_use]
    pub fn record<B>(&self, backend: B) -> Recorded<B> {
        Recorded::new(backend, self.clone())
    }

    /// This registry with its every body noted, as run by the worker of this id: give that to
    /// [`Worker::id`](function_runner_core::Worker::id).
    ///
    /// A body is noted from its first poll until its future is gone. What goes on on a thread that a dropped
    /// future has left behind is not seen.
    pub fn bodies(&self, worker: &WorkerId, registry: Registry) -> Registry {
        bodies::note(self, worker, registry)
    }

    /// Holds it to these rules, as it is now.
    ///
    /// # Errors
    ///
    /// The violation that was complete first.
    pub fn check(&self, rules: &Rules) -> Result<Summary, Violation> {
        check::check(&self.log().entries, rules)
    }

    /// Whether everything that was noted has reached the file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] with what kept the first line from it.
    pub fn written(&self) -> Result<()> {
        let log = self.log();
        let failed = log.failed().map(|error| std::io::Error::new(error.kind(), error.to_string()));
        failed.map_or(Ok(()), |error| Err(cannot_write(error)))
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        // nothing under this lock leaves it half changed
        self.0.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a call was made.
    fn open(&self, call: Call) -> Open {
        let mut log = self.log();
        // under the lock: the order of the lines is the order of their times
        let number = log.called(self.0.time.now(), call);
        drop(log);
        Open::new(self.clone(), number)
    }

    fn came(&self, number: u64, reply: Reply) {
        let mut log = self.log();
        let now = self.0.time.now();
        log.came(number, now, reply);
    }

    fn gave(&self, watch: u64, event: Event) {
        let mut log = self.log();
        let now = self.0.time.now();
        log.gave(watch, now, event);
    }
}

impl Default for History {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History").field("entries", &self.log().entries.len()).finish_non_exhaustive()
    }
}

fn cannot_write(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, "the log of a history cannot be written").with_source(error)
}
