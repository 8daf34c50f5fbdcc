//! Core's own workers by the machine's clock, under load, crashes and outages.

use std::{collections::BTreeSet, fs, path::PathBuf, sync::Arc, time::Duration};

use function_runner_backends::memory::MemoryQueue;
use function_runner_core::{
    Capacity, Executor as _, Inspect as _, Operate as _, Result, Seen, State, Submitted, Task, TaskFilter,
    TaskId, Times, Worker, WorkerId,
};
use function_runner_testkit::{
    history::{History, Invariant, Recorded, Rules, Summary},
    seeds,
};
use futures::StreamExt as _;
use tokio::{
    runtime::Runtime,
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    dice::Dice,
    link::{Link, Way},
    work::{Work, registry},
};

/// Thirty times as fast as the contract says: a lease lasts 300 ms.
fn times() -> Times {
    Times::default().scaled(30)
}

struct Member {
    /// What keeps it from the history too: who is dead says nothing more.
    gate: Link,
    link: Link,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<()>>,
}

/// A store with its callers and workers, each of which may note into a history of its own.
struct Fleet<'a> {
    store: MemoryQueue,
    log: &'a dyn Fn() -> History,
    link: Link,
    caller: Recorded<Link>,
    operator: Recorded<MemoryQueue>,
    members: Vec<Member>,
    dice: Dice,
    work: Work,
    tasks: Vec<Task>,
    /// Those of which no answer has said what became of them.
    open: BTreeSet<TaskId>,
    kept: BTreeSet<TaskId>,
}

impl<'a> Fleet<'a> {
    fn new(seed: u64, log: &'a dyn Fn() -> History) -> Self {
        let store = MemoryQueue::builder().times(times()).build();
        let link = Link::new(Arc::new(store.clone()));
        let history = log();
        let (caller, operator) = (history.record(link.clone()), history.record(store.clone()));
        let mut fleet = Self {
            store,
            log,
            link,
            caller,
            operator,
            members: Vec::new(),
            dice: Dice::new(seed),
            work: Work::new(),
            tasks: Vec::new(),
            open: BTreeSet::new(),
            kept: BTreeSet::new(),
        };
        (0..3).for_each(|_| fleet.start());
        fleet
    }

    fn start(&mut self) {
        let (id, link) = (WorkerId::unique(), Link::new(Arc::new(self.store.clone())));
        let history = (self.log)();
        let gate = Link::new(Arc::new(history.record(link.clone())));
        let worker = Worker::new(gate.clone(), history.bodies(&id, registry()))
            .capacity(Capacity::new().slots(4))
            .id(id)
            .seed(self.dice.next())
            .drain_limit(times().beat());
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(worker.run_until(stopped));
        self.members.push(Member { gate, link, stop, ended });
    }

    async fn run(mut self, steps: u64) {
        for step in 0..steps {
            self.step(step).await;
            sleep(Duration::from_millis(self.dice.below(4))).await;
        }
        self.settle().await;
    }

    async fn step(&mut self, step: u64) {
        match self.dice.below(40) {
            0 => self.crash(),
            1 => self.outage().await,
            2 => _ = self.operator.pause(&self.work.light_lane()).await,
            3 | 4 => _ = self.operator.resume(&self.work.light_lane()).await,
            5..8 => self.again().await,
            8..11 => {
                if let Some(id) = self.any() {
                    let _ = self.operator.requeue(&id).await;
                }
            }
            11..16 => {
                if let Some(id) = self.any() {
                    let _ = self.caller.cancel(&id).await;
                }
            }
            16..19 => {
                if let Some(id) = self.any() {
                    let _ = self.caller.record(&id).await;
                }
            }
            19..23 => self.look_on().await,
            _ => self.submit(step).await,
        }
    }

    fn any(&mut self) -> Option<TaskId> {
        self.dice.of(&self.tasks).map(|task| task.id.clone())
    }

    /// A worker is gone from one moment to the next; another takes its place.
    fn crash(&mut self) {
        let place = self.dice.below(self.members.len() as u64) as usize;
        let member = self.members.swap_remove(place);
        member.gate.set(Way::Dead);
        member.ended.abort();
        self.start();
    }

    async fn outage(&mut self) {
        let way = if self.dice.one_in(2) { Way::Down } else { Way::Deaf };
        self.members.iter().for_each(|member| member.link.set(way));
        sleep(Duration::from_millis(self.dice.below(400))).await;
        self.members.iter().for_each(|member| member.link.set(Way::Open));
    }

    async fn submit(&mut self, step: u64) {
        let count = if self.dice.one_in(3) { 1 + self.dice.below(8) } else { 1 };
        let name = |index| TaskId::new(format!("t{step}-{index}")).unwrap();
        let batch: Vec<Task> =
            (0..count).map(|index| self.work.random(name(index), &mut self.dice, true)).collect();
        self.tasks.extend(batch.iter().cloned());
        self.open.extend(batch.iter().map(|task| task.id.clone()));
        if self.dice.one_in(6) {
            self.link.set(if self.dice.one_in(2) { Way::Down } else { Way::Deaf });
        }
        self.send(batch).await;
        self.link.set(Way::Open);
    }

    async fn send(&mut self, batch: Vec<Task>) {
        let ids: Vec<TaskId> = batch.iter().map(|task| task.id.clone()).collect();
        let Ok(answers) = self.caller.submit(batch).await else { return };
        for (id, answer) in ids.into_iter().zip(answers) {
            self.open.remove(&id);
            if !matches!(answer, Submitted::Duplicate(_)) {
                self.kept.insert(id);
            }
        }
    }

    /// Sends what was sent before, now and then with other content.
    async fn again(&mut self) {
        let Some(task) = self.dice.of(&self.tasks).cloned() else { return };
        if self.kept.contains(&task.id) && self.dice.one_in(3) {
            let mut other = task;
            other.labels.insert("other".to_owned(), "content".to_owned());
            assert!(self.caller.submit(vec![other]).await.is_err(), "other content is a conflict");
        } else {
            self.send(vec![task]).await;
        }
    }

    /// Somebody reads on for a while, or to the end.
    async fn look_on(&mut self) {
        let Some(id) = self.any() else { return };
        let (items, caller) = (1 + self.dice.below(20) as usize, self.caller.clone());
        if let Ok(stream) = caller.watch(&id, Seen::default()).await {
            tokio::spawn(stream.take(items).for_each(|_| async {}));
        }
    }

    /// Everything goes on until nothing is left, and everybody stops.
    async fn settle(mut self) {
        self.operator.resume(&self.work.light_lane()).await.unwrap();
        for id in std::mem::take(&mut self.open) {
            let task = self.tasks.iter().find(|task| task.id == id).cloned().expect("it was sent before");
            self.send(vec![task]).await;
        }
        let kept = std::mem::take(&mut self.kept);
        self.reach_the_end(kept).await;
        // and what they queued by their end
        loop {
            let unfinished = self.unfinished().await;
            if unfinished.is_empty() {
                break;
            }
            self.reach_the_end(unfinished).await;
        }
        let lanes = self.operator.lanes().await.unwrap();
        assert!(lanes.iter().all(|lane| lane.queued + lane.running + lane.delayed == 0), "{lanes:?}");
        for member in self.members {
            let _ = member.stop.send(());
            member.ended.await.unwrap().unwrap();
        }
    }

    async fn reach_the_end(&self, ids: BTreeSet<TaskId>) {
        for id in ids {
            let mut watch = self.caller.watch(&id, Seen::default()).await.unwrap();
            while watch.next().await.is_some() {}
        }
    }

    /// Some of what has not ended: all of it, unless that is more than a page.
    async fn unfinished(&self) -> BTreeSet<TaskId> {
        let mut ids = BTreeSet::new();
        for state in [State::Queued, State::Running] {
            let mut filter = TaskFilter::default();
            filter.state = Some(state);
            let page = self.store.tasks(filter).await.unwrap();
            ids.extend(page.items.into_iter().map(|record| record.task.id.clone()));
        }
        ids
    }
}

fn run(seed: u64, steps: u64, log: &dyn Fn() -> History) {
    let runtime = Runtime::new().unwrap();
    let run = async { timeout(Duration::from_secs(60), Fleet::new(seed, log).run(steps)).await };
    runtime.block_on(run).expect("the run settles");
    runtime.shutdown_background();
}

fn rules() -> Rules {
    Rules::new(times())
        .slack(Duration::from_millis(10))
        .drained()
        .recovers_within(Duration::from_secs(10))
        .starts_within(Duration::from_secs(40))
}

fn judge(seed: u64, steps: u64) -> Summary {
    let history = History::new();
    run(seed, steps, &|| history.clone());
    let summary = history.check(&rules()).unwrap();
    println!("seed {seed}: {summary}");
    assert!(summary.leases > 20 && summary.bodies > 20 && summary.events > 20, "{summary}");
    for invariant in [Invariant::FencesRise, Invariant::BodiesFitTheWorker, Invariant::NoStateChangeIsMissing]
    {
        assert!(summary.checked(invariant) > 0, "{summary}");
    }
    summary
}

#[test]
fn workers_keep_every_promise_under_load_crashes_and_outages() {
    let mut dead = 0;
    seeds(0..4, |seed| dead += judge(seed, 250).checked(Invariant::DeadWorkerIsNoticed));
    assert!(dead > 0, "nobody died with anything in hand");
}

#[test]
#[ignore = "long form: ./dev proof"]
fn workers_keep_every_promise_for_long() {
    seeds(1000..1012, |seed| _ = judge(seed, 1500));
}

/// A folder of logs that goes when the test ends.
struct Logs(PathBuf);

impl Drop for Logs {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Every worker and the callers write files of their own, as so many processes would.
#[test]
fn the_logs_of_many_tell_one_history() {
    seeds(0..2, |seed| {
        let logs = Logs(std::env::temp_dir().join(format!("histories-{}-{seed}", std::process::id())));
        fs::create_dir_all(&logs.0).unwrap();
        let count = std::cell::Cell::new(0);
        let log = || {
            count.set(count.get() + 1);
            History::to_file(logs.0.join(format!("{}.jsonl", count.get()))).unwrap()
        };
        run(seed, 200, &log);
        let files: Vec<PathBuf> = (1..=count.get()).map(|at| logs.0.join(format!("{at}.jsonl"))).collect();
        assert!(files.len() > 3, "the callers and three workers at least");
        let summary = History::read(&files).unwrap().check(&rules()).unwrap();
        assert!(summary.leases > 20 && summary.checked(Invariant::LeasesNeverOverlap) > 0, "{summary}");
    });
}
