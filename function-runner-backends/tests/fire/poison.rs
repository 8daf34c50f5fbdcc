//! Tasks that kill their worker, fail for ever, hang or cannot be read, among innocent ones.

use function_runner_core::{Executor as _, Inspect as _, State, TaskFilter, TaskId, TaskRecord};
use rustix::process::Signal;
use serde_json::json;

use crate::{
    child::{Child, wait_for},
    functions::{POISON, QUICK, quick_task, task},
    pauses::drains,
    stage::Stage,
};

/// Workers that are started again whenever they die.
struct Nursery(Vec<Child>);

impl Nursery {
    fn new(stage: &mut Stage, count: usize) -> Self {
        Self((0..count).map(|_| stage.start("worker")).collect())
    }

    /// Starts those again that are dead; how many that was.
    fn tend(&mut self, stage: &mut Stage) -> usize {
        let mut dead = 0;
        for worker in &mut self.0 {
            if worker.ended().is_some() {
                *worker = stage.start("worker");
                dead += 1;
            }
        }
        dead
    }
}

/// evidence (c) row 11: a poison that kills its worker takes nobody with it: it alone is a dead letter.
#[test]
fn only_the_poison_is_a_dead_letter() {
    let mut stage = Stage::new(11, 10);
    let store = stage.enter();
    let id = |name: &str| TaskId::new(name).unwrap();
    let mut poison = quick_task(&id("poison"));
    poison.labels.insert(POISON.to_owned(), "yes".to_owned());
    let innocents: Vec<TaskId> = (0..60).map(|number| id(&format!("innocent-{number}"))).collect();
    let slow = |id: &TaskId| task(&QUICK, id, &json!({ "steps": 40 }));
    let mut tasks: Vec<_> = innocents.iter().map(slow).collect();
    tasks.insert(20, poison);
    stage.runtime.block_on(store.submit(tasks)).unwrap();

    let mut nursery = Nursery::new(&mut stage, 2);
    let mut killed = 0;
    let dead: TaskRecord = wait_for("the poison to be a dead letter", || {
        killed += nursery.tend(&mut stage);
        let record = stage.runtime.block_on(store.record(&id("poison"))).unwrap();
        Some(record).filter(|record| record.state.is_terminal())
    });
    assert_eq!((dead.state, dead.crashes), (State::Failed, 3));
    assert_eq!(dead.failure.and_then(|failure| failure.code), Some("crashed".to_owned()));
    killed += nursery.tend(&mut stage);
    for name in &innocents {
        let ended = stage.end(&store, name);
        assert_eq!(ended.state, State::Succeeded, "{name}");
        assert!(ended.crashes <= 2, "{name} suffered {} times", ended.crashes);
    }
    assert_eq!(killed, 3, "the poison ran three times");
    stage.settle();
    nursery.0.iter_mut().for_each(drains);
    stage.judge();
}

/// evidence (c) row 21: a task whose every attempt fails is a dead letter that lists each of them.
#[test]
fn a_task_past_its_attempts_is_a_dead_letter_with_all_of_them() {
    let mut stage = Stage::new(12, 10);
    let store = stage.enter();
    let id = TaskId::new("hopeless").unwrap();
    stage.runtime.block_on(store.submit(vec![task(&QUICK, &id, &json!({ "fails": 9 }))])).unwrap();
    let mut worker = stage.start("worker");
    let ended = stage.end(&store, &id);
    assert_eq!((ended.state, ended.attempt), (State::Failed, 3));
    let before: Vec<u32> = ended.attempts.iter().map(|attempt| attempt.attempt).collect();
    assert!(before == [1, 2] && ended.failure.is_some(), "two before it, and its own: {ended:?}");
    let mut dead = TaskFilter::default();
    dead.state = Some(State::Failed);
    let listed = stage.runtime.block_on(store.tasks(dead)).unwrap().items;
    assert!(listed.iter().any(|record| record.task.id == id), "it is listed");
    stage.settle();
    drains(&mut worker);
    stage.judge();
}

/// evidence (c) row 14: an attempt that hangs ends at its timeout, though its worker beats on, and frees its slot.
#[test]
fn a_body_that_hangs_is_ended_at_its_timeout() {
    let mut stage = Stage::new(13, 10);
    let store = stage.enter();
    let hung: Vec<TaskId> = (0..4).map(|number| TaskId::new(format!("hung-{number}")).unwrap()).collect();
    let free = TaskId::new("free").unwrap();
    let mut tasks: Vec<_> = hung.iter().map(|id| task(&QUICK, id, &json!({ "hangs": 1 }))).collect();
    tasks.push(quick_task(&free));
    stage.runtime.block_on(store.submit(tasks)).unwrap();
    // as many slots as there are tasks that hang
    let mut worker = stage.start("worker");
    assert_eq!(stage.end(&store, &free).state, State::Succeeded);
    for id in &hung {
        let ended = stage.end(&store, id);
        assert_eq!((ended.state, ended.attempt, ended.crashes), (State::Failed, 3, 0));
    }
    stage.settle();
    worker.signal(Signal::TERM);
    worker.hears("left");
    stage.judge();
}
