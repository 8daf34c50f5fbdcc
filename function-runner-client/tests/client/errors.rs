//! Errors of calls: each tells apart what is wrong, says what to do, and carries the task's id.

use std::sync::Arc;

use function_runner_backends::memory::MemoryQueue;
use function_runner_client::{Error, Timestamp, prelude::*};
use function_runner_testkit::MockExecutor;
use serde_json::json;

use crate::{
    user::{DOUBLE, UPSCALE, UpscaleInput, doubling, registry, soon},
    wrapped::Torn,
};

type MakeCall<'a> = Box<dyn Fn() -> Call<u32> + 'a>;

/// What both endings say, which is the same.
async fn refused<O: function_runner_core::Data + std::fmt::Debug>(call: impl Fn() -> Call<O>) -> Error {
    let (awaited, submitted) = (call(), call());
    let (first, second) = (awaited.task().clone(), submitted.task().clone());
    let awaited = soon(awaited).await.unwrap_err();
    let submitted = soon(submitted.submit()).await.unwrap_err();
    assert_eq!((awaited.task(), submitted.task()), (Some(&first), Some(&second)), "{awaited}");
    assert_eq!((awaited.kind(), awaited.message()), (submitted.kind(), submitted.message()));
    awaited
}

#[tokio::test]
async fn an_unknown_function_names_the_nearest() -> Result<()> {
    let runner = Runner::local(registry())?;
    let error = refused(|| runner.call_by_name("image.upscal", json!({}))).await;
    assert_eq!(error.kind(), ErrorKind::UnknownFunction);
    assert_eq!(error.message(), "no worker has served `image.upscal` here; did you mean `image.upscale`?");
    assert_eq!(error.remedy(), "there are: image.upscale; check the name, or start a worker that serves it");
    // and what was asked in between has harmed nothing
    assert!(soon(runner.call(UPSCALE, UpscaleInput::new("photo"))).await.is_ok());
    Ok(())
}

#[tokio::test]
async fn an_unknown_quality_lists_those_there_are() -> Result<()> {
    let runner = Runner::local(registry())?;
    let quality = Quality::custom("hihg")?;
    let error = refused(|| runner.call(UPSCALE, UpscaleInput::new("photo")).quality(quality.clone())).await;
    assert_eq!(error.kind(), ErrorKind::UnknownQuality);
    assert_eq!(error.message(), "`image.upscale` has no quality `hihg`; did you mean `high`?");
    assert_eq!(error.remedy(), "it has: draft, standard, high");
    Ok(())
}

#[tokio::test]
async fn a_setting_out_of_range_is_the_calls_error_and_no_panic() -> Result<()> {
    let runner = Runner::local(doubling())?;
    let long = "x".repeat(1 << 20);
    let cases: Vec<(MakeCall<'_>, &str)> = vec![
        (
            Box::new(|| runner.call(DOUBLE, 1).priority(0)),
            "the priority 0 is out of range; it takes 1 (last) to 10 (first)",
        ),
        (
            Box::new(|| runner.call(DOUBLE, 1).priority(11)),
            "the priority 11 is out of range; it takes 1 (last) to 10 (first)",
        ),
        (
            Box::new(|| runner.call(DOUBLE, 1).id("a\nb\u{7}")),
            r"the task id `a\nb\u{7}` has the character `\n`; it takes 1 to 64 of [A-Za-z0-9_-]",
        ),
        (Box::new(|| runner.call(DOUBLE, 1).id(&long)), "is 1048576 characters long; it takes 1 to 64"),
        (Box::new(|| runner.call(DOUBLE, 1).id("")), "the task id `` is empty"),
        (Box::new(|| runner.call(DOUBLE, 1).id("acme~1")), "has the character `~`"),
        (Box::new(|| runner.call(DOUBLE, 1).tenant("Acme")), "the tenant `Acme` has the character `A`"),
        (Box::new(|| runner.call(DOUBLE, 1).label("", "x")), "it takes 1 to 64"),
        (Box::new(|| runner.call(DOUBLE, 1).label("key", &long)), "it takes at most 256"),
        (Box::new(|| runner.call(DOUBLE, 1).deadline(Duration::ZERO)), "the deadline has passed already"),
        (
            Box::new(|| {
                runner.call(DOUBLE, 1).delay(Duration::from_secs(9)).deadline(Duration::from_secs(8))
            }),
            "before the delay is over",
        ),
        (Box::new(|| runner.call(DOUBLE, 1).delay(Duration::MAX)), "over the limit of 30 days"),
        (
            Box::new(|| runner.call(DOUBLE, 1).dedupe("", Duration::from_secs(1))),
            "a deduplication key of 0 bytes",
        ),
        (Box::new(|| runner.call(DOUBLE, 1).dedupe("key", Duration::MAX)), "a deduplication window of"),
        (Box::new(|| runner.call(DOUBLE, 1).retry(RetryPolicy::exponential(0))), "retry.max_attempts is 0"),
        (Box::new(|| runner.call(DOUBLE, 1).version("1.x")), "`@1.x` names no version"),
    ];
    for (call, expected) in cases {
        let error = refused(call).await;
        assert_eq!(error.kind(), ErrorKind::InvalidCall, "{error}");
        assert!(
            error.message().contains(expected) && error.to_string().len() < 600,
            "{error}\nlacks\n{expected}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_first_fault_is_the_one_that_is_told_under_the_callers_own_id() -> Result<()> {
    let runner = Runner::local(doubling())?;
    let error = soon(runner.call(DOUBLE, 1).priority(0).tenant("Acme").id("mine")).await.unwrap_err();
    assert!(error.message().starts_with("the priority 0"), "{error}");
    assert_eq!(error.task().map(TaskId::as_str), Some("mine"));
    Ok(())
}

#[tokio::test]
async fn a_deadline_in_the_past_ends_the_task_with_its_code() -> Result<()> {
    let runner = Runner::local(doubling())?;
    let past = Timestamp::now().before(Duration::from_secs(3600));
    let error = soon(runner.call(DOUBLE, 1).deadline(past)).await.unwrap_err();
    assert_eq!(error.failure().and_then(|failure| failure.code.as_deref()), Some("deadline"), "{error}");
    assert_eq!(soon(runner.call(DOUBLE, 1).deadline(Duration::from_secs(600))).await?, 2);
    Ok(())
}

#[tokio::test]
async fn a_name_that_is_none_is_told_by_the_call() -> Result<()> {
    const BAD: Function<u32, u32> = Function::new("Not A Name");
    const WORSE: Function<u32, u32> = Function::new("double").version("one");
    let runner = Runner::local(doubling())?;
    let error = refused(|| runner.call(BAD, 1)).await;
    assert!(error.message().contains("`Not A Name`"), "{error}");
    let error = refused(|| runner.call(WORSE, 1)).await;
    assert_eq!(error.message(), "`one` is not a version");
    let error = refused(|| runner.call_by_name("double@@1", json!(1))).await;
    assert_eq!(error.kind(), ErrorKind::InvalidCall);
    Ok(())
}

#[tokio::test]
async fn a_lost_reply_is_asked_for_again_and_the_body_runs_once() -> Result<()> {
    let mock = MockExecutor::new().on(DOUBLE, |n| Ok(n * 2));
    let torn = Torn::new(Arc::new(mock.clone()), 1);
    let runner = Runner::new(torn.clone());
    assert_eq!(soon(runner.call(DOUBLE, 4)).await?, 8);
    assert_eq!((torn.submits(), mock.inputs(DOUBLE).len()), (2, 1));
    Ok(())
}

#[tokio::test]
async fn every_error_of_a_submit_carries_the_id_also_when_the_reply_was_lost() -> Result<()> {
    let local = Runner::local(doubling())?;
    let torn = Torn::new(local.executor().clone(), usize::MAX);
    let runner = Runner::new(torn.clone());
    while runner.functions().await?.templates.is_empty() {
        tokio::task::yield_now().await;
    }
    let call = runner.call(DOUBLE, 4);
    let id = call.task().clone();
    let error = soon(call).await.unwrap_err();
    assert_eq!((error.kind(), error.task()), (ErrorKind::Unavailable, Some(&id)));
    assert_eq!(torn.submits(), 4, "it was sent again three times");
    // the result is not lost: the error says where it is
    assert_eq!(soon(runner.attach(DOUBLE, error.task().unwrap().clone()).output()).await?, 8);
    let error = soon(runner.call(DOUBLE, 5).id("five").submit()).await.unwrap_err();
    assert_eq!(error.task().map(TaskId::as_str), Some("five"));
    Ok(())
}

#[tokio::test]
async fn a_full_queue_is_told_at_once() -> Result<()> {
    let queue = MemoryQueue::builder().depth(1).build();
    let runner = Runner::over(queue.connection());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let worker = tokio::spawn(runner.worker(doubling())?.run_until(stopped));
    soon(async {
        while runner.functions().await?.templates.is_empty() {
            tokio::task::yield_now().await;
        }
        runner.operate().unwrap().pause(&"double@1.0:standard".parse()?).await
    })
    .await?;
    let first = soon(runner.call(DOUBLE, 1).submit()).await?;
    let counted = Torn::new(runner.executor().clone(), 0);
    let error = soon(Runner::new(counted.clone()).call(DOUBLE, 2).id("second")).await.unwrap_err();
    assert_eq!((error.kind(), error.task().map(TaskId::as_str)), (ErrorKind::QueueFull, Some("second")));
    assert_eq!(counted.submits(), 1, "waiting is the caller's to decide");
    first.cancel().await?;
    drop(stop);
    soon(worker).await.unwrap()
}

#[tokio::test]
async fn a_failure_arrives_with_its_class_code_and_remedy() -> Result<()> {
    let failing = UPSCALE.implement(|_, _| async {
        Err(Failure::permanent("the photo is damaged").code("damaged").remedy("take another"))
    });
    let runner = Runner::local(Registry::new().add(failing))?;
    let call = runner.call(UPSCALE, UpscaleInput::new("photo"));
    let id = call.task().clone();
    let error = soon(call).await.unwrap_err();
    assert_eq!((error.kind(), error.task()), (ErrorKind::FunctionFailed, Some(&id)));
    assert_eq!(error.message(), "the function failed: the photo is damaged");
    assert_eq!(error.remedy(), "take another");
    assert_eq!(error.failure().unwrap().code.as_deref(), Some("damaged"));
    Ok(())
}
