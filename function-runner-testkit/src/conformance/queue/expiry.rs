//! What becomes of a task whose worker died.

use std::{pin::pin, sync::Arc, time::Duration};

use function_runner_core::{AttemptEnd, EventKind, Finished, Outcome, State, outcome};
use futures::future::{join, select};

use super::Subject;
use crate::conformance::{
    hand::{Hand, WORK, output, with},
    story::Story,
};

pub async fn a_dead_worker_costs_one_lease(subject: Subject) {
    subject.expects("the task of a dead worker is leased again after one lease, without any reaper");
    let (lane, lease_time) = (WORK.lane(), subject.case.times.lease);
    let id = subject.one().await;
    let (dead, alive) = (subject.hand().await, subject.far_hand().await);
    let lost = dead.take(&lane).await;
    let begun = subject.record(&id).await.started_at.unwrap();
    let again = subject.until_given(&alive, &lane).await;
    assert_eq!(again.key.id, id);
    assert!(again.key.fence > lost.key.fence);
    let begun_again = subject.record(&id).await.started_at.unwrap();
    let silence = begun_again.since(begun);
    assert!(silence >= lease_time, "not before its lease of {lease_time:?} is over: {silence:?}");
    if subject.case.is_manual() {
        assert!(silence <= lease_time + subject.case.times.gap, "one lease and one call: {silence:?}");
    }
    alive.finished(&again, output(), State::Succeeded).await;

    subject.expects("an open lease call is given the task of a dead worker");
    let id = subject.one().await;
    dead.take(&lane).await;
    let take = alive.take(&lane);
    let again = subject.while_alive(lease_time + subject.step(), &alive, &[], take).await;
    assert_eq!(again.key.id, id);
    alive.finished(&again, output(), State::Succeeded).await;
    an_open_call_wakes_by_itself(&subject, &dead, &alive).await;
}

/// Two calls sleep before there is anything; who is given the task dies, and nobody beats.
async fn an_open_call_wakes_by_itself(subject: &Subject, one: &Hand, two: &Hand) {
    subject.expects(
        "an open lease call is given the task of a worker that died later, though nobody calls meanwhile",
    );
    let lane = WORK.lane();
    let (first, second) = (pin!(one.take(&lane)), pin!(two.take(&lane)));
    let calls = select(first, second);
    let (taken, id) = join(calls, subject.one()).await;
    let (lost, waits) = taken.factor_first();
    assert_eq!(lost.key.id, id);
    let again = subject.while_passing(subject.case.times.lease, waits).await;
    assert_eq!((&again.key.id, again.attempt), (&id, 1));
    assert!(again.key.fence > lost.key.fence);
}

pub async fn a_crash_is_no_attempt(subject: Subject) {
    subject.expects("a crash is no attempt: the number stays, the fence rises");
    let (lane, id) = (WORK.lane(), subject.one().await);
    let mut story = Story::default();
    let mut reader = subject.watch(&id, &mut story).await;
    reader.next().await.unwrap();
    let (dead, alive) = (subject.hand().await, subject.far_hand().await);
    let lost = dead.take(&lane).await;
    let again = subject.until_given(&alive, &lane).await;
    assert_eq!((again.attempt, lost.attempt), (1, 1));
    assert!(again.key.fence > lost.key.fence);
    let record = subject.record(&id).await;
    assert_eq!((record.crashes, record.attempt, record.worker.as_ref()), (1, 1, Some(&alive.worker)));
    let past = record.attempts.iter().map(|past| (past.attempt, &past.worker, &past.end)).collect::<Vec<_>>();
    assert_eq!(past, [(1, &dead.worker, &AttemptEnd::Lost)]);
    subject.expects("a watcher hears that the worker was lost and that another started");
    reader.until(|event| event.kind == EventKind::Lost).await;
    let started = reader.until(|event| matches!(event.kind, EventKind::Started { .. })).await;
    assert_eq!(started.kind, EventKind::Started { worker: alive.worker.clone() });
    alive.finished(&again, output(), State::Succeeded).await;
    reader.rest().await;
}

pub async fn a_lost_reply_is_no_crash(subject: Subject) {
    subject.expects(
        "where a later beat left the task out although its ask had ended, the reply was lost: no crash",
    );
    let (lane, id) = (WORK.lane(), subject.one().await);
    let hand = subject.hand().await;
    for _ in 0..4 {
        // the claim is forgotten; the beats that follow leave it out and say that the ask has ended
        let forgotten = subject.until_given(&hand, &lane).await;
        assert_eq!((&forgotten.key.id, forgotten.attempt), (&id, 1));
        hand.renew(&[]).await;
    }
    let lease = subject.until_given(&hand, &lane).await;
    let record = subject.record(&id).await;
    assert_eq!((record.crashes, record.attempt), (0, 1));
    hand.finished(&lease, output(), State::Succeeded).await;
}

pub async fn after_two_crashes_a_task_is_a_suspect(subject: Subject) {
    subject.expects("after two crashes a task waits in its lane's twin");
    let id = subject.crashed(WORK, 2).await;
    let record = subject.record(&id).await;
    assert_eq!((record.state, record.crashes), (State::Queued, 2));
    let hand = subject.hand().await;
    assert_eq!(hand.try_lease(&WORK.lane(), 9).await, [], "it is not in its lane");
    let lease = hand.take(&WORK.lane().twin()).await;
    assert_eq!((&lease.key.id, lease.attempt), (&id, 1));
    assert!(lease.suspect, "its claim says so, for a worker holds one such at most: {lease:?}");
    hand.finished(&lease, output(), State::Succeeded).await;
}

pub async fn after_three_crashes_a_task_is_a_dead_letter(subject: Subject) {
    subject.expects("after three crashes a task is a dead letter, with the code `crashed`");
    let id = subject.crashed(WORK, 3).await;
    let record = subject.record(&id).await;
    assert_eq!((record.state, record.crashes, record.attempt), (State::Failed, 3, 1));
    let error = outcome(subject.executor(), &id).await.expect_err("it failed");
    let failure = error.failure().unwrap_or_else(|| panic!("{error:?}"));
    assert_eq!(failure.code.as_deref(), Some("crashed"), "{failure:?}");
    let hand = subject.hand().await;
    for lane in [WORK.lane(), WORK.lane().twin()] {
        assert_eq!(hand.try_lease(&lane, 9).await, [], "{lane} has it no more");
    }
    subject.expects("who allowed fewer crashes has the dead letter earlier");
    let brittle = with(WORK.task(), |task| Arc::make_mut(&mut task.envelope).retry.max_crashes = 1);
    let id = subject.submit([brittle]).await.remove(0);
    hand.take(&WORK.lane()).await;
    let alive = subject.far_hand().await;
    while subject.state(&id).await == State::Running {
        subject.pass_alive(subject.step(), &alive, &[]).await;
        alive.try_lease(&WORK.lane(), 1).await;
    }
    assert_eq!((subject.state(&id).await, subject.record(&id).await.crashes), (State::Failed, 1));
}

pub async fn a_cancel_survives_the_death_of_its_worker(subject: Subject) {
    subject.expects("an expiry after an acknowledged cancel ends the task cancelled");
    let (lane, id) = (WORK.lane(), subject.one().await);
    let (dead, alive) = (subject.hand().await, subject.far_hand().await);
    let lost = dead.take(&lane).await;
    subject.cancel(&id).await;
    while subject.state(&id).await == State::Running {
        subject.pass_alive(subject.step(), &alive, &[]).await;
        assert_eq!(alive.try_lease(&lane, 1).await, [], "it is not given again");
    }
    assert_eq!(subject.state(&id).await, State::Cancelled);
    let release = Outcome::Released { after: Duration::ZERO };
    for late in [output(), release] {
        assert_eq!(dead.finish(&lost, late).await, Finished::Lost, "too late");
    }
}
