//! What a body sees of its attempt (`Context`), and the other end of it (`Control`: a worker's or a test's).

mod control;

use std::{
    any::Any,
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    sync::{Arc, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::sync::Notify;

use self::control::Follower;
pub use self::control::{Control, Touch};
use crate::{
    ArtifactStore, Checkpoint, Failure, Grant, Labels, LogLevel, LogLine, MakeScratch, Payload, Progress,
    Quality, Scratch, Task, TaskId, Tenant,
    schema::nearest,
    sync::{
        Mutex, MutexGuard, Signal,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::MAX_CHECKPOINT,
    told::Told,
};

/// The most bytes of one output part: 64 KiB.
pub const MAX_PART: usize = 64 << 10;

/// What an attempt starts with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The task; its envelope has the parameters that win.
    pub task: Arc<Task>,
    /// Its number, from 1.
    pub number: u32,
    /// Parameters where the envelope says nothing: the worker's own preset.
    pub parameters: Arc<BTreeMap<String, Value>>,
    /// What the attempt before left.
    pub checkpoint: Option<Checkpoint>,
    /// What it was granted of the machine.
    pub grant: Grant,
    /// When its task's deadline passes.
    pub deadline: Option<Instant>,
    /// Where files are kept.
    pub artifacts: Option<Arc<dyn ArtifactStore>>,
    /// What makes its scratch folder.
    pub scratch: Option<MakeScratch>,
    /// What the tasks of its lane share on this worker.
    pub shared: SharedModel,
}

impl Attempt {
    /// An attempt of this task with everything else as default.
    #[must_use]
    pub fn new(task: Arc<Task>, number: u32) -> Self {
        Self {
            task,
            number,
            parameters: Arc::default(),
            checkpoint: None,
            grant: Grant::default(),
            deadline: None,
            artifacts: None,
            scratch: None,
            shared: SharedModel::default(),
        }
    }
}

/// What the tasks of one lane share on one worker while it is warm: a loaded model.
#[derive(Clone, Default)]
pub struct SharedModel(Arc<Mutex<Option<Arc<dyn Any + Send + Sync>>>>);

impl fmt::Debug for SharedModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedModel")
    }
}

/// What a body sees of its attempt, and what it tells of itself; clones are the same attempt.
///
/// # Examples
///
/// ```
/// use function_runner_core::{Context, Failure};
///
/// async fn count(ctx: Context, n: u32) -> Result<u32, Failure> {
///     for i in 1..=n {
///         ctx.check()?;                                           // cancelled? then stop here
///         ctx.progress(i as f32 / n as f32, format!("{i} of {n}"));
///     }
///     Ok(n)
/// }
/// ```
#[derive(Clone)]
pub struct Context(Arc<Inner>);

struct Inner {
    attempt: Attempt,
    begin: Instant,
    cancelled: AtomicBool,
    cancel: Signal,
    /// Boxed once there is something: most bodies tell nothing, and a context is made for every attempt.
    told: Mutex<Option<Box<Told>>>,
    news: OnceLock<Arc<Notify>>,
    follower: OnceLock<Follower>,
    scratch: Mutex<Option<Scratch>>,
    holds: AtomicUsize,
    vacant: Signal,
}

impl Inner {
    fn told(&self) -> MutexGuard<'_, Option<Box<Told>>> {
        // nothing under this lock leaves it half changed
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was told, where anything was.
    fn hear<T: Default>(&self, hear: impl FnOnce(&mut Told) -> T) -> T {
        self.told().as_mut().map(|told| hear(told)).unwrap_or_default()
    }

    fn tell<T>(&self, tell: impl FnOnce(&mut Told) -> T) -> T {
        let answer = tell(self.told().get_or_insert_default());
        if let Some(news) = self.news.get() {
            news.notify_one();
        }
        answer
    }

    fn touch(&self, touch: Touch<'_>) {
        if let Some(follower) = self.follower.get() {
            follower(touch);
        }
    }

    async fn cancelled(&self) {
        loop {
            let notified = self.cancel.notified();
            if self.cancelled.load(Ordering::Acquire) {
                return;
            }
            notified.await;
        }
    }
}

impl Context {
    /// The two ends of an attempt; the control's end keeps only what has not been taken.
    #[must_use]
    pub fn new(attempt: Attempt) -> (Self, Control) {
        Self::with(attempt, Instant::now(), None)
    }

    /// The two ends of an attempt that begins now: whoever starts many reads the clock once.
    pub(crate) fn begin(attempt: Attempt, now: Instant) -> (Self, Control) {
        Self::with(attempt, now, None)
    }

    /// The two ends of an attempt whose control keeps everything it is told, for tests.
    #[must_use]
    pub fn recording(attempt: Attempt) -> (Self, Control) {
        Self::with(attempt, Instant::now(), Some(Box::new(Told::recording())))
    }

    fn with(attempt: Attempt, begin: Instant, told: Option<Box<Told>>) -> (Self, Control) {
        let inner = Arc::new(Inner {
            attempt,
            begin,
            cancelled: AtomicBool::new(false),
            cancel: Signal::new(),
            told: Mutex::new(told),
            news: OnceLock::new(),
            follower: OnceLock::new(),
            scratch: Mutex::new(None),
            holds: AtomicUsize::new(0),
            vacant: Signal::new(),
        });
        (Self(inner.clone()), Control(inner))
    }

    /// The task's id.
    #[must_use]
    pub fn id(&self) -> &TaskId {
        &self.0.attempt.task.id
    }

    /// The attempt's number, from 1; crashes and releases keep it.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.0.attempt.number
    }

    /// How good the result is to be.
    #[must_use]
    pub fn quality(&self) -> &Quality {
        &self.0.attempt.task.quality
    }

    /// Whose task it is.
    #[must_use]
    pub fn tenant(&self) -> Option<&Tenant> {
        self.0.attempt.task.tenant.as_ref()
    }

    /// The caller's own words.
    #[must_use]
    pub fn labels(&self) -> &Labels {
        &self.0.attempt.task.labels
    }

    /// A parameter of the quality this task runs at, with its type.
    ///
    /// # Errors
    ///
    /// A permanent failure where there is none of this name, or it is of another type.
    pub fn parameter<T: DeserializeOwned>(&self, name: &str) -> Result<T, Failure> {
        let (envelope, preset) = (&self.0.attempt.task.envelope.parameters, &self.0.attempt.parameters);
        let value = envelope.get(name).or_else(|| preset.get(name)).ok_or_else(|| self.no_parameter(name))?;
        T::deserialize(value).map_err(|error| {
            Failure::permanent(format_args!(
                "the parameter `{name}` of quality `{}`: {error}",
                self.quality()
            ))
            .remedy("correct the value in the function's preset")
        })
    }

    fn no_parameter(&self, name: &str) -> Failure {
        let (envelope, preset) = (&self.0.attempt.task.envelope.parameters, &self.0.attempt.parameters);
        let mut known: Vec<_> = envelope.keys().chain(preset.keys()).map(String::as_str).collect();
        known.sort_unstable();
        known.dedup();
        let near = nearest(name, known.iter().copied()).map(|near| format!("; did you mean `{near}`?"));
        let all = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let message = format!("quality `{}` has no parameter `{name}`; it has: {all}", self.quality());
        Failure::permanent(message + &near.unwrap_or_default()).remedy("set it in the function's preset")
    }

    /// What this attempt was granted of the machine: cores, memory, which GPUs, which alternative of its requirement.
    #[must_use]
    pub fn granted(&self) -> &Grant {
        &self.0.attempt.grant
    }

    /// How long until the task's deadline; zero once it has passed.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.0.attempt.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Tells how much is done, from 0 to 1, and what is being done; callers see the latest.
    pub fn progress(&self, fraction: f32, message: impl Into<String>) {
        self.update(Progress::new(fraction, message));
    }

    /// Tells how far it is in full: stage, step, preview, time left.
    ///
    /// Neither stage nor fraction falls within an attempt. Where no time left is given, it is worked out from the
    /// time that passed and the fraction.
    pub fn update(&self, progress: Progress) {
        self.0.touch(Touch::Progress(&progress));
        let passed = self.0.begin.elapsed();
        self.0.tell(|told| told.progress(progress, passed));
    }

    /// Writes a line that whoever follows the task can read; best effort, at most 4 KiB a line.
    pub fn log(&self, message: impl Into<String>) {
        self.log_at(LogLevel::Info, message);
    }

    /// Writes a line of this loudness.
    pub fn log_at(&self, level: LogLevel, message: impl Into<String>) {
        let line = LogLine { level, message: message.into() };
        self.0.touch(Touch::Log(&line));
        self.0.tell(|told| told.log(line));
    }

    /// Gives a part of the output before its end, at most [`MAX_PART`] as JSON.
    ///
    /// # Errors
    ///
    /// A permanent failure where it is no JSON or too large; a resource failure where parts come faster than they
    /// can be sent.
    pub fn part<T: Serialize + ?Sized>(&self, part: &T) -> Result<(), Failure> {
        let part = Payload::encode(part).map_err(|error| Failure::permanent(error.message()))?;
        self.0.touch(Touch::Part(&part));
        if part.len() > MAX_PART {
            let size = part.len();
            return Err(Failure::permanent(format_args!(
                "an output part of {size} bytes is over the limit of {MAX_PART}"
            ))
            .remedy("send it in smaller parts, or as an artifact"));
        }
        self.0.tell(|told| told.part(part))
    }

    /// Leaves this for another attempt: it rides in the heartbeat, and the next attempt gets the last one that arrived.
    ///
    /// # Errors
    ///
    /// A permanent failure past [`MAX_CHECKPOINT`].
    pub fn checkpoint(&self, bytes: impl Into<Bytes>) -> Result<(), Failure> {
        let bytes = bytes.into();
        self.0.touch(Touch::Checkpoint(&bytes));
        if bytes.len() > MAX_CHECKPOINT {
            let size = bytes.len();
            return Err(Failure::permanent(format_args!(
                "a checkpoint of {size} bytes is over the limit of {MAX_CHECKPOINT}"
            ))
            .remedy("store it as an artifact and keep its address"));
        }
        self.0.tell(|told| told.checkpoint(bytes));
        Ok(())
    }

    /// What the attempt before left.
    #[must_use]
    pub fn resumed(&self) -> Option<&[u8]> {
        self.0.attempt.checkpoint.as_deref()
    }

    /// Whether the attempt is to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.touch(Touch::Check);
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Stops the body, by `?`, where the attempt is to stop.
    ///
    /// # Errors
    ///
    /// [`Failure::cancelled`].
    pub fn check(&self) -> Result<(), Failure> {
        if self.is_cancelled() { Err(Failure::cancelled()) } else { Ok(()) }
    }

    /// Waits until the attempt is to stop.
    pub async fn cancelled(&self) {
        self.0.cancelled().await;
    }

    /// Where files are kept.
    ///
    /// # Errors
    ///
    /// A permanent failure where this worker has no artifact store.
    pub fn artifacts(&self) -> Result<&Arc<dyn ArtifactStore>, Failure> {
        self.0.attempt.artifacts.as_ref().ok_or_else(|| {
            Failure::permanent("this worker has no artifact store")
                .remedy("give the worker one: `.artifacts(…)`")
        })
    }

    /// A folder of the attempt's own, made when first asked for and removed when the attempt is over.
    ///
    /// # Errors
    ///
    /// A permanent failure where this worker has no disk; a resource failure where the folder cannot be made.
    pub fn scratch(&self) -> Result<PathBuf, Failure> {
        let mut scratch = self.0.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(scratch) = &*scratch {
            return Ok(scratch.path().to_owned());
        }
        let make = self.0.attempt.scratch.as_ref().ok_or_else(|| {
            Failure::permanent("this worker has no scratch folders")
                .remedy("give the worker some: `.scratch(…)`")
        })?;
        let made = make.make().map_err(|error| Failure::resource(error.message()))?;
        Ok(scratch.insert(made).path().to_owned())
    }

    /// What the tasks of this lane share on this worker, loaded by the first that asks: a model, counted by the
    /// `shared` part of the requirement and dropped when its room is needed.
    ///
    /// It blocks while another task loads, so call it from a blocking body.
    ///
    /// # Errors
    ///
    /// What `load` said; the next task that asks loads again.
    pub fn shared<T: Any + Send + Sync>(
        &self,
        load: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<Arc<T>, Failure> {
        let mut model = self.0.attempt.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = model.as_ref().and_then(|model| model.clone().downcast::<T>().ok()) {
            return Ok(loaded);
        }
        let loaded = Arc::new(load()?);
        *model = Some(loaded.clone());
        Ok(loaded)
    }

    /// Keeps the attempt's resources taken while it lives: for a thread that may outlive the attempt.
    #[must_use]
    pub fn hold(&self) -> Hold {
        self.0.holds.fetch_add(1, Ordering::AcqRel);
        Hold(self.0.clone())
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({}, attempt {})", self.id(), self.attempt())
    }
}

/// While it lives, the attempt's resources stay taken.
pub struct Hold(Arc<Inner>);

impl Drop for Hold {
    fn drop(&mut self) {
        if self.0.holds.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.vacant.notify_waiters();
        }
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hold")
    }
}
