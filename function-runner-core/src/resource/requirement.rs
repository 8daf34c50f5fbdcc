//! What one task needs while it runs.

use std::{fmt, iter, mem};

use serde::{Deserialize, Serialize};

use super::Amounts;

/// How many alternatives a requirement may have, itself not counted.
const MOST_ALTERNATIVES: usize = 8;

/// What one task needs while it runs.
///
/// Two parts: `each` is held by every task, `shared` once per worker for all tasks of a lane (a loaded
/// model), and it stays after the last of them until its room is needed. Where the shared part takes GPU
/// memory, that of its tasks comes from the same GPU. Alternatives are tried in order: on a GPU, else on the
/// CPU.
///
/// As JSON it is `{"shared":{…},"each":{…},"otherwise":[…]}`: both parts as [`Amounts`], the alternatives as
/// requirements of their own that have no `otherwise`; what is empty is absent, and a reader ignores fields
/// it does not know.
///
/// # Examples
///
/// ```
/// use function_runner_core::ResourceRequirement;
///
/// let on_gpu = ResourceRequirement::new()
///     .gpu_memory_mib(1500)
///     .shared(ResourceRequirement::new().gpu_memory_mib(9000));
/// let needs = on_gpu.or(ResourceRequirement::new().cpu_millis(4000).memory_mib(12_000));
/// assert_eq!(needs.options().count(), 2);
/// assert!(needs.faults().is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ResourceRequirement {
    /// Held once per worker while the lane is warm: a loaded model.
    #[serde(skip_serializing_if = "Amounts::is_zero")]
    pub shared: Amounts,
    /// Held by every task.
    #[serde(skip_serializing_if = "Amounts::is_zero")]
    pub each: Amounts,
    /// What will do instead, in order of preference.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub otherwise: Vec<ResourceRequirement>,
}

impl ResourceRequirement {
    /// A task that needs nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Each task holds this many thousandths of a CPU core.
    #[must_use]
    pub fn cpu_millis(mut self, millis: u64) -> Self {
        self.each.cpu_millis = millis;
        self
    }

    /// Each task holds this much memory, in MiB.
    #[must_use]
    pub fn memory_mib(mut self, mib: u64) -> Self {
        self.each.memory_mib = mib;
        self
    }

    /// Each task holds this much disk, in MiB.
    #[must_use]
    pub fn disk_mib(mut self, mib: u64) -> Self {
        self.each.disk_mib = mib;
        self
    }

    /// Each task holds this many whole GPUs, nobody else on them.
    #[must_use]
    pub fn gpus(mut self, count: u32) -> Self {
        self.each.gpus = count;
        self
    }

    /// Each task holds this much memory of one GPU, in MiB; with [`gpus`](Self::gpus), whole GPUs of at least
    /// this much each.
    #[must_use]
    pub fn gpu_memory_mib(mut self, mib: u64) -> Self {
        self.each.gpu_memory_mib = mib;
        self
    }

    /// Each task holds this many of a worker's places for bodies that need nothing else.
    #[must_use]
    pub fn slots(mut self, count: u64) -> Self {
        self.each.slots = count;
        self
    }

    /// Each task holds this many of something that the operator counts.
    #[must_use]
    pub fn custom(mut self, name: impl Into<String>, count: u64) -> Self {
        self.each.custom.insert(name.into(), count);
        self
    }

    /// All tasks of a lane on one worker together hold what each task of `part` would: a loaded model.
    ///
    /// Of `part` only those amounts count. It is keyed by lane and amounts: tasks of one lane whose shared
    /// parts are equal share one, and where they differ both are held.
    #[must_use]
    pub fn shared(mut self, part: Self) -> Self {
        self.shared = part.each;
        self
    }

    /// What will do instead where this does not fit, behind the alternatives it already has; those of `other`
    /// follow it.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        other.flatten_into(&mut self.otherwise);
        self
    }

    fn flatten_into(mut self, alternatives: &mut Vec<Self>) {
        let nested = mem::take(&mut self.otherwise);
        alternatives.push(self);
        nested.into_iter().for_each(|one| one.flatten_into(alternatives));
    }

    /// What will do, in order of preference: itself, then its alternatives. Of each only `shared` and `each`
    /// count.
    pub fn options(&self) -> impl Iterator<Item = &Self> {
        iter::once(self).chain(&self.otherwise)
    }

    /// What is wrong with it, all at once; empty if nothing is.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.find_faults("", &mut found);
        for (index, option) in self.otherwise.iter().enumerate() {
            let at = format!("otherwise[{index}].");
            option.find_faults(&at, &mut found);
            if !option.otherwise.is_empty() {
                found.push(format!("{at}otherwise is not empty; put all alternatives into one list"));
            }
        }
        if self.otherwise.len() > MOST_ALTERNATIVES {
            let count = self.otherwise.len();
            found.push(format!("otherwise has {count} alternatives; it takes at most {MOST_ALTERNATIVES}"));
        }
        found
    }

    fn find_faults(&self, at: &str, found: &mut Vec<String>) {
        self.shared.find_faults(&format!("{at}shared"), found);
        self.each.find_faults(&format!("{at}each"), found);
        found.extend(self.sharing_fault().map(|fault| format!("{at}{fault}")));
    }

    /// Why its shared part can be placed on no worker, whatever it has.
    pub(super) fn sharing_fault(&self) -> Option<String> {
        if self.shared.gpus > 0 {
            let count = self.shared.gpus;
            return Some(format!(
                "shared.gpus is {count}; whole GPUs cannot be shared: give shared.gpu_memory_mib"
            ));
        }
        let mixed = self.shared.gpu_memory_mib > 0 && self.each.gpus > 0;
        mixed.then(|| {
            format!(
                "shared.gpu_memory_mib is {}, but each task takes whole GPUs, where nothing is shared: \
                 leave it out",
                self.shared.gpu_memory_mib
            )
        })
    }
}

/// In words: `1500 MiB of GPU memory, and 9000 MiB of GPU memory shared by its lane, or else 4 cores`.
impl fmt::Display for ResourceRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, option) in self.options().enumerate() {
            f.write_str(if index == 0 { "" } else { ", or else " })?;
            match (option.each.is_zero(), option.shared.is_zero()) {
                (_, true) => write!(f, "{}", option.each)?,
                (true, false) => write!(f, "{} shared by its lane", option.shared)?,
                (false, false) => write!(f, "{}, and {} shared by its lane", option.each, option.shared)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu(mib: u64) -> ResourceRequirement {
        ResourceRequirement::new().gpu_memory_mib(mib)
    }

    #[test]
    fn builders_set_what_each_task_holds() {
        let needs = gpu(7).cpu_millis(1).memory_mib(2).disk_mib(3).gpus(4).slots(5).custom("tpu", 6);
        let each = Amounts::new().cpu_millis(1).memory_mib(2).disk_mib(3).gpus(4).gpu_memory_mib(7).slots(5);
        assert_eq!(needs.each, each.custom("tpu", 6));
        assert!(needs.shared.is_zero() && needs.otherwise.is_empty());
    }

    #[test]
    fn the_shared_part_is_what_each_task_of_the_argument_would_hold() {
        let needs = gpu(1).shared(gpu(2).shared(gpu(3)).or(gpu(4)));
        assert_eq!(needs, ResourceRequirement { shared: Amounts::new().gpu_memory_mib(2), ..gpu(1) });
    }

    #[test]
    fn alternatives_of_alternatives_follow_in_order() {
        let needs = gpu(1).or(gpu(2).or(gpu(3).or(gpu(4)))).or(gpu(5));
        let order: Vec<u64> = needs.options().map(|option| option.each.gpu_memory_mib).collect();
        assert_eq!(order, [1, 2, 3, 4, 5]);
        assert!(needs.options().skip(1).all(|option| option.otherwise.is_empty()));
    }

    #[test]
    fn it_reads_as_words() {
        let needs = gpu(1500).shared(gpu(9000)).or(ResourceRequirement::new().cpu_millis(4000));
        let words = "1500 MiB of GPU memory, and 9000 MiB of GPU memory shared by its lane, or else 4 cores";
        assert_eq!(needs.to_string(), words);
        assert_eq!(ResourceRequirement::new().to_string(), "nothing");
        assert_eq!(
            ResourceRequirement::new().shared(gpu(9)).to_string(),
            "9 MiB of GPU memory shared by its lane"
        );
    }

    #[test]
    fn every_fault_is_told_with_its_field_and_remedy() {
        let shared = ResourceRequirement::new().gpus(2);
        let needs =
            ResourceRequirement::new().cpu_millis((1 << 40) + 1).custom("Fast\nTPU", u64::MAX).shared(shared);
        let mut needs = needs.or(ResourceRequirement::new().gpus(1).shared(gpu(9)));
        needs.otherwise[0].otherwise.push(gpu(1));
        assert_eq!(
            needs.faults(),
            [
                "each.cpu_millis is 1099511627777; it takes at most 1099511627776",
                "each.custom has the name `Fast\\nTPU`; a name is 1 to 64 of [a-z0-9._-]",
                "each.custom.Fast\\nTPU is 18446744073709551615; it takes at most 1099511627776",
                "shared.gpus is 2; whole GPUs cannot be shared: give shared.gpu_memory_mib",
                "otherwise[0].shared.gpu_memory_mib is 9, but each task takes whole GPUs, where nothing is \
                 shared: leave it out",
                "otherwise[0].otherwise is not empty; put all alternatives into one list",
            ]
        );
    }

    #[test]
    fn eight_alternatives_are_enough() {
        let with = |count| (0..count).fold(gpu(1), |needs, n| needs.or(gpu(n)));
        assert!(with(8).faults().is_empty());
        assert_eq!(with(9).faults(), ["otherwise has 9 alternatives; it takes at most 8"]);
    }

    #[test]
    fn json_is_compact_and_comes_back() {
        assert_eq!(serde_json::to_string(&ResourceRequirement::new()).unwrap(), "{}");
        let needs = gpu(1500).shared(gpu(9000)).or(ResourceRequirement::new().cpu_millis(4000));
        let json = concat!(
            r#"{"shared":{"gpu_memory_mib":9000},"each":{"gpu_memory_mib":1500},"#,
            r#""otherwise":[{"each":{"cpu_millis":4000}}]}"#
        );
        assert_eq!(serde_json::to_string(&needs).unwrap(), json);
        assert_eq!(serde_json::from_str::<ResourceRequirement>(json).unwrap(), needs);
        let newer = r#"{"each":{"slots":1},"prefer":"night"}"#;
        assert_eq!(
            serde_json::from_str::<ResourceRequirement>(newer).unwrap(),
            ResourceRequirement::new().slots(1)
        );
    }
}
