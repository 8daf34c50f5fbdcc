//! Leases that came in, until their bodies start.

use std::time::Duration;

use super::play::{Play, ended, finished, info, millis, names, needs, ok, template};
use crate::{
    BeatReply, Capacity, Outcome, Quality, QualityPreset, Renewal, Times,
    worker::step::{Heard, Steps},
};

fn released(after: Duration) -> Vec<Outcome> {
    vec![Outcome::Released { after }]
}

#[test]
fn a_lease_that_needs_more_than_is_free_waits_renewed_until_it_fits() {
    let mut play = Play::new();
    play.join();
    let first = play.start("small@1.0:standard");
    let large = play.task("small@1.0:standard", |envelope| envelope.requires = needs().slots(4));
    let (large, small) = (play.lease_of(large), play.lease("small@1.0:standard"));
    let said = play.give(vec![large, small]);
    assert_eq!(said.starts().len(), 0, "what came behind it would take what it waits for");
    assert_eq!(
        names(&said.asks()).0,
        ["big@1.0:standard", "big@1.0:standard!"],
        "it counts against the room"
    );
    play.beat(|beat| {
        assert_eq!(beat.tasks.len(), 3, "renewed while they wait");
        BeatReply::new(vec![Renewal::Held; 3], 0)
    });
    let said = play.hear([ended(first, Ok(ok()))]);
    assert_eq!(said.starts().len(), 1);
    assert_eq!(said.starts()[0].task.id.as_str(), "t2");
    let said = play.hear([ended(said.starts()[0].seat, Ok(ok()))]);
    assert_eq!(said.starts()[0].task.id.as_str(), "t3");
}

#[test]
fn what_one_waits_for_is_kept_and_the_rest_is_given_to_others() {
    let mut play = Play::new();
    play.join();
    play.start("small@1.0:standard");
    let large =
        play.task("big@1.0:standard", |envelope| envelope.requires = needs().cpu_millis(1000).slots(4));
    let (large, small) = (play.lease_of(large), play.lease("small@1.0:standard"));
    let big = play.lease("big@1.0:standard");
    assert_eq!(play.give(vec![large, small, big]).starts().len(), 0, "cores and slots are spoken for");
    let model = needs().memory_mib(10);
    let light = play.task("small@1.0:standard", |envelope| envelope.requires = model);
    let light = play.lease_of(light);
    assert_eq!(play.give(vec![light]).starts().len(), 0, "of memory there is none at all");
}

#[test]
fn a_lease_larger_than_the_whole_worker_goes_back_with_a_wait() {
    let mut play = Play::new();
    play.join();
    let large = play.task("small@1.0:standard", |envelope| envelope.requires = needs().slots(5));
    let large = play.lease_of(large);
    let said = play.give(vec![large]);
    assert_eq!(said.done(), released(Times::default().too_large));
    assert!(said.ask().is_some_and(|ask| ask.lanes.len() == 4), "and the lane goes on");
}

#[test]
fn a_lease_of_a_lane_that_nobody_asked_for_goes_back() {
    let mut play = Play::new();
    play.join();
    let strange = play.lease("strange@1.0:standard");
    assert_eq!(play.give(vec![strange]).done(), released(Times::default().too_large));
}

#[test]
fn a_lease_that_waits_and_is_lost_or_cancelled_never_starts() {
    for (renewal, outcome) in [(Renewal::Lost, None), (Renewal::CancelRequested, Some(Outcome::Cancelled))] {
        let mut play = Play::new();
        play.join();
        let first = play.start("big@1.0:standard");
        let second = play.lease("big@1.0:standard");
        play.give(vec![second]);
        let said = play.beat(|_| BeatReply::new(vec![Renewal::Held, renewal], 0));
        assert_eq!(said.done(), outcome.into_iter().collect::<Vec<_>>());
        assert!(said.drops().is_empty() && said.cancels().is_empty());
        let said = play.hear([ended(first, Ok(ok()))]);
        assert_eq!(said.starts().len(), 0);
    }
}

#[test]
fn the_envelope_wins_and_the_preset_answers_what_it_lacks() {
    let preset = QualityPreset::new().set("steps", 50).timeout(millis(1)).requires(needs().slots(4));
    let mut function = template("f", "1.0.0", needs().slots(1));
    function.parameters.insert("tile".to_owned(), 8.into());
    function.presets.insert(Quality::High, preset);
    let mut play = Play::of(Steps::new(info(Capacity::new().slots(4), vec![function]), Times::default()));
    play.join();
    let task = play.task("f@1.0:high", |envelope| envelope.timeout = Some(millis(7000)));
    let mut lease = play.lease_of(task);
    lease.deadline = Some(millis(400));
    play.now += millis(100);
    let said = play.give(vec![lease]);
    let start = &said.starts()[0];
    assert_eq!((&start.parameters["steps"], &start.parameters["tile"]), (&50.into(), &8.into()));
    assert_eq!(start.grant.amounts.slots, 1, "the task's requirement");
    assert_eq!(start.deadline, Some(millis(500)));
    assert!(play.after(6999, [Heard::Timer]).drops().is_empty(), "the task's timeout");
    assert_eq!(play.after(1, [Heard::Timer]).drops().len(), 1);
}

#[test]
fn a_deadline_ends_no_attempt() {
    let mut play = Play::new();
    play.join();
    let mut lease = play.lease("small@1.0:standard");
    lease.deadline = Some(millis(1));
    play.give(vec![lease]);
    let said = play.after(2000, [Heard::Timer]);
    assert!(said.drops().is_empty() && said.done().is_empty());
}

#[test]
fn models_that_have_to_leave_are_named_before_the_start() {
    let model = |mib| needs().slots(1).shared(needs().memory_mib(mib));
    let templates = vec![template("a", "1.0.0", model(60)), template("b", "1.0.0", model(60))];
    let mut play = Play::of(Steps::new(info(Capacity::new().memory_mib(100), templates), Times::default()));
    play.join();
    let first = play.start_with("a@1.0:standard", |envelope| envelope.requires = model(60));
    let said = play.hear([ended(first, Ok(ok()))]);
    let a = said.done().len();
    play.hear([finished(a)]);
    let task = play.task("b@1.0:standard", |envelope| envelope.requires = model(60));
    let lease = play.lease_of(task);
    let said = play.give(vec![lease]);
    let start = &said.starts()[0];
    assert_eq!((start.lane, &start.evicted[..]), (1, &[0][..]));
}

#[test]
fn a_seat_is_taken_again_only_when_nothing_is_left_of_it() {
    let mut play = Play::new();
    play.join();
    let first = play.start("small@1.0:standard");
    let second = play.start("small@1.0:standard");
    assert_ne!(first.index(), second.index());
    play.hear([ended(first, Ok(ok()))]);
    let third = play.start("small@1.0:standard");
    assert_ne!(third.index(), first.index(), "its end has not been told");
    let lease = play.lease("small@1.0:standard");
    let call = play.steps.asks.ended() + 1;
    let reply = Ok(crate::LeaseReply::new(vec![lease]));
    let said = play.hear([finished(1), Heard::Leased { call, reply }]);
    assert_eq!(said.forgets(), [first]);
    let fourth = said.starts()[0].seat;
    assert_eq!((fourth.index(), fourth == first), (first.index(), false));
    // whoever speaks of the old one means nobody
    let said = play.hear([ended(first, Ok(ok()))]);
    assert!(said.done().is_empty());
}
