//! The worker's side of a backend over a bad network.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use function_runner_core::{
    BeatReply, Error, ErrorKind, Finish, Finished, Heartbeat, LeaseReply, LeaseRequest, Outcome, Queue,
    Result, WorkerInfo,
};
use futures::FutureExt as _;
use tokio::runtime::Handle;

use super::{Answer, Call, Fault, Faulty, straggle};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<E: Queue> Queue for Faulty<E> {
    async fn join(&self, worker: WorkerInfo) -> Result<()> {
        let join = |inner: Arc<E>| {
            let worker = worker.clone();
            async move { inner.join(worker).await }
        };
        self.call(Call::Join, join).await
    }

    async fn lease(&self, ask: LeaseRequest) -> Result<LeaseReply> {
        let struck = self.faults.next(Call::Lease);
        struck.arrives().await?;
        let mut carried = self.ask(ask.clone()).await;
        let copy = struck.copy();
        if let Some(copy) = copy {
            // what it may be given is there now: it does not wait for more
            let mut again = ask;
            again.wait = Duration::ZERO;
            match copy {
                Fault::Doubled(Answer::First) => lose(self.ask(again).await),
                Fault::Doubled(Answer::Second) => {
                    lose(std::mem::replace(&mut carried, self.ask(again).await))
                }
                Fault::Straggler(after) => {
                    let inner = self.inner.clone();
                    straggle(&struck, after, async move { inner.lease(again).await });
                }
                _ => {}
            }
        }
        if let Err(lost) = struck.returns().await {
            lose(carried);
            return Err(lost);
        }
        carried?.take()
    }

    async fn renew(&self, beat: Heartbeat) -> Result<BeatReply> {
        let renew = |inner: Arc<E>| {
            let beat = beat.clone();
            async move { inner.renew(beat).await }
        };
        self.call(Call::Renew, renew).await
    }

    async fn finish(&self, done: Vec<Finish>) -> Result<Vec<Finished>> {
        let finish = |inner: Arc<E>| {
            let done = done.clone();
            async move { inner.finish(done).await }
        };
        self.call(Call::Finish, finish).await
    }
}

impl<E: Queue> Faulty<E> {
    async fn ask(&self, ask: LeaseRequest) -> Result<Carried<E>> {
        let reply = self.inner.lease(ask).await?;
        Ok(Carried { reply: Some(reply), inner: self.inner.clone() })
    }
}

/// What was given is lost on its way: taken, and nobody knows.
fn lose<E: Queue>(carried: Result<Carried<E>>) {
    if let Ok(mut carried) = carried {
        carried.reply = None;
    }
}

/// Claims on their way to whoever asked: given back where the call is dropped.
struct Carried<E: Queue> {
    reply: Option<LeaseReply>,
    inner: Arc<E>,
}

impl<E: Queue> Carried<E> {
    fn take(mut self) -> Result<LeaseReply> {
        self.reply.take().ok_or_else(|| Error::new(ErrorKind::Unavailable, "the reply was taken before"))
    }
}

impl<E: Queue> Drop for Carried<E> {
    fn drop(&mut self) {
        let Some(reply) = self.reply.take().filter(|reply| !reply.leases.is_empty()) else { return };
        let release = |lease: function_runner_core::Lease| {
            Finish::new(lease.key, Outcome::Released { after: Duration::ZERO })
        };
        let done: Vec<Finish> = reply.leases.into_iter().map(release).collect();
        let inner = self.inner.clone();
        let mut back = async move { inner.finish(done).await }.boxed();
        // where this fails too, they come back when their leases end
        if (&mut back).now_or_never().is_none()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(back);
        }
    }
}
