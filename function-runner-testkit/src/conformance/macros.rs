//! The macros that make a module of tests, and the one list of cases that they are made from.

/// Every sentence of [`Executor`](function_runner_core::Executor)'s contract as a test, in a module of its own.
///
/// The closure is given the [`Case`](crate::conformance::Case) and answers with an executor behind which
/// `case.functions` run. See [`conformance`](crate::conformance).
#[macro_export]
macro_rules! executor_conformance {
    ($start:expr $(,)?) => {
        mod executor_conformance {
            #[allow(
                unused_imports,
                reason = "whether the closure needs what stands around it is its author's choice"
            )]
            use super::*;

            fn __open(case: $crate::conformance::Case) -> $crate::conformance::executor::Opening {
                $crate::conformance::executor::open($start, case)
            }

            $crate::__conformance_cases! { executor, __conformance_tests [executor run executor 10 __open] }
        }
    };
}

/// Every sentence of [`Queue`](function_runner_core::Queue)'s contract as a test, and the executor's with core's
/// worker behind the queue, in a module of its own.
///
/// The closure is given the [`Case`](crate::conformance::Case) and answers with a queue; it is called once for each
/// connection. See [`conformance`](crate::conformance).
#[macro_export]
macro_rules! queue_conformance {
    ($start:expr $(,)?) => {
        mod queue_conformance {
            #[allow(unused_imports, reason = "whether the closure needs what stands around it is its author's choice")]
            use super::*;

            fn __open(case: $crate::conformance::Case) -> $crate::conformance::queue::Opening {
                $crate::conformance::queue::open($start, case)
            }

            mod executor {
                use super::__open;

                $crate::__conformance_cases! { executor, __conformance_tests [queue run_executor executor 10 __open] }
            }

            $crate::__conformance_cases! { queue, __conformance_tests [queue run queue 1 __open] }
        }
    };
}

/// Every sentence of [`Inspect`](function_runner_core::Inspect)'s contract as a test, in a module of its own.
///
/// The closure is given the [`Case`](crate::conformance::Case) and answers with a
/// [`Connection`](function_runner_core::Connection) that has a queue and `inspect`. See
/// [`conformance`](crate::conformance).
#[macro_export]
macro_rules! inspect_conformance {
    ($start:expr $(,)?) => {
        mod inspect_conformance {
            #[allow(
                unused_imports,
                reason = "whether the closure needs what stands around it is its author's choice"
            )]
            use super::*;

            fn __open(case: $crate::conformance::Case) -> $crate::conformance::queue::Opening {
                $crate::conformance::queue::connect($start, case)
            }

            $crate::__conformance_cases! { inspect, __conformance_tests [queue run side 1 __open] }
        }
    };
}

/// Every sentence of [`Operate`](function_runner_core::Operate)'s contract as a test, in a module of its own; and
/// the one of the queue's that needs an operator.
///
/// The closure is given the [`Case`](crate::conformance::Case) and answers with a
/// [`Connection`](function_runner_core::Connection) that has a queue and `operate`. See
/// [`conformance`](crate::conformance).
#[macro_export]
macro_rules! operate_conformance {
    ($start:expr $(,)?) => {
        mod operate_conformance {
            #[allow(unused_imports, reason = "whether the closure needs what stands around it is its author's choice")]
            use super::*;

            fn __open(case: $crate::conformance::Case) -> $crate::conformance::queue::Opening {
                $crate::conformance::queue::connect($start, case)
            }

            $crate::__conformance_cases! { operate, __conformance_tests [queue run side 1 __open] }
            $crate::__conformance_tests! { [queue run queue 1 __open] waiting: a_drain_ends_an_open_lease_call_once; }
        }
    };
}

/// Every sentence of [`ArtifactStore`](function_runner_core::ArtifactStore)'s contract as a test, in a module of its
/// own.
///
/// The first closure is given the [`Case`](crate::conformance::Case) and answers with a store. The second is given
/// the case and a [`Digest`](function_runner_core::Digest), and changes the bytes that are kept of that content,
/// behind the store's back; without it the case that needs damaged content is ignored.
///
/// ```
/// # use function_runner_core::ArtifactStore;
/// # use std::path::{Path, PathBuf};
/// # struct Folder;
/// # impl Folder { fn open(_: &Path) -> std::sync::Arc<dyn ArtifactStore> { unreachable!() } }
/// fn folder(namespace: &str) -> PathBuf {
///     std::env::temp_dir().join(namespace)
/// }
///
/// function_runner_testkit::artifact_conformance!(
///     |case| async move { Folder::open(&folder(&case.namespace)) },
///     |case, digest| async move {
///         std::fs::write(folder(&case.namespace).join(digest.to_string()), "damaged").unwrap();
///     },
/// );
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! artifact_conformance {
    ($start:expr $(,)?) => {
        mod artifact_conformance {
            #[allow(unused_imports, reason = "whether the closure needs what stands around it is its author's choice")]
            use super::*;
            use $crate::conformance::artifacts::no_damage;

            fn __open(case: $crate::conformance::Case) -> $crate::conformance::artifacts::Opening {
                $crate::conformance::artifacts::open($start, case)
            }

            $crate::__conformance_cases! { artifacts, __conformance_tests [artifacts run side 1 (__open, no_damage)] }
            $crate::__conformance_tests! { [artifacts run side 1 (__open, no_damage)]
                artifacts:
                    #[ignore = "needs a second closure that damages stored content"]
                    damaged_content_is_told;
            }
        }
    };
    ($start:expr, $damage:expr $(,)?) => {
        mod artifact_conformance {
            #[allow(unused_imports, reason = "whether the closure needs what stands around it is its author's choice")]
            use super::*;

            fn __open(case: $crate::conformance::Case) -> $crate::conformance::artifacts::Opening {
                $crate::conformance::artifacts::open($start, case)
            }

            fn __damage(
                case: $crate::conformance::Case,
                content: $crate::conformance::artifacts::Digest,
            ) -> $crate::conformance::artifacts::Damaging {
                $crate::conformance::artifacts::damage($damage, case, content)
            }

            $crate::__conformance_cases! { artifacts, __conformance_tests [artifacts run side 1 (__open, __damage)] }
            $crate::__conformance_tests! { [artifacts run side 1 (__open, __damage)]
                artifacts: damaged_content_is_told;
            }
        }
    };
}

/// Makes a test of each case.
///
/// In brackets: the runner, in which module its case is, how much shorter its times are unless it says otherwise, and
/// what opens the subject.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    (
        [$kind:ident $run:ident $suite:ident $by:literal $open:tt]
        $($module:ident: $($(#[$attribute:meta])* $case:ident $(.$setting:ident($value:literal))*),+;)+
    ) => {
        $($(
            #[test]
            $(#[$attribute])*
            fn $case() {
                let case = $crate::conformance::Case::new(stringify!($case)).scaled($by)$(.$setting($value))*;
                $crate::conformance::$kind::$run(case, $open, $crate::conformance::$suite::$module::$case)
                    .unwrap_or_else(|failed| panic!("{failed}"));
            }
        )+)+
    };
}

/// Each case as data.
///
/// In brackets: the runner, in which module its case is, and how much shorter its times are unless it says otherwise.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_data {
    (
        [$kind:ident $run:ident $suite:ident $by:literal]
        $($module:ident: $($(#[$attribute:meta])* $case:ident $(.$setting:ident($value:literal))*),+;)+
    ) => {
        vec![$($(
            $crate::conformance::NamedCase::new(
                stringify!($case),
                || $crate::conformance::Case::new(stringify!($case)).scaled($by)$(.$setting($value))*,
                |case, open| {
                    $crate::conformance::$kind::$run(case, open, $crate::conformance::$suite::$module::$case)
                },
            )
        ),+),+]
    };
}

/// The name of each case.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_names {
    (
        []
        $($module:ident: $($(#[$attribute:meta])* $case:ident $(.$setting:ident($value:literal))*),+;)+
    ) => {
        &[$($(stringify!($case)),+),+]
    };
}

/// The one list of cases: of each suite, by the module that has them. What stands behind a name: how much shorter
/// its times are, how many seconds it may take.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_cases {
    (executor, $then:ident $with:tt) => {
        $crate::$then! { $with
            templates: templates_list_what_is_served, templates_answer_none_while_the_revision_is_known;
            submit:
                output_round_trips,
                submit_is_idempotent,
                other_content_under_a_known_id_is_a_conflict,
                a_batch_is_stored_whole_or_not_at_all,
                a_batch_over_its_limits_is_too_large.within(30),
                an_id_twice_in_one_batch_is_refused;
            dedupe:
                a_dedupe_key_answers_with_the_older_task,
                a_dedupe_key_is_free_again_after_its_window,
                within_a_batch_the_first_of_a_dedupe_key_wins;
            time: a_delayed_task_waits, a_deadline_that_passes_while_queued_ends_the_task_failed;
            record: a_record_tells_the_whole_task, an_unknown_id_is_unknown_task;
            watch:
                a_watch_begins_with_a_snapshot_of_what_is_newer,
                a_watch_gives_every_state_change_until_the_end,
                sequence_numbers_rise_strictly,
                exactly_one_terminal_event,
                a_snapshot_of_an_ended_task_is_the_last_item,
                a_watch_at_the_end_ends_at_once,
                a_reader_that_falls_behind_gets_a_snapshot.within(30),
                a_large_output_is_read_from_the_record,
                progress_arrives_and_never_falls,
                progress_comes_at_most_once_per_flush_time,
                logs_arrive,
                many_watchers_see_the_same_end.within(20);
            resume: a_watch_resumes_after_what_was_seen, output_parts_come_once_and_in_order;
            cancel:
                cancel_reaches_the_body,
                cancel_is_idempotent,
                a_cancelled_task_that_waited_never_runs,
                a_cancel_of_an_ended_task_changes_nothing,
                after_an_acknowledged_cancel_there_is_no_success,
                a_cancel_while_a_retry_waits_ends_the_task;
            attempts:
                retries_until_success,
                a_permanent_failure_is_not_retried,
                attempts_end_at_the_most,
                a_checkpoint_reaches_the_next_attempt,
                an_attempt_past_its_timeout_is_ended,
                a_follow_up_gets_the_end_as_its_input,
                what_a_body_sees_is_what_was_asked;
            bodies:
                a_panic_is_a_failure,
                blocking_bodies_run,
                an_output_that_breaks_its_schema_is_a_failure,
                an_unread_input_is_a_failure;
        }
    };
    (queue, $then:ident $with:tt) => {
        $crate::$then! { $with
            join:
                templates_are_published_by_join,
                other_content_under_a_served_version_is_a_conflict,
                a_worker_that_leaves_serves_no_more,
                the_default_version_is_the_newest_that_all_live_workers_serve.scaled(5).within(20),
                the_largest_worker_is_told;
            lease:
                a_lease_gives_no_more_than_the_room,
                a_lane_over_what_is_left_is_skipped,
                only_asked_lanes_are_given,
                a_task_is_leased_once.within(20),
                fences_rise.scaled(30).within(20),
                a_delayed_task_holds_no_lease,
                ten_thousand_tasks_due_at_once_all_come.within(60);
            order: a_higher_priority_goes_first, tenants_share, a_low_priority_is_not_starved.within(30);
            waiting:
                a_lease_call_waits_and_is_woken_by_a_submit.within(8),
                one_submit_wakes_one_worker.within(8),
                a_warm_worker_is_woken_first,
                a_dropped_lease_call_loses_nothing.within(8),
                a_lease_call_dropped_after_its_answer_came_loses_nothing.within(8),
                a_lease_call_dropped_asleep_passes_its_wake_on.within(8),
                a_cancel_ends_an_open_lease_call_once.within(8),
                #[ignore = "needs an operator: `operate_conformance!` runs it"]
                a_drain_ends_an_open_lease_call_once,
                a_call_with_no_lanes_takes_nothing;
            reserve:
                a_large_lane_that_is_passed_over_is_drained_for.scaled(20).within(20),
                of_all_suspects_one_is_given.scaled(30).within(20);
            renew:
                a_batch_is_leased_renewed_and_finished_in_one_call_each,
                a_renewed_lease_does_not_expire.scaled(20).within(20),
                an_old_fence_is_lost,
                a_report_sent_again_says_nothing_new,
                a_worker_that_did_not_join_is_told,
                the_revision_tells_of_new_templates,
                a_checkpoint_is_kept_over_a_crash.scaled(30).within(20);
            expiry:
                a_dead_worker_costs_one_lease.scaled(30).within(20),
                a_crash_is_no_attempt.scaled(30).within(20),
                a_lost_reply_is_no_crash.scaled(30).within(20),
                after_two_crashes_a_task_is_a_suspect.scaled(30).within(20),
                after_three_crashes_a_task_is_a_dead_letter.scaled(30).within(20),
                a_cancel_survives_the_death_of_its_worker.scaled(30).within(20);
            outage:
                an_outage_is_not_a_crash.scaled(6).within(20),
                after_an_outage_the_dead_are_still_found.scaled(30).within(20),
                a_caller_serves_timers.scaled(60).within(20);
            finish:
                a_finish_sent_again_answers_the_same,
                a_release_costs_no_attempt,
                a_release_goes_to_the_front,
                a_release_with_a_wait_waits.scaled(10),
                a_retry_waits_and_counts.scaled(10),
                the_last_report_is_applied_before_the_outcome,
                after_a_cancel_every_outcome_is_cancelled,
                a_follow_up_is_queued_with_the_end.scaled(30).within(20),
                a_result_is_forgotten_after_its_retention.scaled(10);
        }
    };
    (inspect, $then:ident $with:tt) => {
        $crate::$then! { $with
            inspect:
                lanes_are_counted.scaled(30).within(20),
                workers_are_listed_while_they_live,
                a_worker_that_died_is_not_listed.scaled(30).within(20),
                tasks_are_listed_newest_first,
                a_list_comes_in_pages,
                dead_letters_are_listed_with_their_attempts,
                a_bad_cursor_is_refused;
        }
    };
    (operate, $then:ident $with:tt) => {
        $crate::$then! { $with
            operate:
                a_paused_lane_gives_nothing.scaled(10).within(20),
                a_resumed_lane_goes_on.scaled(10).within(20),
                deadlines_and_delays_run_on_in_a_pause,
                a_pause_outlives_an_empty_lane,
                a_drained_worker_is_told.within(8),
                a_requeued_dead_letter_runs_again.scaled(30).within(20),
                a_requeue_clears_a_deadline_that_has_passed,
                only_a_dead_letter_can_be_requeued,
                a_purged_dead_letter_is_unknown,
                a_weight_changes_the_share;
        }
    };
    (artifacts, $then:ident $with:tt) => {
        $crate::$then! { $with
            artifacts:
                put_then_get_gives_the_same_bytes,
                put_is_idempotent,
                a_stream_that_fails_leaves_nothing,
                a_range_gives_just_that_part,
                head_tells_the_size,
                what_was_never_put_is_unknown,
                many_puts_of_one_content_at_once_all_succeed;
        }
    };
}
