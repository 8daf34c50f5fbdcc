//! Watches that open, fall behind and are dropped while their task goes on.

use function_runner_backends::memory::MemoryQueue;
use function_runner_core::{
    EventKind, Executor as _, LogLevel, LogLine, Numbered, Operate as _, Payload, Report, Seen, State,
    outcome,
};
use futures::StreamExt as _;
use shuttle::future::block_on;

use crate::{
    stage::{Hand, beside, output, read_to_the_end, retry, schedules, submit, watch},
    work::task,
};

#[test]
fn whenever_a_watch_opens_it_hears_the_end_once() {
    schedules(|| {
        let queue = MemoryQueue::new();
        let mut hand = Hand::new(&queue, "one");
        let id = block_on(submit(&queue, task("a")));
        let lease = block_on(hand.take());
        let (waits, waited) = (queue.clone(), id.clone());
        let caller = beside(async move { outcome(&waits, &waited).await.unwrap() });
        let watchers = [beside(watch(queue.clone(), id.clone())), beside(watch(queue, id))];
        block_on(hand.succeed(&lease));
        for watcher in watchers {
            assert_eq!(watcher.join(), State::Succeeded);
        }
        assert_eq!(caller.join(), Payload::encode(&8).unwrap());
    });
}

#[test]
fn the_events_of_an_attempt_come_in_order_to_a_reader_that_opens_during_it() {
    schedules(|| {
        let queue = MemoryQueue::new();
        let mut hand = Hand::new(&queue, "one");
        let id = block_on(submit(&queue, task("a")));
        let reader = beside(watch(queue, id));
        block_on(async {
            let lease = hand.take().await;
            hand.beat(&[(&lease, log(1))]).await;
            hand.finish(&lease, retry()).await;
            let again = hand.take().await;
            hand.beat(&[(&again, log(1))]).await;
            hand.succeed(&again).await;
        });
        assert_eq!(reader.join(), State::Succeeded);
    });
}

#[test]
fn a_reader_that_falls_behind_gets_every_part_once_and_the_end() {
    /// A few more than are kept for a reader.
    const PARTS: u32 = 72;
    schedules(|| {
        let queue = MemoryQueue::new();
        let mut hand = Hand::new(&queue, "one");
        let id = block_on(submit(&queue, task("a")));
        let lease = block_on(hand.take());
        let events = block_on(queue.watch(&id, Seen::default())).unwrap();
        let reader = beside(read_to_the_end(events));
        block_on(async {
            for from in [1, 1 + PARTS / 2] {
                let mut report = Report::default();
                let numbers = from..from + PARTS / 2;
                report.parts = numbers.map(|n| Numbered::new(n, Payload::encode(&n).unwrap())).collect();
                hand.beat(&[(&lease, report)]).await;
            }
            // one more when it may have fallen behind
            hand.beat(&[(&lease, log(PARTS + 1))]).await;
            hand.succeed(&lease).await;
        });
        let (kinds, end) = reader.join();
        let parts = kinds.iter().filter_map(|kind| match kind {
            EventKind::OutputPart { index, .. } => Some(*index),
            _ => None,
        });
        let snapshots = kinds.iter().filter(|kind| matches!(kind, EventKind::Snapshot(_))).count();
        let parts: Vec<u64> = parts.collect();
        // one that was so far behind that the task had ended needs no parts: the record has the output
        let complete =
            parts.len() == PARTS as usize || snapshots == 2 && kinds.last().is_some_and(is_snapshot);
        assert!(complete && parts.iter().copied().eq(0..parts.len() as u64), "{parts:?}");
        assert_eq!(end, State::Succeeded);
    });
}

fn is_snapshot(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Snapshot(_))
}

#[test]
fn a_watch_that_is_dropped_while_events_come_takes_nobody_with_it() {
    schedules(|| {
        let queue = MemoryQueue::new();
        let mut hand = Hand::new(&queue, "one");
        let id = block_on(submit(&queue, task("a")));
        let lease = block_on(hand.take());
        let open = || block_on(queue.watch(&id, Seen::default())).unwrap();
        let (mut goes, stays, mut goes_too) = (open(), open(), open());
        let reader = beside(async move { read_to_the_end(stays).await.1 });
        let dropped = [
            beside(async move { drop(goes.next().await) }),
            beside(async move {
                goes_too.next().await;
                drop(goes_too.next().await);
            }),
        ];
        block_on(async {
            hand.beat(&[(&lease, log(1))]).await;
            hand.succeed(&lease).await;
        });
        dropped.into_iter().for_each(|thread| thread.join());
        assert_eq!(reader.join(), State::Succeeded);
    });
}

#[test]
fn a_watch_of_a_dead_letter_that_lives_again_hears_an_end() {
    schedules(|| {
        let queue = MemoryQueue::new();
        let mut hand = Hand::new(&queue, "one");
        let id = block_on(submit(&queue, task("a")));
        let reader = beside(watch(queue.clone(), id.clone()));
        block_on(async {
            let lease = hand.take().await;
            let failed = function_runner_core::Failure::permanent("broken");
            hand.finish(&lease, function_runner_core::Outcome::Failed(failed)).await;
            queue.requeue(&id).await.unwrap();
            let again = hand.take().await;
            hand.finish(&again, output()).await;
        });
        assert!(matches!(reader.join(), State::Failed | State::Succeeded));
    });
}

fn log(n: u32) -> Report {
    let mut report = Report::default();
    report.logs.push(Numbered::new(n, LogLine { level: LogLevel::Info, message: n.to_string() }));
    report
}
