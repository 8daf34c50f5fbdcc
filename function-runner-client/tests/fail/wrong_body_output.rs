//! A body that gives another type than its function.
use function_runner_client::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema)]
struct Greeting {
    name: String,
}

const GREET: Function<Greeting, String> = Function::new("greet");

async fn greet(_: Context, input: Greeting) -> Result<usize, Failure> {
    Ok(input.name.len())
}

fn main() {
    let _ = GREET.implement(greet);
}
