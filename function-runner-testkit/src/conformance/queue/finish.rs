//! How attempts end.

use std::{sync::Arc, time::Duration};

use function_runner_core::{
    AttemptEnd, Event, EventKind, Failure, Finish, Finished, FollowUp, Labels, Lease, LogLevel, LogLine,
    Numbered, Outcome, Payload, Progress, Report, Retention, State, Task, TaskEnded, TaskId, Tenant,
};
use futures::StreamExt as _;

use super::Subject;
use crate::conformance::{
    hand::{AFTER, Hand, WORK, output, with},
    story::Story,
};

const RELEASE: Outcome = Outcome::Released { after: Duration::ZERO };

fn retry(after: Duration) -> Outcome {
    Outcome::Retry { failure: Failure::transient("try again"), after }
}

pub async fn a_finish_sent_again_answers_the_same(subject: Subject) {
    let hand = subject.hand().await;
    let ends = [
        (output(), State::Succeeded),
        (Outcome::Failed(Failure::permanent("x")), State::Failed),
        (Outcome::Cancelled, State::Cancelled),
    ];
    for (outcome, state) in ends {
        subject.expects("a finish sent again answers the same, and the task ends once");
        let id = subject.one().await;
        let lease = hand.take(&WORK.lane()).await;
        let mut story = Story::default();
        let reader = subject.watch(&id, &mut story).await;
        hand.finished(&lease, outcome.clone(), state).await;
        let first = subject.record(&id).await;
        hand.finished(&lease, outcome.clone(), state).await;
        assert_eq!(subject.record(&id).await, first);
        reader.rest().await;
        subject.expects("twice in one call it answers the same too");
        let id = subject.one().await;
        let lease = hand.take(&WORK.lane()).await;
        let twice = vec![Finish::new(lease.key.clone(), outcome); 2];
        assert_eq!(hand.end(twice).await, [Finished::Done(state); 2]);
        let mut story = Story::default();
        subject.watch(&id, &mut story).await.rest().await;
        assert_eq!(story.end(), Some(state));
    }
}

pub async fn a_release_costs_no_attempt(subject: Subject) {
    subject.expects("a release costs no attempt: after fifty of them it is still the first");
    let (lane, id) = (WORK.lane(), subject.one().await);
    let hand = subject.hand().await;
    let mut fence = 0;
    for _ in 0..50 {
        let lease = hand.take(&lane).await;
        assert_eq!(lease.attempt, 1);
        assert!(lease.key.fence > fence);
        fence = lease.key.fence;
        hand.finished(&lease, RELEASE, State::Queued).await;
    }
    let record = subject.record(&id).await;
    assert_eq!(
        (record.attempt, record.crashes, record.attempts.len()),
        (1, 0, 32),
        "the latest 32 are listed"
    );
    assert!(record.attempts.iter().all(|past| past.end == AttemptEnd::Released && past.attempt == 1));
    let lease = hand.take(&lane).await;
    hand.finished(&lease, output(), State::Succeeded).await;
}

pub async fn a_release_goes_to_the_front(subject: Subject) {
    subject.expects("a release goes to the front of its lane: it has paid");
    let (lane, hand) = (WORK.lane(), subject.hand().await);
    let first = subject.submit(WORK.tasks(3)).await.remove(0);
    subject.submit([WORK.of(10, None)]).await;
    let urgent = hand.take(&lane).await;
    let lease = hand.take(&lane).await;
    assert_eq!(lease.key.id, first);
    hand.finished(&lease, RELEASE, State::Queued).await;
    assert_eq!(subject.record(&first).await.ahead, Some(0), "nothing is ahead of it");
    assert_eq!(hand.take(&lane).await.key.id, first);
    hand.finished(&urgent, output(), State::Succeeded).await;
}

/// Ends an attempt so that the task waits, and gives the lease that comes when the wait is over.
async fn waits(subject: &Subject, hand: &Hand, outcome: Outcome, after: Duration) -> Lease {
    let lane = WORK.lane();
    let lease = subject.until_given(hand, &lane).await;
    hand.finished(&lease, outcome, State::Queued).await;
    let waiting = subject.record(&lease.key.id).await;
    assert!(
        waiting.state == State::Queued && waiting.worker.is_none() && waiting.not_before.is_some(),
        "{waiting:?}"
    );
    if subject.case.is_manual() {
        subject.pass_alive(after - Duration::from_millis(1), hand, &[]).await;
        assert_eq!(hand.try_lease(&lane, 1).await, [], "not yet");
    }
    let again = subject.until_given(hand, &lane).await;
    assert_eq!(again.key.id, lease.key.id);
    let record = subject.record(&again.key.id).await;
    assert!(record.started_at >= waiting.not_before, "due at {:?}: {record:?}", waiting.not_before);
    again
}

pub async fn a_release_with_a_wait_waits(subject: Subject) {
    subject.expects("a release with a wait waits, and uses no attempt");
    let id = subject.one().await;
    let hand = subject.hand().await;
    let after = Duration::from_millis(400);
    let again = waits(&subject, &hand, Outcome::Released { after }, after).await;
    assert_eq!(again.attempt, 1);
    let record = subject.record(&id).await;
    assert_eq!((record.attempts[0].attempt, &record.attempts[0].end), (1, &AttemptEnd::Released));
}

pub async fn a_retry_waits_and_counts(subject: Subject) {
    subject.expects("a retry waits, and the next attempt is one higher");
    let id = subject.one().await;
    let hand = subject.hand().await;
    let after = Duration::from_millis(400);
    let mut story = Story::default();
    let mut reader = subject.watch(&id, &mut story).await;
    reader.next().await.unwrap();
    let again = waits(&subject, &hand, retry(after), after).await;
    assert_eq!(again.attempt, 2);
    let record = subject.record(&id).await;
    let failed = AttemptEnd::Failed(Failure::transient("try again"));
    assert_eq!((record.attempts[0].attempt, &record.attempts[0].end), (1, &failed));
    let told = reader.until(|event| matches!(event.kind, EventKind::Retrying { .. })).await;
    assert_eq!(told.kind, EventKind::Retrying { failure: Failure::transient("try again"), after });
    hand.finished(&again, output(), State::Succeeded).await;
    reader.rest().await;
}

pub async fn the_last_report_is_applied_before_the_outcome(subject: Subject) {
    subject.expects("the last report of an attempt is applied before its outcome, in the same move");
    let (lane, id) = (WORK.lane(), subject.one().await);
    let hand = subject.hand().await;
    let mut story = Story::default();
    let mut reader = subject.watch(&id, &mut story).await;
    reader.next().await.unwrap();
    let mut first = Finish::new(hand.take(&lane).await.key, retry(Duration::ZERO));
    first.last.checkpoint = Some("left".into());
    assert_eq!(hand.end(vec![first]).await, [Finished::Done(State::Queued)]);
    let lease = subject.until_given(&hand, &lane).await;
    assert_eq!(lease.checkpoint.as_deref(), Some(&b"left"[..]), "a checkpoint reaches the next attempt");
    let mut last = Finish::new(lease.key, output());
    last.last = report();
    assert_eq!(hand.end(vec![last]).await, [Finished::Done(State::Succeeded)]);
    let end = reader.rest().await;
    let before: Vec<&Event> =
        story.items.iter().filter(|event| event.seq < end.seq && event.attempt == 2).collect();
    let has = |wanted: fn(&EventKind) -> bool| before.iter().any(|event| wanted(&event.kind));
    assert!(has(|kind| matches!(kind, EventKind::Log(line) if line.message == "bye")), "{before:?}");
    assert!(has(|kind| matches!(kind, EventKind::OutputPart { index: 0, .. })), "{before:?}");
    assert!(
        has(|kind| matches!(kind, EventKind::Progress(progress) if progress.message == "done")),
        "{before:?}"
    );
    let progress = subject.record(&id).await.progress;
    assert_eq!(progress.map(|progress| progress.message).as_deref(), Some("done"), "the record keeps it");
}

fn report() -> Report {
    let mut report = Report::default();
    report.logs = vec![Numbered::new(1, LogLine { level: LogLevel::Info, message: "bye".to_owned() })];
    report.parts = vec![Numbered::new(2, Payload::encode("part").unwrap())];
    report.progress = Some(Numbered::new(3, Progress::new(1.0, "done")));
    report
}

pub async fn after_a_cancel_every_outcome_is_cancelled(subject: Subject) {
    subject
        .expects("after an acknowledged cancel success, failure, retry and release end the task cancelled");
    let hand = subject.hand().await;
    let failed = Outcome::Failed(Failure::permanent("x"));
    let later = Outcome::Released { after: Duration::from_secs(3600) };
    let outcomes = [output(), failed, Outcome::Cancelled, retry(Duration::from_secs(3600)), RELEASE, later];
    for outcome in outcomes {
        let id = subject.one().await;
        let lease = hand.take(&WORK.lane()).await;
        subject.cancel(&id).await;
        let mut story = Story::default();
        let reader = subject.watch(&id, &mut story).await;
        hand.finished(&lease, outcome, State::Cancelled).await;
        reader.rest().await;
        let record = subject.record(&id).await;
        assert_eq!((record.state, record.output), (State::Cancelled, None));
        hand.renew(&[]).await;
    }
}

/// A task with two follow-ups.
fn followed() -> Task {
    let model = AFTER.task();
    let follow_up = |label: &str| {
        let labels = Labels::from([("place".to_owned(), label.to_owned())]);
        FollowUp::new(
            model.function.clone(),
            labels,
            model.lane.clone(),
            model.increment,
            model.envelope.clone(),
        )
    };
    let tenant = Some(Tenant::new("acme").unwrap());
    with(WORK.task(), |task| {
        task.follow_ups = vec![follow_up("first"), follow_up("second")];
        task.tenant = tenant;
    })
}

/// Takes the follow-ups of an ended task, under the ids that all backends agree on.
async fn follow(subject: &Subject, hand: &Hand, id: &TaskId) -> TaskEnded {
    let record = subject.record(id).await;
    assert!(record.state.is_terminal(), "{record:?}");
    let mut leases = hand.try_lease(&AFTER.lane(), 9).await;
    leases.sort_by_key(|lease| lease.task.labels["place"].clone());
    let places = ["first", "second"].map(|place| Labels::from([("place".to_owned(), place.to_owned())]));
    let given: Vec<_> =
        leases.iter().map(|lease| (lease.key.id.clone(), lease.task.labels.clone())).collect();
    let expected = [0, 1].map(|index| (id.follow_up(record.seq, index), places[index].clone()));
    assert_eq!(given, expected, "each once, under the id made of the end");
    for lease in &leases {
        assert!(lease.task.follow_ups.is_empty() && lease.attempt == 1, "{lease:?}");
        hand.finished(lease, output(), State::Succeeded).await;
    }
    let ended: TaskEnded = leases[0].task.input.decode().unwrap();
    assert_eq!(ended, TaskEnded::of(&record), "its input is the end");
    ended
}

pub async fn a_follow_up_is_queued_with_the_end(subject: Subject) {
    let (hand, lane) = (subject.hand().await, WORK.lane());
    subject.expects("a follow-up is queued with the end, once, whatever ended its task");
    for (outcome, state) in
        [(output(), State::Succeeded), (Outcome::Failed(Failure::permanent("x")), State::Failed)]
    {
        let id = subject.submit([followed()]).await.remove(0);
        let lease = hand.take(&lane).await;
        assert_eq!(hand.try_lease(&AFTER.lane(), 9).await, [], "not before");
        for _ in 0..2 {
            hand.finished(&lease, outcome.clone(), state).await;
        }
        follow(&subject, &hand, &id).await;
        assert_eq!(hand.try_lease(&AFTER.lane(), 9).await, [], "once");
    }
    subject.expects("a follow-up is queued where a cancel ended its task");
    let id = subject.submit([followed()]).await.remove(0);
    subject.cancel(&id).await;
    assert_eq!(follow(&subject, &hand, &id).await.state, State::Cancelled);
    subject.expects("a follow-up is queued where a deadline ended its task");
    let short = Duration::from_millis(100);
    let late = with(followed(), |task| task.deadline = Some(short.into()));
    let id = subject.submit([late]).await.remove(0);
    subject.case.pass(short * 2).await;
    let ended = follow(&subject, &hand, &id).await;
    assert_eq!(ended.failure.and_then(|failure| failure.code).as_deref(), Some("deadline"));
    subject.expects("a follow-up is queued where crashes ended its task");
    let mut poison = followed();
    Arc::make_mut(&mut poison.envelope).retry.max_crashes = 1;
    let id = subject.submit([poison]).await.remove(0);
    subject.hand().await.take(&lane).await;
    while subject.state(&id).await == State::Running {
        subject.pass_alive(subject.step(), &hand, &[]).await;
        hand.try_lease(&lane, 1).await;
    }
    let ended = follow(&subject, &hand, &id).await;
    assert_eq!(ended.failure.and_then(|failure| failure.code).as_deref(), Some("crashed"));
}

pub async fn a_result_is_forgotten_after_its_retention(subject: Subject) {
    let kept = Duration::from_millis(300);
    let brief = || {
        let mut task = WORK.task();
        Arc::make_mut(&mut task.envelope).retention = Retention::of(kept);
        task
    };
    let (lane, hand) = (WORK.lane(), subject.hand().await);
    subject
        .expects("a result is forgotten after its retention, and an open watch of an unfinished reader ends");
    let brief_ids = subject.submit([brief(), brief(), brief()]).await;
    let long = subject.one().await;
    let unread = subject.events(&brief_ids[0]).await;
    for (outcome, state) in
        [(output(), State::Succeeded), (Outcome::Failed(Failure::permanent("x")), State::Failed)]
    {
        let lease = hand.take(&lane).await;
        hand.finished(&lease, outcome, state).await;
    }
    subject.cancel(&brief_ids[2]).await;
    let lease = hand.take(&lane).await;
    assert_eq!(lease.key.id, long);
    hand.finished(&lease, output(), State::Succeeded).await;
    subject.pass_alive(kept + Duration::from_millis(20), &hand, &[]).await;
    for id in &brief_ids {
        while !subject.is_unknown(id).await {
            subject.pass_alive(subject.step(), &hand, &[]).await;
        }
    }
    let _: Vec<_> = unread.collect().await;
    assert_eq!(subject.state(&long).await, State::Succeeded, "what is to be kept is kept");
    subject.expects("an id that was forgotten can be used again");
    let again = with(brief(), |task| task.id = brief_ids[0].clone());
    subject.submit([again]).await;
    assert_eq!(hand.take(&lane).await.key.id, brief_ids[0]);
}
