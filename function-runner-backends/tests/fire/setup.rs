//! What a child is told of its run, through its environment; and the store as every process of a run opens it.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use function_runner_backends::embedded::EmbeddedQueue;
use function_runner_core::{Executor as _, Times};
use function_runner_testkit::history::History;

use crate::{child::Start, dice::Dice};

/// Where the store of a run lies, and how much faster than the contract says it lives.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) path: PathBuf,
    pub(crate) faster: u32,
}

impl Store {
    pub(crate) fn times(&self) -> Times {
        Times::default().scaled(self.faster)
    }

    pub(crate) async fn open(&self) -> EmbeddedQueue {
        let store = EmbeddedQueue::at(&self.path).times(self.times()).open().await.unwrap();
        assert_eq!(store.capabilities().times, self.times());
        store
    }
}

/// What a child is told.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) store: Store,
    pub(crate) name: String,
    pub(crate) seed: u64,
    pub(crate) log: PathBuf,
}

impl Setup {
    /// What this child was told.
    pub(crate) fn told() -> Self {
        let of = |name: &str| env::var(name).unwrap();
        let store = Store { path: of("FIRE_STORE").into(), faster: of("FIRE_FASTER").parse().unwrap() };
        Self { store, name: of("FIRE_NAME"), seed: number("FIRE_SEED"), log: of("FIRE_LOG").into() }
    }

    pub(crate) fn history(&self) -> History {
        History::to_file(&self.log).unwrap()
    }

    pub(crate) fn dice(&self) -> Dice {
        Dice::new(self.seed)
    }
}

/// A number that a child was told; 0 where it was told none.
pub(crate) fn number(name: &str) -> u64 {
    env::var(name).map_or(0, |number| number.parse().unwrap())
}

/// Tells a child to work on this store and to log into this file.
pub(crate) fn tell(start: Start, store: &Store, seed: u64, log: &Path) -> Start {
    start
        .with("FIRE_STORE", &store.path)
        .with("FIRE_FASTER", store.faster.to_string())
        .with("FIRE_SEED", seed.to_string())
        .with("FIRE_LOG", log)
}

/// How long a worker's bodies may go on after it was asked to stop.
pub(crate) const DRAIN: &str = "FIRE_DRAIN_MS";

pub(crate) fn drain_limit() -> Duration {
    Duration::from_millis(number(DRAIN))
}
