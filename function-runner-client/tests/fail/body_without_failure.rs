//! A body gives a `Result` with a `Failure`, and nothing else.
use function_runner_client::prelude::*;

const SHOUT: Function<String, String> = Function::new("shout");

async fn plain(_: Context, input: String) -> String {
    input
}

async fn own_error(_: Context, input: String) -> std::io::Result<String> {
    Ok(input)
}

fn main() {
    let _ = SHOUT.implement(plain);
    let _ = SHOUT.implement(own_error);
}
