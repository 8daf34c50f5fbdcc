//! An `.await` that was forgotten, where its output is used.
use function_runner_client::prelude::*;

const SHOUT: Function<String, String> = Function::new("shout");

async fn question(runner: &Runner) -> Result<String> {
    Ok(runner.call(SHOUT, "a".into())?)
}

async fn typed(runner: &Runner) -> Result<()> {
    let text: String = runner.call(SHOUT, "a".into());
    println!("{text}");
    Ok(())
}

async fn submitted(runner: &Runner) -> Result<String> {
    runner.call(SHOUT, "a".into()).submit()?.output().await
}

fn main() {
    let _ = (question, typed, submitted);
}
