//! The cases of the queue's contract, with workers that are driven by hand; and the executor's behind core's worker.

pub mod expiry;
pub mod finish;
pub mod join;
pub mod lease;
pub mod order;
pub mod outage;
pub mod renew;
pub mod reserve;
pub mod waiting;

use std::{sync::Arc, time::Duration};

use function_runner_core::{
    Capacity, Connection, ErrorKind, EventStream, Executor, Lane, Lease, Queue, Seen, State, Submitted, Task,
    TaskId, TaskRecord, Worker,
};
use futures::{FutureExt as _, future::LocalBoxFuture};

use super::{
    Case, Failed, NamedCase,
    executor::Caller,
    hand::{AFTER, Hand, WORK, Work},
    story::{Reader, Story},
};

/// A connection on its way.
pub type Opening = LocalBoxFuture<'static, Connection>;

/// Opens one more connection to the store of a case.
pub type Open = fn(Case) -> Opening;

/// Opens a queue with what stands in the macro's call.
pub fn open<Q: Queue, F: Future<Output = Q> + 'static>(start: impl FnOnce(Case) -> F, case: Case) -> Opening {
    start(case).map(Connection::queue).boxed_local()
}

/// Opens a whole connection with what stands in the macro's call.
pub fn connect<F: Future<Output = Connection> + 'static>(
    start: impl FnOnce(Case) -> F,
    case: Case,
) -> Opening {
    start(case).boxed_local()
}

/// Runs one case whose workers are driven by hand.
pub fn run<R: Future<Output = ()>>(
    case: Case,
    open: Open,
    body: impl FnOnce(Subject) -> R,
) -> Result<(), Failed> {
    case.clone().run(async move {
        let connection = open(case.clone()).await;
        body(Subject { case, connection, open }).await;
    })
}

/// Runs one case of the executor's contract, with core's worker on another connection.
pub fn run_executor<R: Future<Output = ()>>(
    case: Case,
    open: Open,
    body: impl FnOnce(Caller) -> R,
) -> Result<(), Failed> {
    case.clone().run(async move {
        let (callers, workers) = (open(case.clone()).await, open(case.clone()).await);
        let queue = workers.queue.expect("a queue was opened");
        let capacity = Capacity::new().cpu_millis(8000).memory_mib(4096);
        let worker = Worker::new(queue, case.functions.clone()).capacity(capacity);
        let calls = async { body(Caller::new(case, callers.executor).await).await };
        tokio::select! {
            stopped = worker.run_until(std::future::pending::<()>()) => panic!("the worker stopped: {stopped:?}"),
            () = calls => {}
        }
    })
}

/// All cases whose workers are driven by hand; the one that needs an operator takes it from the connection.
pub fn cases() -> Vec<NamedCase<Open>> {
    crate::__conformance_cases! { queue, __conformance_data [queue run queue 1] }
}

/// The executor's cases, with core's worker on another connection.
pub fn executor_cases() -> Vec<NamedCase<Open>> {
    crate::__conformance_cases! { executor, __conformance_data [queue run_executor executor 10] }
}

/// Several connections to one store.
#[derive(Debug)]
pub struct Subject {
    pub(super) case: Case,
    pub(super) connection: Connection,
    open: Open,
}

impl Subject {
    pub(super) fn expects(&self, sentence: &'static str) {
        self.case.expects(sentence);
    }

    /// Another connection to the same store.
    pub(super) async fn again(&self) -> Connection {
        (self.open)(self.case.clone()).await
    }

    pub(super) fn queue(&self) -> Arc<dyn Queue> {
        self.connection.queue.clone().expect("the connection has a queue")
    }

    pub(super) fn executor(&self) -> &dyn Executor {
        &*self.connection.executor
    }

    /// A worker on the first connection that serves the suite's functions.
    pub(super) async fn hand(&self) -> Hand {
        Hand::join(self.queue()).await
    }

    /// A worker on a connection of its own.
    pub(super) async fn far_hand(&self) -> Hand {
        Hand::join(self.again().await.queue.expect("the connection has a queue")).await
    }

    /// Submits new tasks.
    pub(super) async fn submit(&self, tasks: impl IntoIterator<Item = Task>) -> Vec<TaskId> {
        let tasks: Vec<Task> = tasks.into_iter().collect();
        let ids = tasks.iter().map(|task| task.id.clone()).collect();
        let became = self.executor().submit(tasks).await.unwrap_or_else(|error| panic!("submit: {error:?}"));
        assert!(became.iter().all(|one| *one == Submitted::New), "tasks of new ids are new: {became:?}");
        ids
    }

    /// Submits one plain task.
    pub(super) async fn one(&self) -> TaskId {
        self.submit([WORK.task()]).await.remove(0)
    }

    pub(super) async fn record(&self, id: &TaskId) -> TaskRecord {
        self.executor().record(id).await.unwrap_or_else(|error| panic!("record: {error:?}"))
    }

    pub(super) async fn state(&self, id: &TaskId) -> State {
        self.record(id).await.state
    }

    pub(super) async fn cancel(&self, id: &TaskId) {
        self.executor().cancel(id).await.unwrap_or_else(|error| panic!("cancel: {error:?}"));
    }

    pub(super) async fn is_unknown(&self, id: &TaskId) -> bool {
        self.executor().record(id).await.is_err_and(|error| error.kind() == ErrorKind::UnknownTask)
    }

    /// A reader of this task from where this story is.
    pub(super) async fn watch<'a>(&self, id: &TaskId, story: &'a mut Story) -> Reader<'a> {
        Reader::open(self.executor(), id, story).await
    }

    /// A stream of this task that nothing checks.
    pub(super) async fn events(&self, id: &TaskId) -> EventStream {
        self.executor().watch(id, Seen::default()).await.unwrap_or_else(|error| panic!("watch: {error:?}"))
    }

    /// How long between two calls no outage is seen, with room for a machine that is slow.
    pub(super) fn step(&self) -> Duration {
        self.case.times.gap / 4
    }

    /// Lets this much time pass in steps, at each of which this worker beats with what it holds.
    pub(super) async fn pass_alive(&self, duration: Duration, hand: &Hand, held: &[Lease]) {
        let mut left = duration;
        while !left.is_zero() {
            let step = left.min(self.step());
            self.case.pass(step).await;
            hand.renew(held).await;
            left -= step;
        }
    }

    /// Lets time pass, this worker alive, until it is given something of this lane.
    pub(super) async fn until_given(&self, hand: &Hand, lane: &Lane) -> Lease {
        loop {
            if let Some(lease) = hand.try_lease(lane, 1).await.pop() {
                return lease;
            }
            self.pass_alive(self.step(), hand, &[]).await;
        }
    }

    /// Waits for a call while time passes and this worker beats; where the case turns the hands, so much of it.
    pub(super) async fn while_alive<T>(
        &self,
        duration: Duration,
        hand: &Hand,
        held: &[Lease],
        call: impl Future<Output = T>,
    ) -> T {
        let passes = async {
            self.pass_alive(duration, hand, held).await;
            while !self.case.is_manual() {
                self.pass_alive(self.step(), hand, held).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            answer = call => answer,
            () = passes => unreachable!("it waits for ever"),
        }
    }

    /// Waits for a call that ends when so much time has passed since it reached the store.
    pub(super) async fn while_passing<T>(&self, duration: Duration, call: impl Future<Output = T>) -> T {
        let passes = async {
            while self.case.is_manual() {
                self.case.pass(duration / 4).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            answer = call => answer,
            () = passes => unreachable!("it waits for ever"),
        }
    }

    /// A task of this work that was held so often by workers that died.
    pub(super) async fn crashed(&self, work: Work, times: u32) -> TaskId {
        let id = self.submit([work.task()]).await.remove(0);
        let alive = self.hand().await;
        for crash in 0..times {
            let lane = if crash < 2 { work.lane() } else { work.lane().twin() };
            let dead = self.hand().await;
            assert_eq!(self.until_given(&dead, &lane).await.key.id, id);
            while self.record(&id).await.crashes == crash {
                self.pass_alive(self.step(), &alive, &[]).await;
                alive.try_lease(&AFTER.lane(), 1).await;
            }
        }
        id
    }
}
