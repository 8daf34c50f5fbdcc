//! What a lease call gives: room, lanes, fences.

use std::{collections::HashSet, sync::Arc, time::Duration};

use function_runner_core::{
    Failure, Finish, Finished, Lane, Outcome, Quality, State, Submitted, Task, When, schedule::ROOM,
};
use futures::future::{join, join_all};

use super::Subject;
use crate::conformance::hand::{Hand, OTHER, WORK, output, with};

pub async fn a_lease_gives_no_more_than_the_room(subject: Subject) {
    subject.expects("the costs of what is given add up to the room at most, and what fits is given");
    subject.submit(WORK.tasks(10)).await;
    let hand = subject.hand().await;
    let mut given = Vec::new();
    for expected in [3, 3, 3, 1, 0] {
        let leases = hand.try_lease(&WORK.lane(), 3).await;
        assert_eq!(leases.len(), expected, "three fit, and ten wait");
        given.extend(leases.into_iter().map(|lease| lease.key.id));
    }
    assert_eq!(given.iter().collect::<HashSet<_>>().len(), 10, "each once");
    subject.expects("lanes of different costs share one room");
    subject.submit(WORK.tasks(20).into_iter().chain(OTHER.tasks(20))).await;
    let (work, other) = (WORK.lane(), OTHER.lane());
    let ask = hand.quick(&[(&other, 7), (&work, 5)]);
    let costs: Vec<u32> = ask.lanes.iter().map(|asked| asked.cost).collect();
    let reply = hand.call(ask).await;
    let cost_of = |task: &Task| if task.lane == other { costs[0] } else { costs[1] };
    let total: u32 = reply.leases.iter().map(|lease| cost_of(&lease.task)).sum();
    assert!(total <= ROOM && total + costs[0].min(costs[1]) > ROOM, "{total} of {ROOM} with costs {costs:?}");
}

pub async fn a_lane_over_what_is_left_is_skipped(subject: Subject) {
    subject
        .expects("a lane over what is left is skipped for the rest of the call, and a cheaper one goes on");
    let (dear, cheap) = (WORK.lane(), OTHER.lane());
    let urgent = [WORK.of(10, None), WORK.of(10, None)];
    let (dears, cheaps) = (subject.submit(urgent).await, subject.submit(OTHER.tasks(8)).await);
    let hand = subject.hand().await;
    let mut ask = hand.quick(&[(&cheap, 9), (&dear, 1)]);
    // two thirds of the room: one goes, a second does not
    ask.lanes[1].cost = ROOM / 3 * 2;
    let given: Vec<_> = hand.call(ask).await.leases.into_iter().map(|lease| lease.key.id).collect();
    assert_eq!(given.len(), 4, "one dear one and three cheap ones fill the room: {given:?}");
    assert_eq!(given[0], dears[0], "what comes first in the order");
    assert!(given[1..].iter().all(|id| cheaps.contains(id)), "{given:?}");
}

pub async fn only_asked_lanes_are_given(subject: Subject) {
    subject.expects("a call is given tasks of the lanes it asks for and of no other");
    let high_lane: Lane = "conformance.work@1.0:high".parse().unwrap();
    let high = with(WORK.task(), |task| {
        task.quality = Quality::High;
        task.lane = high_lane.clone();
    });
    let ids = subject.submit([WORK.task(), OTHER.task(), high]).await;
    let hand = subject.hand().await;
    for (lane, id) in [(OTHER.lane(), &ids[1]), (high_lane, &ids[2]), (WORK.lane(), &ids[0])] {
        let leases = hand.try_lease(&lane, 9).await;
        let given: Vec<_> = leases.iter().map(|lease| (&lease.key.id, &lease.task.id)).collect();
        assert_eq!(given, [(id, id)], "{lane}");
        assert_eq!(hand.try_lease(&lane, 9).await, [], "{lane} is empty");
        assert_eq!(hand.try_lease(&lane.twin(), 9).await, [], "{lane} has no suspects");
    }
}

pub async fn a_task_is_leased_once(subject: Subject) {
    subject.expects("a task is leased once, under many takers at once on several connections");
    let count = 300;
    let ids: HashSet<_> = subject.submit(WORK.tasks(count)).await.into_iter().collect();
    let mut hands = Vec::new();
    for _ in 0..4 {
        let queue = subject.again().await.queue.unwrap();
        hands.extend((0..16).map(|_| Arc::new(Hand::stranger(queue.clone()))));
    }
    let takes = hands.iter().map(|hand| {
        let hand = hand.clone();
        tokio::spawn(async move {
            let mut mine = Vec::new();
            loop {
                let given = hand.try_lease(&WORK.lane(), 2).await;
                if given.is_empty() {
                    return mine;
                }
                mine.extend(given);
            }
        })
    });
    let given: Vec<_> =
        join_all(takes.collect::<Vec<_>>()).await.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(given.len(), count, "each task is given, and to one taker");
    assert_eq!(given.iter().map(|lease| lease.key.id.clone()).collect::<HashSet<_>>(), ids);
    assert!(given.iter().all(|lease| lease.attempt == 1 && ids.contains(&lease.task.id)));
    let hand = subject.hand().await;
    let done = given.iter().map(|lease| Finish::new(lease.key.clone(), output())).collect();
    let ended = hand.end(done).await;
    assert!(ended.iter().all(|one| *one == Finished::Done(State::Succeeded)), "every claim is good");
}

pub async fn fences_rise(subject: Subject) {
    subject.expects("fences rise strictly per task, over retries, releases and expiries");
    subject.one().await;
    let (hand, lane) = (subject.hand().await, WORK.lane());
    let mut fences = Vec::new();
    let retry = Outcome::Retry { failure: Failure::transient("x"), after: Duration::ZERO };
    for outcome in [retry.clone(), Outcome::Released { after: Duration::ZERO }, retry] {
        let lease = subject.until_given(&hand, &lane).await;
        fences.push(lease.key.fence);
        hand.finished(&lease, outcome, State::Queued).await;
    }
    let (dead, alive) = (subject.hand().await, subject.hand().await);
    fences.push(subject.until_given(&dead, &lane).await.key.fence);
    let last = subject.until_given(&alive, &lane).await;
    fences.push(last.key.fence);
    assert!(fences.windows(2).all(|pair| pair[0] < pair[1]), "{fences:?}");
    assert_eq!(last.attempt, 3, "two retries");
}

pub async fn a_delayed_task_holds_no_lease(subject: Subject) {
    subject.expects("a delayed task holds no lease and comes when it is due");
    let delay = Duration::from_millis(400);
    let late = with(WORK.task(), |task| task.delay = Some(When::In(delay)));
    let far = with(WORK.task(), |task| task.delay = Some(When::In(Duration::from_secs(3600))));
    let ids = subject.submit([far, late]).await;
    let (hand, lane) = (subject.hand().await, WORK.lane());
    if subject.case.is_manual() {
        assert_eq!(hand.try_lease(&lane, 9).await, [], "neither is due");
    }
    let lease = subject.until_given(&hand, &lane).await;
    assert_eq!(lease.key.id, ids[1]);
    let record = subject.record(&ids[1]).await;
    let due = Some(record.created_at.after(delay));
    assert!(record.started_at >= due && record.not_before.is_none(), "due at {due:?}: {record:?}");
    let waits = subject.record(&ids[0]).await;
    assert_eq!((waits.state, waits.worker, waits.attempt), (State::Queued, None, 0));

    subject.expects("an open lease call gets a delayed task when it is due, an earlier one first");
    let far = with(WORK.task(), |task| task.delay = Some(When::In(delay * 3)));
    let near = with(WORK.task(), |task| task.delay = Some(When::In(delay)));
    let submits = async {
        let first = subject.submit([far]).await;
        [first, subject.submit([near]).await].concat()
    };
    let calls = join(hand.take(&lane), submits);
    let (lease, ids) = subject.while_passing(delay, calls).await;
    assert_eq!(lease.key.id, ids[1]);
}

pub async fn ten_thousand_tasks_due_at_once_all_come(subject: Subject) {
    subject.expects("ten thousand tasks due in the same millisecond all come, none is lost");
    let probe = subject.one().await;
    let delay = Duration::from_millis(1500);
    let due = subject.record(&probe).await.created_at.after(delay);
    let hand = subject.hand().await;
    hand.finished(&hand.take(&WORK.lane()).await, output(), State::Succeeded).await;
    let mut missing = HashSet::new();
    for _ in 0..10 {
        let batch: Vec<Task> = WORK
            .tasks(1000)
            .into_iter()
            .map(|task| with(task, |task| task.delay = Some(When::At(due))))
            .collect();
        missing.extend(batch.iter().map(|task| task.id.clone()));
        let became = subject.executor().submit(batch).await.unwrap();
        assert!(became.iter().all(|one| *one == Submitted::New));
    }
    assert_eq!(missing.len(), 10_000);
    if subject.case.is_manual() {
        subject.case.pass(delay).await;
    }
    while !missing.is_empty() {
        let given = hand.call(hand.ask(&[(&WORK.lane(), 10_000)])).await.leases;
        let done = given.iter().map(|lease| Finish::new(lease.key.clone(), output())).collect();
        for lease in &given {
            assert!(missing.remove(&lease.key.id), "{} came twice", lease.key.id);
        }
        hand.end(done).await;
    }
    assert_eq!(hand.try_lease(&WORK.lane(), 1).await, [], "and nothing else");
}
