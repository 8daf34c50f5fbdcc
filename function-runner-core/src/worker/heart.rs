//! The heart: a thread with a runtime of its own, so that no body can keep a worker's claims from being renewed.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt as _;
use tokio::sync::oneshot;

use super::{desk::Desk, step::Heard};
use crate::{
    BeatReply, Error, ErrorKind, Heartbeat, Result,
    runtime::{Instant, own_thread, sleep, timeout},
};

/// Starts the heart; it stops when the other end of `closed` is gone, and drops `gone` when it holds nothing any more.
pub(super) fn start(desk: Arc<Desk>, closed: oneshot::Receiver<()>, gone: oneshot::Sender<()>) -> Result<()> {
    let failed =
        |error| Error::new(ErrorKind::InvalidSetup, "the worker's heart cannot start").with_source(error);
    own_thread("fnr-heart", async move { live(&desk, closed).await }, gone).map_err(failed)
}

async fn live(desk: &Desk, mut closed: oneshot::Receiver<()>) {
    let mut looked = Instant::now();
    // what is due may become due sooner than when it was last asked: no claim may have to wait for that
    let longest = desk.times.beat() + desk.times.flush;
    loop {
        tokio::select! {
            biased;
            _ = &mut closed => return,
            () = desk.pulse.notified() => {}
            () = sleep(desk.patience().min(longest)) => {}
        }
        if let Some((beat, taken)) = desk.take_beat() {
            let reply = tokio::select! {
                biased;
                _ = &mut closed => return,
                reply = renew(desk, beat) => reply,
            };
            desk.beaten(&taken, reply);
        } else if desk.patience().is_zero() {
            // the loop is silent: a body blocks its runtime
            desk.hear([Heard::Timer]);
        }
        if looked.elapsed() >= desk.times.beat() / 2 {
            looked = Instant::now();
            desk.watch();
        }
    }
}

async fn renew(desk: &Desk, beat: Heartbeat) -> Result<BeatReply> {
    let call = AssertUnwindSafe(desk.queue.renew(beat)).catch_unwind();
    match timeout(desk.times.beat(), call).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(_)) => Err(Error::new(ErrorKind::Unavailable, "the queue panicked when it was to renew")),
        Err(_) => Err(Error::new(ErrorKind::Timeout, "the queue did not answer the heartbeat in time")),
    }
}
