//! A plain `fn` is sent to `implement_blocking`.
use function_runner_client::prelude::*;

const SHOUT: Function<String, String> = Function::new("shout");

fn shout(_: Context, input: String) -> Result<String, Failure> {
    Ok(input.to_uppercase())
}

fn main() {
    let _ = SHOUT.implement(shout);
}
