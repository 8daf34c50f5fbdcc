//! The worker and the memory backend over a bad network: nothing accepted is lost, every task ends once, and whoever
//! watches sees it end.

#![cfg(feature = "memory")]
#![expect(clippy::unwrap_used, reason = "these are tests: what goes wrong ends them")]

use std::{
    collections::HashMap,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use function_runner_backends::memory::MemoryQueue;
use function_runner_core::{
    Capacity, Context, Data, ErrorKind, Event, EventKind, Executor, Failure, Function, Intake, Payload,
    Registry, Request, RetryPolicy, Seen, State, Submitted, Task, TaskEnded, TaskId, TaskRecord, Times,
    Worker, turn_of,
};
use function_runner_testkit::{
    conformance::Case,
    faults::{Answer, Call, Fault, Faults, Faulty},
    queue_conformance, seeds,
};
use futures::{StreamExt as _, future::join_all};
use tokio::sync::oneshot;

/// Gives three parts, a checkpoint at each, and the sum up to its input; every third fails once.
const SUM: Function<u64, u64> = Function::new("sum");
/// Ends when it is cancelled and not before.
const HANG: Function<(), ()> = Function::new("hang");
/// Follows the others.
const AFTER: Function<TaskEnded, String> = Function::new("after");

/// How often each body came to its end.
#[derive(Clone, Debug, Default)]
struct Ends(Arc<Mutex<HashMap<String, u32>>>);

async fn sum(ctx: Context, n: u64) -> Result<u64, Failure> {
    for step in 1..=3_u64 {
        ctx.check()?;
        ctx.part(&(n * step))?;
        ctx.checkpoint(step.to_string())?;
        ctx.progress(step as f32 / 3.0, "sums");
        tokio::task::yield_now().await;
    }
    if n.is_multiple_of(3) && ctx.attempt() == 1 {
        return Err(Failure::transient("every third fails once"));
    }
    Ok((1..=n).sum())
}

async fn hang(ctx: Context, (): ()) -> Result<(), Failure> {
    ctx.cancelled().await;
    Err(Failure::cancelled())
}

fn functions(ends: &Ends) -> Registry {
    let ends = ends.clone();
    let retry = RetryPolicy::exponential(3).first_delay(Duration::ZERO).max_crashes(9);
    Registry::new().add(SUM.implement(sum).retry(retry)).add(HANG.implement(hang).retry(retry)).add(
        AFTER
            .implement(move |ctx, ended: TaskEnded| {
                *ends.0.lock().unwrap().entry(ctx.id().to_string()).or_default() += 1;
                async move { Ok(format!("{}: {:?}", ended.task, ended.state)) }
            })
            .retry(retry),
    )
}

/// A store, and everything between it and those who use it.
struct Setting {
    store: MemoryQueue,
    callers: Faulty<MemoryQueue>,
    ends: Ends,
    intake: Intake,
    stops: Vec<oneshot::Sender<()>>,
    workers: Vec<tokio::task::JoinHandle<function_runner_core::Result<()>>>,
    faults: Vec<Faults>,
}

/// Leases of 300 ms: the machine may be slow, and what expires is found soon all the same.
fn times() -> Times {
    Times::default().scaled(30)
}

impl Setting {
    /// A store with a worker behind each of these, and callers behind the first.
    async fn open(callers: Faults, workers: Vec<Faults>) -> Self {
        let store = MemoryQueue::builder().times(times()).build();
        let ends = Ends::default();
        let far = Faulty::new(store.clone(), callers.clone());
        let intake = Intake::new(Arc::new(far.clone())).patient(Duration::from_secs(20));
        let mut faults = workers.clone();
        faults.push(callers);
        let mut setting =
            Self { store, callers: far, ends, intake, stops: Vec::new(), workers: Vec::new(), faults };
        workers.into_iter().for_each(|faults| setting.start(faults));
        setting.is_served().await;
        setting
    }

    fn start(&mut self, faults: Faults) {
        let queue = Faulty::new(self.store.clone(), faults);
        let worker =
            Worker::new(queue, functions(&self.ends)).capacity(Capacity::new().cpu_millis(2000).slots(8));
        let (stop, stopped) = oneshot::channel::<()>();
        self.stops.push(stop);
        self.workers.push(tokio::spawn(worker.run_until(async { drop(stopped.await) })));
    }

    /// Waits until the templates are published, past the network.
    async fn is_served(&self) {
        while self.store.templates(0).await.unwrap().is_none_or(|set| set.templates.len() < 3) {
            assert!(!self.workers.iter().any(|worker| worker.is_finished()), "no worker may end by itself");
            tokio::task::yield_now().await;
        }
    }

    async fn task<I: Data + Sync>(&self, name: &str, input: &I, follows: bool) -> Task {
        let mut request = Request::new(name.parse().unwrap(), Payload::encode(input).unwrap());
        if follows {
            let follow_up = function_runner_core::FollowUpRequest {
                function: "after".parse().unwrap(),
                labels: Default::default(),
            };
            request.follow_ups = vec![follow_up];
        }
        again(|| self.intake.admit(request.clone())).await
    }

    /// Submits as a client does: again, under the same ids, while it is unknown whether they are stored.
    async fn submit(&self, tasks: Vec<Task>) -> Vec<Submitted> {
        again(|| self.callers.submit(tasks.clone())).await
    }

    /// Watches a task to its end over the network, and checks what comes on the way.
    async fn follow(&self, id: &TaskId) -> Event {
        let mut reader = Reader::default();
        loop {
            let mut events = again(|| self.callers.watch(id, reader.seen)).await;
            while let Some(event) = events.next().await {
                match event {
                    Ok(event) => reader.hear(&event),
                    Err(error) if error.is_retryable() => break,
                    Err(error) => panic!("the watch of {id}: {error:?}"),
                }
            }
            if let Some(end) = reader.end.take() {
                return end;
            }
        }
    }

    /// Waits for a task's end past the network.
    async fn ended(&self, id: &TaskId) -> TaskRecord {
        let mut events = self.store.watch(id, Seen::default()).await.unwrap();
        while let Some(event) = events.next().await {
            if event.unwrap().is_terminal() {
                break;
            }
        }
        self.store.record(id).await.unwrap()
    }

    /// Stops the workers, over a network that is whole again, and hears that nothing was left untold.
    async fn close(self) {
        self.faults.iter().for_each(Faults::heal);
        self.stops.into_iter().for_each(|stop| _ = stop.send(()));
        for worker in self.workers {
            worker.await.unwrap().unwrap();
        }
    }
}

/// Makes a call until it is known what it did.
async fn again<T, F: Future<Output = function_runner_core::Result<T>>>(call: impl Fn() -> F) -> T {
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout) => {
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// One reader over many streams.
#[derive(Default)]
struct Reader {
    seen: Seen,
    last: u64,
    next_part: (u64, u64),
    end: Option<Event>,
}

impl Reader {
    fn hear(&mut self, event: &Event) {
        assert!(self.end.is_none(), "nothing follows the end, yet {event:?} came");
        if let EventKind::OutputPart { turn, index, .. } = event.kind {
            if turn > self.next_part.0 {
                self.next_part = (turn, 0);
            }
            assert_eq!((turn, index), self.next_part, "parts come once and in order: {event:?}");
            self.next_part.1 += 1;
        } else {
            assert!(event.seq > self.last, "numbers rise strictly: {event:?} after {}", self.last);
            self.last = event.seq;
        }
        if turn_of(event.seq) > turn_of(self.seen.seq) {
            self.seen.parts = 0;
        }
        self.seen.seq = self.seen.seq.max(event.seq);
        if let EventKind::OutputPart { turn, index, .. } = event.kind
            && turn == turn_of(self.seen.seq)
        {
            self.seen.parts = index + 1;
        }
        self.end = event.is_terminal().then(|| event.clone());
    }
}

/// Runs a test with a limit, and tells which faults were planted where it fails.
fn run(faults: Vec<Faults>, test: impl Future<Output = ()>) {
    let _told = Told(faults);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let limit = Duration::from_secs(60);
    let ended = runtime.block_on(async { tokio::time::timeout(limit, test).await });
    runtime.shutdown_background();
    ended.expect("it ends");
}

/// Tells which faults were planted where a test fails.
struct Told(Vec<Faults>);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.iter().flat_map(Faults::told).for_each(|planted| eprintln!("{planted}"));
        }
    }
}

/// Everything at once: single tasks, a batch, cancels, follow-ups, and a reader for each.
async fn everything(setting: Setting, seed: u64) {
    let setting = Arc::new(setting);
    let mut single = Vec::new();
    for n in 0..6 {
        single.push(setting.task("sum", &(n + seed % 7), true).await);
    }
    let mut batch = Vec::new();
    for n in 0..12_u64 {
        batch.push(setting.task("sum", &(n + 10), false).await);
    }
    let hanging = [setting.task("hang", &(), true).await, setting.task("hang", &(), false).await];
    let count = AtomicU32::new(0);
    let one = async |task: &Task| {
        setting.submit(vec![task.clone()]).await;
        let end = setting.follow(&task.id).await;
        assert_eq!(end.end(), Some(State::Succeeded), "{end:?}");
        count.fetch_add(1, Ordering::Relaxed);
    };
    let many = async {
        setting.submit(batch.clone()).await;
        join_all(batch.iter().map(|task| setting.follow(&task.id))).await;
    };
    let stopped = async |task: &Task| {
        setting.submit(vec![task.clone()]).await;
        again(|| setting.callers.cancel(&task.id)).await;
        assert_eq!(setting.follow(&task.id).await.end(), Some(State::Cancelled));
    };
    let singles = join_all(single.iter().map(one));
    let cancelled = join_all(hanging.iter().map(stopped));
    tokio::join!(singles, many, cancelled);
    assert_eq!(count.load(Ordering::Relaxed), 6);

    for task in single.iter().chain(&batch) {
        let record = setting.ended(&task.id).await;
        let n: u64 = task.input.decode().unwrap();
        assert_eq!(record.output.unwrap().decode::<u64>().unwrap(), (1..=n).sum::<u64>());
    }
    for task in single.iter().chain(&hanging[..1]) {
        let record = setting.store.record(&task.id).await.unwrap();
        let after = setting.ended(&task.id.follow_up(record.seq, 0)).await;
        let said: String = after.output.unwrap().decode().unwrap();
        assert_eq!(said, format!("{}: {:?}", task.id, record.state));
    }
    Arc::into_inner(setting).expect("nobody else has it").close().await;
}

#[test]
fn a_storm_loses_nothing_and_every_task_ends_once() {
    seeds(0..12, |seed| {
        let workers: Vec<_> = (1..=3).map(|n| Faults::storm(seed * 10 + n)).collect();
        let callers = Faults::storm(seed * 10).cut(0.2);
        let all = [workers.clone(), vec![callers.clone()]].concat();
        run(all, async move { everything(Setting::open(callers, workers).await, seed).await });
    });
}

#[test]
#[ignore = "long form: ./dev proof"]
fn five_hundred_storms_lose_nothing() {
    seeds(1_000..1_500, |seed| {
        let worse = |seed| Faults::storm(seed).refuse(0.12).lose_replies(0.12).straggle(0.12);
        let workers: Vec<_> = (1..=3).map(|n| worse(seed * 10 + n)).collect();
        let callers = worse(seed * 10).cut(0.2);
        let all = [workers.clone(), vec![callers.clone()]].concat();
        run(all, async move { everything(Setting::open(callers, workers).await, seed).await });
    });
}

/// Every fault that can happen to a call.
fn all_faults(call: Call) -> Vec<Fault> {
    let short = Duration::from_millis(2);
    let mut faults = vec![
        Fault::Refused,
        Fault::ReplyLost,
        Fault::Delayed { there: short, back: short },
        Fault::Doubled(Answer::First),
        Fault::Doubled(Answer::Second),
        Fault::Straggler(short),
    ];
    faults.extend((0..5).map(|after| Fault::Cut { after }));
    faults.extend((0..5).map(|after| Fault::Reconnected { after }));
    faults.retain(|fault| fault.fits(call));
    faults
}

/// One submit to its result, with one fault between.
fn one_task_with(call: Call, nth: u64, fault: Fault) {
    let faults = Faults::none().at(call, nth, fault);
    let (callers, worker) = if Call::EXECUTOR.contains(&call) && call != Call::Templates {
        (faults.clone(), Faults::none())
    } else {
        (Faults::none(), faults.clone())
    };
    run(vec![faults], async move {
        let setting = Setting::open(callers, vec![worker]).await;
        let task = setting.task("sum", &6_u64, true).await;
        setting.submit(vec![task.clone()]).await;
        if call == Call::Cancel {
            again(|| setting.callers.cancel(&task.id)).await;
        }
        let end = setting.follow(&task.id).await;
        let record = again(|| setting.callers.record(&task.id)).await;
        assert_eq!((end.end(), end.seq), (Some(record.state), record.seq));
        if call == Call::Cancel {
            // it may have ended before
            assert!(matches!(record.state, State::Cancelled | State::Succeeded));
        } else {
            assert_eq!(record.output.unwrap().decode::<u64>().unwrap(), 21);
            assert_eq!(record.attempt, 2, "every third fails once, and a fault is no attempt");
        }
        let after = setting.ended(&task.id.follow_up(record.seq, 0)).await;
        assert_eq!(after.state, State::Succeeded);
        assert_eq!(setting.ends.0.lock().unwrap().get(after.task.id.as_str()).copied(), Some(1));
        setting.close().await;
    });
}

/// Each fault at the n-th call of each kind of one submit to its result.
fn enumerate(calls: &[Call], most: u64) {
    for &call in calls {
        for nth in 1..=most {
            for fault in all_faults(call) {
                one_task_with(call, nth, fault);
            }
        }
    }
}

#[test]
fn each_fault_at_each_call_of_a_caller() {
    enumerate(&[Call::Submit, Call::Record, Call::Cancel], 1);
    enumerate(&[Call::Watch], 2);
}

#[test]
fn each_fault_at_each_join_and_lease() {
    enumerate(&[Call::Templates, Call::Join], 2);
    enumerate(&[Call::Lease], 4);
}

#[test]
fn each_fault_at_each_renew_and_finish() {
    enumerate(&[Call::Renew], 3);
    enumerate(&[Call::Finish], 3);
}

static STORES: LazyLock<Mutex<HashMap<String, MemoryQueue>>> = LazyLock::new(Mutex::default);

/// The suites hold over a network that is late, doubles calls and connects anew, as every networked backend's is.
mod late_and_doubled {
    use super::*;

    /// Networks in a row: one is late and connects anew, one doubles, one sends again.
    ///
    /// What no case could take is left to the storms above. A lease that arrives twice takes more than it gives, and
    /// the cases count both. Sent again, a new task is `AlreadyKnown` and the end of an attempt that is followed by
    /// another `Lost`, where the cases wait for the first answer. A beat that straggles in may tell an older checkpoint.
    fn far(case: &Case) -> Faulty<Faulty<Faulty<MemoryQueue>>> {
        let mut stores = STORES.lock().expect("no case panics while it opens its store");
        let make = || MemoryQueue::builder().times(case.times).build();
        let store = stores.entry(case.namespace.clone()).or_insert_with(make).clone();
        let again = [Call::Templates, Call::Record, Call::Watch, Call::Cancel, Call::Join, Call::Renew];
        let twice = again.into_iter().chain([Call::Submit, Call::Finish]);
        let delays = Duration::ZERO..Duration::from_micros(800);
        let sent_again = Faulty::new(store, Faults::new(8).resend(0.3).only(again));
        let doubled = Faulty::new(sent_again, Faults::new(9).duplicate(0.3).only(twice));
        let late = Faults::new(10).delay(0.3, delays);
        // its reader waits for events that are told as they happen; a snapshot stands for them after a reconnect
        let is_told_each = case.namespace.starts_with("a_watch_gives_every");
        Faulty::new(doubled, if is_told_each { late } else { late.reconnect(0.5) })
    }

    queue_conformance!(|case| async move { far(&case) });
}
