//! Workers that are asked to stop: nothing is lost, nothing runs twice, nothing costs an attempt.

use std::fs;

use function_runner_core::{Executor as _, State, TaskId};
use function_runner_testkit::seeds;
use rustix::process::Signal;
use serde_json::json;

use crate::{
    child::wait_for,
    functions::{LONG, QUICK, task, traced},
    pauses::drains,
    setup::DRAIN,
    stage::Stage,
};

/// evidence (c) row 9: workers are replaced one after the other under load; zero lost, zero run again.
#[test]
fn a_drain_under_load_loses_nothing_and_runs_nothing_twice() {
    seeds(0..2, |seed| drain_under_load(seed, 120, 4));
}

#[test]
#[ignore = "long form: ./dev proof"]
fn many_drains_under_load_lose_nothing_and_run_nothing_twice() {
    seeds(100..130, |seed| drain_under_load(seed, 400, 10));
}

fn drain_under_load(seed: u64, count: u64, replaced: usize) {
    let mut stage = Stage::new(seed, 10);
    let store = stage.enter();
    let name = |number| TaskId::new(format!("load-{number}")).unwrap();
    let all: Vec<_> = (0..count).map(|number| task(&QUICK, &name(number), &json!({ "steps": 10 }))).collect();
    stage.runtime.block_on(store.submit(all)).unwrap();
    let patient = |stage: &mut Stage| {
        let mut worker = stage.cast("worker").with(DRAIN, "30000").go();
        worker.is_ready();
        worker
    };
    let mut worker = patient(&mut stage);
    for _ in 0..replaced {
        // in the middle of its work
        let begun = stage.noted(&worker) + 4000;
        wait_for("a worker to be at work", || (stage.noted(&worker) >= begun).then_some(()));
        let next = patient(&mut stage);
        drains(&mut worker);
        worker = next;
    }
    for number in 0..count {
        let ended = stage.end(&store, &name(number));
        assert_eq!((ended.state, ended.attempt, ended.crashes), (State::Succeeded, 1, 0));
    }
    stage.settle();
    drains(&mut worker);
    let summary = stage.judge();
    assert_eq!((summary.bodies, summary.tasks), (count, count), "{summary}");
}

/// evidence (c) row 10: fifty restarts of the worker of one long task: it is still its first attempt, and every worker
/// goes on from where the one before was.
#[test]
fn fifty_rolling_restarts_cost_a_long_task_nothing() {
    let mut stage = Stage::new(21, 10);
    let store = stage.enter();
    let (gate, trace) = (stage.path("gate"), stage.path("trace"));
    let id = TaskId::new("long").unwrap();
    stage
        .runtime
        .block_on(store.submit(vec![task(&LONG, &id, &json!({ "gate": gate, "trace": trace }))]))
        .unwrap();
    let mut reached = 0;
    for restart in 0..50 {
        // no drain limit: what runs is released
        let mut worker = stage.start("worker");
        let lines =
            wait_for("some steps", || Some(traced(&trace, worker.id())).filter(|lines| lines.len() > 3));
        let from: u64 = lines[0].strip_prefix("from ").unwrap().parse().unwrap();
        assert_eq!(from, reached, "restart {restart} goes on from the last checkpoint");
        drains(&mut worker);
        let lines = traced(&trace, worker.id());
        let mut steps = lines.iter().filter_map(|line| line.strip_prefix("step "));
        reached = steps.next_back().unwrap().parse().unwrap();
    }
    fs::write(&gate, "open").unwrap();
    let mut worker = stage.start("worker");
    let ended = stage.end(&store, &id);
    assert_eq!((ended.state, ended.attempt, ended.crashes), (State::Succeeded, 1, 0));
    stage.settle();
    drains(&mut worker);
    let summary = stage.judge();
    assert_eq!(summary.bodies, 51, "{summary}");
}

/// A second `SIGTERM` releases at once what a patient worker would wait for.
#[test]
fn a_second_signal_releases_at_once() {
    let mut stage = Stage::new(22, 10);
    let store = stage.enter();
    let (gate, trace) = (stage.path("gate"), stage.path("trace"));
    let id = TaskId::new("long").unwrap();
    let long = task(&LONG, &id, &json!({ "gate": gate, "trace": trace }));
    stage.runtime.block_on(store.submit(vec![long])).unwrap();
    let mut patient = stage.cast("worker").with(DRAIN, "3600000").go();
    patient.is_ready();
    wait_for("some steps", || (traced(&trace, patient.id()).len() > 3).then_some(()));
    patient.signal(Signal::TERM);
    patient.hears("drains");
    patient.signal(Signal::TERM);
    patient.hears("releases");
    let mut other = stage.start("worker");
    wait_for("another to go on", || (traced(&trace, other.id()).len() > 1).then_some(()));
    fs::write(&gate, "open").unwrap();
    let ended = stage.end(&store, &id);
    assert_eq!((ended.state, ended.attempt, ended.crashes), (State::Succeeded, 1, 0));
    patient.wait();
    stage.settle();
    drains(&mut other);
    stage.judge();
}
