//! An ordered map that can tell the place of what it holds.

use std::{cmp::Ordering, collections::VecDeque, mem};

/// The most items of one block. Large enough that a million items are few blocks, small enough that moving
/// one's items costs less than a cache miss or two.
const BLOCK: usize = 512;

/// Keys in order of their tags, equal ones by key, each with a value, in blocks of up to [`BLOCK`].
///
/// Everything but [`place`](Self::place) costs a binary search over the blocks and one inside a block; both
/// read tags alone, which lie side by side, and keys only where tags are equal. The place sums the lengths of
/// the blocks before, a few thousand of a million items; the standard library's ordered sets would have to
/// walk over every item.
#[derive(Clone, Debug)]
pub(super) struct Ranked<K, V> {
    /// None of them is empty.
    blocks: VecDeque<Block<K, V>>,
    /// A block that ran empty, for the next that is needed: what comes and goes allocates nothing.
    spare: Block<K, V>,
    len: usize,
}

/// Tags and what stands under them, place by place.
#[derive(Clone, Debug)]
struct Block<K, V> {
    /// The last of the tags.
    last: u64,
    tags: VecDeque<u64>,
    items: VecDeque<(K, V)>,
}

impl<K, V> Default for Ranked<K, V> {
    fn default() -> Self {
        Self { blocks: VecDeque::new(), spare: Block::default(), len: 0 }
    }
}

impl<K, V> Default for Block<K, V> {
    fn default() -> Self {
        Self { last: 0, tags: VecDeque::new(), items: VecDeque::new() }
    }
}

impl<K: Ord, V> Ranked<K, V> {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn first(&self) -> Option<(u64, &K)> {
        let block = self.blocks.front()?;
        Some((*block.tags.front()?, &block.items.front()?.0))
    }

    pub(super) fn pop_first(&mut self) -> Option<(u64, K, V)> {
        let block = self.blocks.front_mut()?;
        let (tag, (key, value)) = (block.tags.pop_front()?, block.items.pop_front()?);
        if block.tags.is_empty() {
            self.spare = self.blocks.pop_front()?;
        }
        self.len -= 1;
        Some((tag, key, value))
    }

    /// Puts a key in under this tag, unless it is there.
    pub(super) fn insert(&mut self, tag: u64, key: K, value: V) {
        let at = self.block_for(tag, &key);
        let Some(block) = self.blocks.get_mut(at) else { return self.append(tag, (key, value)) };
        let Err(place) = block.find(tag, &key) else { return };
        self.len += 1;
        if block.tags.len() < BLOCK {
            return block.insert(place, tag, (key, value));
        }
        let mut upper = block.split_off(BLOCK / 2);
        match place.checked_sub(BLOCK / 2) {
            Some(place) => upper.insert(place, tag, (key, value)),
            None => block.insert(place, tag, (key, value)),
        }
        self.blocks.insert(at + 1, upper);
    }

    /// Takes a key out; answers whether it was there under this tag.
    pub(super) fn remove(&mut self, tag: u64, key: &K) -> bool {
        let at = self.block_for(tag, key);
        let Some(block) = self.blocks.get_mut(at) else { return false };
        let Ok(place) = block.find(tag, key) else { return false };
        block.remove(place);
        self.len -= 1;
        if block.tags.is_empty() {
            self.blocks.remove(at);
        } else {
            self.join(at);
            self.join(at.wrapping_sub(1));
        }
        true
    }

    /// How many keys stand before this one, if it is there.
    pub(super) fn place(&self, tag: u64, key: &K) -> Option<usize> {
        let at = self.block_for(tag, key);
        let place = self.blocks.get(at)?.find(tag, key).ok()?;
        Some(self.blocks.iter().take(at).map(|block| block.tags.len()).sum::<usize>() + place)
    }

    /// The block in which this key is or belongs; none where it would be the last of all.
    fn block_for(&self, tag: u64, key: &K) -> usize {
        self.blocks.partition_point(|block| {
            block.last < tag || block.last == tag && block.items.back().is_some_and(|(last, _)| last < key)
        })
    }

    /// Behind everything: work mostly comes in order, and so leaves full blocks instead of halves.
    fn append(&mut self, tag: u64, item: (K, V)) {
        self.len += 1;
        if let Some(last) = self.blocks.back_mut()
            && last.tags.len() < BLOCK
        {
            return last.insert(last.tags.len(), tag, item);
        }
        let mut block = mem::take(&mut self.spare);
        block.insert(0, tag, item);
        self.blocks.push_back(block);
    }

    /// Joins two neighbours of which one has become small: what is taken out of the middle leaves no trail of
    /// blocks that are all but empty.
    fn join(&mut self, at: usize) {
        let len = |at: usize| self.blocks.get(at).map(|block| block.tags.len());
        if let (Some(left), Some(right)) = (len(at), len(at.wrapping_add(1)))
            && left.min(right) < BLOCK / 8
            && left + right <= BLOCK / 2
            && let Some(mut moved) = self.blocks.remove(at + 1)
        {
            let block = &mut self.blocks[at];
            block.tags.append(&mut moved.tags);
            block.items.append(&mut moved.items);
            block.last = moved.last;
        }
    }
}

impl<K: Ord, V> Block<K, V> {
    /// Where this key is, or else where it belongs.
    fn find(&self, tag: u64, key: &K) -> Result<usize, usize> {
        let mut from = self.tags.partition_point(|other| *other < tag);
        let mut to = from;
        if self.tags.get(from) == Some(&tag) {
            to = self.tags.partition_point(|other| *other <= tag);
        }
        while from < to {
            let middle = from + (to - from) / 2;
            match self.items[middle].0.cmp(key) {
                Ordering::Less => from = middle + 1,
                Ordering::Equal => return Ok(middle),
                Ordering::Greater => to = middle,
            }
        }
        Err(from)
    }

    fn insert(&mut self, place: usize, tag: u64, item: (K, V)) {
        if place == self.tags.len() {
            self.last = tag;
        }
        self.tags.insert(place, tag);
        self.items.insert(place, item);
    }

    fn remove(&mut self, place: usize) {
        self.tags.remove(place);
        self.items.remove(place);
        if place == self.tags.len() {
            self.find_last();
        }
    }

    fn split_off(&mut self, place: usize) -> Self {
        let upper =
            Self { last: self.last, tags: self.tags.split_off(place), items: self.items.split_off(place) };
        self.find_last();
        upper
    }

    fn find_last(&mut self) {
        self.last = self.tags.back().copied().unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Tags rise with keys, and up to nine of them are equal.
    const fn tag(key: u32) -> u64 {
        key as u64 / 9
    }

    const fn value_of(key: u32) -> u64 {
        key as u64 * 7
    }

    fn check(ranked: &Ranked<u32, u64>, set: &BTreeSet<u32>) {
        assert_eq!(ranked.len(), set.len());
        let items = || ranked.blocks.iter().flat_map(|block| &block.items);
        assert!(items().map(|(key, _)| key).eq(set));
        assert!(items().all(|(key, value)| *value == value_of(*key)));
        for block in &ranked.blocks {
            assert!((1..=BLOCK).contains(&block.items.len()));
            assert!(block.items.iter().map(|(key, _)| tag(*key)).eq(block.tags.iter().copied()));
            assert_eq!(block.tags.back(), Some(&block.last));
        }
    }

    proptest! {
        #[test]
        fn it_is_a_set_that_knows_places(
            start in 0_u32..3_000,
            steps in prop::collection::vec((0_u8..8, 0_u32..4_000), 1..400),
        ) {
            let mut set: BTreeSet<u32> = (0..start).collect();
            let mut ranked = Ranked::default();
            set.iter().for_each(|item| ranked.insert(tag(*item), *item, value_of(*item)));
            for (step, item) in steps {
                match step {
                    0..3 => {
                        ranked.insert(tag(item), item, value_of(item));
                        set.insert(item);
                    }
                    3..6 => prop_assert_eq!(ranked.remove(tag(item), &item), set.remove(&item)),
                    6 => {
                        prop_assert_eq!(ranked.pop_first(), set.pop_first().map(|item| (tag(item), item, value_of(item))));
                    },
                    _ => {
                        let expected = set.contains(&item).then(|| set.range(..item).count());
                        prop_assert_eq!(ranked.place(tag(item), &item), expected);
                    }
                }
                prop_assert_eq!(ranked.first(), set.first().map(|item| (tag(*item), item)));
            }
            check(&ranked, &set);
        }
    }

    #[test]
    fn what_is_left_of_many_takes_few_blocks() {
        let mut ranked = Ranked::default();
        (0..100_000_u32).for_each(|item| ranked.insert(tag(item), item, value_of(item)));
        assert_eq!(ranked.blocks.len(), 100_000_usize.div_ceil(BLOCK), "in order: full blocks");
        let left: BTreeSet<u32> = (0..100_000).filter(|item| item % 500 == 0).collect();
        (0..100_000)
            .filter(|item| !left.contains(item))
            .for_each(|item| assert!(ranked.remove(tag(item), &item)));
        check(&ranked, &left);
        assert!(ranked.blocks.len() <= 4, "{} blocks of 200 items", ranked.blocks.len());
        left.iter().for_each(|item| assert!(ranked.remove(tag(*item), item)));
        assert!(ranked.blocks.is_empty() && ranked.first().is_none());
    }
}
