//! How far a task is.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Artifact, clock::duration_millis};

/// Which part of its life a task is in, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Waits for a worker.
    Queued,
    /// Fetches its input, loads its model.
    Preparing,
    /// Does its work.
    #[default]
    Running,
    /// Stores its output.
    Finalizing,
}

/// Step `step` of `steps`, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The step it is at, from 1.
    pub step: u32,
    /// How many there are.
    pub steps: u32,
}

/// How far a task is; the latest replaces those before.
///
/// # Examples
///
/// ```
/// use function_runner_core::{Progress, Stage};
///
/// let progress = Progress::new(0.25, "tile 3/12").stage(Stage::Running).step(3, 12);
/// assert_eq!(progress.fraction, Some(0.25));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Progress {
    /// Which part of its life it is in.
    pub stage: Stage,
    /// From 0 to 1; never falls within an attempt.
    pub fraction: Option<f32>,
    /// Step k of n.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
    /// What it is doing, in words.
    pub message: String,
    /// How the result looks so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview: Option<Artifact>,
    /// How long it will take from here.
    #[serde(rename = "eta_ms", with = "duration_millis::option", skip_serializing_if = "Option::is_none")]
    pub eta: Option<Duration>,
}

impl Progress {
    /// So much of the work done, from 0 to 1, and what is being done.
    pub fn new(fraction: f32, message: impl Into<String>) -> Self {
        Self { fraction: Some(fraction), message: message.into(), ..Self::default() }
    }

    /// In this stage, with how much is done unknown.
    #[must_use]
    pub fn at(stage: Stage, message: impl Into<String>) -> Self {
        Self { stage, message: message.into(), ..Self::default() }
    }

    /// In this stage.
    #[must_use]
    pub fn stage(mut self, stage: Stage) -> Self {
        self.stage = stage;
        self
    }

    /// At step k of n.
    #[must_use]
    pub fn step(mut self, step: u32, steps: u32) -> Self {
        self.step = Some(Step { step, steps });
        self
    }

    /// With how the result looks so far.
    #[must_use]
    pub fn preview(mut self, preview: Artifact) -> Self {
        self.preview = Some(preview);
        self
    }

    /// With how long it will take from here.
    #[must_use]
    pub fn eta(mut self, eta: Duration) -> Self {
        self.eta = Some(eta);
        self
    }

    /// This, told after `before` within one attempt: neither stage nor fraction falls, and what is no number is left out.
    pub(crate) fn following(mut self, before: Option<&Self>) -> Self {
        self.fraction =
            self.fraction.filter(|fraction| !fraction.is_nan()).map(|fraction| fraction.clamp(0.0, 1.0));
        if let Some(before) = before {
            self.stage = self.stage.max(before.stage);
            self.fraction = match (self.fraction, before.fraction) {
                (Some(now), Some(then)) => Some(now.max(then)),
                (now, then) => now.or(then),
            };
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_never_falls() {
        let first = Progress::new(0.5, "").stage(Stage::Running).following(None);
        let second = Progress::new(0.2, "back").stage(Stage::Preparing).following(Some(&first));
        assert_eq!((second.fraction, second.stage, &*second.message), (Some(0.5), Stage::Running, "back"));
        assert_eq!(Progress::new(f32::NAN, "").following(None).fraction, None);
        assert_eq!(Progress::new(7.0, "").following(None).fraction, Some(1.0));
    }
}
