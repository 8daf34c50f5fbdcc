//! Delays and deadlines.

use std::time::Duration;

use function_runner_core::{ErrorKind, State, Task, When};
use serde_json::{Value, json};

use super::Caller;
use crate::conformance::functions::ECHO;

const HOUR: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(300);

/// Whether the subject keeps tasks that start later; one that does not must say so to a task with a delay.
async fn delays(caller: &Caller, task: &Task) -> bool {
    if caller.executor.capabilities().delay {
        return true;
    }
    caller.expects("a backend that keeps no tasks for later refuses one with a delay");
    let error = caller.executor.submit(vec![task.clone()]).await.expect_err("it is refused");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
    false
}

pub async fn a_delayed_task_waits(caller: Caller) {
    let far = caller.task_with(ECHO, json!("far"), |request| request.delay = Some(When::In(HOUR))).await;
    if !delays(&caller, &far).await {
        return;
    }
    caller.expects("a delayed task does not start before its delay is over, by the store's clock");
    let soon = caller.task_with(ECHO, json!("soon"), |request| request.delay = Some(When::In(SHORT))).await;
    caller.submit_all(vec![far.clone(), soon.clone()]).await;
    let accepted = caller.record(&far.id).await;
    assert_eq!((accepted.state, accepted.attempt), (State::Queued, 0));
    assert_eq!(accepted.not_before, Some(accepted.created_at.after(HOUR)));

    let moment = accepted.created_at.after(SHORT * 2);
    let at = caller.task_with(ECHO, json!("at"), |request| request.delay = Some(When::At(moment))).await;
    caller.submit(at.clone()).await;
    caller.call(ECHO, json!("one that does not wait")).await;
    if caller.case.is_manual() {
        assert_eq!(caller.board().runs(&soon.id), 0, "its time has not come");
    }
    caller.case.pass(SHORT * 3).await;
    for task in [&soon, &at] {
        caller.output::<Value>(&task.id).await;
        let record = caller.record(&task.id).await;
        let due = task.delay.unwrap().due(record.created_at);
        assert!(record.started_at.is_some_and(|started| started >= due), "it is due at {due}: {record:?}");
    }
    let waits = caller.record(&far.id).await;
    assert_eq!((waits.state, caller.board().runs(&far.id)), (State::Queued, 0));
}

pub async fn a_deadline_that_passes_while_queued_ends_the_task_failed(caller: Caller) {
    let accepted = caller.start(ECHO, json!("tells the store's time")).await;
    let later = caller.record(&accepted).await.created_at.after(HOUR);
    // a moment and a duration: nobody but the store can tell which comes first
    let task = caller.task_with(ECHO, json!("late"), |request| {
        request.delay = Some(When::At(later));
        request.deadline = Some(When::In(SHORT));
    });
    let task = task.await;
    if !delays(&caller, &task).await {
        return;
    }
    caller.expects("a deadline that passes while queued ends the task failed, and it never runs");
    let id = caller.submit(task).await;
    let queued = caller.record(&id).await;
    assert_eq!(queued.deadline, Some(queued.created_at.after(SHORT)));
    caller.case.pass(SHORT + Duration::from_millis(20)).await;
    let failure = caller.failure(&id).await;
    assert_eq!(failure.code.as_deref(), Some("deadline"), "{failure:?}");
    let record = caller.record(&id).await;
    assert_eq!((record.state, record.attempt, caller.board().runs(&id)), (State::Failed, 0, 0));
    assert!(record.finished_at >= record.deadline, "not before its deadline: {record:?}");
    caller.expects("a deadline that is kept changes nothing");
    let task =
        caller.task_with(ECHO, json!("in time"), |request| request.deadline = Some(When::In(HOUR))).await;
    assert_eq!(caller.output::<Value>(&caller.submit(task).await).await, json!("in time"));
}
