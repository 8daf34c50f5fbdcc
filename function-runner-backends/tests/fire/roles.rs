//! What a child does, by its role.

use std::{env, process, time::Duration};

use function_runner_core::{
    AskedLane, Beat, Capacity, Finish, Finished, Heartbeat, Lease, LeaseKey, LeaseRequest, Outcome, Payload,
    Queue, Renewal, Report, TaskId, Worker, WorkerId, schedule::lane_cost,
};
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use crate::{
    caller,
    child::{say, told},
    faults,
    functions::{LONG, QUICK, lane, registry},
    plain, power, rows,
    setup::{self, Setup},
};

pub(crate) fn play(role: &str) {
    match role {
        "echo" => {
            told(|line| say(format_args!("heard {line}")));
            loop {
                std::thread::park();
            }
        }
        "plain" => plain::play(),
        "worker" => runtime().block_on(work(Setup::told(), lines())),
        "caller" => runtime().block_on(caller::call(Setup::told(), lines())),
        "hand" => runtime().block_on(hand(Setup::told(), lines())),
        "hammer" => runtime().block_on(caller::hammer(Setup::told(), lines())),
        "faults" => runtime().block_on(faults::play(Setup::told(), lines())),
        "visitor" => rows::visit(&Setup::told()),
        "power" => runtime().block_on(power::play(Setup::told(), lines())),
        other => panic!("there is no role `{other}`"),
    }
}

/// Two threads: a body that blocks both blocks the runtime.
fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// What the parent says.
pub(crate) type Lines = mpsc::UnboundedReceiver<String>;

fn lines() -> Lines {
    let (sends, lines) = mpsc::unbounded_channel();
    told(move |line| _ = sends.send(line));
    lines
}

/// How many slots a worker has, where that is not said: 4.
pub(crate) const SLOTS: &str = "FIRE_SLOTS";

/// The name a worker goes by, where it is not one of its own.
pub(crate) const WORKER: &str = "FIRE_WORKER";

/// Serves everything until the first `SIGTERM`, then drains; a second one has it release at once.
async fn work(setup: Setup, lines: Lines) {
    let mut term = signal(SignalKind::terminate()).unwrap();
    let store = setup.store.open().await;
    let history = setup.history();
    let id = env::var(WORKER).map_or_else(|_| WorkerId::unique(), |name| WorkerId::new(name).unwrap());
    let slots = match setup::number(SLOTS) {
        0 => 4,
        slots => slots,
    };
    let worker = Worker::new(history.record(store), history.bodies(&id, registry()))
        .capacity(Capacity::new().slots(slots))
        .id(id)
        .seed(setup.seed)
        .drain_limit(setup::drain_limit());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    let released = async move { drop(released.await) };
    let mut run = tokio::spawn(worker.release_when(released).run_until(stopped));
    say("ready");
    tokio::select! {
        ended = &mut run => return ended.unwrap().unwrap(),
        _ = term.recv() => {}
    }
    let _ = stop.send(());
    say("drains");
    tokio::select! {
        ended = &mut run => ended.unwrap().unwrap(),
        _ = term.recv() => {
            say("releases");
            let _ = release.send(());
            run.await.unwrap().unwrap();
        }
    }
    history.written().unwrap();
    drop(lines);
    say("left");
}

/// Leases, beats and finishes by hand, as its parent says.
async fn hand(setup: Setup, mut lines: Lines) {
    let store = setup.history().record(setup.store.open().await);
    let worker = WorkerId::unique();
    let capacity = Capacity::new().slots(4);
    let templates = registry().templates().cloned().collect();
    store.join(function_runner_core::WorkerInfo::new(worker.clone(), capacity, templates)).await.unwrap();
    say("ready");
    let (mut held, mut call) = (Vec::<Lease>::new(), 0);
    while let Some(line) = lines.recv().await {
        match line.as_str() {
            "lease" => {
                call += 1;
                let lanes = [lane(&QUICK), lane(&LONG)];
                let cost = lane_cost(4).unwrap();
                let asked = lanes.map(|lane| AskedLane { lane, cost, warm: false });
                let reply = store.lease(LeaseRequest::new(worker.clone(), call, asked.into())).await.unwrap();
                held.extend(reply.leases);
                let ids: Vec<&str> = held.iter().map(|lease| lease.key.id.as_str()).collect();
                say(format_args!("holds {}", ids.join(" ")));
            }
            "beat" => {
                let beats =
                    held.iter().map(|lease| Beat::new(lease.key.clone(), Report::default())).collect();
                let reply = store.renew(Heartbeat::new(worker.clone(), call, beats)).await.unwrap();
                let lost = reply.tasks.iter().filter(|answer| **answer == Renewal::Lost).count();
                say(format_args!("beat lost {lost} of {}", held.len()));
            }
            "finish" => {
                let keys: Vec<LeaseKey> = held.iter().map(|lease| lease.key.clone()).collect();
                let done = keys.into_iter().map(success).collect();
                let answers = store.finish(done).await.unwrap();
                let lost = answers.iter().filter(|answer| **answer == Finished::Lost).count();
                say(format_args!("finished lost {lost} of {}", held.len()));
            }
            _ => break,
        }
    }
    process::exit(0);
}

/// An end of this claim in success.
pub(crate) fn success(key: LeaseKey) -> Finish {
    Finish::new(key, Outcome::Succeeded(Payload::encode("done").unwrap()))
}

/// An id that no other process of the run makes.
pub(crate) fn id(setup: &Setup, number: u64) -> TaskId {
    TaskId::new(format!("{}-{number}", setup.name)).unwrap()
}

/// A nap between two calls of a process that is in no hurry.
pub(crate) async fn nap(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}
