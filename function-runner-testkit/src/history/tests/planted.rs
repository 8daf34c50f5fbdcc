//! Planted bugs: each breaks one promise in an otherwise busy history, and is found by its name.

use function_runner_core::{Phase, State};

use super::script::{
    Script, ask, at, cancel, done, leased, refused, retry, rules, seconds, sent, standing, started, suspect,
    unknown,
};
use crate::history::{
    Invariant,
    line::{Call, Id, Kind, Outcome, Renewal, Reply, Sent, Stored},
};

/// A task that has nothing to do with anything.
fn noise(script: &mut Script, name: &str) {
    let fence = 100 + name.len() as u64;
    script.submit(name).lease("w9", name, fence).renew("w9", name, fence, Renewal::Held).succeed(name, fence);
}

fn busy() -> Script {
    let mut script = Script::new();
    noise(&mut script, "n");
    script
}

#[test]
fn a_store_that_forgets() {
    let mut script = busy();
    script.submit("a").record("a", standing(State::Queued, 1));
    noise(&mut script, "nn");
    script.call(Call::Record(Id::new("a")), refused("unknown_task", "a"));
    script.breaks(Invariant::AcknowledgedSubmitIsKept, &rules(), "forgets");
}

#[test]
fn a_drained_run_that_has_lost_a_task() {
    let mut script = busy();
    script.submit("a").lease("w1", "a", 7).call(done("a", 7, Outcome::Succeeded), unknown());
    script.breaks(Invariant::AcknowledgedSubmitIsKept, &rules().drained(), "loses");
}

#[test]
fn an_end_told_twice() {
    let mut script = busy();
    script.submit("a").watch("a", 0).gives(
        "a",
        at(1, Phase::Still),
        Kind::Snapshot(standing(State::Queued, 1)),
    );
    script.gives("a", at(1, Phase::Running), started("w1")).gives("a", at(2, Phase::Still), Kind::Succeeded);
    script.watch("a", at(1, Phase::Running)).gives(
        "a",
        at(3, Phase::Still),
        Kind::Snapshot(standing(State::Succeeded, 3)),
    );
    script.breaks(Invariant::AtMostOneTerminalEvent, &rules(), "ends_twice");
}

#[test]
fn two_ends_that_differ() {
    let mut script = busy();
    script.submit("a").lease("w1", "a", 7).succeed("a", 7).record("a", standing(State::Failed, 2));
    script.breaks(Invariant::AtMostOneTerminalEvent, &rules(), "ends_differ");
}

#[test]
fn a_fence_that_falls() {
    let mut script = busy();
    script.submit("a").lease("w1", "a", 7).renew("w1", "a", 7, Renewal::Held);
    script.finish("a", 7, retry(), Some(State::Queued)).lease_as("w2", leased("a", 6, 2));
    script.breaks(Invariant::FencesRise, &rules(), "fence_falls");
}

#[test]
fn a_fence_given_twice() {
    let mut script = busy();
    script
        .submit("a")
        .lease("w1", "a", 7)
        .finish("a", 7, retry(), Some(State::Queued))
        .lease_as("w2", leased("a", 7, 2));
    script.breaks(Invariant::FencesRise, &rules(), "fence_twice");
}

#[test]
fn a_fence_that_is_ignored() {
    let mut script = busy();
    script.submit("a").lease("w1", "a", 7).wait(30).lease("w2", "a", 8).renew("w2", "a", 8, Renewal::Held);
    script.succeed("a", 7);
    script.breaks(Invariant::StaleFinishIsRefused, &rules(), "fence_ignored");
}

#[test]
fn a_task_delivered_twice() {
    let mut script = busy();
    script.submit("a").lease("w1", "a", 7).wait(6).renew("w1", "a", 7, Renewal::Held);
    noise(&mut script, "nn");
    script.wait(2).lease("w2", "a", 8).succeed("a", 8);
    script.breaks(Invariant::LeasesNeverOverlap, &rules(), "delivered_twice");
}

#[test]
fn a_cancel_that_is_lost() {
    let mut script = busy();
    script.submit("a").lease("w1", "a", 7).call(cancel("a"), Reply::Ok);
    script.renew("w1", "a", 7, Renewal::Held).succeed("a", 7);
    script.breaks(Invariant::NoSuccessAfterCancel, &rules(), "cancel_lost");
}

#[test]
fn a_success_after_the_event_of_a_cancel() {
    let mut script = busy();
    script.submit("a").watch("a", 0).gives(
        "a",
        at(1, Phase::Running),
        Kind::Snapshot(standing(State::Running, 1)),
    );
    script
        .gives("a", at(1, Phase::Stopping), Kind::CancelRequested)
        .record("a", standing(State::Succeeded, 2));
    script.breaks(Invariant::NoSuccessAfterCancel, &rules(), "cancel_then_success");
}

#[test]
fn a_task_that_runs_after_its_end() {
    let mut script = busy();
    script.submit("a").lease("w1", "a", 7).succeed("a", 7).wait(60).lease("w2", "a", 8);
    script.breaks(Invariant::NothingRunsAfterTheEnd, &rules(), "runs_after_its_end");
}

#[test]
fn a_cancelled_task_that_runs() {
    let mut script = busy();
    script.submit("a").call(cancel("a"), Reply::Ok).lease("w1", "a", 7);
    script.breaks(Invariant::NothingRunsAfterTheEnd, &rules(), "runs_after_its_cancel");
}

#[test]
fn a_release_that_counts() {
    let mut script = busy();
    script.submit("a").lease("w1", "a", 7);
    script
        .finish("a", 7, Outcome::Released { after_ms: 0 }, Some(State::Queued))
        .lease_as("w1", leased("a", 8, 2));
    script.breaks(Invariant::AttemptsStayWithinMax, &rules(), "release_counted");
}

#[test]
fn a_retry_that_does_not_count() {
    let mut script = busy();
    script.submit("a").lease("w1", "a", 7).finish("a", 7, retry(), Some(State::Queued)).lease("w1", "a", 8);
    script.breaks(Invariant::AttemptsStayWithinMax, &rules(), "retry_not_counted");
}

#[test]
fn an_attempt_too_many() {
    let mut script = busy();
    script.submit("a");
    for attempt in 1..=4 {
        script.lease_as("w1", leased("a", u64::from(attempt), attempt));
        script.finish("a", u64::from(attempt), retry(), Some(State::Queued));
    }
    script.breaks(Invariant::AttemptsStayWithinMax, &rules(), "attempt_too_many");
}

#[test]
fn a_number_that_comes_twice() {
    let mut script = busy();
    script.submit("a").watch("a", 0).gives(
        "a",
        at(1, Phase::Still),
        Kind::Snapshot(standing(State::Queued, 1)),
    );
    script.gives("a", at(1, Phase::Running), started("w1"));
    script.gives("a", at(1, Phase::Running) + 1, Kind::Log).gives("a", at(1, Phase::Running) + 1, Kind::Log);
    script.breaks(Invariant::EventNumbersRise, &rules(), "number_twice");
}

#[test]
fn a_resume_that_gives_what_was_seen() {
    let mut script = busy();
    script.submit("a").watch("a", at(1, Phase::Running)).gives("a", at(1, Phase::Running), started("w1"));
    script.breaks(Invariant::EventNumbersRise, &rules(), "seen_again");
}

#[test]
fn a_number_that_names_two_events() {
    let mut script = busy();
    for kind in [Kind::Retrying, Kind::Lost] {
        script.watch("a", at(1, Phase::Running)).gives("a", at(2, Phase::Still), kind);
    }
    script.breaks(Invariant::EventNumbersRise, &rules(), "number_of_two");
}

#[test]
fn a_snapshot_that_is_missing() {
    let mut script = busy();
    script.submit("a").watch("a", 0).gives("a", at(1, Phase::Running), started("w1"));
    script.breaks(Invariant::NoStateChangeIsMissing, &rules(), "snapshot_missing");
}

#[test]
fn a_state_change_that_is_missing() {
    let mut script = busy();
    script.submit("a").watch("a", 0).gives(
        "a",
        at(1, Phase::Still),
        Kind::Snapshot(standing(State::Queued, 1)),
    );
    script.gives("a", at(2, Phase::Still), Kind::Succeeded);
    script.breaks(Invariant::NoStateChangeIsMissing, &rules(), "start_missing");
}

#[test]
fn a_turn_that_is_missing() {
    let mut script = busy();
    script.submit("a").watch("a", 0).gives(
        "a",
        at(1, Phase::Running),
        Kind::Snapshot(standing(State::Running, 1)),
    );
    script.gives("a", at(3, Phase::Still), Kind::Retrying);
    script.breaks(Invariant::NoStateChangeIsMissing, &rules(), "turn_missing");
}

#[test]
fn a_watch_that_stops() {
    let mut script = busy();
    script.submit("a").watch("a", 0).gives(
        "a",
        at(1, Phase::Still),
        Kind::Snapshot(standing(State::Queued, 1)),
    );
    script.gives("a", 0, Kind::Over(None));
    script.breaks(Invariant::NoStateChangeIsMissing, &rules(), "watch_stops");
}

#[test]
fn progress_that_falls() {
    let mut script = busy();
    script.submit("a").watch("a", 0).gives(
        "a",
        at(1, Phase::Running),
        Kind::Snapshot(standing(State::Running, 1)),
    );
    script.gives("a", at(1, Phase::Running) + 1, Kind::Progress(Some(0.5)));
    script.gives("a", at(1, Phase::Running) + 2, Kind::Log);
    script.gives("a", at(1, Phase::Running) + 3, Kind::Progress(Some(0.25)));
    script.breaks(Invariant::ProgressNeverFalls, &rules(), "progress_falls");
}

#[test]
fn a_submit_that_is_new_twice() {
    let mut script = busy();
    script.submit("a").lease("w1", "a", 7).submit("a");
    script.breaks(Invariant::SameSubmitIsAlreadyKnown, &rules(), "new_twice");
}

#[test]
fn a_conflict_that_is_accepted() {
    let mut script = busy();
    script.submit("a");
    script.submit_as(Sent { content: 8, ..sent("a") }, Reply::Stored(vec![Stored::Known]));
    script.breaks(Invariant::SameSubmitIsAlreadyKnown, &rules(), "conflict_accepted");
}

#[test]
fn the_same_content_that_is_a_conflict() {
    let mut script = busy();
    script.submit("a").submit_as(sent("a"), refused("conflict", "a"));
    script.breaks(Invariant::SameSubmitIsAlreadyKnown, &rules(), "conflict_with_itself");
}

/// A worker that beats every other second, so that there is no outage.
fn beats(script: &mut Script, seconds: u64) {
    for _ in 0..seconds / 2 {
        script.wait(2).renew("w9", "n", 101, Renewal::Held);
    }
}

#[test]
fn a_lease_that_never_expires() {
    let mut script = Script::new();
    script.submit("a").lease("w1", "a", 7);
    let waits = script.begin(ask("w2"));
    beats(&mut script, 40);
    script.end(waits, Reply::Leased(Vec::new()));
    script.breaks(Invariant::DeadWorkerIsNoticed, &rules().recovers_within(seconds(20)), "never_expires");
}

#[test]
fn what_outlives_its_retention() {
    let mut script = busy();
    script
        .submit("a")
        .lease("w1", "a", 7)
        .succeed("a", 7)
        .wait(3700)
        .record("a", standing(State::Succeeded, 2));
    script.breaks(Invariant::NothingIsLeft, &rules().forgets_within(seconds(10)), "outlives");
}

#[test]
fn a_lane_that_is_not_empty() {
    let mut script = busy();
    script.call(Call::Lanes, Reply::Lanes { waiting: 1, running: 0 });
    script.breaks(Invariant::NothingIsLeft, &rules().drained(), "lane_not_empty");
}

#[test]
fn a_task_that_starves() {
    let mut script = busy();
    script.submit("a");
    noise(&mut script, "nn");
    script.wait(61);
    noise(&mut script, "nnn");
    script.breaks(Invariant::WaitsAreBounded, &rules().starts_within(seconds(60)), "starves");
}

#[test]
fn a_delay_that_is_kept_for_too_long() {
    let mut script = busy();
    script.submit_as(Sent { delay_ms: Some(10_000), ..sent("a") }, Reply::Stored(vec![Stored::New]));
    script.wait(75).lease("w1", "a", 7);
    script.breaks(Invariant::WaitsAreBounded, &rules().starts_within(seconds(60)), "starts_late");
}

#[test]
fn bodies_that_need_more_than_there_is() {
    let mut script = busy();
    script.join("w1", 4);
    let over = script.body("w1", "a", 3);
    script.end(over, Reply::Over(Id::new("output")));
    script.body("w1", "b", 2);
    script.body("w2", "c", 9);
    script.body("w1", "d", 3);
    script.breaks(Invariant::BodiesFitTheWorker, &rules(), "oversubscribed");
}

#[test]
fn a_refused_task_that_runs() {
    let mut script = busy();
    script.submit_as(sent("a"), refused("queue_full", "a")).lease("w1", "a", 7);
    script.breaks(Invariant::RefusedTaskNeverRuns, &rules(), "refused_runs");
}

#[test]
fn half_a_batch_that_is_stored() {
    let mut script = busy();
    let batch = ["a", "b", "c"].map(sent).to_vec();
    script.call(Call::Submit(batch), refused("conflict", "c")).lease("w1", "a", 7);
    script.breaks(Invariant::RefusedTaskNeverRuns, &rules(), "batch_half_stored");
}

#[test]
fn suspects_that_meet() {
    let mut script = busy();
    script.submit("a").submit("b").lease_as("w1", suspect("a", 7)).lease_as("w2", suspect("c", 8));
    script.renew("w1", "a", 7, Renewal::Held).lease_as("w1", suspect("b", 9)).succeed("a", 7);
    script.breaks(Invariant::SuspectsNeverMeet, &rules(), "suspects_meet");
}

#[test]
fn a_requeue_that_ends_twice() {
    let mut script = busy();
    script.submit("a").record("a", standing(State::Failed, 2)).call(Call::Requeue(Id::new("a")), Reply::Ok);
    script.record("a", standing(State::Failed, 3)).record("a", standing(State::Succeeded, 4));
    script.breaks(Invariant::RequeueEndsOnceMore, &rules(), "requeue_ends_twice");
}

#[test]
fn a_requeue_that_never_ends() {
    let mut script = busy();
    script.submit("a").record("a", standing(State::Failed, 2)).call(Call::Requeue(Id::new("a")), Reply::Ok);
    script.lease("w1", "a", 7);
    script.breaks(Invariant::RequeueEndsOnceMore, &rules().drained(), "requeue_never_ends");
}

/// Every invariant has a planted bug above.
#[test]
fn every_invariant_is_broken_once() {
    let own = include_str!("planted.rs");
    for invariant in Invariant::ALL {
        assert!(own.contains(&format!("breaks(Invariant::{invariant:?}, ")), "{invariant}");
    }
}
