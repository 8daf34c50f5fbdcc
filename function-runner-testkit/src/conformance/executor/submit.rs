//! What becomes of a submit: batches, conflicts, limits.

use function_runner_core::{
    Error, ErrorKind, MAX_BATCH, MAX_PAYLOAD, Payload, Priority, State, Submitted, Task, TaskId, outcome,
};
use serde_json::{Value, json};

use super::Caller;
use crate::conformance::{
    functions::{ECHO, HANG},
    hand::with,
};

/// Submits what must be refused.
async fn refused(caller: &Caller, tasks: Vec<Task>, kind: ErrorKind) -> Error {
    match caller.executor.submit(tasks).await {
        Ok(became) => panic!("it is refused as {kind}, yet it became {:?}", &became[..became.len().min(5)]),
        Err(error) => {
            assert_eq!(error.kind(), kind, "{error:?}");
            error
        }
    }
}

pub async fn output_round_trips(caller: Caller) {
    caller.expects("a submitted task runs and its output comes back as the body gave it");
    let extremes = json!({
        "numbers": [i64::MAX, i64::MIN, u64::MAX, 0, -1, 0.1, 1e300, 9_007_199_254_740_993_i64],
        "texts": ["", "ünïcode \u{1F600}", "line\nbreak\ttab \"quoted\" \\ /", "\u{0}\u{7f}"],
        "nested": { "empty": {}, "none": null, "list": [[], [[true, false]]] },
    });
    for input in [json!(null), json!("hi"), json!([]), extremes] {
        assert_eq!(caller.call(ECHO, input.clone()).await, input);
    }
}

pub async fn submit_is_idempotent(caller: Caller) {
    caller.expects("the same id with the same content answers `AlreadyKnown`, and the body runs once");
    let task = caller.task(ECHO, json!("once")).await;
    assert_eq!(caller.submit_all(vec![task.clone()]).await, [Submitted::New]);
    assert_eq!(caller.submit_all(vec![task.clone()]).await, [Submitted::AlreadyKnown]);
    assert_eq!(caller.output::<Value>(&task.id).await, json!("once"));
    caller.expects("it answers so also after the end, and beside new ones in a batch");
    let other = caller.task(ECHO, json!("another")).await;
    let became = caller.submit_all(vec![task.clone(), other.clone()]).await;
    assert_eq!(became, [Submitted::AlreadyKnown, Submitted::New]);
    caller.output::<Value>(&other.id).await;
    assert_eq!((caller.board().runs(&task.id), caller.record(&task.id).await.state), (1, State::Succeeded));
}

pub async fn other_content_under_a_known_id_is_a_conflict(caller: Caller) {
    caller.expects("other content under a known id is a conflict, whose error names the task");
    let first = caller.task(ECHO, json!("first")).await;
    caller.submit(first.clone()).await;
    let mut others = vec![first.clone(); 4];
    others[0].input = Payload::encode("second").unwrap();
    others[1].labels.insert("added".into(), "label".into());
    others[2].priority = Priority::new(7).unwrap();
    others[3] = caller.task_with(HANG, (), |request| request.id = first.id.clone()).await;
    for other in others {
        let error = refused(&caller, vec![other], ErrorKind::Conflict).await;
        assert_eq!(error.task(), Some(&first.id), "{error:?}");
    }
    caller.expects("the first task is unharmed by a conflict");
    assert_eq!(caller.output::<Value>(&first.id).await, json!("first"));
    assert_eq!(caller.board().runs(&first.id), 1);
    let late = with(first.clone(), |task| task.input = Payload::encode("third").unwrap());
    refused(&caller, vec![late], ErrorKind::Conflict).await;
    assert_eq!(caller.output::<Value>(&first.id).await, json!("first"), "also after its end");
}

pub async fn a_batch_is_stored_whole_or_not_at_all(caller: Caller) {
    caller.expects("a conflict in a batch leaves none of its tasks behind");
    let known = caller.task(ECHO, json!("known")).await;
    caller.submit(known.clone()).await;
    let other = with(known.clone(), |task| task.input = Payload::encode("other").unwrap());
    let (before, after) = (caller.task(ECHO, json!(1)).await, caller.task(ECHO, json!(2)).await);
    let batch = vec![before.clone(), other, after.clone()];
    let error = refused(&caller, batch, ErrorKind::Conflict).await;
    assert_eq!(error.task(), Some(&known.id), "{error:?}");
    caller.is_unknown(&before.id).await;
    caller.is_unknown(&after.id).await;
    caller.expects("without the conflict all of them are stored");
    let batch = vec![before.clone(), known, after.clone()];
    assert_eq!(caller.submit_all(batch).await, [Submitted::New, Submitted::AlreadyKnown, Submitted::New]);
    assert_eq!(caller.output::<Value>(&before.id).await, json!(1));
    assert_eq!(caller.output::<Value>(&after.id).await, json!(2));
    caller.expects("an empty batch is stored as nothing");
    assert_eq!(caller.submit_all(Vec::new()).await, []);
}

pub async fn a_batch_over_its_limits_is_too_large(caller: Caller) {
    let model = caller.task(ECHO, json!("x")).await;
    let some = |count: usize, input: &Payload| -> Vec<Task> {
        let one = |_| {
            with(model.clone(), |task| {
                task.id = TaskId::unique();
                task.input = input.clone();
            })
        };
        (0..count).map(one).collect()
    };
    caller.expects("more than 1,000 tasks store nothing");
    let many = some(MAX_BATCH + 1, &model.input);
    refused(&caller, many.clone(), ErrorKind::TooLarge).await;
    caller.is_unknown(&many[0].id).await;
    caller.is_unknown(&many[MAX_BATCH].id).await;
    caller.expects("payloads of more than 32 MiB together store nothing");
    let heavy = some(4, &Payload::encode(&"x".repeat(9 << 20)).unwrap());
    refused(&caller, heavy.clone(), ErrorKind::TooLarge).await;
    caller.is_unknown(&heavy[0].id).await;
    caller.expects("a payload of more than 10 MiB stores nothing, and the error names its task");
    let huge = some(1, &Payload::from_stored(vec![b' '; MAX_PAYLOAD + 1]));
    let error = refused(&caller, huge.clone(), ErrorKind::TooLarge).await;
    assert_eq!(error.task(), Some(&huge[0].id), "{error:?}");
    caller.is_unknown(&huge[0].id).await;
    caller.expects("1,000 tasks are stored");
    let full = some(MAX_BATCH, &model.input);
    let last = full[MAX_BATCH - 1].id.clone();
    let became = caller.submit_all(full).await;
    assert!(became.len() == MAX_BATCH && became.iter().all(|one| *one == Submitted::New));
    outcome(&*caller.executor, &last).await.unwrap();
}

pub async fn an_id_twice_in_one_batch_is_refused(caller: Caller) {
    caller.expects("an id twice in one batch is bad use of the call, with nothing stored");
    let (twice, other) = (caller.task(ECHO, json!(1)).await, caller.task(ECHO, json!(2)).await);
    let error =
        refused(&caller, vec![twice.clone(), other.clone(), twice.clone()], ErrorKind::InvalidCall).await;
    assert_eq!(error.task(), Some(&twice.id), "{error:?}");
    caller.is_unknown(&twice.id).await;
    caller.is_unknown(&other.id).await;
}
