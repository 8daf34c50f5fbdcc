//! Time that passes while calls and watches fall asleep.

use function_runner_backends::memory::MemoryQueue;
use function_runner_core::{Executor as _, Seen, State, When, runtime};
use futures::StreamExt as _;
use shuttle::future::block_on;

use crate::{
    stage::{Hand, SECOND, beside, pass_until, read_to_the_end, schedules, state, submit, watch},
    work::task,
};

#[test]
fn a_task_that_comes_due_wakes_a_call_that_slept_before_it_was_known() {
    schedules(|| {
        let queue = MemoryQueue::new();
        let take = |name: &str| {
            let mut hand = Hand::new(&queue, name);
            beside(async move {
                let lease = hand.take().await;
                hand.succeed(&lease).await;
            })
        };
        let takers = [take("one"), take("two")];
        let mut later = task("later");
        later.delay = Some(When::In(5 * SECOND));
        let mut sooner = task("sooner");
        sooner.delay = Some(When::In(2 * SECOND));
        block_on(async {
            submit(&queue, later).await;
            submit(&queue, sooner).await;
        });
        // once, and past both: who is not woken now is never
        runtime::advance(5 * SECOND);
        takers.into_iter().for_each(|taker| taker.join());
    });
}

#[test]
fn a_call_that_is_dropped_leaves_its_timer_to_another() {
    schedules(|| {
        let queue = MemoryQueue::new();
        let (mut hasty, mut patient) = (Hand::new(&queue, "hasty"), Hand::new(&queue, "patient"));
        let hasty = beside(async move {
            if let Some(lease) = hasty.take_impatiently(2).await {
                hasty.finish(&lease, crate::stage::RELEASE).await;
            }
        });
        let patient = beside(async move {
            let lease = patient.take().await;
            patient.succeed(&lease).await;
        });
        // one call alone is woken for the sooner of two timers
        let mut delayed = task("a");
        delayed.delay = Some(When::In(5 * SECOND));
        let id = block_on(submit(&queue, delayed));
        hasty.join();
        runtime::advance(5 * SECOND);
        patient.join();
        assert_eq!(block_on(state(&queue, &id)), State::Succeeded);
    });
}

#[test]
fn the_claim_of_a_dead_worker_comes_to_a_call_asleep() {
    schedules(|| {
        let queue = MemoryQueue::new();
        let id = block_on(submit(&queue, task("a")));
        let (mut dead, mut heir) = (Hand::new(&queue, "dead"), Hand::new(&queue, "heir"));
        block_on(dead.take());
        let heir = beside(async move {
            let lease = heir.take().await;
            heir.succeed(&lease).await;
        });
        Hand::new(&queue, "other").outlasts_a_lease();
        heir.join();
        let record = block_on(queue.record(&id)).unwrap();
        assert_eq!((record.state, record.crashes), (State::Succeeded, 1));
    });
}

#[test]
fn a_watch_serves_the_timers_though_the_other_watch_is_dropped_as_the_tick_rings() {
    schedules(|| {
        let queue = MemoryQueue::new();
        let mut late = task("late");
        late.deadline = Some(When::In(5 * SECOND));
        let id = block_on(submit(&queue, late));
        let first = block_on(queue.watch(&id, Seen::default())).unwrap();
        let mut second = block_on(queue.watch(&id, Seen::default())).unwrap();
        let stays = beside(async move { read_to_the_end(first).await.1 });
        let goes = beside(async move {
            assert!(second.next().await.is_some(), "the snapshot");
        });
        // once: a tick is a lease long
        runtime::advance(9 * SECOND);
        goes.join();
        assert_eq!(stays.join(), State::Failed);
    });
}

#[test]
fn a_watch_that_opens_as_the_tick_rings_is_served_by_the_next() {
    schedules(|| {
        let queue = MemoryQueue::new();
        let deadlines = [("a", 5), ("b", 15)];
        let watchers = deadlines.map(|(name, seconds)| {
            let mut late = task(name);
            late.deadline = Some(When::In(seconds * SECOND));
            let id = block_on(submit(&queue, late));
            beside(watch(queue.clone(), id))
        });
        let ends = pass_until(Vec::from(watchers));
        assert_eq!(ends, [State::Failed; 2]);
    });
}
