//! One attempt, stopped where it is to be, and everything it was seen to do.

use std::{
    future::poll_fn,
    panic::resume_unwind,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    thread::{self, ThreadId},
    time::Duration,
};

use bytes::Bytes;
use function_runner_core::{
    ArtifactStore, Attempt, Context, Control, Digest, Failure, Grant, Implementation, LogLine, Payload,
    SharedModel, Task, Touch,
};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use super::{scratch::Folders, store::Noting};

/// How long something that an attempt left may take to go.
const GRACE: Duration = Duration::from_millis(300);

/// Where an attempt is stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stop {
    #[default]
    Never,
    /// It dies as it leaves its n-th checkpoint.
    KillAtCheckpoint(u64),
    /// It is dropped where it waits for the n-th time.
    DropAtAwait(u64),
    /// Its token fires where it waits for the n-th time.
    FireAtAwait(u64),
    /// Its token fires at its n-th use of the context.
    FireAtTouch(u64),
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum End {
    Gave(Payload),
    Failed(Failure),
    /// It was killed or dropped.
    Stopped,
    Hung,
}

/// Everything an attempt was seen to do.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) end: End,
    /// How often it waited.
    pub(super) awaits: u64,
    /// How often it used its context.
    pub(super) touches: u64,
    pub(super) checkpoints: Vec<Bytes>,
    pub(super) parts: Vec<Payload>,
    pub(super) logs: Vec<LogLine>,
    /// The fractions it told, as it told them.
    pub(super) fractions: Vec<f32>,
    pub(super) put: Vec<Digest>,
    /// How often it called put, get and head.
    pub(super) calls: [u64; 3],
    /// Whether it works on a thread of its own.
    pub(super) blocks: bool,
    /// Whether something of it held its context after its end.
    pub(super) outlives: bool,
}

/// What an attempt starts with besides what all share.
pub(super) struct Start {
    pub(super) number: u32,
    pub(super) resumed: Option<Bytes>,
    pub(super) stop: Stop,
    pub(super) slow: bool,
    /// The store in place of the one that all share.
    pub(super) store: Option<Arc<dyn ArtifactStore>>,
}

impl Start {
    pub(super) const fn new(stop: Stop) -> Self {
        Self { number: 1, resumed: None, stop, slow: false, store: None }
    }

    pub(super) fn resumed(mut self, checkpoint: Option<Bytes>) -> Self {
        self.resumed = checkpoint;
        self
    }
}

/// What all attempts share.
pub(super) struct Bench {
    pub(super) implementation: Implementation,
    pub(super) task: Arc<Task>,
    pub(super) store: Arc<dyn ArtifactStore>,
    pub(super) folders: Folders,
    pub(super) grant: Grant,
    pub(super) shared: SharedModel,
    pub(super) limit: Duration,
}

impl Bench {
    /// Runs one attempt to where it stops.
    pub(super) async fn attempt(&self, start: Start) -> Seen {
        let store = Noting::new(start.store.unwrap_or_else(|| self.store.clone()), start.slow);
        let mut attempt = Attempt::new(self.task.clone(), start.number);
        attempt.checkpoint = start.resumed;
        attempt.grant = self.grant.clone();
        attempt.artifacts = Some(Arc::new(store.clone()));
        attempt.scratch = Some(self.folders.maker());
        attempt.shared = self.shared.clone();
        let (context, control) = Context::new(attempt);
        let desk = Arc::new(Desk { stop: start.stop, ..Desk::default() });
        *lock(&desk.control) = Some(control.clone());
        let (last, gone) = oneshot::channel::<()>();
        let follower = desk.clone();
        control.follows(move |touch| {
            // dropped with the context: its other end hears of it
            let _last = &last;
            follower.touch(touch);
        });
        let ended = timeout(self.limit, self.work(&desk, context)).await;
        control.cancel();
        let is_over = timeout(self.limit, control.vacant()).await.is_ok();
        lock(&desk.control).take();
        drop(control);
        let outlives = timeout(GRACE, gone).await.is_err();
        let noted = store.noted();
        let notes = desk.notes();
        Seen {
            end: if is_over { ended.unwrap_or(End::Hung) } else { End::Hung },
            awaits: notes.awaits,
            touches: notes.touches,
            checkpoints: notes.checkpoints.clone(),
            parts: notes.parts.clone(),
            logs: notes.logs.clone(),
            fractions: notes.fractions.clone(),
            put: noted.put.clone(),
            calls: noted.calls,
            blocks: notes.blocks,
            outlives: outlives && is_over,
        }
    }

    async fn work(&self, desk: &Desk, context: Context) -> End {
        let mut body = pin!(self.implementation.run(context, self.task.input.clone()));
        let end = poll_fn(|cx| {
            *lock(&desk.polling) = Some(thread::current().id());
            let polled = body.as_mut().poll(cx);
            *lock(&desk.polling) = None;
            match polled {
                Poll::Ready(Ok(output)) => Poll::Ready(End::Gave(output)),
                Poll::Ready(Err(failure)) => Poll::Ready(End::Failed(failure)),
                Poll::Pending if desk.waits() => Poll::Ready(End::Stopped),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        if desk.killed.load(Ordering::Acquire) { End::Stopped } else { end }
    }
}

/// Waits until what an attempt left may have gone.
pub(super) async fn until(mut is_so: impl FnMut() -> bool) -> bool {
    let gone = async {
        while !is_so() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(GRACE, gone).await.is_ok()
}

/// Where an attempt is followed.
#[derive(Default)]
struct Desk {
    stop: Stop,
    notes: Mutex<Notes>,
    /// The attempt's other end, until it is over: the follower must not keep it.
    control: Mutex<Option<Control>>,
    /// The thread that polls the body, while it does.
    polling: Mutex<Option<ThreadId>>,
    killed: AtomicBool,
}

#[derive(Debug, Default)]
struct Notes {
    awaits: u64,
    touches: u64,
    checkpoints: Vec<Bytes>,
    parts: Vec<Payload>,
    logs: Vec<LogLine>,
    fractions: Vec<f32>,
    blocks: bool,
}

impl Desk {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        lock(&self.notes)
    }

    fn touch(&self, touch: Touch<'_>) {
        if lock(&self.control).is_none() || self.killed.load(Ordering::Acquire) {
            return;
        }
        let elsewhere = *lock(&self.polling) != Some(thread::current().id());
        let mut notes = self.notes();
        notes.blocks |= elsewhere;
        notes.touches += 1;
        match touch {
            Touch::Progress(progress) => notes.fractions.extend(progress.fraction),
            Touch::Log(line) => notes.logs.push(line.clone()),
            Touch::Part(part) => notes.parts.push(part.clone()),
            Touch::Checkpoint(bytes) => notes.checkpoints.push(bytes.clone()),
            _ => {}
        }
        let (touches, checkpoints) = (notes.touches, notes.checkpoints.len() as u64);
        drop(notes);
        if self.stop == Stop::FireAtTouch(touches) {
            self.fire();
        }
        self.make_room();
        if matches!(touch, Touch::Checkpoint(_)) && self.stop == Stop::KillAtCheckpoint(checkpoints) {
            self.killed.store(true, Ordering::Release);
            // without the panic hook: nothing is wrong
            resume_unwind(Box::new("killed on purpose"));
        }
    }

    /// The body waits: fires its token where that is due, and answers whether it is to be dropped.
    fn waits(&self) -> bool {
        let awaits = {
            let mut notes = self.notes();
            notes.awaits += 1;
            notes.awaits
        };
        if self.stop == Stop::FireAtAwait(awaits) {
            self.fire();
        }
        self.make_room();
        self.stop == Stop::DropAtAwait(awaits)
    }

    fn fire(&self) {
        if let Some(control) = &*lock(&self.control) {
            control.cancel();
        }
    }

    /// Takes what was told, as a heartbeat does, so that it never fills up.
    fn make_room(&self) {
        if let Some(control) = &*lock(&self.control) {
            let report = control.report(usize::MAX);
            control.heard(&report);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
