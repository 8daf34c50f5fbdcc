//! Which queue a command works on, and opening it.

use std::{fs, io, path::PathBuf, sync::Arc};

use function_runner_backends::models;
use function_runner_client::{Connection, Runner, connect};
use function_runner_core::{
    Capacity, Error, ErrorKind, Inspect, Operate, Queue, Registry, Result, WorkerId, WorkerInfo,
};
use tokio::runtime::Runtime;

/// Which queue.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Place {
    /// The queue: sqlite:PATH, or memory: for this process alone; a file in the user's data folder unless given.
    #[arg(long = "queue", value_name = "URL", env = "FNR_QUEUE", hide_env_values = true)]
    url: Option<String>,
}

/// A queue that was opened.
pub(crate) struct Opened {
    pub(crate) runner: Runner,
    /// The workers' side, where workers connect here.
    pub(crate) queue: Option<Arc<dyn Queue>>,
}

impl Place {
    /// Opens it.
    ///
    /// # Errors
    ///
    /// What [`connect::open`] says, and of the usual queue how to give another.
    pub(crate) async fn open(&self) -> Result<Opened> {
        let connection = match self.given() {
            Some(url) => connect::open(url).await?,
            None => open_usual().await?,
        };
        let queue = connection.queue.clone();
        Ok(Opened { runner: Runner::over(connection), queue })
    }

    /// What people are told of it: of a URL that may hold a password its scheme alone.
    pub(crate) fn shown(&self) -> String {
        match self.given() {
            Some(url) if url.starts_with("sqlite:") => url.escape_debug().to_string(),
            Some(url) => format!("{}:", url.split(':').next().unwrap_or_default().escape_debug()),
            None => {
                usual().map_or_else(|_| "sqlite:".to_owned(), |path| format!("sqlite:{}", path.display()))
            }
        }
    }

    /// Whether a queue was named; else it is the usual one.
    pub(crate) fn is_given(&self) -> bool {
        self.given().is_some()
    }

    fn given(&self) -> Option<&str> {
        self.url.as_deref().filter(|url| !url.is_empty())
    }
}

impl Opened {
    /// What an operator can look at.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] where that is nothing.
    pub(crate) fn inspect(&self) -> Result<&Arc<dyn Inspect>> {
        self.runner.inspect().ok_or_else(|| unable("look at anything"))
    }

    /// What an operator can do.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] where that is nothing.
    pub(crate) fn operate(&self) -> Result<&Arc<dyn Operate>> {
        self.runner.operate().ok_or_else(|| unable("change anything"))
    }

    /// Makes these functions known here, in this worker's name: so a call finds them before any worker runs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] where a live worker serves other content under the same version; what the queue says.
    pub(crate) async fn publish(
        &self,
        worker: &WorkerId,
        machine: &Capacity,
        registry: &Registry,
    ) -> Result<()> {
        let Some(queue) = &self.queue else { return Ok(()) };
        let templates = registry.templates().cloned().collect();
        queue.join(WorkerInfo::new(worker.clone(), machine.clone(), templates)).await
    }

    /// Takes back that this worker is there; what it made known stays known.
    ///
    /// # Errors
    ///
    /// What the queue says.
    pub(crate) async fn leave(&self, worker: &WorkerId) -> Result<()> {
        match &self.queue {
            Some(queue) => queue.join(WorkerInfo::leaving(worker.clone())).await,
            None => Ok(()),
        }
    }
}

fn unable(what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("operators cannot {what} here"))
        .with_help("give the queue behind it: --queue URL")
}

async fn open_usual() -> Result<Connection> {
    let path = usual()?;
    let made = path.parent().map_or(Ok(()), make);
    let opened = match made {
        Ok(()) => connect::open(&format!("sqlite:{}", path.display())).await,
        Err(error) => Err(Error::new(ErrorKind::Io, "its folder cannot be made").with_source(error)),
    };
    opened.map_err(|error| {
        let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
        let why = std::iter::once(error.message().to_owned()).chain(causes.map(ToString::to_string));
        let why = why.collect::<Vec<_>>().join(": ");
        let help = format!(
            "{}; or give another queue by --queue sqlite:PATH or FNR_QUEUE, or --queue memory: for this call alone",
            error.remedy()
        );
        let message = format!("the usual queue {} cannot be used: {why}", path.display());
        Error::new(error.kind(), message).with_help(help)
    })
}

/// Where tasks are kept unless a queue is given.
fn usual() -> Result<PathBuf> {
    let data = models::data_folder().ok_or_else(|| {
        Error::new(ErrorKind::Io, "there is no folder for the queue: this user has no home folder")
            .with_help("give a queue by --queue sqlite:PATH or FNR_QUEUE")
    })?;
    Ok(data.join("function-runner").join("tasks.db"))
}

/// Makes a folder that is this user's alone: tasks hold what they were given.
fn make(folder: &std::path::Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// The threads that a command works on.
///
/// # Errors
///
/// [`ErrorKind::Io`] where they cannot be started.
pub(crate) fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        Error::new(ErrorKind::Io, "cannot start the threads that functions run on").with_source(error)
    })
}

/// Opens the queue and does this with it.
///
/// # Errors
///
/// What opening it and the work say.
pub(crate) fn with<T>(place: &Place, work: impl AsyncFnOnce(&Opened) -> Result<T>) -> Result<T> {
    runtime()?.block_on(async {
        let opened = place.open().await?;
        work(&opened).await
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let shown = |url: &str| Place { url: Some(url.to_owned()) }.shown();
        assert_eq!(shown("sqlite:a/tasks.db"), "sqlite:a/tasks.db");
        assert_eq!(shown("redis://me:secret@host/0"), "redis:");
        assert_eq!(shown("memory:"), "memory:");
    }
}
