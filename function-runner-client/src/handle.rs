//! A handle: a bookmark of a submitted task.

use std::{any::type_name, fmt, marker::PhantomData};

use function_runner_core::{Data, Error, ErrorKind, Payload, Result, TaskId, TaskRecord, outcome};

use crate::{Events, ProgressStream, Runner};

/// A bookmark of a submitted task, not its owner: dropping it changes nothing, and [`cancel`](Self::cancel) is the
/// only thing that stops the work.
///
/// Its [`id`](Self::id) can be stored, and [`Runner::attach`] goes on from there, in this process or another. A
/// local runner lives as long as its handles.
///
/// # Examples
///
/// ```
/// # use function_runner_client::prelude::*;
/// # const DOUBLE: Function<u32, u32> = Function::new("double");
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// # let runner = Runner::local(Registry::new().add(DOUBLE.implement(|_, n| async move { Ok(n * 2) })))?;
/// let handle = runner.call(DOUBLE, 2).submit().await?;
/// let mut progress = handle.progress();
/// while let Some(p) = progress.next().await {
///     println!("{:?} {:?} {}", p.stage, p.fraction, p.message);
/// }
/// assert_eq!(handle.output().await?, 4);
///
/// let again = runner.attach(DOUBLE, handle.id().clone());
/// assert_eq!(again.output().await?, 4);
/// # Ok(())
/// # }
/// ```
pub struct Handle<O> {
    runner: Runner,
    id: TaskId,
    function: Option<&'static str>,
    output: PhantomData<fn() -> O>,
}

impl<O> Handle<O> {
    pub(crate) const fn new(runner: Runner, id: TaskId, function: Option<&'static str>) -> Self {
        Self { runner, id, function, output: PhantomData }
    }

    /// The task's id: store it to attach again.
    #[must_use]
    pub const fn id(&self) -> &TaskId {
        &self.id
    }

    /// How far the task is, from where it is now until its end; the latest replaces those before.
    ///
    /// The stream ends with the task, or when the task can no longer be followed: [`output`](Self::output) says
    /// which.
    pub fn progress(&self) -> ProgressStream {
        ProgressStream::new(self.events())
    }

    /// Everything that happens to the task, from a snapshot of how it is now until its end.
    pub fn events(&self) -> Events {
        Events::new(self.runner.clone(), self.id.clone())
    }

    /// Asks for the end of the task. Once acknowledged the task ends cancelled, whatever its body does; of a task
    /// that has ended it changes nothing. Asking twice is asking once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnknownTask`]; [`ErrorKind::Unavailable`] or [`ErrorKind::Timeout`] where the backend is not
    /// reached.
    pub async fn cancel(&self) -> Result<()> {
        self.runner.executor().cancel(&self.id).await.map_err(|error| error.with_task(&self.id))
    }

    /// What the store knows of the task: state, attempts, times, place in line, output or failure.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnknownTask`], also when its retention has passed.
    pub async fn record(&self) -> Result<TaskRecord> {
        self.runner.executor().record(&self.id).await.map_err(|error| error.with_task(&self.id))
    }

    /// Waits for the task's end and gives its output, as often as asked while the result is kept.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::FunctionFailed`] with what the function said, [`ErrorKind::Cancelled`],
    /// [`ErrorKind::UnknownTask`]; [`ErrorKind::Corrupt`] where the output is not of type `O`.
    pub async fn output(&self) -> Result<O>
    where
        O: Data,
    {
        let output =
            outcome(&**self.runner.executor(), &self.id).await.map_err(|error| error.with_task(&self.id))?;
        decode(&output, self.function, &self.id)
    }
}

impl<O> Clone for Handle<O> {
    fn clone(&self) -> Self {
        Self::new(self.runner.clone(), self.id.clone(), self.function)
    }
}

impl<O> fmt::Debug for Handle<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({}, task {})", self.function.unwrap_or("…"), self.id)
    }
}

/// Reads the output of a task; an error names the function and the type.
pub(crate) fn decode<O: Data>(output: &Payload, function: Option<&'static str>, id: &TaskId) -> Result<O> {
    output.decode().map_err(|error| {
        let of = function.map(|name| format!(" of `{name}`")).unwrap_or_default();
        Error::new(ErrorKind::Corrupt, format!("the output{of} is not a `{}`", type_name::<O>()))
            .with_task(id)
            .with_source(error)
            .with_help(
                "the caller's type and the worker's differ: compare it with the function's output schema",
            )
    })
}
