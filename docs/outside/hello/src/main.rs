//! The first ten minutes, as the README shows them.

use function_runner_client::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema)]
struct Greeting { name: String }

const GREET: Function<Greeting, String> = Function::new("greet");

async fn greet(_: Context, input: Greeting) -> Result<String, Failure> {
    Ok(format!("Hello, {}!", input.name))
}

#[tokio::main]
async fn main() -> Result<()> {
    let runner = Runner::local(Registry::new().add(GREET.implement(greet)))?;
    println!("{}", runner.call(GREET, Greeting { name: "Ada".into() }).await?);
    Ok(())
}
