//! Calls a function many times over a queue, and shows how far each call is: `worker` runs them.
//!
//! ```console
//! $ cargo run --example worker -- sqlite:tasks.db
//! $ cargo run --example caller -- sqlite:tasks.db 20
//! ```
//!
//! Its tasks are in the queue before the first line appears. If this process is stopped they go on, and `fnr tasks
//! --queue sqlite:tasks.db` shows them.

use std::env;

use function_runner_client::prelude::*;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// What `worker` declares.
const COUNT: Function<u32, String> = Function::new("example.count");

#[tokio::main]
async fn main() -> Result<()> {
    let url = env::args().nth(1).unwrap_or_else(|| "sqlite:tasks.db".to_owned());
    let many: u32 = env::args().nth(2).and_then(|many| many.parse().ok()).unwrap_or(20);
    let runner = Runner::connect(&url).await?;
    let mut batch = runner.batch();
    let tickets: Vec<_> = (0..many).map(|n| batch.add(runner.call(COUNT, 10 + n % 30))).collect();
    let batch = batch.submit().await?; // all of them, or none

    let lines = MultiProgress::new();
    let follow = tickets.iter().map(|ticket| follow(batch.handle(ticket), lines.add(line())));
    for ended in futures::future::join_all(follow).await {
        match ended {
            Ok(output) => println!("{output}"),
            Err(error) => eprintln!("{error}"),
        }
    }
    Ok(())
}

/// Shows how far one call is, ten times a second at most, until its end.
async fn follow(handle: Handle<String>, line: ProgressBar) -> Result<String> {
    let mut progress = handle.progress();
    while let Some(p) = progress.next().await {
        line.set_position((p.fraction.unwrap_or(0.0) * 1000.0) as u64);
        line.set_message(p.message);
    }
    line.finish();
    handle.output().await
}

fn line() -> ProgressBar {
    // the template is a constant; without it a line would merely look different
    let style = ProgressStyle::with_template("{bar:24} {percent:>3} %  {msg}");
    let line = ProgressBar::new(1000);
    style.map_or(line.clone(), |style| line.with_style(style))
}
