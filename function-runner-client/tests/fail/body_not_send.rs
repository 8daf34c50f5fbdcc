//! A body that keeps what cannot move to another thread.
use function_runner_client::prelude::*;

const SHOUT: Function<String, String> = Function::new("shout");

async fn shout(ctx: Context, input: String) -> Result<String, Failure> {
    let shared = std::rc::Rc::new(input);
    ctx.cancelled().await;
    Ok(shared.to_string())
}

fn main() {
    let _ = SHOUT.implement(shout);
}
