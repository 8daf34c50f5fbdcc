//! The pool against a model that keeps no sums: it lists who holds what and tries everything.

use std::cmp::Reverse;

use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};

use super::*;
use crate::Largest;

/// Every task that runs and every shared part that is loaded; the rest is worked out anew each time.
#[derive(Clone, Debug)]
struct Model {
    capacity: Capacity,
    tasks: Vec<(Lane, Grant)>,
    parts: Vec<Loaded>,
    endings: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct Loaded {
    lane: Lane,
    amounts: Amounts,
    card: Option<usize>,
    tasks: u64,
    ended: u64,
}

/// What is left, signed, so that a debt shows.
#[derive(Clone, Debug)]
struct Left {
    divisible: Vec<(&'static str, i128)>,
    cards: Vec<(i128, bool)>,
}

const NAMES: [&str; 5] = ["cpu", "memory", "disk", "slots", "tpu"];

fn list(amounts: &Amounts) -> [i128; 5] {
    let Amounts { cpu_millis, memory_mib, disk_mib, slots, .. } = *amounts;
    [cpu_millis, memory_mib, disk_mib, slots, amounts.custom.get("tpu").copied().unwrap_or(0)].map(i128::from)
}

impl Left {
    fn pay(&mut self, amounts: &Amounts, cards: &[usize]) {
        self.divisible.iter_mut().zip(list(amounts)).for_each(|((_, left), n)| *left -= n);
        for &card in cards {
            if amounts.gpus > 0 {
                assert!(!self.cards[card].1, "a GPU was given whole twice");
                self.cards[card].1 = true;
            } else {
                self.cards[card].0 -= i128::from(amounts.gpu_memory_mib);
            }
        }
    }
}

impl Model {
    fn new(capacity: &Capacity) -> Self {
        Self { capacity: capacity.clone(), tasks: Vec::new(), parts: Vec::new(), endings: 0 }
    }

    /// What is left if these parts were not there.
    fn left(&self, without: &[usize]) -> Left {
        let c = &self.capacity;
        let all =
            [c.cpu_millis, c.memory_mib, c.disk_mib, c.slots, c.custom.get("tpu").copied().unwrap_or(0)];
        let divisible = NAMES.into_iter().zip(all.map(i128::from)).collect();
        let mut left =
            Left { divisible, cards: c.gpus.iter().map(|&memory| (memory.into(), false)).collect() };
        for (_, grant) in &self.tasks {
            left.pay(&grant.amounts, &grant.gpus);
        }
        for (_, part) in self.parts.iter().enumerate().filter(|(index, _)| !without.contains(index)) {
            left.pay(&part.amounts, part.card.as_slice());
        }
        left
    }

    fn own(&self, lane: &Lane, shared: &Amounts) -> Option<usize> {
        self.parts.iter().position(|part| part.lane == lane.plain() && part.amounts == *shared)
    }

    /// Every way in which GPUs could be given to one more task, beside parts that are not in `without`.
    fn ways(&self, lane: &Lane, option: &ResourceRequirement, without: &[usize]) -> Vec<Vec<usize>> {
        let left = self.left(without);
        let own = self.own(lane, &option.shared).filter(|index| !without.contains(index));
        let load = if own.is_some() { Amounts::new() } else { option.shared.clone() };
        let enough = left.divisible.iter().zip(list(&load)).zip(list(&option.each));
        if option.shared.gpus > 0 || enough.into_iter().any(|(((_, left), load), each)| *left < load + each) {
            return Vec::new();
        }
        let (shared, each) = (i128::from(load.gpu_memory_mib), i128::from(option.each.gpu_memory_mib));
        if option.each.gpus > 0 {
            return if option.shared.gpu_memory_mib > 0 {
                Vec::new()
            } else {
                self.whole_ways(&left, option)
            };
        }
        let pinned = own.and_then(|own| self.parts[own].card);
        if option.shared.gpu_memory_mib == 0 && each == 0 {
            return vec![Vec::new()];
        }
        let fits = |&card: &usize| !left.cards[card].1 && left.cards[card].0 >= shared + each;
        (0..left.cards.len())
            .filter(|card| pinned.is_none_or(|p| p == *card))
            .filter(fits)
            .map(|c| vec![c])
            .collect()
    }

    fn whole_ways(&self, left: &Left, option: &ResourceRequirement) -> Vec<Vec<usize>> {
        let vacant =
            |card: usize| !left.cards[card].1 && left.cards[card].0 == i128::from(self.capacity.gpus[card]);
        let enough = |card: usize| vacant(card) && self.capacity.gpus[card] >= option.each.gpu_memory_mib;
        let sets = 0_usize..1 << self.capacity.gpus.len();
        let members =
            sets.map(|set| (0..self.capacity.gpus.len()).filter(|i| set >> i & 1 == 1).collect::<Vec<_>>());
        members
            .filter(|set| set.len() == option.each.gpus as usize && set.iter().all(|&i| enough(i)))
            .collect()
    }

    /// The parts that have to go for one more task, oldest first: of all sets that suffice the one whose most
    /// recently used member was used least recently, then the next, and so on. All are tried.
    fn to_evict(&self, lane: &Lane, option: &ResourceRequirement) -> Option<Vec<usize>> {
        let own = self.own(lane, &option.shared);
        let mut idle: Vec<usize> =
            (0..self.parts.len()).filter(|&i| self.parts[i].tasks == 0 && Some(i) != own).collect();
        idle.sort_by_key(|&i| self.parts[i].ended);
        let may_move = own.filter(|&own| self.parts[own].tasks == 0);
        for forced in [None, may_move].into_iter().take(1 + usize::from(may_move.is_some())) {
            for set in 0_usize..1 << idle.len() {
                let chosen =
                    idle.iter().enumerate().filter(|(rank, _)| set >> rank & 1 == 1).map(|(_, &part)| part);
                let mut gone: Vec<usize> = chosen.chain(forced).collect();
                if !self.ways(lane, option, &gone).is_empty() {
                    gone.sort_by_key(|&i| self.parts[i].ended);
                    return Some(gone);
                }
            }
        }
        None
    }

    fn take(&mut self, lane: &Lane, needs: &ResourceRequirement, took: Option<&(Grant, Vec<Lane>)>) {
        let mut options = needs.options().enumerate();
        let expected = options.find_map(|(i, option)| Some((i, option, self.to_evict(lane, option)?)));
        let (Some((index, option, gone)), Some((grant, evicted))) = (&expected, took) else {
            assert!(expected.is_none() && took.is_none(), "expected {expected:?}, took {took:?}");
            return;
        };
        assert_eq!((grant.option, &grant.amounts, &grant.shared), (*index, &option.each, &option.shared));
        let mut lanes: Vec<Lane> = gone.iter().map(|&part| self.parts[part].lane.clone()).collect();
        let mut seen = Vec::new();
        lanes.retain(|lane| !seen.contains(lane) && (seen.push(lane.clone()), true).1);
        assert_eq!(evicted, &lanes);
        self.check_gpus(lane, option, gone, &grant.gpus);
        let mut index = 0;
        self.parts.retain(|_| (!gone.contains(&index), index += 1).0);
        if !option.shared.is_zero() {
            let own = self.own(lane, &option.shared).unwrap_or_else(|| {
                let card = grant.gpus.first().copied().filter(|_| option.shared.gpu_memory_mib > 0);
                let amounts = option.shared.clone();
                self.parts.push(Loaded { lane: lane.plain(), amounts, card, tasks: 0, ended: 0 });
                self.parts.len() - 1
            });
            self.parts[own].tasks += 1;
        }
        self.tasks.push((lane.clone(), grant.clone()));
    }

    /// The GPUs are those the rules name, of all that would do.
    fn check_gpus(&self, lane: &Lane, option: &ResourceRequirement, gone: &[usize], gpus: &[usize]) {
        let ways = self.ways(lane, option, gone);
        assert!(ways.iter().any(|way| way == gpus), "{gpus:?} is none of {ways:?}");
        let left = self.left(gone);
        let own = self.own(lane, &option.shared).filter(|own| !gone.contains(own));
        let rank = |way: &Vec<usize>| -> (Reverse<usize>, Vec<i128>) {
            let mut sizes: Vec<i128> = way.iter().map(|&card| left.cards[card].0).collect();
            sizes.sort_unstable();
            let loads = option.shared.gpu_memory_mib > 0 && own.is_none();
            (Reverse(if loads { self.would_run(lane, option, gone, way[0]) } else { 0 }), sizes)
        };
        let best = ways.iter().map(rank).min().unwrap();
        assert_eq!(rank(&gpus.to_vec()), best, "{gpus:?} of {ways:?}");
    }

    /// How many tasks would run with nobody else evicted if the shared part were loaded on that GPU; up to
    /// 50.
    fn would_run(&self, lane: &Lane, option: &ResourceRequirement, gone: &[usize], card: usize) -> usize {
        let mut model = self.clone();
        let mut index = 0;
        model.parts.retain(|_| (!gone.contains(&index), index += 1).0);
        let (lane_of, amounts) = (lane.plain(), option.shared.clone());
        model.parts.push(Loaded { lane: lane_of, amounts, card: Some(card), tasks: 1, ended: 0 });
        let grant = Grant { amounts: option.each.clone(), gpus: vec![card], ..Grant::default() };
        let mut count = 0;
        while count < 50 && !model.ways(lane, option, &[]).is_empty() {
            model.tasks.push((lane.clone(), grant.clone()));
            count += 1;
        }
        count
    }

    fn give(&mut self, index: usize) -> (Lane, Grant) {
        let (lane, grant) = self.tasks.remove(index);
        if let Some(own) = self.own(&lane, &grant.shared) {
            self.endings += 1;
            (self.parts[own].tasks, self.parts[own].ended) = (self.parts[own].tasks - 1, self.endings);
        }
        (lane, grant)
    }

    /// Nothing is owed, and the pool's sums are those of the lists.
    fn check(&self, pool: &Pool) {
        let left = self.left(&[]);
        assert!(left.divisible.iter().all(|(_, left)| *left >= 0), "{left:?}");
        for (card, &memory) in left.cards.iter().zip(&self.capacity.gpus) {
            assert!(card.0 >= 0 && (!card.1 || card.0 == i128::from(memory)), "{left:?}");
        }
        let idle: Vec<usize> = (0..self.parts.len()).filter(|&i| self.parts[i].tasks == 0).collect();
        let (left, free, load) = (self.left(&idle), pool.free(), pool.load());
        assert_eq!(list(&free).to_vec(), left.divisible.iter().map(|(_, n)| *n).collect::<Vec<_>>());
        let all = Model::new(&self.capacity).left(&[]);
        let taken = all.divisible.iter().zip(&left.divisible).map(|(all, left)| all.1 - left.1);
        assert_eq!(list(&load).to_vec(), taken.collect::<Vec<_>>());
        let parts = left.cards.iter().map(|&(left, whole)| if whole { 0 } else { left });
        assert_eq!(i128::from(free.gpu_memory_mib), parts.clone().max().unwrap_or(0));
        let memory: i128 = self.capacity.gpus.iter().map(|&n| i128::from(n)).sum();
        assert_eq!(i128::from(load.gpu_memory_mib), memory - parts.sum::<i128>());
        assert_eq!(load.gpus as usize, left.cards.iter().filter(|card| card.1).count());
        for lane in lanes() {
            let warm = self.parts.iter().any(|part| part.lane == lane);
            assert_eq!((pool.is_warm(&lane), pool.is_warm(&lane.twin())), (warm, warm));
        }
    }
}

fn lanes() -> [Lane; 3] {
    ["a", "b", "c"].map(|name| format!("{name}@1.0:standard").parse().unwrap())
}

#[derive(Clone, Debug)]
enum Move {
    Take { lane: usize, twin: bool, needs: usize },
    Give(prop::sample::Index),
    Unload(usize),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let take = (0..3_usize, any::<bool>(), 0..4_usize);
    let one = prop_oneof![
        5 => take.prop_map(|(lane, twin, needs)| Move::Take { lane, twin, needs }),
        3 => any::<prop::sample::Index>().prop_map(Move::Give),
        1 => (0..3_usize).prop_map(Move::Unload),
    ];
    prop::collection::vec(one, 1..60)
}

fn capacity() -> impl Strategy<Value = Capacity> {
    let gpus = prop::collection::vec(0..16_u64, 0..4);
    (0..12_u64, 0..12_u64, 0..3_u64, 0..9_u64, gpus, 0..3_u64).prop_map(
        |(cpu, memory, disk, slots, gpus, tpu)| {
            let all = Capacity::new()
                .cpu_millis(cpu)
                .memory_mib(memory)
                .disk_mib(disk)
                .slots(slots)
                .custom("tpu", tpu);
            gpus.into_iter().fold(all, Capacity::gpu)
        },
    )
}

fn divisible() -> impl Strategy<Value = ResourceRequirement> {
    let rare = || prop_oneof![4 => Just(0_u64), 1 => 1..3_u64];
    (0..4_u64, 0..3_u64, rare(), 0..3_u64, rare()).prop_map(|(cpu, memory, disk, slots, tpu)| {
        let needs = ResourceRequirement::new().cpu_millis(cpu).memory_mib(memory).disk_mib(disk).slots(slots);
        if tpu > 0 { needs.custom("tpu", tpu) } else { needs }
    })
}

fn option() -> impl Strategy<Value = ResourceRequirement> {
    let gpus = prop_oneof![5 => Just(0_u32), 1 => 1..3_u32];
    let memory = || prop_oneof![Just(0_u64), 1..9_u64];
    let shared = (0..6_u64, memory(), 0..2_u64, 0..2_u64).prop_map(|(memory, gpu, slots, tpu)| {
        let part = ResourceRequirement::new().memory_mib(memory).gpu_memory_mib(gpu).slots(slots);
        if tpu > 0 { part.custom("tpu", tpu) } else { part }
    });
    let mixed =
        (divisible(), gpus, memory(), prop::option::of(shared)).prop_map(|(each, gpus, memory, shared)| {
            each.gpus(gpus).gpu_memory_mib(memory).shared(shared.unwrap_or_default())
        });
    prop_oneof![mixed, model_on_a_gpu()]
}

/// So little else that GPUs are what is scarce.
fn model_on_a_gpu() -> impl Strategy<Value = ResourceRequirement> {
    let gpu = |mib| ResourceRequirement::new().gpu_memory_mib(mib);
    (1..6_u64, 0..7_u64).prop_map(move |(shared, each)| gpu(each).shared(gpu(shared)))
}

/// Mostly with alternatives, some of which share the first one's shared part.
fn needs() -> impl Strategy<Value = ResourceRequirement> {
    let more = prop::collection::vec((option(), any::<bool>()), 0..3);
    let any = (option(), more).prop_map(|(first, more)| {
        let same = first.shared.clone();
        more.into_iter().fold(first, |needs, (mut option, shares)| {
            option.shared = if shares { same.clone() } else { option.shared };
            needs.or(option)
        })
    });
    prop_oneof![3 => any, 2 => model_on_a_gpu(), 1 => divisible()]
}

/// How often a task can be taken in a row, up to 300.
fn taken_in_a_row(pool: &Pool, lane: &Lane, needs: &ResourceRequirement) -> u64 {
    let mut pool = pool.clone();
    let mut count = 0;
    while count < 300 && pool.take(lane, needs).is_some() {
        count += 1;
    }
    count
}

fn check_counts(pool: &Pool, empty: &Pool, lane: &Lane, needs: &ResourceRequirement) {
    for (pool, count) in [(pool, pool.how_many(lane, needs)), (empty, pool.how_many_at_all(lane, needs))] {
        assert!(count <= MOST_TASKS);
        assert_eq!(count.min(300), taken_in_a_row(pool, lane, needs), "{count} counted");
    }
    assert_eq!(pool.fits_ever(needs), pool.how_many_at_all(lane, needs) > 0);
    assert!(pool.how_many(lane, needs) == 0 || pool.fits_ever(needs));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_owed_whatever_is_taken_and_given(
        capacity in capacity(),
        needs in prop::collection::vec(needs(), 4),
        moves in moves(),
    ) {
        let (mut pool, empty) = (Pool::new(capacity.clone()), Pool::new(capacity.clone()));
        let mut model = Model::new(&capacity);
        for step in moves {
            match step {
                Move::Take { lane, twin, needs: index } => {
                    let lane = if twin { lanes()[lane].twin() } else { lanes()[lane].clone() };
                    check_counts(&pool, &empty, &lane, &needs[index]);
                    let took = pool.take(&lane, &needs[index]);
                    model.take(&lane, &needs[index], took.as_ref());
                }
                Move::Give(_) if model.tasks.is_empty() => {}
                Move::Give(index) => {
                    let (lane, grant) = model.give(index.index(model.tasks.len()));
                    pool.give(&lane, &grant);
                }
                Move::Unload(lane) => {
                    pool.unload(&lanes()[lane]);
                    model.parts.retain(|part| part.tasks > 0 || part.lane != lanes()[lane]);
                }
            }
            model.check(&pool);
        }
        while !model.tasks.is_empty() {
            let (lane, grant) = model.give(0);
            pool.give(&lane, &grant);
        }
        lanes().iter().for_each(|lane| pool.unload(lane));
        prop_assert_eq!(&pool.room, &*pool.all);
    }

    #[test]
    fn what_was_taken_and_given_leaves_no_trace_but_warmth(
        capacity in capacity(),
        needs in prop::collection::vec(needs(), 2),
    ) {
        let [first, second, ..] = lanes();
        let mut pool = Pool::new(capacity);
        drop(pool.take(&first, &needs[0]));
        let before = pool.clone();
        if let Some((grant, evicted)) = pool.take(&second, &needs[1]) {
            prop_assert!(evicted.is_empty(), "nothing is idle yet");
            prop_assert!(before.how_many(&second, &needs[1]) > 0);
            pool.give(&second, &grant);
            prop_assert_eq!(pool.load(), before.load());
            pool.unload(&second);
        }
        prop_assert_eq!(pool.room, before.room);
    }

    #[test]
    fn what_fits_some_worker_is_never_too_much(
        capacities in prop::collection::vec(capacity(), 1..4),
        needs in needs(),
    ) {
        let mut largest = Largest::default();
        capacities.iter().for_each(|capacity| largest.merge(capacity));
        if capacities.into_iter().any(|capacity| Pool::new(capacity).fits_ever(&needs)) {
            prop_assert_eq!(largest.excess(&needs), None);
        }
    }

    #[test]
    fn any_mix_of_divisible_resources_whose_costs_fit_the_room_fits_the_pool(
        scale in 1..5000_u64,
        capacity in capacity(),
        held in prop::collection::vec(divisible(), 0..4),
        lanes in prop::collection::vec(divisible(), 1..6),
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..200),
    ) {
        let capacity = Capacity {
            cpu_millis: capacity.cpu_millis * scale + scale / 3,
            memory_mib: capacity.memory_mib * scale + scale / 2,
            ..capacity
        };
        let lane = &self::lanes()[0];
        let mut pool = Pool::new(capacity);
        held.iter().for_each(|needs| drop(pool.take(lane, needs)));
        let asked = lanes.iter().map(|needs| (needs, pool.how_many(lane, needs))).filter(|(_, n)| *n > 0);
        let costs: Vec<_> = asked.map(|(needs, n)| (needs, MOST_TASKS.div_ceil(n))).collect();
        let mut room = MOST_TASKS;
        for index in order {
            if costs.is_empty() { break }
            let (needs, cost) = costs[index.index(costs.len())];
            if cost <= room {
                room -= cost;
                prop_assert!(pool.take(lane, needs).is_some(), "room {room} left, free {:?}", pool.free());
            }
        }
    }
}
