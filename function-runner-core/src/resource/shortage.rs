//! Of what too little is free: why a task that some worker could hold fits none of them now.

use super::{Amounts, Largest, ResourceRequirement, words};

/// Of what no worker has enough free, in words; `None` where some worker has room for one of the options.
///
/// `free` is what each worker has left. `loaded` says that the shared part may be held already, so that only what
/// each task takes is asked for: what cannot be known is not told as a shortage.
pub(crate) fn shortage(needs: &[&ResourceRequirement], free: &[Amounts], loaded: bool) -> Option<String> {
    let options: Vec<Amounts> = needs.iter().map(|option| sum(option, loaded)).collect();
    if free.iter().any(|free| options.iter().any(|option| fits(free, option))) {
        return None;
    }
    let mut most = Largest::default();
    free.iter().for_each(|free| most.merge_amounts(free));
    let clauses = options.iter().map(|option| {
        let lacking = lacking(option, most.amounts());
        if lacking.is_empty() {
            format!("it needs {option}, which no worker has free at once")
        } else {
            lacking
        }
    });
    Some(clauses.collect::<Vec<_>>().join("; or else "))
}

/// What one task takes where its shared part is still to be loaded, or is not.
fn sum(option: &ResourceRequirement, loaded: bool) -> Amounts {
    let mut sum = option.each.clone();
    if loaded {
        return sum;
    }
    let shared = &option.shared;
    for (own, more) in [
        (&mut sum.cpu_millis, shared.cpu_millis),
        (&mut sum.memory_mib, shared.memory_mib),
        (&mut sum.disk_mib, shared.disk_mib),
        (&mut sum.gpu_memory_mib, shared.gpu_memory_mib),
        (&mut sum.slots, shared.slots),
    ] {
        *own = own.saturating_add(more);
    }
    for (name, &more) in &shared.custom {
        let own = sum.custom.entry(name.clone()).or_default();
        *own = own.saturating_add(more);
    }
    sum
}

fn fits(free: &Amounts, need: &Amounts) -> bool {
    free.covers(need) && need.gpus <= free.gpus && need.gpu_memory_mib <= free.gpu_memory_mib
}

/// One clause for each resource of which more is needed than any worker has free.
fn lacking(need: &Amounts, most: &Amounts) -> String {
    let mib = |amount: u64| format!("{amount} MiB");
    let mut found = Vec::new();
    let mut lack = |need: u64, most: u64, words: &dyn Fn(u64) -> String, of: &str| {
        if need > most {
            found.push(format!("it needs {}{of} and the most free is {}", words(need), words(most)));
        }
    };
    lack(need.cpu_millis, most.cpu_millis, &words::cores, "");
    lack(need.memory_mib, most.memory_mib, &mib, " of memory");
    lack(need.disk_mib, most.disk_mib, &mib, " of disk");
    lack(need.gpus.into(), most.gpus.into(), &|count| words::counted(count, "GPU"), "");
    lack(need.slots, most.slots, &|count| words::counted(count, "slot"), "");
    for (name, &count) in &need.custom {
        lack(count, most.named(name), &|count| count.to_string(), &format!(" of `{}`", words::shown(name)));
    }
    if need.gpu_memory_mib > most.gpu_memory_mib {
        let (need, most) = (need.gpu_memory_mib, most.gpu_memory_mib);
        found.push(format!("it needs {need} MiB of GPU memory and the largest free is {most}"));
    }
    found.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs() -> ResourceRequirement {
        ResourceRequirement::new()
    }

    fn told(needs: &ResourceRequirement, free: &[Amounts]) -> Option<String> {
        shortage(&needs.options().collect::<Vec<_>>(), free, false)
    }

    #[test]
    fn each_resource_is_told_with_what_is_free_of_it() {
        let free = [Amounts::new().cpu_millis(500).memory_mib(300).slots(1).gpus(1).gpu_memory_mib(4000)];
        for (needs, words) in [
            (needs().cpu_millis(2000), "it needs 2 cores and the most free is 0.5 cores"),
            (needs().memory_mib(800), "it needs 800 MiB of memory and the most free is 300 MiB"),
            (needs().disk_mib(1), "it needs 1 MiB of disk and the most free is 0 MiB"),
            (needs().gpus(2), "it needs 2 GPUs and the most free is 1 GPU"),
            (needs().slots(2), "it needs 2 slots and the most free is 1 slot"),
            (needs().custom("licence", 1), "it needs 1 of `licence` and the most free is 0"),
            (needs().gpu_memory_mib(9000), "it needs 9000 MiB of GPU memory and the largest free is 4000"),
        ] {
            assert_eq!(told(&needs, &free).as_deref(), Some(words));
        }
        assert_eq!(told(&needs().cpu_millis(500).gpu_memory_mib(4000), &free), None);
    }

    #[test]
    fn one_option_on_one_worker_is_enough_and_else_each_is_told() {
        let free = [Amounts::new().cpu_millis(1000), Amounts::new().memory_mib(1000)];
        assert_eq!(told(&needs().gpus(1).or(needs().memory_mib(900)), &free), None);
        assert_eq!(
            told(&needs().gpus(1).or(needs().cpu_millis(1500)), &free).unwrap(),
            "it needs 1 GPU and the most free is 0 GPUs; or else it needs 1.5 cores and the most free is 1 core"
        );
        assert_eq!(
            told(&needs().cpu_millis(900).memory_mib(900), &free).unwrap(),
            "it needs 0.9 cores, 900 MiB of memory, which no worker has free at once"
        );
    }

    #[test]
    fn a_shared_part_counts_unless_it_may_be_loaded() {
        let needs = needs().gpu_memory_mib(1000).shared(needs().gpu_memory_mib(8000).custom("licence", 1));
        let free = [Amounts::new().gpu_memory_mib(4000)];
        assert_eq!(
            told(&needs, &free).unwrap(),
            "it needs 1 of `licence` and the most free is 0; it needs 9000 MiB of GPU memory and the largest \
             free is 4000"
        );
        assert_eq!(shortage(&[&needs], &free, true), None);
    }
}
