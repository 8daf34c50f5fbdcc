//! Attempts: how they end, and what their bodies see and tell.

use std::{
    future::pending,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use tokio::sync::{Notify, oneshot};

use super::fake::Fake;
use crate::{
    Capacity, Context, Failure, Function, Implementation, MakeScratch, Outcome, Quality, QualityPreset,
    Registry, ResourceRequirement, RetryPolicy, Scratch, Worker,
};

const F: Function<u32, u32> = Function::new("f");
const G: Function<u32, u32> = Function::new("g");

/// Runs a worker of this registry beside `test`, then stops it.
async fn beside(queue: &Arc<Fake>, registry: &Registry, test: impl Future<Output = ()>) {
    beside_worker(Worker::new(queue.clone(), registry.clone()), test).await;
}

async fn beside_worker(worker: Worker, test: impl Future<Output = ()>) {
    worker.run_until(test).await.unwrap();
}

fn one(implementation: Implementation) -> Registry {
    Registry::new().add(implementation)
}

fn failure(outcome: &Outcome) -> &Failure {
    match outcome {
        Outcome::Failed(failure) | Outcome::Retry { failure, .. } => failure,
        other => panic!("no failure: {other:?}"),
    }
}

#[tokio::test]
async fn tasks_run_and_their_outputs_come_back() {
    let (queue, registry) = (Fake::new(), one(F.implement(|_, n| async move { Ok(n + 1) })));
    let ids: Vec<_> = (0..200).map(|n| queue.submit(&registry, F, &n)).collect();
    beside(&queue, &registry, async {
        for (n, id) in ids.iter().enumerate() {
            let end = queue.ended(id).await;
            let Outcome::Succeeded(output) = end.outcome else { panic!("{:?}", end.outcome) };
            assert_eq!(output.decode::<usize>().unwrap(), n + 1);
        }
    })
    .await;
    assert!(queue.store().asks.len() < 20, "64 at a time: {}", queue.store().asks.len());
}

#[tokio::test]
async fn a_panic_stays_in_its_attempt() {
    let queue = Fake::new();
    let registry =
        one(F.implement(|_, n| async move { if n == 0 { panic!("no {}", "zero") } else { Ok(n) } }))
            .add(G.implement_blocking(|_, n| if n == 0 { panic!("plain") } else { Ok(n) }));
    let ids =
        [queue.submit(&registry, F, &0), queue.submit(&registry, G, &0), queue.submit(&registry, F, &1)];
    beside(&queue, &registry, async {
        for (id, said) in ids.iter().zip(["the body panicked: no zero", "the body panicked: plain"]) {
            let end = queue.ended(id).await;
            assert!(matches!(end.outcome, Outcome::Failed(_)), "not tried again");
            assert_eq!(
                (failure(&end.outcome).code.as_deref(), &*failure(&end.outcome).message),
                (Some("panic"), said)
            );
        }
        assert!(matches!(queue.ended(&ids[2]).await.outcome, Outcome::Succeeded(_)));
    })
    .await;
}

#[tokio::test]
async fn an_output_that_breaks_its_own_schema_is_a_failure() {
    #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    struct Small {
        #[schemars(range(max = 9))]
        n: u32,
    }
    const S: Function<u32, Small> = Function::new("s");
    let (queue, registry) = (Fake::new(), one(S.implement(|_, n| async move { Ok(Small { n }) })));
    let (good, bad) = (queue.submit(&registry, S, &9), queue.submit(&registry, S, &10));
    beside(&queue, &registry, async {
        assert!(matches!(queue.ended(&good).await.outcome, Outcome::Succeeded(_)));
        let end = queue.ended(&bad).await;
        let failure = failure(&end.outcome);
        assert_eq!(failure.code.as_deref(), Some("invalid_output"));
        assert!(failure.message.contains("/n"), "{failure}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_past_its_timeout_is_dropped() {
    struct Flag(Arc<AtomicBool>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = dropped.clone();
    let body = move |ctx: Context, _| {
        let flag = Flag(flag.clone());
        async move {
            let (_flag, _ctx) = (flag, ctx);
            pending().await
        }
    };
    let registry = one(F.implement(body).timeout(Duration::from_secs(5)).retry(RetryPolicy::never()));
    let queue = Fake::new();
    let id = queue.submit(&registry, F, &0);
    beside(&queue, &registry, async {
        let end = queue.ended(&id).await;
        assert_eq!(failure(&end.outcome).code.as_deref(), Some("timeout"));
        assert!(end.usage.run_ms >= 5000);
    })
    .await;
    assert!(dropped.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_failed_attempt_is_tried_again_from_its_checkpoint() {
    let body = |ctx: Context, _| async move {
        match ctx.resumed() {
            None => {
                ctx.checkpoint("half")?;
                Err(Failure::transient("the link broke"))
            }
            Some(half) => Ok(u32::from(half == b"half") + ctx.attempt()),
        }
    };
    let (queue, registry) = (Fake::new(), one(F.implement(body)));
    let id = queue.submit(&registry, F, &0);
    beside(&queue, &registry, async {
        queue.until(|store| (store.ends.len() == 2).then_some(())).await;
        let ends = queue.store().ends.clone();
        let beats = queue.store().beats.clone();
        assert!(ends.iter().all(|end| end.key.id == id));
        assert!(matches!(&ends[0].outcome, Outcome::Retry { .. }));
        // it goes with the end, unless a beat was quicker
        let mut told =
            beats.iter().flat_map(|beat| &beat.tasks).map(|task| &task.report).chain([&ends[0].last]);
        assert!(told.any(|report| report.checkpoint.as_deref() == Some(b"half")));
        let Outcome::Succeeded(output) = &ends[1].outcome else { panic!("{:?}", ends[1].outcome) };
        assert_eq!(output.decode::<u32>().unwrap(), 3);
    })
    .await;
}

#[tokio::test]
async fn what_a_body_tells_rides_in_a_beat() {
    let go = Arc::new(Notify::new());
    let wait = go.clone();
    let body = move |ctx: Context, _| {
        let wait = wait.clone();
        async move {
            ctx.progress(0.5, "half");
            ctx.log("a line");
            ctx.checkpoint("kept")?;
            wait.notified().await;
            ctx.progress(0.9, "nearly");
            Ok(1)
        }
    };
    let (queue, registry) = (Fake::quick(), one(F.implement(body)));
    let id = queue.submit(&registry, F, &0);
    beside(&queue, &registry, async {
        let report = queue
            .until(|store| {
                let mut tasks = store.beats.iter().flat_map(|beat| &beat.tasks);
                tasks.find(|task| !task.report.is_empty()).map(|task| task.report.clone())
            })
            .await;
        assert_eq!(report.progress.unwrap().item.message, "half");
        assert_eq!((report.logs.len(), report.checkpoint.as_deref()), (1, Some(&b"kept"[..])));
        // the next beat follows only once this one got through, and what got through is not told again
        let beats = queue.store().beats.len();
        queue.until(|store| (store.beats.len() > beats).then_some(())).await;
        go.notify_one();
        let last = queue.ended(&id).await.last;
        assert_eq!((last.progress.unwrap().item.message, last.logs.len()), ("nearly".to_owned(), 0));
    })
    .await;
}

#[tokio::test]
async fn a_cancel_fires_the_token_at_once_and_waits_for_the_body() {
    let body = |ctx: Context, _| async move {
        ctx.cancelled().await;
        ctx.log("cleaned up");
        Err(Failure::cancelled())
    };
    let (queue, registry) = (Fake::new(), one(F.implement(body)));
    let id = queue.submit(&registry, F, &0);
    beside(&queue, &registry, async {
        queue.until(|store| store.asks.iter().any(|ask| ask.call == 2).then_some(())).await;
        queue.cancel_it(&id);
        let end = queue.ended(&id).await;
        assert_eq!(end.outcome, Outcome::Cancelled);
        assert_eq!(end.last.logs[0].item.message, "cleaned up");
    })
    .await;
}

#[tokio::test]
async fn a_lost_lease_fires_the_token_and_drops_the_body() {
    let (says, said) = mpsc::channel();
    let says = Mutex::new(says);
    let body = move |ctx: Context, _| {
        let says = says.lock().unwrap().clone();
        async move {
            let told = ctx.clone();
            let _says = Tells(says, told);
            pending().await
        }
    };
    struct Tells(mpsc::Sender<bool>, Context);
    impl Drop for Tells {
        fn drop(&mut self) {
            let _ = self.0.send(self.1.is_cancelled());
        }
    }
    let (queue, registry) = (Fake::new(), one(F.implement(body)));
    let id = queue.submit(&registry, F, &0);
    beside(&queue, &registry, async {
        queue.until(|store| store.asks.iter().any(|ask| ask.call == 2).then_some(())).await;
        queue.lose(&id);
        let fired = tokio::task::spawn_blocking(move || said.recv().unwrap()).await.unwrap();
        assert!(fired, "its token fired before it was dropped");
    })
    .await;
    assert!(queue.store().ends.is_empty(), "nobody is told");
}

#[tokio::test]
async fn a_blocking_body_that_ignores_its_token_ends_its_attempt_while_its_resources_stay_held() {
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let body = move |_: Context, n: u32| {
        if n == 0 {
            released.lock().unwrap().recv().unwrap();
        }
        Ok(n)
    };
    let registry =
        one(F.implement_blocking(body).timeout(Duration::from_millis(20)).retry(RetryPolicy::never()));
    let queue = Fake::quick();
    let (hung, next) = (queue.submit(&registry, F, &0), queue.submit(&registry, F, &1));
    let worker = Worker::new(queue.clone(), registry.clone()).capacity(Capacity::new().cpu_millis(1000));
    beside_worker(worker, async {
        assert_eq!(failure(&queue.ended(&hung).await.outcome).code.as_deref(), Some("timeout"));
        // the attempt is over, its thread is not: three beats later its core is still taken
        let beats = queue.store().beats.len();
        queue.until(|store| (store.beats.len() >= beats + 3).then_some(())).await;
        {
            let store = queue.store();
            let last = store.beats.last().unwrap();
            assert_eq!((last.tasks.len(), last.load.cpu_millis), (0, 1000));
            assert!(store.asks.last().unwrap().lanes.is_empty() && store.ends.len() == 1);
        }
        release.send(()).unwrap();
        assert!(matches!(queue.ended(&next).await.outcome, Outcome::Succeeded(_)));
    })
    .await;
}

#[tokio::test]
async fn the_scratch_folder_goes_with_its_attempt() {
    let (made, removed) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    struct Guard(Arc<Notify>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let (count, gone) = (made.clone(), removed.clone());
    let scratch = MakeScratch::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(Scratch::new(PathBuf::from("/a/folder"), Guard(gone.clone())))
    });
    let body = |ctx: Context, n: u32| async move {
        if n == 1 {
            assert_eq!(ctx.scratch()?, ctx.scratch()?);
        }
        Ok(n)
    };
    let (queue, registry) = (Fake::new(), one(F.implement(body)));
    let ids = [queue.submit(&registry, F, &0), queue.submit(&registry, F, &1)];
    beside_worker(Worker::new(queue.clone(), registry.clone()).scratch(scratch), async {
        for id in &ids {
            assert!(matches!(queue.ended(id).await.outcome, Outcome::Succeeded(_)));
        }
        removed.notified().await;
        assert_eq!(made.load(Ordering::SeqCst), 1, "made when first asked for");
    })
    .await;
}

#[tokio::test]
async fn bodies_see_their_grant_and_parameters_and_share_a_model_until_it_is_evicted() {
    let loads = Arc::new(AtomicUsize::new(0));
    let count = loads.clone();
    let body = move |ctx: Context, _: u32| {
        let model = ctx.shared(|| Ok::<_, Failure>(count.fetch_add(1, Ordering::SeqCst) as u32))?;
        assert_eq!(ctx.granted().shared.memory_mib, 60);
        Ok(10 * *model + ctx.parameter::<u32>("steps")?)
    };
    let needs = ResourceRequirement::new().slots(1).shared(ResourceRequirement::new().memory_mib(60));
    let preset = |steps: u32| QualityPreset::new().set("steps", steps);
    let registry = one(F
        .implement_blocking(body)
        .requires(needs)
        .preset(Quality::Draft, preset(2))
        .preset(Quality::High, preset(7)));
    let queue = Fake::new();
    let worker = Worker::new(queue.clone(), registry.clone()).capacity(Capacity::new().memory_mib(100));
    beside_worker(worker, async {
        let mut outputs = Vec::new();
        for quality in [Quality::Draft, Quality::Draft, Quality::High, Quality::Draft] {
            let id = queue.submit_at(&registry, F, quality, &0);
            match queue.ended(&id).await.outcome {
                Outcome::Succeeded(output) => outputs.push(output.decode::<u32>().unwrap()),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(outputs, [2, 2, 17, 22], "two models of 60 MiB do not stay in 100");
    })
    .await;
}

#[tokio::test]
async fn a_finish_waits_for_nothing_but_its_own_body() {
    let (opens, gate) = oneshot::channel::<()>();
    let gate = Mutex::new(Some(gate));
    let body = move |_, n: u32| {
        let gate = if n == 0 { gate.lock().unwrap().take() } else { None };
        async move {
            if let Some(gate) = gate {
                gate.await?;
            }
            Ok(n)
        }
    };
    let (queue, registry) = (Fake::new(), one(F.implement(body)));
    let (slow, quick) = (queue.submit(&registry, F, &0), queue.submit(&registry, F, &1));
    beside(&queue, &registry, async {
        queue.ended(&quick).await;
        assert_eq!(queue.store().ends.len(), 1);
        opens.send(()).unwrap();
        queue.ended(&slow).await;
    })
    .await;
}
