//! What a function's attempts do before they answer.

use std::{collections::VecDeque, time::Duration};

use function_runner_core::{Failure, Progress};

#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    /// One for each attempt to come, until they are used up.
    pub(super) failures: VecDeque<Failure>,
    /// How long an attempt takes.
    pub(super) delay: Option<Duration>,
    /// What an attempt tells.
    pub(super) progress: Vec<Progress>,
}
