//! The local runner: what it needs, how long it lives, what it can be asked.

use std::sync::Arc;

use function_runner_client::{State, prelude::*};
use serde_json::json;
use tokio::sync::{Notify, mpsc};

use crate::user::{DOUBLE, doubling, registry, soon};

#[test]
fn outside_a_runtime_it_is_an_error_and_no_panic() {
    let error = Runner::local(doubling()).unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::InvalidSetup, "a local runner needs a tokio runtime")
    );
    assert!(error.remedy().contains("#[tokio::main]"), "{error}");
}

#[test]
fn without_timers_it_is_an_error_and_no_panic() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error = runtime.block_on(async { Runner::local(doubling()) }).unwrap_err();
    assert_eq!(error.message(), "a local runner needs a tokio runtime with timers");
}

#[tokio::test]
async fn what_can_be_called_is_known_from_the_start() -> Result<()> {
    let runner = Runner::local(registry())?;
    let names = async || {
        Result::Ok(
            runner
                .functions()
                .await?
                .templates
                .into_iter()
                .map(|t| t.function.to_string())
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(names().await?, ["image.upscale"]);
    assert!(soon(runner.call_by_name("nothing", json!({}))).await.is_err());
    assert_eq!(names().await?, ["image.upscale"]);
    Ok(())
}

#[tokio::test]
async fn an_operator_can_look_and_act() -> Result<()> {
    let runner = Runner::local(doubling())?;
    let handle = runner.call(DOUBLE, 1).delay(Duration::from_secs(600)).submit().await?;
    let lanes = runner.inspect().expect("memory can be looked at").lanes().await?;
    assert_eq!(
        (lanes.len(), lanes[0].lane.to_string().as_str(), lanes[0].delayed),
        (1, "double@1.0:standard", 1)
    );
    let lane = lanes[0].lane.clone();
    runner.operate().expect("and operated").pause(&lane).await?;
    assert!(runner.inspect().unwrap().lanes().await?[0].paused);
    handle.cancel().await?;
    assert!(runner.executor().record(handle.id()).await?.state == State::Cancelled);
    Ok(())
}

#[tokio::test]
async fn a_second_worker_helps() -> Result<()> {
    let runner = Runner::local(doubling())?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let worker = tokio::spawn(runner.worker(doubling())?.run_until(stopped));
    assert_eq!(soon(runner.call(DOUBLE, 1)).await?, 2);
    drop(stop);
    soon(worker).await.unwrap()
}

const SLOW: Function<(), ()> = Function::new("slow");

/// A body that says when it began, goes on when told, and says when it ended.
fn slow(began: &Arc<Notify>, go: &Arc<Notify>) -> (Registry, mpsc::UnboundedReceiver<()>) {
    let (ended, ends) = mpsc::unbounded_channel();
    let (began, go) = (began.clone(), go.clone());
    let body = SLOW.implement(move |_, ()| {
        let (began, go, ended) = (began.clone(), go.clone(), ended.clone());
        async move {
            began.notify_one();
            go.notified().await;
            Ok(ended.send(())?)
        }
    });
    (Registry::new().add(body), ends)
}

#[tokio::test]
async fn it_lives_as_long_as_a_handle() -> Result<()> {
    let (began, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (registry, mut ends) = slow(&began, &go);
    let runner = Runner::local(registry)?;
    let (first, second) = (runner.call(SLOW, ()).submit().await?, runner.call(SLOW, ()));
    drop(runner);
    soon(began.notified()).await;
    go.notify_one();
    soon(first.output()).await?;
    drop(first);
    let running = tokio::spawn(second);
    soon(began.notified()).await;
    go.notify_one();
    soon(running).await.unwrap()?;
    assert!(soon(ends.recv()).await.is_some() && soon(ends.recv()).await.is_some());
    assert!(soon(ends.recv()).await.is_none(), "with the last of them the worker and its bodies went");
    Ok(())
}

#[tokio::test]
async fn when_the_last_handle_goes_a_running_body_may_finish_and_nothing_more_is_taken() -> Result<()> {
    let (began, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (registry, mut ends) = slow(&began, &go);
    let runner = Runner::local(registry)?;
    let handle = runner.call(SLOW, ()).submit().await?;
    soon(began.notified()).await;
    drop((runner, handle));
    go.notify_one();
    assert!(soon(ends.recv()).await.is_some(), "the body finished");
    assert!(soon(ends.recv()).await.is_none(), "and the worker let go of it");
    Ok(())
}

#[tokio::test]
async fn what_an_implementation_brings_is_there_and_what_none_brings_is_told_at_once() -> Result<()> {
    let needy = || {
        let needs = ResourceRequirement::new().custom("model.double", 1);
        DOUBLE.implement(|_, n| async move { Ok(n * 2) }).requires(needs)
    };
    let runner = Runner::local(Registry::new().add(needy().brings("model.double", 8)))?;
    assert_eq!(soon(runner.call(DOUBLE, 4)).await?, 8);
    let runner = Runner::local(Registry::new().add(needy()))?;
    let error = soon(runner.call(DOUBLE, 4)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImpossibleRequirement);
    assert!(error.message().contains("model.double"), "{error}");
    Ok(())
}
