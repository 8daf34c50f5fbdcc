//! Amounts of every resource there is, and exact sums over those that can be divided at will.

use std::{collections::BTreeMap, fmt, iter};

use serde::{Deserialize, Serialize};

use super::words;

/// Amounts of every resource there is; whole numbers, so that sums are exact.
///
/// As JSON it is an object of the fields that are not 0: `{"cpu_millis":2000,"custom":{"licence":1}}`. A
/// reader takes a field that is absent for 0 and ignores one it does not know.
///
/// # Examples
///
/// ```
/// use function_runner_core::Amounts;
///
/// let model = Amounts::new().memory_mib(500).gpu_memory_mib(9000);
/// assert_eq!(serde_json::to_string(&model)?, r#"{"memory_mib":500,"gpu_memory_mib":9000}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Amounts {
    /// Thousandths of a CPU core.
    #[serde(skip_serializing_if = "is_zero")]
    pub cpu_millis: u64,
    /// Memory in MiB.
    #[serde(skip_serializing_if = "is_zero")]
    pub memory_mib: u64,
    /// Disk in MiB.
    #[serde(skip_serializing_if = "is_zero")]
    pub disk_mib: u64,
    /// Whole GPUs, nobody else on them.
    #[serde(skip_serializing_if = "is_zero_count")]
    pub gpus: u32,
    /// GPU memory in MiB: a part of one GPU where `gpus` is 0, else what each whole GPU must have.
    #[serde(skip_serializing_if = "is_zero")]
    pub gpu_memory_mib: u64,
    /// Places for bodies that need nothing else.
    #[serde(skip_serializing_if = "is_zero")]
    pub slots: u64,
    /// The operator's own countable things, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub custom: BTreeMap<String, u64>,
}

impl Amounts {
    /// Nothing of anything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
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

    /// With this many whole GPUs.
    #[must_use]
    pub fn gpus(mut self, count: u32) -> Self {
        self.gpus = count;
        self
    }

    /// With this much GPU memory, in MiB: of one GPU, or of each whole one.
    #[must_use]
    pub fn gpu_memory_mib(mut self, mib: u64) -> Self {
        self.gpu_memory_mib = mib;
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

    /// Whether it is nothing of anything.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.four() == [0; 4]
            && self.gpus == 0
            && self.gpu_memory_mib == 0
            && self.custom.values().all(|&n| n == 0)
    }

    /// Whether it is of divisible resources only, so that no GPU has to be chosen for it.
    pub(super) fn is_divisible(&self) -> bool {
        self.gpus == 0 && self.gpu_memory_mib == 0
    }

    /// The divisible resources that have a field of their own.
    pub(super) fn four(&self) -> [u64; 4] {
        [self.cpu_millis, self.memory_mib, self.disk_mib, self.slots]
    }

    /// How many of that name there are.
    pub(super) fn named(&self, name: &str) -> u64 {
        self.custom.get(name).copied().unwrap_or(0)
    }

    /// Whether, of divisible resources, `need` is within it.
    pub(super) fn covers(&self, need: &Self) -> bool {
        self.four().iter().zip(need.four()).all(|(&free, need)| need <= free)
            && need.custom.iter().all(|(name, &need)| need <= self.named(name))
    }

    /// Whether, of divisible resources, two needs together are within it.
    pub(super) fn covers_both(&self, one: &Self, other: &Self) -> bool {
        let both = |free: u64, one: u64, other: u64| free.checked_sub(one).is_some_and(|left| other <= left);
        let (free, first, second) = (self.four(), one.four(), other.four());
        (0..free.len()).all(|i| both(free[i], first[i], second[i]))
            && one
                .custom
                .keys()
                .chain(other.custom.keys())
                .all(|name| both(self.named(name), one.named(name), other.named(name)))
    }

    /// How many times, of divisible resources, `need` is within it; `u64::MAX` if it needs none of them.
    pub(super) fn times(&self, need: &Self) -> u64 {
        self.times_with(iter::empty(), need)
    }

    /// How many times, of divisible resources, `need` is within it and these others together.
    pub(super) fn times_with<'a>(&self, others: impl Iterator<Item = &'a Self> + Clone, need: &Self) -> u64 {
        let mut free = self.four();
        for other in others.clone() {
            free.iter_mut().zip(other.four()).for_each(|(free, n)| *free = free.saturating_add(n));
        }
        let four = free.into_iter().zip(need.four()).map(|(free, need)| parts(free, need));
        let custom = need.custom.iter().map(|(name, &need)| {
            let free =
                others.clone().fold(self.named(name), |free, other| free.saturating_add(other.named(name)));
            parts(free, need)
        });
        four.chain(custom).fold(u64::MAX, u64::min)
    }

    /// Puts divisible resources back. What was never taken from it is not put into it.
    pub(super) fn add(&mut self, amounts: &Self) {
        self.each_divisible(amounts, |own, n| *own = own.saturating_add(n));
    }

    /// Takes divisible resources out, some number of times; the caller has seen that they are there.
    pub(super) fn subtract(&mut self, amounts: &Self, times: u64) {
        self.each_divisible(amounts, |own, n| *own = own.saturating_sub(n.saturating_mul(times)));
    }

    fn each_divisible(&mut self, amounts: &Self, change: impl Fn(&mut u64, u64)) {
        change(&mut self.cpu_millis, amounts.cpu_millis);
        change(&mut self.memory_mib, amounts.memory_mib);
        change(&mut self.disk_mib, amounts.disk_mib);
        change(&mut self.slots, amounts.slots);
        for (name, &n) in &amounts.custom {
            if let Some(own) = self.custom.get_mut(name) {
                change(own, n);
            }
        }
    }

    /// Adds what is wrong with it to `found`, each fault behind the name `at` of these amounts.
    pub(super) fn find_faults(&self, at: &str, found: &mut Vec<String>) {
        let fields = [
            ("cpu_millis", self.cpu_millis),
            ("memory_mib", self.memory_mib),
            ("disk_mib", self.disk_mib),
            ("gpu_memory_mib", self.gpu_memory_mib),
            ("slots", self.slots),
        ];
        found.extend(fields.iter().filter_map(|(name, n)| words::amount_fault(&format!("{at}.{name}"), *n)));
        found.extend(words::custom_faults(&format!("{at}.custom"), &self.custom));
    }
}

/// In words, to the last MiB: `2 cores, 800 MiB of memory, 1500 MiB of GPU memory`.
impl fmt::Display for Amounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |amount: u64, of: &str| (amount > 0).then(|| format!("{amount} MiB of {of}"));
        let mut words = Vec::new();
        words.extend((self.cpu_millis > 0).then(|| words::cores(self.cpu_millis)));
        words.extend(mib(self.memory_mib, "memory"));
        words.extend(mib(self.disk_mib, "disk"));
        words.extend(match (words::counted(self.gpus.into(), "GPU"), self.gpu_memory_mib) {
            (_, memory) if self.gpus == 0 => mib(memory, "GPU memory"),
            (gpus, 0) => Some(gpus),
            (gpus, memory) => Some(format!("{gpus} of {memory} MiB")),
        });
        words.extend((self.slots > 0).then(|| words::counted(self.slots, "slot")));
        words.extend(words::custom(&self.custom));
        f.write_str(&words::listed(&words))
    }
}

/// How many times `need` is within `free`; no need is met without end.
pub(super) fn parts(free: u64, need: u64) -> u64 {
    free.checked_div(need).unwrap_or(u64::MAX)
}

pub(super) fn is_zero(amount: &u64) -> bool {
    *amount == 0
}

fn is_zero_count(count: &u32) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_never_wrap() {
        let all = Amounts::new().cpu_millis(u64::MAX).custom("tpu", u64::MAX);
        assert!(all.covers(&all) && !all.covers_both(&all, &all));
        assert!(!Amounts::new().covers_both(&all, &all));
        assert!(all.covers_both(&all, &Amounts::new()) && all.covers_both(&Amounts::new(), &all));
        assert_eq!(Amounts::new().times(&Amounts::new()), u64::MAX);
        assert_eq!(all.times(&all), 1);
    }

    #[test]
    fn it_reads_as_words() {
        let all = Amounts::new().cpu_millis(500).memory_mib(2048).disk_mib(7).gpu_memory_mib(9000).slots(1);
        let words =
            "0.5 cores, 2048 MiB of memory, 7 MiB of disk, 9000 MiB of GPU memory, 1 slot, 2 of `tpu`";
        assert_eq!(all.custom("tpu", 2).to_string(), words);
        assert_eq!(Amounts::new().gpus(1).to_string(), "1 GPU");
        assert_eq!(Amounts::new().gpus(2).gpu_memory_mib(9000).to_string(), "2 GPUs of 9000 MiB");
        assert_eq!(Amounts::new().custom("tpu", 0).to_string(), "nothing");
    }

    #[test]
    fn custom_counts_of_two_needs_are_added() {
        let (free, one, two) =
            (Amounts::new().custom("tpu", 3), Amounts::new().custom("tpu", 1), Amounts::new());
        assert!(free.covers_both(&one, &two.clone().custom("tpu", 2)));
        assert!(!free.covers_both(&one, &two.custom("tpu", 3)));
    }

    #[test]
    fn a_custom_count_that_is_unknown_is_none() {
        let free = Amounts::new().slots(4);
        assert!(!free.covers(&Amounts::new().custom("tpu", 1)));
        assert!(free.covers(&Amounts::new().custom("tpu", 0)));
        assert!(!free.covers_both(&Amounts::new(), &Amounts::new().custom("tpu", 1)));
        assert_eq!(free.times(&Amounts::new().slots(1).custom("tpu", 1)), 0);
    }

    #[test]
    fn zero_fields_are_not_written_and_unknown_ones_are_ignored() {
        assert_eq!(serde_json::to_string(&Amounts::new()).unwrap(), "{}");
        let read: Amounts = serde_json::from_str(r#"{"gpus":2,"later":true}"#).unwrap();
        assert_eq!(read, Amounts::new().gpus(2));
        assert!(serde_json::from_str::<Amounts>(r#"{"slots":-1}"#).is_err());
        assert!(serde_json::from_str::<Amounts>(r#"{"slots":1.5}"#).is_err());
    }
}
