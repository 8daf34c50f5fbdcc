//! A body that takes another type than its function.
use function_runner_client::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema)]
struct Greeting {
    name: String,
}

const GREET: Function<Greeting, String> = Function::new("greet");

async fn greet(_: Context, input: String) -> Result<String, Failure> {
    Ok(input)
}

fn main() {
    let _ = GREET.implement(greet);
}
