//! Whole workers, loop and heart, on the memory backend: bodies that end, cancels, stops and lost claims at any moment.

use std::{future::pending, sync::Arc};

use function_runner_backends::memory::MemoryQueue;
use function_runner_core::{
    Capacity, Context, ErrorKind, EventKind, Executor as _, Failure, Operate as _, Registry, Result,
    RetryPolicy, Seen, State, TaskId, Worker, WorkerId, outcome, runtime,
};
use futures::StreamExt as _;
use shuttle::{future::block_on, thread};
use tokio::sync::{Notify, Semaphore, oneshot};

use crate::{
    stage::{Beside, SECOND, beside, pass_until, read_to_the_end, schedules, state, submit, watch},
    work::{WORK, id, task},
};

/// A worker under way, and what stops it.
pub(crate) struct Running {
    stop: oneshot::Sender<()>,
    thread: Beside<Result<()>>,
}

impl Running {
    pub(crate) fn start(worker: Worker) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = beside(worker.run_until(async { drop(stopped.await) }));
        Self { stop, thread }
    }

    pub(crate) fn stop(self) {
        // one that has ended by itself is told nothing
        let _ = self.stop.send(());
        self.thread.join().unwrap();
    }

    /// Stops it while time goes on: a call that came to nothing is made again only then.
    fn stop_in_time(self) {
        let _ = self.stop.send(());
        for ended in pass_until(vec![self.thread]) {
            ended.unwrap();
        }
    }
}

pub(crate) fn worker(queue: &MemoryQueue, name: &str, registry: Registry) -> Worker {
    let capacity = Capacity::new().cpu_millis(2000).slots(2);
    Worker::new(queue.clone(), registry).id(WorkerId::new(name).unwrap()).capacity(capacity).seed(1)
}

/// Bodies that tell something, let others go first, and answer.
pub(crate) fn talks() -> Registry {
    Registry::new().add(WORK.implement(|ctx: Context, n| async move {
        ctx.progress(0.5, "half");
        shuttle::future::yield_now().await;
        ctx.log("nearly");
        Ok(n + 1)
    }))
}

fn call(queue: &MemoryQueue, name: &str) -> Beside<u32> {
    let (queue, task) = (queue.clone(), task(name));
    beside(async move {
        let id = submit(&queue, task).await;
        outcome(&queue, &id).await.unwrap().decode().unwrap()
    })
}

#[test]
fn whenever_a_task_comes_the_loop_runs_it_and_the_caller_hears() {
    schedules(|| {
        let queue = MemoryQueue::new();
        let running = Running::start(worker(&queue, "one", talks()));
        let callers = [call(&queue, "a"), call(&queue, "b"), call(&queue, "c")];
        for caller in callers {
            assert_eq!(caller.join(), 8);
        }
        running.stop();
    });
}

#[test]
fn bodies_that_end_as_the_loop_goes_to_sleep_are_heard() {
    schedules(|| {
        let (queue, gate) = (MemoryQueue::new(), Arc::new(Semaphore::new(0)));
        let waits = gate.clone();
        let registry = Registry::new().add(WORK.implement(move |_, n| {
            let gate = waits.clone();
            async move {
                gate.acquire().await?.forget();
                Ok(n + 1)
            }
        }));
        let running = Running::start(worker(&queue, "one", registry));
        let callers = [call(&queue, "a"), call(&queue, "b"), call(&queue, "c")];
        let opens = gate.clone();
        let opener = thread::spawn(move || opens.add_permits(1));
        gate.add_permits(1);
        thread::yield_now();
        gate.add_permits(1);
        opener.join().unwrap();
        for caller in callers {
            assert_eq!(caller.join(), 8);
        }
        running.stop();
    });
}

#[test]
fn what_a_body_tells_is_heard_while_it_goes_on() {
    schedules(|| {
        let queue = MemoryQueue::new();
        let gate = Arc::new(Notify::new());
        let told = gate.clone();
        let registry = Registry::new().add(WORK.implement(move |ctx: Context, n| {
            let told = told.clone();
            async move {
                ctx.log("begun");
                // goes on only when a reader has heard of it
                told.notified().await;
                Ok(n)
            }
        }));
        let id = block_on(submit(&queue, task("a")));
        // before it begins: a line that nobody watched for is not told again
        let mut events = block_on(queue.watch(&id, Seen::default())).unwrap();
        let running = Running::start(worker(&queue, "one", registry));
        block_on(async {
            while let Some(event) = events.next().await {
                if matches!(event.unwrap().kind, EventKind::Log(_)) {
                    break;
                }
            }
        });
        gate.notify_one();
        assert_eq!(block_on(read_to_the_end(events)).1, State::Succeeded);
        running.stop();
    });
}

#[test]
fn a_cancel_reaches_its_body_with_no_timers_help() {
    schedules(|| {
        let queue = MemoryQueue::new();
        let registry = Registry::new().add(WORK.implement(|ctx: Context, _| async move {
            ctx.cancelled().await;
            Err(Failure::cancelled())
        }));
        let running = Running::start(worker(&queue, "one", registry));
        let id = block_on(submit(&queue, task("a")));
        let watcher = beside(watch(queue.clone(), id.clone()));
        block_on(queue.cancel(&id)).unwrap();
        assert_eq!(watcher.join(), State::Cancelled);
        running.stop();
    });
}

#[test]
fn once_a_beat_has_told_of_a_cancel_the_loop_asks_again_with_no_timers_help() {
    schedules(|| {
        let (queue, gate) = (MemoryQueue::new(), Arc::new(Notify::new()));
        let waits = gate.clone();
        let registry = Registry::new().add(WORK.implement(move |ctx: Context, n| {
            let gate = waits.clone();
            async move {
                if ctx.id().as_str() == "stays" {
                    gate.notified().await;
                }
                Ok(n + 1)
            }
        }));
        let id = block_on(submit(&queue, task("stays")));
        let mut events = block_on(queue.watch(&id, Seen::default())).unwrap();
        let running = Running::start(worker(&queue, "one", registry));
        block_on(async {
            while !matches!(events.next().await.unwrap().unwrap().kind, EventKind::Started { .. }) {}
            queue.cancel(&id).await.unwrap();
        });
        assert_eq!(call(&queue, "other").join(), 8);
        gate.notify_one();
        assert_eq!(block_on(read_to_the_end(events)).1, State::Cancelled);
        running.stop();
    });
}

#[test]
fn whenever_it_is_stopped_what_it_began_ends_and_the_rest_is_left_to_another() {
    schedules(|| {
        let queue = MemoryQueue::new();
        let ids = three(&queue);
        let first = Running::start(worker(&queue, "one", talks()));
        thread::yield_now();
        first.stop();
        for id in &ids {
            assert_ne!(block_on(state(&queue, id)), State::Running);
        }
        finish_them(&queue, ids);
    });
}

#[test]
fn a_drain_by_an_operator_ends_it() {
    schedules(|| {
        let queue = MemoryQueue::new();
        let ids = three(&queue);
        let drained = worker(&queue, "one", talks());
        let running = beside(drained.run_until(pending::<()>()));
        // as often as it is not there yet
        while let Err(error) = block_on(queue.drain(&WorkerId::new("one").unwrap())) {
            assert_eq!(error.kind(), ErrorKind::InvalidCall);
            thread::yield_now();
        }
        running.join().unwrap();
        finish_them(&queue, ids);
    });
}

#[test]
fn a_claim_that_is_lost_as_its_body_ends_is_anothers_and_the_task_ends_once() {
    schedules(|| {
        let queue = MemoryQueue::new();
        let registry = Registry::new().add(WORK.implement(|ctx: Context, n| async move {
            for part in 0..3 {
                ctx.part(&part)?;
                shuttle::future::yield_now().await;
            }
            Ok(n)
        }));
        let watchers = ["a", "b"].map(|name| {
            let mut task = task(name);
            Arc::make_mut(&mut task.envelope).retry = RetryPolicy::default().max_crashes(9);
            let id = block_on(submit(&queue, task));
            beside(watch(queue.clone(), id))
        });
        let workers = ["one", "two"].map(|name| Running::start(worker(&queue, name, registry.clone())));
        // hearts that come late lose what they hold
        for _ in 0..9 {
            runtime::advance(SECOND);
        }
        assert_eq!(pass_until(Vec::from(watchers)), [State::Succeeded; 2]);
        workers.into_iter().for_each(Running::stop_in_time);
    });
}

#[test]
fn a_thread_that_outlives_its_attempt_gives_its_room_back_when_it_ends() {
    schedules(|| {
        let queue = MemoryQueue::new();
        let registry = Registry::new().add(WORK.implement(|ctx: Context, n| async move {
            let hold = ctx.hold();
            thread::spawn(move || {
                thread::yield_now();
                drop(hold);
            });
            Ok(n)
        }));
        // room for one: the next starts only when the thread of the one before is gone
        let capacity = Capacity::new().cpu_millis(1000).slots(1);
        let running = Running::start(worker(&queue, "one", registry).capacity(capacity));
        let callers = [call(&queue, "a"), call(&queue, "b"), call(&queue, "c")];
        for caller in callers {
            assert_eq!(caller.join(), 7);
        }
        running.stop();
    });
}

pub(crate) fn three(queue: &MemoryQueue) -> [TaskId; 3] {
    ["a", "b", "c"].map(|name| block_on(submit(queue, task(name))))
}

/// Another worker takes over, and each of these ends once.
pub(crate) fn finish_them(queue: &MemoryQueue, ids: impl IntoIterator<Item = TaskId>) {
    let other = Running::start(worker(queue, "other", talks()));
    let watchers: Vec<_> = ids.into_iter().map(|id| beside(watch(queue.clone(), id))).collect();
    for watcher in watchers {
        assert_eq!(watcher.join(), State::Succeeded);
    }
    other.stop();
    assert_eq!(block_on(state(queue, &id("a"))), State::Succeeded);
}
