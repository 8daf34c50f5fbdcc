//! An `async fn` is no blocking body.
use function_runner_client::prelude::*;

const SHOUT: Function<String, String> = Function::new("shout");

async fn shout(_: Context, input: String) -> Result<String, Failure> {
    Ok(input.to_uppercase())
}

fn main() {
    let _ = SHOUT.implement_blocking(shout);
}
