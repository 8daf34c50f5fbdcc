//! How many bytes of the file a task takes, and that the file stays bounded under constant load.

use std::{fs, path::Path, time::Duration};

use function_runner_backends::embedded::{EmbeddedQueue, Sync};
use function_runner_core::{
    AskedLane, Executor as _, Finish, LeaseRequest, Outcome, Payload, Queue as _, Retention, Task, WorkerId,
    schedule::lane_cost,
};

use super::{input, lane, task};

const TASKS: usize = 50_000;
const ROUNDS: usize = 8;

fn bytes(file: &Path) -> u64 {
    let size = |suffix: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        fs::metadata(name).map_or(0, |meta| meta.len())
    };
    size("") + size("-wal")
}

fn short(input: &Payload) -> Task {
    let mut task = task(input);
    let mut envelope = (*task.envelope).clone();
    envelope.retention = Retention::of(Duration::from_millis(1));
    task.envelope = envelope.into();
    task
}

/// Submits so many and ends them all.
async fn round(queue: &EmbeddedQueue, worker: &WorkerId, call: &mut u64, input: &Payload, count: usize) {
    for _ in 0..count / 500 {
        queue.submit((0..500).map(|_| short(input)).collect()).await.expect("they are stored");
        let mut left = 500;
        while left > 0 {
            *call += 1;
            let cost = lane_cost(64).expect("some fit");
            let lanes = vec![AskedLane { lane: lane(), cost, warm: false }];
            let leases =
                queue.lease(LeaseRequest::new(worker.clone(), *call, lanes)).await.expect("it works").leases;
            left -= leases.len();
            let output = Payload::encode(&5).expect("a number is JSON");
            let done =
                leases.into_iter().map(|lease| Finish::new(lease.key, Outcome::Succeeded(output.clone())));
            queue.finish(done.collect()).await.expect("it works");
        }
    }
}

pub(super) async fn measure(folder: &Path) {
    let input = input();
    let file = folder.join("size.db");
    let queue = EmbeddedQueue::at(&file).sync(Sync::Normal).open().await.expect("the file opens");
    let before = bytes(&file);
    for _ in 0..TASKS / 1000 {
        let tasks = (0..1000).map(|_| task(&input)).collect();
        queue.submit(tasks).await.expect("they are stored");
    }
    let each = (bytes(&file) - before) / TASKS as u64;
    println!("bytes of the file a queued task, its input of {} bytes included: {each}", input.len());
    let file = folder.join("load.db");
    let queue = EmbeddedQueue::at(&file).sync(Sync::Normal).open().await.expect("the file opens");
    let (worker, mut call, mut sizes) = (WorkerId::unique(), 0, Vec::new());
    for _ in 0..ROUNDS {
        round(&queue, &worker, &mut call, &input, 10_000).await;
        sizes.push(bytes(&file) as f64 / (1 << 20) as f64);
    }
    let sizes: Vec<String> = sizes.iter().map(|size| format!("{size:.1}")).collect();
    println!(
        "MiB of file and log after each 10,000 tasks submitted, ended and forgotten: {}",
        sizes.join(" ")
    );
}
