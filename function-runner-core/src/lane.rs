//! Lanes: the tasks that are alike for placement.

use std::{
    cmp::Ordering,
    collections::HashMap,
    fmt,
    hash::{self, BuildHasherDefault},
    str::FromStr,
    sync::Arc,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_64;

use crate::{Error, ErrorKind, Name, Quality, Result, Version};

/// The tasks that are alike for placement: `function@major.minor:quality`, with `!` behind it for the twin in
/// which the lane's suspects wait.
///
/// It is one shared text with its hash, so cloning, comparing and looking it up costs next to nothing; lanes are
/// ordered by that text.
///
/// # Examples
///
/// ```
/// use function_runner_core::{Lane, Name, Quality, Version};
///
/// let lane = Lane::new(&Name::new("image.upscale")?, Version::new(1, 2, 0), &Quality::High);
/// assert_eq!(lane.to_string(), "image.upscale@1.2:high");
/// assert_eq!(lane.twin().to_string(), "image.upscale@1.2:high!");
/// assert_eq!("image.upscale@1.2:high!".parse::<Lane>()?.plain(), lane);
/// # Ok::<(), function_runner_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Lane {
    text: Arc<str>,
    /// The hash of the text.
    hash: u32,
    at: u8,
    colon: u8,
    major: u32,
    minor: u32,
}

impl Lane {
    /// The lane of this function at this version's major and minor, at this quality.
    #[must_use]
    pub fn new(function: &Name, version: Version, quality: &Quality) -> Self {
        Self::from_parts(function, version.major, version.minor, quality)
    }

    fn from_parts(function: &Name, major: u32, minor: u32, quality: &Quality) -> Self {
        let head = format!("{function}@{major}.{minor}");
        // a name has at most 64 characters, a number at most 10: both places fit a byte
        let (at, colon) = (function.as_str().len() as u8, head.len() as u8);
        Self { text: Arc::default(), hash: 0, at, colon, major, minor }.named(format!("{head}:{quality}"))
    }

    /// The same lane under another text.
    fn named(self, text: String) -> Self {
        Self { hash: xxh3_64(text.as_bytes()) as u32, text: text.into(), ..self }
    }

    /// The function's name.
    #[must_use]
    pub fn function(&self) -> &str {
        &self.text[..usize::from(self.at)]
    }

    /// The function's major version.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The function's minor version.
    #[must_use]
    pub fn minor(&self) -> u32 {
        self.minor
    }

    /// The quality's name.
    #[must_use]
    pub fn quality(&self) -> &str {
        self.text[usize::from(self.colon) + 1..].trim_end_matches('!')
    }

    /// Whether this is the lane of suspects.
    #[must_use]
    pub fn is_twin(&self) -> bool {
        self.text.ends_with('!')
    }

    /// The lane in which this lane's suspects wait; a twin's own twin is itself.
    #[must_use]
    pub fn twin(&self) -> Self {
        if self.is_twin() { self.clone() } else { self.clone().named(format!("{}!", self.text)) }
    }

    /// The lane whose suspects wait here; a plain lane's is itself.
    #[must_use]
    pub fn plain(&self) -> Self {
        match self.text.strip_suffix('!') {
            None => self.clone(),
            Some(text) => self.clone().named(text.to_owned()),
        }
    }

    /// The lane as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Lane {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).ok_or_else(|| {
            let shown: String = text.chars().take(80).flat_map(char::escape_default).collect();
            Error::new(ErrorKind::InvalidCall, format!("`{shown}` is not a lane"))
                .with_help("a lane is written function@major.minor:quality")
        })
    }
}

fn parse(text: &str) -> Option<Lane> {
    let (plain, twin) = text.strip_suffix('!').map_or((text, false), |plain| (plain, true));
    let (function, rest) = plain.split_once('@')?;
    let (version, quality) = rest.split_once(':')?;
    let version: Version = format!("{version}.0").parse().ok()?;
    let lane = Lane::new(&Name::new(function).ok()?, version, &quality.parse().ok()?);
    Some(if twin { lane.twin() } else { lane })
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.text)
    }
}

impl PartialEq for Lane {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.text, &other.text) || self.hash == other.hash && self.text == other.text
    }
}

impl Eq for Lane {}

impl hash::Hash for Lane {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        // spread over all bits: a table may take it as it is
        state.write_u64(u64::from(self.hash).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    }
}

/// A table by lanes: they are named by templates, not by callers, so it needs no hash that withstands chosen names.
pub(crate) type LaneMap<V> = HashMap<Lane, V, BuildHasherDefault<LaneHasher>>;

/// Takes the hash that a lane has.
#[derive(Debug, Default)]
pub(crate) struct LaneHasher(u64);

impl hash::Hasher for LaneHasher {
    fn write(&mut self, bytes: &[u8]) {
        // a lane never comes here; anything else still hashes
        self.0 = xxh3_64(bytes) ^ self.0.rotate_left(1);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl PartialOrd for Lane {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Lane {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.text, &other.text) { Ordering::Equal } else { self.text.cmp(&other.text) }
    }
}

impl Serialize for Lane {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Lane {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error: Error| serde::de::Error::custom(error.message()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_gives_its_parts_back() {
        let lane: Lane = "a.b@12.7:film-grain!".parse().unwrap();
        assert_eq!(
            (lane.function(), lane.major(), lane.minor(), lane.quality()),
            ("a.b", 12, 7, "film-grain")
        );
        assert!(lane.is_twin() && lane.twin() == lane && !lane.plain().is_twin());
        for bad in ["", "a", "a@1:high", "a@1.2", "a@1.2:", "a@1.2:high!!", "a@1.2.3:high", "A@1.2:high"] {
            assert!(bad.parse::<Lane>().is_err(), "{bad}");
        }
    }
}
