//! What the user's function says went wrong.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::error::Source;

/// How a failure is dealt with: whether the attempt is tried again, and what the caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureClass {
    /// It may go better next time: retried by the policy.
    Transient,
    /// It will never go better: not retried.
    Permanent,
    /// Something of the machine ran out: retried by the policy, perhaps elsewhere.
    Resource,
    /// The caller asked for something that cannot be: not retried.
    InvalidInput,
    /// The body stopped because it was asked to: not retried.
    Cancelled,
}

/// Why a function did not give its output.
///
/// It deliberately does not implement [`std::error::Error`], so that `?` in a body can make one from every
/// error there is, boxed ones and plain strings included. A bare `?` makes a *transient* failure; say
/// otherwise with [`Classify`].
///
/// # Examples
///
/// ```
/// use function_runner_core::{Classify, Failure, FailureClass};
///
/// fn body(text: &str) -> Result<u32, Failure> {
///     if text.is_empty() {
///         return Err(Failure::invalid_input("the text is empty").remedy("write a number"));
///     }
///     Ok(text.parse::<u32>().permanent()?)
/// }
/// assert_eq!(body("x").unwrap_err().class, FailureClass::Permanent);
/// assert_eq!(body("").unwrap_err().remedy.as_deref(), Some("write a number"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Failure {
    /// How it is dealt with.
    pub class: FailureClass,
    /// A stable name where the machinery made it (`deadline`, `timeout`, `panic`, `crashed`, `invalid_output`), or one of the function's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What went wrong, in words.
    pub message: String,
    /// What a person can do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Failure {
    /// Makes a failure of this class.
    pub fn new(class: FailureClass, message: impl fmt::Display) -> Self {
        Self { class, code: None, message: message.to_string(), remedy: None }
    }

    /// It may go better next time.
    pub fn transient(message: impl fmt::Display) -> Self {
        Self::new(FailureClass::Transient, message)
    }

    /// It will never go better.
    pub fn permanent(message: impl fmt::Display) -> Self {
        Self::new(FailureClass::Permanent, message)
    }

    /// Memory, disk or another resource of the machine ran out.
    pub fn resource(message: impl fmt::Display) -> Self {
        Self::new(FailureClass::Resource, message)
    }

    /// The caller asked for something that cannot be.
    pub fn invalid_input(message: impl fmt::Display) -> Self {
        Self::new(FailureClass::InvalidInput, message)
    }

    /// The body stopped because it was asked to.
    #[must_use]
    pub fn cancelled() -> Self {
        Self::new(FailureClass::Cancelled, "the task was cancelled")
    }

    /// What every backend says of a task whose deadline passed while it waited; its code is `deadline`.
    #[must_use]
    pub fn deadline() -> Self {
        Self::permanent("its deadline passed before a worker could start it")
            .code("deadline")
            .remedy("give it more time, or start more workers")
    }

    /// What every backend says of a task whose workers died holding it too often; its code is `crashed`.
    #[must_use]
    pub fn crashed(crashes: u32) -> Self {
        let workers = if crashes == 1 { "worker" } else { "workers" };
        Self::permanent(format_args!("{crashes} {workers} died while they ran it"))
            .code("crashed")
            .remedy("find out what it does to its worker (memory, native code), then requeue it")
    }

    /// What every worker says of an attempt that took longer than it may; its code is `timeout`.
    #[must_use]
    pub fn timeout(timeout: Duration) -> Self {
        let timeout = humantime::format_duration(timeout);
        Self::transient(format_args!("the attempt took longer than its timeout of {timeout}"))
            .code("timeout")
            .remedy("raise the function's timeout, or let its body go on from a checkpoint")
    }

    /// Adds what a person can do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Adds a stable name for programs.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// What anyhow's errors, boxed ones, strings and std's errors have in common; `From<E: Error>` would refuse the first.
impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error: Source = error.into();
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::transient(message)
    }
}

/// Says of an error in a body that trying again is no use: `text.parse::<u32>().permanent()?`.
pub trait Classify<T> {
    /// It will never go better.
    ///
    /// # Errors
    ///
    /// The error, as a permanent failure.
    fn permanent(self) -> Result<T, Failure>;

    /// It is the caller's doing.
    ///
    /// # Errors
    ///
    /// The error, as an invalid-input failure.
    fn invalid_input(self) -> Result<T, Failure>;
}

impl<T, E: Into<Failure>> Classify<T> for Result<T, E> {
    fn permanent(self) -> Result<T, Failure> {
        self.map_err(|error| Failure { class: FailureClass::Permanent, ..error.into() })
    }

    fn invalid_input(self) -> Result<T, Failure> {
        self.map_err(|error| Failure { class: FailureClass::InvalidInput, ..error.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_mark_takes_every_error_and_keeps_its_causes() {
        fn io() -> Result<(), Failure> {
            Err(std::io::Error::other("disk full"))?
        }
        fn text() -> Result<(), Failure> {
            Err("plain")?
        }
        fn boxed() -> Result<(), Failure> {
            Err(Box::<dyn std::error::Error + Send + Sync>::from("boxed")).invalid_input()
        }
        assert_eq!(io().unwrap_err(), Failure::transient("disk full"));
        assert_eq!(text().unwrap_err(), Failure::transient("plain"));
        assert_eq!(boxed().unwrap_err(), Failure::invalid_input("boxed"));
    }
}
