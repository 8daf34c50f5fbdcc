//! Bad input and bad bodies: each ends in a clear error or failure, and everything else goes on.

use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use function_runner_client::{Error, Implementation, Payload, Template, prelude::*};
use function_runner_core::{Handler, Name, Version};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::user::{DOUBLE, doubling, soon};

/// The failure that a call ends with, and its code.
async fn failure_of(call: Call<u32>) -> (String, Failure) {
    let error = soon(call).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FunctionFailed, "{error}");
    let failure = error.failure().expect("it has a failure").clone();
    (failure.code.clone().unwrap_or_default(), failure)
}

async fn goes_on(runner: &Runner) {
    assert_eq!(soon(runner.call(DOUBLE, 21)).await.unwrap(), 42, "other tasks are unharmed");
}

#[tokio::test]
async fn ten_thousand_levels_of_json_are_refused() -> Result<()> {
    const ANY: Function<Value, Value> = Function::new("any");
    let runner = Runner::local(doubling().add(ANY.implement(|_, value| async move { Ok(value) })))?;
    let deep = (0..10_000).fold(json!(1), |value, _| Value::Array(vec![value]));
    let error = soon(runner.call_by_name("any", deep)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(error.faults()[0].to_string(), "nested over 64 levels deep; at most 64 are allowed");
    let within = (0..64).fold(json!(1), |value, _| json!([value]));
    assert_eq!(soon(runner.call_by_name("any", within.clone())).await?, within);
    let over = (0..65).fold(json!(1), |value, _| json!({"a": value}));
    assert_eq!(soon(runner.call(ANY, over)).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    goes_on(&runner).await;
    Ok(())
}

#[tokio::test]
async fn a_payload_over_its_limit_is_refused() -> Result<()> {
    const LENGTH: Function<String, usize> = Function::new("length");
    let runner = Runner::local(doubling().add(LENGTH.implement(|_, s: String| async move { Ok(s.len()) })))?;
    let call = runner.call(LENGTH, "x".repeat(10 << 20));
    let id = call.task().clone();
    let error = soon(call).await.unwrap_err();
    assert_eq!((error.kind(), error.task()), (ErrorKind::TooLarge, Some(&id)));
    assert_eq!(error.message(), "a payload of 10485762 bytes is over the limit of 10485760");
    assert_eq!(error.remedy(), "upload large content and send its artifact");
    let most = (10 << 20) - 2;
    assert_eq!(soon(runner.call(LENGTH, "x".repeat(most))).await?, most);
    goes_on(&runner).await;
    Ok(())
}

/// A function that is known as data alone.
fn by_schema(input: Value) -> Implementation {
    struct Echo;
    #[async_trait::async_trait]
    impl Handler for Echo {
        async fn run(&self, _: Context, input: Payload) -> Result<Payload, Failure> {
            Ok(input)
        }
    }
    Implementation::new(
        Template::new(Name::new("schema").unwrap(), Version::new(1, 0, 0), input, json!({})),
        Echo,
    )
}

#[tokio::test]
async fn a_pattern_made_to_blow_up_does_not() -> Result<()> {
    let runner = Runner::local(
        doubling().add(by_schema(json!({"type": "string", "pattern": "^(([a-z])+.)+[A-Z]([a-z])+$"}))),
    )?;
    // a backtracking engine would not come back from this at all
    let error = soon(runner.call_by_name("schema", "a".repeat(100_000).into())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().len() < 1000, "{error}");
    let refused = Runner::local(Registry::new().add(by_schema(json!({"pattern": "(?=a)b"})))).unwrap_err();
    assert!(refused.message().contains("look-around"), "{refused}");
    goes_on(&runner).await;
    Ok(())
}

#[tokio::test]
async fn a_registry_tells_everything_that_is_wrong_at_once() -> Result<()> {
    let body = |_, n: u32| async move { Ok(n) };
    const BAD: Function<u32, u32> = Function::new("Bad Name");
    const OTHER: Function<u32, u32> = Function::new("other");
    let registry = || {
        Registry::new()
            .add(BAD.implement(body))
            .add(OTHER.implement(body).example("wrong", "text").timeout(Duration::ZERO))
            .add(DOUBLE.implement(body))
            .add(DOUBLE.implement(body).title("another"))
    };
    let check = |error: &Error| {
        assert_eq!(error.kind(), ErrorKind::InvalidSetup);
        for part in [
            "`Bad Name`",
            "`other@1.0.0`: the example `wrong` breaks the input schema",
            "`other@1.0.0`: timeout is 0",
            "`double@1.0.0` was added twice; keep one",
        ] {
            assert!(error.message().contains(part), "{error}\nlacks {part}");
        }
    };
    check(&Runner::local(registry()).unwrap_err());
    check(&Runner::connect("memory:").await?.worker(registry()).unwrap_err());
    let empty = Runner::local(Registry::new()).unwrap_err();
    assert_eq!(
        (empty.kind(), empty.message()),
        (ErrorKind::InvalidSetup, "the registry is empty; add a function to it")
    );
    Ok(())
}

#[tokio::test]
async fn a_body_that_panics_fails_its_task() -> Result<()> {
    const PANICS: Function<u32, u32> = Function::new("panics");
    let panics = |blocking: bool| {
        let body = |_: &Context, n: u32| if n > 0 { panic!("no {n}") } else { Ok(n) };
        let made = if blocking {
            PANICS.implement_blocking(move |ctx, n| body(&ctx, n))
        } else {
            PANICS.implement(move |ctx, n| async move { body(&ctx, n) })
        };
        doubling().add(made.retry(RetryPolicy::never()))
    };
    for blocking in [false, true] {
        let runner = Runner::local(panics(blocking))?;
        let (code, failure) = failure_of(runner.call(PANICS, 7)).await;
        assert_eq!(code, "panic");
        assert!(failure.message.contains("no 7"), "{failure:?}");
        goes_on(&runner).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_body_that_blocks_its_thread_holds_up_nobody_else() -> Result<()> {
    const BLOCKS: Function<u32, u32> = Function::new("blocks");
    let (release, released) = mpsc::channel::<()>();
    let (released, began) = (Arc::new(Mutex::new(released)), Arc::new(Notify::new()));
    let telling = began.clone();
    let blocks = BLOCKS.implement(move |_, n: u32| {
        let (released, telling) = (released.clone(), telling.clone());
        async move {
            telling.notify_one();
            // what an async body must not do
            let _ = released.lock().map(|released| released.recv());
            Ok(n)
        }
    });
    let runner = Runner::local(doubling().add(blocks))?;
    let handle = runner.call(BLOCKS, 1).submit().await?;
    soon(began.notified()).await;
    goes_on(&runner).await;
    drop(release);
    assert_eq!(soon(handle.output()).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_body_that_never_ends_is_ended_by_its_timeout() -> Result<()> {
    const NEVER: Function<u32, u32> = Function::new("never");
    let never = NEVER.implement(|_, _| std::future::pending::<Result<u32, Failure>>());
    let never = never.timeout(Duration::from_millis(50)).retry(RetryPolicy::never());
    let runner = Runner::local(doubling().add(never))?;
    let (code, failure) = failure_of(runner.call(NEVER, 1)).await;
    assert_eq!(code, "timeout", "{failure:?}");
    goes_on(&runner).await;
    Ok(())
}

#[tokio::test]
async fn a_body_that_ignores_its_cancel_ends_cancelled_all_the_same() -> Result<()> {
    const DEAF: Function<u32, u32> = Function::new("deaf");
    let (release, released) = mpsc::channel::<()>();
    let (released, began) = (Arc::new(Mutex::new(released)), Arc::new(Notify::new()));
    let telling = began.clone();
    let deaf = DEAF.implement_blocking(move |_, n| {
        telling.notify_one();
        let _ = released.lock().map(|released| released.recv());
        Ok(n)
    });
    let deaf = deaf.timeout(Duration::from_millis(200)).retry(RetryPolicy::never());
    let runner = Runner::local(doubling().add(deaf.requires(ResourceRequirement::new().slots(1))))?;
    let handle = runner.call(DEAF, 1).submit().await?;
    soon(began.notified()).await;
    handle.cancel().await?;
    // its thread is still stuck, and the attempt ends by its timeout
    assert_eq!(soon(handle.output()).await.unwrap_err().kind(), ErrorKind::Cancelled);
    goes_on(&runner).await;
    drop(release);
    Ok(())
}

#[tokio::test]
async fn an_output_that_breaks_its_own_schema_fails_the_task() -> Result<()> {
    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    struct Share(#[schemars(range(max = 100))] u32);
    const SHARE: Function<u32, Share> = Function::new("share");
    let runner = Runner::local(doubling().add(SHARE.implement(|_, n| async move { Ok(Share(n)) })))?;
    assert_eq!(soon(runner.call(SHARE, 100)).await?.0, 100);
    let error = soon(runner.call(SHARE, 101)).await.unwrap_err();
    assert_eq!(
        error.failure().and_then(|failure| failure.code.as_deref()),
        Some("invalid_output"),
        "{error}"
    );
    assert!(error.message().contains("101"), "{error}");
    goes_on(&runner).await;
    Ok(())
}
