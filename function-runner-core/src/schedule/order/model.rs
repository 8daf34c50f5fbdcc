//! The order against a plain model: a flat list of tasks, scanned each time, with numbers that never wrap.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{Priority, Tenant};

const NAMES: [&str; 4] = ["a", "a", "b", "c"];
const TWIN: [bool; 4] = [false, true, true, false];

fn lanes() -> Vec<Lane> {
    let lane = |(name, twin): (&str, bool)| {
        let lane: Lane = format!("{name}@1.0:standard").parse().unwrap();
        if twin { lane.twin() } else { lane }
    };
    NAMES.into_iter().zip(TWIN).map(lane).collect()
}

#[derive(Clone, Debug)]
enum Step {
    Push { lane: usize, tenant: u8, priority: u8, increment: u64 },
    Front { lane: usize },
    Remove { nth: usize },
    Pause { lane: usize },
    Resume { lane: usize },
    Take { room: u32, asked: Vec<(usize, u32)> },
    Ahead { nth: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let increment =
        prop_oneof![1_u64..50, Just(4_096), Just(65_536), 1_u64 << 20..1 << 22, Just(1_u64 << 29)];
    prop_oneof![
        8 => (0..4_usize, 0_u8..4, 4_u8..6, increment)
            .prop_map(|(lane, tenant, priority, increment)| Step::Push { lane, tenant, priority, increment }),
        1 => (0..4_usize).prop_map(|lane| Step::Front { lane }),
        1 => any::<usize>().prop_map(|nth| Step::Remove { nth }),
        1 => (0..4_usize).prop_map(|lane| Step::Pause { lane }),
        1 => (0..4_usize).prop_map(|lane| Step::Resume { lane }),
        4 => (0_u32..12, vec((0..4_usize, 1_u32..5), 0..5))
            .prop_map(|(room, asked)| Step::Take { room, asked }),
        1 => any::<usize>().prop_map(|nth| Step::Ahead { nth }),
    ]
}

struct Waiting {
    lane: usize,
    tag: i128,
    increment: i128,
    key: u32,
}

#[derive(Clone, Default)]
struct Clock {
    v: i128,
    shift: i128,
    flows: BTreeMap<(u8, u8), i128>,
}

#[derive(Default)]
struct Model {
    tasks: Vec<Waiting>,
    clocks: BTreeMap<usize, Clock>,
    paused: BTreeSet<usize>,
    w: i128,
}

impl Model {
    fn clock(&mut self, lane: usize) -> &mut Clock {
        let w = self.w;
        self.clocks.entry(lane).or_insert_with(|| Clock { v: 0, shift: w, flows: BTreeMap::new() })
    }

    fn push(&mut self, lane: usize, flow: (u8, u8), increment: u64, key: u32) -> i128 {
        let clock = self.clock(lane);
        if !clock.flows.contains_key(&flow) {
            let v = clock.v;
            clock.flows.retain(|_, tag| *tag >= v);
        }
        let increment = i128::from(increment);
        let tag = (clock.flows.get(&flow).copied().unwrap_or(0).max(clock.v) + increment).min((1 << 53) - 1);
        clock.flows.insert(flow, tag);
        self.tasks.push(Waiting { lane, tag, increment, key });
        tag
    }

    fn front(&mut self, lane: usize, key: u32) -> i128 {
        let tag = self.clock(lane).v;
        // the increment it had would move nothing: the model charges one all the same
        self.tasks.push(Waiting { lane, tag, increment: 777, key });
        tag
    }

    fn remove(&mut self, at: usize) {
        let lane = self.tasks.remove(at).lane;
        self.drop_empty(lane);
    }

    fn drop_empty(&mut self, lane: usize) {
        if self.tasks.iter().all(|task| task.lane != lane) {
            self.clocks.remove(&lane);
        }
    }

    fn with_twin(lane: usize) -> Vec<usize> {
        if lane == 0 { vec![0, 1] } else { vec![lane] }
    }

    fn resume(&mut self, lane: usize) {
        for lane in Self::with_twin(lane) {
            let head = self.tasks.iter().filter(|task| task.lane == lane).map(|task| task.tag).min();
            if self.paused.remove(&lane)
                && let Some(head) = head
            {
                let w = self.w;
                self.clock(lane).shift = w - head;
            }
        }
    }

    fn take(&mut self, mut room: u32, asked: &[(usize, u32)]) -> Vec<u32> {
        let before = self.clocks.clone();
        let (mut given, mut suspects, mut touched) = (Vec::new(), 0, BTreeSet::new());
        let names = lanes();
        loop {
            let cost = |lane: usize| asked.iter().find(|(asked, _)| *asked == lane).map(|(_, cost)| *cost);
            let may = |task: &&Waiting| {
                !self.paused.contains(&task.lane)
                    && cost(task.lane).is_some_and(|cost| cost <= room)
                    && !(TWIN[task.lane] && suspects > 0)
            };
            let place =
                |task: &Waiting| (task.tag + self.clocks[&task.lane].shift, &names[task.lane], task.key);
            let next = self.tasks.iter().filter(may).min_by_key(|task| place(task)).map(|task| task.key);
            let Some(at) = next.and_then(|key| self.tasks.iter().position(|task| task.key == key)) else {
                break;
            };
            let task = self.tasks.remove(at);
            room -= cost(task.lane).unwrap();
            suspects += u32::from(TWIN[task.lane]);
            given.push(task.key);
            touched.insert(task.lane);
            let flows = (before[&task.lane].flows.len() as i128).max(1);
            let w = self.w;
            let clock = self.clock(task.lane);
            if w - (task.tag + clock.shift) > 1 << 20 {
                clock.shift = w - task.tag;
            }
            let share = (task.increment + (flows - task.increment % flows) % flows) / flows;
            clock.v = clock.v.max(task.tag.min((task.tag - task.increment).max(clock.v + share)));
        }
        for lane in touched {
            self.w = self.w.max(self.clocks[&lane].v + self.clocks[&lane].shift);
            self.drop_empty(lane);
        }
        given
    }

    fn ahead(&self, at: usize) -> usize {
        let of = |task: &Waiting| (task.lane, task.tag, task.key);
        let (lane, tag, key) = of(&self.tasks[at]);
        self.tasks.iter().filter(|task| task.lane == lane && (task.tag, task.key) < (tag, key)).count()
    }
}

/// Runs the steps on both, comparing every answer; `below` is how far below the mark the reach begins at
/// which it is taken off, which the model never does.
fn agree(below: Option<u64>, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let (mut order, mut model, lanes) = (Order::new(), Model::default(), lanes());
    order.reach = below.map_or(0, |below| (1 << 52) - below);
    model.w = order.reach.into();
    for (key, step) in (0..).zip(steps) {
        match step {
            Step::Push { lane, tenant, priority, increment } => {
                let flow =
                    Flow::new(Tenant::new(format!("t{tenant}")).unwrap(), Priority::new(priority).unwrap());
                let tag = order.push(&lanes[lane], &flow, increment, key);
                prop_assert_eq!(i128::from(tag), model.push(lane, (tenant, priority), increment, key));
            }
            Step::Front { lane } => {
                prop_assert_eq!(i128::from(order.push_front(&lanes[lane], key)), model.front(lane, key));
            }
            Step::Remove { nth } if !model.tasks.is_empty() => {
                let at = nth % model.tasks.len();
                let task = &model.tasks[at];
                prop_assert!(order.remove(&lanes[task.lane], task.tag as u64, &task.key));
                model.remove(at);
            }
            Step::Ahead { nth } if !model.tasks.is_empty() => {
                let at = nth % model.tasks.len();
                let task = &model.tasks[at];
                prop_assert_eq!(
                    order.ahead(&lanes[task.lane], task.tag as u64, &task.key),
                    Some(model.ahead(at))
                );
            }
            Step::Remove { .. } | Step::Ahead { .. } => {}
            Step::Pause { lane } => {
                order.pause(&lanes[lane]);
                model.paused.extend(Model::with_twin(lane));
            }
            Step::Resume { lane } => {
                order.resume(&lanes[lane]);
                model.resume(lane);
            }
            Step::Take { room, asked } => {
                let given = order.take(room, asked.iter().map(|(lane, cost)| (&lanes[*lane], *cost)));
                let given: Vec<u32> = given.into_iter().map(|given| given.key).collect();
                prop_assert_eq!(given, model.take(room, &asked));
            }
        }
        for (at, lane) in lanes.iter().enumerate() {
            let waiting = || model.tasks.iter().filter(|task| task.lane == at);
            prop_assert_eq!(order.len(lane), waiting().count());
            prop_assert_eq!(order.is_paused(lane), model.paused.contains(&at));
            let head = waiting().min_by_key(|task| (task.tag, task.key)).map(|task| task.key);
            let expected = head.filter(|_| !model.paused.contains(&at));
            prop_assert_eq!(order.head(lane).map(|head| *head.key), expected);
        }
    }
    let held: Vec<_> = order.lanes.iter().filter(|(_, queue)| queue.ready.len() == 0).collect();
    prop_assert!(held.iter().all(|(_, queue)| queue.clock.is_paused()), "an empty lane is kept");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_answer_is_the_models(steps in vec(step(), 1..250)) {
        agree(None, steps)?;
    }

    #[test]
    fn every_answer_is_the_models_while_the_reach_is_taken_off(
        below in 0_u64..1 << 21,
        steps in vec(step(), 1..250),
    ) {
        agree(Some(below), steps)?;
    }
}
