//! Processes that call: one that does everything that callers and operators do, and one that hammers.

use function_runner_backends::embedded::EmbeddedQueue;
use function_runner_core::{
    Capacity, Error, ErrorKind, Executor as _, Operate as _, Seen, Submitted, Task, TaskId, Worker, WorkerId,
    outcome,
};
use function_runner_testkit::history::Recorded;
use futures::{StreamExt as _, stream};

use crate::{
    child::say,
    dice::Dice,
    functions::{QUICK, lane, quick_task, random, registry},
    roles::{Lines, id, nap},
    setup::{self, Setup},
    strict::Strict,
};

/// Everything that callers and operators do, in an order that the seed draws, until the parent says that it is enough.
struct Caller {
    setup: Setup,
    store: Recorded<EmbeddedQueue>,
    dice: Dice,
    tasks: Vec<Task>,
    made: u64,
}

pub(crate) async fn call(setup: Setup, mut lines: Lines) {
    let store = setup.history().record(setup.store.open().await);
    let dice = setup.dice();
    let mut caller = Caller { setup, store, dice, tasks: Vec::new(), made: 0 };
    say("ready");
    while lines.try_recv().is_err() {
        caller.step().await;
        nap(caller.dice.below(4)).await;
    }
    say(format_args!("sent {}", caller.made));
    std::process::exit(0);
}

impl Caller {
    async fn step(&mut self) {
        match self.dice.below(32) {
            0 => fine(self.store.pause(&lane(&QUICK)).await, &[]),
            1..4 => fine(self.store.resume(&lane(&QUICK)).await, &[]),
            4..7 => self.again().await,
            7..9 => self.each(Deed::Requeue).await,
            9..13 => self.each(Deed::Cancel).await,
            13..16 => self.each(Deed::Record).await,
            16..19 => self.look_on().await,
            _ => self.submit().await,
        }
    }

    async fn submit(&mut self) {
        let count = if self.dice.one_in(3) { 1 + self.dice.below(8) } else { 1 };
        let mut batch = Vec::new();
        for _ in 0..count {
            self.made += 1;
            batch.push(random(&id(&self.setup, self.made), &mut self.dice));
        }
        let answers = self.store.submit(batch.clone()).await;
        let answers = answers.unwrap_or_else(|error| panic!("submit: {error}"));
        assert!(answers.iter().all(|answer| *answer == Submitted::New), "{answers:?}");
        self.tasks.extend(batch);
    }

    /// Sends what was sent before, now and then with other content.
    async fn again(&mut self) {
        let Some(mut task) = self.dice.of(&self.tasks).cloned() else { return };
        let other = self.dice.one_in(3);
        if other {
            task.labels.insert("other".to_owned(), "content".to_owned());
        }
        match self.store.submit(vec![task]).await {
            Ok(answers) => assert!(!other && answers == [Submitted::AlreadyKnown], "{answers:?}"),
            Err(error) => assert!(other && error.kind() == ErrorKind::Conflict, "{error}"),
        }
    }

    async fn each(&mut self, deed: Deed) {
        let Some(id) = self.any() else { return };
        match deed {
            Deed::Cancel => fine(self.store.cancel(&id).await, &[]),
            Deed::Requeue => fine(self.store.requeue(&id).await, &[ErrorKind::NotDead]),
            Deed::Record => fine(self.store.record(&id).await.map(drop), &[]),
        }
    }

    /// Somebody reads on for a while, or to the end.
    async fn look_on(&mut self) {
        let Some(id) = self.any() else { return };
        let items = 1 + self.dice.below(20) as usize;
        let watch =
            self.store.watch(&id, Seen::default()).await.unwrap_or_else(|error| panic!("watch: {error}"));
        tokio::spawn(watch.take(items).for_each(|_| async {}));
    }

    fn any(&mut self) -> Option<TaskId> {
        self.dice.of(&self.tasks).map(|task| task.id.clone())
    }
}

enum Deed {
    Cancel,
    Requeue,
    Record,
}

/// Nothing went wrong but what may: on a machine whose processes are killed, the store is always there.
fn fine(answer: Result<(), Error>, may_be: &[ErrorKind]) {
    if let Err(error) = answer {
        assert!(may_be.contains(&error.kind()), "{error}");
    }
}

/// How many tasks a hammer sends.
pub(crate) const COUNT: &str = "FIRE_COUNT";

/// Submits as fast as it can from many callers, serves with a worker of its own, and waits for the end of its tasks: no
/// call may fail for any reason.
pub(crate) async fn hammer(setup: Setup, mut lines: Lines) {
    let store = setup.store.open().await;
    let history = setup.history();
    let noted = history.record(store);
    let worker_id = WorkerId::unique();
    let worker = Worker::new(Strict(noted.clone()), history.bodies(&worker_id, registry()))
        .capacity(Capacity::new().slots(8))
        .id(worker_id)
        .drain_limit(setup::drain_limit());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let run = tokio::spawn(worker.run_until(stopped));
    say("ready");
    lines.recv().await.unwrap();
    let ids: Vec<TaskId> = (0..setup::number(COUNT)).map(|number| id(&setup, number)).collect();
    let began = std::time::Instant::now();
    let one = |id: &TaskId| {
        let (noted, id) = (noted.clone(), id.clone());
        async move {
            let stored = noted.submit(vec![quick_task(&id)]).await;
            assert_eq!(stored.unwrap_or_else(|error| panic!("submit: {error}")), [Submitted::New]);
            outcome(&noted, &id).await.unwrap_or_else(|error| panic!("outcome: {error}"));
        }
    };
    stream::iter(&ids).map(one).buffer_unordered(32).for_each(|()| async {}).await;
    say(format_args!("done {} tasks in {:?}", ids.len(), began.elapsed()));
    // others may still need this worker
    lines.recv().await.unwrap();
    let _ = stop.send(());
    run.await.unwrap().unwrap();
    std::process::exit(0);
}
