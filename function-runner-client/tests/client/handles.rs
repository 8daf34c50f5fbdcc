//! Handles: a bookmark, not an owner.

use std::sync::Arc;

use function_runner_client::{EventKind, Stage, State, prelude::*};
use futures::StreamExt as _;
use tokio::sync::{Notify, Semaphore};

use crate::user::{DOUBLE, UPSCALE, UpscaleInput, doubling, registry, served, soon};

const STEPS: Function<u32, u32> = Function::new("steps");

/// A body that takes a step whenever the test lets it.
fn stepping(go: &Arc<Semaphore>) -> Registry {
    let go = go.clone();
    Registry::new().add(STEPS.implement(move |ctx: Context, steps: u32| {
        let go = go.clone();
        async move {
            for step in 1..=steps {
                go.acquire().await?.forget();
                ctx.progress(step as f32 / steps as f32, format!("step {step}"));
                ctx.log(format!("did {step}"));
            }
            Ok(steps)
        }
    }))
}

#[tokio::test]
async fn a_dropped_handle_changes_nothing_and_an_attached_one_goes_on() -> Result<()> {
    let go = Arc::new(Semaphore::new(0));
    let runner = Runner::local(stepping(&go))?;
    let handle = runner.call(STEPS, 2).submit().await?;
    let stored = handle.id().to_string();
    drop(handle);
    let again = runner.attach(STEPS, TaskId::new(stored)?);
    go.add_permits(2);
    assert_eq!(soon(again.output()).await?, 2);
    Ok(())
}

#[tokio::test]
async fn another_runner_of_the_same_store_attaches() -> Result<()> {
    let (connection, _worker) = served(doubling());
    let (caller, watcher) = (Runner::over(connection.clone()), Runner::over(connection));
    while caller.functions().await?.templates.is_empty() {
        tokio::task::yield_now().await;
    }
    let id = caller.call(DOUBLE, 21).submit().await?.id().clone();
    drop(caller);
    assert_eq!(soon(watcher.attach(DOUBLE, id).output()).await?, 42);
    Ok(())
}

#[tokio::test]
async fn an_output_is_given_as_often_as_asked() -> Result<()> {
    let runner = Runner::local(doubling())?;
    let handle = runner.call(DOUBLE, 2).submit().await?;
    let other = handle.clone();
    let (one, two) = tokio::join!(handle.output(), other.output());
    assert_eq!((one?, two?, handle.output().await?), (4, 4, 4));
    assert_eq!(handle.record().await?.state, State::Succeeded);
    Ok(())
}

#[tokio::test]
async fn progress_is_told_while_it_happens() -> Result<()> {
    let go = Arc::new(Semaphore::new(0));
    let runner = Runner::local(stepping(&go))?;
    let handle = runner.call(STEPS, 2).submit().await?;
    let mut progress = handle.progress();
    let mut told = Vec::new();
    for expected in [0.5, 1.0] {
        go.add_permits(1);
        while let Some(p) = soon(progress.next()).await {
            let fraction = p.fraction;
            told.push(p);
            if fraction == Some(expected) {
                break;
            }
        }
    }
    while let Some(p) = soon(progress.next()).await {
        told.push(p);
    }
    assert!(told.iter().any(|p| p.message == "step 1"), "{told:?}");
    assert_eq!(told.last().map(|p| p.message.as_str()), Some("step 2"));
    assert_eq!(soon(progress.next()).await, None, "it has ended for good");
    assert_eq!(
        soon(handle.progress().next()).await.and_then(|p| p.fraction),
        Some(1.0),
        "also after the end"
    );
    Ok(())
}

#[tokio::test]
async fn a_task_that_waits_says_so() -> Result<()> {
    let runner = Runner::local(doubling())?;
    runner.operate().unwrap().pause(&"double@1.0:standard".parse()?).await?;
    let first = runner.call(DOUBLE, 1).submit().await?;
    let second = runner.call(DOUBLE, 2).submit().await?;
    let delayed = runner.call(DOUBLE, 3).delay(Duration::from_secs(600)).submit().await?;
    let start = delayed.record().await?.not_before.unwrap();
    let waits = ["waits for a worker".to_owned(), "1 ahead".to_owned(), format!("waits until {start}")];
    let told: Vec<_> = futures::future::join_all([&first, &second, &delayed].map(async |handle| {
        let mut progress = handle.progress();
        (soon(progress.next()).await.unwrap(), progress)
    }))
    .await;
    for ((told, mut progress), (handle, message)) in
        told.into_iter().zip([first, second, delayed].into_iter().zip(waits))
    {
        assert_eq!((told.stage, told.message), (Stage::Queued, message));
        handle.cancel().await?;
        assert_eq!(soon(progress.next()).await, None, "it ends with the task");
    }
    Ok(())
}

#[tokio::test]
async fn events_are_a_stream_from_a_snapshot_to_the_end() -> Result<()> {
    let go = Arc::new(Semaphore::new(0));
    let runner = Runner::local(stepping(&go))?;
    let handle = runner.call(STEPS, 1).submit().await?;
    let mut events = handle.events();
    let first = soon(events.next()).await.unwrap()?;
    assert!(matches!(first.kind, EventKind::Snapshot(_)), "{first:?}");
    go.add_permits(1);
    let rest: Vec<_> = soon(events.collect()).await;
    let kinds: Vec<_> = rest.into_iter().map(|event| event.map(|event| event.kind)).collect::<Result<_>>()?;
    assert!(matches!(kinds.last(), Some(EventKind::Succeeded(_))), "{kinds:?}");
    assert!(
        kinds.iter().any(|kind| matches!(kind, EventKind::Log(line) if line.message == "did 1")),
        "{kinds:?}"
    );
    let ended: Vec<_> = soon(handle.events().collect::<Vec<_>>()).await;
    assert!(matches!(&ended[..], [Ok(event)] if event.end() == Some(State::Succeeded)), "{ended:?}");
    Ok(())
}

#[tokio::test]
async fn a_cancelled_task_ends_cancelled() -> Result<()> {
    let began = Arc::new(Notify::new());
    let telling = began.clone();
    let stubborn = UPSCALE.implement(move |ctx: Context, _| {
        let telling = telling.clone();
        async move {
            telling.notify_one();
            ctx.cancelled().await;
            // it succeeds although it was asked to stop
            Ok(crate::user::UpscaleOutput::fake(2))
        }
    });
    let runner = Runner::local(Registry::new().add(stubborn))?;
    let handle = runner.call(UPSCALE, UpscaleInput::new("photo")).submit().await?;
    soon(began.notified()).await;
    handle.cancel().await?;
    handle.cancel().await?;
    let error = soon(handle.output()).await.unwrap_err();
    assert_eq!((error.kind(), error.task()), (ErrorKind::Cancelled, Some(handle.id())));
    handle.cancel().await?;
    assert_eq!(handle.record().await?.state, State::Cancelled);
    Ok(())
}

#[tokio::test]
async fn a_handle_of_nothing_says_so() -> Result<()> {
    let runner = Runner::local(doubling())?;
    let id = TaskId::new("nobody")?;
    let handle = runner.attach(DOUBLE, id.clone());
    let output = soon(handle.output()).await.unwrap_err();
    let record = handle.record().await.unwrap_err();
    let cancel = handle.cancel().await.unwrap_err();
    let event = soon(handle.events().next()).await.unwrap().unwrap_err();
    for error in [output, record, cancel, event] {
        assert_eq!((error.kind(), error.task()), (ErrorKind::UnknownTask, Some(&id)), "{error}");
    }
    assert_eq!(soon(handle.progress().next()).await, None);
    Ok(())
}

#[tokio::test]
async fn an_output_of_another_type_names_the_function_and_the_type() -> Result<()> {
    const OTHER: Function<UpscaleInput, u32> = Function::new("image.upscale").version("1.2.0");
    let runner = Runner::local(registry())?;
    let handle = runner.call(UPSCALE, UpscaleInput::new("photo")).submit().await?;
    let error = soon(runner.attach(OTHER, handle.id().clone()).output()).await.unwrap_err();
    assert_eq!((error.kind(), error.task()), (ErrorKind::Corrupt, Some(handle.id())));
    assert_eq!(error.message(), "the output of `image.upscale` is not a `u32`");
    let error = soon(runner.call(OTHER, UpscaleInput::new("photo"))).await.unwrap_err();
    assert_eq!(error.message(), "the output of `image.upscale` is not a `u32`");
    Ok(())
}
