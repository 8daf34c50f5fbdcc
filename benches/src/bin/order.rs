//! One decision of the order of work, at lengths from 1 to a million, beside an ordered set of the same length: one
//! task is given and another becomes ready in its place, so every length stays as it is.

use std::{collections::BTreeSet, time::Instant};

use function_runner_benches::{Figure, ROUNDS, table};
use function_runner_core::{
    Lane, Priority, Tenant, Weight,
    schedule::{Flow, Order, ROOM, increment, lane_cost},
};

const LENGTHS: [usize; 4] = [1, 1_000, 100_000, 1_000_000];
const TENANTS: [usize; 3] = [1, 50, 1_000];
const LANES: [usize; 3] = [1, 20, 100];

/// How many decisions are timed together.
const DECISIONS: usize = 20_000;

/// So many tasks ready, of so many tenants, in so many lanes.
struct Queue {
    order: Order<u64>,
    flows: Vec<Flow>,
    lanes: Vec<Lane>,
    next: u64,
    increment: u64,
}

impl Queue {
    fn new(length: usize, tenants: usize, lanes: usize) -> Self {
        let tenant = |n| Tenant::new(format!("tenant-{n}")).expect("a valid name");
        let lane = |n| format!("bench.lane-{n}@1.0:standard").parse().expect("a valid lane");
        let mut queue = Self {
            order: Order::new(),
            flows: (0..tenants).map(|n| Flow::new(tenant(n), Priority::default())).collect(),
            lanes: (0..lanes).map(lane).collect(),
            next: 0,
            increment: increment(1, Priority::default(), Weight::default()),
        };
        (0..length).for_each(|_| queue.push());
        queue
    }

    /// Tenants and lanes by a hash of the number, so that no pattern of theirs meets one of the memory's.
    fn push(&mut self) {
        let mixed = self.next.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let lane = &self.lanes[mixed as usize % self.lanes.len()];
        let flow = &self.flows[(mixed >> 20) as usize % self.flows.len()];
        self.order.push(lane, flow, self.increment, self.next);
        self.next += 1;
    }

    /// Gives so many tasks in calls that name every lane, and time for nothing else.
    fn run(&mut self, calls: usize, each: u64) -> usize {
        // a cost for which so many fit
        let cost = lane_cost(each).expect("some fit");
        let mut given = 0;
        for _ in 0..calls {
            let asked = self.lanes.iter().map(|lane| (lane, cost));
            let count = self.order.take(ROOM, asked).len();
            (0..count).for_each(|_| self.push());
            given += count;
        }
        given
    }
}

/// What any ordered queue of this length does for each task.
fn limit(set: &mut BTreeSet<(u64, u64)>, next: &mut u64) {
    for _ in 0..DECISIONS {
        let (tag, _) = set.pop_first().expect("it is never empty");
        *next += 1;
        set.insert((tag + *next % 4_096, *next));
    }
}

fn measure(length: usize) -> Vec<(Figure, bool)> {
    let mut set: BTreeSet<(u64, u64)> = (0..length as u64).map(|n| (n % 4_096, n)).collect();
    let mut next = length as u64;
    let mut rows = vec![(Figure::new(format!("limit, an ordered set, {length} queued")), true)];
    let mut queues = Vec::new();
    for (tenants, lanes) in TENANTS.iter().flat_map(|tenants| LANES.map(|lanes| (*tenants, lanes))) {
        // fewer tasks than lanes or tenants are what the smaller case measures
        if tenants.max(lanes) > length.max(1) {
            continue;
        }
        for each in [1, 16] {
            if each > length as u64 {
                continue;
            }
            let name = format!("{length} queued, {tenants} tenants, {lanes} lanes, {each} a call");
            rows.push((Figure::new(name), false));
            queues.push((Queue::new(length, tenants, lanes), each));
        }
    }
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        limit(&mut set, &mut next);
        rows[0].0.add(DECISIONS, begin.elapsed());
        for ((queue, each), (figure, _)) in queues.iter_mut().zip(&mut rows[1..]) {
            let begin = Instant::now();
            let given = queue.run(DECISIONS / *each as usize, *each);
            figure.add(given, begin.elapsed());
        }
    }
    rows
}

fn main() {
    println!(
        "order of work: a task given and another ready in its place, median of {ROUNDS} interleaved rounds"
    );
    for length in LENGTHS {
        let rows = measure(length);
        let limit = &rows[0].0;
        let rows: Vec<_> =
            rows.iter().map(|(figure, is_limit)| (figure, (!is_limit).then_some(limit))).collect();
        println!("{}", table(&rows));
    }
}
