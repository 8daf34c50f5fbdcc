//! The most that any one worker has of each resource: what no worker could ever hold is refused by it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    Amounts, Capacity, ResourceRequirement,
    words::{cores, counted, shown},
};

/// Of every resource the most that any one worker has: `gpus` is the most GPUs on one worker,
/// `gpu_memory_mib` the memory of the largest GPU.
///
/// The default knows no worker and refuses nothing. As JSON it is the [`Amounts`].
///
/// # Examples
///
/// ```
/// use function_runner_core::{Capacity, Largest, ResourceRequirement};
///
/// let mut largest = Largest::default();
/// largest.merge(&Capacity::new().cpu_millis(2000).gpu(12_288));
/// let excess = largest.excess(&ResourceRequirement::new().gpu_memory_mib(24_000)).expect("too much");
/// assert_eq!(excess.to_string(), "it needs 24000 MiB of GPU memory, the largest GPU known has 12288 MiB");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Largest {
    most: Amounts,
}

/// What a requirement needs of which no worker has so much, in words, for each of its alternatives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excess {
    options: Vec<Vec<String>>,
}

impl Largest {
    /// Counts one more worker in.
    pub fn merge(&mut self, capacity: &Capacity) {
        let mut most = capacity.divisible();
        most.gpus = u32::try_from(capacity.gpus.len()).unwrap_or(u32::MAX);
        most.gpu_memory_mib = capacity.gpus.iter().copied().max().unwrap_or(0);
        self.merge_amounts(&most);
    }

    /// Counts in what is known elsewhere: another's [`amounts`](Self::amounts).
    pub fn merge_amounts(&mut self, amounts: &Amounts) {
        let most = &mut self.most;
        most.cpu_millis = most.cpu_millis.max(amounts.cpu_millis);
        most.memory_mib = most.memory_mib.max(amounts.memory_mib);
        most.disk_mib = most.disk_mib.max(amounts.disk_mib);
        most.gpus = most.gpus.max(amounts.gpus);
        most.gpu_memory_mib = most.gpu_memory_mib.max(amounts.gpu_memory_mib);
        most.slots = most.slots.max(amounts.slots);
        for (name, &count) in &amounts.custom {
            let own = most.custom.entry(name.clone()).or_default();
            *own = count.max(*own);
        }
    }

    /// The most of each.
    #[must_use]
    pub fn amounts(&self) -> &Amounts {
        &self.most
    }

    /// What is too much for any worker; `None` if some alternative is within the most of each resource, or if
    /// no worker is known.
    ///
    /// The shared part and that of one task count together. That no resource alone is too much does not mean
    /// that one worker has all of them: [`Pool::fits_ever`](super::Pool::fits_ever) answers for one.
    #[must_use]
    pub fn excess(&self, needs: &ResourceRequirement) -> Option<Excess> {
        if self.most.is_zero() {
            return None;
        }
        let options: Vec<_> = needs.options().map(|option| self.excess_of(option)).collect();
        (!options.iter().any(Vec::is_empty)).then_some(Excess { options })
    }

    fn excess_of(&self, option: &ResourceRequirement) -> Vec<String> {
        let (most, shared, each) = (&self.most, &option.shared, &option.each);
        let mib = |n: u64| format!("{n} MiB");
        let mut found = Vec::from_iter(option.sharing_fault());
        found.extend(too_much(shared.cpu_millis, each.cpu_millis, most.cpu_millis, cores, ""));
        found.extend(too_much(shared.memory_mib, each.memory_mib, most.memory_mib, mib, " of memory"));
        found.extend(too_much(shared.disk_mib, each.disk_mib, most.disk_mib, mib, " of disk"));
        found.extend(self.gpu_excess(option));
        found.extend(too_much(shared.slots, each.slots, most.slots, |n| counted(n, "slot"), ""));
        for name in
            shared.custom.keys().chain(each.custom.keys().filter(|name| !shared.custom.contains_key(*name)))
        {
            let (shared, each, most) = (shared.named(name), each.named(name), most.named(name));
            let of = format!(" of `{}`", shown(name));
            found.extend(too_much(shared, each, most, |n| n.to_string(), &of));
        }
        found
    }

    fn gpu_excess(&self, option: &ResourceRequirement) -> Option<String> {
        let (most, shared, each) = (&self.most, &option.shared, &option.each);
        let count =
            too_much(shared.gpus.into(), each.gpus.into(), most.gpus.into(), |n| counted(n, "GPU"), "");
        let memory = shared.gpu_memory_mib.saturating_add(each.gpu_memory_mib);
        count.or_else(|| match (memory, most.gpu_memory_mib) {
            (memory, most) if memory <= most => None,
            (_, 0) => Some(format!("it needs {memory} MiB of GPU memory and no worker has a GPU")),
            (_, most) => {
                Some(format!("it needs {memory} MiB of GPU memory, the largest GPU known has {most} MiB"))
            }
        })
    }
}

fn too_much(shared: u64, each: u64, most: u64, words: impl Fn(u64) -> String, of: &str) -> Option<String> {
    let needed = shared.saturating_add(each);
    match most {
        most if needed <= most => None,
        0 => Some(format!("it needs {}{of} and no worker has any", words(needed))),
        most => Some(format!("it needs {}{of}, the most one worker has is {}", words(needed), words(most))),
    }
}

/// `it needs 24000 MiB of GPU memory, the largest GPU known has 12288 MiB`: one such clause for each
/// resource, and `or else` before each alternative.
impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options: Vec<String> = self.options.iter().map(|clauses| clauses.join("; ")).collect();
        f.write_str(&options.join("; or else "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs() -> ResourceRequirement {
        ResourceRequirement::new()
    }

    fn known() -> Largest {
        let mut largest = Largest::default();
        largest.merge(&Capacity::new().cpu_millis(16_000).memory_mib(32_000).custom("licence", 2));
        largest.merge(&Capacity::new().cpu_millis(8000).memory_mib(64_000).gpu(12_288).gpu(8192).slots(8));
        largest
    }

    fn told(needs: &ResourceRequirement) -> String {
        known().excess(needs).map_or_else(String::new, |excess| excess.to_string())
    }

    #[test]
    fn it_is_the_most_of_each_over_all_workers() {
        let most =
            Amounts::new().cpu_millis(16_000).memory_mib(64_000).gpus(2).gpu_memory_mib(12_288).slots(64);
        assert_eq!(known().amounts(), &most.custom("licence", 2));
        let mut elsewhere = Largest::default();
        elsewhere.merge_amounts(known().amounts());
        assert_eq!(elsewhere, known());
        let json = serde_json::to_string(&known()).unwrap();
        assert_eq!(serde_json::from_str::<Largest>(&json).unwrap(), known());
        assert!(json.starts_with(r#"{"cpu_millis":16000,"#), "{json}");
    }

    #[test]
    fn what_is_too_much_is_told_in_words() {
        let cases = [
            (needs().cpu_millis(64_500), "it needs 64.5 cores, the most one worker has is 16 cores"),
            (
                needs().memory_mib(64_001),
                "it needs 64001 MiB of memory, the most one worker has is 64000 MiB",
            ),
            (needs().disk_mib(5), "it needs 5 MiB of disk and no worker has any"),
            (needs().gpus(3), "it needs 3 GPUs, the most one worker has is 2 GPUs"),
            (
                needs().gpus(1).gpu_memory_mib(12_289),
                "it needs 12289 MiB of GPU memory, the largest GPU known has 12288 MiB",
            ),
            (needs().slots(65), "it needs 65 slots, the most one worker has is 64 slots"),
            (needs().custom("licence", 3), "it needs 3 of `licence`, the most one worker has is 2"),
            (needs().custom("tpu", 1), "it needs 1 of `tpu` and no worker has any"),
        ];
        for (needs, words) in cases {
            assert_eq!(told(&needs), words);
        }
    }

    #[test]
    fn a_fleet_without_gpus_has_none_to_compare_with() {
        let mut largest = Largest::default();
        largest.merge(&Capacity::new());
        let told = |needs: &ResourceRequirement| largest.excess(needs).unwrap().to_string();
        assert_eq!(told(&needs().gpus(2).gpu_memory_mib(9)), "it needs 2 GPUs and no worker has any");
        assert_eq!(told(&needs().gpu_memory_mib(9)), "it needs 9 MiB of GPU memory and no worker has a GPU");
    }

    #[test]
    fn the_shared_part_and_that_of_a_task_count_together() {
        let with =
            |mib| needs().gpu_memory_mib(3000).shared(needs().gpu_memory_mib(mib).custom("licence", 1));
        assert_eq!(told(&with(9288)), "");
        assert_eq!(
            told(&with(9289)),
            "it needs 12289 MiB of GPU memory, the largest GPU known has 12288 MiB"
        );
        let twice = with(1).custom("licence", 2);
        assert_eq!(told(&twice), "it needs 3 of `licence`, the most one worker has is 2");
    }

    #[test]
    fn one_alternative_within_the_most_is_enough() {
        assert_eq!(told(&needs().gpus(9).or(needs().cpu_millis(16_000))), "");
        assert_eq!(
            told(&needs().gpus(9).slots(65).or(needs().disk_mib(1))),
            "it needs 9 GPUs, the most one worker has is 2 GPUs; it needs 65 slots, the most one worker has \
             is 64 slots; or else it needs 1 MiB of disk and no worker has any"
        );
    }

    #[test]
    fn where_no_worker_is_known_nothing_is_refused() {
        assert_eq!(Largest::default().excess(&needs().gpus(99)), None);
    }
}
