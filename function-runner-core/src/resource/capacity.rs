//! What one worker has.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{
    Amounts,
    amounts::is_zero,
    words::{amount_fault, cores, counted, custom, custom_faults, listed, mib},
};

/// What one worker has.
///
/// [`new`](Self::new) has 64 slots and nothing else; the default, and what is read from `{}`, has not even
/// those. As JSON it is an object of the fields that are not 0 or empty, where `gpus` lists the memory of
/// each GPU; a reader ignores fields it does not know.
///
/// # Examples
///
/// ```
/// use function_runner_core::Capacity;
///
/// let worker = Capacity::new().cpu_millis(2000).memory_mib(23_552).gpu(24_576);
/// assert_eq!(worker.to_string(), "2 cores, 23 GiB memory, 1 GPU of 24 GiB, 64 slots");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Capacity {
    /// Thousandths of a CPU core.
    #[serde(skip_serializing_if = "is_zero")]
    pub cpu_millis: u64,
    /// Memory in MiB.
    #[serde(skip_serializing_if = "is_zero")]
    pub memory_mib: u64,
    /// Disk in MiB.
    #[serde(skip_serializing_if = "is_zero")]
    pub disk_mib: u64,
    /// The memory of each GPU in MiB.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<u64>,
    /// Places for bodies that need nothing else.
    #[serde(skip_serializing_if = "is_zero")]
    pub slots: u64,
    /// The operator's own countable things, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub custom: BTreeMap<String, u64>,
}

impl Capacity {
    /// 64 slots and nothing else.
    #[must_use]
    pub fn new() -> Self {
        Self { slots: 64, ..Self::default() }
    }

    /// With this many thousandths of a CPU core.
    #[must_use]
    pub fn cpu_millis(mut self, millis: u64) -> Self {
        self.cpu_millis = millis;
        self
    }

    /// With this much memory, in MiB.
    #[must_use]
    pub fn memory_mib(mut self, mib: u64) -> Self {
        self.memory_mib = mib;
        self
    }

    /// With this much disk, in MiB.
    #[must_use]
    pub fn disk_mib(mut self, mib: u64) -> Self {
        self.disk_mib = mib;
        self
    }

    /// With one more GPU, of this much memory in MiB.
    #[must_use]
    pub fn gpu(mut self, memory_mib: u64) -> Self {
        self.gpus.push(memory_mib);
        self
    }

    /// With this many places for bodies that need nothing else.
    #[must_use]
    pub fn slots(mut self, count: u64) -> Self {
        self.slots = count;
        self
    }

    /// With this many of something that the operator counts.
    #[must_use]
    pub fn custom(mut self, name: impl Into<String>, count: u64) -> Self {
        self.custom.insert(name.into(), count);
        self
    }

    /// What is wrong with it, all at once; empty if nothing is.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let fields = [
            ("cpu_millis", self.cpu_millis),
            ("memory_mib", self.memory_mib),
            ("disk_mib", self.disk_mib),
            ("slots", self.slots),
        ];
        let mut found: Vec<String> = fields.iter().filter_map(|(name, n)| amount_fault(name, *n)).collect();
        for (index, &memory) in self.gpus.iter().enumerate() {
            found.extend(amount_fault(&format!("gpus[{index}]"), memory));
            if memory == 0 {
                found.push(format!(
                    "gpus[{index}] is 0; give the memory of the GPU in MiB, or leave the GPU out"
                ));
            }
        }
        found.extend(custom_faults("custom", &self.custom));
        if self.divisible().is_zero() && self.gpus.is_empty() {
            found.push("it is empty; a worker needs at least one slot or one core".to_owned());
        }
        found
    }

    /// What is left of it beside this load, as [`Pool::load`](super::Pool::load) tells one: `gpus` are those with
    /// nothing on them, `gpu_memory_mib` is the largest free part of one GPU.
    ///
    /// A load says of all GPUs together how much memory is taken, so of several of which some is taken the answer is
    /// the most that there may be.
    ///
    /// # Examples
    ///
    /// ```
    /// use function_runner_core::{Amounts, Capacity};
    ///
    /// let worker = Capacity::new().cpu_millis(4000).gpu(12_288);
    /// let left = worker.left(&Amounts::new().cpu_millis(1000).gpu_memory_mib(9000));
    /// assert_eq!((left.cpu_millis, left.gpu_memory_mib, left.gpus), (3000, 3288, 0));
    /// ```
    #[must_use]
    pub fn left(&self, load: &Amounts) -> Amounts {
        let mut left = self.divisible();
        left.subtract(load, 1);
        let mut cards = self.gpus.clone();
        cards.sort_unstable();
        let free = cards.iter().sum::<u64>().saturating_sub(load.gpu_memory_mib);
        // the most cards whose memory is free together: the smallest first
        let vacant = cards.iter().scan(0_u64, |sum, memory| {
            *sum = sum.saturating_add(*memory);
            (*sum <= free).then_some(())
        });
        let vacant = vacant.count().min(cards.len().saturating_sub(load.gpus as usize));
        left.gpus = u32::try_from(vacant).unwrap_or(u32::MAX);
        left.gpu_memory_mib = cards.last().copied().unwrap_or(0).min(free);
        if load.gpus as usize >= cards.len() {
            left.gpu_memory_mib = 0;
        }
        left
    }

    /// What of it can be divided at will: all but the GPUs.
    pub(super) fn divisible(&self) -> Amounts {
        Amounts {
            cpu_millis: self.cpu_millis,
            memory_mib: self.memory_mib,
            disk_mib: self.disk_mib,
            slots: self.slots,
            custom: self.custom.clone(),
            ..Amounts::default()
        }
    }

    /// The GPUs in words, those of one size together, in the order in which the sizes first come.
    fn gpus_in_words(&self) -> Vec<String> {
        let mut sizes: Vec<(u64, u64)> = Vec::new();
        for &memory in &self.gpus {
            match sizes.iter_mut().find(|(_, size)| *size == memory) {
                Some((count, _)) => *count += 1,
                None => sizes.push((1, memory)),
            }
        }
        sizes.into_iter().map(|(count, size)| format!("{} of {}", counted(count, "GPU"), mib(size))).collect()
    }
}

/// In words, the largest unit that leaves something to say, rounded down: `2 cores, 23 GiB memory, 64 slots`.
impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        words.extend((self.cpu_millis > 0).then(|| cores(self.cpu_millis)));
        words.extend((self.memory_mib > 0).then(|| format!("{} memory", mib(self.memory_mib))));
        words.extend(self.gpus_in_words());
        words.extend((self.disk_mib > 0).then(|| format!("{} disk", mib(self.disk_mib))));
        words.extend((self.slots > 0).then(|| counted(self.slots, "slot")));
        words.extend(custom(&self.custom));
        f.write_str(&listed(&words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_words() {
        let all =
            Capacity::new().cpu_millis(1500).memory_mib(24_000).disk_mib(900).gpu(8192).gpu(24_576).gpu(8192);
        let all = all.slots(1).custom("licence", 3);
        let words = "1.5 cores, 23.4 GiB memory, 2 GPUs of 8 GiB, 1 GPU of 24 GiB, 900 MiB disk, 1 slot, \
                     3 of `licence`";
        assert_eq!(all.to_string(), words);
        assert_eq!(Capacity::default().to_string(), "nothing");
        assert_eq!(Capacity::new().to_string(), "64 slots");
    }

    #[test]
    fn what_is_left_of_gpus_is_the_most_that_there_may_be() {
        let worker = Capacity::new().gpu(24_000).gpu(8000).slots(4).custom("licence", 2);
        let left = |load: Amounts| {
            let left = worker.left(&load);
            (left.gpus, left.gpu_memory_mib)
        };
        assert_eq!(left(Amounts::new()), (2, 24_000));
        assert_eq!(left(Amounts::new().gpu_memory_mib(6000)), (1, 24_000));
        assert_eq!(left(Amounts::new().gpu_memory_mib(25_000)), (0, 7000));
        assert_eq!(left(Amounts::new().gpus(1).gpu_memory_mib(24_000)), (1, 8000));
        assert_eq!(left(Amounts::new().gpus(2).gpu_memory_mib(32_000)), (0, 0));
        let left = worker.left(&Amounts::new().slots(9).custom("licence", 1).custom("other", 1));
        assert_eq!((left.slots, left.custom), (0, BTreeMap::from([("licence".to_owned(), 1)])));
        assert_eq!(Capacity::new().left(&Amounts::new().gpus(1)).gpu_memory_mib, 0);
    }

    #[test]
    fn every_fault_is_told_with_its_field_and_remedy() {
        let faulty = Capacity::new().slots(u64::MAX).gpu(24_576).gpu(0).custom("", 1);
        assert_eq!(
            faulty.faults(),
            [
                "slots is 18446744073709551615; it takes at most 1099511627776",
                "gpus[1] is 0; give the memory of the GPU in MiB, or leave the GPU out",
                "custom has the name ``; a name is 1 to 64 of [a-z0-9._-]",
            ]
        );
        assert!(Capacity::new().faults().is_empty());
        assert_eq!(
            Capacity::default().faults(),
            ["it is empty; a worker needs at least one slot or one core"]
        );
    }

    #[test]
    fn json_is_compact_and_comes_back() {
        let worker = Capacity::new().gpu(24_576).custom("tpu", 2);
        let json = r#"{"gpus":[24576],"slots":64,"custom":{"tpu":2}}"#;
        assert_eq!(serde_json::to_string(&worker).unwrap(), json);
        assert_eq!(serde_json::from_str::<Capacity>(json).unwrap(), worker);
    }
}
