//! The ready tasks of all lanes of one store that keeps them in memory, in the order in which they are given.

use std::{collections::hash_map::Entry, fmt};

use super::{
    clock::{Flow, LaneClock, excess, order, reached},
    merge::Merge,
    ranked::Ranked,
};
use crate::{Lane, lane::LaneMap};

/// The most flows for which a lane that ran empty may have tables that are kept for the next.
const SPARE_LIMIT: usize = 1 << 12;

/// The ready tasks of all lanes of one store, by key; delayed and running ones are not in it.
///
/// It decides the order of work and nothing else: what a key stands for, leases and depth limits are the
/// store's, and so is each task's tag, by which the task is found again. Tags are equal where flows stand
/// equal; then the smaller key goes first, so keys that rise with time give the older task.
///
/// A decision costs a few binary searches and hash look-ups whatever waits, and nothing here is done in steps
/// that grow with the queue but [`ahead`](Self::ahead), which sums one number for every few hundred tasks.
///
/// See the [module](super) for an example.
pub struct Order<K> {
    /// Lanes that have a task ready or a pause mark.
    lanes: LaneMap<Queue<K>>,
    /// What the last lane left that ran empty: the next that wakes takes it over, tables and all.
    spare: Option<Queue<K>>,
    /// The largest comparable virtual time that any call has left behind, `W`.
    reach: u64,
    /// How many calls have taken; tells a lane that is named twice in one.
    calls: u64,
}

struct Queue<K> {
    clock: LaneClock,
    /// The tag of the first of the ready ones: a call looks at the head of every lane it names.
    head: Option<u64>,
    call: u64,
    /// Apart, since a call looks at the rest of every lane it names; each with its increment.
    ready: Box<Ranked<K, u64>>,
}

/// The first ready task of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Head<'a, K> {
    /// Its place among all lanes, see [`order`](super::order); equal ones go by the lane's name.
    pub order: i64,
    /// The task.
    pub key: &'a K,
}

/// A task that a call gives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Given<K> {
    /// The lane it waited in.
    pub lane: Lane,
    /// The task.
    pub key: K,
    /// Its place among all lanes, as it was compared; equal ones went by the lane's name.
    pub order: i64,
}

impl<K: Ord> Order<K> {
    /// Nothing ready, nothing paused.
    #[must_use]
    pub fn new() -> Self {
        Self { lanes: LaneMap::default(), spare: None, reach: 0, calls: 0 }
    }

    /// A task of this flow becomes ready: submitted, due, or to be tried again. Answers its tag.
    ///
    /// The increment comes from [`increment`](super::increment). The task must not be ready already.
    pub fn push(&mut self, lane: &Lane, flow: &Flow, increment: u64, key: K) -> u64 {
        let queue = self.awake(lane);
        let tag = queue.clock.ready(flow, increment);
        queue.put(tag, key, increment);
        tag
    }

    /// A task returns to the front, its lease expired or released: it has paid, so it gets the lane's virtual
    /// time as its tag, charges no flow, and moves no clock when it is leased again. Answers the tag.
    pub fn push_front(&mut self, lane: &Lane, key: K) -> u64 {
        let queue = self.awake(lane);
        let tag = queue.clock.virtual_time();
        queue.put(tag, key, 0);
        tag
    }

    /// Takes a task out unserved, cancelled or past its deadline; answers whether it was ready in this lane
    /// under this tag.
    ///
    /// The lane's next task is its head then. What the task added to its flow stays charged until the virtual
    /// time passes it.
    pub fn remove(&mut self, lane: &Lane, tag: u64, key: &K) -> bool {
        let Some(queue) = self.lanes.get_mut(lane) else { return false };
        let removed = queue.ready.remove(tag, key);
        queue.find_head();
        self.settle(lane);
        removed
    }

    /// Pauses a lane and its twin: tasks still become ready in them, none is given. A twin alone can be
    /// paused too.
    pub fn pause(&mut self, lane: &Lane) {
        for lane in [lane.clone(), lane.twin()] {
            self.lanes.entry(lane).or_insert_with(Queue::new).clock.pause();
        }
    }

    /// Lets a lane and its twin give again, from where the store is now: a pause earns no credit.
    pub fn resume(&mut self, lane: &Lane) {
        for lane in [lane.clone(), lane.twin()] {
            if let Some(queue) = self.lanes.get_mut(&lane) {
                queue.clock.resume(self.reach, queue.head);
                self.settle(&lane);
            }
        }
    }

    /// Whether the lane is paused.
    #[must_use]
    pub fn is_paused(&self, lane: &Lane) -> bool {
        self.lanes.get(lane).is_some_and(|queue| queue.clock.is_paused())
    }

    /// How many tasks are ready in this lane.
    #[must_use]
    pub fn len(&self, lane: &Lane) -> usize {
        self.lanes.get(lane).map_or(0, |queue| queue.ready.len())
    }

    /// Whether no task is ready in any lane.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lanes.values().all(|queue| queue.ready.len() == 0)
    }

    /// The lane's first task; `None` if it has none or is paused.
    #[must_use]
    pub fn head(&self, lane: &Lane) -> Option<Head<'_, K>> {
        self.lanes.get(lane)?.head()
    }

    /// Every lane that is not paused and has a task ready, with its first, in no order.
    pub fn heads(&self) -> impl Iterator<Item = (&Lane, Head<'_, K>)> {
        self.lanes.iter().filter_map(|(lane, queue)| Some((lane, queue.head()?)))
    }

    /// A task's place in line: how many ready tasks of its lane would be given before it if nothing else
    /// came, by tag, then key; 0 for the head. `None` if it is not ready in this lane under this tag.
    ///
    /// It counts within the lane, paused or not, and a twin's tasks within the twin. It can rise: what comes
    /// later with a larger share, or returns to the front, goes before.
    #[must_use]
    pub fn ahead(&self, lane: &Lane, tag: u64, key: &K) -> Option<usize> {
        self.lanes.get(lane)?.ready.place(tag, key)
    }

    /// The decision of a lease call: takes what is given to a worker with this room that asks for these
    /// lanes, each with the cost of one of its tasks, in the order given.
    ///
    /// Rules are those of [`Merge`]. A lane named twice counts once, at the cost named first. A lane that
    /// runs empty loses its clock, not its pause mark.
    pub fn take<'a>(&mut self, room: u32, asked: impl IntoIterator<Item = (&'a Lane, u32)>) -> Vec<Given<K>> {
        self.take_off_excess();
        let mut merge = self.merge(room, asked);
        let mut reach = self.reach;
        let mut given = Vec::new();
        while let Some(pick) = merge.pick() {
            let Some(queue) = self.lanes.get_mut(pick.lane) else { continue };
            let Some(key) = queue.give(pick.shift) else { continue };
            reach = reached(reach, queue.clock.virtual_time(), pick.shift);
            match queue.head {
                Some(tag) => merge.offer_next(&pick, tag),
                None => self.drop_lane(pick.lane),
            }
            given.push(Given { lane: pick.lane.clone(), key, order: pick.order });
        }
        self.reach = reach;
        given
    }

    fn merge<'a>(&mut self, room: u32, asked: impl IntoIterator<Item = (&'a Lane, u32)>) -> Merge<'a> {
        let mut merge = Merge::new(room, self.reach);
        self.calls += 1;
        let asked = asked.into_iter();
        merge.reserve(asked.size_hint().0);
        for (lane, cost) in asked {
            let Some(queue) = self.lanes.get_mut(lane) else { continue };
            if queue.clock.is_paused() || std::mem::replace(&mut queue.call, self.calls) == self.calls {
                continue;
            }
            if let Some(tag) = queue.head {
                merge.offer(lane, cost, queue.clock.shift(), tag);
            }
        }
        merge
    }

    /// Before a call and not after it, so that heads read after a call compare with what it gave.
    fn take_off_excess(&mut self) {
        let excess = excess(self.reach);
        if excess > 0 {
            self.lanes.values_mut().for_each(|queue| queue.clock.take_off(excess));
            self.reach -= excess;
        }
    }

    /// The lane's queue, its clock running.
    fn awake(&mut self, lane: &Lane) -> &mut Queue<K> {
        let queue = match self.lanes.entry(lane.clone()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(self.spare.take().unwrap_or_else(Queue::new)),
        };
        if queue.ready.len() == 0 {
            queue.clock.wake(self.reach);
        }
        queue
    }

    /// Drops the clock of a lane that has run empty, and the lane unless it is paused.
    fn settle(&mut self, lane: &Lane) {
        let Some(queue) = self.lanes.get_mut(lane) else { return };
        if queue.ready.len() > 0 {
            return;
        }
        queue.clock.stop();
        if !queue.clock.is_paused() {
            self.drop_lane(lane);
        }
    }

    /// Drops a lane that has run empty and is not paused.
    fn drop_lane(&mut self, lane: &Lane) {
        if let Some(mut queue) = self.lanes.remove(lane)
            && queue.clock.flows() <= SPARE_LIMIT
        {
            queue.clock.stop();
            self.spare = Some(queue);
        }
    }
}

impl<K: Ord> Queue<K> {
    fn new() -> Self {
        Self { clock: LaneClock::default(), head: None, call: 0, ready: Box::default() }
    }

    fn put(&mut self, tag: u64, key: K, increment: u64) {
        self.ready.insert(tag, key, increment);
        self.find_head();
    }

    /// Takes the head, and moves the clock on by it.
    fn give(&mut self, shift: i64) -> Option<K> {
        let (tag, key, increment) = self.ready.pop_first()?;
        self.clock.leased(tag, increment, shift);
        self.find_head();
        Some(key)
    }

    fn find_head(&mut self) {
        self.head = self.ready.first().map(|(tag, _)| tag);
    }

    fn head(&self) -> Option<Head<'_, K>> {
        let (tag, key) = self.ready.first().filter(|_| !self.clock.is_paused())?;
        Some(Head { order: order(tag, self.clock.shift()), key })
    }
}

impl<K: Ord> Default for Order<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> fmt::Debug for Order<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order")
            .field("lanes", &self.lanes.len())
            .field("reach", &self.reach)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod simulations;
#[cfg(test)]
mod tests;
