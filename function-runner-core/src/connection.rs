//! What is behind one URL.

use std::sync::Arc;

use crate::{ArtifactStore, Executor, Inspect, Operate, Queue};

/// What is behind one URL: always a caller's side, the rest where the backend has it.
///
/// # Examples
///
/// ```
/// use function_runner_core::{Connection, Queue};
///
/// fn mine(queue: impl Queue) -> Connection {
///     Connection::queue(queue)
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Connection {
    /// The caller's side.
    pub executor: Arc<dyn Executor>,
    /// The worker's side.
    pub queue: Option<Arc<dyn Queue>>,
    /// What an operator can look at.
    pub inspect: Option<Arc<dyn Inspect>>,
    /// What an operator can do.
    pub operate: Option<Arc<dyn Operate>>,
    /// Where files are kept.
    pub artifacts: Option<Arc<dyn ArtifactStore>>,
}

impl Connection {
    /// Of a backend that only callers connect to.
    #[must_use]
    pub fn caller(executor: impl Executor) -> Self {
        Self { executor: Arc::new(executor), queue: None, inspect: None, operate: None, artifacts: None }
    }

    /// Of a backend that callers and workers connect to.
    #[must_use]
    pub fn queue(queue: impl Queue) -> Self {
        let queue: Arc<dyn Queue> = Arc::new(queue);
        Self { executor: queue.clone(), queue: Some(queue), inspect: None, operate: None, artifacts: None }
    }

    /// With what an operator can look at.
    #[must_use]
    pub fn with_inspect(mut self, inspect: impl Inspect) -> Self {
        self.inspect = Some(Arc::new(inspect));
        self
    }

    /// With what an operator can do.
    #[must_use]
    pub fn with_operate(mut self, operate: impl Operate) -> Self {
        self.operate = Some(Arc::new(operate));
        self
    }

    /// With where files are kept.
    #[must_use]
    pub fn with_artifacts(mut self, artifacts: impl ArtifactStore) -> Self {
        self.artifacts = Some(Arc::new(artifacts));
        self
    }
}
