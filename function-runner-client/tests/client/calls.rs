//! Calls: their settings arrive, and both endings work wherever a future does.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use function_runner_client::{State, TaskEnded, Timestamp, When, prelude::*};
use serde_json::json;
use tokio::sync::mpsc;

use crate::user::{DOUBLE, UPSCALE, UpscaleInput, doubling, registry, soon};

#[tokio::test]
async fn a_call_is_a_future_like_any_other() -> Result<()> {
    let runner = Runner::local(doubling())?;
    let (two, four) = tokio::join!(runner.call(DOUBLE, 1), runner.call(DOUBLE, 2));
    assert_eq!((two?, four?), (2, 4));
    assert_eq!(tokio::spawn(runner.call(DOUBLE, 3)).await.unwrap()?, 6);
    assert_eq!(tokio::time::timeout(Duration::from_secs(30), runner.call(DOUBLE, 4)).await.unwrap()?, 8);
    let all = futures::future::try_join_all((0..100).map(|n| runner.call(DOUBLE, n))).await?;
    assert_eq!(all, (0..100).map(|n| n * 2).collect::<Vec<_>>());
    tokio::select! {
        output = runner.call(DOUBLE, 5) => assert_eq!(output?, 10),
        () = std::future::pending() => {}
    }
    Ok(())
}

#[tokio::test]
async fn a_call_awaited_twice_is_an_error_and_no_panic() -> Result<()> {
    let runner = Runner::local(doubling())?;
    let mut call = runner.call(DOUBLE, 1);
    let id = call.task().clone();
    assert_eq!(soon(&mut call).await?, 2);
    let error = soon(&mut call).await.unwrap_err();
    assert_eq!((error.kind(), error.task()), (ErrorKind::InvalidCall, Some(&id)));
    assert_eq!(call.submit().await.unwrap_err().kind(), ErrorKind::InvalidCall);
    Ok(())
}

#[tokio::test]
async fn what_is_set_on_a_call_arrives() -> Result<()> {
    const NOTIFY: Function<TaskEnded, ()> = Function::new("notify");
    let runner = Runner::local(registry().add(NOTIFY.implement(|_, _| async { Ok(()) })))?;
    let late = Timestamp::now().after(Duration::from_secs(3600));
    let retry = RetryPolicy::exponential(2).first_delay(Duration::from_millis(1));
    let call = runner
        .call(UPSCALE, UpscaleInput::new("photo"))
        .quality(Quality::Draft)
        .priority(10)
        .tenant("acme")
        .label("order", "17")
        .label("channel", "mail")
        .id("invoice-17")
        .delay(Duration::from_secs(600))
        .deadline(late)
        .dedupe("photo", Duration::from_secs(60))
        .follow_up(NOTIFY, &[("then", "tell")])
        .retry(retry);
    assert_eq!(call.task().as_str(), "invoice-17");
    let handle = call.submit().await?;
    let task = handle.record().await?.task;
    assert_eq!((handle.id(), task.id.as_str()), (&task.id, "invoice-17"));
    assert_eq!((task.function.to_string().as_str(), &task.quality), ("image.upscale@1.2", &Quality::Draft));
    assert_eq!(task.priority.value(), 10);
    assert_eq!(task.tenant.as_ref().map(AsRef::as_ref), Some("acme"));
    assert_eq!(task.labels.get("order").map(String::as_str), Some("17"));
    assert_eq!(task.labels.len(), 2);
    assert_eq!((task.delay, task.deadline), (Some(When::In(Duration::from_secs(600))), Some(When::At(late))));
    assert_eq!(task.dedupe.as_ref().map(|dedupe| dedupe.key.as_str()), Some("photo"));
    assert_eq!(task.follow_ups[0].function.to_string(), "notify@1.0");
    assert_eq!(task.follow_ups[0].labels.get("then").map(String::as_str), Some("tell"));
    assert_eq!((task.retry, task.envelope.retry), (Some(retry), retry));
    handle.cancel().await
}

#[tokio::test]
async fn a_body_sees_what_the_caller_said() -> Result<()> {
    const SEEN: Function<(), String> = Function::new("seen");
    let seen = SEEN.implement(|ctx, ()| async move {
        let tenant = ctx.tenant().map(ToString::to_string).unwrap_or_default();
        Ok(format!("{} {tenant} {:?} {}", ctx.id(), ctx.labels(), ctx.quality()))
    });
    let runner = Runner::local(Registry::new().add(seen))?;
    let call =
        runner.call(SEEN, ()).id("mine").tenant("acme").label("a", "b").quality(Quality::custom("own")?);
    assert_eq!(soon(call).await?, r#"mine acme {"a": "b"} own"#);
    Ok(())
}

#[tokio::test]
async fn a_function_learnt_at_run_time_is_called_by_name() -> Result<()> {
    let runner = Runner::local(registry())?;
    for name in
        ["image.upscale", "image.upscale@1", "image.upscale@^1.2", "image.upscale@1.0", "image.upscale@1.2.0"]
    {
        let output = soon(runner.call_by_name(name, json!({"photo": "p", "factor": 2}))).await?;
        assert_eq!(output, json!({"url": "p@2x by Lanczos"}), "{name}");
    }
    let handle = runner.call_by_name("image.upscale", json!({"photo": "p", "factor": 4})).submit().await?;
    let again = runner.attach_by_name(handle.id().clone());
    assert_eq!(soon(again.output()).await?["url"], "p@4x by Lanczos");
    Ok(())
}

#[tokio::test]
async fn a_call_goes_to_the_version_it_asks_for() -> Result<()> {
    const OLD: Function<(), String> = Function::new("versioned").version("1.4.0");
    const NEW: Function<(), String> = Function::new("versioned").version("2.0.1");
    let says = |text: &'static str| move |_, ()| async move { Ok(text.to_owned()) };
    let runner =
        Runner::local(Registry::new().add(OLD.implement(says("old"))).add(NEW.implement(says("new"))))?;
    assert_eq!(soon(runner.call(OLD, ())).await?, "old");
    assert_eq!(soon(runner.call(NEW, ())).await?, "new");
    assert_eq!(soon(runner.call(OLD, ()).version("2")).await?, "new");
    assert_eq!(soon(runner.call_by_name("versioned", json!(null)).version("1.4.0")).await?, "old");
    let error = soon(runner.call(OLD, ()).version("3")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownFunction);
    assert_eq!(error.message(), "`versioned@3` is not served here; there are: 1.4.0, 2.0.1");
    let error = soon(runner.call(OLD, ()).version("latest")).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::InvalidCall, "`@latest` names no version"));
    Ok(())
}

#[tokio::test]
async fn the_same_id_is_the_same_task() -> Result<()> {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let count = DOUBLE.implement(move |_, n| {
        counted.fetch_add(1, SeqCst);
        async move { Ok(n * 2) }
    });
    let runner = Runner::local(Registry::new().add(count))?;
    for _ in 0..3 {
        assert_eq!(soon(runner.call(DOUBLE, 7).id("seven")).await?, 14);
    }
    assert_eq!(runs.load(SeqCst), 1);
    let error = soon(runner.call(DOUBLE, 8).id("seven")).await.unwrap_err();
    assert_eq!((error.kind(), error.task().unwrap().as_str()), (ErrorKind::Conflict, "seven"));
    assert_eq!(soon(runner.attach(DOUBLE, TaskId::new("seven")?).output()).await?, 14);
    Ok(())
}

#[tokio::test]
async fn a_deduplicated_call_stands_for_the_older_task() -> Result<()> {
    let runner = Runner::local(doubling())?;
    let window = Duration::from_secs(60);
    let first = runner.call(DOUBLE, 1).dedupe("key", window).submit().await?;
    let second = runner.call(DOUBLE, 2).dedupe("key", window).submit().await?;
    assert_eq!(second.id(), first.id());
    assert_eq!(soon(runner.call(DOUBLE, 3).dedupe("key", window)).await?, 2);
    assert_eq!(soon(runner.call(DOUBLE, 3).dedupe("other", window)).await?, 6);
    Ok(())
}

#[tokio::test]
async fn a_follow_up_hears_how_the_task_ended() -> Result<()> {
    const NOTIFY: Function<TaskEnded, ()> = Function::new("notify");
    let (told, mut heard) = mpsc::unbounded_channel();
    let notify = NOTIFY.implement(move |ctx: Context, ended: TaskEnded| {
        let told = told.clone();
        async move { told.send((ended, ctx.labels().clone())).permanent() }
    });
    let failing = UPSCALE.implement(|_, _| async { Err(Failure::permanent("no such photo")) });
    let runner = Runner::local(doubling().add(failing).add(notify))?;

    let four = soon(runner.call(DOUBLE, 2).label("order", "17").follow_up(NOTIFY, &[("by", "mail")])).await?;
    let (ended, labels) = soon(heard.recv()).await.unwrap();
    assert_eq!((four, ended.state, ended.output), (4, State::Succeeded, Some(json!(4))));
    assert_eq!(ended.labels.get("order").map(String::as_str), Some("17"));
    assert_eq!(labels.get("by").map(String::as_str), Some("mail"));

    let failed = runner.call(UPSCALE, UpscaleInput::new("photo")).follow_up(NOTIFY, &[]);
    assert!(soon(failed).await.is_err());
    let (ended, _) = soon(heard.recv()).await.unwrap();
    assert_eq!((ended.state, ended.failure.unwrap().message.as_str()), (State::Failed, "no such photo"));
    Ok(())
}

#[tokio::test]
async fn a_delayed_call_starts_when_its_delay_is_over() -> Result<()> {
    let runner = Runner::local(doubling())?;
    let delay = Duration::from_millis(40);
    let handle = runner.call(DOUBLE, 2).delay(delay).submit().await?;
    assert_eq!(soon(handle.output()).await?, 4);
    let record = handle.record().await?;
    assert!(record.started_at.unwrap().since(record.created_at) >= delay, "{record:?}");
    Ok(())
}

#[tokio::test]
async fn a_retry_policy_of_the_call_wins() -> Result<()> {
    const FLAKY: Function<u32, u32> = Function::new("flaky");
    let flaky = FLAKY.implement(|ctx, until| async move {
        if ctx.attempt() < until { Err(Failure::transient("busy")) } else { Ok(ctx.attempt()) }
    });
    let runner = Runner::local(Registry::new().add(flaky.retry(RetryPolicy::never())))?;
    let error = soon(runner.call(FLAKY, 2)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.failure().unwrap().message.as_str()),
        (ErrorKind::FunctionFailed, "busy")
    );
    let patient = RetryPolicy::exponential(3).first_delay(Duration::from_millis(1));
    assert_eq!(soon(runner.call(FLAKY, 3).retry(patient)).await?, 3);
    Ok(())
}
