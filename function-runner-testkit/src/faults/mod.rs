//! Faults on purpose, from a seed: what a network does to calls, between a program and any backend.
//!
//! [`Faulty`] stands before an [`Executor`](function_runner_core::Executor), a [`Queue`](function_runner_core::Queue) or
//! an [`ArtifactStore`](function_runner_core::ArtifactStore) and is one itself; [`Faults`] says what goes wrong:
//!
//! | fault | the caller | the store |
//! |---|---|---|
//! | [`Refused`](Fault::Refused) | hears an error | nothing happened |
//! | [`ReplyLost`](Fault::ReplyLost) | hears an error | it happened; what a lease gave is taken, and nobody knows |
//! | [`Delayed`](Fault::Delayed) | waits | it happens later |
//! | [`Doubled`](Fault::Doubled) | hears the first answer or the second | it happened twice |
//! | [`Straggler`](Fault::Straggler) | hears the answer | it happens again, later |
//! | [`Cut`](Fault::Cut) | its stream ends with an error | of a put: its content breaks off |
//! | [`Reconnected`](Fault::Reconnected) | notices nothing | is watched anew, from what was seen |
//!
//! Errors are `unavailable` or `timeout`, say that they are planted, and name number and seed.
//!
//! # Examples
//!
//! Every fault at every call of what is tested, one at a time:
//!
//! ```
//! use function_runner_core::{Error, ErrorKind, Executor};
//! use function_runner_testkit::{
//!     MockExecutor,
//!     faults::{Call, Fault, Faults, Faulty},
//! };
//!
//! async fn revision(executor: impl Executor) -> Result<u64, Error> {
//!     for _ in 0..3 {
//!         match executor.templates(0).await {
//!             Err(error) if error.is_retryable() => continue,
//!             answer => return Ok(answer?.map_or(0, |set| set.revision)),
//!         }
//!     }
//!     Err(Error::new(ErrorKind::Unavailable, "asked three times"))
//! }
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! for fault in [Fault::Refused, Fault::ReplyLost] {
//!     let faults = Faults::none().at(Call::Templates, 1, fault);
//!     assert!(revision(Faulty::new(MockExecutor::new(), faults.clone())).await.is_ok());
//!     println!("{}", faults.told()[0]); // planted fault 1 of seed 0: templates 1 did not arrive
//! }
//! # });
//! ```

mod artifacts;
mod call;
mod executor;
mod fault;
mod plan;
mod queue;
#[cfg(test)]
mod tests;
mod watch;

use std::{fmt, sync::Arc};

use function_runner_core::Result;

use self::plan::Struck;
pub use self::{
    call::Call,
    fault::{Answer, Fault, Planted},
    plan::Faults,
};

/// A backend or artifact store behind a bad network: it is whatever it stands before. Clones share both.
///
/// What a lease took and nobody heard of stays taken, as over a network; a lease call that is *dropped* loses nothing.
///
/// # Examples
///
/// ```
/// use function_runner_core::Queue;
/// use function_runner_testkit::faults::{Faults, Faulty};
///
/// fn behind_a_bad_network(queue: impl Queue, seed: u64) -> impl Queue {
///     Faulty::new(queue, Faults::storm(seed))
/// }
/// ```
pub struct Faulty<E> {
    inner: Arc<E>,
    faults: Faults,
}

impl<E> Faulty<E> {
    /// This, with these faults on the way to it.
    pub fn new(inner: E, faults: Faults) -> Self {
        Self { inner: Arc::new(inner), faults }
    }

    /// What it stands before.
    #[must_use]
    pub fn inner(&self) -> &E {
        &self.inner
    }

    /// The faults: to heal them, and to hear what struck.
    pub const fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Every fault that struck so far, in order; each reads as a sentence.
    #[must_use]
    pub fn told(&self) -> Vec<Planted> {
        self.faults.told()
    }
}

impl<E> Clone for Faulty<E> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), faults: self.faults.clone() }
    }
}

impl<E: fmt::Debug> fmt::Debug for Faulty<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("inner", &self.inner).field("faults", &self.faults).finish()
    }
}

impl<E: Send + Sync + 'static> Faulty<E> {
    /// Makes a call over the bad network: `make` is what arrives, once for each copy.
    async fn call<T, F>(&self, call: Call, make: impl Fn(Arc<E>) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let struck = self.faults.next(call);
        self.carry(&struck, make).await
    }

    async fn carry<T, F>(&self, struck: &Struck, make: impl Fn(Arc<E>) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        struck.arrives().await?;
        let mut answer = make(self.inner.clone()).await;
        match struck.copy() {
            Some(Fault::Doubled(Answer::First)) => drop(make(self.inner.clone()).await),
            Some(Fault::Doubled(Answer::Second)) => answer = make(self.inner.clone()).await,
            Some(Fault::Straggler(after)) => straggle(struck, after, make(self.inner.clone())),
            _ => {}
        }
        struck.returns().await?;
        answer
    }
}

/// Lets a copy of a call arrive later, where there is a runtime that can carry it.
fn straggle<T: Send + 'static>(
    struck: &Struck,
    after: std::time::Duration,
    copy: impl Future<Output = Result<T>> + Send + 'static,
) {
    let faults = struck.faults.clone();
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move {
            faults.sleep(after).await;
            // nobody hears what it is answered
            drop(copy.await);
        });
    }
}
