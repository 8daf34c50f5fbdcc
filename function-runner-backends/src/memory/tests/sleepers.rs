//! Lease calls asleep: exactly one is woken for a task, and nothing is lost where one is dropped.

use std::{
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll, Wake, Waker},
};

use function_runner_core::{Result, When};
use futures::future::BoxFuture;

use super::*;

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A lease call in a runtime of a test's own: it is polled when the test says so.
struct Call {
    future: Option<BoxFuture<'static, Result<LeaseReply>>>,
    bell: Arc<Bell>,
}

impl Call {
    fn new(bench: &Bench, ask: LeaseRequest) -> Self {
        let queue = bench.queue.clone();
        let mut call =
            Self { future: Some(Box::pin(async move { queue.lease(ask).await })), bell: Arc::default() };
        assert!(call.poll().is_none(), "there is nothing for it yet");
        call
    }

    fn poll(&mut self) -> Option<LeaseReply> {
        let waker = Waker::from(self.bell.clone());
        let future: Pin<&mut _> = self.future.as_mut()?.as_mut();
        match future.poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(reply) => Some(reply.unwrap()),
            Poll::Pending => None,
        }
    }

    /// How often it was woken since it was asked last.
    fn woken(&self) -> usize {
        self.bell.0.swap(0, Ordering::Relaxed)
    }
}

fn asleep(bench: &Bench, lanes: &[&Lane], warm: bool) -> Call {
    let mut ask = bench.hand().ask(lanes, 1);
    ask.lanes.iter_mut().for_each(|asked| asked.warm = warm);
    Call::new(bench, ask)
}

#[test]
fn one_task_wakes_one_call_the_one_asleep_longest() {
    let (bench, work) = (Bench::new(), lane("work"));
    let mut calls: Vec<_> = (0..100).map(|_| asleep(&bench, &[&work], false)).collect();
    for _ in 0..100 {
        bench.one();
    }
    let woken: Vec<_> = calls.iter().map(Call::woken).collect();
    assert_eq!(woken, [1; 100]);
    for call in &mut calls {
        assert_eq!(call.poll().unwrap().leases.len(), 1);
    }
    let calls = [asleep(&bench, &[&work], false), asleep(&bench, &[&work], false)];
    bench.one();
    assert_eq!(calls.each_ref().map(Call::woken), [1, 0]);
}

#[test]
fn a_warm_call_is_woken_first_and_another_lane_wakes_nobody() {
    let (bench, work) = (Bench::new(), lane("work"));
    let calls = [
        asleep(&bench, &[&work], false),
        asleep(&bench, &[&work], true),
        asleep(&bench, &[&lane("other")], true),
    ];
    bench.one();
    assert_eq!(calls.each_ref().map(Call::woken), [0, 1, 0]);
    bench.one();
    assert_eq!(calls.each_ref().map(Call::woken), [1, 0, 0]);
}

#[test]
fn a_call_that_is_dropped_passes_its_wake_on() {
    let (bench, work) = (Bench::new(), lane("work"));
    let (first, mut second) = (asleep(&bench, &[&work], false), asleep(&bench, &[&work], false));
    let id = bench.one();
    assert_eq!((first.woken(), second.woken()), (1, 0));
    drop(first);
    assert_eq!(second.woken(), 1);
    assert_eq!(second.poll().unwrap().leases[0].key.id, id);
    let (first, mut second) = (asleep(&bench, &[&work], false), asleep(&bench, &[&work], false));
    drop(first);
    bench.one();
    assert_eq!((second.woken(), second.poll().unwrap().leases.len()), (1, 1));
}

#[test]
fn a_call_that_leaves_work_wakes_one_more() {
    let (bench, work, other) = (Bench::new(), lane("work"), lane("other"));
    let (mut both, mut one) = (asleep(&bench, &[&other, &work], false), asleep(&bench, &[&other], false));
    let left = bench.submit(with(task("other"), |new| new.increment = 9));
    let taken = bench.submit(with(task("work"), |new| new.increment = 1));
    assert_eq!((both.woken(), one.woken()), (1, 0));
    assert_eq!(both.poll().unwrap().leases[0].key.id, taken, "it has room for one, and this goes first");
    assert_eq!(one.woken(), 1);
    assert_eq!(one.poll().unwrap().leases[0].key.id, left);
}

#[test]
fn a_call_ends_when_its_time_is_over_and_leaves_nothing() {
    let (bench, work) = (Bench::new(), lane("work"));
    let mut call = asleep(&bench, &[&work], false);
    bench.pass(20 * SECOND - Duration::from_millis(1));
    assert_eq!((call.woken(), call.poll()), (0, None));
    bench.pass(Duration::from_millis(1));
    assert_eq!((call.woken(), call.poll()), (1, Some(LeaseReply::default())));
    let far = {
        let mut ask = bench.hand().ask(&[&work], 1);
        ask.wait = Duration::from_secs(1 << 40);
        Call::new(&bench, ask)
    };
    bench.pass(60 * SECOND);
    assert_eq!(far.woken(), 1, "no call waits for ever");
    drop(far);
    bench.pass(60 * SECOND);
    now(bench.queue.lanes_now());
    assert_eq!(bench.sizes(), []);
}

impl MemoryQueue {
    /// Any call that serves what is due.
    async fn lanes_now(&self) {
        drop(function_runner_core::Inspect::lanes(self).await);
    }
}

#[test]
fn a_call_asleep_wakes_for_a_timer_that_was_set_later() {
    let (bench, work) = (Bench::new(), lane("work"));
    let mut call = asleep(&bench, &[&work], false);
    let delayed = |seconds| with(task("work"), |new| new.delay = Some(When::In(seconds * SECOND)));
    bench.submit(delayed(10));
    assert_eq!((call.woken(), call.poll()), (1, None), "to set its timer anew");
    bench.submit(delayed(15));
    assert_eq!(call.woken(), 0, "it wakes before that");
    let near = bench.submit(delayed(5));
    assert_eq!((call.woken(), call.poll()), (1, None));
    bench.pass(5 * SECOND);
    assert_eq!(call.woken(), 1);
    assert_eq!(call.poll().unwrap().leases[0].key.id, near);
}

#[test]
fn a_call_asleep_wakes_for_the_claim_of_a_dead_worker() {
    let (bench, work) = (Bench::new(), lane("work"));
    let mut call = asleep(&bench, &[&work], false);
    let mut other = asleep(&bench, &[&lane("other")], false);
    bench.one();
    assert_eq!(call.woken(), 1);
    let dead = bench.hand();
    let lost = dead.take_one(&work);
    assert_eq!(call.poll(), None, "another was quicker");
    assert!(other.poll().is_none());
    let beats = bench.hand();
    (0..8).for_each(|_| {
        bench.pass(SECOND);
        beats.beat(&[]);
    });
    assert_eq!(call.woken() + other.woken(), 1, "to set a timer anew");
    assert!(call.poll().is_none() && other.poll().is_none());
    bench.pass(SECOND);
    assert!(call.woken() + other.woken() >= 1);
    assert!(other.poll().is_none());
    let again = call.poll().unwrap();
    assert_eq!(again.leases[0].key.id, lost.key.id);
}

#[test]
fn ten_thousand_due_at_once_all_come_to_a_call_asleep() {
    let (bench, work) = (Bench::new(), lane("work"));
    let due = bench.moment().after(5 * SECOND);
    for _ in 0..10 {
        let batch = (0..1000).map(|_| with(task("work"), |new| new.delay = Some(When::At(due))));
        bench.try_submit(batch.collect::<Vec<_>>()).unwrap();
    }
    let hand = bench.hand();
    bench.pass(5 * SECOND);
    let mut given = 0;
    while given < 10_000 {
        let leases = now(bench.queue.lease(hand.ask(&[&work], 10_000))).unwrap().leases;
        given += leases.len();
        leases.iter().for_each(|lease| hand.finished(lease, output(), State::Succeeded));
    }
    assert!(hand.take(&work, 1).is_empty());
}

/// Small numbers from a seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// Calls are polled only when they were woken, and dropped at random; work that waits while somebody sleeps for it
/// was lost.
#[test]
fn no_wake_is_ever_lost() {
    for seed in 0..300 {
        let (bench, mut dice) = (Bench::new(), Dice(seed));
        let lanes = [lane("a"), lane("b"), lane("c")];
        let hand = bench.hand();
        let mut calls: Vec<(Vec<usize>, Call)> = Vec::new();
        let mut done = 0;
        let mut submitted = 0;
        for step in 0..200 {
            match dice.roll(6) {
                0 | 1 => {
                    let count = dice.roll(3) + 1;
                    let names = ["a", "b", "c"];
                    let batch: Vec<Task> = (0..count).map(|_| task(names[dice.roll(3)])).collect();
                    submitted += batch.len();
                    bench.try_submit(batch).unwrap();
                }
                2 | 3 => {
                    let named: Vec<usize> = (0..3).filter(|_| dice.roll(2) == 0).collect();
                    let asked: Vec<&Lane> = named.iter().map(|&at| &lanes[at]).collect();
                    let (queue, ask) =
                        (bench.queue.clone(), bench.hand().ask(&asked, dice.roll(3) as u64 + 1));
                    let mut call = Call {
                        future: Some(Box::pin(async move { queue.lease(ask).await })),
                        bell: Arc::default(),
                    };
                    match call.poll() {
                        None => calls.push((named, call)),
                        Some(reply) => reply.leases.iter().for_each(|lease| {
                            hand.finished(lease, output(), State::Succeeded);
                            done += 1;
                        }),
                    }
                }
                4 if !calls.is_empty() => drop(calls.swap_remove(dice.roll(calls.len()))),
                _ => {
                    let woken: Vec<usize> = (0..calls.len())
                        .filter(|&at| calls[at].1.bell.0.load(Ordering::Relaxed) > 0)
                        .collect();
                    if !woken.is_empty() {
                        done += settle(&hand, &mut calls, woken[dice.roll(woken.len())]);
                    }
                }
            }
            let context = format!("seed {seed}, step {step}");
            // everybody who was woken looks
            while let Some(at) = calls.iter().position(|(_, call)| call.bell.0.load(Ordering::Relaxed) > 0) {
                if dice.roll(4) == 0 {
                    break;
                }
                done += settle(&hand, &mut calls, at);
            }
            let all_looked = calls.iter().all(|(_, call)| call.bell.0.load(Ordering::Relaxed) == 0);
            for at in (0..3).filter(|_| all_looked) {
                let sleeps = calls.iter().any(|(named, _)| named.contains(&at));
                let waits = bench.queue.shared.lock().order.len(&lanes[at]);
                assert!(
                    !sleeps || waits == 0,
                    "{context}: {waits} tasks wait in {} and somebody sleeps",
                    lanes[at]
                );
            }
        }
        drop(calls);
        for lane in &lanes {
            done += hand.take(lane, 10_000).len();
        }
        assert_eq!(done, submitted, "seed {seed}: each task once");
    }
}

/// One call that was woken looks; what it takes is finished.
fn settle(hand: &Hand, calls: &mut Vec<(Vec<usize>, Call)>, at: usize) -> usize {
    calls[at].1.woken();
    let Some(reply) = calls[at].1.poll() else { return 0 };
    calls.swap_remove(at);
    reply.leases.iter().for_each(|lease| hand.finished(lease, output(), State::Succeeded));
    reply.leases.len()
}
