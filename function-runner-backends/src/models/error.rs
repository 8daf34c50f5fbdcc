//! What can be wrong with a model, and what to do about it.

use std::{fmt, io, path::PathBuf};

use function_runner_core::{Digest, Failure};

/// Why a model is not there to be used, or was not installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// No model has this name.
    #[error("there is no model `{}`{}", name.escape_debug(), hint(*near))]
    Unknown {
        /// What was asked for.
        name: String,
        /// The name that was meant, perhaps.
        near: Option<&'static str>,
    },
    /// It is in none of the folders.
    #[error("the model `{name}` is not installed")]
    Missing {
        /// Which model.
        name: String,
    },
    /// The file in its place is another.
    #[error("{} is not the file of the model `{name}`: {fault}", path.display())]
    Wrong {
        /// Which model.
        name: String,
        /// Where the file lies.
        path: PathBuf,
        /// What is wrong with it.
        fault: Mismatch,
    },
    /// What was given to be installed is another file.
    #[error("what was given is not `{file}` of the model `{name}`: {fault}")]
    Refused {
        /// Which model.
        name: String,
        /// Which of its files.
        file: String,
        /// What is wrong with it.
        fault: Mismatch,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Where it lies.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What was given to be installed cannot be read.
    #[error("cannot read what was given as `{file}`")]
    Given {
        /// Which file it was given as.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be put into a models folder.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no folder for models: neither the variable is set nor is there a home folder.
    #[error("there is no folder for models: this user has no home folder")]
    NoFolder,
}

/// What is wrong with a file that is not the one its manifest means.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mismatch {
    /// It has another size.
    Size {
        /// The bytes it should have.
        expected: u64,
        /// The bytes it has.
        found: u64,
    },
    /// It goes on past its size; what follows was not read.
    TooLong {
        /// The bytes it should have.
        expected: u64,
    },
    /// It has the right size and another content.
    Sum {
        /// The SHA-256 it should have.
        expected: Digest,
        /// The SHA-256 it has.
        found: Digest,
    },
    /// It is a folder, a pipe, or something else.
    NoFile,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { expected, found } => write!(f, "it has {found} bytes, not {expected}"),
            Self::TooLong { expected } => write!(f, "it has more than {expected} bytes"),
            Self::Sum { expected, found } => write!(f, "its SHA-256 is {found}, not {expected}"),
            Self::NoFile => f.write_str("it is no file"),
        }
    }
}

impl ModelError {
    /// What a person can do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Unknown { .. } => "`fnr models` shows what there is".to_owned(),
            Self::Missing { name } => {
                format!(
                    "`fnr models install {name} --from PATH-OR-URL` installs it; `fnr models {name}` says where it comes from"
                )
            }
            Self::Wrong { name, .. } => {
                format!("`fnr models install {name} --from PATH-OR-URL` puts the right file in its place")
            }
            Self::Refused { name, .. } => {
                format!("nothing was installed; give the file that `fnr models {name}` names")
            }
            Self::Read { .. } => "check that it is a file that may be read".to_owned(),
            Self::Given { .. } => "nothing was installed; give a file that can be read to its end".to_owned(),
            Self::Write { source, .. } => unwritable(source.kind()).to_owned(),
            Self::NoFolder => "set FUNCTION_RUNNER_MODELS to a folder".to_owned(),
        }
    }

    /// What a function says that could not open its model: for good, since a file that is wrong or not there stays
    /// so however often it is tried.
    ///
    /// A `?` alone would make it one that is tried again.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        let cause = std::error::Error::source(&self).map(|cause| format!(": {cause}"));
        Failure::permanent(format!("{self}{}", cause.unwrap_or_default())).remedy(self.remedy())
    }
}

const fn unwritable(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "nothing was installed; free some room there, or set FUNCTION_RUNNER_MODELS to a folder that has some"
        }
        _ => "nothing was installed; set FUNCTION_RUNNER_MODELS to a folder that can be written",
    }
}

fn hint(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}
