//! What goes wrong with a file, and how it is told.

use std::{fmt, path::Path};

use function_runner_core::{Error, ErrorKind};
use rusqlite::ErrorCode;

/// Why a move of the store did not come to its end.
#[derive(Debug)]
pub(super) enum Fault {
    /// It was refused before it changed anything: the answer of one call.
    Refused(Error),
    /// The file did not do what it was told: nothing of this transaction counts.
    Broken(Broken),
}

pub(super) type Step<T> = Result<T, Fault>;

/// What a file did, as told to every call of the transaction that it ended.
#[derive(Clone, Debug)]
pub(super) struct Broken {
    kind: ErrorKind,
    message: String,
    help: &'static str,
    busy: bool,
}

impl Broken {
    pub(super) fn new(kind: ErrorKind, message: impl Into<String>, help: &'static str) -> Self {
        Self { kind, message: message.into(), help, busy: false }
    }

    /// What is stored is not what this program stores.
    pub(super) fn corrupt(what: impl fmt::Display) -> Self {
        let message = format!("what is stored cannot be read: {what}");
        Self::new(ErrorKind::Corrupt, message, "restore the file from a copy, or begin with a new one")
    }

    /// Whether another process had the file's lock.
    pub(super) const fn is_busy(&self) -> bool {
        self.busy
    }

    /// Whether it is the file's content that is wrong.
    pub(super) fn is_corrupt(&self) -> bool {
        self.kind == ErrorKind::Corrupt
    }

    pub(super) fn error(&self) -> Error {
        Error::new(self.kind, self.message.clone()).with_context("backend", "embedded").with_help(self.help)
    }

    /// The error with the file that it is about.
    pub(super) fn at(&self, path: &Path) -> Error {
        self.error().with_context("file", path.display())
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<Broken> for Fault {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Broken(error.into())
    }
}

impl From<rusqlite::Error> for Broken {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error_code();
        let busy = matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked));
        let (kind, help) = match code {
            Some(ErrorCode::DiskFull) => {
                (ErrorKind::Unavailable, "make room on the disk; what was accepted is safe")
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
                ErrorKind::Unavailable,
                "another process holds the file's lock: see whether it was stopped in the middle of a write",
            ),
            Some(ErrorCode::SystemIoFailure) => {
                (ErrorKind::Unavailable, "look at the disk and the system's log; what was accepted is safe")
            }
            Some(ErrorCode::ReadOnly) => {
                (ErrorKind::Io, "give this user the right to write the file and its folder")
            }
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                (ErrorKind::Io, "check that the folder exists and that this user may write in it")
            }
            Some(ErrorCode::NotADatabase) => {
                (ErrorKind::Corrupt, "give the path of a queue, or one that does not exist")
            }
            Some(ErrorCode::DatabaseCorrupt) => {
                (ErrorKind::Corrupt, "restore the file from a copy, or begin with a new one")
            }
            _ => (ErrorKind::Unavailable, "try again; if it stays, look at the disk"),
        };
        let text = match error {
            // what SQLite says, without the statement
            rusqlite::Error::SqliteFailure(code, Some(message)) if message != code.to_string() => message,
            other => other.to_string(),
        };
        Self { busy, ..Self::new(kind, format!("the queue's file: {text}"), help) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_says_what_to_do_and_can_be_tried_again() {
        let full = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(13), None);
        let error = Broken::from(full).at(Path::new("/queues/tasks.db"));
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.is_retryable() && error.remedy().contains("make room"));
        assert!(error.to_string().contains("tasks.db"), "{error}");
    }
}
