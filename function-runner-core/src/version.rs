//! Versions of functions, and references to them: `image.upscale`, `image.upscale@1`, `…@1.2`, `…@1.2.0`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, ErrorKind, Name, Result};

/// The version of a function: major, minor, patch.
///
/// A new *major* version may break callers, a new *minor* one takes everything the older took, a new *patch*
/// changes nothing a caller can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version {
    /// Raised by a change that breaks callers.
    pub major: u32,
    /// Raised by a change that callers may use.
    pub minor: u32,
    /// Raised by a change that no caller sees.
    pub patch: u32,
}

impl Version {
    /// A version of these three numbers.
    #[must_use]
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match numbers(text, &mut [0; 3]) {
            Some(&[major, minor, patch]) => Ok(Self::new(major, minor, patch)),
            _ => Err(Error::new(
                ErrorKind::InvalidCall,
                format!("`{}` is not a version", text.escape_default()),
            )
            .with_help("a version is three numbers: 1.2.0")),
        }
    }
}

/// At most three decimal numbers between dots, without signs and leading zeros.
fn numbers<'n>(text: &str, all: &'n mut [u32; 3]) -> Option<&'n [u32]> {
    if text.len() > 32 {
        return None;
    }
    let mut count = 0;
    for part in text.split('.') {
        let plain = part.bytes().all(|c| c.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
        *all.get_mut(count)? = if plain { part.parse().ok()? } else { return None };
        count += 1;
    }
    Some(&all[..count])
}

/// Which versions a reference allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// Any: its default version.
    #[default]
    Any,
    /// Any of this major version, written `@1` or `@^1`.
    Major(u32),
    /// This minor version, or where it is not published the next newer one of the same major: `@1.2`.
    Minor(u32, u32),
    /// This version and no other: `@1.2.0`.
    Exact(Version),
}

impl Wanted {
    /// Whether a task of this reference may run at this version.
    #[must_use]
    pub fn allows(self, version: Version) -> bool {
        match self {
            Self::Any => true,
            Self::Major(major) => version.major == major,
            Self::Minor(major, minor) => version.major == major && version.minor >= minor,
            Self::Exact(exact) => version == exact,
        }
    }
}

/// A function as a caller writes it: its name, and perhaps which version of it.
///
/// # Examples
///
/// ```
/// use function_runner_core::{FunctionRef, Version, Wanted};
///
/// let wanted: FunctionRef = "image.upscale@1.2".parse()?;
/// assert_eq!(wanted.name.as_str(), "image.upscale");
/// assert!(wanted.version.allows(Version::new(1, 3, 0)) && !wanted.version.allows(Version::new(2, 0, 0)));
/// assert_eq!("image.upscale@^1".parse::<FunctionRef>()?.to_string(), "image.upscale@1");
/// # Ok::<(), function_runner_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FunctionRef {
    /// The function's name.
    pub name: Name,
    /// Which versions of it.
    pub version: Wanted,
}

impl FunctionRef {
    /// A reference to a name at these versions.
    #[must_use]
    pub const fn new(name: Name, version: Wanted) -> Self {
        Self { name, version }
    }
}

impl fmt::Display for FunctionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Wanted::Any => write!(f, "{}", self.name),
            Wanted::Major(major) => write!(f, "{}@{major}", self.name),
            Wanted::Minor(major, minor) => write!(f, "{}@{major}.{minor}", self.name),
            Wanted::Exact(version) => write!(f, "{}@{version}", self.name),
        }
    }
}

impl FromStr for FunctionRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, version) = match text.split_once('@') {
            None => (text, Wanted::Any),
            Some((name, version)) => (name, wanted(version)?),
        };
        Ok(Self::new(Name::new(name)?, version))
    }
}

fn wanted(text: &str) -> Result<Wanted> {
    let caret = text.strip_prefix('^');
    match (caret, numbers(caret.unwrap_or(text), &mut [0; 3])) {
        (_, Some(&[major])) => Ok(Wanted::Major(major)),
        (_, Some(&[major, minor])) => Ok(Wanted::Minor(major, minor)),
        (None, Some(&[major, minor, patch])) => Ok(Wanted::Exact(Version::new(major, minor, patch))),
        _ => {
            Err(Error::new(ErrorKind::InvalidCall, format!("`@{}` names no version", text.escape_default()))
                .with_help("write name, name@1, name@1.2 or name@1.2.0"))
        }
    }
}

/// Versions and references are text outside.
macro_rules! as_text {
    ($($type:ident)*) => { $(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(|error: Error| serde::de::Error::custom(error.message()))
            }
        }
    )* };
}

as_text! { Version FunctionRef }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_version_is_refused() {
        for bad in ["", "1", "1.2", "1.2.3.4", "1.2.x", "01.2.3", "1.2.-3", "1.2.99999999999", "^1.2.3"] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
        for bad in ["x@", "x@^", "x@1.2.3.4", "x@^1.2.3", "@1", "X@1", "x@1@2"] {
            assert!(bad.parse::<FunctionRef>().is_err(), "{bad}");
        }
    }
}
