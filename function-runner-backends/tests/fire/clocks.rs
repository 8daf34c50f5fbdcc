//! A wall clock that is set while processes run, and a machine that sleeps: which the processes see as a wall clock that
//! jumps while the steady one goes on from where it was.

use std::{fs, time::Duration};

use function_runner_core::{Executor as _, State, Task, TaskId, When};
use serde_json::json;

use crate::{
    child::{Child, wait_for},
    functions::{LONG, quick_task, task, traced},
    pauses::drains,
    shim::{CONTROL, Control, shimmed},
    stage::Stage,
};

const HOUR: i64 = 3600;

fn id(name: &str) -> TaskId {
    TaskId::new(name).unwrap()
}

/// A task that may start after so long.
fn delayed(name: &str, delay: Duration) -> Task {
    let mut task = quick_task(&id(name));
    task.delay = Some(When::In(delay));
    task
}

/// Two workers with a wall clock of their own, and one long task that runs all the time.
struct Shop {
    stage: Stage,
    control: Control,
    workers: Vec<Child>,
}

impl Shop {
    fn new(seed: u64) -> Self {
        let mut stage = Stage::new(seed, 10);
        let control = Control::create(&stage.path("control"));
        let store = stage.enter();
        let plan = json!({ "gate": stage.path("gate"), "trace": stage.path("trace") });
        stage.runtime.block_on(store.submit(vec![task(&LONG, &id("long"), &plan)])).unwrap();
        let nowhere = stage.path("nowhere");
        let workers = (0..2).map(|_| {
            let start = stage.cast("worker").with(CONTROL, stage.path("control"));
            let mut worker = shimmed(start, &nowhere).go();
            worker.is_ready();
            worker
        });
        let workers: Vec<Child> = workers.collect();
        let trace = stage.path("trace");
        wait_for("the long task to run", || {
            workers.iter().any(|worker| traced(&trace, worker.id()).len() > 1).then_some(())
        });
        Self { stage, control, workers }
    }

    /// So many leases go by: the long task goes on for that long, though whole leases end meanwhile.
    fn leases_go_by(&self, count: u32) {
        let trace = self.stage.path("trace");
        let steps = || self.workers.iter().map(|worker| traced(&trace, worker.id()).len()).sum::<usize>();
        // a step takes 5 ms at the least
        let goal = steps() + (self.stage.store.times().lease * count).as_millis() as usize / 10;
        wait_for("the long task to go on", || (steps() >= goal).then_some(()));
    }

    /// The long task ends, and was one attempt of one worker that nobody called crashed.
    fn closes(mut self) {
        let store = self.stage.enter();
        fs::write(self.stage.path("gate"), "open").unwrap();
        let ended = self.stage.end(&store, &id("long"));
        assert_eq!((ended.state, ended.attempt, ended.crashes), (State::Succeeded, 1, 0));
        let trace = fs::read_to_string(self.stage.path("trace")).unwrap();
        assert_eq!(trace.lines().filter(|line| line.contains(" from ")).count(), 1, "it ran once");
        self.stage.settle();
        self.workers.iter_mut().for_each(drains);
        self.stage.judge();
    }
}

/// evidence (c) row 30: a wall clock that is set an hour ahead, and back again, moves no lease; what is due comes when it
/// is, however the clock is set, and what is not does not.
#[test]
fn a_wall_clock_that_is_set_moves_no_lease_and_loses_nothing_due() {
    let mut shop = Shop::new(31);
    let store = shop.stage.enter();
    let runtime = shop.stage.runtime.handle().clone();
    let submit = |task: Task| runtime.block_on(store.submit(vec![task])).unwrap();
    submit(delayed("within-the-hour", Duration::from_secs(1800)));
    submit(delayed("behind-the-hour", Duration::from_secs(4 * 3600)));
    shop.control.set_clock(HOUR);
    shop.leases_go_by(2);
    let ended = shop.stage.end(&store, &id("within-the-hour"));
    assert_eq!(ended.state, State::Succeeded, "the clock says that it is due");

    shop.control.set_clock(0);
    shop.leases_go_by(2);
    submit(delayed("after-all", Duration::from_millis(300)));
    let ended = shop.stage.end(&store, &id("after-all"));
    assert_eq!(ended.state, State::Succeeded, "it does not wait for the clock to be again where it was");
    let waited = ended.started_at.unwrap().since(ended.created_at);
    assert!(waited >= Duration::from_millis(300), "by the store's own clock it is not early: {waited:?}");

    shop.control.set_clock(-HOUR);
    shop.leases_go_by(2);
    submit(delayed("an-hour-behind", Duration::from_millis(300)));
    assert_eq!(shop.stage.end(&store, &id("an-hour-behind")).state, State::Succeeded);

    let far = runtime.block_on(store.record(&id("behind-the-hour"))).unwrap();
    assert_eq!((far.state, far.attempt), (State::Queued, 0), "nothing is early");
    runtime.block_on(store.cancel(&id("behind-the-hour"))).unwrap();
    shop.control.set_clock(0);
    shop.closes();
}

/// evidence (c) row 30: a machine that sleeps for a minute has lost no worker when it wakes, and does then what was due.
#[test]
fn a_machine_that_slept_calls_nothing_a_crash() {
    let mut shop = Shop::new(32);
    let store = shop.stage.enter();
    let runtime = shop.stage.runtime.handle().clone();
    runtime.block_on(store.submit(vec![delayed("due-in-the-sleep", Duration::from_secs(30))])).unwrap();
    let mut dead = delayed("dead-in-the-sleep", Duration::from_secs(120));
    dead.deadline = Some(When::In(Duration::from_secs(40)));
    runtime.block_on(store.submit(vec![dead])).unwrap();
    shop.control.set_clock(60);
    shop.leases_go_by(2);
    assert_eq!(shop.stage.end(&store, &id("due-in-the-sleep")).state, State::Succeeded);
    let dead = shop.stage.end(&store, &id("dead-in-the-sleep"));
    assert_eq!(dead.failure.and_then(|failure| failure.code), Some("deadline".to_owned()));
    shop.closes();
}
