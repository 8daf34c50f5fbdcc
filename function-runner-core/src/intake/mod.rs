//! Intake: the one way from a request to a task, used by the typed client and by a gateway alike.

mod known;
mod request;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::{sync::Mutex, time::Instant};

use self::known::{Known, Placed, Served};
pub use self::request::{FollowUpRequest, Request};
use crate::{
    Error, ErrorKind, Executor, Fault, FaultCode, FollowUp, FunctionRef, Payload, Quality, Result, Task,
    TemplateSet, Weight, schedule, schema,
};

/// How old the templates may be before they are read again behind a call's back.
const STALE: Duration = Duration::from_secs(10);

/// How soon they may be read again because a call needs them.
const SOON: Duration = Duration::from_secs(1);

/// The one way from a request to a [`Task`]: resolves version and quality, fills defaults, validates, works out lane,
/// requirement and cost, and refuses what no worker could ever hold.
///
/// It keeps an executor's templates with their validators compiled. They are read again in the background when they
/// are older than 10 s, and at once, at most once a second, where a name, version or quality is unknown or a
/// requirement seems impossible.
#[derive(Debug)]
pub struct Intake {
    shared: Arc<Shared>,
    patience: Duration,
}

/// What became of a request that nobody was asked about.
#[derive(Debug)]
pub enum Admitted {
    /// It is a task.
    Task(Task),
    /// The executor must be asked first: [`Intake::admit`] does.
    Later(Request),
}

#[derive(Debug)]
struct Shared {
    executor: Arc<dyn Executor>,
    known: RwLock<Arc<Known>>,
    /// When the templates were last asked for; locked while they are.
    asked: Mutex<Option<Instant>>,
}

impl Intake {
    /// An intake over this executor that answers at once where a function is unknown.
    #[must_use]
    pub fn new(executor: Arc<dyn Executor>) -> Self {
        let shared = Shared { executor, known: RwLock::default(), asked: Mutex::default() };
        Self { shared: Arc::new(shared), patience: Duration::ZERO }
    }

    /// Knowing these templates from the start: a local runner's own.
    #[must_use]
    pub fn knowing(self, set: TemplateSet) -> Self {
        self.shared.learn(set);
        self
    }

    /// Waiting so long for a function that is not published yet, as a caller and a worker may start together.
    #[must_use]
    pub fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// What can be called, read again now.
    ///
    /// # Errors
    ///
    /// What the executor says.
    pub async fn templates(&self) -> Result<TemplateSet> {
        Ok(self.shared.read(Duration::ZERO).await?.set().clone())
    }

    /// Makes a task of this request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidCall`], [`ErrorKind::UnknownFunction`], [`ErrorKind::UnknownQuality`],
    /// [`ErrorKind::InvalidInput`] with every fault, [`ErrorKind::ImpossibleRequirement`], each with the task's id
    /// and nothing stored; or what the executor says where its templates are needed.
    pub async fn admit(&self, request: Request) -> Result<Task> {
        match self.admit_now(request)? {
            Admitted::Task(task) => Ok(task),
            Admitted::Later(request) => self.admit_anew(request).await,
        }
    }

    /// Makes a task of this request, if what is known of the functions is enough for that.
    ///
    /// # Errors
    ///
    /// Those of [`admit`](Self::admit) that nothing newer could change.
    pub fn admit_now(&self, request: Request) -> Result<Admitted> {
        request.check().map_err(|error| error.with_task(&request.id))?;
        let known = self.shared.known();
        if known.age() > STALE && known.is_read() {
            self.refresh_behind();
        }
        match resolve(&known, &request) {
            Ok(resolved) => Ok(Admitted::Task(resolved.task(request))),
            Err(error) if may_be_newer(&error) => Ok(Admitted::Later(request)),
            Err(error) => Err(error.with_task(&request.id)),
        }
    }

    /// What was refused may be possible by now: asks the executor before it is refused for good.
    async fn admit_anew(&self, request: Request) -> Result<Task> {
        let give_up = Instant::now() + self.patience;
        loop {
            let known = self.shared.read(SOON).await.map_err(|error| error.with_task(&request.id))?;
            match resolve(&known, &request) {
                Err(error) if error.kind() == ErrorKind::UnknownFunction && Instant::now() < give_up => {
                    tokio::time::sleep_until(give_up.min(Instant::now() + SOON)).await;
                }
                Err(error) => return Err(error.with_task(&request.id)),
                Ok(resolved) => return Ok(resolved.task(request)),
            }
        }
    }

    fn refresh_behind(&self) {
        let shared = self.shared.clone();
        // outside of a runtime what is known goes on being used
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // a failed read changes nothing: the next call tries again
            runtime.spawn(async move { drop(shared.read(STALE).await) });
        }
    }
}

impl Shared {
    fn known(&self) -> Arc<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn learn(&self, set: TemplateSet) -> Arc<Known> {
        let known = Arc::new(Known::new(set));
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known.clone();
        known
    }

    /// The templates, asked for again unless somebody did so within `age`; one call at a time.
    async fn read(&self, age: Duration) -> Result<Arc<Known>> {
        let mut asked = self.asked.lock().await;
        let known = self.known();
        if asked.is_some_and(|asked| asked.elapsed() < age) {
            return Ok(known);
        }
        let set = self.executor.templates(known.set().revision).await?;
        *asked = Some(Instant::now());
        Ok(match set {
            Some(set) => self.learn(set),
            None => {
                known.touch();
                known
            }
        })
    }
}

fn may_be_newer(error: &Error) -> bool {
    use ErrorKind::{ImpossibleRequirement, UnknownFunction, UnknownQuality};
    matches!(error.kind(), UnknownFunction | UnknownQuality | ImpossibleRequirement)
}

/// What is known makes of a request.
struct Resolved {
    placed: Arc<Placed>,
    /// The input with its defaults filled in, where there were any to fill.
    filled: Option<Payload>,
    follow_ups: Vec<FollowUp>,
    increment: u64,
}

/// Holds a request against what is known: pure.
fn resolve(known: &Known, request: &Request) -> Result<Resolved> {
    let served = known.find(&request.function)?;
    let placed = served.place(&request.quality, known.largest())?;
    let filled = validate(served, request)?;
    if let Some(excess) = &placed.excess {
        return Err(impossible(served, &request.quality, excess));
    }
    request.check_dedupe(placed.envelope.retention)?;
    let weight = known.weight(request.tenant.as_ref());
    let follow_ups = follow_ups(known, request, weight)?;
    let increment = schedule::increment(served.template.cost, request.priority, weight);
    Ok(Resolved { placed, filled, follow_ups, increment })
}

impl Resolved {
    fn task(self, request: Request) -> Task {
        let mut envelope = self.placed.envelope.clone();
        if let Some(retry) = request.retry {
            Arc::make_mut(&mut envelope).retry = retry;
        }
        let mut task = Task {
            id: request.id,
            function: request.function,
            input: request.input,
            quality: request.quality,
            priority: request.priority,
            tenant: request.tenant,
            labels: request.labels,
            delay: request.delay,
            deadline: request.deadline,
            retry: request.retry,
            dedupe: request.dedupe,
            follow_ups: self.follow_ups,
            lane: self.placed.lane.clone(),
            increment: self.increment,
            envelope,
            written: None,
        };
        if let Some(filled) = self.filled {
            task.fill(filled);
        }
        task
    }
}

/// The input with its defaults filled in, where there were any to fill.
fn validate(served: &Served, request: &Request) -> Result<Option<Payload>> {
    let schema = served.schema()?;
    if schema.takes_as_it_is(request.input.as_bytes()) {
        return Ok(None);
    }
    let mut input = schema::parse(request.input.as_bytes()).map_err(|error| {
        let name = &request.function.name;
        Error::of_faults(
            format!("the input of `{name}` is not JSON that can be read"),
            error.faults().to_vec(),
        )
    })?;
    let filled = schema.fill_defaults(&mut input);
    let mut faults = schema.check(&input);
    if faults.is_empty() {
        return if filled { Payload::encode(&input).map(Some) } else { Ok(None) };
    }
    faults.iter_mut().for_each(point_to_call);
    let (name, count) = (&request.function.name, faults.len());
    let problems = if count == 1 { "problem" } else { "problems" };
    let message = format!("the input of `{name}` does not match its schema ({count} {problems})");
    Err(Error::of_faults(message, faults)
        .with_help(format!("`fnr functions {name}` shows the schema and an example")))
}

/// A field that is a setting of the call was put into the input: says where it belongs.
fn point_to_call(fault: &mut Fault) {
    const SETTINGS: [&str; 9] =
        ["quality", "priority", "tenant", "labels", "id", "delay", "deadline", "dedupe", "retry"];
    let field = fault.pointer.trim_start_matches('/');
    if fault.code == FaultCode::UnknownField
        && fault.suggestion.is_none()
        && let Some(setting) = schema::nearest(field, SETTINGS)
    {
        fault.message = format!(
            "unknown field; did you mean `{setting}`? ({setting} is set on the call, not in the input)"
        );
        fault.suggestion = Some(setting.to_owned());
    }
}

fn follow_ups(known: &Known, request: &Request, weight: Weight) -> Result<Vec<FollowUp>> {
    let resolve = |wanted: &FollowUpRequest| {
        let served = known
            .find(&wanted.function)
            .map_err(|error| error.with_context("follow-up", &wanted.function))?;
        let placed = served.place(&Quality::Standard, known.largest())?;
        let increment = schedule::increment(served.template.cost, request.priority, weight);
        let (function, labels): (FunctionRef, _) = (wanted.function.clone(), wanted.labels.clone());
        Ok(FollowUp::new(function, labels, placed.lane.clone(), increment, placed.envelope.clone()))
    };
    request.follow_ups.iter().map(resolve).collect()
}

fn impossible(served: &Served, quality: &Quality, excess: &crate::Excess) -> Error {
    let smaller = served
        .smaller_than(quality)
        .map(|(lower, needs)| format!("choose a lower quality ({lower} needs {needs}) or "));
    let error =
        Error::new(ErrorKind::ImpossibleRequirement, format!("no worker can ever run this task: {excess}"));
    error.with_help(format!("{}start a worker on a larger machine", smaller.unwrap_or_default()))
}
