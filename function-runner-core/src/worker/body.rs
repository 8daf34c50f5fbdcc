//! One attempt as a task of the runtime: panics stay in it, and however it ends, the worker hears of it once.

use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use futures::FutureExt as _;

use super::{
    desk::Desk,
    served::Served,
    step::{Heard, Seat},
    watchdog::Mark,
};
use crate::{Context, Control, Failure, Implementation, Payload};

/// Runs a body to its end.
pub(super) async fn attend(end: End, served: Arc<Served>, context: Context, input: Payload, mark: Mark) {
    let mut end = end;
    let desk = end.desk.clone();
    // made within the task, at its first poll: what the user wrote never runs in the loop
    let mut body = pin!(async { served.handler.run(context, input).await });
    let result = poll_fn(|cx| {
        let _polled = mark.enter(&desk.watchdog);
        match catch_unwind(AssertUnwindSafe(|| body.as_mut().poll(cx))) {
            Ok(Poll::Ready(result)) => Poll::Ready(result),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => Poll::Ready(Err(panicked(&*panic))),
        }
    })
    .await;
    end.result = Some(match result {
        Ok(output) => served.check(output).await,
        Err(failure) => Err(failure),
    });
}

impl Implementation {
    /// Runs one attempt of it as a worker does: a panic is a failure, and an output that breaks the template's own
    /// schema too. For executors that run bodies without a worker, as mocks do.
    ///
    /// # Errors
    ///
    /// What the body said, or what was wrong with how it ended.
    pub async fn run(&self, context: Context, input: Payload) -> Result<Payload, Failure> {
        let served = Served::new(self).map_err(|error| Failure::permanent(error.message()))?;
        let body = AssertUnwindSafe(served.handler.run(context, input)).catch_unwind().await;
        match body {
            Ok(result) => served.check(result?).await,
            Err(panic) => Err(panicked(&*panic)),
        }
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let said =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Failure::permanent(format_args!("the body panicked: {}", said.unwrap_or("no message")))
        .code("panic")
        .remedy("correct the body; where it should fail, let it return a failure")
}

/// Says once that a body is over, whether it returned, panicked or was dropped, and when nothing of it runs any more.
pub(super) struct End {
    seat: Seat,
    control: Control,
    desk: Arc<Desk>,
    result: Option<Result<Payload, Failure>>,
}

impl End {
    pub(super) const fn new(seat: Seat, control: Control, desk: Arc<Desk>) -> Self {
        Self { seat, control, desk, result: None }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let (seat, vacant) = (self.seat, self.control.is_vacant());
        self.desk.inbox.put(Heard::Ended { seat, result: self.result.take(), vacant });
        if !vacant {
            let (control, desk) = (self.control.clone(), self.desk.clone());
            self.desk.runtime.spawn(async move {
                control.vacant().await;
                desk.inbox.put(Heard::Vacant(seat));
            });
        }
    }
}
