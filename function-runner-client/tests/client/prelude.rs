//! The prelude is enough for types in modules, and its schemars is found by the derive and by name.
use function_runner_client::prelude::*;

mod inner {
    use function_runner_client::prelude::*;

    #[derive(Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Greeting {
        pub(crate) name: String,
    }
}

const GREET: Function<inner::Greeting, String> = Function::new("greet");

async fn greet(ctx: Context, input: inner::Greeting) -> Result<String, Failure> {
    let times: u32 = "3".parse().permanent()?;
    let file = std::fs::read_to_string("there is none").unwrap_or_default();
    ctx.progress(1.0, format!("{times}{file}"));
    Ok(input.name)
}

fn spawned(runner: &Runner) -> impl Future<Output = Result<String>> + Send + 'static {
    runner.call(GREET, inner::Greeting { name: "Ada".to_owned() })
}

#[tokio::test]
async fn the_prelude_is_enough() -> Result<()> {
    let runner = Runner::local(Registry::new().add(GREET.implement(greet)))?;
    assert_eq!(spawned(&runner).await?, "Ada");
    assert!(schemars::schema_for!(inner::Greeting).get("properties").is_some());
    Ok(())
}
