//! Names and ids: each checked once, where it comes in.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha1::{Digest as _, Sha1};

use crate::{Error, ErrorKind, Result};

/// The id of a task: 1 to 64 of `[A-Za-z0-9_-]`, made by whoever submits it.
///
/// It exists before the call that submits the task, so that a lost reply loses no task: the same call with the
/// same id changes nothing.
///
/// # Examples
///
/// ```
/// use function_runner_core::TaskId;
///
/// let id = TaskId::new("invoice-2026-11-24")?;
/// assert_eq!(id.as_str(), "invoice-2026-11-24");
/// assert!(TaskId::new("no spaces").is_err());
/// assert_ne!(TaskId::unique(), TaskId::unique());
/// # Ok::<(), function_runner_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(Arc<str>);

impl TaskId {
    /// Checks an id of the caller's own.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidCall`] if it is empty, longer than 64 characters, or has a character outside
    /// `[A-Za-z0-9_-]`.
    pub fn new(id: impl AsRef<str>) -> Result<Self> {
        let id = id.as_ref();
        check("task id", id, 64, "[A-Za-z0-9_-]", |c| c.is_ascii_alphanumeric() || c == b'_' || c == b'-')?;
        Ok(Self(id.into()))
    }

    /// A new id that nobody has: a UUIDv7, so later ids sort later.
    #[must_use]
    pub fn unique() -> Self {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        Self((&*uuid::Uuid::now_v7().hyphenated().encode_lower(&mut text)).into())
    }

    /// The id under which a gateway of several tenants stores this one, so that nobody can probe another's ids.
    #[must_use]
    pub fn scoped(tenant: &Tenant, id: &Self) -> Self {
        Self(format!("{tenant}~{id}").into())
    }

    /// Reads an id that a store gives back: as [`new`](Self::new), or such an id behind `tenant~`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`] if it is neither.
    pub fn from_stored(id: &str) -> Result<Self> {
        let checked = match id.split_once('~') {
            Some((tenant, id)) => {
                Tenant::new(tenant).and_then(|tenant| Ok(Self::scoped(&tenant, &Self::new(id)?)))
            }
            None => Self::new(id),
        };
        checked
            .map_err(|error| Error::new(ErrorKind::Corrupt, "a stored task id is not one").with_source(error))
    }

    /// The id of the follow-up number `index` of this task when it ended with event `seq`: the same wherever it
    /// is worked out, so that a follow-up is queued once. The SHA-1 in hex of `{id}/{seq}/{index}`, behind this
    /// id's `tenant~` if it has one.
    #[must_use]
    pub fn follow_up(&self, seq: u64, index: usize) -> Self {
        let digest = Sha1::digest(format!("{}/{seq}/{index}", self.0));
        let hex = hex(&digest);
        match self.0.split_once('~') {
            Some((tenant, _)) => Self(format!("{tenant}~{hex}").into()),
            None => Self(hex.into()),
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Lower-case hex of some bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [DIGITS[usize::from(b >> 4)] as char, DIGITS[usize::from(b & 15)] as char])
        .collect()
}

/// The id of a worker: random per start of its process, so a restarted worker is never taken for its dead twin.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(Arc<str>);

impl WorkerId {
    /// Checks a name for a worker, as a [`TaskId`] is checked; make it unique per start.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidSetup`] if it is no such name.
    pub fn new(id: impl AsRef<str>) -> Result<Self> {
        let id = TaskId::new(id).map_err(|error| {
            Error::new(ErrorKind::InvalidSetup, "this cannot be a worker's name").with_source(error)
        })?;
        Ok(Self(id.0))
    }

    /// A new id that no worker has.
    #[must_use]
    pub fn unique() -> Self {
        Self(TaskId::unique().0)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a function, a quality, a custom resource or a parameter: 1 to 64 of `[a-z0-9._-]`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidCall`] if it is empty, longer than 64 characters, or has a character outside
    /// `[a-z0-9._-]`.
    pub fn new(name: impl AsRef<str>) -> Result<Self> {
        let name = name.as_ref();
        check("name", name, 64, "[a-z0-9._-]", is_name_character)?;
        Ok(Self(name.into()))
    }

    /// A mark of our own that no caller can write.
    pub(crate) fn reserved(mark: &'static str) -> Self {
        Self(mark.into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whose task it is: 1 to 32 of `[a-z0-9._-]`; fair share, weights and quotas are per tenant.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tenant(Arc<str>);

impl Tenant {
    /// Checks a tenant's name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidCall`] if it is empty, longer than 32 characters, or has a character outside
    /// `[a-z0-9._-]`.
    pub fn new(tenant: impl AsRef<str>) -> Result<Self> {
        let tenant = tenant.as_ref();
        check("tenant", tenant, 32, "[a-z0-9._-]", is_name_character)?;
        Ok(Self(tenant.into()))
    }

    /// The tenant's name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const fn is_name_character(c: u8) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'_' | b'-')
}

/// One check for all of them: what is wrong is quoted escaped and cut, so that no id can forge a log line.
fn check(what: &'static str, text: &str, longest: usize, set: &str, allowed: fn(u8) -> bool) -> Result<()> {
    let fault = if text.is_empty() {
        "is empty".to_owned()
    } else if text.len() > longest {
        format!("is {} characters long", text.len())
    } else if let Some(c) = text.chars().find(|&c| !u8::try_from(c).is_ok_and(allowed)) {
        format!("has the character `{}`", c.escape_default())
    } else {
        return Ok(());
    };
    let shown: String = text.chars().take(40).flat_map(char::escape_default).collect();
    let message = format!("the {what} `{shown}` {fault}; it takes 1 to {longest} of {set}");
    Err(Error::new(ErrorKind::InvalidCall, message))
}

/// What all of them share: they are text everywhere outside, and are checked whenever they come from there.
macro_rules! as_text {
    ($($type:ident: $read:expr;)*) => { $(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl FromStr for $type {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                $read(text)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                $read(&text).map_err(|error: Error| serde::de::Error::custom(error.message()))
            }
        }
    )* };
}

as_text! {
    TaskId: TaskId::from_stored;
    WorkerId: WorkerId::new;
    Name: Name::new;
    Tenant: Tenant::new;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_id_is_quoted_safely() {
        let long = "x".repeat(1 << 20);
        let error = TaskId::new(&long).unwrap_err();
        assert!(error.message().len() < 200, "{error}");
        let error = TaskId::new("a\nb\u{7}").unwrap_err();
        assert!(error.message().contains("`a\\nb\\u{7}`") && !error.message().contains('\n'), "{error}");
        assert!(TaskId::new("").is_err() && TaskId::new("a~b").is_err() && Tenant::new("Acme").is_err());
    }

    #[test]
    fn a_follow_up_keeps_the_tenant_and_is_the_same_everywhere() {
        let id = TaskId::new("a").unwrap();
        let scoped = TaskId::scoped(&Tenant::new("acme").unwrap(), &id);
        assert_eq!(id.follow_up(7, 0), id.follow_up(7, 0));
        assert_ne!(id.follow_up(7, 0), id.follow_up(7, 1));
        assert_eq!(id.follow_up(7, 0).as_str().len(), 40);
        assert!(scoped.follow_up(7, 0).as_str().starts_with("acme~"));
        assert_eq!(TaskId::from_stored(scoped.as_str()).unwrap(), scoped);
    }
}
