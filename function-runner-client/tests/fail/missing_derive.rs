//! A type that lacks a derive is told at its constant.
use function_runner_client::prelude::*;

#[derive(Serialize, Deserialize)]
struct Greeting {
    name: String,
}

const GREET: Function<Greeting, String> = Function::new("greet");

async fn greet(_: Context, input: Greeting) -> Result<String, Failure> {
    Ok(input.name)
}

fn main() {
    let _ = GREET.implement(greet);
}
