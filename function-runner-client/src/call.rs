//! A call: its settings, and its two endings.

use std::{
    fmt,
    marker::PhantomData,
    mem,
    pin::Pin,
    task::{Context as Waker, Poll, ready},
    time::Duration,
};

use function_runner_core::{
    Data, Dedupe, Error, ErrorKind, Fault, FaultCode, FollowUpRequest, Function, Labels, Payload, Priority,
    Quality, Request, Result, RetryPolicy, Submitted, TaskEnded, TaskId, Tenant, When, schema::MAX_DEPTH,
};
use serde_json::Value;

use crate::{
    Handle, Runner,
    handle::decode,
    submit::{self, Owed},
};

/// A call of a function: settings first, then one of two endings.
///
/// - Awaited, it is the function's output. It is a [`Future`], so `tokio::spawn`, `join!`, `select!` and
///   `timeout` take it. Dropped half-way it asks for the task's cancel, since nobody is left who waits for it; a
///   task that it only [deduplicated](Self::dedupe) to goes on.
/// - [`submit`](Self::submit) gives a [`Handle`], a bookmark of the task.
///
/// What is wrong with a setting is told by the ending, not by a panic. Every error carries the task's id
/// ([`Error::task`]), which exists [before the call](Self::task). A submit whose reply was lost is sent again up to
/// three times, within about two seconds, under the same id; a full queue is told at once.
///
/// # Examples
///
/// ```
/// # use function_runner_client::prelude::*;
/// # const DOUBLE: Function<u32, u32> = Function::new("double");
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// # let runner = Runner::local(Registry::new().add(DOUBLE.implement(|_, n| async move { Ok(n * 2) })))?;
/// let four = runner.call(DOUBLE, 2).priority(8).label("order", "17").await?;
/// let handle = runner.call(DOUBLE, 3).quality(Quality::Draft).submit().await?;
/// assert_eq!((four, handle.output().await?), (4, 6));
///
/// let error = runner.call(DOUBLE, 2).priority(11).await.unwrap_err();
/// assert_eq!(error.message(), "the priority 11 is out of range; it takes 1 (last) to 10 (first)");
/// # Ok(())
/// # }
/// ```
#[must_use = "a call does nothing until it is awaited: `.await?` gives the output, `.submit().await?` a handle"]
pub struct Call<O> {
    runner: Runner,
    id: TaskId,
    /// Named by the error of an output that cannot be read.
    function: Option<&'static str>,
    state: State,
    output: PhantomData<fn() -> O>,
}

#[expect(clippy::large_enum_variant, reason = "a box would cost every call an allocation")]
enum State {
    Ready(Result<Request>),
    Running(Owed),
    Over,
}

impl<O: Data> Call<O> {
    pub(crate) fn typed<I: Data>(runner: &Runner, function: Function<I, O>, input: &I) -> Self {
        let request =
            function.reference().and_then(|reference| Ok(Request::new(reference, Payload::encode(input)?)));
        Self::new(runner, Some(function.name()), request)
    }

    fn new(runner: &Runner, function: Option<&'static str>, request: Result<Request>) -> Self {
        let id = request.as_ref().map_or_else(|_| TaskId::unique(), |request| request.id.clone());
        Self { runner: runner.clone(), id, function, state: State::Ready(request), output: PhantomData }
    }

    /// Changes the request, unless something is wrong with it already: the first fault is the one that is told.
    fn set(mut self, change: impl FnOnce(&mut Request) -> Result<()>) -> Self {
        if let State::Ready(request) = &mut self.state
            && let Ok(ready) = request
            && let Err(fault) = change(ready)
        {
            *request = Err(fault);
        }
        self
    }

    /// How good the result is to be: `standard` unless said.
    pub fn quality(self, quality: Quality) -> Self {
        self.set(|request| {
            request.quality = quality;
            Ok(())
        })
    }

    /// Its share of the workers among its tenant's tasks, from 1 to 10, 5 unless said; each step doubles the share.
    pub fn priority(self, priority: u8) -> Self {
        self.set(|request| {
            request.priority = Priority::new(priority)?;
            Ok(())
        })
    }

    /// Whose task it is: 1 to 32 of `[a-z0-9._-]`.
    pub fn tenant(self, tenant: impl AsRef<str>) -> Self {
        self.set(|request| {
            request.tenant = Some(Tenant::new(tenant)?);
            Ok(())
        })
    }

    /// A word of your own about the task, at most 32 of them; its body, its record and its follow-ups see it.
    pub fn label(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.set(|request| {
            request.labels.insert(key.into(), value.into());
            Ok(())
        })
    }

    /// An id of your own, 1 to 64 of `[A-Za-z0-9_-]`: the same call under the same id is the same task, however
    /// often it is made.
    pub fn id(mut self, id: impl AsRef<str>) -> Self {
        match TaskId::new(id) {
            Ok(id) => {
                self.id = id.clone();
                self.set(|request| {
                    request.id = id;
                    Ok(())
                })
            }
            Err(fault) => self.set(|_| Err(fault)),
        }
    }

    /// Starts later: after a `Duration` by the store's clock, or at a `Timestamp`; at most 30 days.
    pub fn delay(self, when: impl Into<When>) -> Self {
        self.set(|request| {
            request.delay = Some(when.into());
            Ok(())
        })
    }

    /// Must have started by then, within a `Duration` by the store's clock or by a `Timestamp`; else the task ends
    /// failed with the code `deadline`.
    pub fn deadline(self, when: impl Into<When>) -> Self {
        self.set(|request| {
            request.deadline = Some(when.into());
            Ok(())
        })
    }

    /// Does the same work once within a window, counted from submit: where a task of this tenant and function was
    /// submitted under this key, the call stands for that task, and no other is stored.
    pub fn dedupe(self, key: impl Into<String>, window: Duration) -> Self {
        self.set(|request| {
            request.dedupe = Some(Dedupe::new(key, window));
            Ok(())
        })
    }

    /// Calls this function, under these labels, when the task has ended, whatever ended it; at most four of them.
    ///
    /// It is queued in the same move in which the task ends, so it is neither lost nor doubled.
    ///
    /// # Examples
    ///
    /// ```
    /// # use function_runner_client::{TaskEnded, prelude::*};
    /// # fn order(runner: &Runner) -> Call<u32> {
    /// # const PRICE: Function<u32, u32> = Function::new("price");
    /// const NOTIFY: Function<TaskEnded, ()> = Function::new("notify");
    ///
    /// runner.call(PRICE, 7).follow_up(NOTIFY, &[("channel", "mail")])
    /// # }
    /// ```
    pub fn follow_up<P>(self, function: Function<TaskEnded, P>, labels: &[(&str, &str)]) -> Self {
        self.set(|request| {
            let labels: Labels =
                labels.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
            request.follow_ups.push(FollowUpRequest { function: function.reference()?, labels });
            Ok(())
        })
    }

    /// Retries by this policy in place of the function's own.
    pub fn retry(self, policy: RetryPolicy) -> Self {
        self.set(|request| {
            request.retry = Some(policy);
            Ok(())
        })
    }

    /// Goes to this version in place of the one the call would go to: `1`, `1.2` or `1.2.0`.
    pub fn version(self, version: impl AsRef<str>) -> Self {
        self.set(|request| {
            request.function = format!("{}@{}", request.function.name, version.as_ref()).parse()?;
            Ok(())
        })
    }

    /// The id of its task, which exists before the call: keep it to [attach](Runner::attach) to the task, whatever
    /// becomes of this program.
    pub const fn task(&self) -> &TaskId {
        &self.id
    }

    /// Submits it and gives a handle; an accepted task goes on without the handle.
    ///
    /// Dropped half-way it is unknown whether the task was stored. Submit it again under the same
    /// [`id`](Self::id): that changes nothing if it was.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] with every fault, [`ErrorKind::InvalidCall`], [`ErrorKind::UnknownFunction`],
    /// [`ErrorKind::UnknownQuality`], [`ErrorKind::ImpossibleRequirement`], [`ErrorKind::Conflict`],
    /// [`ErrorKind::QueueFull`], [`ErrorKind::TooLarge`], with nothing stored; [`ErrorKind::Unavailable`] or
    /// [`ErrorKind::Timeout`] where that is unknown.
    pub async fn submit(self) -> Result<Handle<O>> {
        let (runner, function) = (self.runner.clone(), self.function);
        let request = self.into_request()?;
        let task = runner.admit(request).await?;
        let mut id = task.id.clone();
        if let Submitted::Duplicate(older) = submit::submit_one(runner.clone(), task).await? {
            id = older;
        }
        Ok(Handle::new(runner, id, function))
    }

    pub(crate) const fn runner(&self) -> &Runner {
        &self.runner
    }

    pub(crate) const fn function(&self) -> Option<&'static str> {
        self.function
    }

    pub(crate) fn into_request(self) -> Result<Request> {
        match self.state {
            State::Ready(request) => request,
            State::Running(_) | State::Over => Err(awaited_before()),
        }
        .map_err(|error| error.with_task(&self.id))
    }
}

impl Call<Value> {
    pub(crate) fn by_name(runner: &Runner, function: &str, input: Value) -> Self {
        let request =
            function.parse().and_then(|reference| Ok(Request::new(reference, encode(function, input)?)));
        Self::new(runner, None, request)
    }
}

/// A future, not merely `IntoFuture`: so `tokio::spawn` and `join!` know it, and rustc hints at a forgotten `.await`.
impl<O: Data> Future for Call<O> {
    type Output = Result<O>;

    fn poll(self: Pin<&mut Self>, waker: &mut Waker<'_>) -> Poll<Result<O>> {
        let call = self.get_mut();
        if let State::Ready(_) = call.state
            && let State::Ready(request) = mem::replace(&mut call.state, State::Over)
        {
            match request {
                Ok(request) => call.state = State::Running(Owed::new(call.runner.clone(), request)),
                Err(fault) => return Poll::Ready(Err(fault.with_task(&call.id))),
            }
        }
        let output = match &mut call.state {
            State::Running(running) => ready!(running.poll(waker)),
            State::Ready(_) | State::Over => Err(awaited_before()),
        };
        call.state = State::Over;
        Poll::Ready(match output {
            Ok(output) => decode(&output, call.function, &call.id),
            Err(error) => Err(error.with_task(&call.id)),
        })
    }
}

impl<O> fmt::Debug for Call<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let function = match &self.state {
            State::Ready(Ok(request)) => request.function.to_string(),
            _ => self.function.unwrap_or("…").to_owned(),
        };
        write!(f, "Call({function}, task {})", self.id)
    }
}

fn awaited_before() -> Error {
    Error::new(ErrorKind::InvalidCall, "this call was awaited before; make another")
}

/// Writes a value that a program made, which may nest deeper than a stack is long.
fn encode(function: &str, input: Value) -> Result<Payload> {
    if !is_deeper(&input, MAX_DEPTH) {
        return Payload::encode(&input);
    }
    take_apart(input);
    let fault = format!("nested over {MAX_DEPTH} levels deep; at most {MAX_DEPTH} are allowed");
    let message = format!("the input of `{}` is not JSON that can be read", function.escape_default());
    Err(Error::of_faults(message, vec![Fault::new("", FaultCode::TooDeep, fault)]))
}

fn is_deeper(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(|item| is_deeper(item, levels - 1)),
        Value::Object(fields) => levels == 0 || fields.values().any(|field| is_deeper(field, levels - 1)),
        _ => false,
    }
}

/// Drops a value level by level: as a whole it would be dropped by recursion.
fn take_apart(value: Value) {
    let mut rest = vec![value];
    while let Some(value) = rest.pop() {
        match value {
            Value::Array(items) => rest.extend(items),
            Value::Object(fields) => rest.extend(fields.into_iter().map(|(_, field)| field)),
            _ => {}
        }
    }
}
