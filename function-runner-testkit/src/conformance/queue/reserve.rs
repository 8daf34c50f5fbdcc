//! Room for large tasks, and one suspect at a time.

use function_runner_core::{Beat, Lease, LeaseReply, Outcome, State};

use super::Subject;
use crate::conformance::hand::{BIG, Hand, OTHER, WORK, output};

/// Asks for small tasks, and names what would fit if it drained.
async fn ask(hand: &Hand) -> LeaseReply {
    let small = WORK.lane();
    let mut ask = hand.quick(&[(&small, 1)]);
    ask.would_fit = vec![BIG.lane(), BIG.lane().twin()];
    hand.call(ask).await
}

pub async fn a_large_lane_that_is_passed_over_is_drained_for(subject: Subject) {
    let big = subject.submit([BIG.of(10, None)]).await.remove(0);
    subject.submit(WORK.tasks(20)).await;
    let (drains, other) = (subject.hand().await, subject.far_hand().await);
    let held = ask(&drains).await.leases;
    assert_eq!(held.len(), 1, "at first the large lane is passed over");

    subject.expects(
        "a large lane that was passed over so long is drained for, and that worker is given nothing else",
    );
    subject.pass_alive(subject.case.times.reserve + subject.step(), &drains, &held).await;
    for _ in 0..2 {
        let reply = ask(&drains).await;
        assert_eq!((reply.drain_for, reply.leases), (Some(BIG.lane()), vec![]));
    }
    subject.expects("one worker drains for a lane, and the others go on");
    let reply = ask(&other).await;
    assert_eq!((reply.drain_for, reply.leases.len()), (None, 1));
    if subject.case.is_manual() {
        subject.expects("the heartbeat of who drains extends its reservation");
        keep_draining(&subject, &drains, &held).await;
        assert_eq!(ask(&other).await.drain_for, None);
    }

    subject.expects("when it is free, who drained is given the large task, and then others again");
    drains.finish(&held[0], output()).await;
    let lease = drains.take(&BIG.lane()).await;
    assert_eq!(lease.key.id, big);
    let reply = ask(&drains).await;
    assert_eq!((reply.drain_for, reply.leases.len()), (None, 1));
    released_for_size(&subject, &drains, &lease).await;
}

/// A large task turned out to need more than the whole worker.
async fn released_for_size(subject: &Subject, hand: &Hand, lease: &Lease) {
    subject.expects("after a release for its size the same head is not drained for again");
    let after = subject.step();
    hand.finished(lease, Outcome::Released { after }, State::Queued).await;
    subject.pass_alive(after * 2, hand, &[]).await;
    assert_eq!(ask(hand).await.leases.len(), 1, "it is passed over again");
    subject.pass_alive(subject.case.times.reserve + subject.step(), hand, &[]).await;
    let reply = ask(hand).await;
    assert_eq!((reply.drain_for, reply.leases.len()), (None, 1));
}

/// Beats over two leases, naming the lane it drains for.
async fn keep_draining(subject: &Subject, hand: &Hand, held: &[Lease]) {
    let beat = subject.case.times.beat();
    for _ in 0..6 {
        subject.case.pass(beat).await;
        let tasks = held.iter().map(|lease| Beat::new(lease.key.clone(), Default::default()));
        let mut beat = hand.heartbeat(tasks.collect());
        beat.drains_for = Some(BIG.lane());
        hand.send(beat).await;
    }
}

pub async fn of_all_suspects_one_is_given(subject: Subject) {
    let (one, two) = (subject.crashed(WORK, 2).await, subject.crashed(OTHER, 2).await);
    let third = subject.crashed(WORK, 2).await;
    let mut suspects = vec![one, two, third];
    let plain = subject.submit(WORK.tasks(3)).await;
    subject.expects("of all suspects' lanes together one task is given per call, beside ordinary work");
    let hand = subject.hand().await;
    let lanes = [WORK.lane(), WORK.lane().twin(), OTHER.lane(), OTHER.lane().twin()];
    let asked: Vec<_> = lanes.iter().map(|lane| (lane, 64)).collect();
    for others in [3, 0, 0] {
        let leases = hand.call(hand.quick(&asked)).await.leases;
        let (given, rest): (Vec<_>, Vec<_>) =
            leases.iter().partition(|lease| suspects.contains(&lease.key.id));
        assert_eq!((given.len(), rest.len()), (1, others), "{leases:?}");
        assert!(rest.iter().all(|lease| plain.contains(&lease.key.id)));
        suspects.retain(|id| *id != given[0].key.id);
    }
    assert_eq!(hand.call(hand.quick(&asked)).await.leases, []);
}
