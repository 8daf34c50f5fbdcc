//! Amounts in words, and the faults that requirements and capacities share.

use std::collections::BTreeMap;

use crate::Name;

/// No amount of anything is over this: 2^40, an exbibyte where it counts MiB.
const MOST: u64 = 1 << 40;

/// Thousandths of a core in words: `2 cores`, `1 core`, `1.25 cores`.
pub(super) fn cores(millis: u64) -> String {
    format!("{} {}", thousandths(millis), if millis == 1000 { "core" } else { "cores" })
}

/// Thousandths as a number with as many places as it has.
fn thousandths(millis: u64) -> String {
    let text = format!("{}.{:03}", millis / 1000, millis % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// MiB in words: `800 MiB`, `24 GiB`, `23.4 GiB`; rounded down, so that no more is promised than there is.
pub(super) fn mib(amount: u64) -> String {
    let (whole, tenth) = (amount / 1024, amount % 1024 * 10 / 1024);
    match (whole, tenth) {
        (0, _) => format!("{amount} MiB"),
        (whole, 0) => format!("{whole} GiB"),
        (whole, tenth) => format!("{whole}.{tenth} GiB"),
    }
}

/// So many of something in words: `1 slot`, `64 slots`.
pub(super) fn counted(count: u64, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

/// Custom counts in words: `3 of `licence``; those of 0 are left out.
pub(super) fn custom(counts: &BTreeMap<String, u64>) -> impl Iterator<Item = String> {
    counts.iter().filter(|(_, n)| **n > 0).map(|(name, n)| format!("{n} of `{}`", shown(name)))
}

/// Some amounts in words, one after the other.
pub(super) fn listed(words: &[String]) -> String {
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

/// A name as it may be shown: escaped and cut, so that it can forge no line.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(40).flat_map(char::escape_default).collect()
}

/// What is wrong with the amount in this field.
pub(super) fn amount_fault(field: &str, amount: u64) -> Option<String> {
    (amount > MOST).then(|| format!("{field} is {amount}; it takes at most {MOST}"))
}

/// What is wrong with these custom counts.
pub(super) fn custom_faults(field: &str, custom: &BTreeMap<String, u64>) -> Vec<String> {
    let mut found = Vec::new();
    for (name, &count) in custom {
        let shown = shown(name);
        if Name::new(name).is_err() {
            found.push(format!("{field} has the name `{shown}`; a name is 1 to 64 of [a-z0-9._-]"));
        }
        found.extend(amount_fault(&format!("{field}.{shown}"), count));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_told_exactly_or_rounded_down() {
        let told = [cores(0), cores(1000), cores(1001), cores(1250), cores(500), cores(64_000)];
        assert_eq!(told, ["0 cores", "1 core", "1.001 cores", "1.25 cores", "0.5 cores", "64 cores"]);
        let told = [mib(0), mib(1023), mib(1024), mib(2047), mib(24_576), mib(u64::MAX)];
        assert_eq!(told, ["0 MiB", "1023 MiB", "1 GiB", "1.9 GiB", "24 GiB", "18014398509481983.9 GiB"]);
        assert_eq!([counted(1, "slot"), counted(64, "slot")], ["1 slot", "64 slots"]);
    }
}
