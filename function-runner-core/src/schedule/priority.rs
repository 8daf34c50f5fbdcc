//! How soon a task wants to run, as a share.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Error, ErrorKind, Result};

/// A task's priority, 1 to 10, 5 unless said; each step doubles the share of its tenant's tasks at that
/// priority.
///
/// It is a share and not a wall: ten goes before five 32 times out of 33 while both wait, and a task of
/// priority one under an endless flood of ten waits 512 leases for each flow it competes with.
///
/// # Examples
///
/// ```
/// use function_runner_core::Priority;
///
/// assert_eq!(Priority::new(8)?.value(), 8);
/// assert_eq!(Priority::default().value(), 5);
/// assert!(Priority::new(11).unwrap_err().message().contains("priority 11"));
/// # Ok::<(), function_runner_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Priority(u8);

impl Priority {
    /// The smallest share.
    pub const LOWEST: Self = Self(1);
    /// The largest share.
    pub const HIGHEST: Self = Self(10);

    /// Checks a priority.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidCall`] outside 1 to 10.
    pub fn new(value: u8) -> Result<Self> {
        Self::checked(value.into())
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }

    fn checked(value: i128) -> Result<Self> {
        match u8::try_from(value) {
            Ok(value @ 1..=10) => Ok(Self(value)),
            _ => Err(Error::new(
                ErrorKind::InvalidCall,
                format!("the priority {value} is out of range; it takes 1 (last) to 10 (first)"),
            )),
        }
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self(5)
    }
}

impl TryFrom<u8> for Priority {
    type Error = Error;

    fn try_from(value: u8) -> Result<Self> {
        Self::new(value)
    }
}

impl From<Priority> for u8 {
    fn from(priority: Priority) -> Self {
        priority.0
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<'de> Deserialize<'de> for Priority {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = i64::deserialize(deserializer)?;
        Self::checked(value.into()).map_err(|error| serde::de::Error::custom(error.message()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_out_of_range_is_named_with_its_range() {
        for value in [0, 11, 255] {
            let error = Priority::new(value).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidCall);
            let expected = format!("the priority {value} is out of range; it takes 1 (last) to 10 (first)");
            assert_eq!(error.message(), expected);
        }
        assert_eq!((Priority::LOWEST, Priority::HIGHEST), (Priority(1), Priority(10)));
    }

    #[test]
    fn a_priority_travels_as_a_checked_number() {
        assert_eq!(serde_json::to_string(&Priority::HIGHEST).unwrap(), "10");
        assert_eq!(serde_json::from_str::<Priority>("1").unwrap(), Priority::LOWEST);
        for bad in ["0", "11", "300", "-1"] {
            let error = serde_json::from_str::<Priority>(bad).unwrap_err().to_string();
            assert!(error.contains(&format!("priority {bad} is out of range; it takes 1")), "{error}");
        }
        assert!(serde_json::from_str::<Priority>("\"5\"").is_err());
    }
}
