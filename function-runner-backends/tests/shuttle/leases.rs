//! Lease calls asleep, and whoever wakes, drops or ends them meanwhile.

use std::sync::Arc;

use function_runner_backends::memory::MemoryQueue;
use function_runner_core::{
    Capacity, Executor as _, Finished, Operate as _, Queue as _, State, WorkerInfo, runtime,
};
use shuttle::{
    future::block_on,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{
    stage::{Hand, RELEASE, SECOND, beside, output, retry, schedules, state, submit, watch},
    work::{WORK, id, lane, task},
};

#[test]
fn each_task_wakes_a_taker_and_is_leased_once() {
    schedules(|| {
        let queue = MemoryQueue::new();
        let take = |name: &str| {
            let mut hand = Hand::new(&queue, name);
            beside(async move {
                let lease = hand.take().await;
                hand.succeed(&lease).await;
                lease.key.id
            })
        };
        let takers = [take("one"), take("two"), take("three")];
        let (other, batch) = (queue.clone(), vec![task("b"), task("c")]);
        let submitter = beside(async move { other.submit(batch).await.unwrap() });
        block_on(submit(&queue, task("a")));
        submitter.join();
        let mut taken = takers.map(|taker| taker.join());
        taken.sort();
        assert_eq!(taken, [id("a"), id("b"), id("c")]);
    });
}

#[test]
fn a_call_that_is_dropped_as_a_wake_reaches_it_passes_the_wake_on() {
    schedules(|| {
        let queue = MemoryQueue::new();
        let (mut hasty, mut patient) = (Hand::new(&queue, "hasty"), Hand::new(&queue, "patient"));
        let hasty = beside(async move {
            if let Some(lease) = hasty.take_impatiently(2).await {
                hasty.finish(&lease, RELEASE).await;
            }
        });
        let patient = beside(async move {
            let lease = patient.take().await;
            patient.succeed(&lease).await;
        });
        let id = block_on(submit(&queue, task("a")));
        hasty.join();
        patient.join();
        assert_eq!(block_on(state(&queue, &id)), State::Succeeded);
    });
}

#[test]
fn a_reply_that_is_dropped_comes_back_without_a_crash() {
    schedules(|| {
        let queue = MemoryQueue::new();
        let (mut loses, mut keeps) = (Hand::new(&queue, "loses"), Hand::new(&queue, "keeps"));
        let beats = loses.clone().having_asked(1);
        // what it is given is never heard of again
        let loser = beside(async move { loses.take_impatiently(3).await.is_some() });
        let keeper = beside(async move {
            let lease = keeps.take().await;
            keeps.succeed(&lease).await;
        });
        let id = block_on(submit(&queue, task("a")));
        if loser.join() {
            // a beat says that its ask has ended, and lists nothing
            beats.outlasts_a_lease();
        }
        keeper.join();
        let record = block_on(queue.record(&id)).unwrap();
        assert_eq!((record.state, record.crashes), (State::Succeeded, 0));
    });
}

#[test]
fn of_cancel_and_finish_the_first_counts_and_watchers_hear_that_one() {
    schedules(|| {
        let queue = MemoryQueue::new();
        let mut hand = Hand::new(&queue, "one");
        let id = block_on(submit(&queue, task("a")));
        let lease = block_on(hand.take());
        let watcher = beside(watch(queue.clone(), id.clone()));
        let acknowledged = Arc::new(AtomicBool::new(false));
        let (cancels, cancelled, said) = (queue.clone(), id.clone(), acknowledged.clone());
        let canceller = beside(async move {
            cancels.cancel(&cancelled).await.unwrap();
            said.store(true, Ordering::SeqCst);
        });
        let finisher = beside(async move {
            let before = acknowledged.load(Ordering::SeqCst);
            (before, hand.finish(&lease, output()).await)
        });
        canceller.join();
        let (cancelled_before, finished) = finisher.join();
        let end = block_on(state(&queue, &id));
        assert_eq!(finished, Finished::Done(end));
        assert!(end.is_terminal() && (end == State::Cancelled || !cancelled_before), "{end:?}");
        assert_eq!(watcher.join(), end);
    });
}

#[test]
fn a_cancel_ends_the_open_call_of_the_worker_that_holds_the_task() {
    schedules(|| {
        let queue = MemoryQueue::new();
        let mut hand = Hand::new(&queue, "one");
        let id = block_on(submit(&queue, task("a")));
        let lease = block_on(hand.take());
        let holder = beside(async move {
            assert!(hand.lease().await.leases.is_empty(), "only a beat can tell it");
            let reply = hand.beat(&[(&lease, Default::default())]).await;
            assert_eq!(reply.tasks, [function_runner_core::Renewal::CancelRequested]);
            hand.finish(&lease, output()).await
        });
        block_on(queue.cancel(&id)).unwrap();
        assert_eq!(holder.join(), Finished::Done(State::Cancelled));
    });
}

#[test]
fn a_cancel_of_a_waiting_task_and_a_take_of_it_are_one_after_the_other() {
    schedules(|| {
        let queue = MemoryQueue::new();
        let (mut taker, id) = (Hand::new(&queue, "one"), block_on(submit(&queue, task("a"))));
        let watcher = beside(watch(queue.clone(), id.clone()));
        let taker = beside(async move {
            match taker.take_impatiently(1).await {
                Some(lease) => {
                    // put back, so that a cancel in between ends it
                    Some(taker.finish(&lease, retry()).await)
                }
                None => None,
            }
        });
        block_on(queue.cancel(&id)).unwrap();
        taker.join();
        assert_eq!(watcher.join(), State::Cancelled);
    });
}

#[test]
fn a_drain_ends_the_open_call_and_the_next_beat_tells_it() {
    schedules(|| {
        let queue = MemoryQueue::new();
        let mut hand = Hand::new(&queue, "one");
        let info = WorkerInfo::new(hand.worker.clone(), Capacity::new(), vec![WORK.template().unwrap()]);
        block_on(queue.join(info)).unwrap();
        let worker = hand.worker.clone();
        let drained = beside(async move {
            assert!(hand.lease().await.leases.is_empty());
            hand.beat(&[]).await.drain
        });
        block_on(queue.drain(&worker)).unwrap();
        assert!(drained.join());
    });
}

#[test]
fn a_lane_that_is_resumed_wakes_whoever_sleeps_on_it() {
    schedules(|| {
        let queue = MemoryQueue::new();
        block_on(queue.pause(&lane())).unwrap();
        let take = |name: &str| {
            let mut hand = Hand::new(&queue, name);
            beside(async move {
                let lease = hand.take().await;
                hand.succeed(&lease).await;
            })
        };
        let takers = [take("one"), take("two")];
        let (other, second) = (queue.clone(), task("b"));
        let submitter = beside(async move { submit(&other, second).await });
        block_on(submit(&queue, task("a")));
        block_on(queue.resume(&lane())).unwrap();
        submitter.join();
        takers.into_iter().for_each(|taker| taker.join());
    });
}
