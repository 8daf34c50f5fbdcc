//! What can be wrong with leases that run out, outages and timers.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use function_runner_backends::memory::Builder;
use function_runner_core::{
    Beat, BeatReply, Clock, Executor as _, Finish, Finished, Heartbeat, LeaseKey, LeaseReply, LeaseRequest,
    Queue as _, Report, Result, Task, Timestamp, WorkerId,
};
use function_runner_testkit::{ManualClock, conformance::Case};
use futures::future::{BoxFuture, poll_fn};

use super::broken::{Broken, Good, lock};

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// Waits for ever for a worker that died.
#[derive(Debug, Default)]
pub(crate) struct LeaseNeverExpires;

impl Broken for LeaseNeverExpires {
    fn store(&self, store: Builder, case: &Case) -> Builder {
        let mut times = case.times;
        times.lease = YEAR;
        store.times(times)
    }
}

/// Takes a task back before its lease is over.
#[derive(Debug, Default)]
pub(crate) struct LeaseExpiresEarly;

impl Broken for LeaseExpiresEarly {
    fn store(&self, store: Builder, case: &Case) -> Builder {
        let mut times = case.times;
        times.lease /= 6;
        store.times(times)
    }
}

/// Takes its own outage for the death of every worker.
#[derive(Debug, Default)]
pub(crate) struct OutageIsACrash;

impl Broken for OutageIsACrash {
    fn store(&self, store: Builder, case: &Case) -> Builder {
        let mut times = case.times;
        times.gap = YEAR;
        store.times(times)
    }
}

/// Spares every claim whenever it was not called for a while.
#[derive(Debug, Default)]
pub(crate) struct SilenceSparesTheDead(Mutex<(Timestamp, HashMap<WorkerId, Vec<LeaseKey>>)>);

#[async_trait]
impl Broken for SilenceSparesTheDead {
    async fn lease(&self, good: &Good, ask: LeaseRequest) -> Result<LeaseReply> {
        let now = good.clock.now();
        let called = std::mem::replace(&mut lock(&self.0).0, now);
        if now.since(called) > good.times.gap {
            let held = lock(&self.0).1.clone();
            for (worker, keys) in held {
                let beats = keys.into_iter().map(|key| Beat::new(key, Report::default()));
                good.queue.renew(Heartbeat::new(worker, 0, beats.collect())).await?;
            }
        }
        let worker = ask.worker.clone();
        let reply = good.queue.lease(ask).await?;
        let keys = reply.leases.iter().map(|lease| lease.key.clone());
        lock(&self.0).1.entry(worker).or_default().extend(keys);
        Ok(reply)
    }
}

/// Counts a crash as an attempt.
#[derive(Debug, Default)]
pub(crate) struct CrashIsAnAttempt;

#[async_trait]
impl Broken for CrashIsAnAttempt {
    async fn lease(&self, good: &Good, ask: LeaseRequest) -> Result<LeaseReply> {
        let mut reply = good.queue.lease(ask).await?;
        for lease in &mut reply.leases {
            lease.attempt += good.queue.record(&lease.key.id).await?.crashes;
        }
        Ok(reply)
    }
}

/// Gives a task that kills its workers to one after the other.
#[derive(Debug, Default)]
pub(crate) struct PoisonSpreads;

impl Broken for PoisonSpreads {
    fn stores(&self, task: &mut Task) {
        Arc::make_mut(&mut task.envelope).retry.max_crashes = 99;
    }
}

/// Gives up on a task after two crashes.
#[derive(Debug, Default)]
pub(crate) struct DeadLetterTooEarly;

impl Broken for DeadLetterTooEarly {
    fn stores(&self, task: &mut Task) {
        let retry = &mut Arc::make_mut(&mut task.envelope).retry;
        retry.max_crashes = retry.max_crashes.min(2);
    }
}

/// Sees the time when a worker calls, and not when a caller does.
#[derive(Debug, Default)]
pub(crate) struct CallersServeNoTimers(Arc<AtomicU64>);

impl CallersServeNoTimers {
    fn look(&self, good: &Good) {
        self.0.store(good.clock.now().as_millis(), Ordering::SeqCst);
    }
}

#[async_trait]
impl Broken for CallersServeNoTimers {
    fn store(&self, store: Builder, case: &Case) -> Builder {
        let clock = case.clock();
        self.0.store(clock.now().as_millis(), Ordering::SeqCst);
        store.clock(LastSeen { clock, seen: self.0.clone() })
    }

    async fn lease(&self, good: &Good, ask: LeaseRequest) -> Result<LeaseReply> {
        let mut call = pin!(good.queue.lease(ask));
        poll_fn(|context| {
            self.look(good);
            call.as_mut().poll(context)
        })
        .await
    }

    async fn renew(&self, good: &Good, beat: Heartbeat) -> Result<BeatReply> {
        self.look(good);
        good.queue.renew(beat).await
    }

    async fn finish(&self, good: &Good, done: Vec<Finish>) -> Result<Vec<Finished>> {
        self.look(good);
        good.queue.finish(done).await
    }
}

/// The time as a worker saw it last.
#[derive(Debug)]
struct LastSeen {
    clock: ManualClock,
    seen: Arc<AtomicU64>,
}

impl Clock for LastSeen {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.seen.load(Ordering::SeqCst))
    }

    fn sleep_until(&self, moment: Timestamp) -> BoxFuture<'static, ()> {
        let has_come = moment <= self.clock.now();
        // nobody looks, so a moment that came unseen wakes nobody
        if has_come && moment > self.now() {
            return Box::pin(std::future::pending());
        }
        self.clock.sleep_until(moment)
    }
}
