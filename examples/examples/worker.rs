//! Works on a queue, for callers in any other process: `caller` is one.
//!
//! ```console
//! $ cargo run --example worker -- sqlite:tasks.db      # as often as you like, each a process of its own
//! $ cargo run --example caller -- sqlite:tasks.db 20   # beside it, before it, or when it is gone
//! ```
//!
//! Ctrl-C, or a `SIGTERM`, lets what runs finish. A second one gives it back at once, and another worker goes on.

use std::{env, time::Instant};

use function_runner_client::{capacity, prelude::*};

/// Counts to a number, ten steps a second. The caller declares the same line; a crate that both use is the usual place.
const COUNT: Function<u32, String> = Function::new("example.count");

async fn count(ctx: Context, to: u32) -> Result<String, Failure> {
    let begin = Instant::now();
    for n in 1..=to {
        ctx.check()?; // cancelled? then stop here
        tokio::time::sleep(Duration::from_millis(100)).await;
        ctx.progress(n as f32 / to as f32, format!("{n} of {to}"));
    }
    Ok(format!("{to} in {:.1} s, attempt {}", begin.elapsed().as_secs_f64(), ctx.attempt()))
}

#[tokio::main]
async fn main() -> Result<()> {
    let url = env::args().nth(1).unwrap_or_else(|| "sqlite:tasks.db".to_owned());
    let runner = Runner::connect(&url).await?;
    let registry = Registry::new().add(COUNT.implement(count).title("Count to a number"));
    // four at a time: such a body waits, and needs nothing but a slot
    let worker = runner.worker(registry)?.capacity(capacity::measure().slots(4));
    println!("working; Ctrl-C stops");
    let again = async {
        told().await;
        told().await;
    };
    worker.release_when(again).run_until(told()).await?;
    println!("stopped");
    Ok(())
}

/// The next Ctrl-C or `SIGTERM`.
async fn told() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = terminate.recv() => return,
            _ = tokio::signal::ctrl_c() => return,
        }
    }
    // where signals cannot be heard nothing stops it but its end
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
