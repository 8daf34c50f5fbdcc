//! The cases of what an operator can do.

use std::{sync::Arc, time::Duration};

use function_runner_core::{
    ErrorKind, EventKind, Failure, FunctionRef, Intake, Lease, LeaseReply, Operate, Outcome, Payload,
    Renewal, Request, Result, State, Task, TaskId, Tenant, Weight, WorkerId, outcome, turn_of,
};

use super::{
    NamedCase,
    hand::{Hand, OTHER, WORK, output, with},
    queue::{Open, Subject},
    story::Story,
};

const RELEASE: Outcome = Outcome::Released { after: Duration::ZERO };

/// All cases, over a connection that has a queue and `operate`.
pub fn cases() -> Vec<NamedCase<Open>> {
    crate::__conformance_cases! { operate, __conformance_data [queue run side 1] }
}

fn operate(subject: &Subject) -> Arc<dyn Operate> {
    subject.connection.operate.clone().expect("a connection of this suite has what an operator can do")
}

fn done(answer: Result<()>) {
    answer.unwrap_or_else(|error| panic!("it is done: {error:?}"));
}

fn refused(answer: Result<()>, kind: ErrorKind) {
    match answer {
        Ok(()) => panic!("it is refused as {kind}"),
        Err(error) => assert_eq!(error.kind(), kind, "{error:?}"),
    }
}

/// A task that ended Failed.
async fn dead_letter(subject: &Subject, hand: &Hand, task: Task) -> TaskId {
    let id = subject.submit([task]).await.remove(0);
    let lease = hand.take(&WORK.lane()).await;
    assert_eq!(lease.key.id, id);
    hand.finished(&lease, Outcome::Failed(Failure::permanent("x")), State::Failed).await;
    id
}

pub async fn a_paused_lane_gives_nothing(subject: Subject) {
    subject.expects("a paused lane gives nothing, nor does its twin");
    let suspect = subject.crashed(WORK, 2).await;
    let ids = subject.submit(WORK.tasks(3)).await;
    let hand = subject.hand().await;
    let held = hand.take(&WORK.lane()).await;
    done(operate(&subject).pause(&WORK.lane()).await);
    done(operate(&subject).pause(&WORK.lane()).await);
    assert_eq!(hand.try_lease(&WORK.lane(), 9).await, []);
    assert_eq!(hand.try_lease(&WORK.lane().twin(), 9).await, []);
    subject.expects("other lanes go on, and running tasks too");
    let other = subject.submit([OTHER.task()]).await.remove(0);
    let (lane, twin, beside) = (WORK.lane(), WORK.lane().twin(), OTHER.lane());
    let asked = [(&lane, 9), (&twin, 9), (&beside, 9)];
    let given = hand.call(hand.ask(&asked)).await.leases;
    assert_eq!(given.iter().map(|lease| &lease.key.id).collect::<Vec<_>>(), [&other]);
    let renewed = hand.renew(std::slice::from_ref(&held)).await;
    assert_eq!(renewed.tasks, [Renewal::Held]);
    hand.finished(&held, RELEASE, State::Queued).await;
    assert_eq!(hand.try_lease(&lane, 9).await, [], "what comes back to it waits as well");
    subject.expects("a task of a paused lane can be cancelled");
    subject.cancel(&ids[2]).await;
    assert_eq!(subject.state(&ids[2]).await, State::Cancelled);
    assert_eq!(subject.state(&suspect).await, State::Queued);
}

pub async fn a_resumed_lane_goes_on(subject: Subject) {
    subject.expects("a resumed lane goes on, its twin too, and waiting workers are woken");
    let hand = subject.far_hand().await;
    let (lane, operate) = (WORK.lane(), operate(&subject));
    let suspect = subject.crashed(WORK, 2).await;
    done(operate.pause(&lane).await);
    let id = subject.one().await;
    let resumes = async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        done(operate.resume(&lane).await);
    };
    let (lease, ()) = futures::future::join(hand.take(&lane), resumes).await;
    assert_eq!(lease.key.id, id);
    assert_eq!(hand.take(&lane.twin()).await.key.id, suspect);
    subject.expects("a lane that is not paused can be resumed");
    done(operate.resume(&lane).await);
    subject.one().await;
    hand.take(&lane).await;
}

pub async fn deadlines_and_delays_run_on_in_a_pause(subject: Subject) {
    subject.expects("deadlines run on in a pause");
    let short = Duration::from_millis(200);
    let hand = subject.hand().await;
    done(operate(&subject).pause(&WORK.lane()).await);
    let late = with(WORK.task(), |task| task.deadline = Some(short.into()));
    let delayed = with(WORK.task(), |task| task.delay = Some(short.into()));
    let ids = subject.submit([late, delayed]).await;
    subject.pass_alive(short + Duration::from_millis(20), &hand, &[]).await;
    let error = outcome(subject.executor(), &ids[0]).await.expect_err("its deadline has passed");
    let code = error.failure().and_then(|failure| failure.code.as_deref());
    assert_eq!(code, Some("deadline"), "{error:?}");
    subject.expects("delays run on in a pause");
    assert_eq!(hand.try_lease(&WORK.lane(), 9).await, [], "and nothing is given for it");
    done(operate(&subject).resume(&WORK.lane()).await);
    assert_eq!(hand.take(&WORK.lane()).await.key.id, ids[1]);
}

pub async fn a_pause_outlives_an_empty_lane(subject: Subject) {
    subject.expects("a pause outlives an empty lane: what comes later waits as well");
    let hand = subject.hand().await;
    let first = subject.one().await;
    done(operate(&subject).pause(&WORK.lane()).await);
    subject.cancel(&first).await;
    let later = subject.one().await;
    assert_eq!(hand.try_lease(&WORK.lane(), 9).await, []);
    subject.expects("a lane that never had a task can be paused");
    done(operate(&subject).pause(&OTHER.lane()).await);
    subject.submit([OTHER.task()]).await;
    assert_eq!(hand.try_lease(&OTHER.lane(), 9).await, []);
    done(operate(&subject).resume(&WORK.lane()).await);
    assert_eq!(hand.take(&WORK.lane()).await.key.id, later);
    assert_eq!(hand.try_lease(&OTHER.lane(), 9).await, [], "one resume is of one lane");
}

pub async fn a_drained_worker_is_told(subject: Subject) {
    subject.expects("a drained worker is told by its next beat, and its open lease call ends early");
    let (hand, other) = (subject.far_hand().await, subject.hand().await);
    let lane = WORK.lane();
    let drains = async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        done(operate(&subject).drain(&hand.worker).await);
    };
    let (reply, ()) = futures::future::join(hand.call(hand.ask(&[(&lane, 1)])), drains).await;
    assert_eq!(reply, LeaseReply::default());
    assert!(hand.renew(&[]).await.drain && hand.renew(&[]).await.drain, "and by those after it");
    assert!(!other.renew(&[]).await.drain, "others are not");
    subject.expects("a worker that does not live cannot be drained");
    refused(operate(&subject).drain(&WorkerId::unique()).await, ErrorKind::InvalidCall);
}

pub async fn a_requeued_dead_letter_runs_again(subject: Subject) {
    let hand = subject.hand().await;
    subject.expects("a requeued dead letter runs again under the same id, its counts at zero");
    let id = subject.crashed(WORK, 3).await;
    let dead = subject.record(&id).await;
    done(operate(&subject).requeue(&id).await);
    let record = subject.record(&id).await;
    assert_eq!((record.state, record.attempt, record.crashes), (State::Queued, 0, 0));
    assert_eq!((record.finished_at, record.output.as_ref()), (None, None));
    assert!(
        record.seq > dead.seq && turn_of(record.seq) > turn_of(dead.seq),
        "by an event of its own: {record:?}"
    );
    let mut story = Story::default();
    let mut reader = subject.watch(&id, &mut story).await;
    let first = reader.next().await.unwrap();
    assert!(matches!(first.kind, EventKind::Snapshot(_)) && first.seq == record.seq);
    let lease = hand.take(&WORK.lane()).await;
    assert_eq!((&lease.key.id, lease.attempt), (&id, 1));
    subject.expects("one more terminal event follows a requeue");
    hand.finished(&lease, output(), State::Succeeded).await;
    let end = reader.rest().await;
    assert_eq!(end.end(), Some(State::Succeeded));
    assert!(end.seq > record.seq);
    outcome(subject.executor(), &id).await.unwrap();
}

pub async fn a_requeue_clears_a_deadline_that_has_passed(subject: Subject) {
    subject.expects("a requeue clears a deadline that has passed");
    let short = Duration::from_millis(100);
    let hand = subject.hand().await;
    let late = with(WORK.task(), |task| task.deadline = Some(short.into()));
    let id = subject.submit([late]).await.remove(0);
    subject.pass_alive(short * 2, &hand, &[]).await;
    assert_eq!(subject.state(&id).await, State::Failed);
    done(operate(&subject).requeue(&id).await);
    let record = subject.record(&id).await;
    assert_eq!((record.state, record.deadline), (State::Queued, None));
    let lease = hand.take(&WORK.lane()).await;
    assert_eq!((&lease.key.id, lease.deadline), (&id, None));
    subject.expects("a requeue keeps a deadline that has not passed");
    let hour = Duration::from_secs(3600);
    let timely = with(WORK.task(), |task| task.deadline = Some(hour.into()));
    let id = dead_letter(&subject, &hand, timely).await;
    let before = subject.record(&id).await.deadline;
    done(operate(&subject).requeue(&id).await);
    assert_eq!(subject.record(&id).await.deadline, before);
    assert!(hand.take(&WORK.lane()).await.deadline.is_some());
}

pub async fn only_a_dead_letter_can_be_requeued(subject: Subject) {
    subject.expects("only a dead letter can be requeued, anything else is `not_dead`");
    let (hand, operate) = (subject.hand().await, operate(&subject));
    let id = subject.one().await;
    refused(operate.requeue(&id).await, ErrorKind::NotDead);
    let lease = hand.take(&WORK.lane()).await;
    refused(operate.requeue(&id).await, ErrorKind::NotDead);
    hand.finished(&lease, output(), State::Succeeded).await;
    refused(operate.requeue(&id).await, ErrorKind::NotDead);
    assert_eq!(subject.state(&id).await, State::Succeeded);
    let cancelled = subject.one().await;
    subject.cancel(&cancelled).await;
    refused(operate.requeue(&cancelled).await, ErrorKind::NotDead);
    refused(operate.requeue(&TaskId::unique()).await, ErrorKind::UnknownTask);
    subject.expects("a dead letter can be requeued once");
    let dead = dead_letter(&subject, &hand, WORK.task()).await;
    done(operate.requeue(&dead).await);
    refused(operate.requeue(&dead).await, ErrorKind::NotDead);
}

pub async fn a_purged_dead_letter_is_unknown(subject: Subject) {
    subject.expects("a purged dead letter is unknown, and others stay");
    let (hand, operate) = (subject.hand().await, operate(&subject));
    let (one, two) =
        (dead_letter(&subject, &hand, WORK.task()).await, dead_letter(&subject, &hand, WORK.task()).await);
    done(operate.purge(&one).await);
    assert!(subject.is_unknown(&one).await);
    assert_eq!(subject.state(&two).await, State::Failed);
    refused(operate.purge(&one).await, ErrorKind::UnknownTask);
    refused(operate.requeue(&one).await, ErrorKind::UnknownTask);
    subject.expects("only a dead letter can be purged");
    let id = subject.one().await;
    refused(operate.purge(&id).await, ErrorKind::NotDead);
    let lease = hand.take(&WORK.lane()).await;
    hand.finished(&lease, output(), State::Succeeded).await;
    refused(operate.purge(&id).await, ErrorKind::NotDead);
    assert_eq!(subject.state(&id).await, State::Succeeded);
}

/// A task of this tenant, as a caller with fresh templates makes it.
async fn by_intake(intake: &Intake, tenant: &Tenant) -> Task {
    let function: FunctionRef = WORK.template().function.to_string().parse().unwrap();
    let mut request = Request::new(function, Payload::encode("x").unwrap());
    request.tenant = Some(tenant.clone());
    intake.admit(request).await.unwrap_or_else(|error| panic!("intake: {error:?}"))
}

pub async fn a_weight_changes_the_share(subject: Subject) {
    subject
        .expects("a weight changes the share of what is submitted after callers have seen the new revision");
    let hand = subject.hand().await;
    let (heavy, light) = (Tenant::new("heavy").unwrap(), Tenant::new("light").unwrap());
    let before = subject.executor().templates(0).await.unwrap().unwrap();
    let weight = Weight::new(384).unwrap();
    done(operate(&subject).set_weight(&heavy, weight).await);
    let set = subject.executor().templates(before.revision).await.unwrap().expect("the revision is another");
    assert_eq!((set.weights.get(&heavy), set.weights.get(&light)), (Some(&weight), None));
    assert_eq!(hand.renew(&[]).await.revision, set.revision, "workers hear of it");
    let intake = Intake::new(subject.connection.executor.clone()).knowing(set);
    let mut tasks = Vec::new();
    for tenant in [&heavy, &light] {
        for _ in 0..40 {
            tasks.push(by_intake(&intake, tenant).await);
        }
    }
    subject.submit(tasks).await;
    let mut heavies = 0;
    for _ in 0..40 {
        let lease: Lease = hand.take(&WORK.lane()).await;
        heavies += u32::from(lease.task.tenant.as_ref() == Some(&heavy));
        hand.finished(&lease, output(), State::Succeeded).await;
    }
    assert!((28..=32).contains(&heavies), "three of four, three times the weight: {heavies} of 40");
    subject.expects("the default weight is told no more");
    done(operate(&subject).set_weight(&heavy, Weight::default()).await);
    let set = subject.executor().templates(0).await.unwrap().unwrap();
    assert_eq!((set.weights.is_empty(), set.revision), (true, before.revision));
}
