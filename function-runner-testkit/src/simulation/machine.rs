//! What a worker's machine holds, summed up in plain arithmetic beside the worker's own.

use function_runner_core::{Amounts, Capacity, Grant, worker::Start};

/// A machine with the bodies that run on it and the models that are loaded.
#[derive(Debug)]
pub(super) struct Machine {
    capacity: Capacity,
    used: Amounts,
    cards: Vec<Card>,
    models: Vec<Model>,
}

#[derive(Clone, Debug, Default)]
struct Card {
    used: u64,
    /// Whether a body has it for itself.
    whole: bool,
}

/// A model that is loaded: it stays when the last of its bodies ends, until it is told to go.
#[derive(Debug)]
struct Model {
    lane: usize,
    shared: Amounts,
    card: Option<usize>,
    users: u32,
}

impl Machine {
    pub(super) fn new(capacity: Capacity) -> Self {
        let cards = vec![Card::default(); capacity.gpus.len()];
        Self { capacity, used: Amounts::new(), cards, models: Vec::new() }
    }

    /// A body starts. Fails where it was granted something else than it needs, or the machine has less than runs.
    pub(super) fn start(&mut self, start: &Start) -> Result<(), String> {
        let (grant, envelope) = (&start.grant, &start.task.envelope);
        let option = envelope.requires.options().nth(grant.option).ok_or("an alternative it has not")?;
        if (&option.each, &option.shared) != (&grant.amounts, &grant.shared) {
            return Err(format!("granted {grant:?} where it needs {option}"));
        }
        self.models.retain(|model| model.users > 0 || !start.evicted.contains(&model.lane));
        self.enter_model(start.lane, grant);
        add(&mut self.used, &grant.amounts, 1);
        if grant.amounts.gpus > 0 {
            if grant.gpus.len() != grant.amounts.gpus as usize {
                return Err(format!("{} GPUs for {}", grant.gpus.len(), grant.amounts));
            }
            for &card in &grant.gpus {
                let on_it = self.on_card(card);
                let place = &mut self.cards[card];
                if place.whole || on_it > 0 || self.capacity.gpus[card] < grant.amounts.gpu_memory_mib {
                    return Err(format!("GPU {card} is not free for a whole task: {on_it} MiB taken"));
                }
                place.whole = true;
            }
        } else if grant.amounts.gpu_memory_mib > 0 {
            let card = *grant.gpus.first().ok_or("GPU memory, but on no GPU")?;
            self.cards[card].used += grant.amounts.gpu_memory_mib;
        }
        self.check()
    }

    /// How many of its GPUs a body runs on.
    pub(super) fn cards_used(&self) -> i64 {
        self.cards.iter().filter(|card| card.whole || card.used > 0).count() as i64
    }

    /// Nothing of a body runs any more.
    pub(super) fn end(&mut self, lane: usize, grant: &Grant) {
        add(&mut self.used, &grant.amounts, -1);
        if grant.amounts.gpus > 0 {
            grant.gpus.iter().for_each(|&card| self.cards[card].whole = false);
        } else if let Some(&card) = grant.gpus.first() {
            self.cards[card].used -= grant.amounts.gpu_memory_mib;
        }
        if let Some(model) = self.models.iter_mut().find(|model| model.is(lane, grant)) {
            model.users -= 1;
        }
    }

    fn enter_model(&mut self, lane: usize, grant: &Grant) {
        if grant.shared.is_zero() {
            return;
        }
        match self.models.iter_mut().find(|model| model.is(lane, grant)) {
            Some(model) => model.users += 1,
            None => {
                let (shared, card) = (grant.shared.clone(), card_of(grant));
                self.models.push(Model { lane, shared, card, users: 1 });
            }
        }
    }

    /// The GPU memory that is taken of a card, in MiB.
    fn on_card(&self, card: usize) -> u64 {
        let models = self.models.iter().filter(|model| model.card == Some(card));
        self.cards[card].used + models.map(|model| model.shared.gpu_memory_mib).sum::<u64>()
    }

    fn check(&self) -> Result<(), String> {
        let mut all = self.used.clone();
        self.models.iter().for_each(|model| add(&mut all, &model.shared, 1));
        let capacity = &self.capacity;
        let pairs = [
            (all.cpu_millis, capacity.cpu_millis),
            (all.memory_mib, capacity.memory_mib),
            (all.disk_mib, capacity.disk_mib),
            (all.slots, capacity.slots),
        ];
        let custom = all.custom.iter().all(|(name, n)| *n <= capacity.custom.get(name).copied().unwrap_or(0));
        let cards = (0..self.cards.len()).all(|card| {
            let taken = self.on_card(card);
            taken <= capacity.gpus[card] && !(self.cards[card].whole && taken > 0)
        });
        if pairs.iter().all(|(used, has)| used <= has) && custom && cards {
            return Ok(());
        }
        Err(format!("holds {all} and on its GPUs {:?}, of {capacity}", self.cards))
    }
}

impl Model {
    fn is(&self, lane: usize, grant: &Grant) -> bool {
        self.lane == lane && self.shared == grant.shared && self.card == card_of(grant)
    }
}

fn card_of(grant: &Grant) -> Option<usize> {
    grant.gpus.first().copied().filter(|_| grant.shared.gpu_memory_mib > 0)
}

/// Adds these amounts so many times, GPUs left out: they are looked at one by one.
fn add(sum: &mut Amounts, amounts: &Amounts, times: i64) {
    let change = |own: &mut u64, n: u64| *own = own.saturating_add_signed(times * n as i64);
    change(&mut sum.cpu_millis, amounts.cpu_millis);
    change(&mut sum.memory_mib, amounts.memory_mib);
    change(&mut sum.disk_mib, amounts.disk_mib);
    change(&mut sum.slots, amounts.slots);
    for (name, n) in &amounts.custom {
        change(sum.custom.entry(name.clone()).or_default(), *n);
    }
}
