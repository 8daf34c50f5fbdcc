//! What must hold of every history, each by a name.

use std::fmt;

/// What must hold of every history; the words of [`name`](Self::name) stand in every violation.
///
/// All are about what clients see: the start and the end of a call, its answer, the items of a watch.
/// *Before* means that one call had ended when the other began. A call without an answer (the backend was not
/// reached, the time ran out, the caller was dropped) may have been done or not, at any time from its start
/// on, and counts as what accuses nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Invariant {
    /// A task whose submit was acknowledged is not unknown to a later call until its retention, counted from
    /// its submit, may have passed or it may have been purged. Of a [drained](super::Rules::drained) run it
    /// is seen at its end.
    AcknowledgedSubmitIsKept,
    /// One end per life: watches, records and accepted finishes of a task that nobody requeued agree on the
    /// state, and on the number of the event; one fence ends it, and no watch gives anything behind its end.
    AtMostOneTerminalEvent,
    /// No two leases of a task have one fence, and a lease that was answered before another was asked for has
    /// the lower one.
    FencesRise,
    /// A finish that was called after a higher fence of its task was given is not accepted, unless it is one
    /// sent again.
    StaleFinishIsRefused,
    /// No lease of a task is given while another holds: from its answer until one lease time after the start
    /// of its latest renewal that was answered `Held`, or if there is none, after the start of the call that
    /// brought it; unless a finish of it may have come between.
    LeasesNeverOverlap,
    /// A task that was seen alive by a call made after its cancel was acknowledged, or whose watch told of
    /// the cancel, does not end in success.
    NoSuccessAfterCancel,
    /// A task that was seen at its end, or whose cancel was acknowledged, is given by no lease call that was
    /// made later; a requeue lifts that.
    NothingRunsAfterTheEnd,
    /// The attempt of a lease is at most the task's most, at most one more than the retries that may have
    /// counted before, and no less than one more than those that were acknowledged: releases and crashes do
    /// not count.
    AttemptsStayWithinMax,
    /// Within a watch numbers rise strictly, above what had been seen; parts rise by turn and index; a number
    /// names the same event in every watch.
    EventNumbersRise,
    /// A watch begins with a snapshot, each event may follow the one before by the table of states, no turn
    /// is left out but under a snapshot, and the stream does not stop before the end.
    NoStateChangeIsMissing,
    /// Within a turn, and so within a lease, the fraction never falls, over all watches.
    ProgressNeverFalls,
    /// An id sent again with the same content is answered `AlreadyKnown`, with other content it is refused;
    /// it is new once.
    SameSubmitIsAlreadyKnown,
    /// A lease that nobody renews or ends any more is given again, in time, if a call that asks for its lane
    /// and its twin waits: later by the pause after every silence of all workers, by a lease where an ask
    /// without an answer may have taken it, and not while its lane may be paused. Needs
    /// [`Rules::recovers_within`](super::Rules::recovers_within).
    DeadWorkerIsNoticed,
    /// After its end and its retention a task is unknown; after a drained run the lanes are empty. Needs
    /// [`Rules::forgets_within`](super::Rules::forgets_within), or [`Rules::drained`](super::Rules::drained).
    NothingIsLeft,
    /// From its submit and its delay, from a retry, a release or a requeue on, a task starts within the
    /// bound, unless its lane was paused, it has a deadline, or it was cancelled. Needs
    /// [`Rules::starts_within`](super::Rules::starts_within).
    WaitsAreBounded,
    /// The bodies that run on a worker at one moment were granted no more than it has; what a lane shares
    /// counts once.
    BodiesFitTheWorker,
    /// A task whose every submit was refused, or answered with another in its place, is neither leased nor
    /// run.
    RefusedTaskNeverRuns,
    /// A worker is given no suspect while it holds another: until it finishes it or hears that it is lost.
    SuspectsNeverMeet,
    /// A task ends at most once more than it was requeued, and of a drained run, once more than it was.
    RequeueEndsOnceMore,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::AcknowledgedSubmitIsKept,
        Self::AtMostOneTerminalEvent,
        Self::FencesRise,
        Self::StaleFinishIsRefused,
        Self::LeasesNeverOverlap,
        Self::NoSuccessAfterCancel,
        Self::NothingRunsAfterTheEnd,
        Self::AttemptsStayWithinMax,
        Self::EventNumbersRise,
        Self::NoStateChangeIsMissing,
        Self::ProgressNeverFalls,
        Self::SameSubmitIsAlreadyKnown,
        Self::DeadWorkerIsNoticed,
        Self::NothingIsLeft,
        Self::WaitsAreBounded,
        Self::BodiesFitTheWorker,
        Self::RefusedTaskNeverRuns,
        Self::SuspectsNeverMeet,
        Self::RequeueEndsOnceMore,
    ];

    /// Its name, `[a-z_]+`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AcknowledgedSubmitIsKept => "acknowledged_submit_is_kept",
            Self::AtMostOneTerminalEvent => "at_most_one_terminal_event",
            Self::FencesRise => "fences_rise",
            Self::StaleFinishIsRefused => "stale_finish_is_refused",
            Self::LeasesNeverOverlap => "leases_never_overlap",
            Self::NoSuccessAfterCancel => "no_success_after_cancel",
            Self::NothingRunsAfterTheEnd => "nothing_runs_after_the_end",
            Self::AttemptsStayWithinMax => "attempts_stay_within_max",
            Self::EventNumbersRise => "event_numbers_rise",
            Self::NoStateChangeIsMissing => "no_state_change_is_missing",
            Self::ProgressNeverFalls => "progress_never_falls",
            Self::SameSubmitIsAlreadyKnown => "same_submit_is_already_known",
            Self::DeadWorkerIsNoticed => "dead_worker_is_noticed",
            Self::NothingIsLeft => "nothing_is_left",
            Self::WaitsAreBounded => "waits_are_bounded",
            Self::BodiesFitTheWorker => "bodies_fit_the_worker",
            Self::RefusedTaskNeverRuns => "refused_task_never_runs",
            Self::SuspectsNeverMeet => "suspects_never_meet",
            Self::RequeueEndsOnceMore => "requeue_ends_once_more",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
