//! What the open lease call names, and when it is made anew.

use super::play::{Play, ended, finished, info, lane, millis, names, needs, ok, template};
use crate::{
    BeatReply, Capacity, Error, ErrorKind, LeaseReply, MAX_LANES, ResourceRequirement, TemplateSet, Times,
    schedule::ROOM,
    worker::step::{Heard, Steps},
};

fn unavailable() -> Error {
    Error::new(ErrorKind::Unavailable, "gone")
}

#[test]
fn an_ask_names_what_could_start_and_what_would_fit() {
    let mut play = Play::new();
    let ask = play.join();
    assert_eq!((ask.call, ask.room), (1, ROOM));
    let all = ["big@1.0:standard", "big@1.0:standard!", "small@1.0:standard", "small@1.0:standard!"];
    assert_eq!(names(&ask), (all.to_vec(), vec![]));
    assert_eq!(
        ask.lanes.iter().map(|asked| asked.cost).collect::<Vec<_>>(),
        [ROOM, ROOM, ROOM / 4, ROOM / 4]
    );
    let lease = play.lease("big@1.0:standard");
    let ask = play.give(vec![lease]).asks();
    assert_eq!((ask.call, names(&ask)), (2, (all[2..].to_vec(), all[..2].to_vec())));
}

#[test]
fn a_full_worker_keeps_a_call_open_that_names_no_lane() {
    let mut play = Play::new();
    play.join();
    let leases =
        ["big", "small", "small", "small", "small"].map(|name| play.lease(&format!("{name}@1.0:standard")));
    let said = play.give(leases.into());
    assert_eq!(said.starts().len(), 5);
    let ask = said.asks();
    assert_eq!((ask.room, ask.lanes.len(), ask.would_fit.len()), (0, 0, 4));
}

#[test]
fn the_open_call_is_replaced_only_when_it_lacks_a_lane_that_could_start() {
    let mut play = Play::new();
    play.join();
    let (small, big) = (play.lease("small@1.0:standard"), play.lease("big@1.0:standard"));
    let said = play.give(vec![small, big]);
    let seats: Vec<_> = said.starts().iter().map(|start| start.seat).collect();
    let said = play.hear([ended(seats[0], Ok(ok()))]);
    assert!(said.ask().is_none(), "the call names `small` already");
    let ask = play.hear([ended(seats[1], Ok(ok()))]).asks();
    assert_eq!((ask.call, ask.lanes.len()), (3, 4));
    // the call that was dropped has ended too
    assert_eq!(play.steps.asks.ended(), 2);
}

#[test]
fn on_stop_the_open_call_is_replaced_by_one_that_names_nothing() {
    let mut play = Play::new();
    play.join();
    play.start("small@1.0:standard");
    let ask = play.hear([Heard::Stop]).asks();
    assert_eq!((ask.lanes.len(), ask.would_fit.len()), (0, 0));
    assert!(play.hear([Heard::Stop]).ask().is_none(), "once");
}

#[test]
fn after_an_ask_without_a_reply_the_worker_beats_before_it_asks_again() {
    let mut play = Play::new();
    play.join();
    let said = play.hear([Heard::Leased { call: 1, reply: Err(unavailable()) }]);
    assert!(said.ask().is_none());
    assert_eq!(said.beat().unwrap().ended, 1);
    assert!(play.after(1000, [Heard::Timer]).ask().is_none(), "the beat has no answer yet");
    assert!(play.hear([Heard::Beaten(Err(unavailable()))]).ask().is_none());
    let said = play.after(1000, [Heard::Timer]);
    assert!(said.beat().is_some() && said.ask().is_none());
    assert_eq!(play.hear([Heard::Beaten(Ok(BeatReply::new(vec![], 0)))]).asks().call, 2);
}

#[test]
fn a_beat_under_way_when_an_ask_fails_does_not_count() {
    let mut play = Play::new();
    play.join();
    let said = play.after(3000, [Heard::Timer]);
    assert_eq!(said.beat().unwrap().ended, 0);
    play.hear([Heard::Leased { call: 1, reply: Err(unavailable()) }]);
    let said = play.after(1000, [Heard::Beaten(Ok(BeatReply::new(vec![], 0)))]);
    assert_eq!((said.ask(), said.beat().unwrap().ended), (None, 1));
    assert!(play.hear([Heard::Beaten(Ok(BeatReply::new(vec![], 0)))]).ask().is_some());
}

#[test]
fn an_empty_early_reply_makes_the_worker_beat_at_once_and_then_ask() {
    let mut play = Play::new();
    play.join();
    play.start("small@1.0:standard");
    play.now += millis(500);
    let said = play.give(vec![]);
    assert!(said.beat().is_some() && said.ask().is_none());
    let said = play.hear([Heard::Beaten(Ok(BeatReply::new(vec![crate::Renewal::CancelRequested], 0)))]);
    assert_eq!((said.cancels().len(), said.asks().call), (1, 3));
}

#[test]
fn a_store_that_answers_nothing_at_once_for_ever_is_not_asked_in_a_circle() {
    let mut play = Play::new();
    play.join();
    let mut asks = 0;
    while play.give(vec![]).ask().is_none()
        && play.hear([Heard::Beaten(Ok(BeatReply::new(vec![], 0)))]).ask().is_some()
    {
        asks += 1;
        assert!(asks < 10, "it asks in a circle");
    }
    assert!(asks > 0);
    assert!(play.after(100, [Heard::Timer]).ask().is_some(), "one per flush time");
}

#[test]
fn a_call_that_never_comes_back_is_given_up() {
    let mut play = Play::new();
    let ask = play.join();
    let wait = ask.wait + Times::default().lease;
    play.now += wait - millis(1);
    assert!(play.hear([Heard::Timer, Heard::Beaten(Ok(BeatReply::new(vec![], 0)))]).ask().is_none());
    play.after(1, [Heard::Timer]);
    let said = play.hear([Heard::Beaten(Ok(BeatReply::new(vec![], 0)))]);
    assert_eq!(said.beat().map(|beat| beat.ended), Some(1), "told first");
    let said = play.after(1000, [Heard::Beaten(Ok(BeatReply::new(vec![], 0)))]);
    assert_eq!(said.asks().call, 2);
    // and if its answer came after all, nothing in it would be lost
    let lease = play.lease("small@1.0:standard");
    let said = play.hear([Heard::Leased { call: 1, reply: Ok(LeaseReply::new(vec![lease])) }]);
    assert_eq!((said.starts().len(), said.ask().is_some()), (1, false));
}

#[test]
fn while_it_drains_for_a_lane_it_asks_for_nothing_else() {
    let mut play = Play::new();
    play.join();
    let small = play.start("small@1.0:standard");
    let big = play.start("big@1.0:standard");
    let mut reply = LeaseReply::new(vec![]);
    reply.drain_for = Some(lane("big@1.0:standard"));
    let said = play.hear([Heard::Leased { call: 3, reply: Ok(reply.clone()) }]);
    assert_eq!(said.beat().unwrap().drains_for, reply.drain_for);
    let ask = play.hear([Heard::Beaten(Ok(BeatReply::new(vec![], 0)))]).asks();
    assert_eq!((ask.room, names(&ask)), (0, (vec![], vec!["big@1.0:standard"])));
    assert!(
        play.hear([ended(small, Ok(ok())), finished(0)]).ask().is_none(),
        "that is not what it drains for"
    );
    let ask = play.hear([ended(big, Ok(ok()))]).asks();
    assert_eq!(names(&ask), (vec!["big@1.0:standard"], vec![]));
    let lease = play.lease("big@1.0:standard");
    let ask = play.give(vec![lease]).asks();
    assert_eq!(names(&ask).0, ["small@1.0:standard", "small@1.0:standard!"]);
}

#[test]
fn a_worker_that_holds_a_suspect_asks_for_no_twin() {
    let mut play = Play::new();
    play.join();
    let mut suspect = play.lease("small@1.0:standard");
    suspect.suspect = true;
    let said = play.give(vec![suspect]);
    let seat = said.starts()[0].seat;
    let ask = said.asks();
    assert_eq!(names(&ask), (vec!["big@1.0:standard", "small@1.0:standard"], vec![]));
    play.hear([ended(seat, Ok(ok()))]);
    let ask = play.hear([finished(1)]).asks();
    assert_eq!(ask.lanes.len(), 4, "gone for good, it asks for twins again");
}

#[test]
fn loaded_models_are_told() {
    let model = needs().slots(1).shared(needs().memory_mib(10));
    let steps = Steps::new(
        info(Capacity::new().memory_mib(100), vec![template("model", "1.0.0", model.clone())]),
        Times::default(),
    );
    let mut play = Play::of(steps);
    assert!(!play.join().lanes[0].warm);
    let seat = play.start_with("model@1.0:standard", |envelope| envelope.requires = model);
    play.hear([ended(seat, Ok(ok()))]);
    let said = play.give(vec![]);
    assert!(said.ask().is_none());
    let ask = play.hear([Heard::Beaten(Ok(BeatReply::new(vec![], 0)))]).asks();
    assert!(ask.lanes.iter().all(|asked| asked.warm));
}

#[test]
fn what_never_fits_is_not_asked_for() {
    let steps =
        Steps::new(info(Capacity::new(), vec![template("gpu", "1.0.0", needs().gpus(1))]), Times::default());
    let ask = Play::of(steps).join();
    assert_eq!((ask.room, ask.lanes.len(), ask.would_fit.len()), (0, 0, 0));
}

fn older(count: u32, requires: &ResourceRequirement) -> TemplateSet {
    let of = |minor| template("f", &format!("1.{minor}.0"), requires.clone());
    TemplateSet::of_templates((0..count).map(of).collect(), None)
}

#[test]
fn older_minors_of_the_same_major_are_served_too() {
    let mut play = Play::of(Steps::new(
        info(Capacity::new(), vec![template("f", "1.2.0", needs().slots(1))]),
        Times::default(),
    ));
    let ask = play.join();
    assert_eq!(names(&ask).0, ["f@1.2:standard", "f@1.2:standard!"]);
    let mut set = older(4, &needs().slots(2));
    set.templates.extend([template("f", "0.9.0", needs()), template("g", "1.0.0", needs())]);
    play.hear([Heard::Beaten(Ok(BeatReply::new(vec![], set.revision)))]);
    let ask = play.hear([Heard::Templates(Ok(Some(set)))]).asks();
    let lanes = [
        "f@1.2:standard",
        "f@1.2:standard!",
        "f@1.0:standard",
        "f@1.0:standard!",
        "f@1.1:standard",
        "f@1.1:standard!",
    ];
    assert_eq!(names(&ask).0, lanes, "neither newer minors, nor other majors, nor what it does not serve");
    assert_eq!((ask.lanes[0].cost, ask.lanes[2].cost), (ROOM.div_ceil(64), ROOM.div_ceil(32)));
    let said = play.give(vec![]);
    assert!(said.ask().is_none());
    let start = &play.start_of_older();
    assert_eq!(start.0, 0, "by the body of its own minor");
}

impl Play {
    fn start_of_older(&mut self) -> (usize, usize) {
        self.hear([Heard::Beaten(Ok(BeatReply::new(vec![], 0)))]);
        let lease = self.lease("f@1.0:standard");
        let said = self.give(vec![lease]);
        (said.starts()[0].function, said.starts()[0].lane)
    }
}

#[test]
fn older_minors_take_the_places_left_in_rotation() {
    let own: Vec<_> =
        (0..MAX_LANES - 1).map(|n| template(&format!("own{n}"), "1.0.0", needs().slots(1))).collect();
    let own: Vec<_> = own.into_iter().chain([template("f", "1.9.0", needs().slots(1))]).skip(2).collect();
    let mut play = Play::of(Steps::new(info(Capacity::new(), own), Times::default()));
    play.join();
    let said = play.hear([Heard::Templates(Ok(Some(older(3, &needs().slots(1)))))]);
    let older_of = |ask: &crate::LeaseRequest| {
        assert_eq!(ask.lanes.len(), 2 * MAX_LANES);
        let minors = ask.lanes.iter().filter(|asked| asked.lane.function() == "f" && !asked.lane.is_twin());
        minors.map(|asked| asked.lane.minor()).filter(|&minor| minor < 9).collect::<Vec<_>>()
    };
    let mut seen = vec![older_of(&said.asks())];
    for _ in 0..3 {
        play.now += millis(20_000);
        play.give(vec![]);
        seen.push(older_of(&play.hear([Heard::Beaten(Ok(BeatReply::new(vec![], 0)))]).asks()));
    }
    assert_eq!(seen, [vec![0, 1], vec![2, 0], vec![1, 2], vec![0, 1]]);
}
