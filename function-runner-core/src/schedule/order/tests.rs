//! The rules of the order one by one.

use super::*;
use crate::{
    Tenant,
    schedule::{GIVEN_LIMIT, LAG_LIMIT, Priority, ROOM, TAG_LIMIT},
};

fn lane(name: &str) -> Lane {
    format!("{name}@1.0:standard").parse().unwrap()
}

fn flow(tenant: &str) -> Flow {
    Flow::new(Tenant::new(tenant).unwrap(), Priority::default())
}

/// Takes so many from these lanes, each at cost 1.
fn take(order: &mut Order<u32>, room: u32, lanes: &[&Lane]) -> Vec<u32> {
    order.take(room, lanes.iter().map(|lane| (*lane, 1))).into_iter().map(|given| given.key).collect()
}

fn head(order: &Order<u32>, lane: &Lane) -> Option<(i64, u32)> {
    order.head(lane).map(|head| (head.order, *head.key))
}

#[test]
fn what_returns_to_the_front_has_paid_and_moves_no_clock() {
    let (mut order, x) = (Order::new(), lane("x"));
    assert_eq!((1..=3).map(|key| order.push(&x, &flow("a"), 100, key)).collect::<Vec<_>>(), [100, 200, 300]);
    assert_eq!(take(&mut order, 1, &[&x]), [1]);
    assert_eq!(order.push_front(&x, 1), 100, "the virtual time");
    let before = order.reach;
    assert_eq!(take(&mut order, 1, &[&x]), [1], "the front");
    assert_eq!(order.reach, before);
    assert_eq!(order.push(&x, &flow("b"), 100, 4), 200, "the virtual time is where it was");
    assert_eq!(order.push(&x, &flow("a"), 100, 5), 400, "and so is its flow");
    assert_eq!(take(&mut order, ROOM, &[&x]), [2, 4, 3, 5], "equal tags go by key");
    assert_eq!(order.push_front(&x, 6), 0, "it wakes a lane like any other");
    assert_eq!(take(&mut order, ROOM, &[&x]), [6]);
}

#[test]
fn what_is_removed_leaves_its_flow_charged_and_the_next_as_head() {
    let (mut order, x) = (Order::new(), lane("x"));
    for key in 1..=3 {
        order.push(&x, &flow("a"), 100, key);
    }
    assert_eq!(head(&order, &x), Some((100, 1)));
    assert!(!order.remove(&x, 101, &1) && order.remove(&x, 100, &1) && !order.remove(&x, 100, &1));
    assert!(!order.remove(&lane("y"), 200, &2));
    assert_eq!(head(&order, &x), Some((200, 2)), "the head is mended");
    assert!(order.remove(&x, 300, &3));
    assert_eq!(order.push(&x, &flow("a"), 100, 4), 400, "the increments stay charged");
    assert_eq!(order.len(&x), 2);
    assert!(order.remove(&x, 200, &2) && order.remove(&x, 400, &4));
    assert_eq!((order.len(&x), head(&order, &x), order.is_empty()), (0, None, true));
    assert_eq!(order.push(&x, &flow("a"), 100, 5), 100, "until the lane has run empty");
}

#[test]
fn an_empty_lane_keeps_nothing_but_its_pause_mark() {
    let (mut order, x) = (Order::new(), lane("x"));
    order.push(&x, &flow("a"), 100, 1);
    assert_eq!(take(&mut order, ROOM, &[&x]), [1]);
    assert!(order.lanes.is_empty());
    order.push(&x, &flow("a"), 100, 2);
    order.pause(&x);
    assert!(order.remove(&x, 100, &2) && order.is_paused(&x));
    order.push(&x, &flow("a"), 100, 3);
    assert_eq!(take(&mut order, ROOM, &[&x]), [0; 0], "still paused");
    assert!(order.remove(&x, 100, &3));
    order.resume(&x);
    assert!(order.lanes.is_empty(), "and the twin's mark went too");
}

#[test]
fn pausing_a_lane_pauses_its_twin() {
    let (mut order, x) = (Order::new(), lane("x"));
    let twin = x.twin();
    order.push(&x, &flow("a"), 100, 1);
    order.push_front(&twin, 2);
    order.pause(&x);
    assert!(order.is_paused(&x) && order.is_paused(&twin));
    assert_eq!((head(&order, &x), head(&order, &twin), order.heads().count()), (None, None, 0));
    assert_eq!(take(&mut order, ROOM, &[&x, &twin]), [0; 0]);
    assert_eq!((order.len(&x), order.ahead(&x, 100, &1)), (1, Some(0)), "what waits is still counted");
    order.resume(&x);
    assert_eq!(take(&mut order, ROOM, &[&x, &twin]), [1, 2], "both heads stand at the reach");
    order.pause(&twin);
    assert!(order.is_paused(&twin) && !order.is_paused(&x), "suspects alone can be paused");
}

#[test]
fn a_pause_earns_no_credit_and_costs_none() {
    let (mut order, x, y) = (Order::new(), lane("x"), lane("y"));
    for key in 0..10 {
        order.push(&x, &flow("a"), 100, key);
    }
    for key in 10..20 {
        order.push(&y, &flow("a"), 100, key);
    }
    order.pause(&x);
    assert_eq!(take(&mut order, 5, &[&x, &y]), [10, 11, 12, 13, 14]);
    order.resume(&x);
    assert_eq!(head(&order, &x), Some((500, 0)), "its head stands at the reach");
    order.resume(&x);
    order.resume(&y);
    assert_eq!(take(&mut order, 6, &[&x, &y]), [0, 1, 15, 2, 16, 3]);
}

#[test]
fn a_lane_wakes_at_the_reach() {
    let (mut order, x, y) = (Order::new(), lane("x"), lane("y"));
    for key in 0..4 {
        order.push(&x, &flow("a"), 100, key);
    }
    take(&mut order, 2, &[&x]);
    order.push(&y, &flow("a"), 50, 10);
    assert_eq!((head(&order, &x), head(&order, &y)), (Some((300, 2)), Some((250, 10))));
    let mut heads: Vec<_> =
        order.heads().map(|(lane, head)| (lane.function(), head.order, *head.key)).collect();
    heads.sort_unstable();
    assert_eq!(heads, [("x", 300, 2), ("y", 250, 10)]);
}

#[test]
fn a_call_reads_the_reach_before_it_and_sets_it_after() {
    let (mut order, x, y) = (Order::new(), lane("x"), lane("y"));
    order.push(&y, &flow("b"), 1, 100);
    order.push(&y, &flow("b"), 1, 101);
    let far = 2 * LAG_LIMIT;
    order.push(&x, &flow("a"), far, 1);
    order.push(&x, &flow("a"), far, 2);
    assert_eq!(take(&mut order, 1, &[&x]), [1]);
    assert_eq!(order.reach, far);
    let given = order.take(3, [(&x, 1), (&y, 1)]);
    let seen: Vec<_> = given.iter().map(|given| (given.key, given.order)).collect();
    let far = far as i64;
    assert_eq!(seen, [(100, 1), (101, far + 1), (2, 2 * far)], "y is put at the reach when it gives");
    assert_eq!(order.reach as i64, 2 * far);
}

#[test]
fn room_is_never_overdrawn_and_a_lane_named_twice_counts_once() {
    let (mut order, x, y) = (Order::new(), lane("x"), lane("y"));
    for key in 0..100 {
        order.push(&x, &flow("a"), 100, key);
    }
    for key in 100..200 {
        order.push(&y, &flow("a"), 100, key);
    }
    let given = order.take(10, [(&x, 4), (&y, 3), (&x, 1)]);
    assert_eq!(given.iter().map(|given| given.key).collect::<Vec<_>>(), [0, 100, 101], "4 and 3 and 3");
    assert_eq!(order.take(ROOM, [(&lane("z"), 1)]), []);
    assert_eq!(order.take(0, [(&x, 1)]), []);
    assert_eq!(order.take(ROOM, []), []);
}

#[test]
fn of_all_suspects_a_call_gives_one() {
    let (mut order, x, y) = (Order::new(), lane("x").twin(), lane("y").twin());
    let z = lane("z");
    for key in 1..=2 {
        order.push_front(&x, key);
    }
    for key in 3..=4 {
        order.push_front(&y, key);
    }
    for key in 5..=6 {
        order.push(&z, &flow("a"), 100, key);
    }
    assert_eq!(take(&mut order, ROOM, &[&x, &y, &z]), [1, 5, 6]);
    assert_eq!(take(&mut order, ROOM, &[&x, &y, &z]), [2]);
}

#[test]
fn ahead_is_the_place_in_the_lane() {
    let (mut order, x) = (Order::new(), lane("x"));
    for key in 0..5_000 {
        order.push(&x, &flow("a"), 100, key);
    }
    order.push(&x, &flow("b"), 250, 9_000);
    assert_eq!(order.ahead(&x, 250, &9_000), Some(2));
    order.push_front(&x, 9_001);
    assert_eq!((order.ahead(&x, 0, &9_001), order.ahead(&x, 250, &9_000)), (Some(0), Some(3)));
    assert_eq!((order.ahead(&x, 500_000, &4_999), order.ahead(&x, 500_000, &7_000)), (Some(5_001), None));
    assert_eq!((order.ahead(&x, 251, &9_000), order.ahead(&lane("y"), 200, &1)), (None, None));
    let ahead = order.ahead(&x, 200_100, &2_000).unwrap();
    let mut given = 0;
    while !take(&mut order, 1, &[&x]).contains(&2_000) {
        given += 1;
    }
    assert_eq!(given, ahead);
}

#[test]
fn a_call_gives_a_thousand_at_most() {
    let (mut order, x) = (Order::new(), lane("x"));
    for key in 0..1_500 {
        order.push(&x, &flow("a"), 1, key);
    }
    assert_eq!(take(&mut order, ROOM, &[&x]).len(), GIVEN_LIMIT);
    assert_eq!(order.len(&x), 500);
}

#[test]
fn at_the_horizon_a_lane_is_served_by_key() {
    let (mut order, x, y) = (Order::new(), lane("x"), lane("y"));
    order.push(&x, &flow("a"), TAG_LIMIT - 5, 100);
    for key in [7, 3, 9, 1] {
        assert_eq!(order.push(&x, &flow("a"), 4_096, key), TAG_LIMIT);
    }
    assert_eq!(order.push(&x, &flow("b"), 4_096, 50), 4_096, "another flow is where it was");
    order.push(&y, &flow("c"), 4_096, 200);
    assert_eq!(take(&mut order, 5, &[&x, &y]), [50, 200, 100, 1, 3]);
    assert_eq!(order.push(&x, &flow("c"), 4_096, 5), TAG_LIMIT);
    order.push(&y, &flow("c"), 4_096, 201);
    assert!(order.push_front(&x, 2) > TAG_LIMIT - 4_096, "the virtual time is all but there");
    assert_eq!(take(&mut order, 2, &[&y, &x]), [2, 5], "and the lane stands at the reach as before");
    assert_eq!(take(&mut order, ROOM, &[&x, &y]), [7, 9, 201]);
    assert_eq!(order.push(&x, &flow("a"), 4_096, 10), 4_096, "tags begin again when it has run empty");
    assert_eq!(take(&mut order, ROOM, &[&x, &y]), [10]);
}

#[test]
fn taking_off_the_reach_keeps_every_order() {
    let lanes: Vec<Lane> = ["a", "b", "c", "d"].map(lane).into();
    let filled = |reach: u64| {
        let mut order = Order::new();
        order.reach = reach;
        for (key, (lane, tenant)) in (0..40).zip(lanes.iter().zip(["t", "u", "v"].iter().cycle()).cycle()) {
            order.push(lane, &flow(tenant), 1_000 + u64::from(key * 37 % 500), key);
        }
        order.pause(&lanes[3]);
        order
    };
    let run = |mut order: Order<u32>| {
        let asked: Vec<&Lane> = lanes.iter().collect();
        let mut given = Vec::new();
        for step in 0..30 {
            given.extend(take(&mut order, 1, &asked));
            if step == 10 {
                order.resume(&lanes[3]);
            }
            order.push(&lanes[step % 4], &flow("w"), 700, 100 + step as u32);
        }
        given.extend(take(&mut order, ROOM, &asked));
        (given, order.reach)
    };
    let (expected, way) = run(filled(0));
    let mut taken_off = 0;
    for below in (0..way + 1_000).step_by(41) {
        let (given, reach) = run(filled((1 << 52) - below));
        assert_eq!(given, expected, "{below}");
        taken_off += u32::from(reach < 1 << 51);
    }
    assert!(taken_off > 100, "{taken_off} of {way}");
}
