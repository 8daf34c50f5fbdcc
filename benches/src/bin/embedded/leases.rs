//! What a lease costs whatever waits: 1,000, 100,000 and a million tasks queued.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use function_runner_backends::embedded::{EmbeddedQueue, Sync};
use function_runner_benches::{Figure, ROUNDS, table};
use function_runner_core::{
    AskedLane, Executor as _, Lease, LeaseRequest, Outcome, Payload, Queue as _, WorkerId,
    schedule::lane_cost,
};

use super::{input, lane, task};

const SIZES: [usize; 3] = [1_000, 100_000, 1_000_000];
const EACH: usize = 500;

async fn filled(folder: &Path, size: usize, input: &Payload) -> EmbeddedQueue {
    let file = folder.join(format!("leases-{size}.db"));
    let queue =
        EmbeddedQueue::at(file).depth(size * 2).sync(Sync::Normal).open().await.expect("the file opens");
    let mut left = size;
    while left > 0 {
        let batch = left.min(1000);
        let tasks = (0..batch).map(|_| task(input)).collect();
        queue.submit(tasks).await.expect("they are stored");
        left -= batch;
    }
    queue
}

/// Leases one task after the other, puts each back to the front, and counts the leases alone.
async fn leases(queue: &EmbeddedQueue, worker: &WorkerId, call: &mut u64, fit: u32) -> Duration {
    let cost = lane_cost(u64::from(fit)).expect("some fit");
    let mut took = Duration::ZERO;
    let mut left = EACH;
    while left > 0 {
        *call += 1;
        let lanes = vec![AskedLane { lane: lane(), cost, warm: false }];
        let mut ask = LeaseRequest::new(worker.clone(), *call, lanes);
        ask.wait = Duration::ZERO;
        let begin = Instant::now();
        let leases = queue.lease(ask).await.expect("the file works").leases;
        took += begin.elapsed();
        assert!(!leases.is_empty());
        left = left.saturating_sub(leases.len());
        let released = |lease: Lease| {
            function_runner_core::Finish::new(lease.key, Outcome::Released { after: Duration::ZERO })
        };
        queue.finish(leases.into_iter().map(released).collect()).await.expect("the file works");
    }
    took
}

pub(super) async fn measure(folder: &Path) {
    let input = input();
    let worker = WorkerId::unique();
    let mut stores = Vec::new();
    for size in SIZES {
        stores.push((filled(folder, size, &input).await, size, 0));
    }
    let mut figures: Vec<Figure> = Vec::new();
    for fit in [1, 64] {
        figures.extend(SIZES.map(|size| Figure::new(format!("leases, {fit} a call, {size} queued"))));
    }
    for _ in 0..ROUNDS {
        for (group, fit) in [1, 64].into_iter().enumerate() {
            for (at, (queue, _, call)) in stores.iter_mut().enumerate() {
                figures[group * 3 + at].add(EACH, leases(queue, &worker, call, fit).await);
            }
        }
    }
    let rows: Vec<_> =
        figures.chunks(3).flat_map(|group| group.iter().map(|figure| (figure, Some(&group[0])))).collect();
    print!("{}", table(&rows));
}
