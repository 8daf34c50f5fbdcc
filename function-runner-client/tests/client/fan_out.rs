//! Fan-out: one function over many inputs, so many at a time.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use function_runner_client::prelude::*;
use futures::StreamExt as _;
use tokio::sync::{Semaphore, mpsc};

use crate::user::{DOUBLE, doubling, soon};

#[tokio::test]
async fn outputs_come_in_the_order_of_the_inputs() -> Result<()> {
    let runner = Runner::local(doubling())?;
    let outputs = soon(runner.map(DOUBLE, 0..500).concurrency(8).outputs()).await?;
    assert_eq!(outputs, (0..500).map(|n| n * 2).collect::<Vec<_>>());
    assert!(soon(runner.map(DOUBLE, Vec::new()).outputs()).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_stream_gives_what_ends_first() -> Result<()> {
    let runner = Runner::local(doubling())?;
    let all: Vec<_> = soon(runner.map(DOUBLE, [5, 6, 7]).concurrency(0).collect()).await;
    let all: Vec<_> = all.into_iter().map(|(index, output)| (index, output.unwrap())).collect();
    assert_eq!(all, [(0, 10), (1, 12), (2, 14)], "one at a time they end in order");
    Ok(())
}

#[tokio::test]
async fn no_more_are_under_way_than_was_said() -> Result<()> {
    const HOLD: Function<u32, u32> = Function::new("hold");
    let (go, (at_once, most)) =
        (Arc::new(Semaphore::new(0)), (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))));
    let (began, mut begins) = mpsc::unbounded_channel();
    let (gate, now, peak) = (go.clone(), at_once.clone(), most.clone());
    let hold = HOLD.implement(move |_, n: u32| {
        let (gate, now, peak, began) = (gate.clone(), now.clone(), peak.clone(), began.clone());
        async move {
            peak.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
            began.send(n)?;
            gate.acquire().await?.forget();
            now.fetch_sub(1, SeqCst);
            Ok(n)
        }
    });
    let runner = Runner::local(Registry::new().add(hold))?;
    let inputs = AtomicUsize::new(0);
    let mut outputs = runner.map(HOLD, (0..20).inspect(|_| _ = inputs.fetch_add(1, SeqCst))).concurrency(3);
    let drive = async {
        let mut count = 0;
        while let Some((_, output)) = outputs.next().await {
            output?;
            count += 1;
        }
        Result::Ok(count)
    };
    let release = async {
        for _ in 0..3 {
            begins.recv().await;
        }
        assert_eq!(inputs.load(SeqCst), 3, "inputs are taken when their turn has come");
        go.add_permits(20);
    };
    let (count, ()) = soon(async { tokio::join!(drive, release) }).await;
    assert_eq!((count?, most.load(SeqCst)), (20, 3));
    Ok(())
}

#[tokio::test]
async fn every_call_takes_the_settings() -> Result<()> {
    const QUALITY: Function<u32, String> = Function::new("quality");
    let tell = QUALITY
        .implement(|ctx, n: u32| async move { Ok(format!("{n} {} {:?}", ctx.quality(), ctx.tenant())) });
    let runner = Runner::local(Registry::new().add(tell))?;
    let all = runner
        .map(QUALITY, [1, 2])
        .each(|call| call.quality(Quality::Ultra))
        .each(|call| call.tenant("acme"));
    assert_eq!(soon(all.outputs()).await?, [r#"1 ultra Some("acme")"#, r#"2 ultra Some("acme")"#]);
    Ok(())
}

#[tokio::test]
async fn the_first_error_ends_it_and_cancels_what_is_under_way() -> Result<()> {
    const MIXED: Function<u32, ()> = Function::new("mixed");
    let (cancelled, mut cancels) = mpsc::unbounded_channel();
    let began = Arc::new(Semaphore::new(0));
    let both = began.clone();
    let mixed = MIXED.implement(move |ctx: Context, n: u32| {
        let (cancelled, began) = (cancelled.clone(), both.clone());
        async move {
            if n == 0 {
                began.acquire().await?.forget();
                return Err(Failure::permanent("the first fails"));
            }
            began.add_permits(1);
            ctx.cancelled().await;
            cancelled.send(n)?;
            Err(Failure::cancelled())
        }
    });
    let runner = Runner::local(Registry::new().add(mixed))?;
    let error = soon(runner.map(MIXED, 0..2).outputs()).await.unwrap_err();
    assert_eq!(error.failure().unwrap().message, "the first fails");
    assert_eq!(soon(cancels.recv()).await, Some(1));
    Ok(())
}
