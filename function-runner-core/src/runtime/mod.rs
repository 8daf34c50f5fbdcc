//! What a worker runs on: tokio's tasks, timers and a thread of its own, or those whose schedule `./dev shuttle`
//! chooses.
//!
//! Tokio's `Notify` and `oneshot` are used as they are: they need no runtime, and each of their operations is one step.

#[cfg(shuttle)]
mod scheduled;

#[cfg(shuttle)]
pub use scheduled::advance;
#[cfg(shuttle)]
pub(crate) use scheduled::{
    Handle, Instant, JoinHandle, Sleep, own_thread, sleep, sleep_until, timeout, yield_now,
};
#[cfg(not(shuttle))]
pub(crate) use tokio::{
    runtime::Handle,
    task::{JoinHandle, yield_now},
    time::{Instant, Sleep, sleep, sleep_until, timeout},
};

/// Runs this to its end on a thread and a runtime of its own; then both are gone, and last what was to outlast them.
#[cfg(not(shuttle))]
pub(crate) fn own_thread(
    name: &str,
    run: impl Future<Output = ()> + Send + 'static,
    last: impl Send + 'static,
) -> std::io::Result<()> {
    // whatever drivers there are: a backend may wait for sockets or timers
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let live = move || {
        runtime.block_on(run);
        drop(runtime);
        drop(last);
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(live)?;
    Ok(())
}
