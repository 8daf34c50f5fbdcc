//! What is free of a worker's resources, and where in it a task fits.

use std::cmp::Reverse;

use super::{Amounts, Capacity, amounts::parts};

/// What is free of a worker's resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) divisible: Amounts,
    cards: Vec<Card>,
}

/// One GPU: either a whole task is on it, and nothing is free, or parts of it are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Card {
    memory: u64,
    free: u64,
    whole: bool,
}

/// What one more task would take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need<'a> {
    pub(super) each: &'a Amounts,
    /// The shared part, where it is still to be loaded.
    pub(super) load: Option<&'a Amounts>,
    /// The GPU on which its shared part is loaded: it can run on no other.
    pub(super) pin: Option<usize>,
}

impl Room {
    pub(super) fn new(capacity: &Capacity) -> Self {
        let cards = capacity.gpus.iter().map(|&memory| Card { memory, free: memory, whole: false }).collect();
        Self { divisible: capacity.divisible(), cards }
    }

    /// The GPUs one more task would go to, or `None` if it does not fit; none and no allocation for one that
    /// needs no GPU.
    pub(super) fn fit(&self, need: Need<'_>) -> Option<Vec<usize>> {
        let Need { each, load, pin } = need;
        let covered = match load {
            None => self.divisible.covers(each),
            Some(load) => self.divisible.covers_both(load, each),
        };
        if !covered {
            return None;
        }
        if each.gpus > 0 {
            return self.whole_cards(each);
        }
        let card = match (pin, load) {
            (Some(card), _) => (each.gpu_memory_mib <= self.cards[card].free).then_some(card),
            (None, Some(load)) if load.gpu_memory_mib > 0 => self.card_to_load(load, each),
            _ if each.gpu_memory_mib > 0 => self.fullest_card(each.gpu_memory_mib),
            _ => return Some(Vec::new()),
        };
        card.map(|card| vec![card])
    }

    /// Vacant GPUs with enough memory, the smallest first, so that the large ones stay for those who need
    /// them.
    fn whole_cards(&self, each: &Amounts) -> Option<Vec<usize>> {
        let enough = |card: &Card| card.is_vacant() && card.memory >= each.gpu_memory_mib;
        let mut fit: Vec<usize> = (0..self.cards.len()).filter(|&i| enough(&self.cards[i])).collect();
        let count = each.gpus as usize;
        if fit.len() < count {
            return None;
        }
        fit.sort_by_key(|&i| self.cards[i].memory);
        fit.truncate(count);
        fit.sort_unstable();
        Some(fit)
    }

    /// The fullest GPU that still fits, so that the emptier ones stay for what is larger.
    fn fullest_card(&self, need: u64) -> Option<usize> {
        (0..self.cards.len()).filter(|&i| self.cards[i].free >= need).min_by_key(|&i| self.cards[i].free)
    }

    /// All later tasks of the lane have to go where its shared part is, so that is the GPU which takes most
    /// of them, and of several such the fullest.
    fn card_to_load(&self, load: &Amounts, each: &Amounts) -> Option<usize> {
        let need = load.gpu_memory_mib.checked_add(each.gpu_memory_mib)?;
        let mut left = self.divisible.clone();
        left.subtract(load, 1);
        let at_most = left.times(each);
        let tasks = |free: u64| at_most.min(parts(free - load.gpu_memory_mib, each.gpu_memory_mib));
        (0..self.cards.len())
            .filter(|&i| self.cards[i].free >= need)
            .min_by_key(|&i| (Reverse(tasks(self.cards[i].free)), self.cards[i].free))
    }

    /// How many tasks in a row would go to these GPUs, of which the first has just been found to fit.
    pub(super) fn in_a_row(&self, each: &Amounts, cards: &[usize]) -> u64 {
        if each.gpus > 0 {
            return 1;
        }
        let on_card =
            cards.first().map_or(u64::MAX, |&card| parts(self.cards[card].free, each.gpu_memory_mib));
        on_card.min(self.divisible.times(each))
    }

    /// Takes these amounts some number of times, which the caller has found to fit.
    pub(super) fn hold(&mut self, amounts: &Amounts, cards: &[usize], times: u64) {
        self.divisible.subtract(amounts, times);
        let taken = amounts.gpu_memory_mib.saturating_mul(times);
        self.each_card(amounts, cards, Card::take_whole, |card| card.free = card.free.saturating_sub(taken));
    }

    /// Gives back what was held once.
    pub(super) fn release(&mut self, amounts: &Amounts, cards: &[usize]) {
        self.divisible.add(amounts);
        let given = amounts.gpu_memory_mib;
        self.each_card(amounts, cards, Card::give_whole, |card| card.free = card.free.saturating_add(given));
    }

    fn each_card(
        &mut self,
        amounts: &Amounts,
        cards: &[usize],
        whole: fn(&mut Card),
        part: impl Fn(&mut Card),
    ) {
        for &card in cards {
            match self.cards.get_mut(card) {
                Some(card) if amounts.gpus > 0 => whole(card),
                Some(card) => part(card),
                None => {}
            }
        }
    }

    /// What is free, with the GPUs that are vacant and the largest free part of one.
    pub(super) fn free(&self) -> Amounts {
        let mut free = self.divisible.clone();
        free.gpus = self.cards.iter().map(|card| u32::from(card.is_vacant())).sum();
        free.gpu_memory_mib = self.cards.iter().map(|card| card.free).max().unwrap_or(0);
        free
    }

    /// What is taken of it where `self` is what is left, with the GPUs taken whole and all GPU memory
    /// together.
    pub(super) fn taken_of(&self, all: &Self) -> Amounts {
        let mut taken = all.divisible.clone();
        taken.subtract(&self.divisible, 1);
        taken.custom.retain(|_, count| *count > 0);
        taken.gpus = self.cards.iter().map(|card| u32::from(card.whole)).sum();
        let memory = self.cards.iter().map(|card| card.memory - card.free);
        taken.gpu_memory_mib = memory.fold(0, u64::saturating_add);
        taken
    }
}

impl Card {
    fn is_vacant(&self) -> bool {
        !self.whole && self.free == self.memory
    }

    fn take_whole(&mut self) {
        (self.whole, self.free) = (true, 0);
    }

    fn give_whole(&mut self) {
        (self.whole, self.free) = (false, self.memory);
    }
}
