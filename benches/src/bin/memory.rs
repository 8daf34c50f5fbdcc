//! Submit → result in one process: typed, validated, 500 bytes, no-op body, at 1 and 64 callers, beside its limit
//! in the same run: a tokio channel, a semaphore, a spawn and a oneshot.

use std::{sync::Arc, thread, time::Instant};

use function_runner_benches::{Figure, KEEP, Note, ROUNDS, keep, table};
use function_runner_client::prelude::*;
use futures::{StreamExt as _, stream};
use tokio::{
    runtime::Builder,
    sync::{Semaphore, mpsc, oneshot},
};

/// What is called, on the runtime in which it is made.
trait Work: Clone + Send + 'static {
    fn call(&self) -> impl Future<Output = u32> + Send;
}

/// What every task costs at least: a place in a channel, a slot, a spawned body, an answer.
#[derive(Clone)]
struct Limit {
    note: Note,
    submit: mpsc::UnboundedSender<(Note, oneshot::Sender<u32>)>,
}

impl Limit {
    fn new() -> Self {
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
        Self { note: Note::of_500_bytes(), submit }
    }
}

impl Work for Limit {
    fn call(&self) -> impl Future<Output = u32> + Send {
        let (answer, answered) = oneshot::channel();
        let sent = self.submit.send((self.note.clone(), answer));
        async move {
            sent.expect("the limit runs");
            answered.await.expect("it answers")
        }
    }
}

/// Calls of a function.
#[derive(Clone)]
struct Calls {
    note: Note,
    runner: Runner,
}

impl Calls {
    fn new() -> Self {
        let runner = Runner::local(Registry::new().add(KEEP.implement(keep)));
        Self { note: Note::of_500_bytes(), runner: runner.expect("the registry is valid") }
    }
}

impl Work for Calls {
    fn call(&self) -> impl Future<Output = u32> + Send {
        let call = self.runner.call(KEEP, self.note.clone());
        async move { call.await.expect("the task succeeds") }
    }
}

/// So many callers in one task.
async fn drive(tasks: usize, callers: usize, work: &impl Work) -> Duration {
    let begin = Instant::now();
    let mut sum = 0u64;
    let mut calls = stream::iter(0..tasks).map(|_| work.call()).buffer_unordered(callers);
    while let Some(answer) = calls.next().await {
        sum += u64::from(answer);
    }
    assert_eq!(sum, 5 * tasks as u64, "every task gave its answer");
    begin.elapsed()
}

/// Callers on tasks of their own, so that both cores may call.
async fn spawned(tasks: usize, callers: usize, work: &impl Work) -> Duration {
    let begin = Instant::now();
    let each = tasks / callers;
    let all: Vec<_> = (0..callers)
        .map(|_| {
            let work = work.clone();
            tokio::spawn(async move {
                for _ in 0..each {
                    assert_eq!(work.call().await, 5);
                }
            })
        })
        .collect();
    for caller in all {
        caller.await.expect("a caller ends");
    }
    begin.elapsed()
}

/// So many callers on a runtime of one thread, which all of the work shares.
fn on_one_thread<W: Work>(tasks: usize, callers: usize, work: fn() -> W) -> Duration {
    let run = move || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let work = work();
            // its queue and worker begin
            drive(1_000, callers, &work).await;
            drive(tasks, callers, &work).await
        })
    };
    thread::spawn(run).join().expect("the callers end")
}

#[tokio::main]
async fn main() {
    let (limit, calls) = (Limit::new(), Calls::new());
    let mut figures: Vec<Figure> = [
        "limit, 1 caller",
        "function-runner, 1 caller",
        "limit, 64 callers",
        "function-runner, 64 callers",
        "limit, 64 spawned callers",
        "function-runner, 64 spawned callers",
        "limit, 64 callers, one thread",
        "function-runner, 64 callers, one thread",
    ]
    .into_iter()
    .map(Figure::new)
    .collect();
    for _ in 0..ROUNDS {
        figures[0].add(50_000, drive(50_000, 1, &limit).await);
        figures[1].add(20_000, drive(20_000, 1, &calls).await);
        figures[2].add(300_000, drive(300_000, 64, &limit).await);
        figures[3].add(200_000, drive(200_000, 64, &calls).await);
        figures[4].add(320_000, spawned(320_000, 64, &limit).await);
        figures[5].add(192_000, spawned(192_000, 64, &calls).await);
        figures[6].add(300_000, on_one_thread(300_000, 64, Limit::new));
        figures[7].add(100_000, on_one_thread(100_000, 64, Calls::new));
    }
    let rows: Vec<_> =
        figures.chunks(2).flat_map(|pair| [(&pair[0], None), (&pair[1], Some(&pair[0]))]).collect();
    println!(
        "submit → result on memory: typed, validated, 500-byte input, no-op body, median of {ROUNDS} interleaved rounds"
    );
    print!("{}", table(&rows));
}
