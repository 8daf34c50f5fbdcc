//! From submit to the end: attempts, cancels, deadlines, sequence numbers, follow-ups.

use function_runner_core::{
    AttemptEnd, EventKind, FollowUp, Labels, MAX_TURNS, Numbered, Phase, Priority, Progress, TaskEnded,
    Tenant, Usage, When, seq,
};

use super::*;

#[test]
fn a_retry_counts_and_a_release_does_not() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let (id, hand) = (bench.one(), bench.hand());
    let first = hand.take_one(&lane);
    assert_eq!((first.attempt, bench.record(&id).attempt), (1, 1));
    hand.finished(&first, RELEASE, State::Queued);
    assert_eq!(bench.record(&id).attempt, 1);
    hand.finished(&hand.take_one(&lane), retry(2 * SECOND), State::Queued);
    let waiting = bench.record(&id);
    assert_eq!(
        (waiting.attempt, waiting.ahead, waiting.failure),
        (1, None, Some(Failure::transient("again")))
    );
    bench.pass(2 * SECOND - Duration::from_millis(1));
    assert!(hand.take(&lane, 1).is_empty());
    bench.pass(Duration::from_millis(1));
    let second = hand.take_one(&lane);
    assert_eq!(second.attempt, 2);
    hand.finished(&second, output(), State::Succeeded);
    let ends: Vec<_> = bench.record(&id).attempts.into_iter().map(|past| (past.attempt, past.end)).collect();
    assert_eq!(ends, [(1, AttemptEnd::Released), (1, AttemptEnd::Failed(Failure::transient("again")))]);
}

#[test]
fn usage_says_how_long_it_waited() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let (id, hand) = (bench.one(), bench.hand());
    bench.pass(3 * SECOND);
    let mut finish = Finish::new(hand.take_one(&lane).key, output());
    finish.usage = Usage::of_run(Duration::from_millis(7));
    now(bench.queue.finish(vec![finish])).unwrap();
    let usage = bench.record(&id).usage.unwrap();
    assert_eq!((usage.queued_ms, usage.run_ms), (3000, 7));
}

#[test]
fn a_cancel_ends_whatever_is_not_held() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let hand = bench.hand();
    let ready = bench.one();
    let delayed = bench.submit(with(task("work"), |new| new.delay = Some(When::In(SECOND))));
    for id in [&ready, &delayed] {
        bench.cancel(id);
        bench.cancel(id);
        let record = bench.record(id);
        assert_eq!((record.state, record.cancel_requested), (State::Cancelled, true));
    }
    let retried = bench.one();
    hand.finished(&hand.take_one(&lane), retry(SECOND), State::Queued);
    bench.cancel(&retried);
    assert_eq!(bench.state(&retried), State::Cancelled);
    bench.pass(2 * SECOND);
    assert!(hand.take(&lane, 9).is_empty(), "none of them ever runs");
    let ended = bench.one();
    hand.finished(&hand.take_one(&lane), output(), State::Succeeded);
    let before = bench.record(&ended);
    bench.cancel(&ended);
    assert_eq!(bench.record(&ended), before);
}

#[test]
fn a_deadline_ends_what_waits_and_spares_what_runs() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let hand = bench.hand();
    let late = || with(task("work"), |new| new.deadline = Some(When::In(2 * SECOND)));
    let runs = bench.submit(late());
    let held = hand.take_one(&lane);
    assert_eq!(held.deadline, Some(2 * SECOND));
    let waits = bench.submit(late());
    let delayed = bench.submit(with(late(), |new| new.delay = Some(When::In(60 * SECOND))));
    let past =
        bench.submit(with(task("work"), |new| new.deadline = Some(When::At(bench.moment().before(SECOND)))));
    assert_eq!(bench.state(&past), State::Failed);
    bench.pass(2 * SECOND);
    for id in [&waits, &delayed] {
        let record = bench.record(id);
        assert_eq!((record.state, record.attempt), (State::Failed, 0));
        assert_eq!(record.failure.unwrap().code.as_deref(), Some("deadline"));
    }
    assert_eq!(bench.state(&runs), State::Running);
    hand.finished(&held, retry(Duration::ZERO), State::Queued);
    assert_eq!(
        bench.record(&runs).failure.unwrap().code.as_deref(),
        Some("deadline"),
        "queued again, it is too late"
    );
}

#[test]
fn what_has_missed_its_deadline_is_never_given_however_many_have() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let late = || with(task("work"), |new| new.deadline = Some(When::In(SECOND)));
    let ids: Vec<_> = (0..300).map(|_| bench.submit(late())).collect();
    let good = bench.one();
    bench.pass(SECOND);
    let leases = bench.hand().take(&lane, 400);
    assert_eq!(leases.iter().map(|lease| &lease.key.id).collect::<Vec<_>>(), [&good]);
    assert!(ids.iter().all(|id| bench.state(id) == State::Failed));
}

#[test]
fn sequence_numbers_are_worked_out_from_turn_phase_and_item() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let (id, hand) = (bench.one(), bench.hand());
    let at = |turn, phase, n| assert_eq!(bench.record(&id).seq, seq(turn, phase, n));
    at(1, Phase::Still, 0);
    let lease = hand.take_one(&lane);
    at(1, Phase::Running, 0);
    let mut report = Report::default();
    report.progress = Some(Numbered::new(7, Progress::new(0.5, "half")));
    hand.report(&lease, report.clone());
    at(1, Phase::Running, 7);
    bench.cancel(&id);
    at(1, Phase::Stopping, 0);
    hand.report(&lease, report.clone());
    at(1, Phase::Stopping, 0);
    report.progress = Some(Numbered::new(8, Progress::new(0.6, "more")));
    hand.report(&lease, report);
    at(1, Phase::Stopping, 8);
    hand.finished(&lease, output(), State::Cancelled);
    at(2, Phase::Still, 0);
}

#[test]
fn a_task_with_too_many_turns_ends_below_the_limit() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let (id, hand) = (bench.one(), bench.hand());
    {
        let mut store = bench.queue.shared.lock();
        let at = store.known(&id).unwrap();
        store.rows[at].turns = MAX_TURNS - 4;
    }
    hand.finished(&hand.take_one(&lane), RELEASE, State::Queued);
    hand.finished(&hand.take_one(&lane), RELEASE, State::Queued);
    let lease = hand.take_one(&lane);
    hand.finished(&lease, RELEASE, State::Failed);
    let record = bench.record(&id);
    assert_eq!(record.failure.unwrap().code.as_deref(), Some("turns"));
    assert!(record.seq < 1 << 53, "{}", record.seq);
    let refused = now(function_runner_core::Operate::requeue(&bench.queue, &id)).unwrap_err();
    assert_eq!(refused.kind(), function_runner_core::ErrorKind::NotDead);
}

#[test]
fn the_latest_attempts_are_listed_and_no_more() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let (id, hand) = (bench.one(), bench.hand());
    for _ in 0..40 {
        hand.finished(&hand.take_one(&lane), retry(Duration::ZERO), State::Queued);
    }
    let numbers: Vec<_> = bench.record(&id).attempts.iter().map(|past| past.attempt).collect();
    assert_eq!(numbers, (9..=40).collect::<Vec<_>>());
}

/// A task followed by two others.
fn followed() -> Task {
    let model = task("after");
    let follow_up = |place: &str| {
        let labels = Labels::from([("place".to_owned(), place.to_owned())]);
        FollowUp::new(model.function.clone(), labels, model.lane.clone(), 77, model.envelope.clone())
    };
    let (tenant, priority) = (Some(Tenant::new("acme").unwrap()), Priority::new(9).unwrap());
    with(task("work"), |new| {
        new.follow_ups = vec![follow_up("first"), follow_up("second")];
        new.tenant = tenant;
        new.priority = priority;
    })
}

#[test]
fn a_follow_up_comes_with_the_end_once_and_again_after_a_requeue() {
    let bench = Bench::built(|builder| builder.depth(1));
    let (hand, work, after) = (bench.hand(), lane("work"), lane("after"));
    let id = bench.submit(followed());
    let mut last = 0;
    for _ in 0..2 {
        let lease = hand.take_one(&work);
        hand.finished(&lease, failed(), State::Failed);
        hand.finished(&lease, failed(), State::Failed);
        let record = bench.record(&id);
        assert!(record.seq > last);
        last = record.seq;
        let given = hand.take(&after, 9);
        assert_eq!(given.len(), 2, "a follow-up ignores the depth, and comes once");
        for (index, lease) in given.iter().enumerate() {
            let expected = id.follow_up(record.seq, index);
            let stored = given.iter().find(|lease| lease.key.id == expected).unwrap();
            assert_eq!(
                (&stored.task.tenant, stored.task.priority, stored.task.increment),
                (&record.task.tenant, record.task.priority, 77)
            );
            assert_eq!(stored.task.input.decode::<TaskEnded>().unwrap(), TaskEnded::of(&record));
            hand.finished(lease, output(), State::Succeeded);
        }
        now(function_runner_core::Operate::requeue(&bench.queue, &id)).unwrap();
    }
}

#[test]
fn a_finish_sent_again_counts_where_it_ended_the_task() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let (id, hand) = (bench.one(), bench.hand());
    let released = hand.take_one(&lane);
    hand.finished(&released, RELEASE, State::Queued);
    assert_eq!(hand.finish(&released, RELEASE), Finished::Lost, "it is nobody's now");
    let lease = hand.take_one(&lane);
    let twice = vec![Finish::new(lease.key, output()); 2];
    assert_eq!(now(bench.queue.finish(twice)).unwrap(), [Finished::Done(State::Succeeded); 2]);
    assert_eq!(hand.finish(&released, output()), Finished::Lost);
    assert_eq!(bench.record(&id).seq, seq(3, Phase::Still, 0));
}

#[test]
fn the_last_report_comes_before_the_end() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let (id, hand) = (bench.one(), bench.hand());
    let mut stream = bench.watch(&id, Seen::default());
    let mut finish = Finish::new(hand.take_one(&lane).key, output());
    finish.last.progress = Some(Numbered::new(2, Progress::new(1.0, "whole")));
    finish.last.parts = vec![Numbered::new(1, Payload::encode("part").unwrap())];
    now(bench.queue.finish(vec![finish])).unwrap();
    let kinds: Vec<_> = heard(&mut stream).into_iter().map(|event| event.kind).collect();
    assert!(matches!(
        kinds[..],
        [
            EventKind::Snapshot(_),
            EventKind::Started { .. },
            EventKind::OutputPart { turn: 1, index: 0, .. },
            EventKind::Progress(_),
            EventKind::Succeeded(Some(_))
        ]
    ));
    assert!(has_ended(&mut stream));
}
