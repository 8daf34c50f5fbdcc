//! Bodies that run, and how their attempts end.

use std::time::Duration;

use super::play::{Play, ended, finished, info, millis, needs, ok, template};
use crate::{
    BeatReply, Capacity, Error, ErrorKind, Failure, Finished, Outcome, Renewal, RetryPolicy, State, Times,
    worker::step::{Action, Heard, Seat, Steps},
};

fn released() -> Outcome {
    Outcome::Released { after: Duration::ZERO }
}

fn over(seat: Seat, vacant: bool) -> Heard {
    Heard::Ended { seat, result: None, vacant }
}

#[test]
fn whether_an_attempt_is_tried_again_follows_its_policy_and_the_seed() {
    let run = |seed| {
        let steps = Steps::new(
            info(Capacity::new(), vec![template("small", "1.0.0", needs().slots(1))]),
            Times::default(),
        );
        let mut play = Play::of(steps.seed(seed));
        play.join();
        let seat = play.start("small@1.0:standard");
        match &play.hear([ended(seat, Err(Failure::transient("x")))]).done()[..] {
            [Outcome::Retry { failure, after }] => (failure.message.clone(), *after),
            other => panic!("{other:?}"),
        }
    };
    assert!(run(1).1 <= Duration::from_secs(1));
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).1, run(2).1);
}

#[test]
fn what_is_not_to_be_tried_again_fails() {
    let never = |envelope: &mut crate::Envelope| envelope.retry = RetryPolicy::never();
    for (failure, once) in [
        (Failure::permanent("x"), false),
        (Failure::invalid_input("x"), false),
        (Failure::transient("x"), true),
    ] {
        let mut play = Play::new();
        play.join();
        let seat = play.start_with("small@1.0:standard", |envelope| {
            if once {
                never(envelope)
            }
        });
        assert_eq!(play.hear([ended(seat, Err(failure.clone()))]).done(), [Outcome::Failed(failure)]);
    }
}

#[test]
fn an_attempt_past_its_timeout_is_ended_at_once() {
    let mut play = Play::new();
    play.join();
    let seat = play.start_with("small@1.0:standard", |envelope| envelope.timeout = Some(millis(700)));
    let said = play.hear([Heard::Timer]);
    assert_eq!(said.wake(), millis(700));
    let said = play.after(700, [Heard::Timer]);
    assert_eq!(said.drops(), [seat]);
    let [Outcome::Retry { failure, .. }] = &said.done()[..] else { panic!("{:?}", said.done()) };
    assert_eq!(failure.code.as_deref(), Some("timeout"));
    assert!(failure.message.ends_with("700ms"), "{failure}");
    let said = play.hear([over(seat, true), finished(1)]);
    assert_eq!(play.hear([Heard::Timer]).forgets().len() + said.forgets().len(), 1);
}

#[test]
fn a_cancel_fires_the_token_and_waits_for_the_body() {
    for (result, outcome) in [
        (Ok(ok()), Outcome::Succeeded(ok())),
        (Err(Failure::transient("x")), Outcome::Cancelled),
        (Err(Failure::cancelled()), Outcome::Cancelled),
    ] {
        let mut play = Play::new();
        play.join();
        let seat = play.start("small@1.0:standard");
        let said = play.renew(Renewal::CancelRequested);
        assert_eq!((said.cancels(), said.drops().len(), said.done().len()), (vec![seat], 0, 0));
        assert!(play.renew(Renewal::CancelRequested).cancels().is_empty(), "once");
        assert_eq!(play.hear([ended(seat, result)]).done(), [outcome]);
    }
}

#[test]
fn a_cancelled_body_that_goes_on_ends_by_its_timeout() {
    let mut play = Play::new();
    play.join();
    let seat = play.start_with("small@1.0:standard", |envelope| envelope.timeout = Some(millis(5000)));
    play.renew(Renewal::CancelRequested);
    let said = play.after(2000, [Heard::Timer]);
    assert_eq!((said.drops(), said.done()), (vec![seat], vec![Outcome::Cancelled]));
}

#[test]
fn a_lost_lease_drops_its_body_and_nobody_is_told() {
    let mut play = Play::new();
    play.join();
    let seat = play.start("small@1.0:standard");
    let said = play.renew(Renewal::Lost);
    assert_eq!((said.drops(), said.done().len()), (vec![seat], 0));
    play.beat(|beat| {
        assert!(beat.tasks.is_empty() && beat.load.slots == 1, "not held, yet its room is");
        BeatReply::new(vec![], 0)
    });
    let said = play.hear([over(seat, true)]);
    assert_eq!((said.done().len(), said.forgets()), (0, vec![seat]));
}

#[test]
fn a_thread_that_ignores_its_token_ends_its_attempt_and_keeps_its_room() {
    let mut play = Play::new();
    play.join();
    let seat = play.start_with("big@1.0:standard", |envelope| envelope.timeout = Some(millis(100)));
    let said = play.after(100, [Heard::Timer]);
    assert_eq!(said.done().len(), 1);
    let said = play.hear([over(seat, false), finished(1)]);
    assert!(said.ask().is_none() && said.forgets().is_empty());
    play.renew(Renewal::Held);
    let said = play.hear([Heard::Vacant(seat)]);
    assert_eq!(said.forgets(), [seat]);
    assert!(said.asks().lanes.iter().any(|asked| asked.lane.function() == "big"));
}

#[test]
fn a_body_dropped_with_its_runtime_is_released() {
    let mut play = Play::new();
    play.join();
    let seat = play.start("small@1.0:standard");
    assert_eq!(play.hear([over(seat, true)]).done(), [released()]);
}

#[test]
fn how_long_an_attempt_ran_is_told() {
    let mut play = Play::new();
    play.join();
    play.now += millis(50);
    let seat = play.start("small@1.0:standard");
    let said = play.after(1234, [ended(seat, Ok(ok()))]);
    let run = said.0.iter().find_map(|action| {
        if let Action::Finish { done, .. } = action { Some(done[0].usage.run_ms) } else { None }
    });
    assert_eq!(run, Some(1234));
}

#[test]
fn finishes_go_one_call_at_a_time_and_again_until_they_are_answered() {
    let mut play = Play::new();
    play.join();
    let seats: Vec<Seat> = (0..3).map(|_| play.start("small@1.0:standard")).collect();
    let said = play.hear([ended(seats[0], Ok(ok()))]);
    assert_eq!(said.done().len(), 1);
    assert_eq!(
        play.hear([ended(seats[1], Ok(ok())), ended(seats[2], Ok(ok()))]).done().len(),
        0,
        "one is under way"
    );
    let unavailable = Error::new(ErrorKind::Unavailable, "gone");
    let said = play.hear([Heard::Finished(Err(unavailable))]);
    assert_eq!((said.done().len(), said.wake()), (0, Times::default().retry()));
    play.beat(|beat| {
        assert_eq!(beat.tasks.len(), 3, "held until their ends were heard of");
        BeatReply::new(vec![Renewal::Lost; 3], 0)
    });
    // by then it had been sent again, with the others
    let said = play.hear([Heard::Finished(Ok(vec![Finished::Lost, Finished::Done(State::Succeeded)]))]);
    assert_eq!(said.forgets(), seats[..2]);
    let said = play.after(1000, [Heard::Timer]);
    assert_eq!(said.done().len(), 1, "the one without an answer");
    assert_eq!(play.hear([finished(1)]).forgets(), seats[2..]);
}

#[test]
fn in_one_call_finishes_go_before_releases() {
    let mut play = Play::new();
    play.join();
    let seats: Vec<Seat> = (0..4).map(|_| play.start("small@1.0:standard")).collect();
    let said = play.hear([
        over(seats[0], true),
        ended(seats[1], Ok(ok())),
        over(seats[2], true),
        ended(seats[3], Err(Failure::permanent("x"))),
    ]);
    let done = said.done();
    assert!(matches!(done[..2], [Outcome::Succeeded(_), Outcome::Failed(_)]), "{done:?}");
    assert_eq!(done[2..], [released(), released()]);
}

#[test]
fn limits_of_ended_attempts_do_not_pile_up() {
    let steps = Steps::new(
        info(Capacity::new().slots(1), vec![template("small", "1.0.0", needs().slots(1))]),
        Times::default(),
    );
    let mut play = Play::of(steps);
    play.join();
    for _ in 0..5000 {
        let seat = play
            .start_with("small@1.0:standard", |envelope| envelope.timeout = Some(Duration::from_secs(3600)));
        play.hear([ended(seat, Ok(ok()))]);
        play.hear([finished(1)]);
    }
    assert!(play.steps.limits.len() < 100);
}
