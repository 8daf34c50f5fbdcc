//! The calls that the loop has under way: one of each kind at most.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;

use super::step::Heard;
use crate::{Error, ErrorKind, Result, runtime::timeout};

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Lease,
    Finish,
    Join,
    Templates,
    Leave,
}

#[derive(Default)]
pub(super) struct Calls([Option<BoxFuture<'static, Heard>>; 5]);

impl Calls {
    /// Makes a call; the one of its kind that is under way is dropped.
    pub(super) fn make(&mut self, kind: Kind, call: impl Future<Output = Heard> + Send + 'static) {
        self.0[kind as usize] = Some(Box::pin(call));
    }

    /// Adds the answers that have come to `heard`.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, heard: &mut Vec<Heard>) {
        for call in &mut self.0 {
            if let Some(Poll::Ready(answer)) = call.as_mut().map(|call| call.as_mut().poll(cx)) {
                *call = None;
                heard.push(answer);
            }
        }
    }
}

/// Gives a call up that takes too long, so that it can be made again.
pub(super) async fn within<T>(limit: Duration, call: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| Err(Error::new(ErrorKind::Timeout, "the queue did not answer in time"));
    timeout(limit, call).await.unwrap_or_else(late)
}
