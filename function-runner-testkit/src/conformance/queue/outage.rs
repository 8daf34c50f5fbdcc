//! Outages, which are no crashes, and timers, which callers serve too.

use std::time::Duration;

use function_runner_core::{EventKind, Renewal, State, When};

use super::Subject;
use crate::conformance::{
    hand::{WORK, output, with},
    story::Story,
};

pub async fn an_outage_is_not_a_crash(subject: Subject) {
    subject.expects("a gap in which no worker called lets live workers renew first");
    let (lane, id) = (WORK.lane(), subject.one().await);
    let (hand, other) = (subject.hand().await, subject.far_hand().await);
    let lease = hand.take(&lane).await;
    // callers go on meanwhile, and expire nothing that has not ended long ago
    for _ in 0..2 {
        subject.case.pass(subject.case.times.lease).await;
        assert_eq!(subject.state(&id).await, State::Running);
        subject.one().await;
    }
    let elsewhere = other.try_lease(&lane, 9).await;
    assert!(
        elsewhere.iter().all(|lease| lease.key.id != id),
        "the first call after the gap takes nothing away"
    );
    assert_eq!(hand.renew(std::slice::from_ref(&lease)).await.tasks, [Renewal::Held]);
    assert_eq!(subject.record(&id).await.crashes, 0);
    hand.finished(&lease, output(), State::Succeeded).await;
}

pub async fn after_an_outage_the_dead_are_still_found(subject: Subject) {
    subject.expects("a lone slow caller keeps nothing dead alive");
    let (lane, id) = (WORK.lane(), subject.one().await);
    let (dead, lone) = (subject.hand().await, subject.far_hand().await);
    dead.take(&lane).await;
    // every one of its calls finds a gap
    let slow = subject.case.times.gap * 5 / 4;
    for calls in 1.. {
        subject.case.pass(slow).await;
        let given = lone.try_lease(&lane, 1).await;
        if let [lease] = &given[..] {
            assert_eq!(lease.key.id, id);
            break;
        }
        assert!(!subject.case.is_manual() || calls < 5, "it is found once its lease and one pause are over");
    }
    assert_eq!(subject.record(&id).await.crashes, 1);
}

pub async fn a_caller_serves_timers(subject: Subject) {
    let deadline = Duration::from_millis(200);
    let late = || with(WORK.task(), |task| task.deadline = Some(When::In(deadline)));
    subject.expects("a deadline ends its task with no worker alive, when a caller looks");
    let id = subject.submit([late()]).await.remove(0);
    subject.case.pass(deadline + Duration::from_millis(20)).await;
    let record = subject.record(&id).await;
    assert_eq!((record.state, record.attempt), (State::Failed, 0));
    assert_eq!(record.failure.and_then(|failure| failure.code).as_deref(), Some("deadline"));
    subject.expects("a watch serves it too, and an open one hears of it");
    let id = subject.submit([late()]).await.remove(0);
    subject.case.pass(deadline + Duration::from_millis(20)).await;
    let mut story = Story::default();
    let first = subject.watch(&id, &mut story).await.next().await.unwrap();
    assert_eq!(first.end(), Some(State::Failed), "{first:?}");
    let id = subject.submit([late()]).await.remove(0);
    let mut story = Story::default();
    let mut open = subject.watch(&id, &mut story).await;
    open.next().await.unwrap();
    let times = subject.case.times;
    subject.case.pass(deadline + times.lease * 2).await;
    assert!(matches!(open.rest().await.kind, EventKind::Failed(_) | EventKind::Snapshot(_)));

    subject.expects("a cancel completes although its worker died and no other lives");
    let id = subject.one().await;
    let dead = subject.hand().await;
    dead.take(&WORK.lane()).await;
    subject.cancel(&id).await;
    if subject.case.is_manual() {
        subject.case.pass(times.lease * 2).await;
        assert_eq!(subject.state(&id).await, State::Running, "a mere caller waits longer than a worker");
    }
    subject.case.pass(times.lease + times.late + times.gap).await;
    assert_eq!(subject.state(&id).await, State::Cancelled);
}
