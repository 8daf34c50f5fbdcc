//! Claims that run out: crashes, suspects, lost replies, outages.

use function_runner_core::{AttemptEnd, When};

use super::*;

#[test]
fn a_dead_worker_costs_one_lease() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let (id, dead, alive) = (bench.one(), bench.hand(), bench.hand());
    let lost = dead.take_one(&lane);
    for _ in 0..8 {
        bench.pass(SECOND);
        alive.beat(&[]);
    }
    bench.pass(SECOND - Duration::from_millis(1));
    assert!(alive.take(&lane, 1).is_empty());
    bench.pass(Duration::from_millis(1));
    let again = alive.take_one(&lane);
    assert_eq!((&again.key.id, again.attempt), (&id, 1));
    assert!(again.key.fence > lost.key.fence);
    assert_eq!(dead.finish(&lost, output()), Finished::Lost);
    assert_eq!(dead.beat(&[&lost]).tasks, [Renewal::Lost]);
    let record = bench.record(&id);
    assert_eq!((record.crashes, &record.attempts[0].end), (1, &AttemptEnd::Lost));
}

#[test]
fn a_claim_that_ended_and_was_not_taken_back_is_renewed() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let (hand, other) = (bench.hand(), bench.hand());
    bench.one();
    let lease = hand.take_one(&lane);
    for _ in 0..3 {
        // it beats late each time, and nobody has looked since
        (0..3).for_each(|_| {
            bench.pass(3 * SECOND - Duration::from_millis(1));
            other.report_nothing();
        });
        bench.pass(Duration::from_millis(3));
        assert_eq!(hand.beat(&[&lease]).tasks, [Renewal::Held]);
    }
    hand.finished(&lease, output(), State::Succeeded);
}

impl Hand {
    fn report_nothing(&self) {
        self.beat(&[]);
    }
}

#[test]
fn a_crashed_task_returns_to_the_front_then_to_the_twin_then_dies() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let id = bench.crashed(task("work"), 1);
    bench.submit(with(task("work"), |new| {
        new.priority = function_runner_core::Priority::HIGHEST;
        new.increment = 1;
    }));
    assert_eq!(bench.record(&id).ahead, Some(0), "the front");
    let hand = bench.hand();
    assert_eq!(hand.take_one(&lane).key.id, id);
    bench.pass_alive(9);
    assert_eq!(bench.record(&id).crashes, 2);
    let leases = hand.take(&lane, 9);
    assert!(leases.iter().all(|lease| lease.key.id != id), "not in its lane");
    let suspect = hand.take_one(&lane.twin());
    assert_eq!((&suspect.key.id, suspect.attempt, &suspect.task.lane), (&id, 1, &lane));
    bench.pass_alive(9);
    let record = bench.record(&id);
    assert_eq!((record.state, record.crashes, record.attempts.len()), (State::Failed, 3, 3));
    assert_eq!(record.failure.unwrap().code.as_deref(), Some("crashed"));
    now(function_runner_core::Operate::requeue(&bench.queue, &id)).unwrap();
    assert!(hand.take(&lane, 9).iter().any(|lease| lease.key.id == id), "in its own lane again");
    assert_eq!(bench.record(&id).crashes, 0);
}

#[test]
fn a_suspect_stays_one_when_it_is_released() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let id = bench.crashed(task("work"), 2);
    let hand = bench.hand();
    hand.finished(&hand.take_one(&lane.twin()), retry(Duration::ZERO), State::Queued);
    assert_eq!(hand.take_one(&lane.twin()).key.id, id);
}

#[test]
fn a_lost_reply_is_no_crash_even_within_one_millisecond() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let (id, hand) = (bench.one(), bench.hand());
    for _ in 0..5 {
        hand.take_one(&lane);
        // at the same moment: its ask has ended, and it does not know the task
        hand.beat(&[]);
        bench.pass_alive(9);
    }
    let record = bench.record(&id);
    assert_eq!((record.state, record.crashes, record.attempts.len()), (State::Queued, 0, 5));
}

#[test]
fn a_beat_before_the_ask_had_ended_proves_nothing() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let (id, hand) = (bench.one(), bench.hand());
    hand.take_one(&lane);
    let early = Heartbeat::new(hand.worker.clone(), hand.call.get() - 1, Vec::new());
    now(bench.queue.renew(early)).unwrap();
    bench.pass_alive(9);
    assert_eq!(bench.record(&id).crashes, 1);
}

#[test]
fn a_claim_that_was_renewed_and_then_left_out_is_lost_and_no_crash() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let (id, hand) = (bench.one(), bench.hand());
    let lease = hand.take_one(&lane);
    hand.beat(&[&lease]);
    bench.pass_alive(9);
    assert_eq!(bench.record(&id).crashes, 1, "its last beat is the one that renewed it");
    let again = hand.take_one(&lane);
    hand.beat(&[&again]);
    hand.beat(&[]);
    bench.pass_alive(9);
    assert_eq!(bench.record(&id).crashes, 1);
}

#[test]
fn an_outage_is_not_a_crash_and_the_dead_are_found_after_it() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let (lives, dies) = (bench.one(), bench.one());
    let (alive, dead) = (bench.hand(), bench.hand());
    let held = alive.take_one(&lane);
    assert_eq!((&held.key.id, &dead.take_one(&lane).key.id), (&lives, &dies));
    bench.pass(40 * SECOND);
    assert_eq!(bench.state(&lives), State::Running, "a mere caller takes nothing back");
    let other = bench.hand();
    assert!(other.take(&lane, 9).is_empty(), "the first call begins a pause");
    bench.pass(3 * SECOND);
    assert_eq!(alive.beat(&[&held]).tasks, [Renewal::Held]);
    bench.pass(SECOND);
    let given = other.take(&lane, 9);
    assert_eq!(given.iter().map(|lease| &lease.key.id).collect::<Vec<_>>(), [&dies]);
    assert_eq!((bench.record(&lives).crashes, bench.record(&dies).crashes), (0, 1));
}

#[test]
fn a_caller_completes_a_cancel_although_no_worker_lives() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let id = bench.one();
    bench.hand().take_one(&lane);
    bench.cancel(&id);
    bench.pass(69 * SECOND);
    assert_eq!(bench.state(&id), State::Running);
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.state(&id), State::Cancelled);
}

#[test]
fn an_expiry_after_a_cancel_ends_cancelled_and_a_passed_deadline_failed() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let cancelled = bench.one();
    let late = bench.submit(with(task("work"), |new| new.deadline = Some(When::In(SECOND))));
    let dead = bench.hand();
    assert_eq!(dead.take(&lane, 2).len(), 2);
    bench.cancel(&cancelled);
    bench.pass_alive(10);
    assert_eq!(bench.state(&cancelled), State::Cancelled);
    let record = bench.record(&late);
    assert_eq!((record.state, record.crashes), (State::Failed, 1));
    assert_eq!(record.failure.unwrap().code.as_deref(), Some("deadline"));
}

#[test]
fn ten_thousand_claims_that_end_at_once_all_come_back() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let count = 10_000;
    for _ in 0..count / 1000 {
        bench.try_submit((0..1000).map(|_| task("work")).collect::<Vec<_>>()).unwrap();
    }
    let dead = bench.hand();
    while !dead.take(&lane, 9000).is_empty() {}
    let alive = bench.hand();
    (0..8).for_each(|_| {
        bench.pass(SECOND);
        alive.beat(&[]);
    });
    bench.pass(SECOND);
    let mut given = 0;
    loop {
        let leases = alive.take(&lane, 9000);
        if leases.is_empty() {
            break;
        }
        assert!(leases.len() <= 64, "bounded work in one call");
        given += leases.len();
    }
    assert_eq!(given, count);
}
