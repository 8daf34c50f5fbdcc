//! A worker that a case drives by hand, and the work it is given.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use function_runner_core::{
    AskedLane, Beat, BeatReply, Capacity, Finish, Finished, Function, Heartbeat, Lane, Lease, LeaseReply,
    LeaseRequest, Outcome, Payload, Priority, Quality, Queue, Renewal, Report, Result, State, Task, TaskId,
    Template, Tenant, Weight, WorkerId, WorkerInfo,
    schedule::{increment, lane_cost},
};
use serde_json::Value;

/// A function whose tasks are taken and ended by hand.
#[derive(Clone, Copy)]
pub(super) struct Work(Function<Value, Value>);

/// What most cases queue.
pub(super) const WORK: Work = Work(Function::new("conformance.work"));
/// A second lane beside it.
pub(super) const OTHER: Work = Work(Function::new("conformance.other"));
/// What needs a whole worker.
pub(super) const BIG: Work = Work(Function::new("conformance.big"));
/// What follows other tasks.
pub(super) const AFTER: Work = Work(Function::new("conformance.after"));

impl Work {
    pub(super) fn template(self) -> Template {
        self.0.template().unwrap()
    }

    /// Its template at this version.
    pub(super) fn at(self, version: &'static str) -> Template {
        self.0.version(version).template().unwrap()
    }

    pub(super) fn lane(self) -> Lane {
        self.template().lane(&Quality::Standard)
    }

    /// A task of it under an id of its own.
    pub(super) fn task(self) -> Task {
        let template = self.template();
        let envelope = Arc::new(template.envelope(&Quality::Standard));
        let (function, lane) = (self.0.reference().unwrap(), template.lane(&Quality::Standard));
        Task::new(TaskId::unique(), function, lane, Payload::encode("by hand").unwrap(), envelope)
    }

    /// So many tasks of it.
    pub(super) fn tasks(self, count: usize) -> Vec<Task> {
        let model = self.task();
        (0..count).map(|_| with(model.clone(), |task| task.id = TaskId::unique())).collect()
    }

    /// A task of it at this priority, of this tenant.
    pub(super) fn of(self, priority: u8, tenant: Option<&str>) -> Task {
        let priority = Priority::new(priority).unwrap();
        let tenant = tenant.map(|tenant| Tenant::new(tenant).unwrap());
        with(self.task(), |task| {
            task.priority = priority;
            task.tenant = tenant;
            task.increment = increment(1, priority, Weight::default());
        })
    }
}

/// This task with something changed.
pub(super) fn with(mut task: Task, change: impl FnOnce(&mut Task)) -> Task {
    change(&mut task);
    task
}

/// An output.
pub(super) fn output() -> Outcome {
    Outcome::Succeeded(Payload::encode("done").unwrap())
}

/// A worker that a case drives by hand.
pub(super) struct Hand {
    pub(super) queue: Arc<dyn Queue>,
    pub(super) worker: WorkerId,
    calls: AtomicU64,
    ended: AtomicU64,
}

impl Hand {
    /// A worker that has not said who it is.
    pub(super) fn stranger(queue: Arc<dyn Queue>) -> Self {
        Self { queue, worker: WorkerId::unique(), calls: AtomicU64::new(0), ended: AtomicU64::new(0) }
    }

    /// A worker that serves all the work there is.
    pub(super) async fn join(queue: Arc<dyn Queue>) -> Self {
        let hand = Self::stranger(queue);
        hand.serve([WORK, OTHER, BIG, AFTER].map(Work::template)).await;
        hand
    }

    /// Says that it serves these.
    pub(super) async fn serve(&self, templates: impl Into<Vec<Template>>) {
        self.try_serve(templates, Capacity::new().cpu_millis(8000))
            .await
            .unwrap_or_else(|error| panic!("join: {error:?}"));
    }

    pub(super) async fn try_serve(
        &self,
        templates: impl Into<Vec<Template>>,
        capacity: Capacity,
    ) -> Result<()> {
        self.queue.join(WorkerInfo::new(self.worker.clone(), capacity, templates.into())).await
    }

    pub(super) async fn leave(&self) {
        self.queue
            .join(WorkerInfo::leaving(self.worker.clone()))
            .await
            .unwrap_or_else(|error| panic!("leave: {error:?}"));
    }

    /// An ask for these lanes, of each of which so many tasks would fit.
    pub(super) fn ask(&self, lanes: &[(&Lane, u64)]) -> LeaseRequest {
        let asked = |(lane, fits): &(&Lane, u64)| AskedLane {
            lane: (*lane).clone(),
            cost: lane_cost(*fits).expect("a lane of which none fits is not asked for"),
            warm: false,
        };
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        LeaseRequest::new(self.worker.clone(), call, lanes.iter().map(asked).collect())
    }

    /// An ask for these lanes that does not wait.
    pub(super) fn quick(&self, lanes: &[(&Lane, u64)]) -> LeaseRequest {
        let mut ask = self.ask(lanes);
        ask.wait = std::time::Duration::ZERO;
        ask
    }

    /// Asks; however the call ends, answered or dropped, the next beat says that it has.
    pub(super) async fn call(&self, ask: LeaseRequest) -> LeaseReply {
        let _ended = Ended(&self.ended, ask.call);
        self.queue.lease(ask).await.unwrap_or_else(|error| panic!("lease: {error:?}"))
    }

    /// What it is given of this lane, of which so many would fit, without waiting.
    pub(super) async fn try_lease(&self, lane: &Lane, fits: u64) -> Vec<Lease> {
        self.call(self.quick(&[(lane, fits)])).await.leases
    }

    /// One task of this lane, as soon as there is one.
    pub(super) async fn take(&self, lane: &Lane) -> Lease {
        let mut leases = self.call(self.ask(&[(lane, 1)])).await.leases;
        assert_eq!(leases.len(), 1, "a lease call that waits gives what there is");
        leases.remove(0)
    }

    /// Beats with these tasks, whose bodies told nothing.
    pub(super) async fn renew(&self, held: &[Lease]) -> BeatReply {
        self.beat(held.iter().map(|lease| Beat::new(lease.key.clone(), Report::default())).collect()).await
    }

    /// Beats for one task, whose body told this.
    pub(super) async fn report(&self, lease: &Lease, report: Report) -> Renewal {
        self.beat(vec![Beat::new(lease.key.clone(), report)]).await.tasks[0]
    }

    pub(super) async fn beat(&self, tasks: Vec<Beat>) -> BeatReply {
        self.send(self.heartbeat(tasks)).await
    }

    pub(super) fn heartbeat(&self, tasks: Vec<Beat>) -> Heartbeat {
        Heartbeat::new(self.worker.clone(), self.ended.load(Ordering::Relaxed), tasks)
    }

    pub(super) async fn send(&self, beat: Heartbeat) -> BeatReply {
        let count = beat.tasks.len();
        let reply = self.queue.renew(beat).await.unwrap_or_else(|error| panic!("renew: {error:?}"));
        assert_eq!(reply.tasks.len(), count, "a beat is answered for each of its tasks");
        reply
    }

    /// Ends one attempt.
    pub(super) async fn finish(&self, lease: &Lease, outcome: Outcome) -> Finished {
        self.end(vec![Finish::new(lease.key.clone(), outcome)]).await[0]
    }

    /// Ends one attempt, which counts and leaves the task in this state.
    pub(super) async fn finished(&self, lease: &Lease, outcome: Outcome, state: State) {
        assert_eq!(self.finish(lease, outcome).await, Finished::Done(state));
    }

    pub(super) async fn end(&self, done: Vec<Finish>) -> Vec<Finished> {
        let count = done.len();
        let ended = self.queue.finish(done).await.unwrap_or_else(|error| panic!("finish: {error:?}"));
        assert_eq!(ended.len(), count, "a finish is answered for each of its attempts");
        ended
    }
}

/// Notes the end of an ask.
struct Ended<'a>(&'a AtomicU64, u64);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.fetch_max(self.1, Ordering::Relaxed);
    }
}
