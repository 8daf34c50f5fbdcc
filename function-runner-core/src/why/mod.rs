//! Why a task is not running: a pure answer from what any backend shows of itself.
//!
//! | file | subject |
//! |---|---|
//! | `reason` | the reasons, and how each reads |
//! | `place` | which workers serve its lane, could hold it, have room for it |

mod place;
mod reason;

use std::{fmt, slice};

use serde::Serialize;

pub use self::reason::Reason;
use crate::{AttemptEnd, Lane, LaneStatus, State, TaskId, TaskRecord, Timestamp, WorkerStatus};

#[cfg(test)]
mod tests;

/// With so many crashes a task is a suspect, and waits in its lane's twin.
const SUSPECT: u32 = 2;

/// Why a task is not running, or what it does instead: its reasons, the strongest first.
///
/// It reads as one line: `queued, 312 ahead in image.upscale@1.0:high; it needs 9000 MiB of GPU memory and the largest
/// free is 4000: worker-7 drains for it`. As JSON it is `{"task","state","reasons":[{"reason",…}]}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Why {
    /// Which task.
    pub task: TaskId,
    /// Where it is in its life.
    pub state: State,
    /// The reasons, the strongest first; never none.
    pub reasons: Vec<Reason>,
}

impl Why {
    /// What a person can do about it: the remedy of the strongest reason that has one.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        self.reasons.iter().find_map(Reason::remedy)
    }
}

/// Explains why this task is not running, from its record and the lists that [`Inspect`](crate::Inspect) gives.
///
/// It is as right as they are: they are read one after the other, so a task may start between two of them. `now` is
/// the store's time, or the caller's where that is near: only words such as `in 5s` depend on it.
///
/// # Examples
///
/// ```
/// use function_runner_core::{
///     Envelope, Lane, LaneStatus, Name, Payload, Quality, Task, TaskId, TaskRecord, Timestamp, Version, why,
/// };
/// use std::sync::Arc;
///
/// let version = Version::new(1, 0, 0);
/// let lane = Lane::new(&Name::new("image.upscale")?, version, &Quality::High);
/// let envelope = Arc::new(Envelope::new(version));
/// let task = Task::new(TaskId::unique(), "image.upscale".parse()?, lane, Payload::encode(&1)?, envelope);
/// let record = TaskRecord::new(Arc::new(task), 1, Timestamp::now());
///
/// let why = why(&record, &[], &[], Timestamp::now());
/// assert_eq!(why.to_string(), "queued, no worker is there");
/// assert_eq!(why.remedy().as_deref(), Some("start a worker"));
/// # Ok::<(), function_runner_core::Error>(())
/// ```
#[must_use]
pub fn why(record: &TaskRecord, lanes: &[LaneStatus], workers: &[WorkerStatus], now: Timestamp) -> Why {
    let reasons = match record.state {
        State::Queued => waiting(record, lanes, workers, now),
        State::Running => running(record, workers, now),
        state => {
            let failure = record.failure.clone().filter(|_| state == State::Failed);
            vec![Reason::Ended { state, at: record.finished_at, failure }]
        }
    };
    Why { task: record.task.id.clone(), state: record.state, reasons }
}

fn running(record: &TaskRecord, workers: &[WorkerStatus], now: Timestamp) -> Vec<Reason> {
    let TaskRecord { worker, attempt, cancel_requested, .. } = record;
    let since = record.started_at.map(|at| now.since(at));
    let (worker, attempt, cancel_requested) = (worker.clone(), *attempt, *cancel_requested);
    let gone = worker.clone().filter(|worker| workers.iter().all(|status| status.worker != *worker));
    let runs = Reason::Running { worker, since, attempt, cancel_requested };
    std::iter::once(runs).chain(gone.map(|worker| Reason::Silent { worker })).collect()
}

fn waiting(
    record: &TaskRecord,
    lanes: &[LaneStatus],
    workers: &[WorkerStatus],
    now: Timestamp,
) -> Vec<Reason> {
    let plain = record.task.lane.plain();
    let suspect = record.crashes >= SUSPECT;
    let lane = if suspect { plain.twin() } else { plain.clone() };
    let status = |of: &Lane| lanes.iter().find(|status| status.lane == *of);
    let mut reasons: Vec<Reason> = not_yet(record, now).into_iter().collect();
    let placed = place::place(record, lanes, workers);
    // a pause of a lane is one of its twin too
    let paused = [&plain, &lane].into_iter().find(|lane| status(lane).is_some_and(|status| status.paused));
    let held_up = !reasons.is_empty() || !placed.reasons.is_empty() || paused.is_some();
    // who is served by nobody is told that before all else: nothing else would help
    let (first, rest): (Vec<_>, Vec<_>) = placed.reasons.into_iter().partition(place::is_unserved);
    reasons.extend(first);
    reasons.extend(paused.map(|lane| Reason::Paused { lane: lane.clone() }));
    reasons.extend(rest);
    if suspect {
        let running = status(&lane).map_or(0, |status| status.running);
        reasons.push(Reason::Suspect { crashes: record.crashes, lane: lane.clone(), running });
    }
    reasons.extend(record.ahead.map(|ahead| Reason::Ahead { ahead, lane }));
    reasons.extend(record.deadline.map(|at| Reason::Deadline { at, left: at.since(now) }));
    if !held_up && record.ahead.unwrap_or(0) == 0 && placed.room > 0 {
        reasons.push(Reason::Soon { workers: placed.room });
    }
    reasons
}

/// Why it may not start before a moment that is still to come.
fn not_yet(record: &TaskRecord, now: Timestamp) -> Option<Reason> {
    let until = record.not_before.filter(|until| *until > now)?;
    let wait = until.since(now);
    Some(match record.attempts.last().map(|past| (past.attempt, &past.end, &past.worker)) {
        Some((attempt, AttemptEnd::Failed(failure), _)) if record.attempt > 0 => {
            Reason::Retry { until, wait, attempt, failure: failure.clone() }
        }
        Some((_, AttemptEnd::Released, worker)) if record.attempt > 0 => {
            Reason::GivenBack { until, wait, worker: worker.clone() }
        }
        _ => Reason::Delayed { until, wait },
    })
}

/// One line: the state, its place in line, then what holds it up.
impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [Reason::Ended { .. } | Reason::Running { .. }, rest @ ..] = &self.reasons[..] {
            write!(f, "{}", self.reasons[0])?;
            return rest.iter().try_for_each(|reason| write!(f, "; {reason}"));
        }
        f.write_str(self.state.as_str())?;
        let (place, others): (Vec<_>, Vec<_>) =
            self.reasons.iter().partition(|reason| matches!(reason, Reason::Ahead { .. }));
        let mut before: Option<&Reason> = None;
        for reason in place.into_iter().chain(others) {
            f.write_str(match (before, reason) {
                (None, _) => ", ",
                (Some(Reason::NoRoom { .. }), Reason::DrainsFor { .. }) => ": ",
                _ => "; ",
            })?;
            write!(f, "{reason}")?;
            before = Some(reason);
        }
        Ok(())
    }
}

impl<'a> IntoIterator for &'a Why {
    type Item = &'a Reason;
    type IntoIter = slice::Iter<'a, Reason>;

    fn into_iter(self) -> Self::IntoIter {
        self.reasons.iter()
    }
}
