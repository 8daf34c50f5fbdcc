//! What can be wrong with a lease call that waits.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use function_runner_core::{
    Clock as _, Executor as _, LeaseReply, LeaseRequest, Queue as _, Result, Submitted, Task,
};
use futures::{
    channel::oneshot,
    future::{Either, select},
};

use super::broken::{Broken, Good, lock};

fn quick(ask: &LeaseRequest) -> LeaseRequest {
    let mut quick = ask.clone();
    quick.wait = std::time::Duration::ZERO;
    quick
}

/// Calls asleep, the first of which is woken first.
#[derive(Debug, Default)]
struct Asleep(Mutex<VecDeque<oneshot::Sender<()>>>);

impl Asleep {
    fn sleep(&self) -> oneshot::Receiver<()> {
        let (wake, woken) = oneshot::channel();
        lock(&self.0).push_back(wake);
        woken
    }

    fn wake(&self) -> bool {
        let first = lock(&self.0).pop_front();
        first.is_some_and(|first| {
            // a call that is gone takes its wake along
            let _ = first.send(());
            true
        })
    }
}

/// Does not wake who waits for work that comes.
#[derive(Debug, Default)]
pub(crate) struct WakeLost;

#[async_trait]
impl Broken for WakeLost {
    async fn lease(&self, good: &Good, ask: LeaseRequest) -> Result<LeaseReply> {
        let end = good.clock.now().after(ask.wait);
        let reply = good.queue.lease(quick(&ask)).await?;
        if reply != LeaseReply::default() {
            return Ok(reply);
        }
        good.clock.sleep_until(end).await;
        good.queue.lease(quick(&ask)).await
    }
}

/// Wakes whoever sleeps for each submit, with or without work.
#[derive(Debug, Default)]
pub(crate) struct WakePassesToAll(Asleep);

#[async_trait]
impl Broken for WakePassesToAll {
    async fn submit(&self, good: &Good, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        let answers = good.queue.submit(tasks).await?;
        while self.0.wake() {}
        Ok(answers)
    }

    async fn lease(&self, good: &Good, ask: LeaseRequest) -> Result<LeaseReply> {
        if ask.wait.is_zero() {
            return good.queue.lease(ask).await;
        }
        let (work, woken) = (good.queue.lease(ask.clone()), self.0.sleep());
        match select(work, woken).await {
            Either::Left((reply, _)) => reply,
            Either::Right(_) => good.queue.lease(quick(&ask)).await,
        }
    }
}

/// Wakes one call for each submit, and does not ask whether it is still there.
#[derive(Debug, Default)]
pub(crate) struct WakeDiesWithItsCall(Asleep);

#[async_trait]
impl Broken for WakeDiesWithItsCall {
    async fn submit(&self, good: &Good, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        let answers = good.queue.submit(tasks).await?;
        self.0.wake();
        Ok(answers)
    }

    async fn lease(&self, good: &Good, ask: LeaseRequest) -> Result<LeaseReply> {
        let reply = good.queue.lease(quick(&ask)).await?;
        if ask.wait.is_zero() || reply != LeaseReply::default() {
            return Ok(reply);
        }
        // the store keeps what wakes it as long as it lives
        let _ = self.0.sleep().await;
        good.queue.lease(quick(&ask)).await
    }
}

/// Does not care which worker is warm.
#[derive(Debug, Default)]
pub(crate) struct WarmIgnored;

impl Broken for WarmIgnored {
    fn is_asked(&self, ask: &mut LeaseRequest) {
        ask.lanes.iter_mut().for_each(|asked| asked.warm = false);
    }
}

/// Goes on with a lease call that was dropped, and loses what it is given.
#[derive(Debug, Default)]
pub(crate) struct DroppedLeaseLoses;

#[async_trait]
impl Broken for DroppedLeaseLoses {
    async fn lease(&self, good: &Good, ask: LeaseRequest) -> Result<LeaseReply> {
        let (queue, (answer, answered)) = (good.queue.clone(), oneshot::channel());
        tokio::spawn(async move {
            // who asked may be gone
            let _ = answer.send(queue.lease(ask).await);
        });
        answered.await.unwrap_or_else(|_| Ok(LeaseReply::default()))
    }
}

/// Gives nothing to a call that asks while another waits.
#[derive(Debug, Default)]
pub(crate) struct OneCallAtATime(Arc<futures::lock::Mutex<()>>);

#[async_trait]
impl Broken for OneCallAtATime {
    async fn lease(&self, good: &Good, ask: LeaseRequest) -> Result<LeaseReply> {
        let _alone = self.0.lock().await;
        good.queue.lease(ask).await
    }
}
