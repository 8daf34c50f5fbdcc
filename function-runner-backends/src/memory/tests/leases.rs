//! What one look gives, and to whom: order, room, drains, news.

use function_runner_core::{Priority, Tenant, Weight, schedule::increment};

use super::*;

fn of(priority: u8, tenant: Option<&str>) -> Task {
    let priority = Priority::new(priority).unwrap();
    let tenant = tenant.map(|tenant| Tenant::new(tenant).unwrap());
    with(task("work"), |new| {
        new.priority = priority;
        new.tenant = tenant;
        new.increment = increment(1, priority, Weight::default());
    })
}

fn ids(leases: &[Lease]) -> Vec<TaskId> {
    leases.iter().map(|lease| lease.key.id.clone()).collect()
}

#[test]
fn the_order_of_work_is_cores_and_equal_tags_go_by_id() {
    let bench = Bench::new();
    let low = bench.submit(of(1, None));
    let mut plain: Vec<_> = (0..5).map(|_| bench.submit(of(5, None))).collect();
    let tenant = bench.submit(of(5, Some("acme")));
    let high = bench.submit(of(10, None));
    let given = ids(&bench.hand().take(&lane("work"), 9));
    // the tenant's only task has the tag of the first plain one, and came later
    plain.insert(1, tenant);
    assert_eq!(given, [vec![high], plain, vec![low]].concat());
}

#[test]
fn the_place_in_line_is_the_records() {
    let bench = Bench::new();
    let waiting: Vec<_> = (0..5).map(|_| bench.one()).collect();
    bench.submit(of(10, None));
    let ahead: Vec<_> = waiting.iter().map(|id| bench.record(id).ahead).collect();
    assert_eq!(ahead, [Some(1), Some(2), Some(3), Some(4), Some(5)]);
    bench.hand().take(&lane("work"), 3);
    assert_eq!(bench.record(&waiting[4]).ahead, Some(2));
    assert_eq!(bench.record(&waiting[0]).ahead, None);
}

#[test]
fn fences_rise_over_everything() {
    let (bench, lane) = (Bench::new(), lane("work"));
    bench.one();
    let hand = bench.hand();
    let mut last = 0;
    for _ in 0..10 {
        let lease = hand.take_one(&lane);
        assert!(lease.key.fence > last);
        last = lease.key.fence;
        hand.finished(&lease, RELEASE, State::Queued);
    }
}

#[test]
fn a_cancel_ends_calls_early_until_a_beat_has_told_of_it() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let (id, hand) = (bench.one(), bench.hand());
    let lease = hand.take_one(&lane);
    let mut open = bench.queue.lease(hand.ask(&[&lane], 1));
    assert!((&mut open).now_or_never().is_none(), "it waits");
    bench.cancel(&id);
    assert_eq!(now(open).unwrap(), LeaseReply::default());
    bench.one();
    for _ in 0..2 {
        assert_eq!(
            now(bench.queue.lease(hand.ask(&[&lane], 1))).unwrap(),
            LeaseReply::default(),
            "told first"
        );
    }
    assert_eq!(hand.beat(&[&lease]).tasks, [Renewal::CancelRequested]);
    assert_eq!(hand.take(&lane, 1).len(), 1);
    assert_eq!(
        hand.beat(&[&lease]).tasks,
        [Renewal::CancelRequested],
        "every time, but it ends no call any more"
    );
}

#[test]
fn a_cancel_that_nobody_need_hear_of_any_more_ends_no_call() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let (id, hand) = (bench.one(), bench.hand());
    let lease = hand.take_one(&lane);
    bench.cancel(&id);
    hand.finished(&lease, output(), State::Cancelled);
    let mut open = bench.queue.lease(hand.ask(&[&lane], 1));
    assert!((&mut open).now_or_never().is_none(), "it waits");
}

/// An ask for small tasks of a worker in which the large one would fit if it drained.
fn small(hand: &Hand) -> LeaseRequest {
    let mut ask = hand.ask(&[&lane("small")], 1);
    ask.would_fit = vec![lane("large")];
    ask
}

/// An ask of a worker that drains for the large lane and is full as yet.
fn drained(hand: &Hand) -> LeaseRequest {
    let mut ask = hand.ask(&[], 1);
    ask.would_fit = vec![lane("large")];
    ask
}

/// A store in which a large task has been passed over for long, and the worker that drains for it.
fn drains() -> (Bench, Hand, TaskId) {
    let bench = Bench::new();
    let large = bench.submit(with(task("large"), |new| new.increment = 1));
    (0..9).for_each(|_| drop(bench.submit(task("small"))));
    let hand = bench.hand();
    hand.join([function("small").template().unwrap(), function("large").template().unwrap()]);
    let first = hand.quick(small(&hand)).leases;
    assert_eq!(first.len(), 1);
    (0..30).for_each(|_| {
        bench.pass(SECOND);
        hand.beat(&[&first[0]]);
    });
    let reply = hand.quick(small(&hand));
    assert_eq!((reply.drain_for, reply.leases), (Some(lane("large")), vec![]));
    (bench, hand, large)
}

#[test]
fn who_drains_waits_and_then_takes_the_large_task() {
    let (bench, hand, large) = drains();
    let mut open = bench.queue.lease(drained(&hand));
    assert!((&mut open).now_or_never().is_none(), "it names only the lane that it drains for");
    drop(open);
    let quick = hand.quick(drained(&hand));
    assert_eq!((quick.drain_for, quick.leases), (Some(lane("large")), vec![]), "it still drains");
    let given = hand.take(&lane("large"), 1);
    assert_eq!(ids(&given), [large]);
    let reply = hand.quick(small(&hand));
    assert_eq!((reply.drain_for, reply.leases.len()), (None, 1));
}

#[test]
fn who_drains_is_told_at_once_when_the_large_task_has_gone() {
    let (bench, hand, large) = drains();
    let mut open = bench.queue.lease(drained(&hand));
    assert!((&mut open).now_or_never().is_none());
    bench.cancel(&large);
    assert_eq!(now(open).unwrap(), LeaseReply::default());

    let (bench, hand, _) = drains();
    let mut open = bench.queue.lease(drained(&hand));
    assert!((&mut open).now_or_never().is_none());
    let other = bench.hand();
    assert_eq!(other.take(&lane("large"), 1).len(), 1);
    assert_eq!(now(open).unwrap(), LeaseReply::default());

    let (bench, hand, _) = drains();
    let mut open = bench.queue.lease(drained(&hand));
    assert!((&mut open).now_or_never().is_none());
    now(function_runner_core::Operate::pause(&bench.queue, &lane("large"))).unwrap();
    assert_eq!(now(open).unwrap(), LeaseReply::default());

    let (bench, hand, large) = drains();
    bench.cancel(&large);
    assert_eq!(
        now(bench.queue.lease(drained(&hand))).unwrap(),
        LeaseReply::default(),
        "also between two calls"
    );
}

#[test]
fn a_task_too_large_for_its_worker_waits_and_is_not_drained_for() {
    let (bench, hand, large) = drains();
    let lease = hand.take_one(&lane("large"));
    hand.finished(&lease, Outcome::Released { after: bench.times.too_large }, State::Queued);
    assert_eq!(bench.record(&large).not_before, Some(bench.moment().after(bench.times.too_large)));
    let held = hand.quick(small(&hand)).leases;
    (0..70).for_each(|_| {
        bench.pass(SECOND);
        hand.beat(&[&held[0]]);
    });
    let reply = hand.quick(small(&hand));
    assert_eq!((reply.drain_for, reply.leases.len()), (None, 1));
}

#[test]
fn a_lane_that_could_never_be_given_is_slept_on_by_nobody() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let hand = bench.hand();
    let mut ask = hand.ask(&[&lane], 1);
    ask.room = 1;
    let mut open = bench.queue.lease(ask);
    assert!((&mut open).now_or_never().is_none());
    bench.one();
    assert!((&mut open).now_or_never().is_none());
}
