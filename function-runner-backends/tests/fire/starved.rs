//! Workers on a disk that fails for a while: they go on by themselves when it is mended.

use std::fs;

use function_runner_core::{Executor as _, State, TaskId};
use serde_json::json;

use crate::{
    child::wait_for,
    functions::{LONG, quick_task, task, traced},
    pauses::drains,
    shim::{CONTROL, Control, Errno, Fault, Kinds, shimmed},
    stage::Stage,
};

/// A worker whose disk fails at every call until it has met so many failures, with a task in its hands.
fn starve(seed: u64, error: Errno, failures: i64) {
    let mut stage = Stage::new(seed, 10);
    let id = |name: &str| TaskId::new(name).unwrap();
    let (gate, trace) = (stage.path("gate"), stage.path("trace"));
    let control = Control::create(&stage.path("control"));
    let store = stage.enter();
    let long = task(&LONG, &id("long"), &json!({ "gate": gate, "trace": trace }));
    stage.runtime.block_on(store.submit(vec![long])).unwrap();
    let folder = stage.store.path.parent().unwrap().to_owned();
    let start = stage.cast("worker").with(CONTROL, stage.path("control"));
    let mut worker = shimmed(start, &folder).go();
    worker.is_ready();
    wait_for("the long task to run", || (traced(&trace, worker.id()).len() > 3).then_some(()));

    control.fail(&Fault { error, call: 1, kinds: Kinds::ALL, lasting: true, torn: false });
    wait_for("many failures", || (control.failed() >= failures).then_some(()));
    assert!(worker.ended().is_none(), "it lives on");
    // the end of the task falls into the fault too: it is told again until it is answered
    fs::write(&gate, "open").unwrap();
    wait_for("the body to end", || traced(&trace, worker.id()).contains(&"gone".to_owned()).then_some(()));
    let before = control.failed();
    wait_for("more failures", || (control.failed() >= before + failures).then_some(()));
    control.mend();

    let ended = stage.end(&store, &id("long"));
    assert_eq!((ended.state, ended.attempt, ended.crashes), (State::Succeeded, 1, 0));
    stage.runtime.block_on(store.submit(vec![quick_task(&id("later"))])).unwrap();
    assert_eq!(stage.end(&store, &id("later")).state, State::Succeeded, "it leases again");
    assert_eq!(traced(&trace, worker.id()).iter().filter(|line| line.starts_with("from")).count(), 1);
    stage.settle();
    drains(&mut worker);
    stage.judge();
}

/// evidence (c) rows 6, 19 and 23: a worker whose disk is full goes on when there is room again; the end that it could
/// not tell is told, and nothing is called a crash.
#[test]
fn a_worker_on_a_full_disk_goes_on_when_there_is_room() {
    starve(41, Errno::Full, 30);
}

/// evidence (c) rows 6 and 19: the same of a disk that fails.
#[test]
fn a_worker_on_a_broken_disk_goes_on_when_it_is_mended() {
    starve(42, Errno::Broken, 30);
}
