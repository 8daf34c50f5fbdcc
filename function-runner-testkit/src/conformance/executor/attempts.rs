//! The life of a task over its attempts, and what follows it.

use function_runner_core::{
    AttemptEnd, FailureClass, FollowUpRequest, Labels, Quality, Request, State, TaskEnded, TaskId,
    TaskRecord, Tenant, When,
};
use serde_json::{Value, json};

use super::Caller;
use crate::conformance::functions::{ECHO, ENDED, FLAKY, HANG, REFUSE, RESUME, SIGHT, SLOW, STUCK, Sight};

/// The attempts that failed and were followed by another: their numbers and what they said.
fn failed_attempts(record: &TaskRecord) -> Vec<(u32, String)> {
    let failed = |end: &AttemptEnd| match end {
        AttemptEnd::Failed(failure) => failure.message.clone(),
        other => panic!("an attempt that failed is listed so: {other:?}"),
    };
    record.attempts.iter().map(|past| (past.attempt, failed(&past.end))).collect()
}

fn said(attempts: std::ops::RangeInclusive<u32>) -> Vec<(u32, String)> {
    attempts.map(|attempt| (attempt, format!("attempt {attempt} failed"))).collect()
}

pub async fn retries_until_success(caller: Caller) {
    caller.expects("a transient failure is tried again, with the attempt's number one higher");
    let id = caller.start(FLAKY, 3).await;
    assert_eq!(caller.output::<u32>(&id).await, 3);
    let record = caller.record(&id).await;
    assert_eq!((record.state, record.attempt, record.crashes), (State::Succeeded, 3, 0));
    assert_eq!(failed_attempts(&record), said(1..=2));
    assert_eq!((record.failure, caller.board().runs(&id)), (None, 3));
}

pub async fn a_permanent_failure_is_not_retried(caller: Caller) {
    caller.expects("a permanent failure takes one attempt, and the record has the failure");
    let id = caller.start(REFUSE, ()).await;
    let failure = caller.failure(&id).await;
    assert_eq!((failure.class, failure.message.as_str()), (FailureClass::Permanent, "refused on purpose"));
    let told = (failure.code.as_deref(), failure.remedy.as_deref());
    assert_eq!(told, (Some("refused"), Some("ask another")), "the function's own words are kept");
    let record = caller.record(&id).await;
    assert_eq!((record.state, record.attempt, caller.board().runs(&id)), (State::Failed, 1, 1));
    assert_eq!(record.failure, Some(failure));
}

pub async fn attempts_end_at_the_most(caller: Caller) {
    caller.expects("the last failure is the task's, and each attempt before it is listed");
    let id = caller.start(FLAKY, 99).await;
    let failure = caller.failure(&id).await;
    assert_eq!((failure.class, failure.message.as_str()), (FailureClass::Transient, "attempt 4 failed"));
    let record = caller.record(&id).await;
    assert_eq!((record.state, record.attempt, caller.board().runs(&id)), (State::Failed, 4, 4));
    let before = failed_attempts(&record).into_iter().filter(|(attempt, _)| *attempt < 4).collect::<Vec<_>>();
    assert_eq!(before, said(1..=3));
}

pub async fn a_checkpoint_reaches_the_next_attempt(caller: Caller) {
    caller.expects("a checkpoint reaches the next attempt as the last attempt left it");
    let id = caller.start(RESUME, ()).await;
    assert_eq!(caller.output::<String>(&id).await, "half");
    assert_eq!(caller.record(&id).await.attempt, 2);
}

pub async fn an_attempt_past_its_timeout_is_ended(caller: Caller) {
    caller.expects("an attempt past its timeout is ended and tried again by the policy");
    let id = caller.start(SLOW, ()).await;
    let attempt = caller.output::<u32>(&id).await;
    assert!(attempt > 1, "the first attempt never ends by itself");
    let record = caller.record(&id).await;
    match &record.attempts[0].end {
        AttemptEnd::Failed(failure) => assert_eq!(failure.code.as_deref(), Some("timeout"), "{failure:?}"),
        other => panic!("an attempt past its timeout failed: {other:?}"),
    }
    caller.expects("a blocking body that ignores its token ends its attempt all the same");
    let id = caller.running(STUCK, ()).await;
    assert!(caller.output::<u32>(&id).await > 1);
    // its thread goes on until now
    caller.board().signal(&id);
}

/// A request followed by two tasks of [`ENDED`].
fn followed(request: &mut Request) {
    let follow_up = |label: &str| FollowUpRequest {
        function: ENDED.reference().unwrap(),
        labels: Labels::from([("follow-up".to_owned(), label.to_owned())]),
    };
    request.follow_ups = vec![follow_up("first"), follow_up("second")];
    request.labels.insert("own".into(), "label".into());
    request.tenant = Some(Tenant::new("acme").unwrap());
}

/// What both follow-ups of an ended task were told.
async fn told(caller: &Caller, id: &TaskId) -> TaskEnded {
    let record = caller.record(id).await;
    let mut told = Vec::new();
    for (index, label) in ["first", "second"].into_iter().enumerate() {
        let follow_up = id.follow_up(record.seq, index);
        told.push(caller.output::<TaskEnded>(&follow_up).await);
        let stored = caller.record(&follow_up).await;
        assert_eq!(stored.task.labels.get("follow-up").map(String::as_str), Some(label));
        assert_eq!(stored.task.tenant, record.task.tenant, "a follow-up is its task's tenant's");
    }
    assert_eq!(told[0], told[1]);
    let ended = told.remove(0);
    let (seq, state, attempt) = (record.seq, record.state, record.attempt);
    assert_eq!((&ended.task, ended.seq, ended.state, ended.attempt), (id, seq, state, attempt));
    assert_eq!((Some(ended.at), &ended.labels), (record.finished_at, &record.task.labels));
    ended
}

pub async fn a_follow_up_gets_the_end_as_its_input(caller: Caller) {
    caller.expects("a follow-up gets the end as its input where its task succeeded");
    let good = caller.submit(caller.task_with(ECHO, json!({ "a": [1, 2] }), followed).await).await;
    caller.output::<Value>(&good).await;
    let ended = told(&caller, &good).await;
    assert_eq!((ended.output, ended.output_omitted), (Some(json!({ "a": [1, 2] })), false));

    caller.expects("a follow-up gets the end as its input where its task failed");
    let bad = caller.submit(caller.task_with(REFUSE, (), followed).await).await;
    let failure = caller.failure(&bad).await;
    assert_eq!(told(&caller, &bad).await.failure, Some(failure));

    caller.expects("a follow-up gets the end as its input where its task was cancelled");
    let stopped = caller.submit(caller.task_with(HANG, (), followed).await).await;
    caller.board().has_begun(&stopped, 1).await;
    caller.cancel(&stopped).await;
    caller.cancelled(&stopped).await;
    let ended = told(&caller, &stopped).await;
    assert_eq!((ended.output, ended.failure), (None, None));

    caller.expects("a large output is left out of a follow-up's input, and that is said");
    let large = caller.submit(caller.task_with(ECHO, json!("x".repeat(70 << 10)), followed).await).await;
    caller.output::<Value>(&large).await;
    let ended = told(&caller, &large).await;
    assert_eq!((ended.output, ended.output_omitted), (None, true));
}

pub async fn what_a_body_sees_is_what_was_asked(caller: Caller) {
    caller.expects(
        "what a body sees is what was asked: quality, parameters, attempt, labels, tenant, deadline",
    );
    let id = caller.start(SIGHT, ()).await;
    let plain: Sight = caller.output(&id).await;
    let defaults = Sight {
        id: id.to_string(),
        quality: "standard".to_owned(),
        strength: 5,
        attempt: 1,
        labels: Labels::new(),
        tenant: None,
        has_deadline: false,
    };
    assert_eq!(plain, defaults);
    let task = caller.task_with(SIGHT, (), |request| {
        request.quality = Quality::High;
        request.labels.insert("order".into(), "17".into());
        request.tenant = Some(Tenant::new("acme").unwrap());
        request.deadline = Some(When::In(std::time::Duration::from_secs(3600)));
    });
    let id = caller.submit(task.await).await;
    let full: Sight = caller.output(&id).await;
    let labels = Labels::from([("order".to_owned(), "17".to_owned())]);
    let asked = Sight {
        id: id.to_string(),
        quality: "high".to_owned(),
        strength: 9,
        labels,
        has_deadline: true,
        ..defaults
    };
    assert_eq!(full, Sight { tenant: Some("acme".to_owned()), ..asked });
}
