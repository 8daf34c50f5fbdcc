//! Several processes hammer one file: no call fails, none says "locked", nothing is lost or run twice.

use function_runner_core::State;
use function_runner_testkit::seeds;

use crate::{
    caller::COUNT,
    child::{Child, PATIENCE},
    settle,
    setup::DRAIN,
    stage::Stage,
};

fn hammer(seed: u64, processes: usize, count: u64) {
    let mut stage = Stage::new(seed, 1);
    // all at once, and the file is not there yet
    let start =
        |stage: &mut Stage| stage.cast("hammer").with(COUNT, count.to_string()).with(DRAIN, "30000").go();
    let mut hammers: Vec<Child> = (0..processes).map(|_| start(&mut stage)).collect();
    hammers.iter_mut().for_each(Child::is_ready);
    hammers.iter_mut().for_each(|hammer| hammer.tell("begin"));
    for hammer in &mut hammers {
        let done = hammer.hears_within(PATIENCE * 20, "done");
        println!("{} of {processes}: {done}", hammer.name);
    }
    hammers.iter_mut().for_each(|hammer| hammer.tell("enough"));
    hammers.into_iter().for_each(Child::ends_well);
    let store = stage.enter();
    let all = stage.runtime.block_on(settle::all(&store, Default::default()));
    assert_eq!(all.len() as u64, count * processes as u64);
    assert!(all.iter().all(|task| task.state == State::Succeeded && task.attempt == 1 && task.crashes == 0));
    stage.settle();
    let summary = stage.judge();
    assert_eq!(summary.bodies, all.len() as u64, "each ran once: {summary}");
}

/// evidence (c) rows 2 and 28: two and four processes write one file, and none ever hears "locked".
#[test]
fn two_processes_hammer_one_file() {
    seeds(0..1, |seed| hammer(seed, 2, 400));
}

/// evidence (c) rows 2 and 28: two and four processes write one file, and none ever hears "locked".
#[test]
fn four_processes_hammer_one_file() {
    seeds(0..1, |seed| hammer(seed, 4, 200));
}

#[test]
#[ignore = "long form: ./dev proof"]
fn four_processes_hammer_one_file_for_long() {
    // a minute or more each
    seeds(10..12, |seed| hammer(seed, 4, 10_000));
}
