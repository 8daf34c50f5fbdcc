//! The embedded backend keeps the contracts: by the machine's clock with every connection a process of its own as far
//! as the file can tell, by a clock that the suites turn, and with one connection for all.

#![cfg(feature = "embedded")]

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex},
    thread,
};

use function_runner_backends::embedded::{Builder, EmbeddedQueue};
use function_runner_testkit::{
    conformance::Case, inspect_conformance, operate_conformance, queue_conformance,
};

static FILES: LazyLock<Mutex<HashMap<String, PathBuf>>> = LazyLock::new(Mutex::default);

/// The file of this case, in a folder that the next run of the same test takes over.
fn file(case: &Case) -> PathBuf {
    let make = || {
        let test = thread::current().name().unwrap_or("main").replace("::", "-");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("embedded").join(test);
        // there is none the first time
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).expect("the folder of test files can be written");
        folder.join("tasks.db")
    };
    let mut files = FILES.lock().expect("no case panics while it opens its store");
    files.entry(case.namespace.clone()).or_insert_with(make).clone()
}

/// One more connection to the case's file.
async fn open(case: &Case, with: impl FnOnce(Builder) -> Builder) -> EmbeddedQueue {
    with(EmbeddedQueue::at(file(case)).times(case.times)).open().await.expect("the file opens")
}

/// The first connection to the case's file, for all.
async fn shared(case: &Case) -> EmbeddedQueue {
    static STORES: LazyLock<Mutex<HashMap<String, EmbeddedQueue>>> = LazyLock::new(Mutex::default);
    let known = STORES.lock().expect("no case panics here").get(&case.namespace).cloned();
    match known {
        Some(queue) => queue,
        None => {
            let queue = open(case, |queue| queue).await;
            STORES.lock().expect("no case panics here").insert(case.namespace.clone(), queue.clone());
            queue
        }
    }
}

mod apart {
    use super::*;

    queue_conformance!(|case| async move { open(&case, |queue| queue).await });
    inspect_conformance!(|case| async move { open(&case, |queue| queue).await.connection() });
    operate_conformance!(|case| async move { open(&case, |queue| queue).await.connection() });
}

mod manual {
    use super::*;

    queue_conformance!(|case| async move { open(&case, |queue| queue.clock(case.clock())).await });
    operate_conformance!(
        |case| async move { open(&case, |queue| queue.clock(case.clock())).await.connection() }
    );
}

mod together {
    use super::*;

    queue_conformance!(|case| async move { shared(&case).await });
    operate_conformance!(|case| async move { shared(&case).await.connection() });
}
