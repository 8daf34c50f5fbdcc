//! The runner: calls functions, wherever they run.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use function_runner_core::{
    Admitted, Connection, Data, Error, ErrorKind, Executor, Function, Inspect, Intake, Operate, Registry,
    Request, Result, Task, TaskId, TemplateSet, Worker,
};
use serde_json::Value;
use tokio::runtime;

use crate::{
    Batch, Call, FanOut, Handle, capacity, connect,
    local::{self, Running},
};

/// How long a call over a URL waits for a function that nobody has published yet: a caller and a worker may start
/// together.
const PATIENCE: Duration = Duration::from_secs(10);

/// Calls functions, wherever they run: in this process, on workers behind a queue, or behind anything that
/// implements [`Executor`].
///
/// Cloning it is cheap, and all clones are the same runner. The calls are the same over all of them; only the line
/// that makes the runner differs.
///
/// # Examples
///
/// ```
/// use function_runner_client::prelude::*;
///
/// const SHOUT: Function<String, String> = Function::new("shout");
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let runner = Runner::local(Registry::new().add(SHOUT.implement(|_, s: String| async move { Ok(s.to_uppercase()) })))?;
/// assert_eq!(runner.call(SHOUT, "hello".into()).await?, "HELLO");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Runner(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    connection: Connection,
    intake: Intake,
    /// Where a call that is dropped outside a runtime asks for its cancel.
    runtime: OnceLock<runtime::Handle>,
    /// The worker of a local runner, until it is closed.
    worker: Mutex<Option<Running>>,
}

impl Runner {
    /// Runs these functions in this process, with all that this machine has; tasks are kept in memory and files in
    /// a temporary folder.
    ///
    /// Its worker lives as long as the runner or any call or handle of it. When the last of them goes, the worker
    /// takes nothing more, lets running bodies finish for up to 30 s, and ends; the folder is removed. A program that
    /// is about to end waits for that with [`close`](Self::close).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidSetup`] with everything that is wrong with the registry, or outside a tokio runtime that
    /// has timers; [`ErrorKind::Io`] where the folder cannot be made.
    pub fn local(registry: Registry) -> Result<Self> {
        let started = local::start(registry)?;
        let intake = Intake::new(started.connection.executor.clone()).knowing(started.known);
        Ok(Self::with(started.connection, intake, Some(started.worker)))
    }

    /// Calls what is behind this executor: a mock, a wrapper, a backend of your own.
    pub fn new(executor: impl Executor) -> Self {
        Self::over(Connection::caller(executor))
    }

    /// Calls what is behind this connection: with its queue, workers can be started; with its store, files travel.
    #[must_use]
    pub fn over(connection: Connection) -> Self {
        let intake = Intake::new(connection.executor.clone());
        Self::with(connection, intake, None)
    }

    /// Calls what is behind this URL: see [`connect::open`](crate::connect::open).
    ///
    /// A call of a function that nobody has published there yet waits up to 10 s for it, since a caller and a worker
    /// may start together.
    ///
    /// # Errors
    ///
    /// What [`connect::open`](crate::connect::open) says.
    pub async fn connect(url: &str) -> Result<Self> {
        let connection = connect::open(url).await?;
        let intake = Intake::new(connection.executor.clone()).patient(PATIENCE);
        Ok(Self::with(connection, intake, None))
    }

    fn with(connection: Connection, intake: Intake, worker: Option<Running>) -> Self {
        Self(Arc::new(Inner { connection, intake, runtime: OnceLock::new(), worker: Mutex::new(worker) }))
    }

    /// A call of this function with this input: a future of its output that takes settings first.
    pub fn call<I: Data, O: Data>(&self, function: Function<I, O>, input: I) -> Call<O> {
        Call::typed(self, function, &input)
    }

    /// A call of a function that is learnt at run time: `image.upscale`, `image.upscale@1`, `…@1.2`, `…@1.2.0`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use function_runner_client::prelude::*;
    /// # const SHOUT: Function<String, String> = Function::new("shout");
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// # let runner = Runner::local(Registry::new().add(SHOUT.implement(|_, s: String| async move { Ok(s.to_uppercase()) })))?;
    /// assert_eq!(runner.call_by_name("shout@1", "hello".into()).await?, "HELLO");
    /// # Ok(())
    /// # }
    /// ```
    pub fn call_by_name(&self, function: &str, input: Value) -> Call<Value> {
        Call::by_name(self, function, input)
    }

    /// The handle of a task that was submitted before, by whomever; nothing is asked until the handle is used.
    pub fn attach<I: Data, O: Data>(&self, function: Function<I, O>, id: TaskId) -> Handle<O> {
        Handle::new(self.clone(), id, Some(function.name()))
    }

    /// The handle of a task whose function is learnt at run time.
    #[must_use]
    pub fn attach_by_name(&self, id: TaskId) -> Handle<Value> {
        Handle::new(self.clone(), id, None)
    }

    /// An empty batch: many calls, of any functions, submitted at once, all or none.
    pub fn batch(&self) -> Batch {
        Batch::new(self.clone())
    }

    /// Calls a function with each of these inputs, a bounded number at a time.
    pub fn map<'a, I, O, T>(&self, function: Function<I, O>, inputs: T) -> FanOut<'a, O>
    where
        I: Data,
        O: Data,
        T: IntoIterator<Item = I, IntoIter: Send + 'a>,
    {
        let runner = self.clone();
        FanOut::new(inputs.into_iter().map(move |input| runner.call(function, input)))
    }

    /// What can be called here, read again now.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] or [`ErrorKind::Timeout`] where the backend is not reached.
    pub async fn functions(&self) -> Result<TemplateSet> {
        self.0.intake.templates().await
    }

    /// A worker of the queue behind this runner that serves these functions, with all that this machine has unless
    /// its `.capacity(…)` says less, and with the runner's artifact store.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidSetup`] with everything that is wrong with the registry; [`ErrorKind::Unsupported`] where
    /// only callers connect.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use function_runner_client::prelude::*;
    /// # async fn serve(registry: Registry) -> Result<()> {
    /// let runner = Runner::connect("memory:").await?;
    /// runner.worker(registry)?.run_until(tokio::signal::ctrl_c()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn worker(&self, registry: Registry) -> Result<Worker> {
        registry.check()?;
        let Connection { queue, artifacts, .. } = &self.0.connection;
        let queue = queue.clone().ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "only callers connect here").with_help(
                "workers connect to the queue behind it: give the runner of the worker that queue's URL",
            )
        })?;
        Ok(local::equip(Worker::new(queue, registry), capacity::measure(), artifacts.clone()))
    }

    /// Lets the worker of a local runner finish what runs, for up to 30 s, and waits for its end: with the last clone
    /// and handle, its temporary files are gone.
    ///
    /// A program that ends without it may leave files behind in the system's temporary folder. What is called on a
    /// clone afterwards finds no worker. Over other connections there is nothing to wait for.
    ///
    /// # Errors
    ///
    /// What the worker said in the end.
    ///
    /// # Examples
    ///
    /// ```
    /// # use function_runner_client::prelude::*;
    /// # const DOUBLE: Function<u32, u32> = Function::new("double");
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// # let registry = Registry::new().add(DOUBLE.implement(|_, n| async move { Ok(n * 2) }));
    /// let runner = Runner::local(registry)?;
    /// assert_eq!(runner.call(DOUBLE, 2).await?, 4);
    /// runner.close().await
    /// # }
    /// ```
    pub async fn close(self) -> Result<()> {
        let running = self.0.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        match running {
            Some(running) => running.end().await,
            None => Ok(()),
        }
    }

    /// What an operator can look at, where the backend has it.
    #[must_use]
    pub fn inspect(&self) -> Option<&Arc<dyn Inspect>> {
        self.0.connection.inspect.as_ref()
    }

    /// What an operator can do, where the backend has it.
    #[must_use]
    pub fn operate(&self) -> Option<&Arc<dyn Operate>> {
        self.0.connection.operate.as_ref()
    }

    /// The caller's side of the backend, for what this crate has no words for.
    #[must_use]
    pub fn executor(&self) -> &Arc<dyn Executor> {
        &self.0.connection.executor
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.0.connection
    }

    pub(crate) fn admit_now(&self, request: Request) -> Result<Admitted> {
        self.0.intake.admit_now(request)
    }

    pub(crate) async fn admit(&self, request: Request) -> Result<Task> {
        self.0.intake.admit(request).await
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Remembers the runtime in which it is used, for what is dropped outside of one.
    pub(crate) fn remember_runtime(&self) {
        if self.0.runtime.get().is_none()
            && let Ok(runtime) = runtime::Handle::try_current()
        {
            // another call was quicker: its runtime is as good
            let _ = self.0.runtime.set(runtime);
        }
    }

    /// Where to go on with what its caller dropped.
    pub(crate) fn runtime(&self) -> Option<runtime::Handle> {
        runtime::Handle::try_current().ok().or_else(|| self.0.runtime.get().cloned())
    }
}
