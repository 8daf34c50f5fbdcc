//! Runs a body in every way that a queue may run it, and reports what differed: [`exercise`].
//!
//! Workers die, networks fail and callers cancel, at any moment. A body that is right gives the same output whatever
//! happens to its attempts:
//!
//! | way | what is done |
//! |---|---|
//! | plain | one attempt, to its end: what the others are compared with |
//! | run twice | another attempt from the start |
//! | killed at a checkpoint | dies where it leaves its k-th checkpoint, for each k, and is taken up from there |
//! | dropped at an await | an `async` body is dropped where it waits for the n-th time, for each n, and taken up again |
//! | cancelled | its token fires at the n-th await, then at the n-th use of its context, for each n |
//! | slow store | its artifacts come in small pieces, slowly |
//! | failing store | each call of the artifact store fails in turn, once |
//! | foreign checkpoint | it finds a checkpoint that is empty, another's, damaged or cut off |
//!
//! Compared are the output (as JSON), its parts, and the artifacts that were put; looked at are progress, the size of
//! checkpoints, how it ends when cancelled, and what it leaves behind. A model that the body [shares](function_runner_core::Context::shared)
//! is loaded once, as on a warm worker. To kill means to unwind, on the body's own thread.
//!
//! # Examples
//!
//! ```
//! use function_runner_core::{Context, Failure, Function};
//! use function_runner_testkit::exercise::exercise;
//!
//! const SUM: Function<u32, u32> = Function::new("sum");
//!
//! async fn sum(ctx: Context, n: u32) -> Result<u32, Failure> {
//!     let (first, mut sum) = match ctx.resumed().and_then(|left| serde_json::from_slice(left).ok()) {
//!         Some(left) => left,
//!         None => (1, 0),
//!     };
//!     for i in first..=n {
//!         ctx.check()?;
//!         sum += i;
//!         ctx.checkpoint(serde_json::to_vec(&(i + 1, sum))?)?;
//!         ctx.progress(i as f32 / n as f32, "sums");
//!     }
//!     Ok(sum)
//! }
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! exercise(SUM.implement(sum), 4).await.assert_clean();
//! # });
//! ```

mod attempt;
mod finding;
mod report;
mod scratch;
mod store;
#[cfg(test)]
mod tests;
mod ways;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use function_runner_core::{
    ArtifactStore, FunctionRef, Grant, Implementation, MakeScratch, Payload, Quality, Registry, Task, TaskId,
    Wanted,
};
use futures::{StreamExt as _, future::BoxFuture, stream};
use serde::Serialize;

pub(crate) use self::store::InMemory;
pub use self::{
    finding::{Finding, Found},
    report::Exercised,
};

/// How many places of one way are tried at most, unless said.
const MOST: usize = 32;

/// Runs a body on this input in every way that a queue may run it: see the [module](self).
///
/// It is awaited within a tokio runtime that has its timer.
///
/// # Panics
///
/// Where the input cannot be JSON, or the implementation would be refused by whoever takes its registry.
pub fn exercise(implementation: Implementation, input: impl Serialize) -> Exercise {
    let input = Payload::encode(&input).expect("the input can be written as JSON");
    Registry::new().add(implementation.clone()).check().expect("the implementation can be served");
    Exercise {
        implementation,
        input,
        quality: Quality::Standard,
        parameters: Vec::new(),
        grant: Grant::default(),
        store: None,
        files: Vec::new(),
        scratch: None,
        most: MOST,
        limit: Duration::from_secs(10),
        allowed: BTreeSet::new(),
    }
}

/// A body that is to be exercised, and how; it runs when it is awaited.
#[derive(Debug)]
#[must_use = "nothing is exercised until `.await`"]
pub struct Exercise {
    implementation: Implementation,
    input: Payload,
    quality: Quality,
    parameters: Vec<(String, serde_json::Value)>,
    grant: Grant,
    store: Option<Arc<dyn ArtifactStore>>,
    files: Vec<Bytes>,
    scratch: Option<MakeScratch>,
    most: usize,
    limit: Duration,
    allowed: BTreeSet<Finding>,
}

impl Exercise {
    /// At this quality, with the parameters of its preset; `standard` unless said.
    pub fn quality(mut self, quality: Quality) -> Self {
        self.quality = quality;
        self
    }

    /// With this parameter in place of the preset's.
    ///
    /// # Panics
    ///
    /// If the value cannot be JSON.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        let value = serde_json::to_value(value).expect("a parameter can be written as JSON");
        self.parameters.push((name.into(), value));
        self
    }

    /// Granted this of the machine.
    pub fn granted(mut self, grant: Grant) -> Self {
        self.grant = grant;
        self
    }

    /// With this store; one in memory unless said.
    pub fn artifacts(mut self, store: impl ArtifactStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// With this content put into the store at first, so that the input can name it by its digest. Where the store cannot
    /// keep it, awaiting panics.
    pub fn file(mut self, content: impl Into<Bytes>) -> Self {
        self.files.push(content.into());
        self
    }

    /// With these scratch folders; some in the machine's temporary folder unless said.
    pub fn scratch(mut self, scratch: MakeScratch) -> Self {
        self.scratch = Some(scratch);
        self
    }

    /// At most so many places of each way, spread evenly: 32 unless said.
    pub fn most(mut self, most: usize) -> Self {
        self.most = most.max(1);
        self
    }

    /// The longest that one attempt may take: 10 s unless said.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// With findings of this kind intended: told, and no fault. For outputs that are drawn at random, say.
    pub fn allow(mut self, finding: Finding) -> Self {
        self.allowed.insert(finding);
        self
    }

    fn task(&self) -> Task {
        let template = self.implementation.template();
        let function = FunctionRef::new(template.function.clone(), Wanted::Exact(template.version));
        let mut envelope = template.envelope(&self.quality);
        envelope.parameters.extend(self.parameters.iter().cloned());
        let id = TaskId::new("exercise").expect("an id");
        let lane = template.lane(&self.quality);
        let mut task = Task::new(id, function, lane, self.input.clone(), Arc::new(envelope));
        task.quality = self.quality.clone();
        task
    }

    /// The store, with the files in it.
    async fn store(&self) -> Arc<dyn ArtifactStore> {
        let store = self.store.clone().unwrap_or_else(|| Arc::new(InMemory::default()));
        for file in self.files.clone() {
            let content = stream::once(async { Ok(file) }).boxed();
            store
                .put(content, "application/octet-stream")
                .await
                .expect("the store keeps the files it is given");
        }
        store
    }
}

impl IntoFuture for Exercise {
    type Output = Exercised;
    type IntoFuture = BoxFuture<'static, Exercised>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(ways::all(self))
    }
}
