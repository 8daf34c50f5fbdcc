//! A batch: many calls, of any functions, in one submit, all or none.

mod progress;

use std::{collections::HashMap, fmt, marker::PhantomData};

use function_runner_core::{
    Data, Error, ErrorKind, Executor, Request, Result, Seen, State, Submitted, TaskId,
};
use futures::StreamExt as _;

pub use self::progress::{BatchProgress, BatchProgressStream};
use crate::{Call, Handle, Runner, submit::submit};

/// Many calls, of any functions and qualities, submitted at once: all are stored, or none is.
///
/// At most 1,000 calls and 32 MiB of input.
///
/// # Examples
///
/// ```
/// # use function_runner_client::prelude::*;
/// # const DOUBLE: Function<u32, u32> = Function::new("double");
/// # const SHOUT: Function<String, String> = Function::new("shout");
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// # let runner = Runner::local(Registry::new()
/// #     .add(DOUBLE.implement(|_, n| async move { Ok(n * 2) }))
/// #     .add(SHOUT.implement(|_, s: String| async move { Ok(s.to_uppercase()) })))?;
/// let mut batch = runner.batch();
/// let number = batch.add(runner.call(DOUBLE, 2).priority(8));
/// let text = batch.add(runner.call(SHOUT, "hello".into()));
/// let batch = batch.submit().await?;
///
/// let mut progress = batch.progress();
/// while let Some(p) = progress.next().await {
///     println!("{:.0} % of all, {} of {} ended", p.fraction * 100.0, p.ended, p.tasks);
/// }
/// assert_eq!(batch.handle(&number).output().await?, 4);
/// assert_eq!(batch.handle(&text).output().await?, "HELLO");
/// # Ok(())
/// # }
/// ```
#[must_use = "a batch does nothing until `.submit().await`"]
pub struct Batch {
    runner: Runner,
    requests: Vec<Result<Request>>,
}

/// Finds the handle of a call in its submitted batch.
pub struct Ticket<O> {
    id: TaskId,
    function: Option<&'static str>,
    output: PhantomData<fn() -> O>,
}

/// A batch that was submitted: a bookmark of its tasks, as a [`Handle`] is of one.
#[derive(Clone, Debug)]
pub struct BatchHandle {
    runner: Runner,
    ids: Vec<TaskId>,
    /// The older tasks that stand for calls of this batch.
    older: HashMap<TaskId, TaskId>,
}

impl Batch {
    pub(crate) const fn new(runner: Runner) -> Self {
        Self { runner, requests: Vec::new() }
    }

    /// Adds a call of the same runner, with its settings.
    pub fn add<O: Data>(&mut self, call: Call<O>) -> Ticket<O> {
        let ticket = Ticket { id: call.task().clone(), function: call.function(), output: PhantomData };
        let same = call.runner().is(&self.runner);
        self.requests.push(if same { call.into_request() } else { Err(of_another_runner(&ticket.id)) });
        ticket
    }

    /// How many calls it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether it has no calls; then submitting it does nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Submits all calls in one move; a reply that was lost is asked for again, as with a single call.
    ///
    /// # Errors
    ///
    /// As [`Call::submit`], of the first call with which something is wrong, and nothing is stored;
    /// [`ErrorKind::TooLarge`] past the limits of a batch. An error of the whole batch carries the id of its first
    /// task; the tickets have them all.
    pub async fn submit(self) -> Result<BatchHandle> {
        let mut tasks = Vec::with_capacity(self.requests.len());
        for request in self.requests {
            tasks.push(self.runner.admit(request?).await?);
        }
        let mut batch =
            BatchHandle { runner: self.runner, ids: Vec::with_capacity(tasks.len()), older: HashMap::new() };
        let Some(first) = tasks.first().map(|task| task.id.clone()) else { return Ok(batch) };
        let ids: Vec<_> = tasks.iter().map(|task| task.id.clone()).collect();
        let submitted =
            submit(&**batch.runner.executor(), tasks).await.map_err(|error| error.with_task(&first))?;
        for (id, submitted) in ids.into_iter().zip(submitted) {
            if let Submitted::Duplicate(older) = submitted {
                batch.ids.push(older.clone());
                batch.older.insert(id, older);
            } else {
                batch.ids.push(id);
            }
        }
        Ok(batch)
    }
}

fn of_another_runner(id: &TaskId) -> Error {
    Error::new(
        ErrorKind::InvalidCall,
        "a call of another runner is in the batch; make it with the batch's runner",
    )
    .with_task(id)
}

impl BatchHandle {
    /// The handle of one call.
    #[must_use]
    pub fn handle<O: Data>(&self, ticket: &Ticket<O>) -> Handle<O> {
        let id = self.older.get(&ticket.id).unwrap_or(&ticket.id);
        Handle::new(self.runner.clone(), id.clone(), ticket.function)
    }

    /// The ids of its tasks, in the order in which their calls were added.
    #[must_use]
    pub fn ids(&self) -> &[TaskId] {
        &self.ids
    }

    /// How far all its tasks are together, until the last has ended.
    pub fn progress(&self) -> BatchProgressStream {
        BatchProgressStream::new(&self.runner, &self.ids)
    }

    /// Waits until every task has ended and gives how each did, in the order in which their calls were added.
    ///
    /// # Errors
    ///
    /// What ended the watch of a task before its end.
    pub async fn wait(&self) -> Result<Vec<State>> {
        let mut ends = Vec::with_capacity(self.ids.len());
        for id in &self.ids {
            ends.push(end(&**self.runner.executor(), id).await.map_err(|error| error.with_task(id))?);
        }
        Ok(ends)
    }

    /// Asks for the end of every task of it.
    ///
    /// # Errors
    ///
    /// The first error; the others are asked all the same.
    pub async fn cancel(&self) -> Result<()> {
        let mut result = Ok(());
        for id in &self.ids {
            let asked = self.runner.executor().cancel(id).await.map_err(|error| error.with_task(id));
            result = result.and(asked);
        }
        result
    }
}

async fn end(executor: &dyn Executor, id: &TaskId) -> Result<State> {
    let mut events = executor.watch(id, Seen::default()).await?;
    while let Some(event) = events.next().await {
        if let Some(state) = event?.end() {
            return Ok(state);
        }
    }
    Err(Error::new(ErrorKind::Unavailable, "the watch of the task stopped before its end"))
}

impl<O> Ticket<O> {
    /// The id of the call's task, which exists before the batch is submitted.
    #[must_use]
    pub const fn id(&self) -> &TaskId {
        &self.id
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batch({} calls)", self.requests.len())
    }
}

impl<O> fmt::Debug for Ticket<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({}, task {})", self.function.unwrap_or("…"), self.id)
    }
}
