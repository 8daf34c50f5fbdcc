//! What a heartbeat does and hears.

use std::time::Duration;

use function_runner_core::{
    Beat, Event, EventKind, Failure, Finish, Finished, Lease, LogLevel, LogLine, Numbered, Outcome, Payload,
    Progress, Renewal, Report, State, TaskId,
};

use super::Subject;
use crate::conformance::{
    hand::{Hand, OTHER, WORK, output},
    story::Story,
};

fn line(text: &str) -> LogLine {
    LogLine { level: LogLevel::Info, message: text.to_owned() }
}

fn part(text: &str) -> Payload {
    Payload::encode(text).unwrap()
}

pub async fn a_batch_is_leased_renewed_and_finished_in_one_call_each(subject: Subject) {
    subject.expects("a batch is leased in one call");
    let ids = subject.submit(WORK.tasks(5)).await;
    let hand = subject.hand().await;
    let leases = hand.try_lease(&WORK.lane(), 5).await;
    assert_eq!(
        leases.iter().map(|lease| lease.key.id.clone()).collect::<Vec<_>>(),
        ids,
        "in the order of work"
    );
    subject.expects("a batch is renewed in one call, answered in the order asked");
    subject.cancel(&ids[1]).await;
    let release = Outcome::Released { after: Duration::ZERO };
    hand.finished(&leases[3], release, State::Queued).await;
    let renewed = hand.renew(&leases).await;
    let (held, lost) = (Renewal::Held, Renewal::Lost);
    assert_eq!(renewed.tasks, [held, Renewal::CancelRequested, held, lost, held]);
    assert!(renewed.joined && !renewed.drain);
    subject.expects("a batch is finished in one call, answered in the order asked");
    let failure = Failure::permanent("x");
    let outcomes =
        [output(), output(), Outcome::Failed(failure), Outcome::Released { after: Duration::ZERO }, output()];
    let done =
        leases.iter().zip(outcomes).map(|(lease, outcome)| Finish::new(lease.key.clone(), outcome)).collect();
    let ended = hand.end(done).await;
    let states = [State::Succeeded, State::Cancelled, State::Failed, State::Queued, State::Succeeded];
    let mut expected = states.map(Finished::Done);
    expected[3] = Finished::Lost;
    assert_eq!(ended, expected);
    assert_eq!(
        (hand.renew(&[]).await.tasks, hand.end(Vec::new()).await),
        (vec![], vec![]),
        "and of nothing, nothing"
    );
}

pub async fn a_renewed_lease_does_not_expire(subject: Subject) {
    subject.expects("a renewed lease does not expire, over several lease times");
    let (lane, id) = (WORK.lane(), subject.one().await);
    let (hand, other) = (subject.hand().await, subject.far_hand().await);
    let held = [hand.take(&lane).await];
    let times = subject.case.times;
    for _ in 0..16 {
        // sooner than a worker beats, for a machine that is slow
        subject.case.pass(times.beat().min(times.gap) * 3 / 4).await;
        assert_eq!(other.try_lease(&lane, 1).await, [], "nobody else is given it before a beat is late");
        assert_eq!(hand.renew(&held).await.tasks, [Renewal::Held]);
        assert_eq!(other.try_lease(&lane, 1).await, [], "nor after it");
    }
    let record = subject.record(&id).await;
    assert_eq!((record.crashes, record.worker), (0, Some(hand.worker.clone())));
    hand.finished(&held[0], output(), State::Succeeded).await;
}

pub async fn an_old_fence_is_lost(subject: Subject) {
    subject.expects("an old fence is `Lost` for renew and finish, and changes nothing");
    let (lane, id) = (WORK.lane(), subject.one().await);
    let (first, second) = (subject.hand().await, subject.far_hand().await);
    let old = first.take(&lane).await;
    first.finished(&old, Outcome::Released { after: Duration::ZERO }, State::Queued).await;
    late(&subject, &first, &old).await;
    let new = second.take(&lane).await;
    late(&subject, &first, &old).await;
    assert_eq!(
        second.renew(std::slice::from_ref(&new)).await.tasks,
        [Renewal::Held],
        "the new one is unharmed"
    );
    second.finished(&new, output(), State::Succeeded).await;
    late(&subject, &first, &old).await;
    subject.expects("a fence that never was is `Lost`");
    let mut unknown = old.clone();
    unknown.key.id = TaskId::unique();
    assert_eq!(first.renew(&[unknown.clone()]).await.tasks, [Renewal::Lost]);
    assert_eq!(first.finish(&unknown, output()).await, Finished::Lost);
    assert_eq!(subject.state(&id).await, State::Succeeded);
}

/// Everything the holder of an old claim may try.
async fn late(subject: &Subject, hand: &Hand, old: &Lease) {
    let before = subject.record(&old.key.id).await;
    let mut report = Report::default();
    report.progress = Some(Numbered::new(9, Progress::new(0.9, "late")));
    report.checkpoint = Some("late".into());
    assert_eq!(hand.report(old, report).await, Renewal::Lost);
    let retry = Outcome::Retry { failure: Failure::transient("late"), after: Duration::ZERO };
    for outcome in [output(), Outcome::Cancelled, retry] {
        assert_eq!(hand.finish(old, outcome).await, Finished::Lost);
    }
    let after = subject.record(&old.key.id).await;
    assert_eq!((after.seq, after.state, after.attempt), (before.seq, before.state, before.attempt));
    assert_eq!((after.progress, after.worker), (before.progress, before.worker));
}

pub async fn a_report_sent_again_says_nothing_new(subject: Subject) {
    subject.expects("items at or under the last number are dropped");
    let (lane, id) = (WORK.lane(), subject.one().await);
    let hand = subject.hand().await;
    let lease = hand.take(&lane).await;
    let mut story = Story::default();
    let mut reader = subject.watch(&id, &mut story).await;
    reader.next().await.unwrap();
    let mut report = Report::default();
    report.logs = vec![Numbered::new(1, line("a")), Numbered::new(2, line("b"))];
    report.parts = vec![Numbered::new(3, part("one")), Numbered::new(4, part("two"))];
    report.progress = Some(Numbered::new(5, Progress::new(0.5, "half")));
    for _ in 0..2 {
        assert_eq!(hand.report(&lease, report.clone()).await, Renewal::Held);
    }
    // the same again with something new behind it, as a worker does that heard no answer
    report.logs.push(Numbered::new(6, line("c")));
    report.parts.push(Numbered::new(7, part("three")));
    report.progress = Some(Numbered::new(8, Progress::new(0.75, "more")));
    assert_eq!(hand.report(&lease, report.clone()).await, Renewal::Held);
    let mut last = Finish::new(lease.key.clone(), output());
    last.last = report;
    assert_eq!(hand.end(vec![last]).await, [Finished::Done(State::Succeeded)]);
    reader.rest().await;
    let told = |event: &Event| match &event.kind {
        EventKind::Log(line) => Some(line.message.clone()),
        EventKind::OutputPart { index, part, .. } => {
            Some(format!("{index} {}", part.decode::<String>().unwrap()))
        }
        EventKind::Progress(progress) => Some(progress.message.clone()),
        _ => None,
    };
    let mut told: Vec<String> = story.items.iter().filter_map(told).collect();
    told.sort();
    assert_eq!(told, ["0 one", "1 two", "2 three", "a", "b", "c", "half", "more"], "each once");
}

pub async fn a_worker_that_did_not_join_is_told(subject: Subject) {
    subject.expects("a worker that did not join is told so, and joins again");
    let hand = Hand::stranger(subject.queue());
    assert!(!hand.renew(&[]).await.joined);
    hand.serve([WORK.template()]).await;
    assert!(hand.renew(&[]).await.joined);
    let far = Hand::stranger(subject.again().await.queue.unwrap());
    assert!(!far.renew(&[]).await.joined, "another's join does not count");
    assert!(hand.renew(&[]).await.joined);
}

pub async fn the_revision_tells_of_new_templates(subject: Subject) {
    subject
        .expects("the revision of a beat's reply is that of the templates, and stays while nothing changed");
    let hand = Hand::stranger(subject.queue());
    hand.serve([WORK.template()]).await;
    let revision = async |subject: &Subject| subject.executor().templates(0).await.unwrap().unwrap().revision;
    let first = hand.renew(&[]).await.revision;
    assert_eq!((hand.renew(&[]).await.revision, revision(&subject).await), (first, first));
    subject.one().await;
    let lease = hand.take(&WORK.lane()).await;
    hand.finished(&lease, output(), State::Succeeded).await;
    assert_eq!(hand.renew(&[]).await.revision, first, "work changes no templates");
    subject.expects("new templates have another revision");
    let other = Hand::stranger(subject.again().await.queue.unwrap());
    other.serve([WORK.template(), OTHER.template()]).await;
    let second = hand.renew(&[]).await.revision;
    assert!(second != first && second == revision(&subject).await && (1..1 << 53).contains(&second));
    subject.expects("a worker coming or going changes the revision only through templates");
    other.leave().await;
    let third = Hand::stranger(subject.queue());
    third.serve([WORK.template(), OTHER.template()]).await;
    assert_eq!(hand.renew(&[]).await.revision, second);
}

pub async fn a_checkpoint_is_kept_over_a_crash(subject: Subject) {
    subject.expects("after a crash the next attempt gets the last checkpoint that arrived");
    let (lane, id) = (WORK.lane(), subject.one().await);
    let (dead, alive) = (subject.hand().await, subject.far_hand().await);
    let lost = dead.take(&lane).await;
    assert_eq!(lost.checkpoint, None);
    for text in ["one", "two"] {
        let mut report = Report::default();
        report.checkpoint = Some(text.into());
        dead.beat(vec![Beat::new(lost.key.clone(), report)]).await;
    }
    let again = subject.until_given(&alive, &lane).await;
    assert_eq!((&again.key.id, again.checkpoint.as_deref()), (&id, Some(&b"two"[..])));
    subject.expects("a checkpoint is kept over a release and a retry too");
    alive.finished(&again, Outcome::Released { after: Duration::ZERO }, State::Queued).await;
    let again = alive.take(&lane).await;
    assert_eq!(again.checkpoint.as_deref(), Some(&b"two"[..]));
    let retry = Outcome::Retry { failure: Failure::transient("x"), after: Duration::ZERO };
    alive.finished(&again, retry, State::Queued).await;
    let again = subject.until_given(&alive, &lane).await;
    assert_eq!((again.attempt, again.checkpoint.as_deref()), (2, Some(&b"two"[..])));
}
