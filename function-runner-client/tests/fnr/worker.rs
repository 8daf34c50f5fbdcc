//! `fnr worker`: serving a queue beside other processes, and stopping without loss.

use std::process::Command;

use serde_json::{Value, json};

use crate::{
    bench::{Bench, Ended},
    picture,
    program::Program,
};

/// A picture that takes longer than anybody waits here.
fn with_large_photo() -> Bench {
    let bench = Bench::new();
    bench.write("photo.png", picture::large());
    bench
}

fn worker(bench: &Bench, more: &[&str]) -> Program {
    let mut command: Command = bench.command();
    command.args(["--json", "worker"]).args(more);
    Program::start(command)
}

fn queue(bench: &Bench, more: &[&str]) -> String {
    let run = ["run", "image.upscale", "image=@photo.png", "factor=4", "--detach"];
    let output = bench.command().args(run).args(more).output().unwrap();
    Ended::of(output).ends(0).out.trim_end().to_owned()
}

/// What a command says while others run: their temporary files are theirs.
fn all(bench: &Bench, arguments: &[&str]) -> Vec<Value> {
    let output = bench.command().arg("--json").args(arguments).output().unwrap();
    Ended::of(output).ends(0).documents()
}

fn one(bench: &Bench, arguments: &[&str]) -> Value {
    all(bench, arguments).pop().unwrap()
}

fn why(bench: &Bench, id: &str) -> Value {
    one(bench, &["why", id])
}

fn reasons(why: &Value) -> Vec<&str> {
    why["reasons"].as_array().unwrap().iter().map(|reason| reason["reason"].as_str().unwrap()).collect()
}

#[test]
fn a_worker_runs_what_other_processes_queue_and_drains() {
    let bench = Bench::new();
    bench.write("photo.png", picture::noise(40, 30));
    let first = queue(&bench, &[]);
    let mut worker = worker(&bench, &["--capacity", "cpu=2,memory=2GiB", "--functions", "image.upscale"]);
    let said = worker.next("worker");
    assert_eq!(said["capacity"]["memory_mib"], 2048);
    assert!(said["lanes"].as_array().unwrap().contains(&json!("image.upscale@1.1:draft")), "{said}");
    assert_eq!(worker.next("started")["task"], json!(first));
    let finished = worker.next("finished");
    assert_eq!((&finished["task"], &finished["end"]), (&json!(first), &json!("succeeded")));

    // one that only waits has its work done there
    let more = ["run", "image.upscale", "image=@photo.png", "-o", "big.png", "--no-work"];
    let output = bench.command().args(more).output().unwrap();
    let ended = Ended::of(output).ends(0);
    assert!(
        ended.err.contains(" · any worker of the queue\n") && !ended.err.contains("peak"),
        "{}",
        ended.err
    );
    let listed = one(&bench, &["workers"]);
    assert_eq!((&listed["worker"], &listed["draining"]), (&said["worker"], &json!(false)));
    assert_eq!(listed["functions"], json!(["image.upscale@1.1.0"]));

    worker.signal("-TERM");
    assert_eq!(worker.next("draining")["limit_ms"], 30_000);
    assert_eq!(worker.next("stopped")["released"], false);
    assert_eq!(worker.ends(), Some(0));
    assert_eq!(bench.run(&["workers"]).ends(0).err, "no worker is there; `fnr worker` starts one\n");
}

#[test]
fn what_runs_at_the_drain_limit_goes_back_and_costs_no_attempt() {
    let bench = with_large_photo();
    let id = queue(&bench, &[]);
    let mut first = worker(&bench, &["--drain-limit", "0s"]);
    assert_eq!(first.next("started")["attempt"], 1);
    first.signal("-TERM");
    assert_eq!(first.next("stopped")["released"], false);
    assert_eq!(first.ends(), Some(0));
    let listed = one(&bench, &["tasks"]);
    assert_eq!(
        (&listed["state"], &listed["attempt"], &listed["crashes"]),
        (&json!("queued"), &json!(1), &json!(0))
    );
    let mut second = worker(&bench, &["--drain-limit", "0s"]);
    let started = second.next("started");
    assert_eq!((&started["task"], &started["attempt"]), (&json!(id), &json!(1)));
}

#[test]
fn a_second_request_releases_at_once() {
    let bench = with_large_photo();
    let id = queue(&bench, &[]);
    let mut worker = worker(&bench, &["--drain-limit", "1h"]);
    worker.next("started");
    assert_eq!(reasons(&why(&bench, &id)), ["running"]);
    worker.signal("-TERM");
    worker.next("draining");
    worker.signal("-TERM");
    assert_eq!(worker.next("stopped")["released"], true);
    assert_eq!(worker.ends(), Some(0));
    let listed = one(&bench, &["tasks"]);
    assert_eq!(
        (&listed["state"], &listed["attempt"], &listed["crashes"]),
        (&json!("queued"), &json!(1), &json!(0))
    );
}

#[test]
fn an_operator_drains_a_worker_from_elsewhere() {
    let bench = Bench::new();
    let mut worker = worker(&bench, &[]);
    let id = worker.next("worker")["worker"].as_str().unwrap().to_owned();
    // it is listed when it has joined
    while bench.command().args(["drain", &id]).output().unwrap().status.code() != Some(0) {}
    assert_eq!(worker.next("stopped")["released"], false);
    assert_eq!(worker.ends(), Some(0));
}

#[test]
fn why_knows_what_the_workers_have() {
    let bench = with_large_photo();
    let mut small = worker(&bench, &["--capacity", "cpu=4,memory=64MiB"]);
    small.next("worker");
    while bench.command().arg("workers").output().unwrap().stdout.is_empty() {}
    let large = queue(&bench, &[]);
    let told = why(&bench, &large);
    assert_eq!(reasons(&told), ["too_large", "ahead"], "{told}");
    assert!(
        told["text"].as_str().unwrap().contains("MiB of memory, the most one worker has is 64 MiB"),
        "{told}"
    );

    let mut fits = worker(&bench, &["--capacity", "cpu=2,memory=2GiB"]);
    fits.next("started");
    let waits = queue(&bench, &[]);
    // what is free is told by the worker's next beat
    while all(&bench, &["workers"]).iter().all(|worker| worker["load"]["cpu_millis"].is_null()) {}
    let told = why(&bench, &waits);
    assert_eq!(reasons(&told), ["no_room", "ahead"], "{told}");
    assert!(
        told["text"].as_str().unwrap().contains("it needs 2 cores and the most free is 0 cores"),
        "{told}"
    );
}

#[test]
fn a_task_whose_workers_die_is_a_suspect_that_why_explains() {
    let bench = with_large_photo();
    let id = queue(&bench, &[]);
    for _ in 0..2 {
        let mut worker = worker(&bench, &[]);
        assert_eq!(worker.next("started")["task"], json!(id));
        worker.signal("-KILL");
        assert_eq!(worker.ends(), None);
    }
    // a lease runs out when somebody asks for work, so this waits for the other worker's first start
    let mut third = worker(&bench, &[]);
    assert_eq!(third.next("started")["attempt"], 1);
    let listed = one(&bench, &["tasks"]);
    assert_eq!((&listed["crashes"], &listed["state"]), (&json!(2), &json!("running")));
    third.signal("-TERM");
    third.next("draining");
    third.signal("-TERM");
    assert_eq!(third.ends(), Some(0));
    // the dead are listed until they have been silent for two leases: what else it says may be theirs
    let told = why(&bench, &id);
    let said = reasons(&told);
    assert!(["suspect", "ahead"].iter().all(|reason| said.contains(reason)), "{told}");
    assert!(told["text"].as_str().unwrap().contains("2 workers died while they ran it"), "{told}");
}
