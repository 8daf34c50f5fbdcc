//! The memory backend and the embedded one answer as the model does, in random sequences of everything; and the model
//! finds what a backend may get wrong, in a few operations each.

#![cfg(feature = "memory")]

#[cfg(feature = "embedded")]
#[path = "model/embedded.rs"]
mod embedded;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use function_runner_backends::memory::MemoryQueue;
use function_runner_core::{
    BeatReply, Capabilities, Connection, EventKind, EventStream, Executor, Failure, Finish, Finished,
    Heartbeat, Lane, LeaseReply, LeaseRequest, Numbered, Operate, Outcome, Queue, Renewal, Report, Result,
    Seen, State, Submitted, Task, TaskId, TaskRecord, TemplateSet, Tenant, Times, Weight, WorkerId,
    WorkerInfo,
};
use function_runner_testkit::model::{self, Case};
use futures::StreamExt as _;

/// How many sequences the long form plays: some ten minutes.
const LONG: u64 = 100_000;

/// Seeds of which one at least must find each deviation.
const SEEDS: std::ops::Range<u64> = 0..2_000;

fn memory(case: &Case) -> Connection {
    MemoryQueue::builder().times(case.times).clock(case.clock()).build().connection()
}

function_runner_testkit::model_conformance!(|case| async move { memory(&case) });

/// Each was found by the long form, and was mended: a worker that an outage spared, and that then beat, served on; two
/// tasks of one batch under the key of one that was purged.
#[test]
fn sequences_that_once_differed_are_kept() {
    model::check([63_308, 89_306], |case| async move { memory(&case) });
}

#[test]
#[ignore = "long form: ./dev proof"]
fn the_memory_backend_keeps_a_hundred_thousand_sequences() {
    model::check(0..LONG, |case| async move { memory(&case) });
}

/// What a backend may get wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deviation {
    LeaseTooLong,
    GapTooLong,
    PauseTooShort,
    LateTooShort,
    ReserveTooLong,
    KnownIsNew,
    DelayForgotten,
    DeadlineForgotten,
    KeyForgotten,
    FollowUpsForgotten,
    PriorityForgotten,
    ReversedLeases,
    OneTooMany,
    AttemptCountsCrashes,
    CheckpointLost,
    SleepsOn,
    CancelNotTold,
    ResentReportCounts,
    ReportOfTheEndLost,
    ReleaseIsRetry,
    StaleFinishCounts,
    StartedNotTold,
    WatchesFromTheBeginning,
    CancelOfQueuedIgnored,
    LeavingIgnored,
    RevisionStands,
    PauseIgnored,
    PurgeIgnored,
    WeightIgnored,
    RequeueForgets,
    SuspectNotTold,
    DrainForNotTold,
    LostReplyIsACrash,
    DrainNotTold,
    WarmthIgnored,
}

use Deviation as D;

/// Each with how many operations the shortest sequence that shows it may have.
const DEVIATIONS: [(Deviation, usize); 35] = [
    (D::LeaseTooLong, 8),
    (D::GapTooLong, 10),
    (D::PauseTooShort, 10),
    (D::LateTooShort, 8),
    (D::ReserveTooLong, 16),
    (D::KnownIsNew, 4),
    (D::DelayForgotten, 4),
    (D::DeadlineForgotten, 4),
    (D::KeyForgotten, 5),
    (D::FollowUpsForgotten, 4),
    (D::PriorityForgotten, 4),
    (D::ReversedLeases, 5),
    (D::OneTooMany, 5),
    (D::AttemptCountsCrashes, 8),
    (D::CheckpointLost, 7),
    (D::SleepsOn, 5),
    (D::CancelNotTold, 7),
    (D::ResentReportCounts, 7),
    (D::ReportOfTheEndLost, 9),
    (D::ReleaseIsRetry, 7),
    (D::StaleFinishCounts, 10),
    (D::StartedNotTold, 8),
    (D::WatchesFromTheBeginning, 4),
    (D::CancelOfQueuedIgnored, 5),
    (D::LeavingIgnored, 6),
    (D::RevisionStands, 4),
    (D::PauseIgnored, 4),
    (D::PurgeIgnored, 6),
    (D::WeightIgnored, 7),
    (D::RequeueForgets, 7),
    (D::SuspectNotTold, 13),
    (D::DrainForNotTold, 16),
    (D::LostReplyIsACrash, 8),
    (D::DrainNotTold, 7),
    (D::WarmthIgnored, 7),
];

#[test]
fn the_model_finds_each_deviation_in_a_few_operations() {
    for (deviation, most) in DEVIATIONS {
        let found = model::find(SEEDS, |case| async move { Deviant::of_memory(&case, deviation) });
        let found = found.unwrap_or_else(|| panic!("nothing differs with {deviation:?}"));
        println!("{deviation:?}: {} operations, by seed {}", found.script.len(), found.seed);
        assert!(found.script.len() <= most, "{deviation:?} in more than {most} operations: {found}");
    }
}

/// Its time really passes, so few sequences; each waits for what it needs.
#[test]
#[ignore = "long form: ./dev proof"]
fn a_store_that_lives_by_its_own_clock_keeps_them_too() {
    model::check(0..8, |case| async move {
        MemoryQueue::builder().times(case.times.scaled(6)).build().connection()
    });
}

#[test]
fn a_difference_is_told_as_a_script() {
    let found = model::find(SEEDS, |case| async move { Deviant::of_memory(&case, D::KnownIsNew) });
    let told = found.expect("it differs").to_string();
    assert!(
        told.contains("1. submit ") && told.contains("expected: ") && told.contains("actual: "),
        "{told}"
    );
    assert!(told.contains("FUNCTION_RUNNER_SEED="), "{told}");
}

/// A queue that gets one thing wrong.
#[derive(Clone, Debug)]
struct Deviant {
    inner: Arc<dyn Queue>,
    operate: Arc<dyn Operate>,
    how: Deviation,
    times: Times,
}

impl Deviant {
    fn of_memory(case: &Case, how: Deviation) -> Connection {
        let inner = MemoryQueue::builder().times(Self::times(case.times, how)).clock(case.clock()).build();
        Self::over(inner.connection(), case.times, how)
    }

    /// The times by which a queue that gets this wrong lives.
    fn times(mut times: Times, how: Deviation) -> Times {
        match how {
            D::LeaseTooLong => times.lease += Duration::from_millis(1),
            D::GapTooLong => times.gap += Duration::from_secs(1),
            D::PauseTooShort => times.pause -= Duration::from_secs(1),
            D::LateTooShort => times.late -= Duration::from_secs(10),
            D::ReserveTooLong => times.reserve *= 2,
            _ => {}
        }
        times
    }

    /// This connection, which says that it lives by these times, with something wrong.
    fn over(inner: Connection, times: Times, how: Deviation) -> Connection {
        let (queue, operate) = (inner.queue.clone(), inner.operate.clone());
        let inspect = inner.inspect.clone();
        let deviant = Self {
            inner: queue.expect("it has a queue"),
            operate: operate.expect("it can be operated"),
            how,
            times,
        };
        let mut connection = Connection::queue(deviant.clone()).with_operate(deviant);
        connection.inspect = inspect;
        connection
    }

    fn is(&self, how: Deviation) -> bool {
        self.how == how
    }
}

#[async_trait]
impl Executor for Deviant {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.inner.capabilities();
        capabilities.times = self.times;
        capabilities
    }

    async fn templates(&self, known: u64) -> Result<Option<TemplateSet>> {
        self.inner.templates(known).await
    }

    async fn submit(&self, mut tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        for task in &mut tasks {
            match self.how {
                D::DelayForgotten => task.delay = None,
                D::DeadlineForgotten => task.deadline = None,
                D::KeyForgotten => task.dedupe = None,
                D::FollowUpsForgotten => task.follow_ups.clear(),
                D::PriorityForgotten => task.increment = 4_096,
                _ => {}
            }
        }
        let mut answers = self.inner.submit(tasks).await?;
        for answer in &mut answers {
            if self.is(D::KnownIsNew) && *answer == Submitted::AlreadyKnown {
                *answer = Submitted::New;
            }
        }
        Ok(answers)
    }

    async fn record(&self, id: &TaskId) -> Result<TaskRecord> {
        let mut record = self.inner.record(id).await?;
        if self.is(D::AttemptCountsCrashes) {
            record.attempt += record.crashes;
        }
        Ok(record)
    }

    async fn watch(&self, id: &TaskId, after: Seen) -> Result<EventStream> {
        let after = if self.is(D::WatchesFromTheBeginning) { Seen::default() } else { after };
        let events = self.inner.watch(id, after).await?;
        if !self.is(D::StartedNotTold) {
            return Ok(events);
        }
        let other = |event: &Result<function_runner_core::Event>| !matches!(event, Ok(event) if matches!(event.kind, EventKind::Started { .. }));
        Ok(events.filter(move |event| std::future::ready(other(event))).boxed())
    }

    async fn cancel(&self, id: &TaskId) -> Result<()> {
        let record = self.inner.record(id).await?;
        if self.is(D::CancelOfQueuedIgnored) && record.state == State::Queued {
            return Ok(());
        }
        self.inner.cancel(id).await
    }
}

#[async_trait]
impl Queue for Deviant {
    async fn join(&self, worker: WorkerInfo) -> Result<()> {
        if self.is(D::LeavingIgnored) && worker.templates.is_empty() {
            return Ok(());
        }
        self.inner.join(worker).await
    }

    async fn lease(&self, mut ask: LeaseRequest) -> Result<LeaseReply> {
        if self.is(D::OneTooMany) {
            ask.room += ask.lanes.iter().map(|asked| asked.cost).max().unwrap_or(0);
        }
        if self.is(D::SleepsOn) && !ask.wait.is_zero() {
            ask.wait = Duration::ZERO;
            let reply = self.inner.lease(ask).await?;
            if reply == LeaseReply::default() {
                std::future::pending::<()>().await;
            }
            return Ok(reply);
        }
        if self.is(D::WarmthIgnored) {
            ask.lanes.iter_mut().for_each(|asked| asked.warm = false);
        }
        let mut reply = self.inner.lease(ask).await?;
        match self.how {
            D::ReversedLeases => reply.leases.reverse(),
            D::DrainForNotTold => reply.drain_for = None,
            D::SuspectNotTold => reply.leases.iter_mut().for_each(|lease| lease.suspect = false),
            _ => {}
        }
        for lease in &mut reply.leases {
            if self.is(D::CheckpointLost) {
                lease.checkpoint = None;
            }
        }
        Ok(reply)
    }

    async fn renew(&self, mut beat: Heartbeat) -> Result<BeatReply> {
        if self.is(D::ResentReportCounts) {
            for part in beat.tasks.iter_mut().flat_map(|beat| &mut beat.report.parts) {
                *part = Numbered::new(part.n + 100, part.item.clone());
            }
        }
        if self.is(D::LostReplyIsACrash) {
            beat.ended = 0;
        }
        let mut reply = self.inner.renew(beat).await?;
        reply.drain &= !self.is(D::DrainNotTold);
        for renewal in &mut reply.tasks {
            if self.is(D::CancelNotTold) && *renewal == Renewal::CancelRequested {
                *renewal = Renewal::Held;
            }
        }
        if self.is(D::RevisionStands) {
            reply.revision = 1;
        }
        Ok(reply)
    }

    async fn finish(&self, mut done: Vec<Finish>) -> Result<Vec<Finished>> {
        for finish in &mut done {
            if self.is(D::ReportOfTheEndLost) {
                finish.last = Report::default();
            }
            if let Outcome::Released { after } = finish.outcome
                && self.is(D::ReleaseIsRetry)
            {
                finish.outcome = Outcome::Retry { failure: Failure::transient("given back"), after };
            }
        }
        let mut answers = self.inner.finish(done).await?;
        for answer in &mut answers {
            if self.is(D::StaleFinishCounts) && *answer == Finished::Lost {
                *answer = Finished::Done(State::Succeeded);
            }
        }
        Ok(answers)
    }
}

#[async_trait]
impl Operate for Deviant {
    async fn pause(&self, lane: &Lane) -> Result<()> {
        if self.is(D::PauseIgnored) { Ok(()) } else { self.operate.pause(lane).await }
    }

    async fn resume(&self, lane: &Lane) -> Result<()> {
        self.operate.resume(lane).await
    }

    async fn drain(&self, worker: &WorkerId) -> Result<()> {
        self.operate.drain(worker).await
    }

    async fn requeue(&self, id: &TaskId) -> Result<()> {
        self.operate.requeue(id).await?;
        if self.is(D::RequeueForgets) {
            self.inner.cancel(id).await?;
        }
        Ok(())
    }

    async fn purge(&self, id: &TaskId) -> Result<()> {
        let record = self.inner.record(id).await?;
        if self.is(D::PurgeIgnored) && record.state == State::Failed {
            return Ok(());
        }
        self.operate.purge(id).await
    }

    async fn set_weight(&self, tenant: &Tenant, weight: Weight) -> Result<()> {
        if self.is(D::WeightIgnored) { Ok(()) } else { self.operate.set_weight(tenant, weight).await }
    }
}
