//! The attempts of a task that are over, as they are stored.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Format, read, write};
use crate::{AttemptEnd, Failure, FailureClass, PastAttempt, Result, Timestamp, WorkerId};

impl PastAttempt {
    /// Attempts that are over, as bytes for a store to keep.
    ///
    /// # Examples
    ///
    /// ```
    /// use function_runner_core::{AttemptEnd, PastAttempt, Timestamp, WorkerId};
    ///
    /// let past = [PastAttempt::new(1, WorkerId::unique(), AttemptEnd::Lost, Timestamp::from_millis(7))];
    /// assert_eq!(PastAttempt::list_from_stored(&PastAttempt::list_to_stored(&past))?, past);
    /// # Ok::<(), function_runner_core::Error>(())
    /// ```
    #[must_use]
    pub fn list_to_stored(attempts: &[Self]) -> Vec<u8> {
        write(&StoredList { v: Format, attempts: attempts.iter().map(StoredAttempt::of).collect() })
    }

    /// Reads what [`list_to_stored`](Self::list_to_stored) wrote.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) where it is no stored list;
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where a newer version of this library stored it.
    pub fn list_from_stored(stored: &[u8]) -> Result<Vec<Self>> {
        let list: StoredList<'_> = read("list of attempts", stored)?;
        Ok(list.attempts.into_iter().map(StoredAttempt::into_attempt).collect())
    }
}

#[derive(Serialize, Deserialize)]
struct StoredList<'a> {
    v: Format,
    attempts: Vec<StoredAttempt<'a>>,
}

#[derive(Serialize, Deserialize)]
struct StoredAttempt<'a> {
    attempt: u32,
    worker: WorkerId,
    /// In milliseconds.
    at: u64,
    end: StoredEnd<'a>,
}

impl<'a> StoredAttempt<'a> {
    fn of(past: &'a PastAttempt) -> Self {
        let end = match &past.end {
            AttemptEnd::Failed(failure) => StoredEnd::Failed(StoredFailure::of(failure)),
            AttemptEnd::Released => StoredEnd::Released,
            AttemptEnd::Lost => StoredEnd::Lost,
        };
        Self { attempt: past.attempt, worker: past.worker.clone(), at: past.at.as_millis(), end }
    }

    fn into_attempt(self) -> PastAttempt {
        let end = match self.end {
            StoredEnd::Failed(failure) => AttemptEnd::Failed(failure.into_failure()),
            StoredEnd::Released => AttemptEnd::Released,
            StoredEnd::Lost => AttemptEnd::Lost,
        };
        PastAttempt::new(self.attempt, self.worker, end, Timestamp::from_millis(self.at))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredEnd<'a> {
    Failed(StoredFailure<'a>),
    Released,
    Lost,
}

#[derive(Serialize, Deserialize)]
struct StoredFailure<'a> {
    class: FailureClass,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Cow<'a, str>>,
    message: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<Cow<'a, str>>,
}

impl<'a> StoredFailure<'a> {
    fn of(failure: &'a Failure) -> Self {
        Self {
            class: failure.class,
            code: failure.code.as_deref().map(Cow::Borrowed),
            message: Cow::Borrowed(&failure.message),
            remedy: failure.remedy.as_deref().map(Cow::Borrowed),
        }
    }

    fn into_failure(self) -> Failure {
        let mut failure = Failure::new(self.class, self.message);
        failure.code = self.code.map(Cow::into_owned);
        failure.remedy = self.remedy.map(Cow::into_owned);
        failure
    }
}
