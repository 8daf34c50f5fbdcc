//! What does nothing until it is awaited says so.
#![deny(unused_must_use)]
use function_runner_client::prelude::*;

const SHOUT: Function<String, String> = Function::new("shout");

async fn call(runner: &Runner) {
    runner.call(SHOUT, "a".into());
}

async fn setting(runner: &Runner) {
    runner.call(SHOUT, "a".into()).quality(Quality::High);
}

async fn submit(runner: &Runner) {
    runner.call(SHOUT, "a".into()).submit();
}

async fn batch(runner: &Runner) {
    runner.batch();
}

async fn fan_out(runner: &Runner) {
    runner.map(SHOUT, ["a".to_owned()]);
}

async fn progress(handle: &Handle<String>) {
    handle.progress();
}

async fn implementation() {
    SHOUT.implement(|_, s| async move { Ok(s) });
}

async fn registry() {
    Registry::new().add(SHOUT.implement(|_, s| async move { Ok(s) }));
}

async fn worker(runner: &Runner) -> Result<()> {
    runner.worker(Registry::new())?;
    Ok(())
}

fn main() {
    let _ = (call, setting, submit, batch, fan_out, progress, implementation, registry, worker);
}
