//! Every row in the order in which the tasks came.

use std::collections::BTreeMap;

use super::row::NONE;

const PAGE: usize = 32;

/// Rows by the number of their task, in pages: numbers rise by one, so what comes goes to the last page.
#[derive(Debug, Default)]
pub(super) struct Newest {
    /// By the page's place; none of them is empty.
    pages: BTreeMap<u64, Page>,
}

#[derive(Debug)]
struct Page {
    rows: [u32; PAGE],
    used: u32,
}

impl Newest {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.pages.values().map(|page| page.used as usize).sum()
    }

    pub(super) fn insert(&mut self, number: u64, at: u32) {
        let (place, slot) = place(number);
        if let Some(mut last) = self.pages.last_entry()
            && *last.key() == place
        {
            return last.get_mut().put(slot, at);
        }
        self.pages.entry(place).or_insert(Page { rows: [NONE; PAGE], used: 0 }).put(slot, at);
    }

    pub(super) fn remove(&mut self, number: u64) {
        let (place, slot) = place(number);
        let Some(page) = self.pages.get_mut(&place) else { return };
        page.put(slot, NONE);
        if page.used == 0 {
            self.pages.remove(&place);
        }
    }

    /// Those whose numbers are below this, the newest first.
    pub(super) fn before(&self, number: u64) -> impl Iterator<Item = (u64, u32)> {
        let (last, _) = place(number);
        let pages = self.pages.range(..=last).rev();
        let rows = pages.flat_map(|(place, page)| {
            let first = place * PAGE as u64;
            page.rows.iter().enumerate().rev().map(move |(slot, at)| (first + slot as u64, *at))
        });
        rows.filter(move |(other, at)| *other < number && *at != NONE)
    }
}

impl Page {
    fn put(&mut self, slot: usize, at: u32) {
        let old = std::mem::replace(&mut self.rows[slot], at);
        self.used = self.used + u32::from(at != NONE) - u32::from(old != NONE);
    }
}

const fn place(number: u64) -> (u64, usize) {
    (number / PAGE as u64, (number % PAGE as u64) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_come_first_whatever_has_gone() {
        let mut newest = Newest::default();
        let mut model = BTreeMap::new();
        for number in 1..1_000 {
            newest.insert(number, number as u32 * 3);
            model.insert(number, number as u32 * 3);
        }
        for number in (1..1_000).filter(|number| number % 7 != 0 || (200..300).contains(number)) {
            newest.remove(number);
            newest.remove(number);
            model.remove(&number);
        }
        for before in [0, 1, 8, 199, 250, 301, 994, 995, u64::MAX] {
            let expected = model.range(..before).rev().map(|(number, at)| (*number, *at));
            assert!(newest.before(before).eq(expected), "before {before}");
        }
        assert_eq!(newest.len(), model.len());
        model.keys().for_each(|number| newest.remove(*number));
        assert!(newest.pages.is_empty());
    }
}
