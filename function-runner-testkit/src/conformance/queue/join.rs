//! Who serves, and what callers see of it.

use function_runner_core::{
    Amounts, Capacity, ErrorKind, Intake, Payload, Request, ResourceRequirement, Template, TemplateSet,
    Version,
};
use serde_json::json;

use super::Subject;
use crate::conformance::hand::{Hand, OTHER, WORK, Work};

async fn templates(subject: &Subject) -> TemplateSet {
    let set = subject.executor().templates(0).await.unwrap_or_else(|error| panic!("templates: {error:?}"));
    set.expect("nobody knows the revision 0")
}

fn versions(set: &TemplateSet, work: Work) -> Vec<Version> {
    let name = work.template().function;
    set.templates
        .iter()
        .filter(|template| template.function == name)
        .map(|template| template.version)
        .collect()
}

fn default(set: &TemplateSet, work: Work) -> Option<Version> {
    set.defaults.get(&work.template().function).copied()
}

async fn stranger(subject: &Subject) -> Hand {
    Hand::stranger(subject.again().await.queue.unwrap())
}

/// A worker that serves this version of the work.
async fn serving(subject: &Subject, template: Template) -> Hand {
    let hand = stranger(subject).await;
    hand.serve([template]).await;
    hand
}

const fn v(major: u32, minor: u32, patch: u32) -> Version {
    Version::new(major, minor, patch)
}

pub async fn templates_are_published_by_join(subject: Subject) {
    subject.expects("what a worker joins with is published to callers on every connection");
    assert_eq!(templates(&subject).await.templates, [], "a new store serves nothing");
    let hand = stranger(&subject).await;
    hand.serve([WORK.template(), OTHER.template()]).await;
    let set = templates(&subject).await;
    assert_eq!((versions(&set, WORK), versions(&set, OTHER)), (vec![v(1, 0, 0)], vec![v(1, 0, 0)]));
    let published = set.templates.iter().find(|template| template.function == WORK.template().function);
    assert_eq!(published, Some(&WORK.template()), "as it was declared");
    subject.expects("a call by name goes to a version that is served");
    assert_eq!(default(&set, WORK), Some(v(1, 0, 0)));
    hand.serve([WORK.at("1.1.0")]).await;
    let set = templates(&subject).await;
    assert_eq!(versions(&set, WORK), [v(1, 0, 0), v(1, 1, 0)], "the older version stays published");
    assert_eq!((default(&set, WORK), default(&set, OTHER)), (Some(v(1, 1, 0)), Some(v(1, 0, 0))));
}

pub async fn other_content_under_a_served_version_is_a_conflict(subject: Subject) {
    subject.expects("other content under a version that a live worker serves is a conflict");
    let mut other = WORK.template();
    other.input = json!({ "type": "string" });
    let first = serving(&subject, WORK.template()).await;
    let second = stranger(&subject).await;
    let refused = second.try_serve([other.clone()], Capacity::new()).await.expect_err("it is refused");
    assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused:?}");
    assert_eq!(templates(&subject).await.templates, [WORK.template()], "and nothing is replaced");
    subject.expects("what callers do not depend on may differ");
    let mut alike = WORK.template();
    (alike.title, alike.requires) = ("another".to_owned(), ResourceRequirement::new().cpu_millis(1));
    let third = serving(&subject, alike).await;
    subject.expects("other content replaces what no live worker serves");
    first.leave().await;
    third.leave().await;
    second.serve([other.clone()]).await;
    assert_eq!(templates(&subject).await.templates, [other]);
}

pub async fn a_worker_that_leaves_serves_no_more(subject: Subject) {
    subject.expects("a worker that leaves serves no more, yet what it published stays known");
    let (old, new) = (serving(&subject, WORK.at("1.0.0")).await, serving(&subject, WORK.at("1.1.0")).await);
    assert_eq!(default(&templates(&subject).await, WORK), Some(v(1, 0, 0)));
    old.leave().await;
    let set = templates(&subject).await;
    assert_eq!(default(&set, WORK), Some(v(1, 1, 0)), "only the newer serves now");
    assert_eq!(versions(&set, WORK), [v(1, 0, 0), v(1, 1, 0)]);
    new.leave().await;
    let set = templates(&subject).await;
    assert_eq!(versions(&set, WORK), [v(1, 0, 0), v(1, 1, 0)]);
    assert_eq!(default(&set, WORK), Some(v(1, 1, 0)), "with no live worker it is the newest published");
    subject.expects("a worker that left is not known to its own beat");
    assert!(!new.renew(&[]).await.joined);
}

pub async fn the_default_version_is_the_newest_that_all_live_workers_serve(subject: Subject) {
    subject.expects("the default version is the newest that all live workers serve");
    let newest = async || default(&templates(&subject).await, WORK);
    let old = serving(&subject, WORK.at("1.2.0")).await;
    assert_eq!(newest().await, Some(v(1, 2, 0)));
    let canary = serving(&subject, WORK.at("1.3.0")).await;
    assert_eq!(newest().await, Some(v(1, 2, 0)), "a canary takes its share only");
    serving(&subject, OTHER.at("1.0.0")).await;
    assert_eq!(newest().await, Some(v(1, 2, 0)), "who does not serve the function has no say");
    old.serve([WORK.at("1.3.0")]).await;
    assert_eq!(newest().await, Some(v(1, 3, 0)), "now all serve it");
    subject.expects("with majors side by side it is the newest of the lowest live major");
    let next = serving(&subject, WORK.at("2.0.0")).await;
    assert_eq!(newest().await, Some(v(1, 3, 0)));
    old.leave().await;
    canary.leave().await;
    assert_eq!(newest().await, Some(v(2, 0, 0)));
    next.leave().await;
    subject.expects("a worker that died has no say either");
    serving(&subject, WORK.at("3.0.0")).await;
    let alive = serving(&subject, WORK.at("3.1.0")).await;
    assert_eq!(newest().await, Some(v(3, 0, 0)));
    subject.pass_alive(subject.case.times.lease * 2 + subject.step(), &alive, &[]).await;
    while newest().await != Some(v(3, 1, 0)) && !subject.case.is_manual() {
        subject.pass_alive(subject.step(), &alive, &[]).await;
    }
    assert_eq!(newest().await, Some(v(3, 1, 0)));
}

pub async fn the_largest_worker_is_told(subject: Subject) {
    subject.expects("of every resource the most any worker had is told");
    let capacities = [
        Capacity::new().cpu_millis(4000).memory_mib(1000).gpu(8000).gpu(2000),
        Capacity::new().cpu_millis(2000).memory_mib(9000).slots(128).custom("licence", 2),
    ];
    for capacity in capacities {
        let hand = stranger(&subject).await;
        hand.try_serve([WORK.template()], capacity).await.unwrap();
        hand.leave().await;
    }
    let largest = templates(&subject).await.largest.expect("workers were seen");
    let most = Amounts::new().cpu_millis(4000).memory_mib(9000).gpus(2).gpu_memory_mib(8000);
    assert_eq!(largest.amounts(), &most.slots(128).custom("licence", 2));
    subject.expects("so what no worker could ever hold is refused before it is stored");
    let mut greedy = OTHER.template();
    greedy.requires = ResourceRequirement::new().memory_mib(9001);
    serving(&subject, greedy.clone()).await;
    let name = greedy.function.to_string().parse().unwrap();
    let intake = Intake::new(subject.connection.executor.clone());
    let refused =
        intake.admit(Request::new(name, Payload::encode("x").unwrap())).await.expect_err("it is refused");
    assert_eq!(refused.kind(), ErrorKind::ImpossibleRequirement, "{refused:?}");
}
