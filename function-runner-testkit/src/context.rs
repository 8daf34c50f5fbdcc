//! A context whose other end the test holds: for a body alone.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use function_runner_core::{
    ArtifactStore, Attempt, Checkpoint, Context, Control, Envelope, FunctionRef, Grant, Lane, LogLine,
    MakeScratch, Payload, Progress, Quality, Task, TaskId, Version,
};
use serde::Serialize;
use serde_json::Value;

/// A context whose other end the test holds: what the body tells is there to look at, and the test can cancel.
///
/// # Examples
///
/// ```
/// use function_runner_core::{Context, Failure};
/// use function_runner_testkit::TestContext;
///
/// fn half(ctx: Context, n: u32) -> Result<u32, Failure> {
///     ctx.check()?;
///     ctx.progress(1.0, "done");
///     Ok(n / ctx.parameter::<u32>("by")?)
/// }
/// let test = TestContext::new().parameter("by", 2);
/// assert_eq!(half(test.context(), 8).unwrap(), 4);
/// assert_eq!(test.progress().last().unwrap().fraction, Some(1.0));
/// test.cancel();
/// assert!(half(test.context(), 8).is_err());
/// ```
#[derive(Debug)]
#[must_use = "a test context does nothing until `.context()`"]
pub struct TestContext {
    parameters: BTreeMap<String, Value>,
    quality: Quality,
    attempt: u32,
    resumed: Option<Checkpoint>,
    grant: Grant,
    artifacts: Option<Arc<dyn ArtifactStore>>,
    scratch: Option<MakeScratch>,
    ends: OnceLock<(Context, Control)>,
}

impl TestContext {
    /// A first attempt at `standard` with no parameters.
    pub fn new() -> Self {
        Self {
            parameters: BTreeMap::new(),
            quality: Quality::Standard,
            attempt: 1,
            resumed: None,
            grant: Grant::default(),
            artifacts: None,
            scratch: None,
            ends: OnceLock::new(),
        }
    }

    /// With this parameter of its preset.
    ///
    /// # Panics
    ///
    /// If the value cannot be JSON.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        let value = serde_json::to_value(value).expect("a parameter can be written as JSON");
        self.parameters.insert(name.into(), value);
        self
    }

    /// At this quality.
    pub fn quality(mut self, quality: Quality) -> Self {
        self.quality = quality;
        self
    }

    /// At this attempt, from 1.
    pub fn attempt(mut self, number: u32) -> Self {
        self.attempt = number;
        self
    }

    /// After an attempt that left this checkpoint.
    pub fn resumed(mut self, checkpoint: impl Into<Bytes>) -> Self {
        self.resumed = Some(checkpoint.into());
        self
    }

    /// Granted this of the machine.
    pub fn granted(mut self, grant: Grant) -> Self {
        self.grant = grant;
        self
    }

    /// With a place for files.
    pub fn artifacts(mut self, store: impl ArtifactStore) -> Self {
        self.artifacts = Some(Arc::new(store));
        self
    }

    /// With scratch folders.
    pub fn scratch(mut self, scratch: MakeScratch) -> Self {
        self.scratch = Some(scratch);
        self
    }

    /// The body's end; every call gives the same attempt.
    pub fn context(&self) -> Context {
        self.ends().0.clone()
    }

    /// Asks the body to stop.
    pub fn cancel(&self) {
        self.ends().1.cancel();
    }

    /// All progress it told, in order.
    #[must_use]
    pub fn progress(&self) -> Vec<Progress> {
        self.ends().1.progress()
    }

    /// The lines of its log, in order.
    #[must_use]
    pub fn logs(&self) -> Vec<LogLine> {
        self.ends().1.logs()
    }

    /// The parts of its output, in order.
    #[must_use]
    pub fn parts(&self) -> Vec<Payload> {
        self.ends().1.parts()
    }

    /// What it would leave for another attempt.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        self.ends().1.checkpoint()
    }

    fn ends(&self) -> &(Context, Control) {
        self.ends.get_or_init(|| {
            let mut attempt = Attempt::new(Arc::new(self.task()), self.attempt);
            attempt.checkpoint = self.resumed.clone();
            attempt.grant = self.grant.clone();
            attempt.artifacts = self.artifacts.clone();
            attempt.scratch = self.scratch.clone();
            Context::recording(attempt)
        })
    }

    fn task(&self) -> Task {
        let function: FunctionRef = "test".parse().expect("a name");
        let version = Version::new(1, 0, 0);
        let mut envelope = Envelope::new(version);
        envelope.parameters.clone_from(&self.parameters);
        let lane = Lane::new(&function.name, version, &self.quality);
        let input = Payload::from_stored("null");
        let mut task =
            Task::new(TaskId::new("test").expect("an id"), function, lane, input, Arc::new(envelope));
        task.quality = self.quality.clone();
        task
    }
}

impl Default for TestContext {
    fn default() -> Self {
        Self::new()
    }
}
