//! What operators see and do: why a task is not running, pausing, cancelling, dead letters.

use serde_json::{Value, json};

use crate::{bench::Bench, picture};

fn with_photo() -> Bench {
    let bench = Bench::new();
    bench.write("photo.png", picture::noise(40, 30));
    bench
}

/// Queues a task, and gives its id.
fn queue(bench: &Bench, more: &[&str]) -> String {
    let run = ["run", "image.upscale", "image=@photo.png", "--detach", "-q", "draft"];
    bench.run(&[&run[..], more].concat()).ends(0).out.trim_end().to_owned()
}

fn one(bench: &Bench, arguments: &[&str]) -> Value {
    bench.run(&[&["--json"], arguments].concat()).ends(0).last()
}

fn why(bench: &Bench, id: &str) -> String {
    bench.run(&["why", id]).ends(0).out
}

const LANE: &str = "image.upscale@1.1:draft";

#[test]
fn why_tells_who_waits_for_what() {
    let bench = with_photo();
    let (first, second) = (queue(&bench, &[]), queue(&bench, &["--deadline", "1h"]));
    let later = queue(&bench, &["--delay", "2h"]);
    assert_eq!(why(&bench, &first), format!("queued, next in {LANE}; no worker is there\n"));
    let told = why(&bench, &second);
    let begins = format!("queued, 1 ahead in {LANE}; no worker is there; its deadline is in ");
    assert!(told.starts_with(&begins), "{told}");
    let told = why(&bench, &later);
    assert!(
        told.starts_with("queued, it may start in 1h 59m") || told.starts_with("queued, it may start in 2h"),
        "{told}"
    );
    bench.run(&["pause", LANE]).ends(0);
    let told = one(&bench, &["why", &first]);
    let reasons: Vec<_> =
        told["reasons"].as_array().unwrap().iter().map(|reason| &reason["reason"]).collect();
    assert_eq!(reasons, ["no_worker", "paused", "ahead"]);
    assert_eq!((&told["kind"], &told["remedy"]), (&json!("why"), &json!("start a worker")));
    let lane = one(&bench, &["lanes"]);
    assert_eq!((&lane["lane"], &lane["queued"], &lane["delayed"]), (&json!(LANE), &json!(2), &json!(1)));
    assert_eq!(lane["paused"], true);
    bench.run(&["resume", LANE]).ends(0);
    assert_eq!(one(&bench, &["lanes"])["paused"], false);
}

#[test]
fn a_cancelled_task_says_so_everywhere() {
    let bench = with_photo();
    let id = queue(&bench, &[]);
    let ended = bench.run(&["cancel", &id]).ends(0);
    assert_eq!(ended.err, format!("{id}  cancelled\n"));
    let again = one(&bench, &["cancel", &id]);
    assert_eq!((&again["kind"], &again["task"]), (&json!("done"), &json!(id)));
    assert!(why(&bench, &id).starts_with("cancelled at "));
    assert_eq!(bench.run(&["watch", &id]).ends(3).err, "cancelled; nothing was written\n");
    let document = bench.run(&["--json", "watch", &id]).ends(3).last();
    assert_eq!((&document["kind"], &document["task"]), (&json!("cancelled"), &json!(id)));
}

/// Whoever works on the queue runs what is queued, here calls of something else.
fn work_until_dead(bench: &Bench) {
    while bench.run(&["dead"]).ends(0).out.is_empty() {
        bench.run(&["run", "image.upscale", "image=@photo.png", "-o", "a.png", "-q", "draft"]).ends(0);
    }
}

#[test]
fn a_dead_letter_is_shown_with_its_remedy_and_lives_again() {
    let bench = with_photo();
    assert_eq!(bench.run(&["dead"]).ends(0).err, "there are no dead letters\n");
    bench.write("photo.png", "no picture");
    let id = queue(&bench, &[]);
    bench.write("photo.png", picture::noise(8, 8));
    work_until_dead(&bench);
    let failed = bench.run(&["watch", &id]).ends(2);
    assert!(failed.err.starts_with("error: the function failed: "), "{}", failed.err);
    let dead = one(&bench, &["dead"]);
    assert_eq!((&dead["kind"], &dead["task"], &dead["attempt"]), (&json!("dead"), &json!(id), &json!(1)));
    assert_eq!(dead["failure"]["class"], "invalid_input");
    let text = bench.run(&["dead"]).ends(0).out;
    assert!(text.starts_with(&format!("{id}  {LANE}  ")) && text.contains("\n  failed: "), "{text}");
    assert!(why(&bench, &id).starts_with("failed at "));

    assert_eq!(bench.run(&["retry", &id]).ends(0).err, format!("{id}  queued again\n"));
    assert!(why(&bench, &id).starts_with("queued, next in "));
    let refused = bench.run(&["purge", &id]).ends(2);
    assert!(refused.err.starts_with("error: the task is queued, not a dead letter"), "{}", refused.err);
    work_until_dead(&bench);
    bench.run(&["purge", &id]).ends(0);
    assert!(bench.run(&["why", &id]).ends(2).err.starts_with("error: no such task"));
}

#[test]
fn what_is_unknown_is_told() {
    let bench = with_photo();
    for arguments in
        [&["watch", "nobody"][..], &["why", "nobody"], &["cancel", "nobody"], &["retry", "nobody"]]
    {
        let error = bench.run(&[&["--json"], arguments].concat()).ends(2).last();
        assert_eq!(error["error"]["code"], "unknown_task", "{arguments:?}");
    }
    let error = bench.run(&["drain", "nobody"]).ends(2);
    assert!(error.err.starts_with("error: no such worker lives"), "{}", error.err);
    let error = bench.run(&["pause", "image.upscale"]).ends(2);
    assert!(error.err.starts_with("error: `image.upscale` is not a lane"), "{}", error.err);
    assert_eq!(bench.run(&["workers"]).ends(0).err, "no worker is there; `fnr worker` starts one\n");
    assert_eq!(bench.run(&["lanes"]).ends(0).err, "no lane has tasks or is paused\n");
}

#[test]
fn a_queue_that_another_process_holds_is_not_reachable() {
    let bench = Bench::new();
    let resume = ["resume", LANE, "--queue", "sqlite:tasks.db"];
    bench.run(&resume).ends(0);
    // as a program does that stands still in the middle of a write
    let other = rusqlite::Connection::open(bench.path("tasks.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = bench.run(&resume).ends(4).err;
    assert!(error.contains("the queue's file") && error.contains("help:"), "{error}");
    other.execute_batch("ROLLBACK").unwrap();
    bench.run(&resume).ends(0);
}
