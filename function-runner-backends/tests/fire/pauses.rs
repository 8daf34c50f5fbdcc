//! Processes that stand still: `SIGSTOP` past the lease, a body that blocks its whole runtime, a lock that nobody lets go.

use std::{fs, time::Duration};

use function_runner_core::{Executor as _, State, Submitted, TaskId};
use function_runner_testkit::history::Invariant;
use rustix::process::Signal;
use serde_json::json;
use tokio::time::timeout;

use crate::{
    child::{Child, wait_for},
    functions::{BLOCK, LONG, quick_task, task, traced},
    stage::Stage,
};

fn id(name: &str) -> TaskId {
    TaskId::new(name).unwrap()
}

/// Stops a process, but not in the middle of a write, where it holds the file's lock: others still get through.
pub(crate) fn stop(stage: &mut Stage, child: &Child) {
    let store = stage.runtime.block_on(stage.store.open());
    wait_for("a process to be stopped outside of a write", || {
        child.signal(Signal::STOP);
        let through = stage.runtime.block_on(async {
            timeout(Duration::from_secs(2), store.submit(vec![quick_task(&TaskId::unique())])).await
        });
        match through {
            Ok(Ok(_)) => Some(()),
            _ => {
                child.signal(Signal::CONT);
                None
            }
        }
    });
}

/// evidence (c) rows 3 and 13: a worker that was stopped past its lease is late, and its ends change nothing.
#[test]
fn what_comes_after_the_lease_is_refused() {
    let mut stage = Stage::new(1, 10);
    let store = stage.enter();
    let mut late = stage.start("hand");
    stage.runtime.block_on(store.submit(vec![quick_task(&id("contested"))])).unwrap();
    late.tell("lease");
    assert_eq!(late.hears("holds"), "contested");
    stop(&mut stage, &late);

    let mut worker = stage.start("worker");
    let ended = stage.end(&store, &id("contested"));
    assert_eq!(ended.state, State::Succeeded, "another did it");
    late.signal(Signal::CONT);
    late.tell("beat");
    assert_eq!(late.hears("beat"), "lost 1 of 1");
    late.tell("finish");
    assert_eq!(late.hears("finished"), "lost 1 of 1");
    let record = stage.runtime.block_on(store.record(&id("contested"))).unwrap();
    assert_eq!((record.seq, record.attempt, record.crashes), (ended.seq, 1, 1), "nothing changed");

    late.tell("end");
    late.ends_well();
    stage.settle();
    worker.signal(Signal::TERM);
    worker.hears("left");
    worker.ends_well();
    let summary = stage.judge();
    assert!(
        summary.checked(Invariant::FencesRise) > 0 && summary.checked(Invariant::LeasesNeverOverlap) > 0,
        "{summary}"
    );
}

/// evidence (c) rows 1 and 13: a worker that was stopped past its lease and goes on hears that its claim is lost, and
/// drops the body.
#[test]
fn a_worker_that_was_stopped_gives_up_what_it_lost() {
    let mut stage = Stage::new(2, 10);
    let store = stage.enter();
    let (gate, trace) = (stage.path("gate"), stage.path("trace"));
    let plan = json!({ "gate": gate, "trace": trace });
    stage.runtime.block_on(store.submit(vec![task(&LONG, &id("long"), &plan)])).unwrap();
    let mut first = stage.start("worker");
    wait_for("some steps", || traced(&trace, first.id()).contains(&"step 100".to_owned()).then_some(()));
    stop(&mut stage, &first);

    let mut second = stage.start("worker");
    let from = wait_for("the second worker to begin", || traced(&trace, second.id()).first().cloned());
    assert_ne!(from, "from 0", "it goes on from what the first one left");
    first.signal(Signal::CONT);
    // with its body gone, whatever it does later is nobody's concern
    wait_for("the first worker to give up", || {
        traced(&trace, first.id()).contains(&"gone".to_owned()).then_some(())
    });
    fs::write(&gate, "open").unwrap();
    let ended = stage.end(&store, &id("long"));
    assert_eq!((ended.state, ended.attempt, ended.crashes), (State::Succeeded, 1, 1));

    stage.settle();
    drains(&mut first);
    drains(&mut second);
    stage.judge();
}

/// Ends by `SIGTERM`, and well.
pub(crate) fn drains(worker: &mut Child) {
    worker.signal(Signal::TERM);
    worker.hears("left");
    assert!(worker.wait().success());
}

/// evidence (c) row 1: bodies that block every thread of their runtime for three leases keep their leases and run once.
#[test]
fn bodies_that_block_the_whole_runtime_keep_their_leases() {
    let mut stage = Stage::new(3, 10);
    let store = stage.enter();
    let trace = stage.path("trace");
    let millis = stage.store.times().lease.as_millis() * 3;
    let plan = json!({ "trace": trace, "millis": millis });
    // as many as the runtime has threads
    let tasks = ["block-1", "block-2"].map(|name| task(&BLOCK, &id(name), &plan));
    stage.runtime.block_on(store.submit(tasks.into())).unwrap();
    let mut blocked = stage.start("worker");
    wait_for("both to be blocked", || (traced(&trace, blocked.id()).len() == 2).then_some(()));
    let mut other = stage.start("worker");
    for name in ["block-1", "block-2"] {
        let ended = stage.end(&store, &id(name));
        assert_eq!((ended.state, ended.attempt, ended.crashes), (State::Succeeded, 1, 0), "{name}");
    }
    assert_eq!(traced(&trace, other.id()), Vec::<String>::new(), "each ran once");
    stage.settle();
    drains(&mut blocked);
    drains(&mut other);
    let summary = stage.judge();
    assert_eq!((summary.bodies, summary.leases), (2, 2), "{summary}");
}

/// evidence (c) rows 6 and 33: while some process holds the file's lock no call hangs for ever, and when it lets go
/// workers go on by themselves; nothing of it is called a crash.
#[test]
fn a_lock_that_is_held_is_an_outage_and_no_crash() {
    let mut stage = Stage::new(4, 10);
    let store = stage.enter();
    let (gate, trace) = (stage.path("gate"), stage.path("trace"));
    let plan = json!({ "gate": gate, "trace": trace });
    stage.runtime.block_on(store.submit(vec![task(&LONG, &id("long"), &plan)])).unwrap();
    let mut worker = stage.start("worker");
    wait_for("the body to begin", || traced(&trace, worker.id()).first().cloned());

    let stranger = rusqlite::Connection::open(&stage.store.path).unwrap();
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    // a submit that is made now is held up, for longer than a lease and the pause after an outage
    let held_up = store.submit(vec![quick_task(&id("late"))]);
    let times = stage.store.times();
    let early =
        stage.runtime.block_on(async { timeout(times.lease + times.gap + times.pause, held_up).await });
    assert!(early.is_err(), "it went through a lock: {early:?}");
    stranger.execute_batch("ROLLBACK").unwrap();
    let again = stage.runtime.block_on(store.submit(vec![quick_task(&id("late"))])).unwrap();
    assert!(matches!(again[..], [Submitted::New | Submitted::AlreadyKnown]));
    let late = stage.end(&store, &id("late"));
    assert_eq!(late.state, State::Succeeded, "the worker leases again");
    fs::write(&gate, "open").unwrap();
    let ended = stage.end(&store, &id("long"));
    assert_eq!((ended.state, ended.attempt, ended.crashes), (State::Succeeded, 1, 0));
    assert_eq!(traced(&trace, worker.id()).iter().filter(|line| line.starts_with("from")).count(), 1);

    stage.settle();
    drains(&mut worker);
    stage.judge();
}

/// evidence (c) row 33: a process that stands still in the middle of a write holds up the others, and their calls end
/// with an error that says so; when it is killed they go on.
#[test]
#[ignore = "long form: ./dev proof"]
fn a_lock_that_nobody_lets_go_ends_calls_with_an_error() {
    let mut stage = Stage::new(5, 10);
    let store = stage.enter();
    let stranger = rusqlite::Connection::open(&stage.store.path).unwrap();
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = stage.runtime.block_on(async {
        timeout(crate::child::PATIENCE, store.submit(vec![quick_task(&id("first"))])).await
    });
    let error = answer.expect("no call hangs for ever").unwrap_err();
    assert!(error.is_retryable() && error.remedy().contains("lock"), "{error}: {}", error.remedy());
    drop(stranger);
    stage.runtime.block_on(store.submit(vec![quick_task(&id("second"))])).unwrap();
    let mut worker = stage.start("worker");
    stage.settle();
    drains(&mut worker);
    stage.judge();
}
