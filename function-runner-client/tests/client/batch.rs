//! Batches: all or nothing, and one progress over all.

use std::sync::Arc;

use function_runner_client::{State, prelude::*};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::{
    user::{DOUBLE, UPSCALE, UpscaleInput, doubling, registry, soon},
    wrapped::Torn,
};

#[tokio::test]
async fn functions_and_qualities_mix() -> Result<()> {
    let runner = Runner::local(registry().merge(doubling()))?;
    let mut batch = runner.batch();
    let draft = batch.add(runner.call(UPSCALE, UpscaleInput::new("photo")).quality(Quality::Draft));
    let standard = batch.add(runner.call(UPSCALE, UpscaleInput::new("photo")).priority(9));
    let four = batch.add(runner.call(DOUBLE, 2).id("four"));
    let named = batch.add(runner.call_by_name("double@1", json!(5)));
    assert_eq!((batch.len(), four.id().as_str()), (4, "four"));
    let batch = batch.submit().await?;
    assert_eq!(soon(batch.wait()).await?, [State::Succeeded; 4]);
    assert_eq!(batch.handle(&draft).output().await?.url, "photo@2x by Bilinear");
    assert_eq!(batch.handle(&standard).output().await?.url, "photo@2x by Lanczos");
    assert_eq!(batch.handle(&four).output().await?, 4);
    assert_eq!(batch.handle(&named).output().await?, json!(10));
    assert_eq!(batch.ids()[2].as_str(), "four");
    Ok(())
}

#[tokio::test]
async fn a_fault_in_one_call_stores_none() -> Result<()> {
    let runner = Runner::local(doubling())?;
    let stored = async |id: &str| runner.attach(DOUBLE, TaskId::new(id)?).record().await;

    let mut batch = runner.batch();
    batch.add(runner.call(DOUBLE, 1).id("good-1"));
    batch.add(runner.call(DOUBLE, 1).id("bad").priority(11));
    let error = batch.submit().await.unwrap_err();
    assert_eq!((error.kind(), error.task().unwrap().as_str()), (ErrorKind::InvalidCall, "bad"));
    assert_eq!(stored("good-1").await.unwrap_err().kind(), ErrorKind::UnknownTask);

    assert_eq!(soon(runner.call(DOUBLE, 1).id("taken")).await?, 2);
    let mut batch = runner.batch();
    batch.add(runner.call(DOUBLE, 1).id("good-2"));
    batch.add(runner.call(DOUBLE, 2).id("taken"));
    let error = batch.submit().await.unwrap_err();
    assert_eq!((error.kind(), error.task().unwrap().as_str()), (ErrorKind::Conflict, "taken"));
    assert_eq!(stored("good-2").await.unwrap_err().kind(), ErrorKind::UnknownTask);

    let mut batch = runner.batch();
    for n in 0..1001 {
        batch.add(runner.call(DOUBLE, n));
    }
    assert_eq!(batch.submit().await.unwrap_err().kind(), ErrorKind::TooLarge);
    Ok(())
}

#[tokio::test]
async fn a_call_of_another_runner_is_refused() -> Result<()> {
    let (runner, other) = (Runner::local(doubling())?, Runner::local(doubling())?);
    let mut batch = runner.batch();
    let ticket = batch.add(other.call(DOUBLE, 1));
    let error = batch.submit().await.unwrap_err();
    assert_eq!((error.kind(), error.task()), (ErrorKind::InvalidCall, Some(ticket.id())));
    Ok(())
}

#[tokio::test]
async fn an_empty_batch_is_done_at_once() -> Result<()> {
    let runner = Runner::local(doubling())?;
    let batch = runner.batch();
    assert!(batch.is_empty());
    let batch = batch.submit().await?;
    assert_eq!(soon(batch.progress().next()).await, None);
    assert!(soon(batch.wait()).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_ticket_of_a_duplicate_finds_the_older_task() -> Result<()> {
    let runner = Runner::local(doubling())?;
    let window = Duration::from_secs(60);
    let mut batch = runner.batch();
    let first = batch.add(runner.call(DOUBLE, 1).dedupe("key", window));
    let second = batch.add(runner.call(DOUBLE, 2).dedupe("key", window));
    let batch = batch.submit().await?;
    assert_eq!(batch.handle(&second).id(), first.id());
    assert_eq!(soon(batch.handle(&second).output()).await?, 2);
    assert_eq!(batch.ids(), [first.id().clone(), first.id().clone()]);
    Ok(())
}

#[tokio::test]
async fn progress_is_of_all_tasks_together() -> Result<()> {
    const STEP: Function<bool, ()> = Function::new("step");
    let go = Arc::new(Semaphore::new(0));
    let gate = go.clone();
    let step = STEP.implement(move |ctx: Context, fails: bool| {
        let gate = gate.clone();
        async move {
            ctx.progress(0.5, "half");
            gate.acquire().await?.forget();
            if fails { Err(Failure::permanent("as asked")) } else { Ok(()) }
        }
    });
    let runner = Runner::local(Registry::new().add(step))?;
    let mut batch = runner.batch();
    batch.add(runner.call(STEP, false));
    batch.add(runner.call(STEP, true));
    let batch = batch.submit().await?;

    assert!(futures::poll!(std::pin::pin!(batch.wait())).is_pending(), "nothing has ended yet");
    let mut progress = batch.progress();
    let (mut last, mut told) = (0.0, Vec::new());
    while let Some(p) = soon(progress.next()).await {
        assert!(p.fraction >= last, "it never falls: {p:?} after {last}");
        assert!(batch.ids().contains(&p.task) && p.tasks == 2);
        last = p.fraction;
        if p.fraction >= 0.5 && p.ended == 0 {
            go.add_permits(2);
        }
        told.push(p);
    }
    let end = told.last().unwrap();
    assert_eq!((end.fraction, end.ended), (1.0, 2), "{told:?}");
    assert!(told.iter().any(|p| p.fraction == 0.5 && p.latest.message == "half"), "{told:?}");
    assert_eq!(soon(batch.wait()).await?, [State::Succeeded, State::Failed]);
    Ok(())
}

#[tokio::test]
async fn progress_of_all_never_falls_although_a_retry_begins_anew() -> Result<()> {
    const FLAKY: Function<(), ()> = Function::new("flaky");
    let go = Arc::new(Semaphore::new(0));
    let gate = go.clone();
    let flaky = FLAKY.implement(move |ctx: Context, ()| {
        let gate = gate.clone();
        async move {
            let first = ctx.attempt() == 1;
            ctx.progress(if first { 0.8 } else { 0.1 }, format!("attempt {}", ctx.attempt()));
            gate.acquire().await?.forget();
            if first { Err(Failure::transient("once")) } else { Ok(()) }
        }
    });
    let quick = RetryPolicy::exponential(2).first_delay(Duration::from_millis(1));
    let runner = Runner::local(Registry::new().add(flaky.retry(quick)))?;
    let mut batch = runner.batch();
    batch.add(runner.call(FLAKY, ()));
    let batch = batch.submit().await?;
    let mut progress = batch.progress();
    let (mut last, mut messages) = (0.0, Vec::new());
    while let Some(p) = soon(progress.next()).await {
        assert!(p.fraction >= last, "{p:?} after {last}");
        last = p.fraction;
        if p.latest.message.starts_with("attempt") && messages.last() != Some(&p.latest.message) {
            messages.push(p.latest.message);
            go.add_permits(1);
        }
    }
    assert_eq!((last, messages), (1.0, vec!["attempt 1".to_owned(), "attempt 2".to_owned()]));
    Ok(())
}

#[tokio::test]
async fn a_batch_is_cancelled_whole() -> Result<()> {
    let runner = Runner::local(doubling())?;
    let mut batch = runner.batch();
    for n in 0..5 {
        batch.add(runner.call(DOUBLE, n).delay(Duration::from_secs(600)));
    }
    let batch = batch.submit().await?;
    batch.cancel().await?;
    assert_eq!(soon(batch.wait()).await?, [State::Cancelled; 5]);
    Ok(())
}

#[tokio::test]
async fn a_lost_reply_of_a_batch_is_asked_for_again() -> Result<()> {
    let local = Runner::local(doubling())?;
    let torn = Torn::new(local.executor().clone(), 1);
    let runner = Runner::new(torn.clone());
    while runner.functions().await?.templates.is_empty() {
        tokio::task::yield_now().await;
    }
    let mut batch = runner.batch();
    let tickets: Vec<_> = (0..3).map(|n| batch.add(runner.call(DOUBLE, n))).collect();
    let batch = soon(batch.submit()).await?;
    assert_eq!(torn.submits(), 2);
    for (n, ticket) in (0..).zip(&tickets) {
        assert_eq!(soon(batch.handle(ticket).output()).await?, n * 2);
    }
    Ok(())
}
