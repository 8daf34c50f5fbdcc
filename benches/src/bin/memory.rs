//! Submit → result in one process: typed, validated, 500 bytes, no-op body, at 1 and 64 callers, beside its limit
//! in the same run: a tokio channel, a semaphore, a spawn and a oneshot.

use std::{sync::Arc, time::Instant};

use function_runner_benches::{Figure, KEEP, Note, ROUNDS, keep, table};
use function_runner_client::prelude::*;
use futures::{StreamExt as _, stream};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// What every task costs at least: a place in a channel, a slot, a spawned body, an answer.
fn limit() -> mpsc::UnboundedSender<(Note, oneshot::Sender<u32>)> {
    let (submit, mut submitted) = mpsc::unbounded_channel::<(Note, oneshot::Sender<u32>)>();
    tokio::spawn(async move {
        let slots = Arc::new(Semaphore::new(64));
        while let Some((note, answer)) = submitted.recv().await {
            let Ok(slot) = slots.clone().acquire_owned().await else { return };
            tokio::spawn(async move {
                let _slot = slot;
                // a caller that went away wants no answer
                let _ = answer.send(note.rating);
            });
        }
    });
    submit
}

async fn drive<F: Future<Output = u32>>(tasks: usize, callers: usize, call: impl Fn() -> F) -> Duration {
    let begin = Instant::now();
    let mut sum = 0u64;
    let mut calls = stream::iter(0..tasks).map(|_| call()).buffer_unordered(callers);
    while let Some(answer) = calls.next().await {
        sum += u64::from(answer);
    }
    assert_eq!(sum, 5 * tasks as u64, "every task gave its answer");
    begin.elapsed()
}

/// Callers on tasks of their own, so that both cores may call.
async fn spawned<F: Future<Output = u32> + Send + 'static>(
    tasks: usize,
    callers: usize,
    call: impl Fn() -> F + Clone + Send + 'static,
) -> Duration {
    let begin = Instant::now();
    let each = tasks / callers;
    let all: Vec<_> = (0..callers)
        .map(|_| {
            let call = call.clone();
            tokio::spawn(async move {
                for _ in 0..each {
                    assert_eq!(call().await, 5);
                }
            })
        })
        .collect();
    for caller in all {
        caller.await.expect("a caller ends");
    }
    begin.elapsed()
}

#[tokio::main]
async fn main() -> Result<()> {
    let note = Note::of_500_bytes();
    let runner = Runner::local(Registry::new().add(KEEP.implement(keep)))?;
    let submit = limit();
    let bare = {
        let note = note.clone();
        move || {
            let (answer, answered) = oneshot::channel();
            let sent = submit.send((note.clone(), answer));
            async move {
                sent.expect("the limit runs");
                answered.await.expect("it answers")
            }
        }
    };
    let call = {
        let runner = runner.clone();
        move || {
            let call = runner.call(KEEP, note.clone());
            async move { call.await.expect("the task succeeds") }
        }
    };
    let mut figures: Vec<Figure> = [
        "limit, 1 caller",
        "function-runner, 1 caller",
        "limit, 64 callers",
        "function-runner, 64 callers",
        "limit, 64 spawned callers",
        "function-runner, 64 spawned callers",
    ]
    .into_iter()
    .map(Figure::new)
    .collect();
    for _ in 0..ROUNDS {
        figures[0].add(50_000, drive(50_000, 1, &bare).await);
        figures[1].add(20_000, drive(20_000, 1, &call).await);
        figures[2].add(300_000, drive(300_000, 64, &bare).await);
        figures[3].add(200_000, drive(200_000, 64, &call).await);
        figures[4].add(320_000, spawned(320_000, 64, bare.clone()).await);
        figures[5].add(192_000, spawned(192_000, 64, call.clone()).await);
    }
    let rows: Vec<_> =
        figures.chunks(2).flat_map(|pair| [(&pair[0], None), (&pair[1], Some(&pair[0]))]).collect();
    println!(
        "submit → result on memory: typed, validated, 500-byte input, no-op body, median of {ROUNDS} interleaved rounds"
    );
    print!("{}", table(&rows));
    Ok(())
}
