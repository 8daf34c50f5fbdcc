//! The memory backend keeps the contracts: by a clock that the suites turn, by the machine's own, and behind a thread
//! and a channel as a networked backend is.

#![cfg(feature = "memory")]

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex},
    time::Duration,
};

use function_runner_backends::memory::{Builder, MemoryQueue};
use function_runner_core::Connection;
use function_runner_testkit::{
    OwnThread, conformance::Case, inspect_conformance, operate_conformance, queue_conformance,
};

static STORES: LazyLock<Mutex<HashMap<String, MemoryQueue>>> = LazyLock::new(Mutex::default);

/// A connection to the store of this case: the first makes it.
fn connect(case: &Case, with: impl FnOnce(Builder) -> Builder) -> MemoryQueue {
    let mut stores = STORES.lock().expect("no case panics while it opens its store");
    let make = || with(MemoryQueue::builder().times(case.times)).build();
    stores.entry(case.namespace.clone()).or_insert_with(make).clone()
}

/// A store whose clock the case turns.
fn by_hand(case: &Case) -> MemoryQueue {
    connect(case, |store| store.clock(case.clock()))
}

/// A store that lives by the machine's clock.
fn by_itself(case: &Case) -> MemoryQueue {
    connect(case, |store| store)
}

mod manual {
    use super::*;

    queue_conformance!(|case| async move { by_hand(&case) });
    inspect_conformance!(|case| async move { by_hand(&case).connection() });
    operate_conformance!(|case| async move { by_hand(&case).connection() });
}

mod real {
    use super::*;

    queue_conformance!(|case| async move { by_itself(&case) });
    inspect_conformance!(|case| async move { by_itself(&case).connection() });
    operate_conformance!(|case| async move { by_itself(&case).connection() });
}

mod networked {
    use super::*;

    fn far(case: &Case) -> OwnThread {
        OwnThread::new(by_itself(case), Duration::from_micros(700))
    }

    queue_conformance!(|case| async move { far(&case) });
    operate_conformance!(|case| async move { Connection::queue(far(&case)).with_operate(by_itself(&case)) });
}
