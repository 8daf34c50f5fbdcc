//! What is no violation: unknown answers, concurrent calls, second lives, outages.

use function_runner_core::{Phase, State};

use super::script::{
    Script, ask, at, cancel, done, leased, refused, retry, rules, seconds, sent, standing, started, suspect,
    unknown,
};
use crate::history::{
    Invariant,
    line::{Call, Id, Kind, Outcome, Renewal, Reply, Sent, Stored},
};

#[track_caller]
fn holds(script: &Script, invariant: Invariant) {
    let rules = rules().starts_within(seconds(60)).recovers_within(seconds(20)).forgets_within(seconds(10));
    let summary = script.check(&rules).unwrap();
    assert!(summary.checked(invariant) > 0, "it says nothing of {invariant}:\n{summary}");
}

#[test]
fn a_whole_life() {
    let mut script = Script::new();
    script.submit("a").submit_as(sent("a"), Reply::Stored(vec![Stored::Known]));
    script.watch("a", 0).gives("a", at(1, Phase::Still), Kind::Snapshot(standing(State::Queued, 1)));
    script.lease("w1", "a", 7).gives("a", at(1, Phase::Running), started("w1"));
    script.gives("a", at(1, Phase::Running) + 1, Kind::Progress(Some(0.5)));
    script.finish("a", 7, retry(), Some(State::Queued)).gives("a", at(2, Phase::Still), Kind::Retrying);
    script.lease_as("w2", leased("a", 8, 2)).gives("a", at(2, Phase::Running), started("w2"));
    script.gives("a", at(2, Phase::Running) + 1, Kind::Progress(Some(0.25)));
    script.renew("w2", "a", 8, Renewal::Held).succeed("a", 8);
    script.gives("a", at(3, Phase::Still), Kind::Succeeded).gives("a", 0, Kind::Over(None));
    script.record("a", standing(State::Succeeded, 3)).finish("a", 7, retry(), None);
    script.succeed("a", 8);
    for invariant in [
        Invariant::SameSubmitIsAlreadyKnown,
        Invariant::AcknowledgedSubmitIsKept,
        Invariant::FencesRise,
        Invariant::AtMostOneTerminalEvent,
        Invariant::AttemptsStayWithinMax,
        Invariant::NoStateChangeIsMissing,
        Invariant::EventNumbersRise,
        Invariant::StaleFinishIsRefused,
    ] {
        holds(&script, invariant);
    }
    let summary = script.check(&rules().drained()).unwrap();
    assert_eq!((summary.tasks, summary.leases, summary.unknown), (1, 2, 0));
}

#[test]
fn a_finish_without_an_answer_may_have_ended_the_lease() {
    let mut script = Script::new();
    script.submit("a").lease("w1", "a", 7).call(done("a", 7, retry()), unknown());
    script.lease_as("w2", leased("a", 8, 2));
    holds(&script, Invariant::LeasesNeverOverlap);
}

#[test]
fn a_finish_without_an_answer_may_also_have_done_nothing() {
    let mut script = Script::new();
    script.submit("a").lease("w1", "a", 7).call(done("a", 7, retry()), unknown());
    script.wait(30).lease("w2", "a", 8);
    holds(&script, Invariant::AttemptsStayWithinMax);
}

#[test]
fn a_lease_that_ran_out_is_given_again() {
    let mut script = Script::new();
    script.submit("a").lease("w1", "a", 7).wait(9).lease("w2", "a", 8).succeed("a", 8);
    holds(&script, Invariant::LeasesNeverOverlap);
}

#[test]
fn an_ask_that_slept_long_holds_only_from_its_start() {
    let mut script = Script::new();
    let asks = script.begin(ask("w1"));
    script.wait(15).submit("a");
    // given at any time since the submit: a reply that was slow on its way is no fault of the store
    script.wait(12).end(asks, Reply::Leased(vec![leased("a", 7, 1)])).lease("w2", "a", 8);
    holds(&script, Invariant::LeasesNeverOverlap);
}

#[test]
fn a_cancel_that_came_too_late() {
    let mut script = Script::new();
    script.submit("a").lease("w1", "a", 7);
    let cancels = script.begin(cancel("a"));
    script.succeed("a", 7).end(cancels, Reply::Ok).record("a", standing(State::Succeeded, 2));
    holds(&script, Invariant::AtMostOneTerminalEvent);
}

#[test]
fn a_cancel_without_an_answer() {
    let mut script = Script::new();
    script.submit("a").call(cancel("a"), unknown()).lease("w1", "a", 7).succeed("a", 7);
    holds(&script, Invariant::AttemptsStayWithinMax);
}

#[test]
fn a_requeue_gives_another_life() {
    let mut script = Script::new();
    script
        .submit("a")
        .lease("w1", "a", 7)
        .finish("a", 7, retry(), Some(State::Queued))
        .lease_as("w1", leased("a", 8, 2));
    script.finish("a", 8, Outcome::Failed, Some(State::Failed)).call(Call::Requeue(Id::new("a")), Reply::Ok);
    script.lease("w2", "a", 9).succeed("a", 9).record("a", standing(State::Succeeded, 6));
    holds(&script, Invariant::RequeueEndsOnceMore);
    script.check(&rules().drained()).unwrap();
}

#[test]
fn a_task_forgotten_after_its_retention() {
    let mut script = Script::new();
    script.submit("a").lease("w1", "a", 7).succeed("a", 7).wait(3700);
    script.call(Call::Record(Id::new("a")), refused("unknown_task", "a"));
    holds(&script, Invariant::NothingIsLeft);
}

#[test]
fn an_outage_puts_off_what_ran_out() {
    let mut script = Script::new();
    script.submit("a").lease("w1", "a", 7).renew("w9", "n", 1, Renewal::Held);
    let waits = script.begin(ask("w2"));
    // nobody reaches the store for a minute; then w1 is spared for 4 s more, and a call is given 20
    script.wait(60).renew("w9", "n", 1, Renewal::Held).wait(3).renew("w9", "n", 1, Renewal::Held);
    script.wait(2).end(waits, Reply::Leased(vec![leased("a", 8, 1)])).succeed("a", 8);
    holds(&script, Invariant::DeadWorkerIsNoticed);
}

#[test]
fn an_ask_without_an_answer_may_have_been_given_what_was_left() {
    let mut script = Script::new();
    script.submit("a").lease("w1", "a", 7);
    let waits = script.begin(ask("w2"));
    for beat in 0..17 {
        script.wait(2).renew("w9", "n", 1, Renewal::Held);
        if beat == 4 {
            script.call(ask("w3"), unknown());
        }
    }
    script.end(waits, Reply::Leased(vec![leased("a", 9, 1)])).succeed("a", 9);
    holds(&script, Invariant::DeadWorkerIsNoticed);
}

#[test]
fn a_paused_lane_starts_nothing() {
    let mut script = Script::new();
    script.submit("n").lease("w1", "n", 1).succeed("n", 1);
    script
        .call(Call::Pause(Id::new(super::script::LANE)), Reply::Ok)
        .submit("a")
        .wait(200)
        .record("a", standing(State::Queued, 1));
    holds(&script, Invariant::WaitsAreBounded);
}

#[test]
fn suspects_one_after_the_other() {
    let mut script = Script::new();
    script.lease_as("w1", suspect("a", 7)).succeed("a", 7).lease_as("w1", suspect("b", 8));
    script.renew("w1", "b", 8, Renewal::Lost).lease_as("w1", suspect("c", 9));
    holds(&script, Invariant::SuspectsNeverMeet);
}

#[test]
fn a_refused_task_may_be_submitted_again() {
    let mut script = Script::new();
    script.submit_as(sent("a"), refused("queue_full", "a")).submit("a").lease("w1", "a", 7);
    script.submit_as(Sent { content: 8, ..sent("a") }, refused("conflict", "a"));
    holds(&script, Invariant::RefusedTaskNeverRuns);
}

#[test]
fn bodies_one_after_the_other() {
    let mut script = Script::new();
    script.join("w1", 4);
    for task in ["a", "b", "c"] {
        let body = script.body("w1", task, 4);
        script.end(body, Reply::Over(Id::new("output")));
    }
    holds(&script, Invariant::BodiesFitTheWorker);
}
