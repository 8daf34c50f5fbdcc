//! The cases of what an operator can look at.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use function_runner_core::{
    Amounts, AttemptEnd, Beat, Capacity, ErrorKind, Failure, Inspect, Lane, LaneStatus, Lease, Outcome,
    State, TaskFilter, TaskId, Tenant, When, WorkerStatus,
};

use super::{
    NamedCase,
    hand::{OTHER, WORK, output, with},
    queue::{Open, Subject},
};

/// All cases, over a connection that has a queue and `inspect`.
pub fn cases() -> Vec<NamedCase<Open>> {
    crate::__conformance_cases! { inspect, __conformance_data [queue run side 1] }
}

fn inspect(subject: &Subject) -> Arc<dyn Inspect> {
    subject.connection.inspect.clone().expect("a connection of this suite has what an operator can look at")
}

async fn lanes(subject: &Subject) -> BTreeMap<Lane, LaneStatus> {
    let lanes = inspect(subject).lanes().await.unwrap_or_else(|error| panic!("lanes: {error:?}"));
    let names: Vec<&Lane> = lanes.iter().map(|status| &status.lane).collect();
    assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "each once, by name: {names:?}");
    lanes.into_iter().map(|status| (status.lane.clone(), status)).collect()
}

async fn workers(subject: &Subject) -> Vec<WorkerStatus> {
    inspect(subject).workers().await.unwrap_or_else(|error| panic!("workers: {error:?}"))
}

/// All tasks of this filter, page by page.
async fn listed(subject: &Subject, mut filter: TaskFilter) -> Vec<TaskId> {
    let mut ids = Vec::new();
    loop {
        let page =
            inspect(subject).tasks(filter.clone()).await.unwrap_or_else(|error| panic!("tasks: {error:?}"));
        assert!(page.items.len() <= filter.limit.unwrap_or(50), "a page is no longer than asked");
        ids.extend(page.items.iter().map(|record| record.task.id.clone()));
        match page.next {
            Some(next) => filter.cursor = Some(next),
            None => return ids,
        }
    }
}

/// A filter with this changed.
fn only(change: impl FnOnce(&mut TaskFilter)) -> TaskFilter {
    let mut filter = TaskFilter::default();
    change(&mut filter);
    filter
}

pub async fn lanes_are_counted(subject: Subject) {
    subject.expects("lanes are counted: waiting, delayed and running tasks, twins apart");
    assert!(lanes(&subject).await.is_empty(), "a new store has no lanes with tasks");
    let suspect = subject.crashed(WORK, 2).await;
    subject.submit(WORK.tasks(3)).await;
    subject
        .submit(WORK.tasks(2).into_iter().map(|task| with(task, |task| task.delay = Some(When::In(HOUR)))))
        .await;
    subject.submit(OTHER.tasks(1)).await;
    let hand = subject.hand().await;
    let held = hand.take(&WORK.lane()).await;
    let counted = lanes(&subject).await;
    let counts = |lane: &Lane| counted.get(lane).map(|lane| (lane.queued, lane.delayed, lane.running));
    assert_eq!(counts(&WORK.lane()), Some((2, 2, 1)), "{counted:?}");
    assert_eq!(counts(&WORK.lane().twin()), Some((1, 0, 0)), "{counted:?}");
    assert_eq!(counts(&OTHER.lane()), Some((1, 0, 0)), "{counted:?}");
    assert!(counted.values().all(|lane| !lane.paused) && counted.len() == 3, "{counted:?}");
    subject.expects("what has ended is counted no more");
    hand.finished(&held, output(), State::Succeeded).await;
    subject.cancel(&suspect).await;
    let counted = lanes(&subject).await;
    assert_eq!(counted.get(&WORK.lane()).map(|lane| (lane.queued, lane.running)), Some((2, 0)));
    assert!(!counted.contains_key(&WORK.lane().twin()), "{counted:?}");
}

const HOUR: Duration = Duration::from_secs(3600);

pub async fn workers_are_listed_while_they_live(subject: Subject) {
    subject.expects("workers are listed while they live, with capacity, load and functions");
    assert_eq!(workers(&subject).await, []);
    let (one, two) = (subject.hand().await, subject.far_hand().await);
    subject.submit(WORK.tasks(2)).await;
    let held = one.try_lease(&WORK.lane(), 2).await;
    let mut beat = one.heartbeat(held.iter().map(beat).collect());
    beat.load = Amounts::new().cpu_millis(2000);
    one.send(beat).await;
    let listed = workers(&subject).await;
    let ids: Vec<_> = listed.iter().map(|status| status.worker.clone()).collect();
    let mut expected = vec![one.worker.clone(), two.worker.clone()];
    expected.sort();
    assert_eq!(ids, expected, "by id");
    let status = listed.iter().find(|status| status.worker == one.worker).unwrap();
    assert_eq!((status.running, &status.load), (2, &Amounts::new().cpu_millis(2000)));
    assert_eq!(status.capacity, Capacity::new().cpu_millis(8000));
    assert!(status.functions.contains(&"conformance.work@1.0.0".to_owned()), "{status:?}");
    assert!(!status.draining && status.drains_for.is_none());
    subject.expects("a worker that left is gone");
    two.leave().await;
    let left: Vec<_> = workers(&subject).await.into_iter().map(|status| status.worker).collect();
    assert_eq!(left, [one.worker]);
}

fn beat(lease: &Lease) -> Beat {
    Beat::new(lease.key.clone(), Default::default())
}

pub async fn a_worker_that_died_is_not_listed(subject: Subject) {
    subject.expects("a worker is not listed two leases after its last beat, while one that beats is");
    let (dead, alive) = (subject.hand().await, subject.far_hand().await);
    assert_eq!(workers(&subject).await.len(), 2);
    subject.pass_alive(subject.case.times.lease * 2 + subject.step(), &alive, &[]).await;
    let mut listed: Vec<_> = workers(&subject).await.into_iter().map(|status| status.worker).collect();
    while listed.contains(&dead.worker) && !subject.case.is_manual() {
        subject.pass_alive(subject.step(), &alive, &[]).await;
        listed = workers(&subject).await.into_iter().map(|status| status.worker).collect();
    }
    assert_eq!(listed, [alive.worker]);
}

pub async fn tasks_are_listed_newest_first(subject: Subject) {
    let mut ids = Vec::new();
    for (work, tenant) in [(WORK, None), (WORK, Some("acme")), (OTHER, Some("acme")), (WORK, Some("other"))] {
        ids.extend(subject.submit([work.of(5, tenant)]).await);
        // so that no two are of one moment
        subject.case.pass(Duration::from_millis(5)).await;
    }
    subject.expects("tasks are listed newest first");
    ids.reverse();
    assert_eq!(listed(&subject, TaskFilter::default()).await, ids);
    let of = |places: &[usize]| places.iter().map(|place| ids[*place].clone()).collect::<Vec<_>>();
    subject.expects("a list can be of one lane, one tenant, one state, or all of them");
    let lane = only(|filter| filter.lane = Some(WORK.lane()));
    assert_eq!(listed(&subject, lane).await, of(&[0, 2, 3]));
    let acme = Tenant::new("acme").unwrap();
    assert_eq!(listed(&subject, only(|filter| filter.tenant = Some(acme.clone()))).await, of(&[1, 2]));
    let hand = subject.hand().await;
    let lease = hand.take(&OTHER.lane()).await;
    assert_eq!(listed(&subject, only(|filter| filter.state = Some(State::Running))).await, of(&[1]));
    hand.finished(&lease, output(), State::Succeeded).await;
    assert_eq!(listed(&subject, only(|filter| filter.state = Some(State::Succeeded))).await, of(&[1]));
    assert_eq!(listed(&subject, only(|filter| filter.state = Some(State::Queued))).await, of(&[0, 2, 3]));
    let all = only(|filter| {
        filter.state = Some(State::Queued);
        filter.lane = Some(WORK.lane());
        filter.tenant = Some(acme);
    });
    assert_eq!(listed(&subject, all).await, of(&[2]));
}

pub async fn a_list_comes_in_pages(subject: Subject) {
    subject.expects("a list comes in pages, each task once and none missing, however many come meanwhile");
    let mut expected: Vec<TaskId> = Vec::new();
    for _ in 0..12 {
        expected.extend(subject.submit(WORK.tasks(10)).await);
    }
    let mut filter = only(|filter| {
        filter.lane = Some(WORK.lane());
        filter.limit = Some(7);
    });
    let (mut seen, mut later) = (Vec::new(), 0);
    loop {
        let page = inspect(&subject).tasks(filter.clone()).await.unwrap();
        assert!(page.items.len() <= 7);
        seen.extend(page.items.iter().map(|record| record.task.id.clone()));
        subject.submit(WORK.tasks(3)).await;
        later += 3;
        match page.next {
            Some(next) => filter.cursor = Some(next),
            None => break,
        }
    }
    let mut known: Vec<TaskId> = seen.iter().filter(|id| expected.contains(id)).cloned().collect();
    known.sort();
    expected.sort();
    assert_eq!(known, expected, "each that was there, once");
    assert_eq!(listed(&subject, only(|filter| filter.limit = Some(500))).await.len(), 120 + later);
    assert_eq!(
        inspect(&subject).tasks(TaskFilter::default()).await.unwrap().items.len(),
        50,
        "50 unless said"
    );
}

pub async fn dead_letters_are_listed_with_their_attempts(subject: Subject) {
    subject.expects("dead letters are listed with their attempts, as tasks in the state failed");
    let hand = subject.hand().await;
    subject.one().await;
    let good = hand.take(&WORK.lane()).await;
    hand.finished(&good, output(), State::Succeeded).await;
    let id = subject.one().await;
    let failure = Failure::transient("first");
    let retry = Outcome::Retry { failure: failure.clone(), after: Duration::ZERO };
    hand.finished(&hand.take(&WORK.lane()).await, retry, State::Queued).await;
    let last = Failure::permanent("last");
    let lease = subject.until_given(&hand, &WORK.lane()).await;
    hand.finished(&lease, Outcome::Failed(last.clone()), State::Failed).await;
    let page = inspect(&subject).tasks(only(|filter| filter.state = Some(State::Failed))).await.unwrap();
    assert_eq!((page.items.len(), page.next), (1, None));
    let dead = &page.items[0];
    assert_eq!(
        (&dead.task.id, dead.state, dead.attempt, &dead.failure),
        (&id, State::Failed, 2, &Some(last))
    );
    assert_eq!((dead.attempts[0].attempt, &dead.attempts[0].end), (1, &AttemptEnd::Failed(failure)));
    assert_eq!(*dead, subject.record(&id).await, "as its record");
}

pub async fn a_bad_cursor_is_refused(subject: Subject) {
    subject.expects("a cursor that is none is bad use of the call");
    subject.submit(WORK.tasks(3)).await;
    for cursor in ["", "no cursor", "\u{0}", "999999999999999999999999", &"9".repeat(4096)] {
        let filter = only(|filter| filter.cursor = Some(cursor.to_owned()));
        match inspect(&subject).tasks(filter).await {
            Ok(page) => panic!("`{}` was taken for a cursor: {page:?}", cursor.escape_debug()),
            Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidCall, "{error:?}"),
        }
    }
}
