//! One attempt on a task of the runtime: panics stay in it, and however it ends, the worker hears of it once.

use std::{
    any::Any,
    future::poll_fn,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError},
    task::Poll,
};

use futures::FutureExt as _;

use super::{
    desk::Desk,
    served::Served,
    step::{Heard, Seat},
    watchdog::Mark,
};
use crate::{
    Context, Control, Failure, Implementation, Payload,
    runtime::{Handle, JoinHandle},
    sync::{AtomicWaker, Mutex, MutexGuard},
};

/// One body to run.
pub(super) struct Job {
    pub(super) end: End,
    pub(super) served: Arc<Served>,
    pub(super) context: Context,
    pub(super) input: Payload,
}

/// A task of the runtime that runs one body after another: a worker starts thousands a second, and a task of their
/// own for each would cost more than most of them.
pub(super) struct Runner {
    place: Arc<Place>,
    task: JoinHandle<()>,
}

/// Where a runner finds its next body.
#[derive(Default)]
struct Place {
    next: Mutex<Next>,
    waker: AtomicWaker,
    mark: Mark,
}

#[derive(Default)]
enum Next {
    #[default]
    None,
    Job(Job),
    /// No more come, or none would be run.
    Closed,
}

impl Runner {
    /// A runner that begins with this body.
    pub(super) fn start(runtime: &Handle, job: Job) -> Self {
        let place = Arc::new(Place { next: Mutex::new(Next::Job(job)), ..Place::default() });
        let task = runtime.spawn(run(Occupied(place.clone())));
        Self { place, task }
    }

    /// Runs this body next, the one before being over; gives it back where that cannot be.
    pub(super) fn run(&self, job: Job) -> Result<(), Job> {
        let mut next = self.place.next();
        if matches!(*next, Next::Closed) {
            return Err(job);
        }
        *next = Next::Job(job);
        drop(next);
        self.place.waker.wake();
        Ok(())
    }

    /// Drops the body that it runs, and runs no other.
    pub(super) fn abort(&self) {
        let next = mem::replace(&mut *self.place.next(), Next::Closed);
        self.task.abort();
        drop(next);
    }

    pub(super) fn mark(&self) -> &Mark {
        &self.place.mark
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        let next = mem::replace(&mut *self.place.next(), Next::Closed);
        self.place.waker.wake();
        drop(next);
    }
}

impl Place {
    fn next(&self) -> MutexGuard<'_, Next> {
        // nothing under this lock can panic
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn job(&self) -> Option<Job> {
        poll_fn(|cx| {
            self.waker.register(cx.waker());
            let mut next = self.next();
            match mem::take(&mut *next) {
                Next::None => Poll::Pending,
                Next::Job(job) => Poll::Ready(Some(job)),
                Next::Closed => {
                    *next = Next::Closed;
                    Poll::Ready(None)
                }
            }
        })
        .await
    }
}

/// The task's side of a place: what is still to be run when the task goes is over then.
struct Occupied(Arc<Place>);

impl Drop for Occupied {
    fn drop(&mut self) {
        let next = mem::replace(&mut *self.0.next(), Next::Closed);
        drop(next);
    }
}

async fn run(place: Occupied) {
    while let Some(job) = place.0.job().await {
        attend(job, &place.0.mark).await;
    }
}

/// Runs a body to its end.
async fn attend(job: Job, mark: &Mark) {
    let Job { end, served, context, input } = job;
    let (mut start, mut body) = (Some((context, input)), None);
    let result = poll_fn(|cx| {
        let _polled = mark.enter(&end.desk.watchdog);
        // what the user wrote is called here too, never in the loop
        let poll = || {
            if let Some((context, input)) = start.take() {
                body = Some(served.handler.run(context, input));
            }
            body.as_mut().map_or(Poll::Pending, |body| body.as_mut().poll(cx))
        };
        match catch_unwind(AssertUnwindSafe(poll)) {
            Ok(Poll::Ready(result)) => Poll::Ready(result),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => Poll::Ready(Err(panicked(&*panic))),
        }
    })
    .await;
    // what the user wrote may panic here too, and its result counts all the same
    let _ = catch_unwind(AssertUnwindSafe(|| drop(body)));
    end.tell(match result {
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
    told: bool,
}

impl End {
    pub(super) const fn new(seat: Seat, control: Control, desk: Arc<Desk>) -> Self {
        Self { seat, control, desk, told: false }
    }

    fn tell(mut self, result: Result<Payload, Failure>) {
        self.say(Some(result));
    }

    fn say(&mut self, result: Option<Result<Payload, Failure>>) {
        self.told = true;
        let (seat, vacant) = (self.seat, self.control.is_vacant());
        self.desk.inbox.put(Heard::Ended { seat, result, vacant });
        if !vacant {
            let (control, desk) = (self.control.clone(), self.desk.clone());
            self.desk.runtime.spawn(async move {
                control.vacant().await;
                desk.inbox.put(Heard::Vacant(seat));
            });
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if !self.told {
            self.say(None);
        }
    }
}
