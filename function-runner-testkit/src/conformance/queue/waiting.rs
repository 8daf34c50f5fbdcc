//! Lease calls that wait: who wakes, and that nothing is lost where one is dropped.

use std::{
    future::Future,
    pin::{Pin, pin},
    time::Duration,
};

use function_runner_core::{Lane, Lease, LeaseReply, LeaseRequest, Renewal, State, TaskId};
use futures::{FutureExt as _, StreamExt as _, future::join, stream::FuturesUnordered};

use super::Subject;
use crate::conformance::hand::{Hand, OTHER, WORK, output};

/// Gives an open call time to fall asleep in its store; it must not end by itself.
async fn asleep(call: Pin<&mut impl Future<Output = LeaseReply>>, moment: Duration) {
    tokio::select! {
        biased;
        reply = call => panic!("there is nothing for it, yet it came back with {reply:?}"),
        () = tokio::time::sleep(moment) => {}
    }
}

/// Long enough for most stores; where it was not, a case must not say so.
const MOMENT: Duration = Duration::from_millis(30);

/// That nothing was lost on the way to a call: it comes at once, as the same attempt, and no worker died of it.
async fn comes_at_once(subject: &Subject, hand: &Hand, id: &TaskId) -> Lease {
    let lease = hand.take(&WORK.lane()).await;
    assert_eq!((&lease.key.id, lease.attempt), (id, 1));
    assert_eq!(subject.record(id).await.crashes, 0, "nothing waited for an expiry");
    lease
}

pub async fn a_lease_call_waits_and_is_woken_by_a_submit(subject: Subject) {
    subject.expects("a lease call waits and is woken by a submit, without polling");
    let (hand, far) = (subject.hand().await, subject.far_hand().await);
    for hand in [&hand, &far] {
        for moment in [Duration::ZERO, MOMENT] {
            let lane = WORK.lane();
            let mut call = pin!(hand.take(&lane).map(|lease| LeaseReply::new(vec![lease])));
            asleep(call.as_mut(), moment).await;
            let id = subject.one().await;
            let lease = call.await.leases.remove(0);
            assert_eq!((&lease.key.id, lease.attempt), (&id, 1));
            hand.finished(&lease, output(), State::Succeeded).await;
        }
    }
    subject.expects("a lease call that waits holds up no other");
    let (work, other) = (WORK.lane(), OTHER.lane());
    let mut first = pin!(far.call(far.ask(&[(&other, 1)])));
    asleep(first.as_mut(), MOMENT).await;
    let mut second = pin!(hand.take(&work).map(|lease| LeaseReply::new(vec![lease])));
    asleep(second.as_mut(), MOMENT).await;
    let id = subject.one().await;
    assert_eq!(second.await.leases[0].key.id, id);
}

pub async fn one_submit_wakes_one_worker(subject: Subject) {
    subject.expects("one submit wakes one worker of many that wait, and none comes back with nothing");
    let mut hands = Vec::new();
    for _ in 0..2 {
        let queue = subject.again().await.queue.unwrap();
        hands.extend((0..6).map(|_| Hand::stranger(queue.clone())));
    }
    let lane = WORK.lane();
    let mut calls: FuturesUnordered<_> = hands.iter().map(|hand| hand.take(&lane)).collect();
    for _ in 0..hands.len() {
        if let Ok(woken) = tokio::time::timeout(MOMENT, calls.next()).await {
            panic!("there is nothing for it, yet a call came back with {woken:?}");
        }
        let id = subject.one().await;
        let lease = calls.next().await.expect("a call waits");
        assert_eq!(lease.key.id, id);
    }
}

pub async fn a_warm_worker_is_woken_first(subject: Subject) {
    subject.expects("between equals a worker that has the model loaded is woken first");
    let (cold, warm) = (subject.hand().await, subject.far_hand().await);
    let lane = WORK.lane();
    let mut won = 0;
    // on a slow machine a call may not be asleep yet: then it is given more time
    for round in 0..8 {
        let moment = MOMENT * (round + 1);
        let mut first = pin!(cold.call(cold.ask(&[(&lane, 1)])));
        asleep(first.as_mut(), moment).await;
        let mut ask = warm.ask(&[(&lane, 1)]);
        ask.lanes[0].warm = true;
        let mut second = pin!(warm.call(ask));
        asleep(second.as_mut(), moment).await;
        subject.one().await;
        tokio::select! {
            biased;
            reply = &mut second => {
                warm.finished(&reply.leases[0], output(), State::Succeeded).await;
                won += 1;
            }
            reply = &mut first => {
                cold.finished(&reply.leases[0], output(), State::Succeeded).await;
                won = 0;
            }
        }
        if won == 3 {
            return;
        }
    }
    panic!("the warm worker was woken first {won} times in a row, not three");
}

pub async fn a_dropped_lease_call_loses_nothing(subject: Subject) {
    subject.expects("a lease call loses nothing, whenever it is dropped");
    let (hand, far) = (subject.hand().await, subject.far_hand().await);
    for round in 0..80_u64 {
        let dropped = if round % 2 == 0 { &hand } else { &far };
        let lane = WORK.lane();
        let call = tokio::time::timeout(Duration::from_micros(round * round), dropped.take(&lane));
        let (answer, id) = join(call, subject.one()).await;
        let (owner, lease) = match answer {
            Ok(lease) => (dropped, lease),
            Err(_) => (&hand, comes_at_once(&subject, &hand, &id).await),
        };
        assert_eq!((&lease.key.id, lease.attempt), (&id, 1), "dropped after {} us", round * round);
        owner.finished(&lease, output(), State::Succeeded).await;
    }
    for looks in 1..12 {
        dropped_after(&subject, &far, &hand, looks).await;
    }
}

/// A call that is looked at so often, work coming half way, and then dropped.
async fn dropped_after(subject: &Subject, dropped: &Hand, other: &Hand, looks: u32) {
    let lane = WORK.lane();
    let mut call = Box::pin(dropped.take(&lane));
    let (mut id, mut answer) = (None, None);
    for look in 0..looks {
        if look == looks / 2 {
            id = Some(subject.one().await);
        }
        answer = call.as_mut().now_or_never();
        if answer.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(call);
    let id = id.expect("work came half way");
    let (owner, lease) = match answer {
        Some(lease) => (dropped, lease),
        None => (other, comes_at_once(subject, other, &id).await),
    };
    assert_eq!((&lease.key.id, lease.attempt), (&id, 1), "dropped after {looks} looks");
    owner.finished(&lease, output(), State::Succeeded).await;
}

pub async fn a_lease_call_dropped_after_its_answer_came_loses_nothing(subject: Subject) {
    subject.expects("what nobody took out of an answer goes back at once");
    let (hand, other) = (subject.far_hand().await, subject.hand().await);
    for moment in [MOMENT, MOMENT * 4] {
        let id = {
            let lane = WORK.lane();
            let mut call = Box::pin(hand.call(hand.ask(&[(&lane, 1)])));
            asleep(call.as_mut(), moment).await;
            let id = subject.one().await;
            // its answer is on the way, or has come, and nobody looks
            let given = async {
                while subject.state(&id).await != State::Running {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            drop(tokio::time::timeout(moment, given).await);
            tokio::time::sleep(MOMENT).await;
            drop(call);
            id
        };
        let lease = comes_at_once(&subject, &other, &id).await;
        other.finished(&lease, output(), State::Succeeded).await;
    }
}

pub async fn a_lease_call_dropped_asleep_passes_its_wake_on(subject: Subject) {
    subject.expects("a lease call that is dropped asleep passes on a wake that reaches it meanwhile");
    let (first, second) = (subject.hand().await, subject.far_hand().await);
    for round in 0..10 {
        let lane = WORK.lane();
        let mut dropped = Box::pin(first.call(first.ask(&[(&lane, 1)])));
        asleep(dropped.as_mut(), MOMENT).await;
        let mut waits = pin!(second.take(&lane).map(|lease| LeaseReply::new(vec![lease])));
        asleep(waits.as_mut(), MOMENT).await;
        let id = if round % 2 == 0 {
            let id = subject.one().await;
            drop(dropped);
            id
        } else {
            drop(dropped);
            subject.one().await
        };
        let lease = waits.await.leases.remove(0);
        assert_eq!((&lease.key.id, lease.attempt), (&id, 1));
        second.finished(&lease, output(), State::Succeeded).await;
    }
}

pub async fn a_cancel_ends_an_open_lease_call_once(subject: Subject) {
    let (hand, other) = (subject.hand().await, OTHER.lane());
    for asked in [vec![], vec![(&other, 1)]] {
        let id = subject.one().await;
        let lease = hand.take(&WORK.lane()).await;
        subject.expects("a cancel ends the holder's open lease call early and empty");
        let ask = hand.ask(&asked);
        let cancels = async {
            tokio::time::sleep(MOMENT).await;
            subject.cancel(&id).await;
        };
        let (reply, ()) = join(hand.call(ask), cancels).await;
        assert_eq!(reply, LeaseReply::default());
        subject.expects("until a beat has told of the cancel, the next lease call ends early too");
        assert_eq!(hand.call(hand.ask(&asked)).await, LeaseReply::default());
        assert_eq!(hand.renew(std::slice::from_ref(&lease)).await.tasks, [Renewal::CancelRequested]);
        ends_no_more(&subject, &hand, &other).await;
        subject.expects("a task whose cancel was told ends cancelled");
        hand.finished(&lease, output(), State::Cancelled).await;
    }
}

/// Once a beat has told of it, a call waits until there is work.
async fn ends_no_more(subject: &Subject, hand: &Hand, lane: &Lane) {
    subject.expects("once a beat has told of it, a lease call waits for work");
    let mut call = pin!(hand.take(lane).map(|lease| LeaseReply::new(vec![lease])));
    asleep(call.as_mut(), MOMENT).await;
    subject.submit([OTHER.task()]).await;
    let lease = call.await.leases.remove(0);
    hand.finished(&lease, output(), State::Succeeded).await;
}

pub async fn a_drain_ends_an_open_lease_call_once(subject: Subject) {
    let operate = subject
        .connection
        .operate
        .clone()
        .expect("this case needs an operator: `operate_conformance!` runs it, where the backend has one");
    subject.expects("a drain ends the worker's open lease call early and empty");
    let (hand, work) = (subject.far_hand().await, WORK.lane());
    let drains = async {
        tokio::time::sleep(MOMENT).await;
        operate.drain(&hand.worker).await.unwrap_or_else(|error| panic!("drain: {error:?}"));
    };
    let (reply, ()) = join(hand.call(hand.ask(&[(&work, 1)])), drains).await;
    assert_eq!(reply, LeaseReply::default());
    subject.expects("until a beat has told of the drain, the next lease call ends early too");
    assert_eq!(hand.call(hand.ask(&[])).await, LeaseReply::default());
    assert!(hand.renew(&[]).await.drain);
    subject.expects("once a beat has told of the drain, a lease call waits");
    let mut call = pin!(hand.call(hand.ask(&[])));
    asleep(call.as_mut(), MOMENT * 4).await;
}

pub async fn a_call_with_no_lanes_takes_nothing(subject: Subject) {
    subject.expects("a call with no lanes waits and takes nothing");
    let id = subject.one().await;
    let hand = subject.hand().await;
    let mut ask: LeaseRequest = hand.ask(&[]);
    assert_eq!((ask.room, ask.lanes.len()), (0, 0));
    let wait = Duration::from_millis(200);
    ask.wait = wait;
    let reply = subject.while_passing(wait, hand.call(ask)).await;
    assert_eq!(reply, LeaseReply::default());
    assert_eq!(subject.state(&id).await, State::Queued);
    assert_eq!(hand.take(&WORK.lane()).await.key.id, id);
}
