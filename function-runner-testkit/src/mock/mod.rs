//! An executor that answers from a script: for testing programs that call functions.

mod entry;
mod hand;
mod run;
mod script;
mod submit;
mod watch;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use function_runner_core::{
    Capabilities, Clock, Data, Durability, Error, ErrorKind, EventStream, Executor, Failure, Function,
    Progress, Registry, Result, RetryPolicy, Seen, Submitted, SystemClock, Task, TaskId, TaskRecord,
    TemplateSet, Tenant, Times, Timestamp,
};

pub use self::hand::{Hand, Job};
use self::{entry::Entry, script::Script};
use crate::ManualClock;

/// An executor that answers from a script, for testing programs that call functions: no queue, no worker, no GPU.
///
/// What it answers for a function is told by builders; the tasks it was given are there to look at. It retries as a
/// worker would, without waiting. Clones are the same mock, so a test keeps one end and gives the other to a runner.
///
/// # Examples
///
/// ```
/// use function_runner_core::{Failure, Function, Intake, Payload, Request, Executor, outcome};
/// use function_runner_testkit::MockExecutor;
/// use std::sync::Arc;
///
/// const DOUBLE: Function<u32, u32> = Function::new("double");
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let mock = MockExecutor::new()
///     .on(DOUBLE, |n| Ok(n * 2))
///     .fail_once(DOUBLE, Failure::transient("gpu busy"));
/// // a program would use `Runner::new(mock.clone())` and `runner.call(DOUBLE, 4).await?`
/// let request = Request::new(DOUBLE.reference()?, Payload::encode(&4)?);
/// let task = Intake::new(Arc::new(mock.clone())).admit(request).await?;
/// let id = task.id.clone();
/// mock.submit(vec![task]).await?;
/// assert_eq!(outcome(&mock, &id).await?.decode::<u32>()?, 8);
/// assert_eq!(mock.inputs(DOUBLE), [4]);                     // one per task, whatever attempts it took
/// assert_eq!(mock.record(&id).await?.attempt, 2);
/// # Ok::<(), function_runner_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct MockExecutor(Arc<Mock>);

struct Mock {
    clock: Arc<dyn Clock>,
    times: Times,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    functions: Registry,
    scripts: HashMap<String, Script>,
    entries: HashMap<TaskId, Arc<Entry>>,
    /// What was submitted, in order.
    submitted: Vec<Arc<Task>>,
    dedupe: HashMap<(Option<Tenant>, String, String), (TaskId, Timestamp)>,
}

impl MockExecutor {
    /// A mock that has no answers yet.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Arc::new(SystemClock::new()), Registry::new())
    }

    /// A mock whose delays, deadlines and waits pass by this clock.
    #[must_use]
    pub fn with_clock(clock: ManualClock) -> Self {
        Self::with(Arc::new(clock), Registry::new())
    }

    /// A mock that runs these bodies.
    #[must_use]
    pub fn serving(functions: Registry) -> Self {
        Self::with(Arc::new(SystemClock::new()), functions)
    }

    fn with(clock: Arc<dyn Clock>, functions: Registry) -> Self {
        let state = State { functions, ..State::default() };
        Self(Arc::new(Mock { clock, times: Times::default(), state: Mutex::new(state) }))
    }

    /// Flushes progress and keeps the other times of the contract by these.
    ///
    /// # Panics
    ///
    /// If the mock was cloned already.
    #[must_use]
    pub fn times(mut self, times: Times) -> Self {
        Arc::get_mut(&mut self.0).expect("times are set before the mock is cloned").times = times;
        self
    }

    /// Answers this function by a reply worked out from its input.
    ///
    /// # Panics
    ///
    /// If the function has an answer already.
    #[must_use]
    pub fn on<I: Data, O: Data>(
        self,
        function: Function<I, O>,
        reply: impl Fn(I) -> Result<O, Failure> + Send + Sync + 'static,
    ) -> Self {
        let body = move |_, input| std::future::ready(reply(input));
        self.add(function.implement(body).retry(RetryPolicy::exponential(3).first_delay(Duration::ZERO)))
    }

    /// Answers this function by hand: each attempt waits until the test takes and answers it.
    ///
    /// # Panics
    ///
    /// If the function has an answer already.
    #[must_use]
    pub fn by_hand<I: Data, O: Data>(&self, function: Function<I, O>) -> Hand<I, O> {
        let (hand, handler) = hand::pair();
        let retry = RetryPolicy::exponential(3).first_delay(Duration::ZERO);
        let _ = self.clone().add(function.implement_with(handler).retry(retry));
        hand
    }

    fn add(self, implementation: function_runner_core::Implementation) -> Self {
        {
            let mut state = self.0.state();
            state.functions = std::mem::take(&mut state.functions).add(implementation);
            if let Err(error) = state.functions.check() {
                drop(state);
                panic!("{error}");
            }
        }
        self
    }

    /// Fails the next attempt of this function with this failure.
    #[must_use]
    pub fn fail_once<I, O>(self, function: Function<I, O>, failure: Failure) -> Self {
        self.fail_times(function, 1, failure)
    }

    /// Fails the next so many attempts of this function with this failure.
    #[must_use]
    pub fn fail_times<I, O>(self, function: Function<I, O>, times: usize, failure: Failure) -> Self {
        self.script(function.name(), |script| script.failures.extend(std::iter::repeat_n(failure, times)));
        self
    }

    /// Lets every attempt of this function take so long, by the mock's clock.
    #[must_use]
    pub fn delay<I, O>(self, function: Function<I, O>, delay: Duration) -> Self {
        self.script(function.name(), |script| script.delay = Some(delay));
        self
    }

    /// Lets every attempt of this function tell this progress before it answers.
    #[must_use]
    pub fn progress<I, O>(
        self,
        function: Function<I, O>,
        progress: impl IntoIterator<Item = Progress>,
    ) -> Self {
        let told: Vec<_> = progress.into_iter().collect();
        self.script(function.name(), |script| script.progress = told);
        self
    }

    fn script(&self, function: &str, change: impl FnOnce(&mut Script)) {
        change(self.0.state().scripts.entry(function.to_owned()).or_default());
    }

    /// The inputs of this function's tasks, in the order they were submitted; one per task, whatever attempts it took.
    ///
    /// # Panics
    ///
    /// If an input is not of the function's type.
    #[must_use]
    pub fn inputs<I: Data, O: Data>(&self, function: Function<I, O>) -> Vec<I> {
        let read = |task: &Arc<Task>| task.input.decode().expect("the input is of the function's type");
        self.tasks().iter().filter(|task| task.function.name.as_str() == function.name()).map(read).collect()
    }

    /// Every task that was submitted, in order: with its quality, priority, labels and the rest.
    #[must_use]
    pub fn tasks(&self) -> Vec<Arc<Task>> {
        self.0.state().submitted.clone()
    }
}

impl Default for MockExecutor {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MockExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MockExecutor({} tasks)", self.0.state().submitted.len())
    }
}

impl Mock {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, id: &TaskId) -> Result<Arc<Entry>> {
        let found = self.state().entries.get(id).cloned();
        found.ok_or_else(|| Error::new(ErrorKind::UnknownTask, "no such task").with_task(id))
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Executor for MockExecutor {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Durability::None, self.0.times)
    }

    async fn templates(&self, known: u64) -> Result<Option<TemplateSet>> {
        let set = TemplateSet::of_templates(self.0.state().functions.templates().cloned().collect(), None);
        Ok((set.revision != known).then_some(set))
    }

    async fn submit(&self, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        self.0.submit(tasks)
    }

    async fn record(&self, id: &TaskId) -> Result<TaskRecord> {
        Ok(self.0.entry(id)?.record())
    }

    async fn watch(&self, id: &TaskId, after: Seen) -> Result<EventStream> {
        Ok(watch::stream(self.0.entry(id)?, after))
    }

    async fn cancel(&self, id: &TaskId) -> Result<()> {
        let entry = self.0.entry(id)?;
        self.0.change(&entry, Entry::ask_cancel);
        Ok(())
    }
}
