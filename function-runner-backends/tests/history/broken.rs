//! Broken stores: each forgets one promise, in runs that are otherwise like the others, and is found by the
//! name of that promise.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use function_runner_backends::memory::MemoryQueue;
use function_runner_core::{
    Beat, BeatReply, Capabilities, Error, ErrorKind, EventKind, EventStream, Executor, Finish, Finished,
    Heartbeat, LeaseKey, LeaseReply, LeaseRequest, Queue, Renewal, Report, Result, Seen, Submitted, Task,
    TaskId, TaskRecord, TemplateSet, WorkerInfo,
};
use function_runner_testkit::history::Invariant;
use futures::{StreamExt as _, stream};

use crate::hands::Hands;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    ForgetsNowAndThen,
    NewTwice,
    RefusesWhatItKeeps,
    LosesCancels,
    LosesBeats,
    KeepsTheDead,
    IgnoresFences,
    CountsReleases,
    TellsTwice,
    LeavesOutStarts,
}

/// A store with a bug.
#[derive(Debug)]
struct Broken {
    store: MemoryQueue,
    bug: Bug,
    calls: AtomicU64,
    /// The latest fence of each task, and how often it was leased.
    leased: Mutex<HashMap<TaskId, (u64, u32)>>,
}

impl Broken {
    fn has(&self, bug: Bug) -> bool {
        self.bug == bug
    }

    fn now_and_then(&self, bug: Bug) -> bool {
        self.has(bug) && self.calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(5)
    }
}

#[async_trait]
impl Executor for Broken {
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    async fn templates(&self, known: u64) -> Result<Option<TemplateSet>> {
        self.store.templates(known).await
    }

    async fn submit(&self, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        let mut answers = self.store.submit(tasks).await?;
        if self.now_and_then(Bug::RefusesWhatItKeeps)
            && answers.iter().all(|answer| *answer == Submitted::New)
        {
            return Err(Error::new(ErrorKind::QueueFull, "the lane is full"));
        }
        if self.has(Bug::NewTwice) {
            let known = answers.iter_mut().filter(|answer| **answer == Submitted::AlreadyKnown);
            known.for_each(|answer| *answer = Submitted::New);
        }
        Ok(answers)
    }

    async fn record(&self, id: &TaskId) -> Result<TaskRecord> {
        if self.now_and_then(Bug::ForgetsNowAndThen) {
            return Err(Error::new(ErrorKind::UnknownTask, "there is no such task").with_task(id));
        }
        self.store.record(id).await
    }

    async fn watch(&self, id: &TaskId, after: Seen) -> Result<EventStream> {
        let stream = self.store.watch(id, after).await?;
        let bug = self.bug;
        let told = stream.flat_map(move |item| {
            let starts = matches!(&item, Ok(event) if matches!(event.kind, EventKind::Started { .. }));
            let times = match bug {
                Bug::TellsTwice if starts => 2,
                Bug::LeavesOutStarts if starts => 0,
                _ => 1,
            };
            let more = item.as_ref().ok().cloned().map(Ok).filter(|_| times == 2);
            stream::iter((times > 0).then_some(item).into_iter().chain(more))
        });
        Ok(told.boxed())
    }

    async fn cancel(&self, id: &TaskId) -> Result<()> {
        if self.has(Bug::LosesCancels) { Ok(()) } else { self.store.cancel(id).await }
    }
}

#[async_trait]
impl Queue for Broken {
    async fn join(&self, worker: WorkerInfo) -> Result<()> {
        self.store.join(worker).await
    }

    async fn lease(&self, ask: LeaseRequest) -> Result<LeaseReply> {
        let mut reply = self.store.lease(ask).await?;
        let mut leased = self.leased.lock().unwrap();
        for lease in &mut reply.leases {
            let (fence, times) = leased.entry(lease.key.id.clone()).or_default();
            (*fence, *times) = (lease.key.fence, *times + 1);
            if self.has(Bug::CountsReleases) {
                lease.attempt = *times;
            }
        }
        Ok(reply)
    }

    async fn renew(&self, mut beat: Heartbeat) -> Result<BeatReply> {
        if self.has(Bug::KeepsTheDead) {
            let asked = beat.tasks.len();
            let leased = self.leased.lock().unwrap().clone();
            let keys = leased.into_iter().map(|(id, (fence, _))| LeaseKey { id, fence });
            beat.tasks.extend(keys.map(|key| Beat::new(key, Report::default())));
            let mut reply = self.store.renew(beat).await?;
            reply.tasks.truncate(asked);
            return Ok(reply);
        }
        if !self.has(Bug::LosesBeats) {
            return self.store.renew(beat).await;
        }
        let held = vec![Renewal::Held; beat.tasks.len()];
        let mut reply = self.store.renew(Heartbeat::new(beat.worker, 0, Vec::new())).await?;
        reply.tasks = held;
        Ok(reply)
    }

    async fn finish(&self, mut done: Vec<Finish>) -> Result<Vec<Finished>> {
        if self.has(Bug::IgnoresFences) {
            let leased = self.leased.lock().unwrap();
            for finish in &mut done {
                finish.key.fence = leased.get(&finish.key.id).map_or(finish.key.fence, |(fence, _)| *fence);
            }
        }
        self.store.finish(done).await
    }
}

/// Some run finds this bug, and every run that finds something calls it by one of these names.
fn is_found(bug: Bug, names: &[Invariant]) {
    let broken = |store| {
        Arc::new(Broken { store, bug, calls: AtomicU64::new(1), leased: Mutex::default() }) as Arc<dyn Queue>
    };
    let found: Vec<_> = (0..30).filter_map(|seed| Hands::judge(seed, 250, broken).err()).take(3).collect();
    assert!(!found.is_empty(), "no run finds {bug:?}");
    for violation in found {
        assert!(names.contains(&violation.invariant()), "{bug:?} is called\n{violation}");
        assert!(violation.timeline().lines().count() <= 5, "{bug:?} is told at length:\n{violation}");
    }
}

#[test]
fn a_store_that_forgets_now_and_then_is_found() {
    is_found(Bug::ForgetsNowAndThen, &[Invariant::AcknowledgedSubmitIsKept]);
}

#[test]
fn a_store_that_takes_what_it_has_for_new_is_found() {
    is_found(Bug::NewTwice, &[Invariant::SameSubmitIsAlreadyKnown]);
}

#[test]
fn a_store_that_refuses_what_it_keeps_is_found() {
    is_found(Bug::RefusesWhatItKeeps, &[Invariant::RefusedTaskNeverRuns]);
}

#[test]
fn a_store_that_loses_cancels_is_found() {
    is_found(Bug::LosesCancels, &[Invariant::NoSuccessAfterCancel, Invariant::NothingRunsAfterTheEnd]);
}

#[test]
fn a_store_that_loses_beats_is_found() {
    is_found(Bug::LosesBeats, &[Invariant::LeasesNeverOverlap]);
}

#[test]
fn a_store_that_keeps_the_dead_alive_is_found() {
    is_found(Bug::KeepsTheDead, &[Invariant::DeadWorkerIsNoticed]);
}

#[test]
fn a_store_that_ignores_fences_is_found() {
    let ends =
        [Invariant::StaleFinishIsRefused, Invariant::LeasesNeverOverlap, Invariant::AttemptsStayWithinMax];
    is_found(Bug::IgnoresFences, &ends);
}

#[test]
fn a_store_that_counts_releases_is_found() {
    is_found(Bug::CountsReleases, &[Invariant::AttemptsStayWithinMax]);
}

#[test]
fn a_store_that_tells_twice_is_found() {
    is_found(Bug::TellsTwice, &[Invariant::EventNumbersRise]);
}

#[test]
fn a_store_that_leaves_out_starts_is_found() {
    is_found(Bug::LeavesOutStarts, &[Invariant::NoStateChangeIsMissing]);
}
