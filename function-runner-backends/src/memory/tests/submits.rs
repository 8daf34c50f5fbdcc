//! Taking tasks in: conflicts, deduplication keys, depth.

use function_runner_core::{Dedupe, ErrorKind, Labels, Name, Tenant, When};

use super::*;

fn keyed(key: &str) -> Task {
    with(task("work"), |new| new.dedupe = Some(Dedupe::new(key, 60 * SECOND)))
}

#[test]
fn a_conflict_leaves_nothing_of_its_batch() {
    let bench = Bench::new();
    let first = task("work");
    bench.submit(first.clone());
    let other = with(first.clone(), |new| new.labels = Labels::from([("a".to_owned(), "b".to_owned())]));
    let batch = vec![task("work"), other, task("work")];
    let ids: Vec<_> = batch.iter().map(|task| task.id.clone()).collect();
    let refused = bench.try_submit(batch).unwrap_err();
    assert_eq!((refused.kind(), refused.task()), (ErrorKind::Conflict, Some(&first.id)));
    assert!(bench.try_record(&ids[0]).is_err() && bench.try_record(&ids[2]).is_err());
    assert_eq!(*bench.record(&first.id).task, first);
    let again = [first.clone(), task("work")];
    assert_eq!(bench.try_submit(again).unwrap(), [Submitted::AlreadyKnown, Submitted::New]);
    let hand = bench.hand();
    hand.take(&lane("work"), 9).iter().for_each(|lease| hand.finished(lease, output(), State::Succeeded));
    assert_eq!(bench.try_submit([first]).unwrap(), [Submitted::AlreadyKnown], "also after the end");
}

#[test]
fn a_dedupe_key_stands_for_its_window_whatever_became_of_its_task() {
    let bench = Bench::new();
    let older = keyed("k");
    bench.submit(older.clone());
    bench.cancel(&older.id);
    let duplicate = Submitted::Duplicate(older.id.clone());
    let newer = keyed("k");
    let again = bench.try_submit(vec![newer.clone()]).unwrap();
    assert_eq!(again, vec![duplicate.clone()]);
    assert!(bench.try_record(&newer.id).is_err(), "it was not stored");
    assert_eq!(bench.try_submit([older]).unwrap(), [Submitted::AlreadyKnown], "the id is looked at first");
    bench.pass(60 * SECOND - Duration::from_millis(1));
    assert_eq!(bench.try_submit([newer.clone()]).unwrap(), [duplicate]);
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.try_submit([newer.clone()]).unwrap(), [Submitted::New]);
    assert_eq!(bench.try_submit([keyed("k")]).unwrap(), [Submitted::Duplicate(newer.id)]);
}

#[test]
fn a_dedupe_key_is_its_tenants_and_its_functions() {
    let bench = Bench::new();
    bench.submit(keyed("k"));
    let mut elsewhere = keyed("k");
    elsewhere.function.name = Name::new("other").unwrap();
    let theirs = with(keyed("k"), |new| new.tenant = Some(Tenant::new("acme").unwrap()));
    assert_eq!(bench.try_submit([elsewhere, theirs, keyed("j")]).unwrap(), [const { Submitted::New }; 3]);
}

#[test]
fn within_a_batch_the_first_of_a_key_wins() {
    let bench = Bench::new();
    let batch = [keyed("k"), keyed("k"), keyed("j")];
    let first = batch[0].id.clone();
    assert_eq!(
        bench.try_submit(batch).unwrap(),
        [Submitted::New, Submitted::Duplicate(first), Submitted::New]
    );
}

#[test]
fn a_full_lane_refuses_a_batch_whole_and_says_which() {
    let bench = Bench::built(|builder| builder.depth(3));
    let delayed = || with(task("work"), |new| new.delay = Some(When::In(60 * SECOND)));
    let known = delayed();
    bench.submit(known.clone());
    bench.submit(delayed());
    let batch = vec![task("other"), known.clone(), task("work"), task("work")];
    let ids: Vec<_> = batch.iter().map(|task| task.id.clone()).collect();
    let refused = bench.try_submit(batch).unwrap_err();
    assert_eq!((refused.kind(), refused.task()), (ErrorKind::QueueFull, Some(&ids[3])));
    assert!(refused.is_retryable());
    let text = refused.to_string();
    assert!(text.contains("work@1.0:standard") && text.contains("limit of 3"), "{text}");
    assert!(bench.try_record(&ids[0]).is_err() && bench.try_record(&ids[2]).is_err(), "nothing was stored");
    bench.one();
    assert_eq!(bench.try_submit([task("work")]).unwrap_err().kind(), ErrorKind::QueueFull);
    assert_eq!(bench.try_submit([known, task("other")]).unwrap(), [Submitted::AlreadyKnown, Submitted::New]);
    let hand = bench.hand();
    let lease = hand.take_one(&lane("work"));
    bench.one();
    hand.finished(&lease, RELEASE, State::Queued);
    assert_eq!(bench.state(&lease.key.id), State::Queued, "what was accepted goes back into a full lane");
}

#[test]
fn what_no_backend_takes_is_refused_before_the_store_is_asked() {
    let bench = Bench::new();
    let batch: Vec<Task> = (0..1001).map(|_| task("work")).collect();
    assert_eq!(bench.try_submit(batch).unwrap_err().kind(), ErrorKind::TooLarge);
    let twice = task("work");
    assert_eq!(bench.try_submit([twice.clone(), twice]).unwrap_err().kind(), ErrorKind::InvalidCall);
    assert_eq!(bench.sizes(), []);
}
