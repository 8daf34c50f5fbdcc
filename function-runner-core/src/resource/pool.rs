//! What a worker has and what of it is taken, to the last MiB.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Amounts, Capacity, ResourceRequirement,
    room::{Need, Room},
};
use crate::Lane;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

/// More tasks than this are never counted: a lane's cost in an ask is this divided by how many of its tasks
/// fit.
const MOST_TASKS: u64 = 720_720;

/// What a worker has and what of it is taken.
///
/// - A task goes to the first of its alternatives that fits. Of GPUs, a part comes from the fullest one that
///   still has it, whole ones are the smallest vacant ones that suffice, and nothing else is ever on a GPU
///   that is taken whole.
/// - A shared part is held once for all tasks of a lane (a twin shares with its lane) and stays, warm and
///   idle, when the last of them ends. It is loaded on the GPU where most of its tasks fit, the fullest of
///   several such, and they all run there.
/// - Idle shared parts count as free. They are evicted only where a task does not fit beside them: the least
///   recently used first, and none that could have stayed.
///
/// # Examples
///
/// ```
/// use function_runner_core::{Capacity, Lane, Pool, ResourceRequirement};
///
/// let lane: Lane = "image.upscale@1.0:high".parse()?;
/// let model = ResourceRequirement::new().gpu_memory_mib(9000);
/// let needs = ResourceRequirement::new().gpu_memory_mib(1500).shared(model);
/// let mut pool = Pool::new(Capacity::new().gpu(12_288));
/// assert_eq!(pool.how_many(&lane, &needs), 2);
///
/// let (grant, evicted) = pool.take(&lane, &needs).expect("two fit");
/// assert_eq!((grant.gpus.as_slice(), evicted.len()), ([0].as_slice(), 0));
/// pool.give(&lane, &grant);
/// assert!(pool.is_warm(&lane) && pool.load().is_zero());
/// # Ok::<(), function_runner_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pool {
    all: Arc<Room>,
    room: Room,
    parts: Vec<Part>,
    endings: u64,
}

/// A shared part that is loaded, with the lane that has it.
#[derive(Clone, Debug)]
struct Part {
    lane: Lane,
    amounts: Amounts,
    card: Option<usize>,
    tasks: u64,
    idle_since: u64,
}

/// What one task was granted: give it back when the task ends.
///
/// As JSON: `{"option":0,"amounts":{…},"shared":{…},"gpus":[0]}`; what is empty is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Grant {
    /// Which alternative of the requirement: 0 is the requirement itself.
    pub option: usize,
    /// What this task alone holds.
    #[serde(skip_serializing_if = "Amounts::is_zero")]
    pub amounts: Amounts,
    /// What it shares with the other tasks of its lane.
    #[serde(skip_serializing_if = "Amounts::is_zero")]
    pub shared: Amounts,
    /// The worker's GPUs it is on, as indexes from 0 in the order of its capacity: the whole ones that it has
    /// for itself, or the one of which it, or its shared part, has some memory.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<usize>,
}

/// Where one more task would go, and the indexes of the shared parts that have to leave for it.
struct Place {
    cards: Vec<usize>,
    evicted: Vec<usize>,
}

impl Pool {
    /// A worker that has this, with nothing taken.
    #[must_use]
    pub fn new(capacity: Capacity) -> Self {
        let room = Room::new(&capacity);
        Self { all: Arc::new(room.clone()), room, parts: Vec::new(), endings: 0 }
    }

    /// How many tasks of this lane would fit, alone, in what is free now; at most 720,720.
    ///
    /// It is how often [`take`](Self::take) would succeed in a row: the first alternative is filled, then the
    /// next with what remains; a shared part that is not loaded counts too, and idle ones of others count as
    /// free. It allocates nothing for a requirement without GPUs, shared part and alternatives.
    #[must_use]
    pub fn how_many(&self, lane: &Lane, needs: &ResourceRequirement) -> u64 {
        if is_plain(needs) {
            let idle = self.parts.iter().filter(|part| part.tasks == 0).map(|part| &part.amounts);
            return self.room.divisible.times_with(idle, &needs.each).min(MOST_TASKS);
        }
        self.clone().fill(lane, needs)
    }

    /// How many tasks of this lane would fit, alone, if nothing else were there; at most 720,720.
    #[must_use]
    pub fn how_many_at_all(&self, lane: &Lane, needs: &ResourceRequirement) -> u64 {
        if is_plain(needs) {
            return self.all.divisible.times(&needs.each).min(MOST_TASKS);
        }
        let empty = Self { all: self.all.clone(), room: (*self.all).clone(), parts: Vec::new(), endings: 0 };
        empty.fill(lane, needs)
    }

    /// Whether one such task would fit if nothing else were there.
    #[must_use]
    pub fn fits_ever(&self, needs: &ResourceRequirement) -> bool {
        needs.options().any(|option| {
            let need = Need { each: &option.each, load: to_load(&option.shared), pin: None };
            option.sharing_fault().is_none() && self.all.fit(need).is_some()
        })
    }

    /// Takes what one task of this lane needs, or nothing if it does not fit.
    ///
    /// Also answers the lanes of which an idle shared part was evicted, the least recently used first: their
    /// models are to be dropped before the task starts. This lane is among them if its own was idle on a GPU
    /// where the task does not fit and is to be loaded on another, or if that of another alternative had to
    /// go.
    #[must_use = "what is taken stays taken until the grant is given back"]
    pub fn take(&mut self, lane: &Lane, needs: &ResourceRequirement) -> Option<(Grant, Vec<Lane>)> {
        if is_plain(needs) && self.room.divisible.covers(&needs.each) {
            // what most tasks are, thousands of times a second: nothing to choose, load or evict
            self.room.divisible.subtract(&needs.each, 1);
            return Some((Grant { amounts: needs.each.clone(), ..Grant::default() }, Vec::new()));
        }
        let mut options = needs.options().enumerate();
        let (index, option, place) =
            options.find_map(|(i, option)| Some((i, option, self.place(lane, option)?)))?;
        let mut evicted: Vec<Lane> = Vec::new();
        for part in place.evicted.iter().map(|&part| &self.parts[part]) {
            if !evicted.contains(&part.lane) {
                evicted.push(part.lane.clone());
            }
        }
        self.occupy(lane, option, &place, 1);
        let (amounts, shared) = (option.each.clone(), option.shared.clone());
        Some((Grant { option: index, amounts, shared, gpus: place.cards }, evicted))
    }

    /// Gives back what a task of this lane took; once, and to the pool it was taken from.
    ///
    /// Its shared part stays, and is idle from the end of the last task that shares it.
    pub fn give(&mut self, lane: &Lane, grant: &Grant) {
        self.room.release(&grant.amounts, &grant.gpus);
        let Some(index) = to_load(&grant.shared).and_then(|shared| self.loaded(lane, shared)) else { return };
        self.endings += 1;
        let part = &mut self.parts[index];
        part.tasks = part.tasks.saturating_sub(1);
        part.idle_since = self.endings;
    }

    /// Whether a shared part of this lane, or of its twin, is loaded.
    #[must_use]
    pub fn is_warm(&self, lane: &Lane) -> bool {
        self.parts.iter().any(|part| part.is_of(lane))
    }

    /// Frees what the idle shared parts of this lane hold, because its model was dropped; one in use stays.
    pub fn unload(&mut self, lane: &Lane) {
        let gone = |part: &Part| part.tasks == 0 && part.is_of(lane);
        self.parts.iter().filter(|part| gone(part)).for_each(|part| part.leave(&mut self.room));
        self.parts.retain(|part| !gone(part));
    }

    /// What is taken, idle shared parts left out: `gpus` are those taken whole, `gpu_memory_mib` is that of
    /// all GPUs together, whole ones included.
    #[must_use]
    pub fn load(&self) -> Amounts {
        self.vacated().taken_of(&self.all)
    }

    /// What is free, idle shared parts included: `gpus` are those with nothing on them, `gpu_memory_mib` is
    /// the largest free part of one GPU.
    #[must_use]
    pub fn free(&self) -> Amounts {
        self.vacated().free()
    }

    /// What would be free without the idle shared parts.
    fn vacated(&self) -> Room {
        let mut room = self.room.clone();
        self.parts.iter().filter(|part| part.tasks == 0).for_each(|part| part.leave(&mut room));
        room
    }

    /// Takes until nothing fits, and counts. Once an alternative does not fit any more it never does again,
    /// however much of a later one is taken.
    fn fill(mut self, lane: &Lane, needs: &ResourceRequirement) -> u64 {
        let mut count = 0;
        for option in needs.options() {
            while count < MOST_TASKS
                && let Some(place) = self.place(lane, option)
            {
                count += self.occupy(lane, option, &place, MOST_TASKS - count);
            }
        }
        count
    }

    /// Where one more task would go.
    fn place(&self, lane: &Lane, option: &ResourceRequirement) -> Option<Place> {
        if option.sharing_fault().is_some() {
            return None;
        }
        let each = &option.each;
        let anew = Need { each, load: to_load(&option.shared), pin: None };
        let Some(own) = to_load(&option.shared).and_then(|shared| self.loaded(lane, shared)) else {
            return self.make_room(anew, None, Vec::new());
        };
        let part = &self.parts[own];
        let stays = self.make_room(Need { each, load: None, pin: part.card }, Some(own), Vec::new());
        // elsewhere there is more room only if there is another GPU
        let may_move = part.tasks == 0 && part.card.is_some();
        stays.or_else(|| if may_move { self.make_room(anew, None, vec![own]) } else { None })
    }

    /// Evicts, beside what goes anyway, as little as lets the task fit: from the least recently used on until
    /// it does, then back, sparing what need not have gone.
    fn make_room(&self, need: Need<'_>, keep: Option<usize>, gone: Vec<usize>) -> Option<Place> {
        if gone.is_empty()
            && let Some(cards) = self.room.fit(need)
        {
            return Some(Place { cards, evicted: gone });
        }
        let (first, mut evicted, mut room) = (gone.len(), gone, self.room.clone());
        evicted.iter().for_each(|&part| self.parts[part].leave(&mut room));
        let may_go =
            |part: &usize| self.parts[*part].tasks == 0 && keep != Some(*part) && !evicted.contains(part);
        let mut idle: Vec<usize> = (0..self.parts.len()).filter(may_go).collect();
        idle.sort_by_key(|&part| self.parts[part].idle_since);
        let mut idle = idle.into_iter();
        while room.fit(need).is_none() {
            let next = idle.next()?;
            self.parts[next].leave(&mut room);
            evicted.push(next);
        }
        for at in (first..evicted.len()).rev() {
            let part = &self.parts[evicted[at]];
            room.hold(&part.amounts, part.card.as_slice(), 1);
            if room.fit(need).is_some() {
                evicted.remove(at);
            } else {
                part.leave(&mut room);
            }
        }
        evicted.sort_by_key(|&part| self.parts[part].idle_since);
        Some(Place { cards: room.fit(need)?, evicted })
    }

    /// Puts tasks there, as many as would go there in a row and at most `limit`; answers how many.
    fn occupy(&mut self, lane: &Lane, option: &ResourceRequirement, place: &Place, limit: u64) -> u64 {
        self.evict(&place.evicted);
        let part = to_load(&option.shared)
            .map(|shared| self.loaded(lane, shared).unwrap_or_else(|| self.load_part(lane, shared, place)));
        let count = self.room.in_a_row(&option.each, &place.cards).min(limit);
        self.room.hold(&option.each, &place.cards, count);
        if let Some(part) = part {
            self.parts[part].tasks += count;
        }
        count
    }

    fn evict(&mut self, parts: &[usize]) {
        let mut parts = parts.to_vec();
        parts.sort_unstable();
        // from the last on, so that the indexes before it stay right
        for part in parts.into_iter().rev() {
            self.parts.remove(part).leave(&mut self.room);
        }
    }

    fn load_part(&mut self, lane: &Lane, shared: &Amounts, place: &Place) -> usize {
        let card = if shared.gpu_memory_mib > 0 { place.cards.first().copied() } else { None };
        self.room.hold(shared, card.as_slice(), 1);
        let amounts = shared.clone();
        self.parts.push(Part { lane: lane.plain(), amounts, card, tasks: 0, idle_since: self.endings });
        self.parts.len() - 1
    }

    fn loaded(&self, lane: &Lane, shared: &Amounts) -> Option<usize> {
        self.parts.iter().position(|part| part.is_of(lane) && part.amounts == *shared)
    }
}

impl Part {
    fn is_of(&self, lane: &Lane) -> bool {
        self.lane.as_str() == lane.as_str().trim_end_matches('!')
    }

    fn leave(&self, room: &mut Room) {
        room.release(&self.amounts, self.card.as_slice());
    }
}

/// Whether nothing but divisible amounts are needed, so that a division answers everything.
fn is_plain(needs: &ResourceRequirement) -> bool {
    needs.otherwise.is_empty() && needs.shared.is_zero() && needs.each.is_divisible()
}

/// The shared part, if there is one.
fn to_load(shared: &Amounts) -> Option<&Amounts> {
    (!shared.is_zero()).then_some(shared)
}
