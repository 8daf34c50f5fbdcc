//! A field's type that lacks a derive is told at the field.
use function_runner_client::prelude::*;

#[derive(Serialize, Deserialize)]
struct Name {
    first: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Greeting {
    name: Name,
}

const GREET: Function<Greeting, String> = Function::new("greet");

fn main() {
    let _ = GREET;
}
