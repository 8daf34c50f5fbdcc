//! The end of a run: everything goes on until nothing is left, and everything is looked at once more.

use std::time::Duration;

use function_runner_backends::embedded::EmbeddedQueue;
use function_runner_core::{
    ErrorKind, Event, Executor, Inspect, Operate, Seen, TaskFilter, TaskId, TaskRecord,
};
use function_runner_testkit::history::{Recorded, Rules};
use futures::StreamExt as _;
use tokio::time::timeout;

use crate::{
    child::PATIENCE,
    functions::{QUICK, lane},
    setup::Store,
};

/// What a settled run is held to, on a machine that does much else.
pub(crate) fn rules(store: &Store) -> Rules {
    Rules::new(store.times())
        .slack(Duration::from_millis(20))
        .drained()
        .recovers_within(Duration::from_secs(15))
        .starts_within(PATIENCE)
}

/// Waits until every task has ended and what that queued has ended too; then looks up each of them. Gives how many there are.
pub(crate) async fn settle(store: &Recorded<EmbeddedQueue>) -> usize {
    store.resume(&lane(&QUICK)).await.unwrap();
    let all = timeout(PATIENCE * 2, async {
        loop {
            let open = unfinished(store).await;
            if open.is_empty() {
                return all(store, TaskFilter::default()).await;
            }
            for record in open {
                to_the_end(store, &record.task.id).await;
            }
        }
    });
    let all = all.await.expect("the run settles");
    for record in &all {
        store.record(&record.task.id).await.unwrap();
    }
    let lanes = store.lanes().await.unwrap();
    assert!(lanes.iter().all(|lane| lane.queued + lane.running + lane.delayed == 0), "{lanes:?}");
    all.len()
}

/// Everything that is queued or runs: one look at all states, as a task may go from one to another between two.
pub(crate) async fn unfinished(store: &impl Inspect) -> Vec<TaskRecord> {
    let mut all = all(store, TaskFilter::default()).await;
    all.retain(|record| !record.state.is_terminal());
    all
}

/// Every page.
pub(crate) async fn all(store: &impl Inspect, filter: TaskFilter) -> Vec<TaskRecord> {
    let (mut records, mut filter) = (Vec::new(), filter);
    loop {
        let page = store.tasks(filter.clone()).await.unwrap();
        records.extend(page.items);
        if page.next.is_none() {
            return records;
        }
        filter.cursor = page.next;
    }
}

/// Reads its watch to the end, which is the end of the task; one that is not known any more has ended too.
pub(crate) async fn to_the_end(store: &impl Executor, id: &TaskId) {
    let watch = store.watch(id, Seen::default()).await;
    let mut watch = match watch {
        Err(error) if error.kind() == ErrorKind::UnknownTask => return,
        watch => watch.unwrap_or_else(|error| panic!("watch of {id}: {error}")),
    };
    let mut last = None;
    while let Some(item) = watch.next().await {
        last = Some(item.unwrap_or_else(|error| panic!("watch of {id}: {error}")));
    }
    let is_end = last.as_ref().is_some_and(Event::is_terminal);
    assert!(is_end, "the watch of {id} stops before its end, at {last:?}");
}
