//! Which lane gives next: the decision of one lease call, for any store that can name the heads of its lanes.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::clock::{caught_up, order};
use crate::Lane;

/// The most tasks that one lease call gives, whatever the room.
pub const GIVEN_LIMIT: usize = 1_000;

/// One lease call over the lanes it asks for: says whose head is given next, until the room is used up.
///
/// [`offer`](Self::offer) each lane that was asked for, is not paused and has a task ready, once; then
/// [`pick`](Self::pick), give the head of that lane, and [`offer_next`](Self::offer_next) the one behind it
/// if there is one; and so on until nothing is picked.
///
/// - Lanes go by [`order`] of their heads, equal ones by name.
/// - A lane whose cost is over what is left of the room is skipped for the rest of the call.
/// - Of all lanes of suspects together one task is given.
/// - No more than [`GIVEN_LIMIT`] are given.
#[derive(Debug)]
pub struct Merge<'a> {
    room: u32,
    left: usize,
    reach: u64,
    had_suspect: bool,
    /// What was offered before the first pick, which only looks for the least of it: calls that name many lanes are
    /// often given one task.
    first: Vec<Reverse<Entry<'a>>>,
    has_picked: bool,
    heads: BinaryHeap<Reverse<Entry<'a>>>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry<'a> {
    order: i64,
    lane: &'a Lane,
    tag: u64,
    shift: i64,
    cost: u32,
}

/// The lane whose head a call gives next.
#[derive(Debug)]
#[non_exhaustive]
pub struct Pick<'a> {
    /// The lane.
    pub lane: &'a Lane,
    /// Its head's tag, as offered.
    pub tag: u64,
    /// The head's place among all lanes, as it was compared: before the lane was put right if it lagged.
    pub order: i64,
    /// The lane's shift from now on, see [`caught_up`].
    pub shift: i64,
    cost: u32,
}

impl<'a> Merge<'a> {
    /// A call with this room, in a store whose reach is this.
    #[must_use]
    pub fn new(room: u32, reach: u64) -> Self {
        Self {
            room,
            left: GIVEN_LIMIT,
            reach,
            had_suspect: false,
            first: Vec::new(),
            has_picked: false,
            heads: BinaryHeap::new(),
        }
    }

    /// Makes room for so many lanes that will be offered.
    pub fn reserve(&mut self, lanes: usize) {
        self.first.reserve(lanes);
    }

    /// Adds a lane: what one task of it costs (0 counts as 1), its shift, and the tag of its head.
    pub fn offer(&mut self, lane: &'a Lane, cost: u32, shift: i64, tag: u64) {
        let entry = Reverse(Entry { order: order(tag, shift), lane, tag, shift, cost: cost.max(1) });
        if self.has_picked { self.heads.push(entry) } else { self.first.push(entry) }
    }

    /// Takes the next lane that may give, and its cost off the room.
    pub fn pick(&mut self) -> Option<Pick<'a>> {
        while self.left > 0 && self.room > 0 {
            let Reverse(Entry { order, lane, tag, shift, cost }) = self.next()?;
            // the room only shrinks, so what is skipped once is out for the rest of the call
            if cost > self.room || (self.had_suspect && lane.is_twin()) {
                continue;
            }
            self.had_suspect |= lane.is_twin();
            self.room -= cost;
            self.left -= 1;
            return Some(Pick { lane, tag, order, shift: caught_up(self.reach, tag, shift), cost });
        }
        None
    }

    /// Takes the least of what was offered.
    fn next(&mut self) -> Option<Reverse<Entry<'a>>> {
        if !std::mem::replace(&mut self.has_picked, true) {
            let (least, _) = self.first.iter().enumerate().max_by_key(|(_, entry)| *entry)?;
            return Some(self.first.swap_remove(least));
        }
        if !self.first.is_empty() {
            self.heads.append(&mut std::mem::take(&mut self.first).into());
        }
        self.heads.pop()
    }

    /// Says which tag stands behind the head that was picked.
    pub fn offer_next(&mut self, pick: &Pick<'a>, tag: u64) {
        if pick.cost <= self.room {
            self.offer(pick.lane, pick.cost, pick.shift, tag);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(name: &str) -> Lane {
        format!("{name}@1.0:standard").parse().unwrap()
    }

    /// Lanes whose tags are 1, 2, 3, …, each by this much behind.
    fn picked(room: u32, lanes: &[(Lane, u32, i64)]) -> Vec<&str> {
        let mut merge = Merge::new(room, 0);
        for (lane, cost, shift) in lanes {
            merge.offer(lane, *cost, *shift, 1);
        }
        let mut names = Vec::new();
        while let Some(pick) = merge.pick() {
            names.push(pick.lane.function());
            merge.offer_next(&pick, pick.tag + 1);
        }
        names
    }

    #[test]
    fn lanes_go_by_order_and_equal_ones_by_name() {
        assert_eq!(picked(6, &[(lane("b"), 1, 0), (lane("a"), 1, 0)]), ["a", "b", "a", "b", "a", "b"]);
        assert_eq!(picked(6, &[(lane("b"), 1, 0), (lane("a"), 1, 2)]), ["b", "b", "a", "b", "a", "b"]);
        assert_eq!(picked(6, &[(lane("b"), 1, -5), (lane("a"), 1, 0)]), ["b", "b", "b", "b", "b", "a"]);
    }

    #[test]
    fn a_lane_over_what_is_left_is_skipped_for_the_rest_of_the_call() {
        let lanes = [(lane("a"), 5, 0), (lane("b"), 2, 0)];
        assert_eq!(picked(10, &lanes), ["a", "b", "b"], "b goes on where a no longer fits");
        assert_eq!(picked(4, &lanes), ["b", "b"]);
        assert_eq!(picked(1, &lanes), [""; 0]);
        assert_eq!(picked(0, &lanes), [""; 0]);
        assert_eq!(picked(2, &[(lane("a"), 0, 0)]).len(), 2, "nothing is free");
    }

    #[test]
    fn of_all_suspects_together_one_is_given() {
        let lanes = [(lane("a").twin(), 1, 0), (lane("b").twin(), 1, 0), (lane("c"), 1, 0)];
        assert_eq!(picked(4, &lanes), ["a", "c", "c", "c"]);
    }

    #[test]
    fn a_call_gives_so_many_and_no_more() {
        assert_eq!(picked(u32::MAX, &[(lane("a"), 1, 0)]).len(), GIVEN_LIMIT);
    }
}
