//! A hundred thousand tasks in one history.

use std::time::Duration;

use function_runner_backends::memory::MemoryQueue;
use function_runner_core::{
    Capacity, Executor as _, Inspect as _, Task, TaskId, Times, Worker, WorkerId, outcome,
};
use function_runner_testkit::history::{History, Invariant, Rules, Summary};
use futures::{StreamExt as _, stream};
use tokio::{runtime::Runtime, sync::oneshot};

use crate::work::{Work, registry};

async fn run(count: usize, history: &History) {
    let store = MemoryQueue::builder().history(count + 1).build();
    let queue = history.record(store);
    let (mut stops, mut ended) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let id = WorkerId::unique();
        let worker = Worker::new(queue.clone(), history.bodies(&id, registry()));
        let (stop, stopped) = oneshot::channel::<()>();
        ended.push(tokio::spawn(worker.capacity(Capacity::new()).id(id).run_until(stopped)));
        stops.push(stop);
    }
    let work = Work::new();
    let ids: Vec<TaskId> = (0..count).map(|at| TaskId::new(format!("t{at}")).unwrap()).collect();
    for ids in ids.chunks(1000) {
        let tasks: Vec<Task> = ids.iter().map(|id| work.plain(id.clone())).collect();
        queue.submit(tasks).await.unwrap();
    }
    let ends = stream::iter(&ids).map(|id| outcome(&queue, id)).buffer_unordered(64);
    ends.for_each(|end| async { _ = end.unwrap() }).await;
    queue.lanes().await.unwrap();
    drop(stops);
    for ended in ended {
        ended.await.unwrap().unwrap();
    }
}

fn judge(count: usize) -> Summary {
    let history = History::new();
    Runtime::new().unwrap().block_on(run(count, &history));
    let rules = Rules::new(Times::default()).drained().starts_within(Duration::from_secs(3600));
    let summary = history.check(&rules).unwrap();
    let count = count as u64;
    assert!(summary.tasks == count && summary.leases >= count && summary.bodies >= count, "{summary}");
    assert!(summary.checked(Invariant::WaitsAreBounded) >= count, "{summary}");
    summary
}

#[test]
fn ten_thousand_tasks_are_judged() {
    judge(10_000);
}

#[test]
#[ignore = "long form: ./dev proof"]
fn a_hundred_thousand_tasks_are_judged() {
    println!("{}", judge(100_000));
}
