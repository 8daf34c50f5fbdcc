//! For each kind of finding a body that trips it and nothing else; and bodies that are right.

use std::{
    collections::{BTreeSet, HashMap},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use bytes::Bytes;
use function_runner_core::{
    Artifact, ArtifactStore, Classify as _, Context, Digest, Failure, Function, Implementation,
    MAX_CHECKPOINT,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{Exercise, Exercised, Finding, exercise};

const BODY: Function<u32, u32> = Function::new("body");
const FILE: Function<Artifact, Artifact> = Function::new("file");

fn run(exercise: Exercise) -> Exercised {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let report = runtime.block_on(exercise.into_future());
    runtime.shutdown_background();
    report
}

#[track_caller]
fn trips(finding: Finding, body: Implementation) {
    exactly(finding, exercise(body, 4_u32));
}

/// It has this finding and no other; allowed, it is clean.
#[track_caller]
fn exactly(finding: Finding, exercise: Exercise) {
    let report = run(exercise.allow(finding));
    let found: BTreeSet<_> = report.findings.iter().map(|found| found.finding).collect();
    assert_eq!(found, BTreeSet::from([finding]), "{report}");
    assert!(report.is_clean() && report.findings.iter().all(|found| found.allowed));
}

/// Where a body goes on, from `next sum`, and 1 and 0 at first.
fn left(ctx: &Context) -> (u32, u32) {
    let left = ctx.resumed().and_then(|left| serde_json::from_slice(left).ok());
    left.unwrap_or((1, 0))
}

/// A sum that is right in every way.
async fn sum(ctx: Context, n: u32) -> Result<u32, Failure> {
    let (first, mut sum) = left(&ctx);
    for i in first..=n {
        ctx.check()?;
        tokio::task::yield_now().await;
        sum += i;
        ctx.checkpoint(serde_json::to_vec(&(i + 1, sum))?)?;
        ctx.progress(i as f32 / n as f32, format!("{i} of {n}"));
        ctx.log(format!("added {i}"));
    }
    Ok(sum)
}

fn sum_blocking(ctx: Context, n: u32) -> Result<u32, Failure> {
    let (first, mut sum) = left(&ctx);
    for i in first..=n {
        ctx.check()?;
        sum += i;
        ctx.checkpoint(serde_json::to_vec(&(i + 1, sum))?)?;
        ctx.progress(i as f32 / n as f32, format!("{i} of {n}"));
    }
    Ok(sum)
}

async fn read(ctx: &Context, content: &Digest) -> Result<Vec<u8>, Failure> {
    let pieces: Vec<Bytes> = ctx.artifacts()?.get(content, None).await?.try_collect().await?;
    Ok(pieces.concat())
}

async fn put(ctx: &Context, content: impl Into<Bytes>) -> Result<Artifact, Failure> {
    let content = content.into();
    Ok(ctx.artifacts()?.put(stream::iter([Ok(content)]).boxed(), "text/plain").await?)
}

/// Reads a file, writes it to its scratch folder, and puts it in capitals.
async fn capitals(ctx: Context, file: Artifact) -> Result<Artifact, Failure> {
    ctx.artifacts()?.head(&file.sha256).await?;
    let content = read(&ctx, &file.sha256).await?;
    std::fs::write(ctx.scratch()?.join("content"), &content)?;
    put(&ctx, content.to_ascii_uppercase()).await
}

const CONTENT: &[u8] = b"a file to read";

fn with_a_file(body: Implementation) -> Exercise {
    exercise(body, Artifact::new(Digest::of(CONTENT), CONTENT.len() as u64, "text/plain")).file(CONTENT)
}

#[test]
fn bodies_that_are_right_are_clean() {
    let report = run(exercise(BODY.implement(sum), 5_u32));
    report.assert_clean();
    let attempts = |way| report.ways.iter().find(|(name, _)| *name == way).unwrap().1;
    assert_eq!(attempts("killed at a checkpoint"), 10);
    assert_eq!(attempts("dropped at an await"), 10);
    assert_eq!(report.checkpoints.1, 5);
    let report = run(exercise(BODY.implement_blocking(sum_blocking), 5_u32));
    report.assert_clean();
    assert!(report.ways.contains(&("killed at a checkpoint", 10)), "{report}");
    assert!(report.ways.iter().all(|(name, _)| *name != "dropped at an await"), "a thread cannot be dropped");
    let report = run(with_a_file(FILE.implement(capitals)));
    report.assert_clean();
    // a call of each kind, two faults at each, and an attempt after it
    assert!(report.ways.contains(&("failing store", 12)), "{report}");
}

#[test]
fn a_body_that_fails_is_told_at_once() {
    trips(Finding::Fails, BODY.implement(|_, _| async { Err(Failure::permanent("never")) }));
}

#[test]
fn a_body_that_panics() {
    trips(Finding::Panics, BODY.implement(|_, _| async { panic!("on purpose") }));
}

#[test]
fn a_body_that_hangs() {
    let body = BODY.implement(|_, _| std::future::pending());
    exactly(Finding::Hangs, exercise(body, 4_u32).limit(Duration::from_millis(20)));
}

#[test]
fn a_body_that_counts_what_it_should_not() {
    let runs = AtomicU32::new(0);
    trips(
        Finding::OutputDiffers,
        BODY.implement(move |_, n| {
            let runs = runs.fetch_add(1, Ordering::Relaxed);
            async move { Ok(n + runs) }
        }),
    );
}

#[test]
fn a_body_that_gives_a_partial_output_when_it_is_cancelled() {
    trips(
        Finding::OutputDiffers,
        BODY.implement_blocking(|ctx, n| Ok((0..n).take_while(|_| !ctx.is_cancelled()).count() as u32)),
    );
}

#[test]
fn a_body_that_takes_up_from_the_wrong_place() {
    let body = |ctx: Context, n: u32| {
        let (first, mut sum) = left(&ctx);
        for i in first..=n {
            ctx.check()?;
            sum += i;
            // the next attempt adds it once more
            ctx.checkpoint(serde_json::to_vec(&(i, sum)).permanent()?)?;
        }
        Ok(sum)
    };
    trips(Finding::OutputDiffers, BODY.implement_blocking(body));
}

#[test]
fn maps_in_another_order_are_the_same_output() {
    const MAP: Function<u32, HashMap<String, u32>> = Function::new("map");
    let body = |_, n: u32| async move { Ok((0..n).map(|i| (i.to_string(), i)).collect()) };
    run(exercise(MAP.implement(body), 40_u32)).assert_clean();
}

#[test]
fn a_body_that_gives_only_the_parts_that_are_left() {
    let body = |ctx: Context, n: u32| {
        let (first, _) = left(&ctx);
        for i in first..=n {
            ctx.check()?;
            ctx.part(&i)?;
            ctx.checkpoint(serde_json::to_vec(&(i + 1, 0)).permanent()?)?;
        }
        Ok(n)
    };
    trips(Finding::PartsDiffer, BODY.implement_blocking(body));
}

#[test]
fn a_body_that_puts_something_else_each_time() {
    let runs = AtomicU32::new(0);
    let body = move |ctx: Context, n: u32| {
        let runs = runs.fetch_add(1, Ordering::Relaxed);
        async move {
            put(&ctx, runs.to_string()).await?;
            Ok(n)
        }
    };
    trips(Finding::ArtifactsDiffer, BODY.implement(body));
}

#[test]
fn a_body_that_logs_something_else_each_time() {
    let runs = AtomicU32::new(0);
    let body = move |ctx: Context, n: u32| {
        ctx.log(format!("run {}", runs.fetch_add(1, Ordering::Relaxed)));
        async move { Ok(n) }
    };
    trips(Finding::LogsDiffer, BODY.implement(body));
}

#[test]
fn bodies_that_tell_a_progress_that_is_none() {
    let telling = |told: &'static [f32]| {
        BODY.implement(move |ctx, n| {
            told.iter().for_each(|fraction| ctx.progress(*fraction, "told"));
            async move {
                ctx.check()?;
                tokio::task::yield_now().await;
                ctx.check()?;
                Ok(n)
            }
        })
    };
    trips(Finding::ProgressFalls, telling(&[0.5, 0.2, 1.0]));
    trips(Finding::ProgressOutOfRange, telling(&[0.5, 100.0]));
    trips(Finding::ProgressOutOfRange, telling(&[f32::NAN, 1.0]));
    trips(Finding::ProgressShort, telling(&[0.5, 0.9]));
    run(exercise(telling(&[]), 1_u32)).assert_clean();
}

#[test]
fn a_body_whose_checkpoints_are_too_large() {
    let body = |ctx: Context, n: u32| async move {
        // it goes on without
        let _ = ctx.checkpoint(vec![b' '; MAX_CHECKPOINT + 1]);
        Ok(n)
    };
    trips(Finding::CheckpointTooLarge, BODY.implement(body));
}

#[test]
fn a_body_that_cannot_take_up_from_its_own_checkpoint() {
    let body = |ctx: Context, n: u32| async move {
        if ctx.resumed() == Some(b"mine".as_slice()) {
            return Err(Failure::permanent("this was done already"));
        }
        ctx.checkpoint("mine")?;
        Ok(n)
    };
    trips(Finding::ResumeFails, BODY.implement(body));
}

#[test]
fn a_body_that_trusts_its_checkpoint() {
    let body = |ctx: Context, n: u32| async move {
        if let Some(left) = ctx.resumed() {
            serde_json::from_slice::<(u32, u32)>(left)?;
        }
        ctx.checkpoint("[1,2]")?;
        Ok(n)
    };
    trips(Finding::BadCheckpoint, BODY.implement(body));
}

#[test]
fn a_blocking_body_that_takes_no_notice_of_its_token() {
    let body = |ctx: Context, n: u32| {
        (1..=n).for_each(|i| ctx.progress(i as f32 / n as f32, "goes on"));
        Ok(n)
    };
    trips(Finding::IgnoresCancel, BODY.implement_blocking(body));
}

#[test]
fn a_body_that_tells_its_cancel_as_something_else() {
    let body = |ctx: Context, n: u32| {
        if ctx.is_cancelled() { Err(Failure::transient("somebody stopped me")) } else { Ok(n) }
    };
    trips(Finding::CancelMisreported, BODY.implement_blocking(body));
}

#[test]
fn a_body_to_which_a_fault_of_the_store_is_the_end() {
    let body = |ctx: Context, file: Artifact| async move {
        read(&ctx, &file.sha256).await.permanent()?;
        Ok(file)
    };
    exactly(Finding::StoreFaultIsFinal, with_a_file(FILE.implement(body)));
}

#[test]
fn a_body_that_takes_half_a_file_for_the_whole() {
    const SIZE: Function<Artifact, usize> = Function::new("size");
    let body = |ctx: Context, file: Artifact| async move {
        let mut content = ctx.artifacts()?.get(&file.sha256, None).await?;
        let mut size = 0;
        while let Some(Ok(piece)) = content.next().await {
            size += piece.len();
        }
        Ok(size)
    };
    exactly(Finding::OutputDiffers, with_a_file(SIZE.implement(body)));
}

#[test]
fn a_body_that_leaves_something_running() {
    let body = |ctx: Context, n: u32| async move {
        tokio::spawn(async move {
            std::future::pending::<()>().await;
            drop(ctx);
        });
        Ok(n)
    };
    trips(Finding::Outlives, BODY.implement(body));
}

#[test]
fn a_body_that_writes_beside_its_scratch_folder() {
    let body = |ctx: Context, n: u32| async move {
        std::fs::write(ctx.scratch()?.with_extension("beside"), "left")?;
        Ok(n)
    };
    trips(Finding::ScratchLeft, BODY.implement(body));
}

#[test]
fn a_thread_that_ends_on_its_own_is_waited_for() {
    let body = |ctx: Context, n: u32| {
        let hold = ctx.hold();
        thread::spawn(move || {
            ctx.log("from a thread of its own");
            drop((ctx, hold));
        });
        Ok(n)
    };
    run(exercise(BODY.implement_blocking(body), 1_u32)).assert_clean();
}

#[test]
#[should_panic(expected = "help: ")]
fn an_assertion_tells_the_whole_table() {
    run(exercise(BODY.implement(|_, _| async { Err(Failure::permanent("never")) }), 1_u32)).assert_clean();
}
