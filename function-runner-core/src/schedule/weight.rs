//! How large a tenant's share is.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Error, ErrorKind, Result};

/// A tenant's weight, 16 to 2048, 128 unless said; shares of tenants that all wait are as their weights.
///
/// # Examples
///
/// ```
/// use function_runner_core::Weight;
///
/// assert_eq!(Weight::default().value(), 128);
/// assert_eq!(Weight::new(256)?.value(), 256);
/// assert!(Weight::new(8).unwrap_err().message().contains("weight 8"));
/// # Ok::<(), function_runner_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Weight(u32);

impl Weight {
    /// The smallest share, an eighth of the default.
    pub const LOWEST: Self = Self(16);
    /// The largest share, sixteen times the default.
    pub const HIGHEST: Self = Self(2048);

    /// Checks a weight.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidCall`] outside 16 to 2048.
    pub fn new(value: u32) -> Result<Self> {
        Self::checked(value.into())
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> u32 {
        self.0
    }

    fn checked(value: i128) -> Result<Self> {
        match u32::try_from(value) {
            Ok(value @ 16..=2048) => Ok(Self(value)),
            _ => Err(Error::new(
                ErrorKind::InvalidCall,
                format!("the weight {value} is out of range; it takes 16 to 2048, 128 is everybody's"),
            )),
        }
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self(128)
    }
}

impl TryFrom<u32> for Weight {
    type Error = Error;

    fn try_from(value: u32) -> Result<Self> {
        Self::new(value)
    }
}

impl From<Weight> for u32 {
    fn from(weight: Weight) -> Self {
        weight.0
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<'de> Deserialize<'de> for Weight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = i64::deserialize(deserializer)?;
        Self::checked(value.into()).map_err(|error| serde::de::Error::custom(error.message()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_out_of_range_is_named_with_its_range() {
        for value in [0, 15, 2049, u32::MAX] {
            let error = Weight::new(value).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidCall);
            let expected =
                format!("the weight {value} is out of range; it takes 16 to 2048, 128 is everybody's");
            assert_eq!(error.message(), expected);
        }
        assert_eq!((Weight::LOWEST, Weight::HIGHEST), (Weight(16), Weight(2048)));
    }

    #[test]
    fn a_weight_travels_as_a_checked_number() {
        assert_eq!(serde_json::to_string(&Weight::HIGHEST).unwrap(), "2048");
        assert_eq!(serde_json::from_str::<Weight>("16").unwrap(), Weight::LOWEST);
        for bad in ["15", "2049", "99999999999", "-1"] {
            let error = serde_json::from_str::<Weight>(bad).unwrap_err().to_string();
            assert!(error.contains(&format!("weight {bad} is out of range; it takes 16")), "{error}");
        }
    }
}
