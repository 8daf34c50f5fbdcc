//! What a dropped call owes: a cancel, wherever it was dropped.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context as Waker, Poll},
};

use function_runner_client::{State, prelude::*};
use function_runner_testkit::MockExecutor;
use futures::task::noop_waker_ref;
use tokio::sync::Notify;

use crate::{
    user::{DOUBLE, soon},
    wrapped::Gated,
};

const WAIT: Function<(), ()> = Function::new("wait");

/// A body that says when it began and waits until it is cancelled.
fn waiting(began: &Arc<Notify>) -> Registry {
    let began = began.clone();
    Registry::new().add(WAIT.implement(move |ctx: Context, ()| {
        let began = began.clone();
        async move {
            began.notify_one();
            ctx.cancelled().await;
            Err(Failure::cancelled())
        }
    }))
}

fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    pin!(future).poll(&mut Waker::from_waker(noop_waker_ref()))
}

#[tokio::test]
async fn a_call_that_is_dropped_half_way_cancels_its_task() -> Result<()> {
    let began = Arc::new(Notify::new());
    let runner = Runner::local(waiting(&began))?;
    let handle = runner.attach(WAIT, TaskId::new("dropped")?);
    tokio::select! {
        output = runner.call(WAIT, ()).id("dropped") => panic!("it ended: {output:?}"),
        () = soon(began.notified()) => {}
    }
    assert_eq!(soon(handle.output()).await.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(handle.record().await?.state, State::Cancelled);
    Ok(())
}

#[tokio::test]
async fn a_call_that_was_never_polled_owes_nothing() -> Result<()> {
    let began = Arc::new(Notify::new());
    let runner = Runner::local(waiting(&began))?;
    drop(runner.call(WAIT, ()).id("unused"));
    let error = runner.attach(WAIT, TaskId::new("unused")?).record().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownTask);
    Ok(())
}

#[tokio::test]
async fn a_call_dropped_while_it_is_submitted_arrives_first_and_is_cancelled_then() -> Result<()> {
    let mock = MockExecutor::new().on(DOUBLE, |n| Ok(n * 2));
    let gated = Gated::submits(Arc::new(mock.clone()));
    let runner = Runner::new(gated.clone());
    tokio::select! {
        output = runner.call(DOUBLE, 2).id("under-way") => panic!("it ended: {output:?}"),
        () = soon(gated.submits.comes()) => {}
    }
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(gated.cancels.count(), 0, "a cancel that overtakes its submit is lost");
    gated.submits.open();
    soon(gated.cancels.comes()).await;
    assert_eq!(*gated.cancelled.lock().unwrap(), [TaskId::new("under-way")?]);
    assert_eq!(mock.inputs(DOUBLE), [2], "it arrived");
    Ok(())
}

#[tokio::test]
async fn a_call_dropped_before_it_is_submitted_stores_nothing() -> Result<()> {
    let mock = MockExecutor::new().on(DOUBLE, |n| Ok(n * 2));
    let gated = Gated::templates(Arc::new(mock));
    let runner = Runner::new(gated.clone());
    tokio::select! {
        output = runner.call(DOUBLE, 2) => panic!("it ended: {output:?}"),
        () = soon(gated.templates.comes()) => {}
    }
    gated.templates.open();
    assert_eq!(soon(runner.call(DOUBLE, 3)).await?, 6);
    assert_eq!((gated.submits.count(), gated.cancels.count()), (1, 0));
    Ok(())
}

#[tokio::test]
async fn a_call_that_stands_for_an_older_task_leaves_it_alone() -> Result<()> {
    let began = Arc::new(Notify::new());
    let runner = Runner::local(waiting(&began))?;
    let window = Duration::from_secs(60);
    let older = runner.call(WAIT, ()).dedupe("key", window).submit().await?;
    soon(began.notified()).await;
    let mut call = runner.call(WAIT, ()).dedupe("key", window);
    while runner.executor().record(older.id()).await?.state != State::Running {}
    for _ in 0..10 {
        assert!(poll_once(&mut call).is_pending());
        tokio::task::yield_now().await;
    }
    drop(call);
    tokio::task::yield_now().await;
    let record = older.record().await?;
    assert!(record.state == State::Running && !record.cancel_requested, "{record:?}");
    older.cancel().await
}

#[test]
fn a_call_dropped_outside_a_runtime_cancels_its_task_all_the_same() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let began = Arc::new(Notify::new());
    let (handle, call) = runtime.block_on(async {
        let runner = Runner::local(waiting(&began))?;
        let handle = runner.attach(WAIT, TaskId::new("outside")?);
        let mut call = runner.call(WAIT, ()).id("outside");
        assert!(poll_once(&mut call).is_pending());
        soon(began.notified()).await;
        Result::Ok((handle, call))
    })?;
    drop(call);
    let error = runtime.block_on(soon(handle.output())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    Ok(())
}

#[tokio::test]
async fn a_call_that_ended_owes_nothing() -> Result<()> {
    let mock = MockExecutor::new().on(DOUBLE, |n| Ok(n * 2));
    let gated = Gated::submits(Arc::new(mock));
    gated.submits.open();
    let runner = Runner::new(gated.clone());
    assert_eq!(soon(runner.call(DOUBLE, 2)).await?, 4);
    tokio::task::yield_now().await;
    assert_eq!(gated.cancels.count(), 0);
    Ok(())
}
