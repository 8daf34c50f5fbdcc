//! A worker whose future is dropped at any poll: what it held is another's at once, and ends once.

use std::{
    future::{pending, poll_fn},
    task::Poll,
};

use function_runner_backends::memory::MemoryQueue;
use function_runner_core::{Executor as _, Registry};
use shuttle::{
    future::block_on,
    rand::{Rng as _, thread_rng},
};

use crate::{
    stage::{beside, schedules},
    work::WORK,
    workers::{finish_them, three, worker},
};

/// More polls than a worker needs until its bodies run.
const POLLS: u32 = 60;

#[test]
fn a_worker_that_is_dropped_at_any_poll_gives_back_what_runs() {
    schedules(|| {
        let queue = MemoryQueue::new();
        let ids = three(&queue);
        let registry = Registry::new().add(WORK.implement(|_, _| pending()));
        let mut left = thread_rng().gen_range(0..POLLS);
        let mut run = Box::pin(worker(&queue, "one", registry).run_until(pending::<()>()));
        let dropper = beside(async move {
            poll_fn(|context| {
                if left == 0 {
                    return Poll::Ready(());
                }
                left -= 1;
                assert!(run.as_mut().poll(context).is_pending(), "nobody stopped it");
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            drop(run);
        });
        dropper.join();
        finish_them(&queue, ids.clone());
        for id in &ids {
            let record = block_on(queue.record(id)).unwrap();
            assert_eq!((record.crashes, record.attempt), (0, 1), "given back for nothing");
        }
    });
}
