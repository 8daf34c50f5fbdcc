//! What can be wrong with a body.

use std::fmt;

/// A kind of fault that exercising a body can find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Finding {
    /// The plain attempt fails: nothing else can be tried.
    Fails,
    /// An attempt panics.
    Panics,
    /// An attempt does not end within its limit.
    Hangs,
    /// The output is another.
    OutputDiffers,
    /// The parts of the output are others: those of an attempt void those before it, so each gives them all.
    PartsDiffer,
    /// Other artifacts were put, in all attempts together.
    ArtifactsDiffer,
    /// The log of a second attempt is another.
    LogsDiffer,
    /// The progress that is told falls; callers see it stand still.
    ProgressFalls,
    /// The progress that is told is no number from 0 to 1.
    ProgressOutOfRange,
    /// The last progress of an attempt that succeeds is not 1.
    ProgressShort,
    /// A checkpoint is over the limit, and lost.
    CheckpointTooLarge,
    /// The attempt after one that died fails.
    ResumeFails,
    /// A checkpoint that cannot be read makes it fail, as it will at every further attempt.
    BadCheckpoint,
    /// A blocking body that goes on although its token has fired.
    IgnoresCancel,
    /// It stops when its token fires, but with a failure that is not `cancelled`.
    CancelMisreported,
    /// A call of the artifact store that fails once makes it fail for good.
    StoreFaultIsFinal,
    /// Something of it goes on after the attempt is over, and holds its context.
    Outlives,
    /// Files are left where the scratch folders are made.
    ScratchLeft,
}

impl Finding {
    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fails => "fails",
            Self::Panics => "panics",
            Self::Hangs => "hangs",
            Self::OutputDiffers => "output differs",
            Self::PartsDiffer => "parts differ",
            Self::ArtifactsDiffer => "artifacts differ",
            Self::LogsDiffer => "logs differ",
            Self::ProgressFalls => "progress falls",
            Self::ProgressOutOfRange => "progress out of range",
            Self::ProgressShort => "progress short of 1",
            Self::CheckpointTooLarge => "checkpoint too large",
            Self::ResumeFails => "resume fails",
            Self::BadCheckpoint => "fails by a bad checkpoint",
            Self::IgnoresCancel => "ignores its cancel",
            Self::CancelMisreported => "cancel misreported",
            Self::StoreFaultIsFinal => "store fault is final",
            Self::Outlives => "outlives its attempt",
            Self::ScratchLeft => "scratch left",
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Fails => "give it an input, parameters and files with which it succeeds",
            Self::Panics => "return a failure where it cannot go on",
            Self::Hangs => "look for what it waits for, or raise `.limit(…)`",
            Self::OutputDiffers => {
                "derive everything from input, parameters and checkpoint; seed what is random"
            }
            Self::PartsDiffer => "give every part again after a resume, or leave checkpoints out",
            Self::ArtifactsDiffer => "put what the output needs, and the same in every attempt",
            Self::LogsDiffer => "leave times and addresses out of the log, or allow it",
            Self::ProgressFalls => "work the fraction out of everything that is to be done",
            Self::ProgressOutOfRange => "divide by the whole, which is not 0",
            Self::ProgressShort => "tell 1.0 when it is done",
            Self::CheckpointTooLarge => "put it as an artifact, and leave its digest as the checkpoint",
            Self::ResumeFails => "take up from any checkpoint it ever left",
            Self::BadCheckpoint => "start from the beginning where a checkpoint cannot be read",
            Self::IgnoresCancel => "call `ctx.check()?` in its loops",
            Self::CancelMisreported => "return `Failure::cancelled()`, as `ctx.check()?` does",
            Self::StoreFaultIsFinal => "make it a transient failure, so that it is tried again",
            Self::Outlives => "end what it spawned before it returns, or when it is dropped",
            Self::ScratchLeft => "write into `ctx.scratch()?` alone",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// What kind it is.
    pub finding: Finding,
    /// In which way the body was run: `killed at a checkpoint`, say.
    pub way: &'static str,
    /// Where first, and what was seen.
    pub detail: String,
    /// At how many places of this way.
    pub times: usize,
    /// Whether it is intended.
    pub allowed: bool,
}
