//! The worker: leases tasks for which it has bodies and room, runs them, and tells how they ended.
//!
//! | file | subject |
//! |---|---|
//! | `step` | what to do next: pure, and what a simulation drives |
//! | `driver` | the loop that does it, on the runtime of the bodies |
//! | `heart` | the thread that renews the claims, whatever that runtime does |
//! | `desk` | what loop and heart share |
//! | `body`, `bodies` | one attempt, and the task that runs one after another; all of them |
//! | `served` | a function's body and the schema of its outputs |
//! | `models` | what the tasks of a lane share |
//! | `watchdog` | names a body that blocks the runtime |
//! | `inbox`, `calls`, `alarm` | what the loop waits for |

mod alarm;
mod bodies;
mod body;
mod calls;
mod desk;
mod driver;
mod heart;
mod inbox;
mod models;
mod served;
mod step;
mod watchdog;

use std::{fmt, future::pending, mem, pin::pin, sync::Arc, time::Duration};

use futures::{FutureExt as _, future::BoxFuture};
use tokio::sync::oneshot;

pub use step::{Action, Heard, Seat, Start, Steps};

use self::{
    desk::Desk,
    driver::{Driver, Equipment},
    served::Served,
};
use crate::{
    ArtifactStore, Capacity, Error, ErrorKind, MakeScratch, Queue, Registry, Result, WorkerId, WorkerInfo,
    runtime::{Handle as Runtime, timeout},
};

#[cfg(test)]
mod tests;

/// A worker of a queue: leases tasks for which it has bodies and room, runs them, and tells how they ended.
///
/// - Its claims are renewed by a thread of its own, so a body that blocks its runtime loses no claim.
/// - A body that panics, ends late or ignores its cancel harms nothing but its own attempt.
/// - On stop it takes no more work and lets its bodies go on for the [drain limit](Self::drain_limit); what still runs
///   then goes back to the queue without having used up an attempt.
///
/// # Examples
///
/// ```
/// use function_runner_core::{Capacity, Context, Failure, Function, Queue, Registry, Result, Worker};
///
/// const DOUBLE: Function<u32, u32> = Function::new("double");
///
/// async fn double(_: Context, n: u32) -> Result<u32, Failure> {
///     Ok(n * 2)
/// }
///
/// async fn serve(queue: impl Queue, stop: impl Future<Output = ()>) -> Result<()> {
///     let worker = Worker::new(queue, Registry::new().add(DOUBLE.implement(double)));
///     worker.capacity(Capacity::new().cpu_millis(4000).slots(16)).run_until(stop).await
/// }
/// ```
#[must_use = "a worker does nothing until `.run_until(…).await`"]
pub struct Worker {
    queue: Arc<dyn Queue>,
    registry: Registry,
    capacity: Capacity,
    drain_limit: Duration,
    id: WorkerId,
    artifacts: Option<Arc<dyn ArtifactStore>>,
    scratch: Option<MakeScratch>,
    seed: u64,
    release: BoxFuture<'static, ()>,
}

impl Worker {
    /// A worker of this queue that serves this registry, with one core and 64 slots until its capacity is given.
    pub fn new(queue: impl Queue, registry: Registry) -> Self {
        Self {
            queue: Arc::new(queue),
            registry,
            capacity: Capacity::new().cpu_millis(1000),
            drain_limit: Duration::from_secs(30),
            id: WorkerId::unique(),
            artifacts: None,
            scratch: None,
            seed: rand::random(),
            release: pending().boxed(),
        }
    }

    /// What it has for tasks.
    pub fn capacity(mut self, capacity: Capacity) -> Self {
        self.capacity = capacity;
        self
    }

    /// How long bodies may go on once it was asked to stop: 30 s unless said.
    pub fn drain_limit(mut self, limit: Duration) -> Self {
        self.drain_limit = limit;
        self
    }

    /// Its id, one that nobody has unless said; give one that is new at every start.
    pub fn id(mut self, id: WorkerId) -> Self {
        self.id = id;
        self
    }

    /// Where its bodies keep files.
    pub fn artifacts(mut self, artifacts: Arc<dyn ArtifactStore>) -> Self {
        self.artifacts = Some(artifacts);
        self
    }

    /// What makes the scratch folders of its attempts.
    pub fn scratch(mut self, scratch: MakeScratch) -> Self {
        self.scratch = Some(scratch);
        self
    }

    /// What the waits before retries are drawn from; random unless said.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// When what runs is given back at once, however long it may still go on: a second signal, say. It costs no
    /// attempt.
    pub fn release_when(mut self, release: impl Future<Output = ()> + Send + 'static) -> Self {
        self.release = release.boxed();
        self
    }

    /// Works until `stop` is ready, then until its bodies are done, within the drain limit and until it is to
    /// [release](Self::release_when) them.
    ///
    /// Bodies run on the runtime on which this is called. Dropping the future gives back at once what runs, while the
    /// runtime lives, with nobody told when that is done. An operator's drain ends it as `stop` does.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidSetup`] with everything that is wrong with registry and capacity, or outside of a tokio
    /// runtime; what the queue said where this worker may not join it; [`ErrorKind::Unavailable`] where it stopped
    /// and the queue could not be told of the ends of all attempts.
    ///
    /// # Panics
    ///
    /// On a runtime that was built without its timer.
    pub async fn run_until<T>(mut self, stop: impl Future<Output = T>) -> Result<()> {
        let mut release = mem::replace(&mut self.release, pending().boxed()).fuse();
        let (desk, driver, gone) = self.open()?;
        let patience = desk.times.beat();
        // a task of its own: whoever awaits this may drop it, and what runs is still given back
        let mut driver = pin!(desk.runtime.spawn(driver.drive()));
        let asked = StopOnDrop(desk);
        let mut stop = pin!(stop.fuse());
        let ended = loop {
            let heard = tokio::select! {
                ended = &mut driver => break ended,
                () = &mut release => Heard::StopNow,
                _ = &mut stop => Heard::Stop,
            };
            asked.0.inbox.put(heard);
        };
        // what it held of attempts, their scratch folders among it, goes with it; one that hangs in the queue may not
        // hold up the end
        let _ = timeout(patience, gone).await;
        ended.unwrap_or_else(|error| {
            Err(Error::new(ErrorKind::Unavailable, "the worker ended with its runtime").with_source(error))
        })
    }

    fn open(self) -> Result<(Arc<Desk>, Driver, oneshot::Receiver<()>)> {
        self.check()?;
        let runtime = Runtime::try_current().map_err(|error| {
            Error::new(ErrorKind::InvalidSetup, "a worker needs a tokio runtime for its bodies")
                .with_help("run it within `#[tokio::main]` or `Runtime::block_on`")
                .with_source(error)
        })?;
        let served = self.registry.implementations().map(Served::new).collect::<Result<Vec<_>>>()?;
        let times = self.queue.capabilities().times;
        let capacity = self.registry.equip(self.capacity);
        let info = WorkerInfo::new(self.id, capacity, self.registry.templates().cloned().collect());
        let steps = Steps::new(info, times).drain_limit(self.drain_limit).seed(self.seed);
        let desk = Arc::new(Desk::new(self.queue, times, steps, runtime));
        let (closes, closed) = oneshot::channel();
        let (going, gone) = oneshot::channel();
        heart::start(desk.clone(), closed, going)?;
        let equipment = Equipment { artifacts: self.artifacts, scratch: self.scratch };
        let driver = Driver::new(desk.clone(), served, equipment, closes);
        Ok((desk, driver, gone))
    }

    /// Everything that is wrong, all at once.
    fn check(&self) -> Result<()> {
        let mut faults: Vec<String> =
            self.registry.check().err().map(|error| error.message().to_owned()).into_iter().collect();
        if self.registry.is_empty() {
            faults.push("the registry is empty; add a function to it".to_owned());
        }
        let capacity = self.registry.equip(self.capacity.clone());
        faults.extend(capacity.faults().into_iter().map(|fault| format!("the capacity: {fault}")));
        if faults.is_empty() { Ok(()) } else { Err(Error::new(ErrorKind::InvalidSetup, faults.join("\n"))) }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("id", &self.id)
            .field("queue", &self.queue)
            .field("registry", &self.registry)
            .field("capacity", &self.capacity)
            .field("drain_limit", &self.drain_limit)
            .finish_non_exhaustive()
    }
}

/// Whoever ran the worker dropped it: what runs is given back at once.
struct StopOnDrop(Arc<Desk>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.inbox.put(Heard::StopNow);
    }
}
