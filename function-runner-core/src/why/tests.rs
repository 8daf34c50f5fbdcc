//! One test for each reason, and for how they read together.

use std::{sync::Arc, time::Duration};

use super::*;
use crate::{
    Amounts, Capacity, Envelope, Failure, Name, PastAttempt, Payload, Quality, ResourceRequirement, Task,
    Version, WorkerId,
};

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const SECOND: Duration = Duration::from_secs(1);

fn lane() -> Lane {
    Lane::new(&Name::new("image.upscale").unwrap(), Version::new(1, 2, 0), &Quality::High)
}

fn id(name: &str) -> WorkerId {
    WorkerId::new(name).unwrap()
}

fn needs() -> ResourceRequirement {
    ResourceRequirement::new()
}

/// A task that waits, next in its lane, and needs this.
fn queued(needs: ResourceRequirement) -> TaskRecord {
    let mut envelope = Envelope::new(Version::new(1, 2, 3));
    envelope.requires = needs;
    let input = Payload::encode(&1).unwrap();
    let task =
        Task::new(TaskId::unique(), "image.upscale".parse().unwrap(), lane(), input, Arc::new(envelope));
    let mut record = TaskRecord::new(Arc::new(task), 1, NOW);
    record.ahead = Some(0);
    record
}

/// A worker that serves the task's lane.
fn worker(name: &str, capacity: Capacity, load: Amounts) -> WorkerStatus {
    let mut status = WorkerStatus::new(id(name), capacity, NOW);
    status.functions = vec!["image.upscale@1.2.0".to_owned()];
    status.load = load;
    status
}

fn large() -> WorkerStatus {
    worker("large", Capacity::new().cpu_millis(8000).gpu(24_000), Amounts::new())
}

fn serving(function: &str) -> WorkerStatus {
    WorkerStatus { functions: vec![function.to_owned()], ..large() }
}

fn text(record: &TaskRecord, lanes: &[LaneStatus], workers: &[WorkerStatus]) -> String {
    why(record, lanes, workers, NOW).to_string()
}

#[test]
fn it_reads_as_one_line() {
    let mut record = queued(needs().gpu_memory_mib(9000));
    record.ahead = Some(312);
    let mut seven = worker("worker-7", Capacity::new().gpu(12_000), Amounts::new().gpu_memory_mib(8000));
    seven.drains_for = Some(lane());
    let eight = worker("worker-8", Capacity::new().gpu(12_000), Amounts::new().gpu_memory_mib(11_000));
    assert_eq!(
        text(&record, &[], &[seven, eight]),
        "queued, 312 ahead in image.upscale@1.2:high; it needs 9000 MiB of GPU memory and the largest free is \
         4000: worker-7 drains for it"
    );
}

#[test]
fn the_strongest_reason_comes_first_and_gives_the_remedy() {
    let mut record = queued(needs());
    (record.ahead, record.deadline) = (Some(2), Some(NOW.after(SECOND * 90)));
    let mut status = LaneStatus::new(lane());
    status.paused = true;
    let told = why(&record, &[status], &[], NOW);
    let kinds: Vec<_> = told.into_iter().map(|reason| serde_json::to_value(reason).unwrap()).collect();
    let names: Vec<_> = kinds.iter().map(|reason| reason["reason"].as_str().unwrap()).collect();
    assert_eq!(names, ["no_worker", "paused", "ahead", "deadline"]);
    assert_eq!(told.remedy().as_deref(), Some("start a worker"));
    let text = "queued, 2 ahead in image.upscale@1.2:high; no worker is there; image.upscale@1.2:high is \
                paused; its deadline is in 1m 30s";
    assert_eq!(told.to_string(), text);
}

#[test]
fn as_json_it_is_an_object_with_its_reasons() {
    let mut record = queued(needs());
    record.ahead = Some(7);
    let json = serde_json::to_value(why(&record, &[], &[large()], NOW)).unwrap();
    assert_eq!((&json["task"], &json["state"]), (&record.task.id.as_str().into(), &"queued".into()));
    let ahead = serde_json::json!({ "reason": "ahead", "ahead": 7, "lane": "image.upscale@1.2:high" });
    assert_eq!(json["reasons"], serde_json::json!([ahead]));
}

#[test]
fn what_has_ended_says_how() {
    let mut record = queued(needs());
    (record.state, record.finished_at) = (State::Succeeded, Some(Timestamp::from_millis(0)));
    assert_eq!(text(&record, &[], &[]), "succeeded at 1970-01-01T00:00:00.000Z");
    record.state = State::Cancelled;
    assert_eq!(text(&record, &[], &[]), "cancelled at 1970-01-01T00:00:00.000Z");
    (record.state, record.failure) = (State::Failed, Some(Failure::permanent("no\nsuch").code("gone")));
    assert_eq!(text(&record, &[], &[]), "failed at 1970-01-01T00:00:00.000Z: no\\nsuch (gone)");
}

#[test]
fn what_runs_says_where_and_since_when() {
    let mut record = queued(needs());
    (record.state, record.attempt, record.worker) = (State::Running, 2, Some(id("large")));
    record.started_at = Some(NOW.before(SECOND * 12));
    assert_eq!(text(&record, &[], &[large()]), "running on large for 12s, attempt 2");
    record.cancel_requested = true;
    assert_eq!(
        text(&record, &[], &[]),
        "running on large for 12s, attempt 2, asked to stop; large is heard no more: another worker gets it \
         when the lease runs out"
    );
}

#[test]
fn what_is_delayed_says_until_when() {
    let mut record = queued(needs());
    (record.ahead, record.not_before) = (None, Some(NOW.after(SECOND * 3600)));
    assert_eq!(text(&record, &[], &[large()]), "queued, it may start in 1h (1970-01-01T01:16:40.000Z)");
}

#[test]
fn what_waits_for_another_attempt_says_why_the_last_failed() {
    let mut record = queued(needs());
    let end = AttemptEnd::Failed(Failure::transient("the GPU is busy"));
    (record.attempt, record.ahead, record.not_before) = (1, None, Some(NOW.after(SECOND * 8)));
    record.attempts = vec![PastAttempt::new(1, id("large"), end, NOW)];
    let told = text(&record, &[], &[large()]);
    assert_eq!(told, "queued, attempt 1 failed (the GPU is busy) and the next starts in 8s");
    // a requeue has begun anew: what failed before is history
    record.attempt = 0;
    assert!(text(&record, &[], &[large()]).starts_with("queued, it may start in 8s "));
}

#[test]
fn what_was_larger_than_its_worker_says_so() {
    let mut record = queued(needs());
    (record.attempt, record.ahead, record.not_before) = (1, None, Some(NOW.after(SECOND * 30)));
    record.attempts = vec![PastAttempt::new(1, id("small"), AttemptEnd::Released, NOW)];
    let told = text(&record, &[], &[large()]);
    assert_eq!(told, "queued, small gave it back as larger than itself; it is offered again in 30s");
}

#[test]
fn a_lane_is_served_by_its_own_minor_version_and_every_newer_one_of_its_major() {
    let record = queued(needs());
    let tell = |functions: &[&str]| text(&record, &[], &functions.map_to_workers());
    for served in ["image.upscale@1.2.0", "image.upscale@1.2.9", "image.upscale@1.7.0"] {
        assert_eq!(tell(&[served]), "queued, next in image.upscale@1.2:high; a worker has room for it");
    }
    let next = "queued, next in image.upscale@1.2:high; no worker serves image.upscale@1.2";
    for (functions, words) in [
        (&["image.blur@1.2.0"][..], ""),
        (&["image.upscale@2.0.0", "image.blur@1.2.0", "image.upscale@2.0.0"], "; they serve 2.0.0"),
        (&["image.upscale@3.0.0", "image.upscale@2.1.0"], "; they serve 2.1.0, 3.0.0"),
        (
            &["image.upscale@1.1.4", "image.upscale@1.0.0", "image.upscale@2.0.0"],
            " any more: the newest served is 1.1.4, as after a roll-back",
        ),
    ] {
        assert_eq!(tell(functions), format!("{next}{words}"), "{functions:?}");
    }
    let remedy = why(&record, &[], &[serving("image.blur@1.2.0")], NOW).remedy();
    assert_eq!(remedy.as_deref(), Some("start a worker that serves image.upscale@1.2"));
}

trait MapToWorkers {
    fn map_to_workers(&self) -> Vec<WorkerStatus>;
}

impl MapToWorkers for [&str] {
    fn map_to_workers(&self) -> Vec<WorkerStatus> {
        self.iter().map(|function| serving(function)).collect()
    }
}

#[test]
fn workers_that_were_asked_to_stop_take_nothing() {
    let draining = WorkerStatus { draining: true, ..large() };
    let place = "queued, next in image.upscale@1.2:high; ";
    let told = text(&queued(needs()), &[], slice::from_ref(&draining));
    assert_eq!(told, format!("{place}the only worker that serves it was asked to stop"));
    let told = text(&queued(needs()), &[], &[draining.clone(), draining.clone()]);
    assert_eq!(told, format!("{place}all 2 workers that serve it were asked to stop"));
    let told = text(&queued(needs()), &[], &[draining, large()]);
    assert_eq!(told, format!("{place}a worker has room for it"));
}

#[test]
fn a_pause_of_the_lane_or_of_its_twin_holds_it() {
    let pause = |lane| LaneStatus { paused: true, ..LaneStatus::new(lane) };
    let told = text(&queued(needs()), &[pause(lane())], &[large()]);
    assert_eq!(told, "queued, next in image.upscale@1.2:high; image.upscale@1.2:high is paused");
    assert!(
        text(&queued(needs()), &[pause(lane().twin())], &[large()]).ends_with("a worker has room for it")
    );
    let mut suspect = queued(needs());
    suspect.crashes = 2;
    assert!(text(&suspect, &[pause(lane())], &[large()]).contains("; image.upscale@1.2:high is paused; "));
    assert!(text(&suspect, &[pause(lane().twin())], &[large()]).contains("high! is paused; "));
}

#[test]
fn what_no_worker_could_ever_hold_says_what_is_lacking() {
    let told = text(&queued(needs().gpu_memory_mib(30_000)), &[], &[large()]);
    let place = "queued, next in image.upscale@1.2:high; ";
    let words = "it needs 30000 MiB of GPU memory, the largest GPU known has 24000 MiB";
    assert_eq!(told, format!("{place}{words}"));
    let small = worker("small", Capacity::new().memory_mib(9000), Amounts::new());
    let both = queued(needs().memory_mib(9000).gpus(1));
    let words = "it needs 9000 MiB of memory, 1 GPU, which no worker has at once";
    assert_eq!(text(&both, &[], &[large(), small]), format!("{place}{words}"));
    // one that serves something else is no help
    let other = WorkerStatus { capacity: Capacity::new().gpu(48_000), ..serving("image.blur@1.0.0") };
    assert!(text(&queued(needs().gpu_memory_mib(30_000)), &[], &[large(), other]).contains("24000 MiB"));
}

#[test]
fn what_does_not_fit_now_says_what_is_free() {
    let busy = worker("busy", Capacity::new().cpu_millis(8000), Amounts::new().cpu_millis(7500));
    let place = "queued, next in image.upscale@1.2:high; ";
    let told = text(&queued(needs().cpu_millis(2000)), &[], slice::from_ref(&busy));
    assert_eq!(told, format!("{place}it needs 2 cores and the most free is 0.5 cores"));
    // an alternative that no worker could ever hold is not worth a word
    let needs = needs().cpu_millis(2000).or(needs().gpus(4));
    assert_eq!(text(&queued(needs), &[], &[busy]), told);
}

#[test]
fn a_loaded_model_is_not_counted_twice() {
    let needs = needs().gpu_memory_mib(1000).shared(needs().gpu_memory_mib(20_000));
    let load = Amounts::new().gpu_memory_mib(22_000);
    let holds = worker("holds", Capacity::new().gpu(24_000), load);
    let running = LaneStatus { running: 2, ..LaneStatus::new(lane()) };
    let told = text(&queued(needs.clone()), &[running], slice::from_ref(&holds));
    assert!(told.ends_with("a worker has room for it"), "{told}");
    let told = text(&queued(needs), &[], &[holds]);
    assert!(told.ends_with("it needs 21000 MiB of GPU memory and the largest free is 2000"), "{told}");
}

#[test]
fn a_worker_that_makes_room_for_it_is_named() {
    let drains = WorkerStatus { drains_for: Some(lane().twin()), ..large() };
    let told = text(&queued(needs()), &[], &[drains]);
    assert_eq!(told, "queued, next in image.upscale@1.2:high; large drains for it");
}

#[test]
fn workers_that_make_room_for_others_take_nothing_else() {
    let other: Lane = "video.cut@1.0:high".parse().unwrap();
    let elsewhere = WorkerStatus { drains_for: Some(other), ..large() };
    let told = text(&queued(needs()), &[], slice::from_ref(&elsewhere));
    let words = "every worker that could hold it makes room for video.cut@1.0:high";
    assert_eq!(told, format!("queued, next in image.upscale@1.2:high; {words}"));
    let told = text(&queued(needs()), &[], &[elsewhere, large()]);
    assert!(told.ends_with("a worker has room for it"), "{told}");
}

#[test]
fn a_suspect_waits_apart() {
    let mut record = queued(needs());
    record.crashes = 1;
    assert!(
        text(&record, &[], &[large()]).ends_with("a worker has room for it"),
        "one crash changes nothing"
    );
    record.crashes = 2;
    let running = LaneStatus { running: 1, ..LaneStatus::new(lane().twin()) };
    assert_eq!(
        text(&record, &[running], &[large()]),
        "queued, next in image.upscale@1.2:high!; 2 workers died while they ran it, so it waits as a suspect: \
         a worker takes one at a time, and 1 of its lane run; a worker has room for it"
    );
}

#[test]
fn others_that_come_before_it_are_counted() {
    let mut record = queued(needs());
    record.ahead = Some(312);
    let told = why(&record, &[], &[large()], NOW);
    assert_eq!(told.to_string(), "queued, 312 ahead in image.upscale@1.2:high");
    assert_eq!(told.remedy().as_deref(), Some("wait, or start more workers"));
}

#[test]
fn a_deadline_is_told_with_what_is_left() {
    let mut record = queued(needs());
    record.deadline = Some(NOW.after(Duration::from_millis(1500)));
    let told = text(&record, &[], &[large()]);
    assert!(told.contains("; its deadline is in 2s"), "{told}");
}

#[test]
fn what_nothing_holds_up_starts_soon() {
    let told = why(&queued(needs()), &[], &[large(), large()], NOW);
    assert_eq!(told.to_string(), "queued, next in image.upscale@1.2:high; 2 workers have room for it");
    assert_eq!(told.remedy(), None);
}
