//! `?` in a body takes every error there is, and nothing that is none.
use function_runner_client::prelude::*;

const SHOUT: Function<String, String> = Function::new("shout");

struct Odd;

fn odd() -> Result<String, Odd> {
    Err(Odd)
}

async fn shout(_: Context, _: String) -> Result<String, Failure> {
    Ok(odd()?)
}

fn main() {
    let _ = SHOUT.implement(shout);
}
