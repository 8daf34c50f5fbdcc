//! Workers, dropped by whoever ran them and with their whole runtime, after every number of rounds.

use std::future::pending;

use function_runner_core::{Capacity, Context, Registry, State, TaskId, Worker, outcome};
use futures::future::join_all;
use tokio::{
    runtime::{Builder, Runtime},
    task::yield_now,
};

use crate::{
    tally::{STEP, Tally},
    work::WORK,
};

/// More rounds than a worker needs for all of it.
const MOST_ROUNDS: usize = 500;

#[test]
fn a_worker_that_is_dropped_after_any_round_leaves_its_tasks_to_the_next() {
    for_every_round(|rounds| {
        let (tally, runtime, ids) = stage();
        let ended = runtime.block_on(async {
            let ended = run_for(&tally, rounds).await;
            // no time passes: what was held was given back
            Worker::new(tally.clone(), registry())
                .capacity(two())
                .run_until(all(&tally, &ids))
                .await
                .unwrap();
            ended
        });
        check(&tally, &ids, 0, rounds);
        ended
    });
}

#[test]
fn a_worker_whose_runtime_goes_after_any_round_leaves_its_tasks_to_the_next() {
    for_every_round(|rounds| {
        let (tally, runtime, ids) = stage();
        let ended = runtime.block_on(run_for(&tally, rounds));
        drop(runtime);
        single().block_on(async {
            let worker = Worker::new(tally.clone(), registry()).capacity(two());
            tokio::select! {
                ended = worker.run_until(all(&tally, &ids)) => ended.unwrap(),
                () = pass(&tally) => {}
            }
        });
        check(&tally, &ids, 1, rounds);
        ended
    });
}

/// After none, after one, and so on until a worker was let do all of it.
fn for_every_round(run: impl Fn(usize) -> bool) {
    let all = (0..MOST_ROUNDS).find(|&rounds| run(rounds));
    assert!(all.is_some_and(|rounds| rounds > 5), "it took {all:?} rounds");
}

/// Runs a worker for so many rounds of a runtime with one thread, then drops it; whether all tasks had ended.
async fn run_for(tally: &Tally, rounds: usize) -> bool {
    let worker = Worker::new(tally.clone(), registry()).capacity(two());
    let mut run = Box::pin(worker.run_until(pending::<()>()));
    for _ in 0..rounds {
        assert!(futures::poll!(&mut run).is_pending(), "nobody stopped it");
        yield_now().await;
    }
    tally.ends().len() == 3
}

fn registry() -> Registry {
    Registry::new().add(WORK.implement(|ctx: Context, n| async move {
        ctx.log("begun");
        yield_now().await;
        ctx.progress(0.5, "half");
        yield_now().await;
        Ok(n)
    }))
}

/// Room for two of the three.
fn two() -> Capacity {
    Capacity::new().cpu_millis(2000).slots(2)
}

fn single() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

fn stage() -> (Tally, Runtime, Vec<TaskId>) {
    let tally = Tally::new();
    let ids = ["a", "b", "c"].map(|name| tally.accept(name)).into();
    (tally, single(), ids)
}

async fn all(tally: &Tally, ids: &[TaskId]) {
    for ended in join_all(ids.iter().map(|id| outcome(tally, id))).await {
        ended.unwrap();
    }
}

/// Lets the store's time pass, slowly enough for a worker to go on in it.
async fn pass(tally: &Tally) {
    loop {
        tally.clock.advance(STEP);
        for _ in 0..50 {
            yield_now().await;
        }
    }
}

fn check(tally: &Tally, ids: &[TaskId], most_crashes: u32, rounds: usize) {
    for id in ids {
        let record = tally.record_of(id);
        assert_eq!(record.state, State::Succeeded, "after {rounds} rounds");
        assert!(record.crashes <= most_crashes, "after {rounds} rounds: {record:?}");
    }
    let ends = tally.ends();
    assert!(ends.len() == 3 && ends.values().all(|&count| count == 1), "after {rounds} rounds: {ends:?}");
}
