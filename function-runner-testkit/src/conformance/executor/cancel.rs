//! What a cancel does, in every state.

use std::time::Duration;

use function_runner_core::{EventKind, RetryPolicy, State, When};
use serde_json::{Value, json};

use super::Caller;
use crate::conformance::{
    functions::{ECHO, FLAKY, HANG, STUBBORN},
    story::Story,
};

pub async fn cancel_reaches_the_body(caller: Caller) {
    caller.expects("the token of the body fires, and the task ends cancelled");
    let id = caller.running(HANG, ()).await;
    caller.cancel(&id).await;
    let record = caller.cancelled(&id).await;
    assert_eq!((caller.board().cancels(&id), record.output), (1, None));
}

pub async fn cancel_is_idempotent(caller: Caller) {
    caller.expects("asked twice a cancel answers twice");
    let id = caller.running(STUBBORN, ()).await;
    let mut story = Story::default();
    let mut reader = caller.watch(&id, &mut story).await;
    reader.next().await.unwrap();
    for _ in 0..3 {
        caller.cancel(&id).await;
    }
    assert!(caller.record(&id).await.cancel_requested);
    caller.board().signal(&id);
    reader.rest().await;
    caller.cancel(&id).await;
    let asked = story.items.iter().filter(|event| event.kind == EventKind::CancelRequested).count();
    assert!(asked <= 1, "it is acknowledged once: {:?}", story.items);
    assert_eq!(story.end(), Some(State::Cancelled));
}

pub async fn a_cancelled_task_that_waited_never_runs(caller: Caller) {
    caller.expects("a cancelled task that waited ends at once and never runs");
    let hour = Duration::from_secs(3600);
    let waits = caller.task_with(ECHO, json!("x"), |request| request.delay = Some(When::In(hour))).await;
    let id = caller.submit(waits).await;
    caller.cancel(&id).await;
    let record = caller.record(&id).await;
    assert_eq!((record.state, record.attempt), (State::Cancelled, 0), "at once: {record:?}");
    caller.cancelled(&id).await;
    caller.call(ECHO, json!("one that comes later")).await;
    assert_eq!(caller.board().runs(&id), 0);
}

pub async fn a_cancel_of_an_ended_task_changes_nothing(caller: Caller) {
    caller.expects("a cancel of an ended task answers and changes nothing");
    let id = caller.start(ECHO, json!("x")).await;
    caller.output::<Value>(&id).await;
    let before = caller.record(&id).await;
    caller.cancel(&id).await;
    assert_eq!(caller.record(&id).await, before);
    assert_eq!(caller.output::<Value>(&id).await, json!("x"));
}

pub async fn after_an_acknowledged_cancel_there_is_no_success(caller: Caller) {
    caller.expects("after an acknowledged cancel there is no success, although the body succeeds");
    let id = caller.running(STUBBORN, ()).await;
    caller.cancel(&id).await;
    let asked = caller.record(&id).await;
    assert!(asked.state == State::Running && asked.cancel_requested, "the body goes on: {asked:?}");
    caller.board().signal(&id);
    let record = caller.cancelled(&id).await;
    assert_eq!((record.output, record.failure), (None, None));
}

pub async fn a_cancel_while_a_retry_waits_ends_the_task(caller: Caller) {
    caller.expects("a cancel while a retry waits ends the task at once");
    // the wait is drawn from zero on: of so long ones none is short
    let long = Duration::from_secs(30 * 365 * 24 * 3600);
    let retry = RetryPolicy::exponential(3).first_delay(long).max_delay(long);
    let task = caller.task_with(FLAKY, 99, |request| request.retry = Some(retry)).await;
    let id = caller.submit(task).await;
    let mut story = Story::default();
    let mut reader = caller.watch(&id, &mut story).await;
    reader
        .until(|event| match &event.kind {
            EventKind::Snapshot(record) => record.state == State::Queued && record.attempt == 1,
            kind => matches!(kind, EventKind::Retrying { .. }),
        })
        .await;
    caller.cancel(&id).await;
    let record = caller.record(&id).await;
    assert_eq!((record.state, record.attempt), (State::Cancelled, 1), "at once: {record:?}");
    assert_eq!(reader.rest().await.end(), Some(State::Cancelled));
    assert_eq!(caller.board().runs(&id), 1);
}
