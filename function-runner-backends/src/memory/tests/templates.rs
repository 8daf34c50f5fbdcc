//! What can be called, and who serves it.

use function_runner_core::{ErrorKind, TemplateSet, Version, Weight};
use serde_json::json;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn at(version: &'static str) -> Template {
    function("work").version(version).template().unwrap()
}

fn set(bench: &Bench) -> TemplateSet {
    now(bench.queue.templates(0)).unwrap().unwrap()
}

fn default(bench: &Bench) -> Option<Version> {
    set(bench).defaults.values().next().copied()
}

fn versions(bench: &Bench) -> Vec<Version> {
    set(bench).templates.iter().map(|template| template.version).collect()
}

fn v(text: &str) -> Option<Version> {
    Some(text.parse().unwrap())
}

#[test]
fn the_set_is_answered_while_its_revision_is_not_known() {
    let bench = Bench::new();
    let empty = set(&bench);
    assert_eq!((empty.templates.len(), now(bench.queue.templates(empty.revision)).unwrap()), (0, None));
    let hand = bench.hand();
    hand.join([at("1.0.0")]);
    let full = now(bench.queue.templates(empty.revision)).unwrap().unwrap();
    assert_eq!(hand.beat(&[]).revision, full.revision);
    now(function_runner_core::Operate::set_weight(&bench.queue, &"acme".parse().unwrap(), Weight::HIGHEST))
        .unwrap();
    let weighed = hand.beat(&[]).revision;
    assert_ne!(weighed, full.revision);
    now(function_runner_core::Operate::set_weight(&bench.queue, &"acme".parse().unwrap(), Weight::default()))
        .unwrap();
    assert_eq!(hand.beat(&[]).revision, full.revision, "a hash and no counter");
}

#[test]
fn the_default_is_the_newest_that_all_live_workers_serve() {
    let bench = Bench::new();
    let (old, canary) = (bench.hand(), bench.hand());
    old.join([at("1.2.0")]);
    canary.join([at("1.4.0")]);
    assert_eq!(default(&bench), v("1.2.0"));
    bench.hand().join([at("2.0.0")]);
    assert_eq!(default(&bench), v("1.2.0"), "the lowest live major");
    old.join([at("1.3.0"), at("2.0.0")]);
    assert_eq!(default(&bench), v("1.3.0"), "whatever else it serves");
    old.join([]);
    assert_eq!(default(&bench), v("1.4.0"));
    canary.join([]);
    assert_eq!(default(&bench), v("2.0.0"));
    assert_eq!(versions(&bench).len(), 4, "what was published stays");
}

#[test]
fn a_dead_worker_serves_no_more_after_two_leases() {
    let bench = Bench::new();
    let (dies, lives) = (bench.hand(), bench.hand());
    dies.join([at("1.0.0")]);
    lives.join([at("1.1.0")]);
    (0..17).for_each(|_| {
        bench.pass(SECOND);
        assert!(lives.beat(&[]).joined);
    });
    assert_eq!(default(&bench), v("1.0.0"));
    bench.pass(SECOND);
    lives.beat(&[]);
    assert_eq!(default(&bench), v("1.1.0"));
    assert!(!dies.beat(&[]).joined, "it must join again");
}

#[test]
fn an_outage_kills_no_worker() {
    let bench = Bench::new();
    let (hand, other) = (bench.hand(), bench.hand());
    hand.join([at("1.0.0")]);
    other.join([at("1.1.0")]);
    bench.pass(70 * SECOND);
    assert_eq!(default(&bench), v("1.0.0"));
    assert!(other.beat(&[]).joined && hand.beat(&[]).joined);
    assert_eq!(default(&bench), v("1.0.0"));
}

#[test]
fn other_content_conflicts_while_another_serves_it_and_changes_nothing() {
    let bench = Bench::new();
    let (first, second) = (bench.hand(), bench.hand());
    first.join([at("1.0.0")]);
    let mut other = at("1.0.0");
    other.input = json!({ "type": "string" });
    let refused = second.try_join([at("1.1.0"), other.clone()], Capacity::new()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert_eq!(set(&bench).templates, [at("1.0.0")]);
    assert!(!second.beat(&[]).joined);
    first.join([other.clone()]);
    assert_eq!(set(&bench).templates, [other], "the only one that serves it may change it");
}

#[test]
fn a_version_is_published_for_thirty_days_and_as_long_as_it_has_tasks() {
    let bench = Bench::new();
    let (hand, caller) = (bench.hand(), bench.hand());
    hand.join([at("1.0.0"), at("1.1.0")]);
    let id = bench.one();
    hand.join([]);
    let days = |count| {
        (0..count).for_each(|_| {
            bench.pass(DAY);
            caller.beat(&[]);
        })
    };
    days(29);
    assert_eq!(versions(&bench).len(), 2);
    days(1);
    assert_eq!(versions(&bench), [at("1.0.0").version], "it has an unfinished task");
    assert_eq!(default(&bench), None, "but is published no more");
    bench.cancel(&id);
    days(8);
    assert_eq!(versions(&bench), []);
    assert_eq!(bench.sizes(), []);
}

#[test]
fn the_largest_worker_is_remembered_for_a_day() {
    let bench = Bench::new();
    let (large, small) = (bench.hand(), bench.hand());
    large.try_join([at("1.0.0")], Capacity::new().memory_mib(9000)).unwrap();
    small.try_join([at("1.0.0")], Capacity::new().memory_mib(1000)).unwrap();
    large.join([]);
    let memory = |bench: &Bench| set(bench).largest.unwrap().amounts().memory_mib;
    let hours = |count| {
        (0..count * 360).for_each(|_| {
            bench.pass(10 * SECOND);
            small.beat(&[]);
        })
    };
    assert_eq!(memory(&bench), 9000);
    hours(23);
    assert_eq!(memory(&bench), 9000);
    hours(2);
    assert_eq!(memory(&bench), 1000, "the small one lives on");
}
