//! A runner's own worker: in this process, with what this machine has.

use std::{env, panic, sync::Arc, time::Duration};

use function_runner_backends::{
    folder::{FolderStore, scratch_in},
    memory::MemoryQueue,
};
use function_runner_core::{
    ArtifactStore, Capacity, Connection, Error, ErrorKind, Executor as _, Queue as _, Registry, Result,
    TemplateSet, Worker, WorkerId, WorkerInfo,
};
use futures::FutureExt as _;
use tokio::{runtime, sync::oneshot, task::JoinHandle};

use crate::capacity;

/// A worker that was started beside its queue.
pub(crate) struct Started {
    pub(crate) connection: Connection,
    /// What can be called, from the start.
    pub(crate) known: TemplateSet,
    pub(crate) worker: Running,
}

/// A worker at work. Dropped, it drains behind everybody's back.
#[derive(Debug)]
pub(crate) struct Running {
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<()>>,
}

impl Running {
    /// Lets it drain, and waits for its end.
    pub(crate) async fn end(self) -> Result<()> {
        drop(self.stop);
        self.ended.await.unwrap_or_else(|error| {
            Err(Error::new(ErrorKind::Unavailable, "the worker of this runner was given up")
                .with_source(error))
        })
    }
}

/// Starts a queue in memory and a worker of it.
pub(crate) fn start(registry: Registry) -> Result<Started> {
    registry.check()?;
    let runtime = runtime_with_timers()?;
    let (queue, machine) = (MemoryQueue::new(), registry.equip(capacity::measure()));
    let id = WorkerId::unique();
    let known = publish(&queue, &id, &machine, &registry)?;
    let connection = queue.connection().with_artifacts(FolderStore::temporary()?);
    let (stop, gone) = oneshot::channel::<()>();
    let equipped = equip(Worker::new(queue, registry).id(id), machine, connection.artifacts.clone());
    let mut running = Box::pin(equipped.run_until(gone));
    // a worker that cannot start says so when it is first polled; later nobody would hear of it
    if let Some(ended) = (&mut running).now_or_never() {
        ended?;
    }
    let ended = runtime.spawn(running);
    Ok(Started { connection, known, worker: Running { stop, ended } })
}

/// Joins in the worker's name before it runs, so that the first call already finds its functions in the store.
fn publish(
    queue: &MemoryQueue,
    id: &WorkerId,
    machine: &Capacity,
    registry: &Registry,
) -> Result<TemplateSet> {
    let templates: Vec<_> = registry.templates().cloned().collect();
    let known = async {
        queue.join(WorkerInfo::new(id.clone(), machine.clone(), templates)).await?;
        queue.templates(0).await
    };
    // a store in memory answers at once
    Ok(known.now_or_never().transpose()?.flatten().unwrap_or_default())
}

/// Gives a worker what this machine has.
pub(crate) fn equip(worker: Worker, machine: Capacity, artifacts: Option<Arc<dyn ArtifactStore>>) -> Worker {
    let worker = worker.capacity(machine).scratch(scratch_in(env::temp_dir()));
    match artifacts {
        Some(artifacts) => worker.artifacts(artifacts),
        None => worker,
    }
}

/// The runtime this is called in; one without timers would panic in the worker, where nobody is told.
fn runtime_with_timers() -> Result<runtime::Handle> {
    let refuse = |message| {
        Error::new(ErrorKind::InvalidSetup, message)
            .with_help("call it inside `#[tokio::main]`, or in a runtime built with `enable_all`")
    };
    let runtime = runtime::Handle::try_current()
        .map_err(|error| refuse("a local runner needs a tokio runtime").with_source(error))?;
    // tokio tells it by a panic alone
    panic::catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO)))
        .map_err(|_| refuse("a local runner needs a tokio runtime with timers"))?;
    Ok(runtime)
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, sync::Weak};

    use function_runner_core::Function;

    use super::*;
    use crate::Runner;

    const DOUBLE: Function<u32, u32> = Function::new("double");
    const SCRATCH: Function<(), PathBuf> = Function::new("scratch");

    #[tokio::test]
    async fn a_runner_that_is_closed_leaves_nothing_behind() -> Result<()> {
        let scratch = SCRATCH.implement_blocking(|ctx, ()| ctx.scratch());
        let runner = Runner::local(Registry::new().add(scratch))?;
        let store = Arc::downgrade(runner.connection().artifacts.as_ref().expect("it has a store"));
        let folder = runner.call(SCRATCH, ()).await?;
        runner.clone().close().await?;
        assert!(!folder.exists());
        runner.close().await?;
        assert_eq!(store.strong_count(), 0);
        Runner::connect("memory:").await?.close().await
    }

    #[tokio::test]
    async fn the_store_goes_with_the_last_who_uses_it() -> Result<()> {
        let started = start(Registry::new().add(DOUBLE.implement(|_, n| async move { Ok(n * 2) })))?;
        let connection = Arc::new(started.connection);
        let gone: Weak<_> = Arc::downgrade(connection.artifacts.as_ref().expect("it has a store"));
        assert_eq!(started.known.templates.len(), 1);
        drop((connection, started.worker));
        let waits = async {
            while gone.strong_count() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), waits)
            .await
            .expect("the worker drains and lets go of it");
        Ok(())
    }
}
