//! Nothing grows for ever: retention, and what is left after everything.

use function_runner_core::{Dedupe, ErrorKind, FollowUp, Labels, Numbered, Retention, When};

use super::*;
use crate::memory::timers::MAX_SERVED;

fn brief(result: u64, dead: u64) -> Task {
    let mut task = task("work");
    let mut retention = Retention::default();
    (retention.result, retention.dead) = (Duration::from_secs(result), Duration::from_secs(dead));
    Arc::make_mut(&mut task.envelope).retention = retention;
    task
}

#[test]
fn what_ended_is_forgotten_after_its_retention_and_no_sooner() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let hand = bench.hand();
    let good = brief(2, 4);
    let (good_id, bad) = (bench.submit(good.clone()), bench.submit(brief(2, 4)));
    hand.finished(&hand.take_one(&lane), output(), State::Succeeded);
    hand.finished(&hand.take_one(&lane), failed(), State::Failed);
    bench.pass(2 * SECOND - Duration::from_millis(1));
    assert_eq!(bench.state(&good_id), State::Succeeded);
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.try_record(&good_id).unwrap_err().kind(), ErrorKind::UnknownTask);
    assert_eq!(bench.state(&bad), State::Failed);
    assert_eq!(bench.try_submit([good]).unwrap(), [Submitted::New], "the id is free again");
    bench.pass(2 * SECOND);
    assert!(bench.try_record(&bad).is_err());
}

#[test]
fn a_call_forgets_so_many_and_none_that_it_left_is_ever_seen() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let hand = bench.hand();
    let ids: Vec<_> = (0..300).map(|_| bench.submit(brief(1, 1))).collect();
    hand.take(&lane, 9000).iter().for_each(|lease| hand.finished(lease, output(), State::Succeeded));
    bench.pass(SECOND);
    let rows = || bench.queue.shared.lock().rows.len();
    assert!(bench.try_record(&ids[299]).is_err());
    assert_eq!(rows(), 300 - MAX_SERVED - 1, "the swept, and the one that was looked for");
    assert!(bench.try_record(&ids[150]).is_err());
    let list = now(function_runner_core::Inspect::tasks(&bench.queue, Default::default())).unwrap();
    assert_eq!(list.items.len(), 0);
    (0..5).for_each(|_| drop(bench.try_record(&ids[0])));
    assert_eq!(rows(), 0);
}

#[test]
fn a_call_asleep_forgets_what_is_left_in_the_end() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let hand = bench.hand();
    (0..1000).for_each(|_| drop(bench.submit(brief(1, 1))));
    hand.take(&lane, 9000).iter().for_each(|lease| hand.finished(lease, output(), State::Succeeded));
    let mut open = bench.queue.lease(hand.ask(&[&lane], 1));
    assert!((&mut open).now_or_never().is_none());
    bench.pass(SECOND);
    for _ in 0..20 {
        assert!((&mut open).now_or_never().is_none());
        bench.pass(bench.times.flush);
    }
    assert_eq!(bench.queue.shared.lock().rows.len(), 0);
}

/// Every way in which a task can end or wait, and whatever hangs on it.
fn all_sorts(bench: &Bench) {
    let hand = bench.hand();
    let (work, after) = (lane("work"), lane("after"));
    hand.join([function("work").template().unwrap(), function("after").template().unwrap()]);
    let model = task("after");
    let follow_up =
        FollowUp::new(model.function.clone(), Labels::new(), model.lane.clone(), 7, model.envelope);
    let base = || with(brief(60, 60), |new| new.follow_ups = vec![follow_up.clone()]);
    let dedupe = Some(Dedupe::new("k", 30 * SECOND));
    bench.submit(with(base(), |new| new.dedupe = dedupe));
    bench.submit(with(base(), |new| new.delay = Some(When::In(SECOND))));
    bench.submit(with(base(), |new| {
        new.deadline = Some(When::In(SECOND));
        new.lane = lane("never");
    }));
    let cancelled = bench.submit(base());
    bench.cancel(&cancelled);
    bench.crashed(with(base(), |new| new.lane = lane("poison")), 3);
    let mut watched = bench.watch(&bench.submit(base()), Seen::default());
    loop {
        let leases = [hand.take(&work, 9), hand.take(&after, 9)].concat();
        if leases.is_empty() {
            break;
        }
        for (at, lease) in leases.iter().enumerate() {
            let mut report = Report::default();
            report.checkpoint = Some("left".into());
            report.parts = vec![Numbered::new(1, Payload::encode("part").unwrap())];
            hand.report(lease, report);
            let outcome = if at % 2 == 0 || lease.attempt > 1 { output() } else { retry(Duration::ZERO) };
            hand.finish(lease, outcome);
        }
    }
    heard(&mut watched);
    let mut open = bench.queue.lease(hand.ask(&[&work], 1));
    assert!((&mut open).now_or_never().is_none());
    drop(open);
    drop(bench.watch(&bench.one(), Seen::default()));
    hand.finished(&hand.take_one(&work), output(), State::Succeeded);
    hand.join([]);
}

#[test]
fn after_everything_has_ended_and_its_time_is_over_nothing_is_left() {
    let bench = Bench::new();
    all_sorts(&bench);
    let left = bench.sizes();
    assert!(
        left.iter().any(|(name, _)| *name == "keys") && left.iter().any(|(name, _)| *name == "rows"),
        "{left:?}"
    );
    let caller = bench.hand();
    for _ in 0..32 * 24 {
        bench.pass(3600 * SECOND);
        caller.beat(&[]);
    }
    assert_eq!(bench.sizes(), []);
}

#[test]
fn no_more_ended_tasks_are_kept_than_the_history_takes() {
    let bench = Bench::built(|builder| builder.history(2));
    let hand = bench.hand();
    let ids: Vec<TaskId> = (0..4)
        .map(|_| {
            bench.pass(SECOND);
            let id = bench.one();
            let lease = hand.take_one(&lane("work"));
            hand.finished(&lease, Outcome::Cancelled, State::Cancelled);
            id
        })
        .collect();
    bench.one();
    let known: Vec<bool> = ids.iter().map(|id| bench.try_record(id).is_ok()).collect();
    assert_eq!(known, [false, false, true, true], "the oldest went first");
}
