//! The caller's side of a backend.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use futures::{StreamExt as _, stream::BoxStream};
use serde::{Deserialize, Serialize};

use crate::{
    Error, ErrorKind, Event, EventKind, Failure, Payload, Phase, Result, Seen, State, Task, TaskId,
    TaskRecord, TemplateSet, Times, payload::MAX_PAYLOAD, seq,
};

/// The most tasks of one `submit`.
pub const MAX_BATCH: usize = 1000;

/// The most bytes of the payloads of one `submit`: 32 MiB.
pub const MAX_BATCH_BYTES: usize = 32 << 20;

/// What an accepted task survives, told truthfully.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Durability {
    /// Nothing: it lives as long as this process.
    #[default]
    None,
    /// The death of any process, not of the machine.
    ProcessCrash,
    /// The loss of power.
    PowerLoss,
}

/// What a backend can do, and by which times it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Capabilities {
    /// What an accepted task survives.
    pub durability: Durability,
    /// Whether it keeps tasks that start later.
    pub delay: bool,
    /// The most bytes of one payload.
    pub max_payload: usize,
    /// Its times.
    pub times: Times,
}

impl Capabilities {
    /// A backend that survives this, delays tasks, takes payloads of 10 MiB and lives by these times.
    #[must_use]
    pub const fn new(durability: Durability, times: Times) -> Self {
        Self { durability, delay: true, max_payload: MAX_PAYLOAD, times }
    }
}

/// What became of one task of a submit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Submitted {
    /// It was stored.
    New,
    /// The same task was stored before.
    AlreadyKnown,
    /// Another task with its deduplication key was stored before, and stands in its place.
    Duplicate(TaskId),
}

/// What happens to a task, until its end; an `Err` says that it can no longer be followed.
pub type EventStream = BoxStream<'static, Result<Event>>;

/// The caller's side of a backend: submit, look up, watch, cancel.
///
/// # Contract
///
/// Each line is a case of the conformance suite of the same name.
///
/// Of `templates`:
/// - `templates_list_what_is_served`: every function that runs behind the executor is in the set.
/// - `templates_answer_none_while_the_revision_is_known`: asked with the revision it has, it answers `None`.
///
/// Of `submit`:
/// - `output_round_trips`: a submitted task runs and its output comes back as the body gave it.
/// - `submit_is_idempotent`: the same id with the same content answers `AlreadyKnown`, also after the end, and the body runs once.
/// - `other_content_under_a_known_id_is_a_conflict`: the error names the task, and the first task is unharmed.
/// - `a_batch_is_stored_whole_or_not_at_all`: a conflict in a batch leaves none of its tasks behind.
/// - `a_batch_over_its_limits_is_too_large`: more than 1,000 tasks, or payloads of more than 32 MiB together, store nothing.
/// - `an_id_twice_in_one_batch_is_refused`: as bad use of the call, with nothing stored.
/// - `a_dedupe_key_answers_with_the_older_task`: within its window, counted from submit; the id is looked at first.
/// - `a_dedupe_key_is_free_again_after_its_window`: the next task under the key is new.
/// - `within_a_batch_the_first_of_a_dedupe_key_wins`: the others are its duplicates.
/// - `a_delayed_task_waits`: it does not start before its delay is over, by the store's clock.
/// - `a_deadline_that_passes_while_queued_ends_the_task_failed`: with the code `deadline`, and it never runs.
///
/// Of `record`:
/// - `a_record_tells_the_whole_task`: what was submitted, its state, attempts, times, output.
/// - `an_unknown_id_is_unknown_task`: for record, watch and cancel alike.
///
/// Of `watch`:
/// - `a_watch_begins_with_a_snapshot_of_what_is_newer`: one, if anything is newer than what was seen.
/// - `a_watch_gives_every_state_change_until_the_end`: none is missed between the snapshot and the terminal event.
/// - `sequence_numbers_rise_strictly`: output parts apart.
/// - `exactly_one_terminal_event`: and it is the last item.
/// - `a_snapshot_of_an_ended_task_is_the_last_item`: it stands for the terminal event.
/// - `a_watch_at_the_end_ends_at_once`: with nothing newer than what was seen.
/// - `a_watch_resumes_after_what_was_seen`: cut after any item and resumed, no state is missed and no number comes twice.
/// - `a_reader_that_falls_behind_gets_a_snapshot`: and still the end.
/// - `output_parts_come_once_and_in_order`: told apart by turn and index, also over a resume.
/// - `a_large_output_is_read_from_the_record`: a terminal event may leave out an output over 64 KiB.
/// - `progress_arrives_and_never_falls`: within an attempt, and the last is not lost.
/// - `progress_comes_at_most_once_per_flush_time`: however often the body tells it.
/// - `logs_arrive`: the lines of a body that writes a few.
/// - `many_watchers_see_the_same_end`: hundreds of one task.
///
/// Of `cancel`:
/// - `cancel_reaches_the_body`: its token fires, and the task ends cancelled.
/// - `cancel_is_idempotent`: asked twice it answers twice.
/// - `a_cancelled_task_that_waited_never_runs`: it ends at once.
/// - `a_cancel_of_an_ended_task_changes_nothing`: it answers all the same.
/// - `after_an_acknowledged_cancel_there_is_no_success`: although the body succeeds.
/// - `a_cancel_while_a_retry_waits_ends_the_task`: at once.
///
/// Of the life of a task:
/// - `retries_until_success`: a transient failure is tried again, with the attempt's number one higher.
/// - `a_permanent_failure_is_not_retried`: one attempt, and the record has the failure.
/// - `attempts_end_at_the_most`: the last failure is the task's, and each attempt is listed.
/// - `a_checkpoint_reaches_the_next_attempt`: as the last attempt left it.
/// - `a_panic_is_a_failure`: with the code `panic`; other tasks go on.
/// - `blocking_bodies_run`: beside async ones.
/// - `an_attempt_past_its_timeout_is_ended`: and tried again by the policy.
/// - `an_output_that_breaks_its_schema_is_a_failure`: with the code `invalid_output`.
/// - `an_unread_input_is_a_failure`: an input that the body's type cannot take is `invalid_input`, not a panic.
/// - `a_follow_up_gets_the_end_as_its_input`: whatever ended the task.
/// - `what_a_body_sees_is_what_was_asked`: quality, parameters, attempt, labels, tenant, deadline.
#[async_trait]
pub trait Executor: fmt::Debug + Send + Sync + 'static {
    /// What this backend can do; the same as long as it lives.
    fn capabilities(&self) -> Capabilities;

    /// What can be called here, or `None` while that is still what has this revision.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] or [`ErrorKind::Timeout`] where the backend is not reached.
    async fn templates(&self, known: u64) -> Result<Option<TemplateSet>>;

    /// Stores these tasks, all or none; answers in their order.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`], [`ErrorKind::QueueFull`], [`ErrorKind::TooLarge`], [`ErrorKind::InvalidCall`], each
    /// with the task's id; [`ErrorKind::Unavailable`] or [`ErrorKind::Timeout`] where it is unknown whether they
    /// were stored: submit them again with the same ids.
    async fn submit(&self, tasks: Vec<Task>) -> Result<Vec<Submitted>>;

    /// What the store knows of this task.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnknownTask`].
    async fn record(&self, id: &TaskId) -> Result<TaskRecord>;

    /// What happens to this task after what was seen.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnknownTask`].
    async fn watch(&self, id: &TaskId, after: Seen) -> Result<EventStream>;

    /// Asks for the end of this task.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnknownTask`].
    async fn cancel(&self, id: &TaskId) -> Result<()>;
}

/// Refuses what no backend takes in one submit: too many tasks, too many bytes, an id twice.
///
/// # Errors
///
/// [`ErrorKind::TooLarge`] or [`ErrorKind::InvalidCall`].
pub fn check_batch(tasks: &[Task]) -> Result<()> {
    if let [task] = tasks {
        return check_input(task);
    }
    if tasks.len() > MAX_BATCH {
        let message = format!("a batch of {} tasks is over the limit of {MAX_BATCH}", tasks.len());
        return Err(Error::new(ErrorKind::TooLarge, message).with_help("submit it in parts"));
    }
    let bytes: usize = tasks.iter().map(|task| task.input.len()).sum();
    if bytes > MAX_BATCH_BYTES {
        let message = format!("a batch of {bytes} bytes is over the limit of {MAX_BATCH_BYTES}");
        return Err(Error::new(ErrorKind::TooLarge, message).with_help("submit it in parts"));
    }
    let mut ids = std::collections::HashSet::with_capacity(tasks.len());
    for task in tasks {
        check_input(task)?;
        if !ids.insert(&task.id) {
            return Err(
                Error::new(ErrorKind::InvalidCall, "an id stands twice in one batch").with_task(&task.id)
            );
        }
    }
    Ok(())
}

fn check_input(task: &Task) -> Result<()> {
    if task.input.len() <= MAX_PAYLOAD {
        return Ok(());
    }
    let message = format!("an input of {} bytes is over the limit of {MAX_PAYLOAD}", task.input.len());
    Err(Error::new(ErrorKind::TooLarge, message)
        .with_task(&task.id)
        .with_help("upload large content and send its artifact"))
}

/// Waits for the end of a task and gives its output: what a handle, a gateway and the suites share.
///
/// # Errors
///
/// [`ErrorKind::FunctionFailed`] with the failure, [`ErrorKind::Cancelled`], or what ended the watch.
pub async fn outcome<E: Executor + ?Sized>(executor: &E, id: &TaskId) -> Result<Payload> {
    // an end comes in a later turn than the first: what happens in that one need not be told, nor wake anybody
    let first_turn = Seen { seq: seq(1, Phase::Stopping, u32::MAX), parts: 0 };
    let mut events = executor.watch(id, first_turn).await.map_err(|error| error.with_task(id))?;
    loop {
        let Some(event) = events.next().await else { return Err(cut_off(id)) };
        match event.map_err(|error| error.with_task(id))?.kind {
            EventKind::Succeeded(Some(output)) => return Ok(output),
            EventKind::Succeeded(None) => break,
            EventKind::Snapshot(record) if record.state.is_terminal() => return ended(*record),
            EventKind::Failed(failure) => return Err(failed(failure, id)),
            EventKind::Cancelled => return Err(cancelled(id)),
            _ => {}
        }
    }
    // too large for an event
    ended(executor.record(id).await?)
}

fn cut_off(id: &TaskId) -> Error {
    Error::new(ErrorKind::Unavailable, "the watch of the task stopped before its end").with_task(id)
}

fn ended(record: TaskRecord) -> Result<Payload> {
    let id = &record.task.id;
    match (record.state, record.output, record.failure) {
        (State::Succeeded, Some(output), _) => Ok(output),
        (State::Failed, _, Some(failure)) => Err(failed(failure, id)),
        (State::Cancelled, ..) => Err(cancelled(id)),
        _ => Err(Error::new(ErrorKind::Corrupt, "the record of the task lacks how it ended").with_task(id)),
    }
}

fn failed(failure: Failure, id: &TaskId) -> Error {
    Error::of_failure(failure).with_task(id)
}

fn cancelled(id: &TaskId) -> Error {
    Error::new(ErrorKind::Cancelled, "the task was cancelled").with_task(id)
}

macro_rules! forward {
    ($($pointer:ident)*) => { $(
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<E: Executor + ?Sized> Executor for $pointer<E> {
            fn capabilities(&self) -> Capabilities {
                (**self).capabilities()
            }

            async fn templates(&self, known: u64) -> Result<Option<TemplateSet>> {
                (**self).templates(known).await
            }

            async fn submit(&self, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
                (**self).submit(tasks).await
            }

            async fn record(&self, id: &TaskId) -> Result<TaskRecord> {
                (**self).record(id).await
            }

            async fn watch(&self, id: &TaskId, after: Seen) -> Result<EventStream> {
                (**self).watch(id, after).await
            }

            async fn cancel(&self, id: &TaskId) -> Result<()> {
                (**self).cancel(id).await
            }
        }
    )* };
}

forward! { Arc Box }
