//! The simulated cases that the order of work was chosen by, each with the figure it must reach.

use std::collections::HashMap;

use super::*;
use crate::{
    Tenant,
    schedule::{Priority, ROOM, Weight, increment},
};

/// One store, whose tasks remember whose they are; a lease gives one task.
struct Simulation {
    order: Order<u64>,
    tasks: HashMap<u64, Spec>,
    lanes: HashMap<&'static str, Lane>,
    last: u64,
}

#[derive(Clone, Copy)]
struct Spec {
    lane: &'static str,
    tenant: u32,
    priority: u8,
    cost: u32,
    weight: u32,
}

/// A task of this tenant with everything else by default.
fn of(tenant: u32) -> Spec {
    Spec { lane: "x", tenant, priority: 5, cost: 1, weight: 128 }
}

impl Spec {
    fn lane(self, lane: &'static str) -> Self {
        Self { lane, ..self }
    }

    fn priority(self, priority: u8) -> Self {
        Self { priority, ..self }
    }
}

impl Simulation {
    fn new() -> Self {
        Self { order: Order::new(), tasks: HashMap::new(), lanes: HashMap::new(), last: 0 }
    }

    fn lane(&mut self, name: &'static str) -> Lane {
        let parsed = || format!("{name}@1.0:standard").parse().unwrap();
        self.lanes.entry(name).or_insert_with(parsed).clone()
    }

    fn submit(&mut self, spec: Spec) -> u64 {
        let tenant = Tenant::new(format!("t{}", spec.tenant)).unwrap();
        let flow = Flow::new(tenant, Priority::new(spec.priority).unwrap());
        let increment = increment(spec.cost, flow.priority, Weight::new(spec.weight).unwrap());
        let lane = self.lane(spec.lane);
        self.last += 1;
        self.order.push(&lane, &flow, increment, self.last);
        self.tasks.insert(self.last, spec);
        self.last
    }

    fn submit_many(&mut self, count: usize, spec: Spec) {
        for _ in 0..count {
            self.submit(spec);
        }
    }

    fn lease(&mut self, lanes: &[&'static str]) -> (u64, Spec) {
        let lanes: Vec<Lane> = lanes.iter().map(|name| self.lane(name)).collect();
        let given = self.order.take(ROOM, lanes.iter().map(|lane| (lane, ROOM)));
        assert_eq!(given.len(), 1, "each takes the whole room");
        (given[0].key, self.tasks[&given[0].key])
    }

    /// Leases one and puts its like in its place.
    fn turn_over(&mut self, lanes: &[&'static str]) -> Spec {
        let (_, spec) = self.lease(lanes);
        self.submit(spec);
        spec
    }

    /// The number of the lease that gives this task.
    fn wait(&mut self, task: u64, lane: &'static str) -> usize {
        1 + std::iter::from_fn(|| Some(self.lease(&[lane]).0)).take_while(|given| *given != task).count()
    }
}

#[test]
fn weights_of_1_2_4_get_shares_of_1_2_4_exactly() {
    let mut simulation = Simulation::new();
    let mut got = HashMap::new();
    for (tenant, weight) in [(0, 64), (1, 128), (2, 256)] {
        simulation.submit_many(100, Spec { weight, ..of(tenant) });
    }
    for _ in 0..7_000 {
        *got.entry(simulation.turn_over(&["x"]).tenant).or_default() += 1;
    }
    assert_eq!(got, HashMap::from([(0, 1_000), (1, 2_000), (2, 4_000)]));
}

#[test]
fn tasks_that_cost_10_and_tasks_that_cost_1_get_equal_cost_served() {
    let mut simulation = Simulation::new();
    let mut got = HashMap::new();
    for (tenant, cost) in [(0, 10), (1, 1)] {
        simulation.submit_many(50, Spec { cost, ..of(tenant) });
    }
    for _ in 0..11_000 {
        let spec = simulation.turn_over(&["x"]);
        *got.entry(spec.tenant).or_default() += spec.cost;
    }
    assert_eq!(got, HashMap::from([(0, 10_000), (1, 10_000)]));
}

/// The wait of one task at `low` while another tenant keeps the queue full at `high`.
fn wait_under_flood(low: u8, high: u8) -> usize {
    let mut simulation = Simulation::new();
    simulation.submit_many(200, of(0).priority(high));
    for _ in 0..500 {
        simulation.turn_over(&["x"]);
    }
    let mine = simulation.submit(of(1).priority(low));
    for lease in 1.. {
        let (given, spec) = simulation.lease(&["x"]);
        if given == mine {
            return lease;
        }
        simulation.submit(spec);
    }
    unreachable!()
}

#[test]
fn under_an_endless_flood_a_task_waits_the_power_of_the_difference() {
    assert_eq!(wait_under_flood(1, 10), 512);
    assert_eq!(wait_under_flood(1, 5), 17);
    assert_eq!(wait_under_flood(5, 10), 33);
}

/// The wait of a task of one tenant behind 10,000 of priority 5 of so many tenants, 0 being its own.
fn wait_behind(mine: Spec, tenants: u32) -> usize {
    let mut simulation = Simulation::new();
    for task in 0..10_000 {
        simulation.submit(of(task % tenants));
    }
    for _ in 0..10 {
        simulation.lease(&["x"]);
    }
    let mine = simulation.submit(mine);
    simulation.wait(mine, "x")
}

#[test]
fn one_of_priority_10_goes_before_a_backlog_of_priority_5() {
    assert_eq!(wait_behind(of(0).priority(10), 1), 1, "of its own tenant");
    assert_eq!(wait_behind(of(7).priority(10), 1), 1, "of another");
    assert_eq!(wait_behind(of(100).priority(10), 100), 1, "of 100 others");
    assert_eq!(wait_behind(of(1_000).priority(10), 1_000), 1, "of 1,000 others in lockstep");
    assert_eq!(wait_behind(of(0).priority(6), 1), 1, "one step is enough");
}

#[test]
fn behind_1000_tenants_in_lockstep_a_task_waits_its_share_of_the_rounds() {
    for (priority, expected) in [(10, 1), (7, 1), (5, 701), (1, 15_701)] {
        let mut simulation = Simulation::new();
        for task in 0..30_000 {
            simulation.submit(of(task % 1_000));
        }
        for _ in 0..10_300 {
            simulation.lease(&["x"]);
        }
        let mine = simulation.submit(of(1_000).priority(priority));
        assert_eq!(simulation.wait(mine, "x"), expected, "priority {priority}");
    }
}

#[test]
fn a_newcomer_in_a_slow_lane_is_second_however_fast_another_lane_is() {
    let mut simulation = Simulation::new();
    simulation.submit_many(5_000, of(0).lane("slow"));
    simulation.submit_many(50, of(1).lane("fast"));
    for _ in 0..20 {
        for _ in 0..1_000 {
            simulation.turn_over(&["fast"]);
        }
        simulation.lease(&["slow"]);
    }
    let mine = simulation.submit(of(2).lane("slow"));
    assert_eq!(simulation.wait(mine, "slow"), 2);
}

#[test]
fn what_waits_in_a_lane_that_nobody_serves_does_not_hold_its_tenant_up_elsewhere() {
    let mut simulation = Simulation::new();
    simulation.submit_many(5_000, of(0).lane("unserved"));
    simulation.submit_many(50, of(1));
    let mine = simulation.submit(of(0));
    assert_eq!(simulation.wait(mine, "x"), 2);
}

#[test]
fn a_lane_that_was_unserved_while_a_million_passed_elsewhere_does_not_catch_up_on_them() {
    let mut simulation = Simulation::new();
    simulation.submit_many(10, of(0).lane("y"));
    // a thousand of the largest cost move the clocks as far as a million of cost 1
    simulation.submit_many(10, Spec { cost: 1_024, ..of(1) });
    for _ in 0..1_000 {
        simulation.turn_over(&["x"]);
    }
    for _ in 0..10 {
        simulation.lease(&["x"]);
        simulation.submit(of(1));
    }
    let mut got = HashMap::<_, usize>::new();
    while got.get("x").is_none_or(|served| *served < 10) {
        *got.entry(simulation.turn_over(&["x", "y"]).lane).or_default() += 1;
        assert!(got.values().sum::<usize>() <= 1_000, "{got:?}");
    }
    assert_eq!(got["y"], 10);
}

#[test]
fn a_tenant_with_four_lanes_gets_four_shares_and_starves_nobody() {
    let mut simulation = Simulation::new();
    let lanes = ["l0", "l1", "l2", "l3", "l9"];
    lanes.into_iter().for_each(|lane| simulation.submit_many(20, of(u32::from(lane == "l9")).lane(lane)));
    let mut got = HashMap::new();
    for _ in 0..8_000 {
        *got.entry(simulation.turn_over(&lanes).tenant).or_default() += 1;
    }
    assert_eq!(got, HashMap::from([(0, 6_400), (1, 1_600)]));
}

#[test]
fn a_tenant_that_was_idle_gains_no_credit() {
    let mut simulation = Simulation::new();
    simulation.submit_many(100, of(0));
    for _ in 0..5_000 {
        simulation.turn_over(&["x"]);
    }
    simulation.submit_many(100, of(1));
    let mut got = HashMap::new();
    (0..100).for_each(|_| *got.entry(simulation.lease(&["x"]).1.tenant).or_default() += 1);
    assert_eq!(got, HashMap::from([(0, 50), (1, 50)]));
}

#[test]
fn priorities_that_all_wait_share_by_powers_of_two() {
    let mut simulation = Simulation::new();
    let priorities = [10, 8, 5, 3, 1];
    for (tenant, priority) in (0..).zip(priorities) {
        simulation.submit_many(50, of(tenant).priority(priority));
    }
    let mut got = HashMap::new();
    for _ in 0..30_000 {
        *got.entry(simulation.turn_over(&["x"]).priority).or_insert(0) += 1;
    }
    assert_eq!(priorities.map(|priority| got[&priority]), [23_239, 5_809, 726, 181, 45]);
}
