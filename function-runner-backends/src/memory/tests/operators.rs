//! What an operator sees and does.

use function_runner_core::{
    ErrorKind, Inspect as _, LaneStatus, Operate as _, Page, TaskFilter, Tenant, When, WorkerStatus,
};

use super::*;

fn lanes(bench: &Bench) -> Vec<LaneStatus> {
    now(bench.queue.lanes()).unwrap()
}

fn workers(bench: &Bench) -> Vec<WorkerStatus> {
    now(bench.queue.workers()).unwrap()
}

fn page(bench: &Bench, filter: &TaskFilter) -> Page<TaskRecord> {
    now(bench.queue.tasks(filter.clone())).unwrap()
}

fn counts(status: &LaneStatus) -> (&str, u64, u64, u64, bool) {
    (status.lane.as_str(), status.queued, status.delayed, status.running, status.paused)
}

#[test]
fn lanes_are_counted_twins_apart() {
    let (bench, work) = (Bench::new(), lane("work"));
    assert_eq!(lanes(&bench), []);
    let suspect = bench.crashed(task("work"), 2);
    (0..3).for_each(|_| drop(bench.one()));
    bench.submit(with(task("work"), |new| new.delay = Some(When::In(SECOND))));
    let hand = bench.hand();
    let held = hand.take_one(&work);
    now(bench.queue.pause(&lane("idle"))).unwrap();
    let expected = [
        ("idle@1.0:standard", 0, 0, 0, true),
        ("work@1.0:standard", 2, 1, 1, false),
        ("work@1.0:standard!", 1, 0, 0, false),
    ];
    assert_eq!(lanes(&bench).iter().map(counts).collect::<Vec<_>>(), expected);
    hand.finished(&held, output(), State::Succeeded);
    bench.cancel(&suspect);
    now(bench.queue.resume(&lane("idle"))).unwrap();
    assert_eq!(lanes(&bench).iter().map(counts).collect::<Vec<_>>(), [("work@1.0:standard", 2, 1, 0, false)]);
}

#[test]
fn a_paused_lane_gives_nothing_and_a_resumed_one_wakes_who_waits() {
    let (bench, work) = (Bench::new(), lane("work"));
    let suspect = bench.crashed(task("work"), 2);
    now(bench.queue.pause(&work)).unwrap();
    let late = bench.submit(with(task("work"), |new| new.deadline = Some(When::In(SECOND))));
    let id = bench.one();
    let hand = bench.hand();
    let mut open = bench.queue.lease(hand.ask(&[&work, &work.twin()], 2));
    assert!((&mut open).now_or_never().is_none());
    bench.pass(SECOND);
    assert_eq!(bench.state(&late), State::Failed, "deadlines run on in a pause");
    assert_eq!(bench.record(&id).ahead, Some(0));
    now(bench.queue.resume(&work)).unwrap();
    let given = now(open).unwrap().leases;
    let given: Vec<_> = given.iter().map(|lease| &lease.key.id).collect();
    assert!(given.len() == 2 && given.contains(&&id) && given.contains(&&suspect));
}

#[test]
fn a_pause_outlives_an_empty_lane() {
    let (bench, work) = (Bench::new(), lane("work"));
    now(bench.queue.pause(&work)).unwrap();
    let first = bench.one();
    bench.cancel(&first);
    bench.one();
    assert!(bench.hand().take(&work, 9).is_empty());
    now(bench.queue.resume(&work)).unwrap();
    assert_eq!(bench.hand().take(&work, 9).len(), 1);
}

#[test]
fn a_drained_worker_is_told_by_its_call_and_its_beat() {
    let (bench, work) = (Bench::new(), lane("work"));
    let hand = bench.hand();
    let unknown = now(bench.queue.drain(&hand.worker)).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::InvalidCall);
    hand.join([function("work").template().unwrap()]);
    let mut open = bench.queue.lease(hand.ask(&[&work], 1));
    assert!((&mut open).now_or_never().is_none());
    now(bench.queue.drain(&hand.worker)).unwrap();
    assert_eq!(now(open).unwrap(), LeaseReply::default());
    assert!(workers(&bench)[0].draining);
    assert!(hand.beat(&[]).drain && hand.beat(&[]).drain, "until it leaves");
    let mut open = bench.queue.lease(hand.ask(&[], 1));
    assert!((&mut open).now_or_never().is_none(), "once a beat has told of it");
    now(bench.queue.drain(&hand.worker)).unwrap();
    assert!((&mut open).now_or_never().is_none(), "it knows");
    drop(open);
    bench.pass(18 * SECOND);
    assert_eq!(
        now(bench.queue.drain(&hand.worker)).unwrap_err().kind(),
        ErrorKind::InvalidCall,
        "it is dead"
    );
}

#[test]
fn workers_are_listed_while_they_live() {
    let (bench, work) = (Bench::new(), lane("work"));
    let hands = [bench.hand(), bench.hand()];
    let template = || [function("work").version("1.2.3").template().unwrap()];
    hands[0].try_join(template(), Capacity::new().memory_mib(7)).unwrap();
    hands[1].join(template());
    bench.one();
    let lease = hands[0].take_one(&work);
    bench.pass(SECOND);
    let mut beat = Heartbeat::new(hands[0].worker.clone(), 1, vec![Beat::new(lease.key, Report::default())]);
    beat.load.memory_mib = 5;
    beat.drains_for = Some(work.clone());
    now(bench.queue.renew(beat)).unwrap();
    let list = workers(&bench);
    assert!(list.len() == 2 && list[0].worker < list[1].worker);
    let first = list.iter().find(|worker| worker.worker == hands[0].worker).unwrap();
    assert_eq!((first.capacity.memory_mib, first.load.memory_mib, first.running), (7, 5, 1));
    assert_eq!((&first.functions[..], &first.drains_for), (&["work@1.2.3".to_owned()][..], &Some(work)));
    assert_eq!(first.seen_at, bench.moment());
    bench.pass(17 * SECOND);
    assert_eq!(workers(&bench).len(), 1, "two leases after its last beat the other is not listed");
    hands[0].join([]);
    assert_eq!(workers(&bench), []);
}

#[test]
fn tasks_are_listed_newest_first_in_pages_each_once() {
    let bench = Bench::new();
    let tenant = Some(Tenant::new("acme").unwrap());
    let ids: Vec<_> = (0..2600)
        .map(|n| {
            let tenant = tenant.clone().filter(|_| n % 1300 == 0);
            bench.submit(with(task("work"), |new| new.tenant = tenant))
        })
        .collect();
    let mut filter = TaskFilter::default();
    filter.limit = Some(700);
    let mut listed = Vec::new();
    loop {
        let page = page(&bench, &filter);
        listed.extend(page.items.iter().map(|record| record.task.id.clone()));
        // what comes meanwhile is on no page
        bench.submit(task("other"));
        match page.next {
            None => break,
            next => filter.cursor = next,
        }
        assert_eq!(page.items.len(), 500, "no page is longer");
    }
    assert_eq!(listed, ids.iter().rev().cloned().collect::<Vec<_>>());
    let mut theirs = TaskFilter::default();
    theirs.tenant = tenant;
    let page_of_two = page(&bench, &theirs);
    assert_eq!(
        page_of_two.items.iter().map(|record| &record.task.id).collect::<Vec<_>>(),
        [&ids[1300], &ids[0]]
    );
    assert_eq!(page_of_two.next, None);
    assert_eq!(page(&bench, &TaskFilter::default()).items.len(), 50);
}

#[test]
fn lists_go_by_state_and_lane_and_a_bad_cursor_is_refused() {
    let (bench, work) = (Bench::new(), lane("work"));
    let hand = bench.hand();
    let dead = bench.crashed(task("work"), 3);
    let suspect = bench.crashed(task("work"), 2);
    let waits = bench.one();
    bench.submit(task("other"));
    let list = |state, lane| {
        let mut filter = TaskFilter::default();
        (filter.state, filter.lane) = (state, lane);
        page(&bench, &filter).items
    };
    let dead_letters = list(Some(State::Failed), None);
    assert_eq!((&dead_letters[0].task.id, dead_letters[0].attempts.len(), dead_letters.len()), (&dead, 3, 1));
    assert_eq!(
        list(None, Some(work.clone())).iter().map(|record| &record.task.id).collect::<Vec<_>>(),
        [&waits]
    );
    assert!(list(None, Some(work.twin())).iter().any(|record| record.task.id == suspect));
    hand.take_one(&work);
    assert_eq!(list(Some(State::Running), None)[0].worker, Some(hand.worker));
    for bad in ["", "n", "7", "n-1", "n99999999999999999999", "ny"] {
        let mut filter = TaskFilter::default();
        filter.cursor = Some(bad.to_owned());
        let refused = now(bench.queue.tasks(filter)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidCall, "{bad}");
    }
}

#[test]
fn only_a_dead_letter_lives_again_or_is_purged() {
    let (bench, work) = (Bench::new(), lane("work"));
    let hand = bench.hand();
    let good = bench.one();
    let refused = |id: &TaskId| {
        let refused = [now(bench.queue.requeue(id)), now(bench.queue.purge(id))];
        refused.map(|refused| refused.unwrap_err().kind())
    };
    assert_eq!(refused(&good), [ErrorKind::NotDead; 2]);
    let lease = hand.take_one(&work);
    assert_eq!(refused(&good), [ErrorKind::NotDead; 2]);
    hand.finished(&lease, output(), State::Succeeded);
    assert_eq!(refused(&good), [ErrorKind::NotDead; 2]);
    assert_eq!(refused(&TaskId::unique()), [ErrorKind::UnknownTask; 2]);
    let bad = bench.submit(with(task("work"), |new| new.deadline = Some(When::In(SECOND))));
    hand.finished(&hand.take_one(&work), failed(), State::Failed);
    bench.pass(2 * SECOND);
    now(bench.queue.requeue(&bad)).unwrap();
    let record = bench.record(&bad);
    assert_eq!((record.state, record.attempt, record.crashes, record.deadline), (State::Queued, 0, 0, None));
    assert!(record.finished_at.is_none() && record.seq > 0);
    let lease = hand.take_one(&work);
    assert_eq!((&lease.key.id, lease.attempt), (&bad, 1));
    hand.finished(&lease, failed(), State::Failed);
    bench.pass(6 * 24 * 3600 * SECOND);
    assert_eq!(bench.state(&bad), State::Failed, "its retention began anew");
    now(bench.queue.purge(&bad)).unwrap();
    assert_eq!(refused(&bad), [ErrorKind::UnknownTask; 2]);
}
