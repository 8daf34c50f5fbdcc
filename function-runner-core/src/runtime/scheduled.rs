//! The runtime of `./dev shuttle`: its tasks and threads are shuttle's, and time passes only by [`advance`].

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt, io, mem,
    ops::Add,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

pub(crate) use shuttle::future::{JoinHandle, yield_now};
use shuttle::{
    current,
    future::{block_on, spawn},
    thread,
};

thread_local! {
    // a test's tasks and threads are coroutines of one thread, so this is one clock for all of them
    static HANDS: RefCell<Hands> = RefCell::default();
}

/// The time since a schedule began, and who waits for what.
#[derive(Default)]
struct Hands {
    now: Duration,
    count: u64,
    sleepers: BTreeMap<(Duration, u64), Waker>,
}

impl Hands {
    fn with<T>(act: impl FnOnce(&mut Self) -> T) -> T {
        HANDS.with_borrow_mut(act)
    }
}

/// Lets this much time pass at once for all that runs under shuttle, and wakes whoever waited for it.
///
/// A schedule begins at whatever time the one before ended; what was asleep then is forgotten with it.
pub fn advance(time: Duration) {
    // whoever is to be first may be
    thread::yield_now();
    let due = Hands::with(|hands| {
        hands.now += time;
        let later = hands.sleepers.split_off(&(hands.now, u64::MAX));
        mem::replace(&mut hands.sleepers, later)
    });
    due.into_values().for_each(Waker::wake);
}

/// A moment of this clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(Duration);

impl Instant {
    pub(crate) fn now() -> Self {
        Self(Hands::with(|hands| hands.now))
    }

    pub(crate) fn elapsed(&self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }

    pub(crate) fn checked_add(&self, time: Duration) -> Option<Self> {
        self.0.checked_add(time).map(Self)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0 + time)
    }
}

/// Ready from a moment on.
pub(crate) struct Sleep {
    at: Duration,
    number: u64,
}

pub(crate) fn sleep(time: Duration) -> Sleep {
    sleep_until(Instant(Instant::now().0.saturating_add(time)))
}

pub(crate) fn sleep_until(moment: Instant) -> Sleep {
    let number = Hands::with(|hands| {
        hands.count += 1;
        hands.count
    });
    Sleep { at: moment.0, number }
}

impl Sleep {
    pub(crate) fn reset(mut self: Pin<&mut Self>, moment: Instant) {
        let waker = Hands::with(|hands| hands.sleepers.remove(&(self.at, self.number)));
        self.at = moment.0;
        if let Some(waker) = waker {
            Hands::with(|hands| hands.sleepers.insert((self.at, self.number), waker));
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Hands::with(|hands| {
            if self.at <= hands.now {
                return Poll::Ready(());
            }
            hands.sleepers.insert((self.at, self.number), context.waker().clone());
            Poll::Pending
        })
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        Hands::with(|hands| hands.sleepers.remove(&(self.at, self.number)));
    }
}

/// What `future` gives, unless this much time has passed before.
pub(crate) async fn timeout<F: Future>(time: Duration, future: F) -> Result<F::Output, Elapsed> {
    tokio::select! {
        biased;
        output = future => Ok(output),
        () = sleep(time) => Err(Elapsed),
    }
}

/// Too much time has passed.
#[derive(Debug)]
pub(crate) struct Elapsed;

/// Where tasks run.
#[derive(Clone, Debug)]
pub(crate) struct Handle(());

impl Handle {
    /// This runtime is wherever a schedule is.
    pub(crate) fn try_current() -> Result<Self, NoRuntime> {
        current::try_get_current_task().map(|_| Self(())).ok_or(NoRuntime)
    }

    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        spawn(task)
    }
}

/// No schedule of shuttle's is under way.
#[derive(Debug)]
pub(crate) struct NoRuntime;

impl fmt::Display for NoRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no schedule is under way")
    }
}

impl std::error::Error for NoRuntime {}

/// Runs this to its end on a thread of its own, then drops what was to outlast it.
pub(crate) fn own_thread(
    _name: &str,
    run: impl Future<Output = ()> + Send + 'static,
    last: impl Send + 'static,
) -> io::Result<()> {
    thread::spawn(move || {
        block_on(run);
        drop(last);
    });
    Ok(())
}
