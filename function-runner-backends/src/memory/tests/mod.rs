//! The rules of the store one by one, by a clock whose hands the tests turn.

mod bounds;
mod crashes;
mod leases;
mod life;
mod operators;
mod sleepers;
mod submits;
mod templates;
mod threads;
mod watches;

use std::{cell::Cell, sync::Arc, time::Duration};

use function_runner_core::{
    AskedLane, Beat, BeatReply, Capacity, Clock as _, Event, EventStream, Executor as _, Failure, Finish,
    Finished, Function, Heartbeat, Lane, Lease, LeaseReply, LeaseRequest, Outcome, Payload, Quality,
    Queue as _, Renewal, Report, Result, Seen, State, Submitted, Task, TaskId, TaskRecord, Template, Times,
    Timestamp, WorkerId, WorkerInfo, schedule::lane_cost,
};
use function_runner_testkit::ManualClock;
use futures::{FutureExt as _, StreamExt as _};
use serde_json::Value;

use super::{Builder, MemoryQueue};

const SECOND: Duration = Duration::from_secs(1);
const RELEASE: Outcome = Outcome::Released { after: Duration::ZERO };

/// A store on a clock of its own.
#[derive(Clone)]
struct Bench {
    queue: MemoryQueue,
    clock: ManualClock,
    times: Times,
}

impl Bench {
    fn new() -> Self {
        Self::built(|builder| builder)
    }

    fn built(with: impl FnOnce(Builder) -> Builder) -> Self {
        let (clock, times) = (ManualClock::new(), Times::default());
        Self { queue: with(MemoryQueue::builder().clock(clock.clone())).build(), clock, times }
    }

    fn moment(&self) -> Timestamp {
        self.clock.now()
    }

    fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// Lets time pass in steps of a second, at each of which somebody beats.
    fn pass_alive(&self, seconds: u64) {
        let idle = self.hand();
        for _ in 0..seconds {
            self.pass(SECOND);
            idle.beat(&[]);
        }
    }

    fn try_submit(&self, tasks: impl Into<Vec<Task>>) -> Result<Vec<Submitted>> {
        now(self.queue.submit(tasks.into()))
    }

    fn submit(&self, task: Task) -> TaskId {
        let id = task.id.clone();
        assert_eq!(self.try_submit([task]).unwrap(), [Submitted::New]);
        id
    }

    fn one(&self) -> TaskId {
        self.submit(task("work"))
    }

    fn try_record(&self, id: &TaskId) -> Result<TaskRecord> {
        now(self.queue.record(id))
    }

    fn record(&self, id: &TaskId) -> TaskRecord {
        self.try_record(id).unwrap()
    }

    fn state(&self, id: &TaskId) -> State {
        self.record(id).state
    }

    fn cancel(&self, id: &TaskId) {
        now(self.queue.cancel(id)).unwrap();
    }

    fn watch(&self, id: &TaskId, seen: Seen) -> EventStream {
        now(self.queue.watch(id, seen)).unwrap()
    }

    fn hand(&self) -> Hand {
        Hand { queue: self.queue.clone(), worker: WorkerId::unique(), call: Cell::new(0) }
    }

    /// What is left over of anything.
    fn sizes(&self) -> Vec<(&'static str, usize)> {
        self.queue.shared.lock().sizes()
    }

    /// A task that was held so often by workers that died.
    fn crashed(&self, task: Task, times: u32) -> TaskId {
        let id = self.submit(task);
        for _ in 0..times {
            let record = self.record(&id);
            let lane = if record.crashes < 2 { record.task.lane.clone() } else { record.task.lane.twin() };
            let dead = self.hand();
            assert_eq!(dead.take(&lane, 1)[0].key.id, id);
            self.pass_alive(9);
        }
        id
    }
}

/// A worker that a test drives.
struct Hand {
    queue: MemoryQueue,
    worker: WorkerId,
    call: Cell<u64>,
}

impl Hand {
    fn ask(&self, lanes: &[&Lane], fits: u64) -> LeaseRequest {
        let cost = lane_cost(fits).unwrap();
        let lanes = lanes.iter().map(|lane| AskedLane { lane: (*lane).clone(), cost, warm: false }).collect();
        self.call.set(self.call.get() + 1);
        LeaseRequest::new(self.worker.clone(), self.call.get(), lanes)
    }

    fn quick(&self, mut ask: LeaseRequest) -> LeaseReply {
        ask.wait = Duration::ZERO;
        now(self.queue.lease(ask)).unwrap()
    }

    fn take(&self, lane: &Lane, fits: u64) -> Vec<Lease> {
        self.quick(self.ask(&[lane], fits)).leases
    }

    fn take_one(&self, lane: &Lane) -> Lease {
        self.take(lane, 1).pop().expect("there is one")
    }

    fn beat(&self, held: &[&Lease]) -> BeatReply {
        let beats = held.iter().map(|lease| Beat::new(lease.key.clone(), Report::default())).collect();
        now(self.queue.renew(Heartbeat::new(self.worker.clone(), self.call.get(), beats))).unwrap()
    }

    fn report(&self, lease: &Lease, report: Report) -> Renewal {
        let beats = vec![Beat::new(lease.key.clone(), report)];
        now(self.queue.renew(Heartbeat::new(self.worker.clone(), self.call.get(), beats))).unwrap().tasks[0]
    }

    fn finish(&self, lease: &Lease, outcome: Outcome) -> Finished {
        now(self.queue.finish(vec![Finish::new(lease.key.clone(), outcome)])).unwrap()[0]
    }

    fn finished(&self, lease: &Lease, outcome: Outcome, state: State) {
        assert_eq!(self.finish(lease, outcome), Finished::Done(state));
    }

    fn try_join(&self, templates: impl Into<Vec<Template>>, capacity: Capacity) -> Result<()> {
        now(self.queue.join(WorkerInfo::new(self.worker.clone(), capacity, templates.into())))
    }

    fn join(&self, templates: impl Into<Vec<Template>>) {
        self.try_join(templates, Capacity::new()).unwrap();
    }
}

/// The answer of a call that need not wait.
fn now<T>(call: impl Future<Output = T>) -> T {
    call.now_or_never().expect("it answers at once")
}

fn function(name: &'static str) -> Function<Value, Value> {
    Function::new(name)
}

fn lane(name: &'static str) -> Lane {
    function(name).template().unwrap().lane(&Quality::Standard)
}

fn task(name: &'static str) -> Task {
    let template = function(name).template().unwrap();
    let envelope = Arc::new(template.envelope(&Quality::Standard));
    let (reference, input) = (function(name).reference().unwrap(), Payload::encode("input").unwrap());
    Task::new(TaskId::unique(), reference, template.lane(&Quality::Standard), input, envelope)
}

/// A task in which something is other than usual.
fn with(mut task: Task, change: impl FnOnce(&mut Task)) -> Task {
    change(&mut task);
    task
}

fn output() -> Outcome {
    Outcome::Succeeded(Payload::encode("done").unwrap())
}

fn retry(after: Duration) -> Outcome {
    Outcome::Retry { failure: Failure::transient("again"), after }
}

fn failed() -> Outcome {
    Outcome::Failed(Failure::permanent("broken"))
}

/// What a stream has now.
fn heard(stream: &mut EventStream) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(Some(event)) = stream.next().now_or_never() {
        events.push(event.unwrap());
    }
    events
}

/// Whether a stream has ended.
fn has_ended(stream: &mut EventStream) -> bool {
    matches!(stream.next().now_or_never(), Some(None))
}
