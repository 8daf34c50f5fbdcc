//! One case: the namespace, times and functions its subject is opened with, and the harness that runs it.

use std::{
    any::Any,
    borrow::Cow,
    fmt,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use function_runner_core::{Clock as _, Registry, TaskId, Times};
use futures::FutureExt as _;

use super::{board::Board, functions, named::Failed};
use crate::ManualClock;

/// What one case gives to whoever opens its subject. Clones are the same case.
///
/// A case opens its subject once for each connection, always with the same namespace: what one connection stores,
/// the others must see.
#[derive(Clone)]
#[non_exhaustive]
pub struct Case {
    /// A name for the store that nothing else uses: at most 61 of `[a-z0-9_-]`.
    pub namespace: String,
    /// The times to open the store with: scaled down where the case waits for one of them, else the contract's own,
    /// so that a slow machine changes nothing.
    pub times: Times,
    /// What must run behind an executor that brings its own workers, with at least 64 slots and 4000 millicores.
    /// Their bodies talk to the case, so they must run in this process.
    pub functions: Registry,
    limit: Duration,
    shared: Arc<Shared>,
}

struct Shared {
    name: &'static str,
    board: Board,
    clock: OnceLock<ManualClock>,
    expected: Mutex<Cow<'static, str>>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("namespace", &self.namespace)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

impl Case {
    /// The case of this name, with the contract's own times and 10 s to end in.
    #[doc(hidden)]
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        let board = Board::default();
        let shared =
            Shared { name, board: board.clone(), clock: OnceLock::new(), expected: Mutex::new("".into()) };
        let short = &name[..name.len().min(24)];
        Self {
            namespace: format!("{short}-{}", TaskId::unique()),
            times: Times::default(),
            functions: functions::registry(&board),
            limit: Duration::from_secs(10),
            shared: Arc::new(shared),
        }
    }

    /// With the contract's times divided by this.
    #[doc(hidden)]
    #[must_use]
    pub fn scaled(mut self, by: u32) -> Self {
        self.times = Times::default().scaled(by);
        self
    }

    /// With this many seconds to end in.
    #[doc(hidden)]
    #[must_use]
    pub fn within(mut self, seconds: u64) -> Self {
        self.limit = Duration::from_secs(seconds);
        self
    }

    /// With this much time to end in.
    pub(super) fn limited(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The case's clock, for a store that takes its time from one: from then on the case turns its hands instead of
    /// sleeping.
    #[must_use]
    pub fn clock(&self) -> ManualClock {
        self.shared.clock.get_or_init(ManualClock::new).clone()
    }

    /// Whether the subject's time is the case's own.
    pub(super) fn is_manual(&self) -> bool {
        self.shared.clock.get().is_some()
    }

    /// Lets this much of the store's time pass, and whoever waited for it run.
    pub(super) async fn pass(&self, duration: Duration) {
        let Some(clock) = self.shared.clock.get() else { return tokio::time::sleep(duration).await };
        let end = clock.now().after(duration);
        while let Some(next) = clock.next().filter(|next| *next < end) {
            clock.advance(next.since(clock.now()));
            settle().await;
        }
        clock.advance(end.since(clock.now()));
        settle().await;
    }

    /// Says which sentence of the contract the steps that follow are about: what a failure tells.
    pub(super) fn expects(&self, sentence: impl Into<Cow<'static, str>>) {
        *self.shared.expected.lock().unwrap_or_else(PoisonError::into_inner) = sentence.into();
    }

    /// What the case and the bodies of its functions tell each other.
    pub(super) fn board(&self) -> &Board {
        &self.shared.board
    }

    /// Runs a case on a runtime of its own, within its deadline.
    ///
    /// # Errors
    ///
    /// The case, what was expected and what came.
    pub(super) fn run(self, body: impl Future<Output = ()>) -> Result<(), Failed> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime needs two threads of this machine");
        let guarded = AssertUnwindSafe(body).catch_unwind();
        let end = runtime.block_on(async { tokio::time::timeout(self.limit, guarded).await });
        // a body that blocks its thread must not hold up the verdict
        runtime.shutdown_background();
        let (came, timed_out) = match end {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(panic)) => (text_of(&*panic), false),
            Err(_) => (format!("nothing within {} s", self.limit.as_secs()), true),
        };
        let expected = self.shared.expected.lock().unwrap_or_else(PoisonError::into_inner);
        Err(Failed { case: self.shared.name, expected: expected.to_string(), came, timed_out })
    }
}

/// Gives those that were just woken their turn.
async fn settle() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure_of(body: impl FnOnce(Case) -> futures::future::LocalBoxFuture<'static, ()>) -> String {
        let case = Case::new("a_case").within(1);
        let body = body(case.clone());
        case.run(body).expect_err("it fails").to_string()
    }

    #[test]
    fn a_failure_says_the_case_what_was_expected_and_what_came() {
        let told = failure_of(|case| {
            Box::pin(async move {
                case.expects("one is two");
                assert_eq!(1, 2);
            })
        });
        assert!(told.starts_with("case `a_case`\nexpected: one is two\ncame: assertion"), "{told}");
    }

    #[test]
    fn a_case_that_never_ends_says_what_it_waited_for() {
        let told = failure_of(|case| {
            Box::pin(async move {
                case.expects("it ends");
                std::future::pending::<()>().await;
            })
        });
        assert_eq!(told, "case `a_case`\nexpected: it ends\ncame: nothing within 1 s");
    }

    #[test]
    fn a_taken_clock_is_advanced_in_place_of_sleeping() {
        let case = Case::new("a_case");
        let (clock, same) = (case.clock(), case.clone());
        let body = async move {
            let before = clock.now();
            let far = clock.sleep_until(before.after(Duration::from_secs(3600)));
            same.pass(Duration::from_secs(7200)).await;
            far.await;
            assert_eq!(clock.now().since(before), Duration::from_secs(7200));
        };
        case.run(body).unwrap();
    }

    #[test]
    fn every_case_has_a_namespace_of_its_own() {
        let (one, two) =
            (Case::new("the_same_long_name_that_is_cut"), Case::new("the_same_long_name_that_is_cut"));
        assert_ne!(one.namespace, two.namespace);
        assert!(one.namespace.len() <= 61, "{}", one.namespace);
    }
}
