//! A backend from outside passes the suites, and every typed call works over it.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex},
};

use backend::JournalQueue;
use function_runner_client::{Connection, State, prelude::*};

static STORES: LazyLock<Mutex<HashMap<String, JournalQueue>>> = LazyLock::new(Mutex::default);

function_runner_testkit::queue_conformance!(|case| async move {
    let mut stores = STORES.lock().unwrap();
    stores.entry(case.namespace.clone()).or_insert_with(|| JournalQueue::new(case.times)).clone()
});

const SHOUT: Function<String, String> = Function::new("shout");

async fn shout(_: Context, text: String) -> Result<String, Failure> {
    Ok(text.to_uppercase())
}

#[tokio::test]
async fn a_runner_and_a_worker_use_it_over_a_connection() -> Result<()> {
    let queue = JournalQueue::new(Default::default());
    let runner = Runner::over(Connection::queue(queue.clone()));
    let worker = runner.worker(Registry::new().add(SHOUT.implement(shout)))?;
    let work = async {
        while runner.functions().await?.templates.is_empty() {
            tokio::task::yield_now().await;
        }
        let handle = runner.call(SHOUT, "hello".to_owned()).submit().await?;
        assert_eq!(handle.output().await?, "HELLO");
        assert_eq!(queue.journal()[handle.id()], Some(State::Succeeded));
        Ok(())
    };
    tokio::select! {
        ended = worker.run_until(std::future::pending::<()>()) => ended,
        done = work => done,
    }
}
