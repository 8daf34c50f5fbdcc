//! A handle is no future: its output is.
use function_runner_client::prelude::*;

const SHOUT: Function<String, String> = Function::new("shout");

async fn awaited(runner: &Runner) -> Result<String> {
    runner.call(SHOUT, "a".into()).submit().await?.await
}

fn main() {
    let _ = awaited;
}
