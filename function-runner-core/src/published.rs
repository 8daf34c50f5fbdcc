//! Which versions stay published, and which of them a call by name goes to.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use crate::{Name, Version};

/// How long a version stays published that no live worker serves as its own: 30 days.
pub const PUBLISHED_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// The version that a call by name goes to: the newest that all live workers of its lowest live major serve, a
/// worker serving what is older than its own too; with no live worker the newest published.
///
/// `published` is every version there is and whether it counts here: whether a live worker serves it as its own, or
/// did so less than [`PUBLISHED_FOR`] ago. `own` is what each live worker serves as its own.
///
/// # Examples
///
/// ```
/// use function_runner_core::{Name, Version, default_versions};
///
/// let name = Name::new("image.upscale")?;
/// let [old, new, next] = [Version::new(1, 2, 0), Version::new(1, 4, 0), Version::new(2, 0, 0)];
/// let published = [old, new, next].map(|version| (&name, version, true));
/// let serves = |version| vec![(name.clone(), version)];
/// let (one, two, three) = (serves(old), serves(new), serves(next));
///
/// assert_eq!(default_versions(published, &[&one, &two, &three])[&name], old);
/// assert_eq!(default_versions(published, &[&two, &three])[&name], new, "the lowest live major");
/// assert_eq!(default_versions(published, &[])[&name], next, "nobody lives");
/// # Ok::<(), function_runner_core::Error>(())
/// ```
#[must_use]
pub fn default_versions<'a>(
    published: impl IntoIterator<Item = (&'a Name, Version, bool)>,
    own: &[&'a [(Name, Version)]],
) -> BTreeMap<Name, Version> {
    let mut newest = BTreeMap::<Name, Version>::new();
    for (name, version, _) in published.into_iter().filter(|(.., counts)| *counts) {
        let newest = newest.entry(name.clone()).or_insert(version);
        *newest = version.max(*newest);
    }
    let live = live_versions(own);
    for (name, version) in &mut newest {
        *version = live.get(name).copied().unwrap_or(*version);
    }
    newest
}

/// Of each function the newest version that all live workers of its lowest live major serve.
fn live_versions<'a>(own: &[&'a [(Name, Version)]]) -> HashMap<&'a Name, Version> {
    let mut lowest = HashMap::<&Name, u32>::new();
    for (name, version) in own.iter().copied().flatten() {
        let lowest = lowest.entry(name).or_insert(version.major);
        *lowest = version.major.min(*lowest);
    }
    let mut live = HashMap::<&Name, Version>::new();
    for serves in own {
        let mut best = HashMap::<&Name, Version>::new();
        for (name, version) in *serves {
            if lowest.get(name) == Some(&version.major) {
                let best = best.entry(name).or_insert(*version);
                *best = (*version).max(*best);
            }
        }
        for (name, version) in best {
            let live = live.entry(name).or_insert(version);
            *live = version.min(*live);
        }
    }
    live
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    type Served = (Name, Version);

    fn served() -> impl Strategy<Value = Served> {
        let name = prop_oneof![Just("a"), Just("b")].prop_map(|name| Name::new(name).unwrap());
        (name, (0_u32..3, 0_u32..3, 0_u32..2))
            .prop_map(|(name, (major, minor, patch))| (name, Version::new(major, minor, patch)))
    }

    /// The rule word for word.
    fn by_the_rule(name: &Name, published: &[(Served, bool)], own: &[Vec<Served>]) -> Option<Version> {
        let versions = |all: &[Served]| -> Vec<Version> {
            all.iter().filter(|(other, _)| other == name).map(|(_, version)| *version).collect()
        };
        let counts: Vec<_> = published.iter().filter(|(_, counts)| *counts).map(|(s, _)| s.clone()).collect();
        let newest = versions(&counts).into_iter().max()?;
        let Some(major) = versions(&own.concat()).into_iter().map(|version| version.major).min() else {
            return Some(newest);
        };
        let of_major = |worker: &Vec<Served>| {
            versions(worker).into_iter().filter(|version| version.major == major).max()
        };
        own.iter().filter_map(of_major).min()
    }

    proptest! {
        #[test]
        fn every_default_is_by_the_rule(
            published in vec((served(), any::<bool>()), 0..12),
            own in vec(vec(served(), 0..5), 0..5),
        ) {
            let slices: Vec<&[Served]> = own.iter().map(Vec::as_slice).collect();
            let all = published.iter().map(|((name, version), counts)| (name, *version, *counts));
            let defaults = default_versions(all, &slices);
            for name in ["a", "b"].map(|name| Name::new(name).unwrap()) {
                prop_assert_eq!(defaults.get(&name).copied(), by_the_rule(&name, &published, &own));
            }
        }
    }

    #[test]
    fn what_nobody_published_has_no_default_however_many_serve_it() {
        let (name, version) = (Name::new("a").unwrap(), Version::new(1, 0, 0));
        let own = [(name.clone(), version)];
        assert!(default_versions([], &[&own]).is_empty());
        assert!(default_versions([(&name, version, false)], &[&own]).is_empty());
    }
}
