//! What could keep a worker's claims from being renewed, and does not.

use std::sync::{Arc, Mutex, mpsc};

use tokio::sync::Notify;

use super::fake::Fake;
use crate::{Context, Function, LogLevel, MAX_CHECKPOINT, Outcome, Registry, Worker};

const F: Function<u32, u32> = Function::new("f");
const BLOCKS: Function<u32, u32> = Function::new("blocks");

/// Row 1 of the evidence: a CPU-bound body blocked the loop, its lock was not renewed, and the job ran twice.
#[test]
fn a_body_that_blocks_every_thread_keeps_its_lease_and_is_named() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let body = move |_, n| {
        released.lock().unwrap().recv().unwrap();
        async move { Ok(n) }
    };
    let registry = Registry::new().add(BLOCKS.implement(body));
    let queue = Fake::quick();
    let id = queue.submit(&registry, BLOCKS, &7);
    // a thread of its own watches, as nothing of the runtime moves while the body blocks
    let (watched, watched_id) = (queue.clone(), id.clone());
    let watch = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(watched.until(|store| {
            let own =
                store.beats.iter().flat_map(|beat| &beat.tasks).filter(|task| task.key.id == watched_id);
            let named = own.clone().flat_map(|task| &task.report.logs).any(|line| {
                line.item.level == LogLevel::Warn
                    && line.item.message.contains("the body of `blocks` blocks the runtime")
            });
            // longer than three leases, each of three beats
            (named && own.count() > 9).then_some(())
        }));
        let named = watched
            .store()
            .beats
            .iter()
            .flat_map(|beat| &beat.tasks)
            .filter(|task| !task.report.logs.is_empty())
            .count();
        release.send(()).unwrap();
        named
    });
    let worker = Worker::new(queue.clone(), registry);
    runtime.block_on(worker.run_until(queue.ended(&id))).unwrap();
    assert_eq!(watch.join().unwrap(), 1, "named once");
    let ends = queue.store().ends.clone();
    assert!(ends.len() == 1 && matches!(ends[0].outcome, Outcome::Succeeded(_)), "it ran once: {ends:?}");
}

#[tokio::test]
async fn a_beat_that_is_never_answered_is_followed_by_another() {
    let (queue, go) = (Fake::quick(), Arc::new(Notify::new()));
    let registry = Registry::new().add(F.implement(waits_for(&go)));
    let id = queue.submit(&registry, F, &1);
    queue.store().mute = 2;
    let test = async {
        let own = |beat: &&crate::Heartbeat| beat.tasks.iter().any(|task| task.key.id == id);
        queue
            .until(|store| (store.mute == 0 && store.beats.iter().filter(own).count() > 3).then_some(()))
            .await;
        go.notify_one();
        queue.ended(&id).await;
    };
    Worker::new(queue.clone(), registry).run_until(test).await.unwrap();
}

#[tokio::test]
async fn a_beat_keeps_to_its_limit_and_no_report_is_put_off_for_ever() {
    let (queue, go) = (Fake::quick(), Arc::new(Notify::new()));
    let body = waits_for(&go);
    let registry = Registry::new().add(F.implement(move |ctx: Context, n| {
        let left = ctx.checkpoint(vec![0; MAX_CHECKPOINT]);
        let body = body(ctx, n);
        async move {
            left?;
            body.await
        }
    }));
    let ids: Vec<_> = (0..40).map(|n| queue.submit(&registry, F, &n)).collect();
    let test = async {
        queue.until(|store| (store.kept() == ids.len()).then_some(())).await;
        // one more follows only once the last of those got through
        let beats = queue.store().beats.len();
        queue.until(|store| (store.beats.len() > beats).then_some(())).await;
        go.notify_waiters();
        for id in &ids {
            assert!(queue.ended(id).await.last.is_empty(), "all of it was heard");
        }
    };
    Worker::new(queue.clone(), registry.clone()).run_until(test).await.unwrap();
    let store = queue.store();
    let size = |beat: &crate::Heartbeat| {
        let told = beat.tasks.iter().filter_map(|task| task.report.checkpoint.as_ref());
        told.map(|checkpoint| checkpoint.len()).sum::<usize>()
    };
    assert!(store.beats.iter().all(|beat| size(beat) < 1 << 20));
}

/// A body that goes on until it is told to.
fn waits_for(
    go: &Arc<Notify>,
) -> impl Fn(Context, u32) -> futures::future::BoxFuture<'static, Result<u32, crate::Failure>> + Send + Sync + use<>
{
    let go = go.clone();
    move |_, n| {
        let told = go.clone().notified_owned();
        Box::pin(async move {
            told.await;
            Ok(n)
        })
    }
}
