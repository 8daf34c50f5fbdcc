//! The order of work: priorities, tenants, and nobody starved.

use function_runner_core::{Finish, Lease, TaskId};

use super::Subject;
use crate::conformance::hand::{Hand, WORK, output};

fn ids(leases: &[Lease]) -> Vec<TaskId> {
    leases.iter().map(|lease| lease.key.id.clone()).collect()
}

async fn done(hand: &Hand, leases: &[Lease]) {
    hand.end(leases.iter().map(|lease| Finish::new(lease.key.clone(), output())).collect()).await;
}

pub async fn a_higher_priority_goes_first(subject: Subject) {
    subject.expects("among tasks that wait a higher priority goes first");
    let low = subject.submit([WORK.of(1, None)]).await;
    let plain = subject.submit((0..10).map(|_| WORK.of(5, None))).await;
    let high = subject.submit([WORK.of(10, None)]).await;
    let hand = subject.hand().await;
    let given = ids(&hand.try_lease(&WORK.lane(), 100).await);
    assert_eq!(given.len(), 12);
    assert_eq!(given[0], high[0], "the highest first, though it came last");
    assert_eq!(given[1..11], plain, "then those that are equal, as they came");
    assert_eq!(given[11], low[0], "the lowest last, though it came first");
}

pub async fn tenants_share(subject: Subject) {
    subject.expects("a tenant with many waiting does not hold up another");
    subject.submit((0..200).map(|_| WORK.of(5, Some("many")))).await;
    let few = subject.submit((0..10).map(|_| WORK.of(5, Some("few")))).await;
    let hand = subject.hand().await;
    let mut given = Vec::new();
    while given.len() < 24 {
        let leases = hand.try_lease(&WORK.lane(), 1).await;
        assert_eq!(leases.len(), 1);
        given.extend(ids(&leases));
        done(&hand, &leases).await;
    }
    let theirs = given.iter().filter(|id| few.contains(id)).count();
    assert_eq!(theirs, 10, "both get a half, so all ten are among the first 24");
    assert!(given[..3].iter().any(|id| few.contains(id)), "and the first is not held up");
}

pub async fn a_low_priority_is_not_starved(subject: Subject) {
    subject.expects("a task of priority 1 under an endless flood of 10 waits 512 leases and no more");
    let hand = subject.hand().await;
    let flood = |count: usize| (0..count).map(|_| WORK.of(10, None)).collect::<Vec<_>>();
    subject.submit(flood(32)).await;
    let low = subject.submit([WORK.of(1, None)]).await.remove(0);
    let mut waited = 0;
    loop {
        let leases = hand.try_lease(&WORK.lane(), 16).await;
        assert!(!leases.is_empty(), "the flood never ends");
        if let Some(place) = ids(&leases).iter().position(|id| *id == low) {
            waited += place;
            break;
        }
        waited += leases.len();
        done(&hand, &leases).await;
        assert!(waited <= 513, "it was passed by {waited} others");
        subject.submit(flood(leases.len())).await;
    }
    assert!(waited >= 256, "and it does not go before its share: after {waited}");
}
