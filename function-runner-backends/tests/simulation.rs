//! A simulated fleet on the memory backend, from seeds; and that the simulation sees what is wrong.

#![cfg(feature = "memory")]
#![expect(clippy::unwrap_used, reason = "these are tests: what goes wrong ends them")]

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use function_runner_backends::memory::MemoryQueue;
use function_runner_core::{
    BeatReply, Capabilities, Connection, EventStream, Executor, Finish, Finished, Heartbeat, Lease,
    LeaseReply, LeaseRequest, Queue, Result, Seen, Submitted, Task, TaskId, TaskRecord, TemplateSet,
    WorkerInfo,
};
use function_runner_testkit::{
    ManualClock, seeds,
    simulation::{Plan, Report, simulate},
};

fn plan(seed: u64) -> Plan {
    Plan::new(seed).workers(40).tasks(1500)
}

fn store(clock: &ManualClock) -> MemoryQueue {
    MemoryQueue::builder().clock(clock.clone()).build()
}

fn run(plan: &Plan) -> Report {
    let clock = ManualClock::new();
    simulate(store(&clock).connection(), &clock, plan).unwrap()
}

#[test]
fn a_fleet_holds_what_is_promised() {
    seeds(1..7, |seed| run(&plan(seed)).check());
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let [one, again, other] = [11, 11, 12].map(|seed| run(&plan(seed)).history);
    assert_eq!(one, again);
    assert_ne!(one, other);
}

/// A queue with a fault of its own.
#[derive(Debug)]
struct Faulty {
    queue: MemoryQueue,
    fault: Fault,
    count: AtomicU64,
    given: Mutex<Option<Lease>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// Now and then it gives a lease to a second worker as well.
    GivesTwice,
    /// An end that comes too late counts.
    TakesLateEnds,
    /// All tasks pay the same, whatever their tenant's weight.
    ForgetsWeights,
}

impl Faulty {
    fn now_and_then(&self) -> bool {
        self.count.fetch_add(1, Ordering::Relaxed) % 50 == 49
    }
}

fn run_with(fault: Fault) -> Report {
    let clock = ManualClock::new();
    let queue = store(&clock);
    let faulty = Faulty { queue: queue.clone(), fault, count: AtomicU64::new(0), given: Mutex::default() };
    let connection = Connection::queue(faulty).with_inspect(queue.clone()).with_operate(queue);
    // one in which workers hang, and tell of ends too late
    simulate(connection, &clock, &plan(8)).unwrap()
}

fn finds(fault: Fault, text: &str) {
    let report = run_with(fault);
    assert!(!report.holds(), "{fault:?} went unseen");
    assert!(shows(&report, text), "{fault:?} is not `{text}`: {report}");
}

/// Whether a violation, or a figure that does not hold, says this.
fn shows(report: &Report, text: &str) -> bool {
    let figures = report.figures.iter().filter(|figure| !figure.holds);
    let mut violations = report.violations.iter();
    violations.any(|violation| violation.contains(text))
        || figures.map(|figure| figure.name).any(|name| name == text)
}

#[test]
fn a_lease_given_twice_is_seen() {
    finds(Fault::GivesTwice, "leased while another has it");
}

#[test]
fn a_late_end_that_counts_is_seen() {
    finds(Fault::TakesLateEnds, "an old claim's end counts");
}

#[test]
fn shares_without_weights_are_seen() {
    finds(Fault::ForgetsWeights, "share off the weight in overload");
}

#[async_trait]
impl Executor for Faulty {
    fn capabilities(&self) -> Capabilities {
        self.queue.capabilities()
    }

    async fn templates(&self, known: u64) -> Result<Option<TemplateSet>> {
        self.queue.templates(known).await
    }

    async fn submit(&self, mut tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        if self.fault == Fault::ForgetsWeights {
            tasks.iter_mut().for_each(|task| task.increment = 4096);
        }
        self.queue.submit(tasks).await
    }

    async fn record(&self, id: &TaskId) -> Result<TaskRecord> {
        self.queue.record(id).await
    }

    async fn watch(&self, id: &TaskId, after: Seen) -> Result<EventStream> {
        self.queue.watch(id, after).await
    }

    async fn cancel(&self, id: &TaskId) -> Result<()> {
        self.queue.cancel(id).await
    }
}

#[async_trait]
impl Queue for Faulty {
    async fn join(&self, worker: WorkerInfo) -> Result<()> {
        self.queue.join(worker).await
    }

    async fn lease(&self, ask: LeaseRequest) -> Result<LeaseReply> {
        let mut reply = self.queue.lease(ask).await?;
        if self.fault == Fault::GivesTwice && self.now_and_then() {
            reply.leases.extend(self.given.lock().unwrap().take());
        } else if let Some(lease) = reply.leases.first() {
            *self.given.lock().unwrap() = Some(lease.clone());
        }
        Ok(reply)
    }

    async fn renew(&self, beat: Heartbeat) -> Result<BeatReply> {
        self.queue.renew(beat).await
    }

    async fn finish(&self, done: Vec<Finish>) -> Result<Vec<Finished>> {
        let mut answers = self.queue.finish(done).await?;
        if self.fault == Fault::TakesLateEnds {
            let late = answers.iter_mut().filter(|answer| **answer == Finished::Lost);
            late.for_each(|answer| *answer = Finished::Done(function_runner_core::State::Succeeded));
        }
        Ok(answers)
    }
}
