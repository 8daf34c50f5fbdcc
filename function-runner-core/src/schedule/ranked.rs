//! An ordered set that can tell the place of what it holds.

use std::collections::VecDeque;

/// The most items of one block. Large enough that a million items are few blocks, small enough that moving
/// one's items costs less than a cache miss or two.
const BLOCK: usize = 512;

/// Items in order, in blocks of up to [`BLOCK`].
///
/// Everything but [`place`](Self::place) costs a binary search over the blocks and one inside a block. The
/// place sums the lengths of the blocks before, a few thousand of a million items; the standard library's
/// ordered sets would have to walk over every item.
#[derive(Clone, Debug)]
pub(super) struct Ranked<T> {
    /// None of them is empty.
    blocks: VecDeque<VecDeque<T>>,
    len: usize,
}

impl<T> Default for Ranked<T> {
    fn default() -> Self {
        Self { blocks: VecDeque::new(), len: 0 }
    }
}

impl<T: Ord> Ranked<T> {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn first(&self) -> Option<&T> {
        self.blocks.front()?.front()
    }

    pub(super) fn pop_first(&mut self) -> Option<T> {
        let block = self.blocks.front_mut()?;
        let item = block.pop_front()?;
        if block.is_empty() {
            self.blocks.pop_front();
        }
        self.len -= 1;
        Some(item)
    }

    /// Puts an item in, unless it is there.
    pub(super) fn insert(&mut self, item: T) {
        let at = self.block_for(&item);
        if at == self.blocks.len() {
            return self.append(item);
        }
        let block = &mut self.blocks[at];
        let place = match block.binary_search(&item) {
            Ok(_) => return,
            Err(place) => place,
        };
        self.len += 1;
        if block.len() < BLOCK {
            block.insert(place, item);
            return;
        }
        let mut upper = block.split_off(BLOCK / 2);
        match place.checked_sub(BLOCK / 2) {
            Some(place) => upper.insert(place, item),
            None => block.insert(place, item),
        }
        self.blocks.insert(at + 1, upper);
    }

    /// Takes an item out; answers whether it was there.
    pub(super) fn remove(&mut self, item: &T) -> bool {
        let at = self.block_for(item);
        let Some(block) = self.blocks.get_mut(at) else { return false };
        let Ok(place) = block.binary_search(item) else { return false };
        block.remove(place);
        self.len -= 1;
        if block.is_empty() {
            self.blocks.remove(at);
        } else {
            self.join(at);
            self.join(at.wrapping_sub(1));
        }
        true
    }

    /// How many items stand before this one, if it is there.
    pub(super) fn place(&self, item: &T) -> Option<usize> {
        let at = self.block_for(item);
        let place = self.blocks.get(at)?.binary_search(item).ok()?;
        Some(self.blocks.iter().take(at).map(VecDeque::len).sum::<usize>() + place)
    }

    /// The block in which this item is or belongs; none where it would be the last of all.
    fn block_for(&self, item: &T) -> usize {
        self.blocks.partition_point(|block| block.back().is_some_and(|last| last < item))
    }

    /// Behind everything: work mostly comes in order, and so leaves full blocks instead of halves.
    fn append(&mut self, item: T) {
        self.len += 1;
        match self.blocks.back_mut() {
            Some(last) if last.len() < BLOCK => last.push_back(item),
            _ => self.blocks.push_back(VecDeque::from([item])),
        }
    }

    /// Joins two neighbours of which one has become small: what is taken out of the middle leaves no trail of
    /// blocks that are all but empty.
    fn join(&mut self, at: usize) {
        let len = |at: usize| self.blocks.get(at).map(VecDeque::len);
        if let (Some(left), Some(right)) = (len(at), len(at.wrapping_add(1)))
            && left.min(right) < BLOCK / 8
            && left + right <= BLOCK / 2
            && let Some(mut moved) = self.blocks.remove(at + 1)
        {
            self.blocks[at].append(&mut moved);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn check(ranked: &Ranked<u32>, set: &BTreeSet<u32>) {
        assert_eq!(ranked.len(), set.len());
        assert!(ranked.blocks.iter().flatten().eq(set));
        assert!(ranked.blocks.iter().all(|block| !block.is_empty() && block.len() <= BLOCK));
    }

    proptest! {
        #[test]
        fn it_is_a_set_that_knows_places(
            start in 0_u32..3_000,
            steps in prop::collection::vec((0_u8..8, 0_u32..4_000), 1..400),
        ) {
            let mut set: BTreeSet<u32> = (0..start).collect();
            let mut ranked = Ranked::default();
            set.iter().for_each(|item| ranked.insert(*item));
            for (step, item) in steps {
                match step {
                    0..3 => {
                        ranked.insert(item);
                        set.insert(item);
                    }
                    3..6 => prop_assert_eq!(ranked.remove(&item), set.remove(&item)),
                    6 => prop_assert_eq!(ranked.pop_first(), set.pop_first()),
                    _ => {
                        let expected = set.contains(&item).then(|| set.range(..item).count());
                        prop_assert_eq!(ranked.place(&item), expected);
                    }
                }
                prop_assert_eq!(ranked.first(), set.first());
            }
            check(&ranked, &set);
        }
    }

    #[test]
    fn what_is_left_of_many_takes_few_blocks() {
        let mut ranked = Ranked::default();
        (0..100_000_u32).for_each(|item| ranked.insert(item));
        assert_eq!(ranked.blocks.len(), 100_000_usize.div_ceil(BLOCK), "in order: full blocks");
        let left: BTreeSet<u32> = (0..100_000).filter(|item| item % 500 == 0).collect();
        (0..100_000).filter(|item| !left.contains(item)).for_each(|item| assert!(ranked.remove(&item)));
        check(&ranked, &left);
        assert!(ranked.blocks.len() <= 4, "{} blocks of 200 items", ranked.blocks.len());
        left.iter().for_each(|item| assert!(ranked.remove(item)));
        assert!(ranked.blocks.is_empty() && ranked.first().is_none());
    }
}
