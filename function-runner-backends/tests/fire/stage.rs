//! A run: its folder, its store, its processes with their logs, and what all the logs together say.

use std::{fs, path::PathBuf};

use function_runner_backends::embedded::EmbeddedQueue;
use function_runner_core::{Executor as _, TaskId, TaskRecord};
use function_runner_testkit::history::{History, Recorded, Rules, Summary};
use tempfile::TempDir;
use tokio::{runtime::Runtime, time::timeout};

use crate::{
    child::{Child, PATIENCE, Start},
    settle,
    setup::{Store, tell},
};

/// A run. Its folder goes with it.
pub(crate) struct Stage {
    folder: TempDir,
    pub(crate) store: Store,
    pub(crate) runtime: Runtime,
    seed: u64,
    started: u64,
    logs: Vec<PathBuf>,
}

impl Stage {
    /// A run on a store that lives so many times faster than the contract says.
    pub(crate) fn new(seed: u64, faster: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // a folder of its own: of the files of a run the shim knows the store's by it
        let own = folder.path().join("store");
        fs::create_dir(&own).unwrap();
        let store = Store { path: own.join("tasks.db"), faster };
        Self { folder, store, runtime: Runtime::new().unwrap(), seed, started: 0, logs: Vec::new() }
    }

    /// A path in the folder of the run.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What starts a process in this role, under a name that no other has.
    pub(crate) fn cast(&mut self, role: &'static str) -> Start {
        self.started += 1;
        let name = format!("{role}{}", self.started);
        let log = self.path(&format!("{name}.jsonl"));
        self.logs.push(log.clone());
        let start = Start::new(role, self.folder.path(), name);
        tell(start, &self.store, self.seed.wrapping_mul(1000).wrapping_add(self.started), &log)
    }

    /// Starts a process in this role and waits until it is ready.
    pub(crate) fn start(&mut self, role: &'static str) -> Child {
        let mut child = self.cast(role).go();
        child.is_ready();
        child
    }

    /// The store as this process has it, noted like everybody else's.
    pub(crate) fn enter(&mut self) -> Recorded<EmbeddedQueue> {
        let log = self.path(&format!("here{}.jsonl", self.logs.len()));
        let history = History::to_file(&log).unwrap();
        self.logs.push(log);
        history.record(self.runtime.block_on(self.store.open()))
    }

    /// Waits for the end of a task, and gives its record.
    pub(crate) fn end(&self, store: &Recorded<EmbeddedQueue>, id: &TaskId) -> TaskRecord {
        let end = async {
            settle::to_the_end(store, id).await;
            store.record(id).await.unwrap()
        };
        let end = self.runtime.block_on(async { timeout(PATIENCE, end).await });
        end.unwrap_or_else(|_| panic!("task {id} does not end"))
    }

    /// How many bytes the log of a process has by now.
    pub(crate) fn noted(&self, child: &Child) -> u64 {
        fs::metadata(self.path(&format!("{}.jsonl", child.name))).map_or(0, |log| log.len())
    }

    /// Goes on until nothing is left to do, by whatever workers there are, and looks at everything once more.
    pub(crate) fn settle(&mut self) -> usize {
        let store = self.enter();
        self.runtime.block_on(settle::settle(&store))
    }

    /// What the logs of all processes say together.
    pub(crate) fn history(&self) -> History {
        // a process that was killed at once has none
        History::read(self.logs.iter().filter(|log| log.exists())).unwrap()
    }

    /// Holds all logs together to the rules of a run that was settled.
    pub(crate) fn judge(&self) -> Summary {
        let rules = settle::rules(&self.store);
        self.judge_by(&rules)
    }

    pub(crate) fn judge_by(&self, rules: &Rules) -> Summary {
        let summary =
            self.history().check(rules).unwrap_or_else(|violation| self.keep(&violation.to_string()));
        println!("seed {}: {summary}", self.seed);
        summary
    }

    /// Fails, and leaves the logs where somebody can look at them.
    fn keep(&self, why: &str) -> ! {
        let kept = tempfile::Builder::new().prefix("fire-").tempdir().unwrap().keep();
        for entry in fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let _ = fs::copy(&path, kept.join(path.file_name().unwrap()));
        }
        panic!("{why}\nall logs are in {}", kept.display());
    }
}
