//! What our machinery says went wrong: one error struct, one table of kinds.

use std::{borrow::Cow, fmt};

use crate::{Failure, FailureClass, Fault, TaskId};

/// The result of everything that our machinery does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

pub(crate) type Source = Box<dyn std::error::Error + Send + Sync>;

/// What kind of error it was; programs decide by this, never by the text.
///
/// Every kind stands in one table with its name on the wire, its HTTP status, whether trying again helps,
/// and a remedy for people: [`name`](Self::name), [`status`](Self::status),
/// [`is_retryable`](Self::is_retryable), [`remedy`](Self::remedy).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The task was cancelled.
    Cancelled,
    /// The function's own body failed; [`Error::failure`] has what it said.
    FunctionFailed,
    /// The input does not fit the function's schema; [`Error::faults`] lists every violation.
    InvalidInput,
    /// A setting of the call is out of its range: an id, a priority, a label, a deadline.
    InvalidCall,
    /// A registry, template, worker or store was put together wrongly.
    InvalidSetup,
    /// No worker has served such a function here.
    UnknownFunction,
    /// The function has no preset of this name.
    UnknownQuality,
    /// The store knows no such task, or knew it and its retention has passed.
    UnknownTask,
    /// The store has no artifact of this content.
    UnknownArtifact,
    /// No worker that was ever seen could hold this task.
    ImpossibleRequirement,
    /// The id was used for a task with other content, or a template was published with other content.
    Conflict,
    /// The task is not a dead letter.
    NotDead,
    /// Larger than a limit.
    TooLarge,
    /// The lane holds as many tasks as it may.
    QueueFull,
    /// The content is not what its SHA-256 says.
    DigestMismatch,
    /// The backend cannot do this at all.
    Unsupported,
    /// The backend is not reachable, or stopped while it worked.
    Unavailable,
    /// No answer came in time.
    Timeout,
    /// What was stored cannot be read.
    Corrupt,
    /// A file or folder of this machine cannot be read or written.
    Io,
}

struct Row {
    name: &'static str,
    status: u16,
    retryable: bool,
    remedy: &'static str,
}

const fn row(name: &'static str, status: u16, retryable: bool, remedy: &'static str) -> Row {
    Row { name, status, retryable, remedy }
}

impl ErrorKind {
    /// Every kind there is, in the order of the table.
    pub const ALL: [Self; 20] = [
        Self::Cancelled,
        Self::FunctionFailed,
        Self::InvalidInput,
        Self::InvalidCall,
        Self::InvalidSetup,
        Self::UnknownFunction,
        Self::UnknownQuality,
        Self::UnknownTask,
        Self::UnknownArtifact,
        Self::ImpossibleRequirement,
        Self::Conflict,
        Self::NotDead,
        Self::TooLarge,
        Self::QueueFull,
        Self::DigestMismatch,
        Self::Unsupported,
        Self::Unavailable,
        Self::Timeout,
        Self::Corrupt,
        Self::Io,
    ];

    /// The one table of kinds.
    const fn row(self) -> Row {
        match self {
            Self::Cancelled => {
                row("cancelled", 200, false, "submit it again under a new id if it is still wanted")
            }
            Self::FunctionFailed => {
                row("function_failed", 200, false, "see the failure; what it says is the function's own")
            }
            Self::InvalidInput => row(
                "invalid_input",
                422,
                false,
                "correct the fields listed and submit again with the same id",
            ),
            Self::InvalidCall => row("bad_request", 400, false, "correct the setting that is named"),
            Self::InvalidSetup => {
                row("invalid_setup", 500, false, "correct what is listed where the program is put together")
            }
            Self::UnknownFunction => {
                row("unknown_function", 404, false, "check the name, or start a worker that serves it")
            }
            Self::UnknownQuality => {
                row("unknown_quality", 404, false, "choose one of the qualities that are listed")
            }
            Self::UnknownTask => row(
                "unknown_task",
                404,
                false,
                "check the id; results are kept only as long as their retention says",
            ),
            Self::UnknownArtifact => row("unknown_artifact", 404, false, "upload the file first"),
            Self::ImpossibleRequirement => row(
                "impossible_requirement",
                422,
                false,
                "choose a lower quality, or start a worker on a larger machine",
            ),
            Self::Conflict => row("conflict", 409, false, "use a new id for other content"),
            Self::NotDead => row("not_dead", 409, false, "only a task that ended failed can be requeued"),
            Self::TooLarge => {
                row("too_large", 413, false, "send less, or put large content into an artifact")
            }
            Self::QueueFull => {
                row("queue_full", 503, true, "wait and submit again with the same id, or start more workers")
            }
            Self::DigestMismatch => {
                row("digest_mismatch", 422, false, "upload the file again; it was damaged on its way")
            }
            Self::Unsupported => row("unsupported", 501, false, "use a backend or build that has this"),
            Self::Unavailable => row(
                "backend_unavailable",
                503,
                true,
                "check that the backend runs and is reachable, then try again with the same id",
            ),
            Self::Timeout => row("backend_timeout", 504, true, "try again with the same id"),
            Self::Corrupt => {
                row("corrupt", 500, false, "report it with the task's id; the stored bytes are damaged")
            }
            Self::Io => row("io", 500, false, "check that the path exists, may be written and has room"),
        }
    }

    /// Its stable name on the wire and in logs, `[a-z_]+`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The HTTP status a gateway answers with; 200 where the request went well and the task did not.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.row().status
    }

    /// Whether the same request, sent again unchanged, may go through.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        self.row().retryable
    }

    /// What a person can do about it.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        self.row().remedy
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What went wrong in our machinery: a kind, a message, and the context that was known where it happened.
///
/// `Display` is what a person reads: the message, the faults one per line, and a `help:` line. `Debug` reads
/// the same with the causes below, since that is what `fn main() -> Result<()>` prints.
///
/// # Examples
///
/// ```
/// use function_runner_core::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::UnknownTask, "no such task").with_context("backend", "memory");
/// assert_eq!(error.kind(), ErrorKind::UnknownTask);
/// assert!(!error.is_retryable());
/// assert!(error.to_string().starts_with("no such task (backend: memory)"));
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    task: Option<TaskId>,
    context: Vec<(&'static str, String)>,
    faults: Vec<Fault>,
    failure: Option<Failure>,
    help: Option<Cow<'static, str>>,
    source: Option<Source>,
}

impl Error {
    /// Makes an error of this kind; messages are lower case and end without a full stop.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            task: None,
            context: Vec::new(),
            faults: Vec::new(),
            failure: None,
            help: None,
            source: None,
        }))
    }

    /// The error of a task that ended Failed: the function's own failure.
    #[must_use]
    pub fn of_failure(failure: Failure) -> Self {
        let kind = match failure.class {
            FailureClass::Cancelled => ErrorKind::Cancelled,
            _ => ErrorKind::FunctionFailed,
        };
        let mut error = Self::new(kind, format!("the function failed: {}", failure.message));
        error.0.failure = Some(failure);
        error
    }

    /// The error of an input that breaks its schema.
    #[must_use]
    pub fn of_faults(message: impl Into<Cow<'static, str>>, faults: Vec<Fault>) -> Self {
        let mut error = Self::new(ErrorKind::InvalidInput, message);
        error.0.faults = faults;
        error
    }

    /// Says where it happened: which backend, key, lane, file.
    #[must_use]
    pub fn with_context(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((key, value.to_string()));
        self
    }

    /// Says whose task it was, unless that is known already.
    #[must_use]
    pub fn with_task(mut self, id: &TaskId) -> Self {
        self.0.task.get_or_insert_with(|| id.clone());
        self
    }

    /// Keeps the error below.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Puts a remedy of its own in place of the kind's.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<Cow<'static, str>>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// What kind it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message alone, without context, faults and help.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether the same request, sent again unchanged, may go through.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.kind.is_retryable()
    }

    /// Whose task it was: on every error of a submit, also when the reply was lost.
    #[must_use]
    pub fn task(&self) -> Option<&TaskId> {
        self.0.task.as_ref()
    }

    /// What the function itself said, where it was the function that failed.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.0.failure.as_ref()
    }

    /// Every violation of the schema, where it was the input.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.0.faults
    }

    /// What a person can do about it.
    #[must_use]
    pub fn remedy(&self) -> &str {
        let of_failure = self.0.failure.as_ref().and_then(|f| f.remedy.as_deref());
        self.0.help.as_deref().or(of_failure).unwrap_or_else(|| self.0.kind.remedy())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        let task = self.0.task.iter().map(|id| ("task", id.to_string()));
        let context: Vec<_> =
            self.0.context.iter().cloned().chain(task).map(|(k, v)| format!("{k}: {v}")).collect();
        if !context.is_empty() {
            write!(f, " ({})", context.join(", "))?;
        }
        let width = self.0.faults.iter().map(|fault| fault.pointer.len()).max().unwrap_or(0);
        for fault in &self.0.faults {
            write!(f, "\n  {:width$}    {fault}", fault.pointer)?;
        }
        write!(f, "\nhelp: {}", self.remedy())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            write!(f, "\n  because {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_a_remedy() {
        let names: HashSet<_> = ErrorKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), ErrorKind::ALL.len());
        assert!(ErrorKind::ALL.iter().all(|kind| !kind.remedy().is_empty()));
    }

    #[test]
    fn debug_reads_like_display_with_the_causes_below() {
        let error = Error::new(ErrorKind::Io, "cannot write `out.png`").with_source("disk full");
        assert_eq!(format!("{error:?}"), format!("{error}\n  because disk full"));
    }
}
