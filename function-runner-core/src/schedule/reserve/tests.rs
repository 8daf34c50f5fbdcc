//! Each sentence about large tasks, over a real order of work.

use std::{collections::BTreeMap, time::Duration};

use super::*;
use crate::{
    Priority, Tenant,
    schedule::{Flow, Order, ROOM},
};

/// A store with a lane `large`, which no worker can start now, and a lane `small`, which all can.
struct Store {
    order: Order<u32>,
    reserve: Reserve<u32>,
    now: Timestamp,
    workers: usize,
    next: u32,
    tags: BTreeMap<u32, u64>,
}

fn lane(name: &str) -> Lane {
    format!("{name}@1.0:standard").parse().unwrap()
}

fn worker(name: &str) -> WorkerId {
    WorkerId::new(name).unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Store {
    fn new() -> Self {
        let reserve = Reserve::new(Times::default());
        let now = Timestamp::from_millis(1_000_000);
        Self { order: Order::new(), reserve, now, workers: 4, next: 0, tags: BTreeMap::new() }
    }

    fn push(&mut self, lane: &Lane) -> u32 {
        self.next += 1;
        let flow = Flow::new(Tenant::new("t").unwrap(), Priority::default());
        let tag = self.order.push(lane, &flow, 4_096, self.next);
        self.tags.insert(self.next, tag);
        self.next
    }

    fn push_front(&mut self, lane: &Lane, key: u32) {
        let tag = self.order.push_front(lane, key);
        self.tags.insert(key, tag);
    }

    fn remove(&mut self, lane: &Lane, key: u32) {
        assert!(self.order.remove(lane, self.tags[&key], &key));
    }

    fn wait(&mut self, duration: Duration) {
        self.now = self.now.after(duration);
    }

    /// One lease call as a store makes it: the lane to drain for, or what was given, at most one.
    fn lease(&mut self, worker: &str, lanes: &[&Lane], would_fit: &[&Lane]) -> (Option<Lane>, Vec<u32>) {
        let (order, now) = (&self.order, self.now);
        let heads = would_fit.iter().filter_map(|lane| Some((*lane, order.head(lane)?)));
        if let Some(lane) = self.reserve.drain_for(&self::worker(worker), heads, self.workers, now) {
            return (Some(lane), Vec::new());
        }
        let given = self.order.take(ROOM, lanes.iter().map(|lane| (*lane, ROOM)));
        let order = &self.order;
        self.reserve.given(&given, would_fit.iter().filter_map(|lane| Some((*lane, order.head(lane)?))), now);
        (None, given.into_iter().map(|given| given.key).collect())
    }

    /// A worker with room for small work is given some of it while these wait; answers what it drains for.
    fn small(&mut self, worker: &str, would_fit: &[&Lane]) -> Option<Lane> {
        let small = lane("small");
        if self.order.len(&small) == 0 {
            for _ in 0..3 {
                self.push(&small);
            }
        }
        self.lease(worker, &[&small], would_fit).0
    }

    fn cancel(&mut self, lane: &Lane, key: u32) {
        self.remove(lane, key);
        self.reserve.removed(lane, &key, self.order.len(lane) == 0);
    }

    fn holder(&self, lane: &Lane) -> Option<&str> {
        self.reserve.holder(lane, self.now).map(WorkerId::as_str)
    }

    /// This lane has been passed over for 30 s.
    fn pass(&mut self, lane: &Lane) {
        self.push(lane);
        for _ in 0..4 {
            self.small("other", &[lane]);
        }
        assert_eq!(self.reserve.passed_since(lane), Some(self.now));
        self.wait(seconds(30));
    }
}

#[test]
fn a_lane_is_passed_over_when_something_later_in_the_order_is_given_while_it_waits() {
    let (mut store, large, small) = (Store::new(), lane("large"), lane("small"));
    store.push(&small);
    store.push(&small);
    store.push(&large);
    let since = |store: &Store| store.reserve.passed_since(&lane("large"));
    store.lease("w", &[&small], &[&large]);
    assert_eq!(since(&store), Some(store.now), "small and large stand equal: large is earlier by name");
    let first = store.now;
    store.wait(seconds(1));
    store.lease("w", &[&small], &[&large]);
    assert_eq!(since(&store), Some(first), "the first time counts");

    let mut store = Store::new();
    store.push(&small);
    store.push(&lane("tiny"));
    store.lease("w", &[&small], &[&lane("tiny")]);
    assert_eq!(store.reserve.passed_since(&lane("tiny")), None, "what was given was earlier");
    store.push(&large);
    store.lease("w", &[], &[&large]);
    store.lease("w", &[&lane("none")], &[&large]);
    assert_eq!(since(&store), None, "nothing was given");
    store.push(&small);
    store.push(&small);
    store.lease("w", &[&small], &[]);
    assert_eq!(since(&store), None, "no worker that named it was given anything");
}

#[test]
fn twins_are_passed_over_and_drained_for_too() {
    let (mut store, twin) = (Store::new(), lane("large").twin());
    store.pass(&twin);
    assert_eq!(store.small("w", &[&lane("large"), &twin]), Some(twin));
}

#[test]
fn after_30_s_the_answer_names_the_lane_and_gives_nothing() {
    let (mut store, large) = (Store::new(), lane("large"));
    store.pass(&large);
    store.now = store.now.before(Duration::from_millis(1));
    assert_eq!(store.small("w", &[&large]), None);
    store.wait(Duration::from_millis(1));
    let waiting = store.order.len(&lane("small"));
    assert_eq!(store.lease("w", &[&lane("small")], &[&large]), (Some(large.clone()), vec![]));
    assert_eq!(store.order.len(&lane("small")), waiting);
    assert_eq!(store.holder(&large), Some("w"));
    assert_eq!(store.lease("w", &[], &[&large]), (Some(large.clone()), vec![]), "and so does the next");
    assert_eq!(store.small("x", &[]), None, "a worker that would not fit it goes on");
}

#[test]
fn the_mark_goes_when_the_head_is_leased_and_the_reservation_with_it() {
    let (mut store, large) = (Store::new(), lane("large"));
    store.push(&large);
    store.pass(&large);
    assert_eq!(store.small("w", &[&large]), Some(large.clone()));
    assert_eq!(store.lease("z", &[&large], &[]).1.len(), 1, "a larger worker takes it");
    assert_eq!((store.reserve.passed_since(&large), store.holder(&large)), (None, None));
    assert_eq!(store.small("w", &[&large]), None, "the next head waits its own 30 s");
    for _ in 0..3 {
        store.small("w", &[&large]);
    }
    assert_eq!(store.reserve.passed_since(&large), Some(store.now));
}

#[test]
fn the_mark_goes_when_the_lane_runs_empty() {
    let (mut store, large) = (Store::new(), lane("large"));
    store.pass(&large);
    store.small("w", &[&large]);
    store.cancel(&large, store.order.head(&large).map(|head| *head.key).unwrap());
    assert_eq!((store.reserve.passed_since(&large), store.holder(&large)), (None, None));
}

#[test]
fn after_a_cancel_or_a_deadline_the_next_head_keeps_it() {
    let (mut store, large) = (Store::new(), lane("large"));
    let first = store.push(&large);
    store.pass(&large);
    store.cancel(&large, first);
    assert_eq!(store.small("w", &[&large]), Some(large.clone()));
}

#[test]
fn a_paused_lane_is_not_passed_over() {
    let (mut store, large) = (Store::new(), lane("large"));
    store.push(&large);
    store.order.pause(&large);
    for _ in 0..6 {
        store.small("w", &[&large]);
    }
    assert_eq!(store.reserve.passed_since(&large), None);
}

#[test]
fn a_paused_lane_is_not_drained_for_and_keeps_its_mark() {
    let (mut store, large) = (Store::new(), lane("large"));
    store.pass(&large);
    store.order.pause(&large);
    assert_eq!(store.small("w", &[&large]), None);
    store.order.resume(&large);
    assert_eq!(store.small("w", &[&large]), Some(large.clone()));
    store.order.pause(&large);
    assert_eq!(store.small("w", &[&large]), None, "nor by the worker that had begun");
}

#[test]
fn one_worker_drains_for_a_lane() {
    let (mut store, large) = (Store::new(), lane("large"));
    store.workers = 100;
    store.pass(&large);
    assert_eq!(store.small("w", &[&large]), Some(large.clone()));
    assert_eq!(store.small("x", &[&large]), None);
}

#[test]
fn the_lane_passed_over_longest_is_first_then_by_name() {
    let (mut store, a, b, c) = (Store::new(), lane("a"), lane("b"), lane("c"));
    store.workers = 100;
    store.pass(&c);
    for lane in [&a, &b] {
        store.push(lane);
    }
    for _ in 0..4 {
        store.small("other", &[&a, &b]);
    }
    store.wait(seconds(30));
    let all = [&a, &b, &c];
    assert_eq!(store.small("w", &all), Some(c.clone()));
    assert_eq!(store.small("x", &[&b, &a]), Some(a.clone()));
    assert_eq!(store.small("y", &all), Some(b.clone()));
    assert_eq!(store.small("x", &all), Some(a), "each its own again");
}

#[test]
fn a_worker_drains_for_one_lane() {
    let (mut store, a, b) = (Store::new(), lane("a"), lane("b"));
    store.workers = 100;
    store.pass(&a);
    store.pass(&b);
    assert_eq!(store.small("w", &[&a, &b]), Some(a.clone()));
    assert_eq!(store.lease("w", &[&a], &[&b]).1.len(), 1, "it fits by now and is given, whatever else waits");
    assert_eq!(store.small("w", &[&b]), Some(b), "and then it may drain for another");
}

#[test]
fn at_most_a_quarter_of_the_live_workers_drain_but_at_least_one() {
    assert_eq!([0, 1, 3, 4, 7, 8, 400].map(drainers), [1, 1, 1, 1, 1, 2, 100]);
    let (mut store, a, b, c) = (Store::new(), lane("a"), lane("b"), lane("c"));
    store.workers = 8;
    [&a, &b, &c].into_iter().for_each(|lane| store.pass(lane));
    assert_eq!(store.small("w", &[&a, &b, &c]), Some(a.clone()));
    assert_eq!(store.small("x", &[&a, &b, &c]), Some(b.clone()));
    assert_eq!(store.small("y", &[&a, &b, &c]), None);
    store.workers = 3;
    assert_eq!(store.small("w", &[&a, &b, &c]), Some(a.clone()), "who drains already goes on");
    store.lease("z", &[&a], &[]);
    store.workers = 8;
    assert_eq!(store.small("y", &[&a, &b, &c]), Some(c), "one is done: another may");
}

#[test]
fn a_reservation_lasts_one_lease_and_is_extended_by_the_workers_heartbeat() {
    let (mut store, large) = (Store::new(), lane("large"));
    let beat = |store: &mut Store, name: &str| store.reserve.beat(&worker(name), &lane("large"), store.now);
    store.pass(&large);
    store.small("w", &[&large]);
    store.wait(seconds(8));
    beat(&mut store, "w");
    store.wait(seconds(8));
    assert_eq!(store.holder(&large), Some("w"));
    assert_eq!(store.small("x", &[&large]), None);
    beat(&mut store, "x");
    store.small("w", &[&large]);
    store.wait(seconds(1));
    assert_eq!(store.holder(&large), None, "neither another's heartbeat nor its own ask extends it");
    beat(&mut store, "w");
    assert_eq!(store.holder(&large), None, "nor a heartbeat that comes too late");
    assert_eq!(store.small("x", &[&large]), Some(large.clone()), "another may");
    assert_eq!(store.small("w", &[&large]), None);
}

#[test]
fn after_a_release_for_size_a_lane_is_not_drained_for_until_another_head_comes() {
    let (mut store, large) = (Store::new(), lane("large"));
    let outsized = store.push(&large);
    let give_back = |store: &mut Store| {
        assert_eq!(store.lease("w", &[&lane("large")], &[]).1, [outsized]);
        store.reserve.released_for_size(&lane("large"), outsized);
        store.wait(seconds(30));
        store.push_front(&lane("large"), outsized);
        for _ in 0..4 {
            store.small("w", &[&lane("large")]);
        }
        store.wait(seconds(30));
    };
    give_back(&mut store);
    assert!(store.reserve.passed_since(&large).is_some());
    assert_eq!(store.small("w", &[&large]), None);
    let other = store.push(&large);
    assert_eq!(store.small("w", &[&large]), None, "it is not the head yet");
    store.cancel(&large, outsized);
    assert_eq!(store.small("w", &[&large]), Some(large.clone()), "another head has come");
    store.cancel(&large, other);

    let mut store = Store::new();
    assert_eq!(store.push(&large), outsized);
    give_back(&mut store);
    store.remove(&large, outsized);
    store.push(&large);
    store.push_front(&large, 77);
    assert_eq!(store.small("w", &[&large]), Some(large.clone()), "met at the front by a call");
    store.remove(&large, 77);
    store.push_front(&large, outsized);
    assert_eq!(store.small("w", &[&large]), Some(large.clone()), "and then it is like any other");

    let mut store = Store::new();
    assert_eq!(store.push(&large), outsized);
    give_back(&mut store);
    store.push_front(&large, 0);
    assert_eq!(store.lease("z", &[&large], &[]).1, [0], "leased before a call met it");
    for _ in 0..4 {
        store.small("w", &[&large]);
    }
    store.wait(seconds(30));
    assert_eq!(store.small("w", &[&large]), Some(large));
}

#[test]
fn nothing_is_kept_of_a_lane_that_is_done() {
    let (mut store, large) = (Store::new(), lane("large"));
    let key = store.push(&large);
    store.pass(&large);
    store.small("w", &[&large]);
    store.lease("w", &[&large], &[]);
    store.reserve.released_for_size(&large, key);
    store.reserve.removed(&large, &key, false);
    store.lease("w", &[&large], &[]);
    let reserve = &store.reserve;
    assert!(reserve.passed.is_empty() && reserve.drains.is_empty() && reserve.outsized.is_empty());
}
