//! Submits a second that survive the loss of power, and whole tasks a second, beside syncs and bare inserts.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use function_runner_backends::embedded::EmbeddedQueue;
use function_runner_benches::{Figure, KEEP, Note, ROUNDS, table};
use function_runner_client::prelude::*;
use function_runner_core::{Executor as _, Payload};

use super::{input, limits, registry, runner, task};

/// So many submits by so many callers, each of one task and awaited.
async fn submits(queue: &EmbeddedQueue, input: &Payload, count: usize, callers: usize) -> Duration {
    let tasks: Vec<Vec<_>> =
        (0..callers).map(|_| (0..count / callers).map(|_| task(input)).collect()).collect();
    let begin = Instant::now();
    let calls = tasks.into_iter().map(|tasks| {
        let queue = queue.clone();
        tokio::spawn(async move {
            for task in tasks {
                queue.submit(vec![task]).await.expect("it is stored");
            }
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.expect("a caller ends");
    }
    begin.elapsed()
}

/// So many calls by so many callers, each awaited with its output.
async fn calls(runner: &Runner, count: usize, callers: usize) -> Duration {
    let note = Note::of_500_bytes();
    let begin = Instant::now();
    let all: Vec<_> = (0..callers)
        .map(|_| {
            let (runner, note) = (runner.clone(), note.clone());
            tokio::spawn(async move {
                for _ in 0..count / callers {
                    let rating = runner.call(KEEP, note.clone()).await.expect("the task succeeds");
                    assert_eq!(rating, 5);
                }
            })
        })
        .collect();
    for caller in all {
        caller.await.expect("a caller ends");
    }
    begin.elapsed()
}

pub(super) async fn measure(folder: &Path) {
    let names = [
        "syncs of the file system",
        "bare SQLite, 1 insert a transaction",
        "bare SQLite, 64 inserts a transaction",
        "submits, 1 caller",
        "submits, 64 callers",
        "submit → result, 1 caller",
        "submit → result, 64 callers",
    ];
    let mut figures: Vec<Figure> = names.into_iter().map(Figure::new).collect();
    let input = input();
    let queue = EmbeddedQueue::open(folder.join("submits.db")).await.expect("the file opens");
    let runner = runner(&folder.join("calls.db")).await;
    let worker = runner.worker(registry()).expect("a queue has workers");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let working = tokio::spawn(async move { worker.run_until(stopped).await });
    let mut sql = limits::bare(folder);
    for _ in 0..ROUNDS {
        figures[0].add(3_000, limits::syncs(folder, 3_000));
        figures[1].add(3_000, limits::inserts(&mut sql, input.as_bytes(), 3_000, 1));
        figures[2].add(64_000, limits::inserts(&mut sql, input.as_bytes(), 64_000, 64));
        figures[3].add(3_000, submits(&queue, &input, 3_000, 1).await);
        figures[4].add(32_000, submits(&queue, &input, 32_000, 64).await);
        figures[5].add(2_000, calls(&runner, 2_000, 1).await);
        figures[6].add(12_800, calls(&runner, 12_800, 64).await);
    }
    drop(stop);
    working.await.expect("the worker ends").expect("it leaves");
    println!(
        "embedded: 500-byte inputs, every commit of a submit or an end synced, median of {ROUNDS} interleaved rounds"
    );
    let limits = [None, None, None, Some(0), Some(2), None, Some(2)];
    let rows: Vec<_> = figures
        .iter()
        .zip(limits)
        .map(|(figure, limit)| (figure, limit.map(|at: usize| &figures[at])))
        .collect();
    print!("{}", table(&rows));
    let many = figures[4].median() / (figures[0].median() * 64.0);
    println!("submits at 64 callers: {many:.3} of syncs × callers");
}
