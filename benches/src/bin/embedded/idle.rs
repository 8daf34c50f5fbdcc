//! How soon an idle worker of another process starts what is submitted here, and how often its progress is heard.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use function_runner_client::prelude::*;

use super::runner;

/// Answers when its body began, in microseconds since 1970.
const WHEN: Function<(), u64> = Function::new("bench.when");

/// Tells how far it is every 5 ms, for three seconds.
const TELL: Function<(), ()> = Function::new("bench.tell");

const TASKS: usize = 300;
const STEPS: u32 = 600;

async fn tell(ctx: Context, (): ()) -> Result<(), Failure> {
    for step in 0..STEPS {
        ctx.progress(step as f32 / STEPS as f32, format!("step {step}"));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    u64::try_from(since.as_micros()).expect("it is not so late")
}

/// The other process: works until its parent ends it.
pub(super) fn work(file: &Path) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let when = WHEN.implement(|_: Context, ()| async { Ok::<u64, Failure>(now()) });
        let registry = Registry::new().add(when).add(TELL.implement(tell));
        let worker = runner(file).await.worker(registry).expect("a queue has workers");
        println!("works");
        worker.run_until(std::future::pending::<()>()).await.expect("it works");
    });
}

pub(super) async fn measure(folder: &Path) {
    let file = folder.join("idle.db");
    let runner = runner(&file).await;
    let program = std::env::current_exe().expect("this program has a file");
    let mut child =
        Command::new(program).arg("--worker").arg(&file).stdout(Stdio::piped()).spawn().expect("it starts");
    let stdout = child.stdout.take().expect("it is piped");
    BufReader::new(stdout).read_line(&mut String::new()).expect("it says that it works");
    let mut waits = Vec::with_capacity(TASKS);
    for _ in 0..TASKS {
        // the worker's call is asleep, and so is the machine
        tokio::time::sleep(Duration::from_millis(5)).await;
        let begin = now();
        let started = runner.call(WHEN, ()).await.expect("the task succeeds");
        waits.push(started.saturating_sub(begin));
    }
    let mut heard = Vec::new();
    let handle = runner.call(TELL, ()).submit().await.expect("it is stored");
    let mut progress = handle.progress();
    while progress.next().await.is_some() {
        heard.push(Instant::now());
    }
    child.kill().and_then(|()| child.wait()).expect("our own child ends");
    waits.sort_unstable();
    let millis = |at: usize| waits[at] as f64 / 1000.0;
    println!(
        "idle submit → start between two processes: p50 {:.2} ms, p99 {:.2} ms (of {TASKS})",
        millis(TASKS / 2),
        millis(TASKS * 99 / 100)
    );
    let mut gaps: Vec<Duration> = heard.windows(2).map(|pair| pair[1] - pair[0]).collect();
    gaps.sort_unstable();
    let took = gaps.iter().sum::<Duration>();
    println!(
        "progress of a task in another process: {:.1} a second, gaps of {:.0} to {:.0} ms (median {:.0})",
        gaps.len() as f64 / took.as_secs_f64(),
        gaps[0].as_secs_f64() * 1e3,
        gaps[gaps.len() - 1].as_secs_f64() * 1e3,
        gaps[gaps.len() / 2].as_secs_f64() * 1e3,
    );
}
