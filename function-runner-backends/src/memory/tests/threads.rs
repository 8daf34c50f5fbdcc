//! Many threads at once, by the machine's own clock: each task runs once, whatever is dropped.

use std::{collections::HashMap, sync::Mutex, task::Poll};

use function_runner_core::outcome;
use futures::future::join_all;

use super::{sleepers::Dice, *};

const CALLERS: usize = 16;
const EACH: usize = 100;

/// A worker that drops its lease calls at random, after so many polls, and finishes what it is given.
async fn work(queue: MemoryQueue, seed: u64, runs: Arc<Mutex<HashMap<TaskId, u32>>>) {
    let (mut dice, worker, lane) = (Dice(seed), WorkerId::unique(), lane("work"));
    for call in 1.. {
        let cost = lane_cost(1 + dice.roll(4) as u64).unwrap();
        let asked = AskedLane { lane: lane.clone(), cost, warm: dice.roll(2) == 0 };
        let mut open = queue.lease(LeaseRequest::new(worker.clone(), call, vec![asked]));
        let mut reply = None;
        for _ in 0..dice.roll(4) {
            if let Poll::Ready(given) = futures::poll!(&mut open) {
                reply = Some(given.unwrap());
                break;
            }
            tokio::task::yield_now().await;
        }
        if reply.is_none() && dice.roll(2) == 0 {
            reply = Some(open.await.unwrap());
        }
        let leases = reply.unwrap_or_default().leases;
        for lease in &leases {
            *runs.lock().unwrap().entry(lease.key.id.clone()).or_default() += 1;
        }
        let done = leases.into_iter().map(|lease| Finish::new(lease.key, output()));
        queue.finish(done.collect()).await.unwrap();
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_task_runs_once_and_each_caller_hears_of_it() {
    let (queue, runs) = (MemoryQueue::new(), Arc::<Mutex<_>>::default());
    let workers: Vec<_> = (0..6).map(|seed| tokio::spawn(work(queue.clone(), seed, runs.clone()))).collect();
    let callers = (0..CALLERS).map(|_| {
        let queue = queue.clone();
        tokio::spawn(async move {
            for _ in 0..EACH {
                let task = task("work");
                let id = task.id.clone();
                queue.submit(vec![task]).await.unwrap();
                outcome(&queue, &id).await.unwrap();
            }
        })
    });
    let all = tokio::time::timeout(60 * SECOND, join_all(callers.collect::<Vec<_>>())).await;
    all.expect("a wake was lost").into_iter().for_each(|caller| caller.unwrap());
    let runs = runs.lock().unwrap();
    assert_eq!((runs.len(), runs.values().max()), (CALLERS * EACH, Some(&1)));
    workers.iter().for_each(tokio::task::JoinHandle::abort);
}
