//! Joining, beating, reading templates, draining, leaving.

use std::time::Duration;

use super::play::{Play, ended, finished, millis, ok};
use crate::{
    BeatReply, Error, ErrorKind, Outcome, Renewal, Times,
    worker::step::{Action, Heard},
};

fn unavailable() -> Error {
    Error::new(ErrorKind::Unavailable, "gone")
}

#[test]
fn an_idle_worker_beats_every_third_of_a_lease_and_more_often_in_an_outage() {
    let mut play = Play::new();
    play.join();
    assert!(play.after(2999, [Heard::Timer]).beat().is_none());
    assert!(play.after(1, [Heard::Timer]).beat().is_some());
    let said = play.after(10, [Heard::Beaten(Err(unavailable()))]);
    assert_eq!(said.wake() - play.now, Times::default().retry());
    assert!(play.after(1000, [Heard::Timer]).beat().is_some());
    assert!(play.after(5000, [Heard::Timer]).beat().is_none(), "one at a time");
}

#[test]
fn what_bodies_tell_goes_out_at_most_once_per_flush_time() {
    let mut play = Play::new();
    play.join();
    let seat = play.start("small@1.0:standard");
    let held = || Heard::Beaten(Ok(BeatReply::new(vec![Renewal::Held], 0)));
    let said = play.after(500, [Heard::News]);
    assert_eq!(said.reports(), Some(true), "the first at once");
    let said = play.after(20, [held(), Heard::News]);
    assert_eq!((said.reports(), said.wake() - play.now), (None, millis(80)));
    // a beat for another reason comes earlier: it takes nothing on
    assert_eq!(play.give(vec![]).reports(), Some(false));
    play.hear([held()]);
    let said = play.after(80, [Heard::Timer]);
    assert_eq!(said.reports(), Some(true));
    assert!(play.steps.hears_news());
    assert_eq!(play.after(200, [held(), ended(seat, Ok(ok()))]).beat(), None, "no news, no beat");
}

#[test]
fn a_worker_that_the_store_forgot_joins_again() {
    let mut play = Play::new();
    play.join();
    let seat = play.start("small@1.0:standard");
    let forgotten = |reply: &crate::Heartbeat| {
        let mut reply = BeatReply::new(vec![Renewal::Held; reply.tasks.len()], 0);
        reply.joined = false;
        reply
    };
    assert!(play.beat(forgotten).joins());
    assert!(!play.beat(forgotten).joins(), "one at a time");
    let said = play.hear([Heard::Joined(Err(unavailable()))]);
    assert_eq!(said.wake() - play.now, Times::default().retry());
    assert!(play.after(1000, [Heard::Timer]).joins());
    assert!(play.hear([ended(seat, Ok(ok()))]).done().len() == 1, "what it holds it goes on with");
    play.hear([Heard::Joined(Ok(()))]);
}

#[test]
fn another_revision_makes_it_read_the_templates_again() {
    let mut play = Play::new();
    play.join();
    let reads =
        |said: &super::play::Said| said.0.iter().any(|action| matches!(action, Action::Templates { .. }));
    assert!(!reads(&play.beat(|_| BeatReply::new(vec![], 0))));
    assert!(reads(&play.beat(|_| BeatReply::new(vec![], 7))));
    assert!(!reads(&play.beat(|_| BeatReply::new(vec![], 7))), "one at a time");
    play.hear([Heard::Templates(Err(unavailable()))]);
    assert!(reads(&play.after(1000, [Heard::Timer])));
}

#[test]
fn a_join_that_is_refused_ends_the_worker_and_one_that_fails_is_tried_again() {
    let mut play = Play::new();
    play.hear([Heard::Timer]);
    let said = play.hear([Heard::Joined(Err(unavailable()))]);
    assert!(!said.joins());
    assert!(play.after(1000, [Heard::Timer]).joins());
    let refused = Error::new(ErrorKind::Conflict, "other content");
    let exit = play.hear([Heard::Joined(Err(refused))]).exit().unwrap();
    assert_eq!(exit.unwrap_err().kind(), ErrorKind::Conflict);
    assert!(play.hear([Heard::Timer]).0.is_empty(), "nothing follows");
}

#[test]
fn a_worker_that_holds_tasks_when_it_is_refused_gives_them_back_first() {
    let mut play = Play::new();
    play.join();
    let seat = play.start("small@1.0:standard");
    play.beat(|_| {
        let mut reply = BeatReply::new(vec![Renewal::Held], 0);
        reply.joined = false;
        reply
    });
    let said = play.hear([Heard::Joined(Err(Error::new(ErrorKind::Conflict, "other content")))]);
    assert_eq!((said.drops(), said.done().len()), (vec![seat], 1));
    assert_eq!(play.hear([finished(1)]).exit().unwrap().unwrap_err().kind(), ErrorKind::Conflict);
}

#[test]
fn on_stop_bodies_go_on_until_they_are_done() {
    let mut play = Play::new();
    play.join();
    let (first, waits) = (play.start("big@1.0:standard"), play.lease("big@1.0:standard"));
    play.give(vec![waits]);
    let said = play.hear([Heard::Stop]);
    assert_eq!(said.done(), [Outcome::Released { after: Duration::ZERO }], "what has not started goes back");
    assert!(said.drops().is_empty() && said.cancels().is_empty());
    play.hear([finished(1)]);
    let said = play.after(20_000, [Heard::Timer]);
    assert!(said.beat().is_some(), "and is renewed");
    let said = play.hear([ended(first, Ok(ok()))]);
    assert_eq!(said.done(), [Outcome::Succeeded(ok())]);
    assert!(!said.leaves());
    let said = play.hear([finished(1)]);
    assert!(said.leaves());
    assert!(play.hear([Heard::Left]).exit().unwrap().is_ok());
}

#[test]
fn what_still_runs_at_the_end_of_the_drain_is_dropped_and_released() {
    let mut play = Play::new();
    play.join();
    let seat = play.start("small@1.0:standard");
    let said = play.hear([Heard::Stop, Heard::Beaten(Ok(BeatReply::new(vec![], 0)))]);
    assert_eq!(said.wake(), Times::default().beat());
    let said = play.after(29_999, [Heard::Timer]);
    assert!(said.drops().is_empty());
    let said = play.after(1, [Heard::Timer]);
    assert_eq!((said.drops(), said.done()), (vec![seat], vec![Outcome::Released { after: Duration::ZERO }]));
    assert!(play.hear([finished(1)]).leaves(), "a thread that goes on holds nobody up");
}

#[test]
fn asked_again_to_stop_now_it_does() {
    let mut play = Play::new();
    play.join();
    let seat = play.start("small@1.0:standard");
    play.hear([Heard::Stop]);
    assert_eq!(play.hear([Heard::StopNow]).drops(), [seat]);
    assert!(play.hear([Heard::Stop]).drops().is_empty(), "and not later");
}

#[test]
fn an_operator_drains_it_by_the_answer_to_a_beat() {
    let mut play = Play::new();
    play.join();
    let said = play.beat(|_| {
        let mut reply = BeatReply::new(vec![], 0);
        reply.drain = true;
        reply
    });
    assert!(said.leaves() && said.asks().lanes.is_empty(), "the call that named lanes is dropped");
    let leaving = said.wake();
    assert_eq!(leaving - play.now, Times::default().beat());
    play.now = leaving;
    assert!(
        play.hear([Heard::Timer]).exit().unwrap().is_ok(),
        "a queue that does not answer holds it up for a beat"
    );
}

#[test]
fn stopped_before_it_joined_it_just_goes() {
    assert!(Play::new().hear([Heard::StopNow]).exit().unwrap().is_ok());
    let mut play = Play::new();
    play.hear([Heard::Timer]);
    assert!(play.hear([Heard::Stop]).exit().is_none(), "the join is under way");
    assert!(play.hear([Heard::Joined(Ok(()))]).leaves());
}

#[test]
fn a_worker_that_cannot_tell_its_ends_gives_up_when_its_leases_are_over() {
    let mut play = Play::new();
    play.join();
    play.start("small@1.0:standard");
    let said = play.hear([Heard::StopNow]);
    assert_eq!(said.done().len(), 1);
    for _ in 0..8 {
        play.hear([Heard::Finished(Err(unavailable()))]);
        assert_eq!(play.after(1000, [Heard::Timer]).done().len(), 1, "sent again");
    }
    let error = play.after(1000, [Heard::Finished(Err(unavailable()))]).exit().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("1 attempt"), "{error}");
}
