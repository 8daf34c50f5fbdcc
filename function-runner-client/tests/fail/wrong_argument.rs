//! A call with another type than the function takes.
use function_runner_client::prelude::*;

const SHOUT: Function<String, String> = Function::new("shout");

async fn number(runner: &Runner) -> Result<String> {
    runner.call(SHOUT, 5).await
}

async fn borrowed(runner: &Runner) -> Result<String> {
    runner.call(SHOUT, "hello").await
}

fn main() {
    let _ = (number, borrowed);
}
