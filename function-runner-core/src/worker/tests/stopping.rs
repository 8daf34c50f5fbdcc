//! Setting up, stopping, and being dropped.

use std::{future::pending, sync::Arc, time::Duration};

use futures::FutureExt as _;
use tokio::sync::Notify;

use super::fake::Fake;
use crate::{Capacity, ErrorKind, Function, Outcome, Registry, Worker, WorkerId};

const F: Function<u32, u32> = Function::new("f");

fn registry_of(go: &Arc<Notify>) -> Registry {
    let go = go.clone();
    Registry::new().add(F.implement(move |_, n| {
        let go = go.clone();
        async move {
            go.notified().await;
            Ok(n)
        }
    }))
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let bad = Function::<u32, u32>::new("Not A Name").implement(|_, n| async move { Ok(n) });
    let worker = Worker::new(Fake::new(), Registry::new().add(bad)).capacity(Capacity::new().slots(0).gpu(0));
    let error = worker.run_until(pending::<()>()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidSetup);
    assert!(
        error.message().contains("Not A Name") && error.message().contains("the capacity: gpus[0]"),
        "{error}"
    );
    let error = Worker::new(Fake::new(), Registry::new()).run_until(pending::<()>()).await.unwrap_err();
    assert!(error.message().contains("the registry is empty"), "{error}");
}

#[test]
fn outside_of_a_runtime_it_says_what_it_needs() {
    let worker = Worker::new(Fake::new(), registry_of(&Arc::default()));
    let error = worker.run_until(pending::<()>()).now_or_never().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidSetup);
    assert!(error.to_string().contains("tokio"), "{error}");
}

#[tokio::test]
async fn a_worker_reads_as_what_it_is() {
    let worker = Worker::new(Fake::new(), registry_of(&Arc::default())).id(WorkerId::new("one").unwrap());
    let text = format!("{worker:?}");
    assert!(text.contains("\"one\"") && text.contains("f@1.0.0"), "{text}");
}

#[tokio::test]
async fn on_stop_it_takes_no_more_lets_bodies_end_and_leaves() {
    let (queue, go) = (Fake::quick(), Arc::new(Notify::new()));
    let registry = registry_of(&go);
    let id = queue.submit(&registry, F, &1);
    let running = queue.until(|store| (store.asks.len() == 2).then_some(()));
    let worker = Worker::new(queue.clone(), registry.clone()).run_until(running);
    let after = async {
        // once it was asked to stop, it asks for nothing
        queue.until(|store| store.asks.last().filter(|ask| ask.lanes.is_empty()).map(|_| ())).await;
        queue.submit(&registry, F, &2);
        go.notify_one();
    };
    let (result, ()) = tokio::join!(worker, after);
    result.unwrap();
    let store = queue.store();
    assert_eq!(store.ends.len(), 1);
    assert!(store.ends[0].key.id == id && matches!(store.ends[0].outcome, Outcome::Succeeded(_)));
    assert!(store.joins.len() == 2 && store.joins[1].templates.is_empty(), "it left");
}

#[tokio::test]
async fn what_still_runs_at_the_end_of_the_drain_is_released() {
    let (queue, go) = (Fake::quick(), Arc::new(Notify::new()));
    let registry = registry_of(&go);
    let id = queue.submit(&registry, F, &1);
    let running = queue.until(|store| (store.asks.len() == 2).then_some(()));
    Worker::new(queue.clone(), registry)
        .drain_limit(Duration::from_millis(10))
        .run_until(running)
        .await
        .unwrap();
    let end = queue.ended(&id).await;
    assert_eq!(end.outcome, Outcome::Released { after: Duration::ZERO });
    assert!(queue.store().joins.last().unwrap().templates.is_empty());
}

#[tokio::test]
async fn what_runs_is_released_when_that_is_asked_for_and_the_worker_ends_when_it_is_back() {
    // at once, or while it drains
    for drains in [false, true] {
        let (queue, go) = (Fake::quick(), Arc::new(Notify::new()));
        let registry = registry_of(&go);
        let id = queue.submit(&registry, F, &1);
        let watched = queue.clone();
        let running = async move { watched.until(|store| (store.asks.len() == 2).then_some(())).await };
        let watched = queue.clone();
        let stopping = async move {
            // once it was asked to stop, it asks for nothing
            watched.until(|store| store.asks.last().filter(|ask| ask.lanes.is_empty()).map(|_| ())).await;
        };
        let worker = Worker::new(queue.clone(), registry).drain_limit(Duration::from_secs(3_600));
        let worker = if drains {
            worker.release_when(stopping).run_until(running.boxed())
        } else {
            worker.release_when(running).run_until(pending().boxed())
        };
        worker.await.unwrap();
        let store = queue.store();
        assert_eq!(store.ends.len(), 1);
        assert_eq!(
            (&store.ends[0].key.id, &store.ends[0].outcome),
            (&id, &Outcome::Released { after: Duration::ZERO })
        );
        assert!(store.joins.last().unwrap().templates.is_empty(), "it left");
    }
}

#[tokio::test]
async fn an_operators_drain_ends_it() {
    let queue = Fake::quick();
    queue.store().drain = true;
    Worker::new(queue.clone(), registry_of(&Arc::default())).run_until(pending::<()>()).await.unwrap();
    assert!(queue.store().joins.last().unwrap().templates.is_empty());
}

#[tokio::test]
async fn dropping_it_releases_at_once_what_runs() {
    let (queue, go) = (Fake::new(), Arc::new(Notify::new()));
    let registry = registry_of(&go);
    let id = queue.submit(&registry, F, &1);
    let worker = Worker::new(queue.clone(), registry).run_until(pending::<()>());
    let running = queue.until(|store| (store.asks.len() == 2).then_some(()));
    tokio::select! {
        _ = worker => panic!("nobody stopped it"),
        () = running => {}
    }
    // the future is gone, the runtime is not
    assert_eq!(queue.ended(&id).await.outcome, Outcome::Released { after: Duration::ZERO });
    queue.until(|store| store.joins.last().is_some_and(|join| join.templates.is_empty()).then_some(())).await;
}
