//! How the program ends: its exit codes, and what it says of errors.

use std::process::ExitCode;

use function_runner_core::{Error, ErrorKind, FailureClass};

use crate::{document, out};

/// What `fnr --help` says of them.
pub(crate) const HELP: &str = "Exit codes: 0 succeeded, 1 the function failed, 2 wrong use or input, 3 cancelled, \
                               4 not reachable, 124 timed out.";

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Succeeded,
    /// The function failed, or something that is no fault of the caller.
    Failed,
    /// Wrong use or input: the same again is no use.
    Misused,
    Cancelled,
    /// Not reachable, or too busy to take more.
    Unreachable,
    /// The time limit of the call was over.
    TimedOut,
}

impl Exit {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Succeeded => 0,
            Self::Failed => 1,
            Self::Misused => 2,
            Self::Cancelled => 3,
            Self::Unreachable => 4,
            Self::TimedOut => 124,
        }
    }

    /// How the program ends with this error.
    pub(crate) fn of(error: &Error) -> Self {
        match error.failure() {
            Some(failure) => Self::of_failure(failure.class),
            None => Self::of_kind(error.kind()),
        }
    }

    const fn of_failure(class: FailureClass) -> Self {
        match class {
            FailureClass::InvalidInput => Self::Misused,
            FailureClass::Cancelled => Self::Cancelled,
            _ => Self::Failed,
        }
    }

    const fn of_kind(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Cancelled => Self::Cancelled,
            ErrorKind::InvalidInput
            | ErrorKind::InvalidCall
            | ErrorKind::UnknownFunction
            | ErrorKind::UnknownQuality
            | ErrorKind::UnknownTask
            | ErrorKind::UnknownArtifact
            | ErrorKind::ImpossibleRequirement
            | ErrorKind::Conflict
            | ErrorKind::NotDead
            | ErrorKind::TooLarge
            | ErrorKind::Unsupported
            | ErrorKind::Io => Self::Misused,
            ErrorKind::QueueFull | ErrorKind::Unavailable | ErrorKind::Timeout => Self::Unreachable,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Tells an error, and how the program ends with it.
pub(crate) fn tell(error: &Error, json: bool) -> Exit {
    if json {
        // a stdout that cannot be written leaves the exit code to tell it
        let _ = out::document(&document::error(error));
    } else {
        out::aside(&format!("error: {}", text(error, &format!("{error:?}"))));
    }
    Exit::of(error)
}

/// The error in words, without its task's id: whoever has use for it gave it, or was told it.
pub(crate) fn text(error: &Error, words: &str) -> String {
    match error.task() {
        Some(id) => {
            words.replacen(&format!(" (task: {id})"), "", 1).replacen(&format!(", task: {id})"), ")", 1)
        }
        None => words.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use function_runner_core::{Failure, TaskId};

    use super::*;

    #[test]
    fn every_kind_of_error_has_its_exit_code() {
        let code = |kind: ErrorKind| match kind.name() {
            "cancelled" => 3,
            "function_failed" | "invalid_setup" | "digest_mismatch" | "corrupt" => 1,
            "queue_full" | "backend_unavailable" | "backend_timeout" => 4,
            _ => 2,
        };
        for kind in ErrorKind::ALL {
            assert_eq!(Exit::of(&Error::new(kind, "it went wrong")).code(), code(kind), "{kind}");
        }
        let misuse = ErrorKind::ALL.iter().filter(|kind| code(**kind) == 2);
        assert_eq!(
            misuse.map(|kind| kind.name()).collect::<Vec<_>>(),
            [
                "invalid_input",
                "bad_request",
                "unknown_function",
                "unknown_quality",
                "unknown_task",
                "unknown_artifact",
                "impossible_requirement",
                "conflict",
                "not_dead",
                "too_large",
                "unsupported",
                "io",
            ]
        );
    }

    #[test]
    fn a_failure_ends_by_its_class() {
        let code = |failure| Exit::of(&Error::of_failure(failure)).code();
        assert_eq!(code(Failure::permanent("no")), 1);
        assert_eq!(code(Failure::transient("no")), 1);
        assert_eq!(code(Failure::resource("no")), 1);
        assert_eq!(code(Failure::invalid_input("no")), 2);
        assert_eq!(code(Failure::cancelled()), 3);
        assert_eq!(Exit::TimedOut.code(), 124);
        assert_eq!(Exit::Succeeded.code(), 0);
    }

    #[test]
    fn an_error_is_told_without_its_tasks_id() {
        let id = TaskId::unique();
        let plain = Error::new(ErrorKind::InvalidInput, "it does not fit").with_task(&id);
        assert!(text(&plain, &plain.to_string()).starts_with("it does not fit\nhelp: "));
        let placed = plain.with_context("path", "a.png");
        assert!(text(&placed, &placed.to_string()).starts_with("it does not fit (path: a.png)\nhelp: "));
    }
}
