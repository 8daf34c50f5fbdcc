//! The embedded backend against the model: one connection, and two to one file.

use std::{
    collections::{HashMap, VecDeque},
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};

use async_trait::async_trait;
use function_runner_backends::embedded::{EmbeddedQueue, Sync};
use function_runner_core::{
    BeatReply, Capabilities, Connection, EventStream, Executor, Finish, Finished, Heartbeat, Inspect, Lane,
    LaneStatus, LeaseReply, LeaseRequest, Operate, Page, Queue, Result, Seen, Submitted, Task, TaskFilter,
    TaskId, TaskRecord, TemplateSet, Tenant, Times, Weight, WorkerId, WorkerInfo, WorkerStatus,
};
use function_runner_testkit::{
    ManualClock,
    model::{self, Case},
};

use super::{D, DEVIATIONS, Deviant, Deviation, SEEDS};

/// How many sequences the long form plays.
const LONG: u64 = 20_000;

/// A file for one sequence, in a folder of its test. The latest few are kept, as a sequence may still close one.
fn file(case: &Case) -> PathBuf {
    static LATEST: LazyLock<Mutex<HashMap<PathBuf, VecDeque<PathBuf>>>> = LazyLock::new(Mutex::default);
    let test = thread::current().name().unwrap_or("main").replace("::", "-");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("model").join(test);
    let mut latest = LATEST.lock().expect("nobody panics here");
    let latest = latest.entry(folder.clone()).or_insert_with(|| {
        // there is none the first time
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).expect("the folder of test files can be written");
        VecDeque::new()
    });
    let file = folder.join(format!("{}.db", case.namespace));
    latest.push_back(file.clone());
    if latest.len() > 8
        && let Some(old) = latest.pop_front()
    {
        for end in ["", "-wal", "-shm"] {
            let mut name = old.clone().into_os_string();
            name.push(end);
            // what is not there needs no removal
            drop(fs::remove_file(name));
        }
    }
    file
}

async fn open(file: &Path, times: Times, clock: ManualClock) -> EmbeddedQueue {
    let queue = EmbeddedQueue::at(file).times(times).clock(clock).sync(Sync::Normal).open().await;
    queue.expect("the file opens")
}

async fn one(case: Case) -> Connection {
    open(&file(&case), case.times, case.clock_of_thread()).await.connection()
}

/// Two connections to one file, each with a thread of its own; a call goes to either.
async fn two(case: Case) -> Connection {
    let (file, clock) = (file(&case), case.clock_of_threads());
    let first = open(&file, case.times, clock.clone()).await;
    let second = open(&file, case.times, clock).await;
    let pair = Pair { both: [first, second], turn: Arc::default(), latest: Arc::default() };
    Connection::queue(pair.clone()).with_inspect(pair.clone()).with_operate(pair)
}

#[test]
fn one_connection_keeps_them() {
    model::check(0..300, one);
}

/// Not of every run: on a machine with much else to do it once found a difference that did not come again.
#[test]
#[ignore = "long form: ./dev proof"]
fn two_connections_keep_them() {
    model::check(300..450, two);
}

/// Each was found by the long form, and was mended: a part whose reader had seen more of its turn.
#[test]
fn sequences_that_once_differed_are_kept() {
    model::check([0, 1_659], one);
}

/// What a queue may get wrong is found behind another thread too.
#[test]
fn the_model_finds_deviations_behind_a_thread() {
    finds(
        DEVIATIONS.into_iter().filter(|(deviation, _)| matches!(deviation, D::SleepsOn | D::StartedNotTold)),
    );
}

#[test]
#[ignore = "long form: ./dev proof"]
fn the_model_finds_each_deviation_behind_a_thread() {
    finds(DEVIATIONS);
}

fn finds(deviations: impl IntoIterator<Item = (Deviation, usize)>) {
    for (deviation, most) in deviations {
        let found = model::find(SEEDS, |case| deviant(case, deviation));
        let found = found.unwrap_or_else(|| panic!("nothing differs with {deviation:?}"));
        println!("{deviation:?}: {} operations, by seed {}", found.script.len(), found.seed);
        assert!(found.script.len() <= most, "{deviation:?} in more than {most} operations: {found}");
    }
}

async fn deviant(case: Case, how: Deviation) -> Connection {
    let times = Deviant::times(case.times, how);
    let inner = open(&file(&case), times, case.clock_of_thread()).await.connection();
    Deviant::over(inner, case.times, how)
}

#[test]
#[ignore = "long form: ./dev proof"]
fn one_connection_keeps_twenty_thousand() {
    model::check(1_000..1_000 + LONG, one);
}

#[test]
#[ignore = "long form: ./dev proof"]
fn two_connections_keep_twenty_thousand() {
    model::check(1_000..1_000 + LONG, two);
}

/// Two connections, of which either takes a call.
#[derive(Clone, Debug)]
struct Pair {
    both: [EmbeddedQueue; 2],
    turn: Arc<AtomicU64>,
    latest: Arc<AtomicUsize>,
}

impl Pair {
    /// Whose turn it is: the same in each play of a sequence, and in no order that follows the operations'.
    fn either(&self) -> &EmbeddedQueue {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let at = usize::from(turn.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60 & 1 == 1);
        self.latest.store(at, Ordering::Relaxed);
        &self.both[at]
    }
}

#[async_trait]
impl Executor for Pair {
    fn capabilities(&self) -> Capabilities {
        self.both[0].capabilities()
    }

    async fn templates(&self, known: u64) -> Result<Option<TemplateSet>> {
        self.either().templates(known).await
    }

    async fn submit(&self, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        self.either().submit(tasks).await
    }

    /// Goes through both, and once more through each, so that both have taken in what the other did.
    async fn record(&self, id: &TaskId) -> Result<TaskRecord> {
        // the one that was asked last may not have looked yet
        let latest = self.latest.load(Ordering::Relaxed);
        let (first, second) = (&self.both[latest], &self.both[1 - latest]);
        for queue in [first, second, first] {
            drop(queue.record(id).await);
        }
        second.record(id).await
    }

    async fn watch(&self, id: &TaskId, after: Seen) -> Result<EventStream> {
        self.either().watch(id, after).await
    }

    async fn cancel(&self, id: &TaskId) -> Result<()> {
        self.either().cancel(id).await
    }
}

#[async_trait]
impl Queue for Pair {
    async fn join(&self, worker: WorkerInfo) -> Result<()> {
        self.either().join(worker).await
    }

    async fn lease(&self, ask: LeaseRequest) -> Result<LeaseReply> {
        self.either().lease(ask).await
    }

    async fn renew(&self, beat: Heartbeat) -> Result<BeatReply> {
        self.either().renew(beat).await
    }

    async fn finish(&self, done: Vec<Finish>) -> Result<Vec<Finished>> {
        self.either().finish(done).await
    }
}

#[async_trait]
impl Inspect for Pair {
    async fn lanes(&self) -> Result<Vec<LaneStatus>> {
        self.either().lanes().await
    }

    async fn workers(&self) -> Result<Vec<WorkerStatus>> {
        self.either().workers().await
    }

    async fn tasks(&self, filter: TaskFilter) -> Result<Page<TaskRecord>> {
        self.either().tasks(filter).await
    }
}

#[async_trait]
impl Operate for Pair {
    async fn pause(&self, lane: &Lane) -> Result<()> {
        self.either().pause(lane).await
    }

    async fn resume(&self, lane: &Lane) -> Result<()> {
        self.either().resume(lane).await
    }

    async fn drain(&self, worker: &WorkerId) -> Result<()> {
        self.either().drain(worker).await
    }

    async fn requeue(&self, id: &TaskId) -> Result<()> {
        self.either().requeue(id).await
    }

    async fn purge(&self, id: &TaskId) -> Result<()> {
        self.either().purge(id).await
    }

    async fn set_weight(&self, tenant: &Tenant, weight: Weight) -> Result<()> {
        self.either().set_weight(tenant, weight).await
    }
}
