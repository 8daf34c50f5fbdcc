//! What the scenarios are played with: schedules, tasks, and hands that are polled by shuttle.

use std::{
    env,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use function_runner_backends::memory::MemoryQueue;
use function_runner_core::{
    AskedLane, Beat, BeatReply, EventKind, EventStream, Executor as _, Failure, Finish, Finished, Heartbeat,
    Lease, LeaseReply, LeaseRequest, Outcome, Payload, Queue as _, Report, Seen, State, Submitted, Task,
    TaskId, WorkerId, runtime, schedule::lane_cost,
};
use futures::StreamExt as _;
use shuttle::{
    Config, MaxSteps, Runner,
    future::{JoinHandle, block_on, spawn},
    scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler},
    thread,
};

use crate::work::lane;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const RELEASE: Outcome = Outcome::Released { after: Duration::ZERO };

/// How many schedules of each scenario are tried, unless `FUNCTION_RUNNER_SCHEDULES` says.
const SCHEDULES: usize = 10_000;

/// How many times a schedule that is tried by priorities may change them.
const CHANGES: usize = 4;

/// Plays a scenario under half as many schedules drawn at random, and as many by priorities that change at a few points.
///
/// What fails prints its schedule: `FUNCTION_RUNNER_SCHEDULE` plays that one again, and `SHUTTLE_RANDOM_SEED` draws
/// others than the usual ones.
pub(crate) fn schedules(scenario: impl Fn() + Send + Sync + Clone + 'static) {
    if let Ok(schedule) = env::var("FUNCTION_RUNNER_SCHEDULE") {
        play(ReplayScheduler::new_from_encoded(&schedule), scenario);
        return;
    }
    let count = env::var("FUNCTION_RUNNER_SCHEDULES").map_or(SCHEDULES, |count| count.parse().unwrap());
    play(RandomScheduler::new_from_seed(0, count.div_ceil(2)), scenario.clone());
    play(PctScheduler::new_from_seed(0, CHANGES, count / 2), scenario);
}

/// Plays a scenario under these schedules, and says at which one it failed.
pub(crate) fn play(scheduler: impl Scheduler + 'static, scenario: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    config.stack_size = 256 << 10;
    config.max_steps = MaxSteps::FailAfter(100_000);
    config.silence_warnings = true;
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let run = move || {
        Runner::new(scheduler, config).run(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            scenario();
        })
    };
    if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
        eprintln!("failed at schedule {}", count.load(Ordering::Relaxed));
        resume_unwind(panic);
    }
}

/// Something that runs beside the scenario.
pub(crate) struct Beside<T>(JoinHandle<T>);

pub(crate) fn beside<T: Send + 'static>(run: impl Future<Output = T> + Send + 'static) -> Beside<T> {
    Beside(spawn(run))
}

impl<T> Beside<T> {
    pub(crate) fn join(self) -> T {
        block_on(self.0).unwrap()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.0.is_finished()
    }
}

/// Lets time pass in seconds until all of these have ended, and others go on in each of them.
pub(crate) fn pass_until<T>(all: Vec<Beside<T>>) -> Vec<T> {
    while !all.iter().all(Beside::has_ended) {
        runtime::advance(SECOND);
        (0..20).for_each(|_| thread::yield_now());
    }
    all.into_iter().map(Beside::join).collect()
}

pub(crate) async fn submit(queue: &MemoryQueue, task: Task) -> TaskId {
    let id = task.id.clone();
    assert_eq!(queue.submit(vec![task]).await.unwrap(), [Submitted::New]);
    id
}

pub(crate) async fn state(queue: &MemoryQueue, id: &TaskId) -> State {
    queue.record(id).await.unwrap().state
}

pub(crate) fn output() -> Outcome {
    Outcome::Succeeded(Payload::encode(&8).unwrap())
}

pub(crate) fn retry() -> Outcome {
    Outcome::Retry { failure: Failure::transient("again"), after: Duration::ZERO }
}

/// A worker that a scenario drives.
#[derive(Clone)]
pub(crate) struct Hand {
    pub(crate) queue: MemoryQueue,
    pub(crate) worker: WorkerId,
    call: u64,
}

impl Hand {
    pub(crate) fn new(queue: &MemoryQueue, name: &str) -> Self {
        Self { queue: queue.clone(), worker: WorkerId::new(name).unwrap(), call: 0 }
    }

    /// An ask for one task.
    pub(crate) fn ask(&mut self) -> LeaseRequest {
        self.call += 1;
        let asked = AskedLane { lane: lane(), cost: lane_cost(1).unwrap(), warm: false };
        LeaseRequest::new(self.worker.clone(), self.call, vec![asked])
    }

    pub(crate) async fn lease(&mut self) -> LeaseReply {
        let ask = self.ask();
        self.queue.lease(ask).await.unwrap()
    }

    /// What a call brings that cannot end with nothing, as time stands still.
    pub(crate) async fn take(&mut self) -> Lease {
        let mut leases = self.lease().await.leases;
        assert_eq!(leases.len(), 1, "it has room for one");
        leases.pop().unwrap()
    }

    /// A call that is polled at most so often and then dropped; what it brought.
    pub(crate) async fn take_impatiently(&mut self, polls: u32) -> Option<Lease> {
        let ask = self.ask();
        let mut call = self.queue.lease(ask);
        let mut left = polls;
        let reply = poll_fn(|context| {
            if left == 0 {
                return Poll::Ready(None);
            }
            left -= 1;
            let polled = Pin::new(&mut call).poll(context).map(|reply| Some(reply.unwrap()));
            if polled.is_pending() {
                context.waker().wake_by_ref();
            }
            polled
        });
        reply.await.and_then(|mut reply| reply.leases.pop())
    }

    /// As after so many asks.
    pub(crate) const fn having_asked(mut self, asks: u64) -> Self {
        self.call = asks;
        self
    }

    pub(crate) async fn beat(&self, held: &[(&Lease, Report)]) -> BeatReply {
        let beats = held.iter().map(|(lease, report)| Beat::new(lease.key.clone(), report.clone())).collect();
        self.queue.renew(Heartbeat::new(self.worker.clone(), self.call, beats)).await.unwrap()
    }

    /// Lets a whole lease pass in which this worker beats and holds nothing: what others hold expires, and nobody
    /// takes it for an outage.
    pub(crate) fn outlasts_a_lease(&self) {
        for _ in 0..9 {
            block_on(self.beat(&[]));
            runtime::advance(SECOND);
        }
    }

    pub(crate) async fn finish(&self, lease: &Lease, outcome: Outcome) -> Finished {
        self.queue.finish(vec![Finish::new(lease.key.clone(), outcome)]).await.unwrap()[0]
    }

    pub(crate) async fn succeed(&self, lease: &Lease) {
        assert_eq!(self.finish(lease, output()).await, Finished::Done(State::Succeeded));
    }
}

/// Reads a watch to its end: numbers rise, and exactly one event is an end, the last.
pub(crate) async fn read_to_the_end(mut events: EventStream) -> (Vec<EventKind>, State) {
    let (mut kinds, mut end, mut seq) = (Vec::new(), None, 0);
    while let Some(event) = events.next().await {
        let event = event.unwrap();
        let is_part = matches!(event.kind, EventKind::OutputPart { .. });
        assert!(end.is_none(), "nothing follows an end, but {event:?} did");
        assert!(event.seq > seq || is_part && event.seq == seq, "{event:?} after {seq}");
        seq = event.seq;
        end = match &event.kind {
            EventKind::Snapshot(record) if record.state.is_terminal() => Some(record.state),
            EventKind::Succeeded(_) => Some(State::Succeeded),
            EventKind::Failed(_) => Some(State::Failed),
            EventKind::Cancelled => Some(State::Cancelled),
            _ => None,
        };
        kinds.push(event.kind);
    }
    (kinds, end.expect("an end"))
}

/// Watches a task from now to its end.
pub(crate) async fn watch(queue: MemoryQueue, id: TaskId) -> State {
    let events = queue.watch(&id, Seen::default()).await.unwrap();
    read_to_the_end(events).await.1
}
