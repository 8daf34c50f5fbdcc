//! Qualities: how good, and so how dear, a result is to be.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Name, Result};

/// How good a result is to be: four names that mean the same everywhere, or a function's own.
///
/// # Examples
///
/// ```
/// use function_runner_core::Quality;
///
/// assert_eq!("high".parse::<Quality>()?, Quality::High);
/// assert_eq!(Quality::custom("film-grain")?.to_string(), "film-grain");
/// assert_eq!(Quality::default(), Quality::Standard);
/// # Ok::<(), function_runner_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quality {
    /// Quick, to see whether it is the right thing at all.
    Draft,
    /// What most callers want.
    #[default]
    Standard,
    /// Better than most callers need.
    High,
    /// The best there is, whatever it takes.
    Ultra,
    /// A function's own; never one of the four names above: made by [`Quality::custom`].
    Custom(Name),
}

impl Quality {
    /// The quality of this name, which may be one of the four.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidCall`](crate::ErrorKind::InvalidCall) if it is not 1 to 64 of `[a-z0-9._-]`.
    pub fn custom(name: impl AsRef<str>) -> Result<Self> {
        Ok(match name.as_ref() {
            "draft" => Self::Draft,
            "standard" => Self::Standard,
            "high" => Self::High,
            "ultra" => Self::Ultra,
            name => Self::Custom(Name::new(name)?),
        })
    }

    /// The quality's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Draft => "draft",
            Self::Standard => "standard",
            Self::High => "high",
            Self::Ultra => "ultra",
            Self::Custom(name) => name.as_str(),
        }
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Quality {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::custom(text)
    }
}

impl Serialize for Quality {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Quality {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error: Error| serde::de::Error::custom(error.message()))
    }
}
