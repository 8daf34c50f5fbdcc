//! The conformance suites catch what they are for: stores with one thing wrong each fail the cases that name it.
//!
//! Each thing wraps a good store, has a doc of one sentence that says what is wrong, and a test here that names the
//! cases it must trip. Everything it trips stands in `trips.txt`, as do the cases that nothing trips. The tests run of
//! each thing what it must trip; the long form runs everything.

#![cfg(all(feature = "memory", feature = "folder"))]

mod artifacts;
mod broken;
mod cancel;
mod expiry;
mod finish;
mod lease;
mod matrix;
mod operator;
mod record;
mod renew;
mod submit;
mod waiting;
mod watch;

use matrix::{Snapshot, Subject, Thing};

/// Makes the list of things and a test of each.
macro_rules! things {
    (
        stores { $($store:ident: $broken:path => $($case:ident),+;)+ }
        artifacts { $($artifacts:ident: $kept:path => $($kept_case:ident),+;)+ }
    ) => {
        const THINGS: &[Thing] = &[
            $(Thing {
                name: stringify!($store),
                subject: Subject::Store(broken::open::<$broken>),
                must_trip: &[$(stringify!($case)),+],
            },)+
            $(Thing {
                name: stringify!($artifacts),
                subject: Subject::Artifacts((artifacts::open::<$kept>, artifacts::damage)),
                must_trip: &[$(stringify!($kept_case)),+],
            },)+
        ];

        mod thing {
            $(#[test] fn $store() { super::check(stringify!($store)); })+
            $(#[test] fn $artifacts() { super::check(stringify!($artifacts)); })+
        }
    };
}

things! {
    stores {
        batch_half_stored: submit::BatchHalfStored => a_batch_is_stored_whole_or_not_at_all;
        batch_end_lost: submit::BatchEndLost => a_batch_is_stored_whole_or_not_at_all;
        conflict_accepted: submit::ConflictAccepted => other_content_under_a_known_id_is_a_conflict;
        same_task_is_a_conflict: submit::SameTaskIsAConflict => submit_is_idempotent;
        known_task_is_new: submit::KnownTaskIsNew => submit_is_idempotent;
        batch_limit_ignored: submit::BatchLimitIgnored => a_batch_over_its_limits_is_too_large;
        id_twice_accepted: submit::IdTwiceAccepted => an_id_twice_in_one_batch_is_refused;
        dedupe_ignored: submit::DedupeIgnored => a_dedupe_key_answers_with_the_older_task;
        dedupe_window_ignored: submit::DedupeWindowIgnored => a_dedupe_key_is_free_again_after_its_window;
        last_of_a_key_wins: submit::LastOfAKeyWins => within_a_batch_the_first_of_a_dedupe_key_wins;
        key_before_id: submit::KeyBeforeId => a_dedupe_key_answers_with_the_older_task;
        delay_ignored: submit::DelayIgnored => a_delayed_task_waits, a_delayed_task_holds_no_lease;
        deadline_ignored: submit::DeadlineIgnored =>
            a_deadline_that_passes_while_queued_ends_the_task_failed, deadlines_and_delays_run_on_in_a_pause;
        due_together_lost: submit::DueTogetherLost => ten_thousand_tasks_due_at_once_all_come;

        unknown_id_answered: record::UnknownIdAnswered => an_unknown_id_is_unknown_task;
        record_without_tenant: record::RecordWithoutTenant => a_record_tells_the_whole_task;
        record_without_attempts: record::RecordWithoutAttempts => attempts_end_at_the_most, retries_until_success;
        record_without_start: record::RecordWithoutStart => a_record_tells_the_whole_task;
        record_without_worker: record::RecordWithoutWorker => a_record_tells_the_whole_task;
        usage_lost: record::UsageLost => a_record_tells_the_whole_task;
        large_output_lost: record::LargeOutputLost => a_large_output_is_read_from_the_record;
        numbers_rounded: record::NumbersRounded => output_round_trips;
        failure_without_code: record::FailureWithoutCode =>
            a_panic_is_a_failure, an_output_that_breaks_its_schema_is_a_failure;
        failure_class_lost: record::FailureClassLost => an_unread_input_is_a_failure, attempts_end_at_the_most;
        known_revision_answered: record::KnownRevisionAnswered =>
            templates_answer_none_while_the_revision_is_known;
        templates_without_retry: record::TemplatesWithoutRetry => templates_list_what_is_served;
        timeout_ignored: record::TimeoutIgnored => an_attempt_past_its_timeout_is_ended;

        snapshot_missing: watch::SnapshotMissing => a_watch_begins_with_a_snapshot_of_what_is_newer;
        event_twice: watch::EventTwice => sequence_numbers_rise_strictly;
        end_twice: watch::EndTwice => exactly_one_terminal_event;
        ended_snapshot_followed: watch::EndedSnapshotFollowed => a_snapshot_of_an_ended_task_is_the_last_item;
        end_missing: watch::EndMissing => exactly_one_terminal_event, many_watchers_see_the_same_end;
        state_change_missing: watch::StateChangeMissing => a_watch_gives_every_state_change_until_the_end;
        cancel_not_told: watch::CancelNotTold => a_watch_gives_every_state_change_until_the_end;
        seq_stands_still: watch::SeqStandsStill => sequence_numbers_rise_strictly;
        resumes_at_the_start: watch::ResumesAtTheStart =>
            a_watch_resumes_after_what_was_seen, a_watch_at_the_end_ends_at_once;
        resumes_at_the_end: watch::ResumesAtTheEnd => a_watch_resumes_after_what_was_seen;
        watch_at_the_end_hangs: watch::WatchAtTheEndHangs => a_watch_at_the_end_ends_at_once;
        reader_behind_is_cut: watch::ReaderBehindIsCut => a_reader_that_falls_behind_gets_a_snapshot;
        watch_ends_with_attempt: watch::WatchEndsWithAttempt => a_watch_gives_every_state_change_until_the_end;
        parts_again: watch::PartsAgain => output_parts_come_once_and_in_order;
        parts_reordered: watch::PartsReordered => output_parts_come_once_and_in_order;
        progress_falls: watch::ProgressFalls => progress_arrives_and_never_falls;
        progress_floods: watch::ProgressFloods => progress_comes_at_most_once_per_flush_time;
        last_progress_lost: watch::LastProgressLost => progress_arrives_and_never_falls;
        logs_lost: watch::LogsLost => logs_arrive;
        late_watchers_forgotten: watch::LateWatchersForgotten => many_watchers_see_the_same_end;

        cancel_lost: cancel::CancelLost => cancel_reaches_the_body, a_cancelled_task_that_waited_never_runs;
        cancel_then_success: cancel::CancelThenSuccess =>
            after_an_acknowledged_cancel_there_is_no_success,
            after_a_cancel_every_outcome_is_cancelled,
            a_cancel_survives_the_death_of_its_worker;
        cancel_stays_in_the_store: cancel::CancelStaysInTheStore => cancel_reaches_the_body;
        cancel_twice_refused: cancel::CancelTwiceRefused => cancel_is_idempotent;
        cancel_of_the_ended_refused: cancel::CancelOfTheEndedRefused =>
            a_cancel_of_an_ended_task_changes_nothing;
        cancel_rewrites_the_end: cancel::CancelRewritesTheEnd => a_cancel_of_an_ended_task_changes_nothing;
        cancel_waits_for_a_worker: cancel::CancelWaitsForAWorker =>
            a_cancelled_task_that_waited_never_runs, a_cancel_while_a_retry_waits_ends_the_task;
        news_end_no_lease_call: cancel::NewsEndNoLeaseCall =>
            a_cancel_ends_an_open_lease_call_once, a_drain_ends_an_open_lease_call_once;
        cancel_ends_every_lease_call: cancel::CancelEndsEveryLeaseCall => a_cancel_ends_an_open_lease_call_once;

        room_ignored: lease::RoomIgnored => a_lease_gives_no_more_than_the_room;
        dearest_counts: lease::DearestCounts => a_lane_over_what_is_left_is_skipped;
        other_lanes_given: lease::OtherLanesGiven => only_asked_lanes_are_given;
        no_lanes_take_all: lease::NoLanesTakeAll => a_call_with_no_lanes_takes_nothing;
        double_delivery: lease::DoubleDelivery => a_task_is_leased_once;
        fence_stands_still: lease::FenceStandsStill => fences_rise;
        fence_ignored: lease::FenceIgnored => an_old_fence_is_lost;
        priority_inverted: lease::PriorityInverted => a_higher_priority_goes_first;
        priority_ignored: lease::PriorityIgnored => a_higher_priority_goes_first;
        low_priority_starved: lease::LowPriorityStarved => a_low_priority_is_not_starved;
        tenant_starved: lease::TenantStarved => tenants_share;
        large_lane_starved: lease::LargeLaneStarved => a_large_lane_that_is_passed_over_is_drained_for;
        all_drain: lease::AllDrain => a_large_lane_that_is_passed_over_is_drained_for;
        suspect_beside_suspect: lease::SuspectBesideSuspect => of_all_suspects_one_is_given;
        suspects_in_their_lane: lease::SuspectsInTheirLane => after_two_crashes_a_task_is_a_suspect;
        attempts_not_counted: lease::AttemptsNotCounted => a_retry_waits_and_counts, retries_until_success;
        checkpoint_not_given: lease::CheckpointNotGiven => a_checkpoint_reaches_the_next_attempt;
        labels_not_given: lease::LabelsNotGiven => what_a_body_sees_is_what_was_asked;
        suspect_not_marked: lease::SuspectNotMarked => after_two_crashes_a_task_is_a_suspect;
        deadline_not_given: lease::DeadlineNotGiven => what_a_body_sees_is_what_was_asked;
        leases_reversed: lease::LeasesReversed => a_batch_is_leased_renewed_and_finished_in_one_call_each;
        one_at_a_time: lease::OneAtATime => blocking_bodies_run;

        wake_lost: waiting::WakeLost => a_lease_call_waits_and_is_woken_by_a_submit;
        wake_passes_to_all: waiting::WakePassesToAll => one_submit_wakes_one_worker;
        wake_dies_with_its_call: waiting::WakeDiesWithItsCall =>
            a_lease_call_dropped_asleep_passes_its_wake_on;
        warm_ignored: waiting::WarmIgnored => a_warm_worker_is_woken_first;
        dropped_lease_loses: waiting::DroppedLeaseLoses =>
            a_lease_call_dropped_after_its_answer_came_loses_nothing,
            a_lease_call_dropped_asleep_passes_its_wake_on;
        one_call_at_a_time: waiting::OneCallAtATime => a_lease_call_waits_and_is_woken_by_a_submit;

        answers_reversed: renew::AnswersReversed =>
            a_batch_is_leased_renewed_and_finished_in_one_call_each;
        report_again_is_new: renew::ReportAgainIsNew => a_report_sent_again_says_nothing_new;
        first_claim_renewed: renew::FirstClaimRenewed =>
            a_batch_is_leased_renewed_and_finished_in_one_call_each;
        renewal_lost: renew::RenewalLost => a_renewed_lease_does_not_expire;
        reply_lost_is_a_crash: renew::ReplyLostIsACrash => a_lost_reply_is_no_crash;
        stranger_is_known: renew::StrangerIsKnown => a_worker_that_did_not_join_is_told;
        everyone_is_a_stranger: renew::EveryoneIsAStranger => a_worker_that_did_not_join_is_told;
        lost_not_told: renew::LostNotTold => an_old_fence_is_lost;
        drain_not_extended: renew::DrainNotExtended => a_large_lane_that_is_passed_over_is_drained_for;
        drain_not_told: renew::DrainNotTold => a_drained_worker_is_told;
        drain_told_once: renew::DrainToldOnce => a_drained_worker_is_told;
        checkpoint_dropped: renew::CheckpointDropped => a_checkpoint_is_kept_over_a_crash;
        revision_is_a_counter: renew::RevisionIsACounter => the_revision_tells_of_new_templates;
        revision_stands_still: renew::RevisionStandsStill => the_revision_tells_of_new_templates;
        other_content_accepted: renew::OtherContentAccepted =>
            other_content_under_a_served_version_is_a_conflict;
        leaving_ignored: renew::LeavingIgnored =>
            a_worker_that_leaves_serves_no_more, workers_are_listed_while_they_live;
        default_is_the_newest: renew::DefaultIsTheNewest =>
            the_default_version_is_the_newest_that_all_live_workers_serve;
        unserved_forgotten: renew::UnservedForgotten => templates_are_published_by_join;
        largest_is_the_latest: renew::LargestIsTheLatest => the_largest_worker_is_told;

        lease_never_expires: expiry::LeaseNeverExpires => a_dead_worker_costs_one_lease;
        lease_expires_early: expiry::LeaseExpiresEarly => a_renewed_lease_does_not_expire;
        outage_is_a_crash: expiry::OutageIsACrash => an_outage_is_not_a_crash;
        silence_spares_the_dead: expiry::SilenceSparesTheDead => after_an_outage_the_dead_are_still_found;
        crash_is_an_attempt: expiry::CrashIsAnAttempt => a_crash_is_no_attempt;
        poison_spreads: expiry::PoisonSpreads => after_three_crashes_a_task_is_a_dead_letter;
        dead_letter_too_early: expiry::DeadLetterTooEarly =>
            after_two_crashes_a_task_is_a_suspect, after_three_crashes_a_task_is_a_dead_letter;
        callers_serve_no_timers: expiry::CallersServeNoTimers => a_caller_serves_timers;

        forgets_on_error: finish::ForgetsOnError =>
            a_finish_sent_again_answers_the_same, dead_letters_are_listed_with_their_attempts;
        never_retries: finish::NeverRetries => retries_until_success, a_retry_waits_and_counts;
        permanent_failure_retried: finish::PermanentFailureRetried => a_permanent_failure_is_not_retried;
        one_attempt_too_many: finish::OneAttemptTooMany => attempts_end_at_the_most;
        release_counted: finish::ReleaseCounted => a_release_costs_no_attempt;
        release_goes_to_the_back: finish::ReleaseGoesToTheBack => a_release_goes_to_the_front;
        release_wait_ignored: finish::ReleaseWaitIgnored => a_release_with_a_wait_waits;
        retry_wait_ignored: finish::RetryWaitIgnored => a_retry_waits_and_counts;
        finish_again_is_lost: finish::FinishAgainIsLost => a_finish_sent_again_answers_the_same;
        last_report_dropped: finish::LastReportDropped => the_last_report_is_applied_before_the_outcome;
        follow_up_lost: finish::FollowUpLost =>
            a_follow_up_is_queued_with_the_end, a_follow_up_gets_the_end_as_its_input;
        follow_up_twice: finish::FollowUpTwice => a_follow_up_is_queued_with_the_end;
        retention_never_runs: finish::RetentionNeverRuns => a_result_is_forgotten_after_its_retention;
        retention_too_short: finish::RetentionTooShort => a_result_is_forgotten_after_its_retention;

        twins_counted_together: operator::TwinsCountedTogether => lanes_are_counted;
        workers_without_load: operator::WorkersWithoutLoad => workers_are_listed_while_they_live;
        dead_workers_listed: operator::DeadWorkersListed => a_worker_that_died_is_not_listed;
        oldest_first: operator::OldestFirst => tasks_are_listed_newest_first;
        cursor_is_an_offset: operator::CursorIsAnOffset => a_list_comes_in_pages;
        bad_cursor_is_the_begin: operator::BadCursorIsTheBegin => a_bad_cursor_is_refused;
        dead_letters_without_attempts: operator::DeadLettersWithoutAttempts =>
            dead_letters_are_listed_with_their_attempts;
        pause_lost: operator::PauseLost => a_paused_lane_gives_nothing;
        resume_lost: operator::ResumeLost => a_resumed_lane_goes_on;
        pause_ends_with_its_lane: operator::PauseEndsWithItsLane => a_pause_outlives_an_empty_lane;
        pause_stops_deadlines: operator::PauseStopsDeadlines => deadlines_and_delays_run_on_in_a_pause;
        drain_of_a_stranger_answered: operator::DrainOfAStrangerAnswered => a_drained_worker_is_told;
        requeue_lost: operator::RequeueLost => a_requeued_dead_letter_runs_again;
        requeue_keeps_its_counts: operator::RequeueKeepsItsCounts => a_requeued_dead_letter_runs_again;
        requeue_keeps_its_deadline: operator::RequeueKeepsItsDeadline =>
            a_requeue_clears_a_deadline_that_has_passed;
        living_requeued: operator::LivingRequeued => only_a_dead_letter_can_be_requeued;
        purge_lost: operator::PurgeLost => a_purged_dead_letter_is_unknown;
        purge_takes_all: operator::PurgeTakesAll => a_purged_dead_letter_is_unknown;
        twin_not_paused: operator::TwinNotPaused => a_paused_lane_gives_nothing;
        weight_ignored: operator::WeightIgnored => a_weight_changes_the_share;
    }
    artifacts {
        first_chunk_kept: artifacts::FirstChunkKept => put_then_get_gives_the_same_bytes;
        put_again_refused: artifacts::PutAgainRefused => put_is_idempotent;
        failed_stream_kept: artifacts::FailedStreamKept => a_stream_that_fails_leaves_nothing;
        range_end_ignored: artifacts::RangeEndIgnored => a_range_gives_just_that_part;
        range_cut_at_the_end: artifacts::RangeCutAtTheEnd => a_range_gives_just_that_part;
        size_unknown: artifacts::SizeUnknown => head_tells_the_size;
        unknown_is_empty: artifacts::UnknownIsEmpty => what_was_never_put_is_unknown;
        damage_unseen: artifacts::DamageUnseen => damaged_content_is_told;
        one_put_at_a_time: artifacts::OnePutAtATime => many_puts_of_one_content_at_once_all_succeed;
    }
}

fn check(name: &str) {
    let place = THINGS.iter().position(|thing| thing.name == name).expect("it is in the list");
    matrix::check_named(&THINGS[place]);
}

#[test]
fn an_unbroken_store_trips_nothing() {
    matrix::trips_nothing(Subject::Store(broken::open::<broken::Nothing>));
}

#[test]
fn an_unbroken_store_of_artifacts_trips_nothing() {
    matrix::trips_nothing(Subject::Artifacts((artifacts::open::<artifacts::Nothing>, artifacts::damage)));
}

#[test]
fn the_snapshot_has_every_thing_and_every_case() {
    Snapshot::read().check(THINGS);
}

#[test]
#[ignore = "long form: ./dev proof"]
fn everything_trips_what_it_did() {
    matrix::check_all(THINGS);
}
