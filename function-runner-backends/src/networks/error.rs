//! What can be wrong with a network's file.

use std::io;

/// Why a network was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The file could not be read.
    #[error("the network's file cannot be read")]
    Read(#[from] io::Error),
    /// The path leads to something that is not a file.
    #[error("the network's path does not lead to a file; a network is one safetensors file")]
    NotAFile,
    /// It is larger than any network that is read.
    #[error("the network's file has {bytes} bytes; at most {limit} are read")]
    TooLarge {
        /// What the file has.
        bytes: u64,
        /// What is read.
        limit: u64,
    },
    /// It is a file of another kind; `found` names it with its article: `a zip archive`.
    #[error(
        "the network's file is {found}, not safetensors; convert it, or get the model's .safetensors file"
    )]
    Foreign {
        /// What it is.
        found: &'static str,
    },
    /// It breaks the rules of safetensors, or ends early.
    #[error("the network's file is damaged: {0}; fetch it again")]
    Malformed(String),
    /// It holds tensors, but does not say how they become a network.
    #[error(
        "the network's file has no plan in its metadata; it must be one that was converted for function-runner"
    )]
    NoPlan,
    /// Its plan is written in a format that is not known.
    #[error("the network's plan has format {found}; this version reads format {known}")]
    Format {
        /// What the file says.
        found: u64,
        /// What can be read.
        known: u64,
    },
    /// Its plan is not the JSON it should be.
    #[error("the network's plan cannot be read: {0}")]
    Document(String),
    /// Its plan says something that cannot be.
    #[error("the network's plan is wrong: `{field}` {fault}")]
    Plan {
        /// Where, as a path into the plan: `convs[3].from[0]`.
        field: String,
        /// What is wrong, and what is allowed.
        fault: String,
    },
}

impl NetworkError {
    /// A fault of the plan.
    pub(super) fn plan(field: impl Into<String>, fault: impl Into<String>) -> Self {
        Self::Plan { field: field.into(), fault: fault.into() }
    }
}
