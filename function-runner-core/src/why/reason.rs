//! The reasons for which a task is not running, and how each reads.

use std::{fmt, time::Duration};

use serde::Serialize;

use crate::{Failure, Lane, State, Timestamp, Version, WorkerId, clock::duration_millis};

/// One reason for which a task is not running, or what it does instead.
///
/// As JSON it is an object with its name as `reason`; durations are milliseconds in fields that end in `_ms`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// It has ended.
    Ended {
        /// How.
        state: State,
        /// When.
        at: Option<Timestamp>,
        /// Its failure, where it failed.
        failure: Option<Failure>,
    },
    /// It runs.
    Running {
        /// On whom.
        worker: Option<WorkerId>,
        /// For how long.
        #[serde(rename = "for_ms", with = "duration_millis::option")]
        since: Option<Duration>,
        /// Which attempt it is.
        attempt: u32,
        /// Whether its cancel was asked.
        cancel_requested: bool,
    },
    /// The worker that holds it is not among the living: another gets the task when the lease runs out.
    Silent {
        /// Which worker.
        worker: WorkerId,
    },
    /// Its caller said when it may start.
    Delayed {
        /// When.
        until: Timestamp,
        /// How long from now.
        #[serde(rename = "wait_ms", with = "duration_millis")]
        wait: Duration,
    },
    /// An attempt failed, and the next waits for its time.
    Retry {
        /// When that is.
        until: Timestamp,
        /// How long from now.
        #[serde(rename = "wait_ms", with = "duration_millis")]
        wait: Duration,
        /// The attempt that failed.
        attempt: u32,
        /// With what.
        failure: Failure,
    },
    /// A worker gave it back for a while, because it needs more than that worker has.
    GivenBack {
        /// Until when.
        until: Timestamp,
        /// How long from now.
        #[serde(rename = "wait_ms", with = "duration_millis")]
        wait: Duration,
        /// Which worker.
        worker: WorkerId,
    },
    /// No worker lives.
    NoWorker,
    /// Workers live, and none of them serves the function at this version.
    Unserved {
        /// The function.
        function: String,
        /// The version the task was resolved to.
        version: Version,
        /// The versions that are served, if any.
        served: Vec<Version>,
    },
    /// Only older minor versions are served, as after a roll-back: they never meet a newer input.
    RolledBack {
        /// The function.
        function: String,
        /// The version the task was resolved to.
        version: Version,
        /// The newest of the same major that is served.
        newest: Version,
    },
    /// All workers that serve it were asked to stop.
    AllDrain {
        /// How many they are.
        workers: usize,
    },
    /// An operator paused its lane.
    Paused {
        /// The lane that was paused.
        lane: Lane,
    },
    /// It needs more than any worker has that serves it, whatever else runs there.
    TooLarge {
        /// Of what, in words.
        lacking: String,
    },
    /// It needs more than is free on any worker that serves it.
    NoRoom {
        /// Of what, in words.
        lacking: String,
    },
    /// A worker takes nothing else until it has room for this lane.
    DrainsFor {
        /// Which worker.
        worker: WorkerId,
    },
    /// All workers that could hold it make room for other lanes.
    DrainElsewhere {
        /// The lanes they make room for.
        lanes: Vec<Lane>,
    },
    /// Workers died holding it, so it waits apart, and a worker takes one such at a time.
    Suspect {
        /// How many.
        crashes: u32,
        /// The lane it waits in.
        lane: Lane,
        /// How many such tasks of this lane run.
        running: u64,
    },
    /// Others come before it.
    Ahead {
        /// How many, counted up to a bound.
        ahead: u64,
        /// In which lane.
        lane: Lane,
    },
    /// It fails unless it starts by then.
    Deadline {
        /// By when.
        at: Timestamp,
        /// How long from now.
        #[serde(rename = "left_ms", with = "duration_millis")]
        left: Duration,
    },
    /// Nothing holds it up: a worker that has room takes it with its next ask.
    Soon {
        /// How many have room.
        workers: usize,
    },
}

impl Reason {
    /// What a person can do about it, where there is something to do.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        let remedy = match self {
            Self::NoWorker => "start a worker",
            Self::Unserved { function, version, .. } => {
                let (major, minor) = (version.major, version.minor);
                return Some(format!("start a worker that serves {function}@{major}.{minor}"));
            }
            Self::RolledBack { function, version, .. } => {
                let (major, minor) = (version.major, version.minor);
                return Some(format!(
                    "start a worker of {function}@{major}.{minor} again, or cancel the task"
                ));
            }
            Self::AllDrain { .. } => "start another worker",
            Self::Paused { .. } => "resume the lane",
            Self::TooLarge { .. } => {
                "start a worker on a larger machine, or cancel the task and choose a lower quality"
            }
            Self::NoRoom { .. } | Self::Ahead { ahead: 1.., .. } => "wait, or start more workers",
            Self::Suspect { .. } => "find out what it does to its worker, or cancel it",
            Self::Ended { state: State::Failed, .. } => "see its failure; it can be given another life",
            _ => return None,
        };
        Some(remedy.to_owned())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended { state, at, failure } => ended(f, *state, *at, failure.as_ref()),
            Self::Running { worker, since, attempt, cancel_requested } => {
                f.write_str("running")?;
                worker.iter().try_for_each(|worker| write!(f, " on {worker}"))?;
                since.iter().try_for_each(|since| write!(f, " for {}", span(*since)))?;
                write!(f, ", attempt {attempt}{}", if *cancel_requested { ", asked to stop" } else { "" })
            }
            Self::Silent { worker } => {
                write!(f, "{worker} is heard no more: another worker gets it when the lease runs out")
            }
            Self::Delayed { until, wait } => write!(f, "it may start in {} ({until})", span(*wait)),
            Self::Retry { wait, attempt, failure, .. } => {
                let failure = line(&failure.message);
                write!(f, "attempt {attempt} failed ({failure}) and the next starts in {}", span(*wait))
            }
            Self::GivenBack { wait, worker, .. } => {
                write!(
                    f,
                    "{worker} gave it back as larger than itself; it is offered again in {}",
                    span(*wait)
                )
            }
            Self::NoWorker => f.write_str("no worker is there"),
            Self::Unserved { function, version, served } => {
                let (major, minor) = (version.major, version.minor);
                write!(f, "no worker serves {function}@{major}.{minor}")?;
                let served: Vec<_> = served.iter().map(Version::to_string).collect();
                if served.is_empty() { Ok(()) } else { write!(f, "; they serve {}", served.join(", ")) }
            }
            Self::RolledBack { function, version, newest } => {
                let (major, minor) = (version.major, version.minor);
                write!(
                    f,
                    "no worker serves {function}@{major}.{minor} any more: the newest served is {newest}, "
                )?;
                f.write_str("as after a roll-back")
            }
            Self::AllDrain { workers: 1 } => f.write_str("the only worker that serves it was asked to stop"),
            Self::AllDrain { workers } => write!(f, "all {workers} workers that serve it were asked to stop"),
            Self::Paused { lane } => write!(f, "{lane} is paused"),
            Self::TooLarge { lacking } | Self::NoRoom { lacking } => f.write_str(lacking),
            Self::DrainsFor { worker } => write!(f, "{worker} drains for it"),
            Self::DrainElsewhere { lanes } => {
                let lanes: Vec<_> = lanes.iter().map(Lane::as_str).collect();
                write!(f, "every worker that could hold it makes room for {}", lanes.join(", "))
            }
            Self::Suspect { crashes, running, .. } => {
                let workers = if *crashes == 1 { "worker" } else { "workers" };
                write!(f, "{crashes} {workers} died while they ran it, so it waits as a suspect: ")?;
                write!(f, "a worker takes one at a time, and {running} of its lane run")
            }
            Self::Ahead { ahead: 0, lane } => write!(f, "next in {lane}"),
            Self::Ahead { ahead, lane } => write!(f, "{ahead} ahead in {lane}"),
            Self::Deadline { left, .. } => write!(f, "its deadline is in {}", span(*left)),
            Self::Soon { workers: 1 } => f.write_str("a worker has room for it"),
            Self::Soon { workers } => write!(f, "{workers} workers have room for it"),
        }
    }
}

fn ended(
    f: &mut fmt::Formatter<'_>,
    state: State,
    at: Option<Timestamp>,
    failure: Option<&Failure>,
) -> fmt::Result {
    f.write_str(state.as_str())?;
    at.iter().try_for_each(|at| write!(f, " at {at}"))?;
    let code = failure.and_then(|failure| failure.code.as_deref());
    failure.iter().try_for_each(|failure| write!(f, ": {}", line(&failure.message)))?;
    code.iter().try_for_each(|code| write!(f, " ({})", line(code)))
}

/// Text of somebody else's, so that it stays in its line.
fn line(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// A time in words, in whole seconds, rounded up.
fn span(time: Duration) -> String {
    let whole = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    humantime::format_duration(Duration::from_secs(whole)).to_string()
}
