//! Numbered slots in pages: growing copies nothing, and the memory of what has gone goes back.

use std::ops::{Index, IndexMut};

const PAGE: usize = 64;

/// Items under small numbers; a number is used again when its item has gone.
#[derive(Debug)]
pub(super) struct Slab<T> {
    pages: Vec<Page<T>>,
    /// Every page with a free slot, the one used next at the end.
    open: Vec<u32>,
    /// The one page that is kept although it is empty, so that one item coming and going allocates nothing.
    spare: Option<u32>,
}

#[derive(Debug)]
struct Page<T> {
    /// [`PAGE`] slots, or none while it is given back.
    slots: Vec<Option<T>>,
    used: u64,
}

impl<T> Slab<T> {
    pub(super) const fn new() -> Self {
        Self { pages: Vec::new(), open: Vec::new(), spare: None }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.pages.iter().map(|page| page.used.count_ones() as usize).sum()
    }

    pub(super) fn insert(&mut self, item: T) -> u32 {
        let number = self.open.last().copied().unwrap_or_else(|| self.add_page());
        if self.spare == Some(number) {
            self.spare = None;
        }
        let page = &mut self.pages[number as usize];
        if page.slots.is_empty() {
            page.slots.reserve_exact(PAGE);
            page.slots.resize_with(PAGE, || None);
        }
        let slot = page.used.trailing_ones();
        page.slots[slot as usize] = Some(item);
        page.used |= 1 << slot;
        if page.used == u64::MAX {
            self.open.pop();
        }
        number * PAGE as u32 + slot
    }

    pub(super) fn remove(&mut self, at: u32) -> Option<T> {
        let (number, slot) = place(at);
        let page = self.pages.get_mut(number)?;
        let item = page.slots.get_mut(slot)?.take()?;
        if page.used == u64::MAX {
            self.open.push(number as u32);
        }
        page.used &= !(1 << slot);
        if page.used == 0
            && let Some(old) = self.spare.replace(number as u32)
        {
            self.pages[old as usize].slots = Vec::new();
        }
        Some(item)
    }

    pub(super) fn get(&self, at: u32) -> Option<&T> {
        let (page, slot) = place(at);
        self.pages.get(page)?.slots.get(slot)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        let (page, slot) = place(at);
        self.pages.get_mut(page)?.slots.get_mut(slot)?.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let slots = self.pages.iter().enumerate().flat_map(|(number, page)| {
            page.slots.iter().enumerate().map(move |(slot, item)| ((number * PAGE + slot) as u32, item))
        });
        slots.filter_map(|(at, item)| Some((at, item.as_ref()?)))
    }

    fn add_page(&mut self) -> u32 {
        let number = self.pages.len() as u32;
        self.pages.push(Page { slots: Vec::new(), used: 0 });
        self.open.push(number);
        number
    }
}

const fn place(at: u32) -> (usize, usize) {
    (at as usize / PAGE, at as usize % PAGE)
}

/// Of a number that `insert` gave and `remove` has not taken back.
impl<T> Index<u32> for Slab<T> {
    type Output = T;

    fn index(&self, at: u32) -> &T {
        self.get(at).expect("a number is held only while its item is there")
    }
}

impl<T> IndexMut<u32> for Slab<T> {
    fn index_mut(&mut self, at: u32) -> &mut T {
        self.get_mut(at).expect("a number is held only while its item is there")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn items_keep_their_numbers_and_free_ones_are_used_again() {
        let mut slab = Slab::new();
        let mut model = HashMap::new();
        for step in 0..20_000_u64 {
            // grows, shrinks to nothing, grows again
            let keep = step % 5_000 < 2_500;
            let random = step.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
            if keep || random % 4 == 0 {
                let at = slab.insert(step);
                assert!(model.insert(at, step).is_none(), "{at} was taken");
            } else if let Some(&at) = model.keys().next() {
                assert_eq!(slab.remove(at), model.remove(&at));
                assert!(slab.remove(at).is_none() && slab.get(at).is_none());
            }
            assert_eq!(slab.len(), model.len());
        }
        assert_eq!(slab.iter().map(|(at, item)| (at, *item)).collect::<HashMap<_, _>>(), model);
    }

    #[test]
    fn the_memory_of_what_has_gone_goes_back() {
        let mut slab = Slab::new();
        let numbers: Vec<_> = (0..10_000).map(|item| slab.insert(item)).collect();
        for at in numbers {
            slab.remove(at);
        }
        let allocated = |slab: &Slab<i32>| slab.pages.iter().filter(|page| !page.slots.is_empty()).count();
        assert_eq!(allocated(&slab), 1);
        let mut at = slab.insert(1);
        for _ in 0..3 {
            slab.remove(at);
            at = slab.insert(1);
            assert_eq!(allocated(&slab), 1, "what comes and goes takes turns in one page");
        }
    }
}
