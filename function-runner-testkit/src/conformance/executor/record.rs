//! What a store knows of a task.

use std::time::Duration;

use function_runner_core::{
    ErrorKind, Priority, Quality, Seen, State, Task, TaskId, TaskRecord, Tenant, Version, When,
};
use serde_json::Value;

use super::Caller;
use crate::conformance::{
    functions::{FLAKY, SIGHT, STEPS},
    story::Story,
};

/// That a record has what its caller wrote.
fn has_what_was_submitted(record: &TaskRecord, task: &Task) {
    let stored = &record.task;
    assert_eq!((&stored.id, &stored.function), (&task.id, &task.function));
    assert_eq!((&stored.quality, stored.priority), (&task.quality, task.priority));
    assert_eq!((&stored.tenant, &stored.labels), (&task.tenant, &task.labels));
    let input = |task: &Task| task.input.decode::<Value>().unwrap();
    assert_eq!(input(stored), input(task));
    assert_eq!((&stored.lane, stored.envelope.version), (&task.lane, Version::new(1, 0, 0)));
    assert!(record.crashes == 0 && !record.cancel_requested, "{record:?}");
}

pub async fn a_record_tells_the_whole_task(caller: Caller) {
    let deadline = Duration::from_secs(3600);
    let task = caller.task_with(SIGHT, (), |request| {
        request.quality = Quality::High;
        request.priority = Priority::new(8).unwrap();
        request.tenant = Some(Tenant::new("acme").unwrap());
        request.labels.insert("order".into(), "17".into());
        request.deadline = Some(When::In(deadline));
    });
    let task = task.await;
    caller.expects("a record tells what was submitted, its state, attempts, times and output");
    let id = caller.submit(task.clone()).await;
    let output: Value = caller.output(&id).await;
    let record = caller.record(&id).await;
    has_what_was_submitted(&record, &task);
    assert_eq!((record.state, record.attempt, record.attempts.len()), (State::Succeeded, 1, 0), "{record:?}");
    assert_eq!(record.output.as_ref().map(|output| output.decode::<Value>().unwrap()), Some(output));
    assert!(record.failure.is_none() && record.worker.is_none() && record.ahead.is_none(), "{record:?}");
    assert_eq!(record.deadline, Some(record.created_at.after(deadline)));
    let (started, finished) = (record.started_at.unwrap(), record.finished_at.unwrap());
    assert!(record.created_at <= started && started <= finished && record.usage.is_some(), "{record:?}");
    assert_eq!(caller.story(&id).await.seen.seq, record.seq, "its number is that of its latest event");

    caller.expects("a record of a running task tells who holds it and how far it is");
    let id = caller.running(STEPS, 2).await;
    caller.board().signal(&id);
    let mut story = Story::default();
    let mut reader = caller.watch(&id, &mut story).await;
    reader.until(|event| event.clone().into_progress().is_some()).await;
    let record = caller.record(&id).await;
    assert!(
        record.state == State::Running && record.worker.is_some() && record.progress.is_some(),
        "{record:?}"
    );
    assert!(
        record.started_at.is_some() && record.finished_at.is_none() && record.output.is_none(),
        "{record:?}"
    );
    caller.board().signal(&id);
    caller.output::<u32>(&id).await;

    caller.expects("a record of a task that failed tells its failure and the attempts before");
    let id = caller.start(FLAKY, 99).await;
    let failure = caller.failure(&id).await;
    let record = caller.record(&id).await;
    assert_eq!((record.state, &record.failure, &record.output), (State::Failed, &Some(failure), &None));
    assert!(record.finished_at.is_some() && record.worker.is_none());
}

pub async fn an_unknown_id_is_unknown_task(caller: Caller) {
    caller.expects("an unknown id is `unknown_task`, for record, watch and cancel alike");
    let id = TaskId::unique();
    let watched = caller.executor.watch(&id, Seen::default()).await.map(|_| ());
    let answers = [
        ("record", caller.executor.record(&id).await.map(|_| ())),
        ("watch", watched),
        ("cancel", caller.executor.cancel(&id).await),
    ];
    for (call, answer) in answers {
        let error = answer.err().unwrap_or_else(|| panic!("{call} answered as if it knew the task"));
        assert_eq!(error.kind(), ErrorKind::UnknownTask, "{call}: {error:?}");
        assert_eq!(error.task(), Some(&id), "{call}: {error:?}");
    }
}
