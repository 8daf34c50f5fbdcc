//! A disk that fails or is full at the n-th call, for every n: the error says what to do, nothing that was acknowledged
//! is lost, and the store goes on when the fault is gone.

use std::{env, fs, path::Path};

use function_runner_backends::embedded::EmbeddedQueue;
use function_runner_core::{
    AskedLane, Capacity, Error, ErrorKind, Executor as _, Finished, Heartbeat, Lease, LeaseRequest,
    Queue as _, State, Submitted, TaskId, WorkerId, WorkerInfo, schedule::lane_cost,
};

use crate::{
    child::{Start, say},
    functions::{QUICK, lane, quick_task, registry},
    power::sound,
    roles::{Lines, success},
    setup::{Setup, Store, tell},
    shim::{self, CONTROL, Control, Errno, Fault, Kinds, shimmed},
};

/// The ways in which a disk fails.
fn ways() -> Vec<(&'static str, Fault)> {
    let once = |error| Fault { error, call: 0, kinds: Kinds::ALL, lasting: false, torn: false };
    vec![
        ("broken once", once(Errno::Broken)),
        ("broken once, torn", Fault { torn: true, ..once(Errno::Broken) }),
        ("broken from then on", Fault { lasting: true, ..once(Errno::Broken) }),
        ("full from then on", Fault { lasting: true, ..once(Errno::Full) }),
        ("full from then on, torn", Fault { lasting: true, torn: true, ..once(Errno::Full) }),
    ]
}

/// The child: every way, at every call of one task's life, and of the making of a store.
pub(crate) async fn play(setup: Setup, _lines: Lines) {
    let control = Control::open(Path::new(&env::var(CONTROL).unwrap()));
    let folder = setup.store.path.parent().unwrap().to_owned();
    for (name, fault) in ways() {
        let mut calls = 0;
        for call in 1.. {
            let store = Store { path: folder.join(format!("{name} {call}.db")), ..setup.store.clone() };
            let what = format!("{name} at call {call}");
            if !life(&store, &control, &Fault { call, ..fault }, &what).await {
                break;
            }
            calls = call;
        }
        say(format_args!("life {calls} {name}"));
        let mut calls = 0;
        for call in 1.. {
            let store = Store { path: folder.join(format!("{name} new {call}.db")), ..setup.store.clone() };
            if !birth(&store, &control, &Fault { call, ..fault }, &format!("{name} at call {call} of making"))
                .await
            {
                break;
            }
            calls = call;
        }
        say(format_args!("birth {calls} {name}"));
    }
    say("done");
    std::process::exit(0);
}

/// A worker by hand.
struct Hand<'a> {
    store: &'a EmbeddedQueue,
    worker: WorkerId,
    call: u64,
}

impl Hand<'_> {
    async fn join(&self) {
        let templates = registry().templates().cloned().collect();
        let info = WorkerInfo::new(self.worker.clone(), Capacity::new().slots(4), templates);
        self.store.join(info).await.unwrap();
    }

    async fn lease(&mut self) -> Result<Vec<Lease>, Error> {
        self.call += 1;
        let asked = AskedLane { lane: lane(&QUICK), cost: lane_cost(4).unwrap(), warm: false };
        let ask = LeaseRequest::new(self.worker.clone(), self.call, vec![asked]);
        Ok(self.store.lease(ask).await?.leases)
    }

    /// Says that it holds nothing and waits for nothing: what an answer brought that was lost goes back.
    async fn holds_nothing(&self) {
        let beat = Heartbeat::new(self.worker.clone(), self.call, Vec::new());
        let reply = self.store.renew(beat).await.unwrap();
        if !reply.joined {
            self.join().await;
        }
    }
}

/// One task from its submit to its end while the disk fails; whether any call was failed at all.
async fn life(at: &Store, control: &Control, fault: &Fault, what: &str) -> bool {
    let store = at.open().await;
    let mut hand = Hand { store: &store, worker: WorkerId::unique(), call: 0 };
    hand.join().await;
    let id = TaskId::new("task").unwrap();
    control.fail(fault);
    let submitted = store.submit(vec![quick_task(&id)]).await;
    let is_kept = submitted.is_ok();
    told(submitted.err(), what);
    let mut leased = None;
    if is_kept {
        let answer = hand.lease().await;
        leased = answer.as_ref().ok().and_then(|leases| leases.first().cloned());
        told(answer.err(), what);
    }
    let mut ended = None;
    if let Some(lease) = &leased {
        let answer = store.finish(vec![success(lease.key.clone())]).await;
        ended = answer.as_ref().ok().and_then(|answers| answers.first().copied());
        told(answer.err(), what);
    }
    let failed = control.failed() > 0;
    control.mend();

    // the fault is gone: everything that was acknowledged is there, and the rest goes on
    let again = store.submit(vec![quick_task(&id)]).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(!is_kept || again == [Submitted::AlreadyKnown], "{what}: an acknowledged submit is lost");
    match (leased, ended) {
        (Some(_), Some(Finished::Done(state))) => assert_eq!(state, State::Succeeded, "{what}"),
        (Some(lease), _) => {
            let answers = store.finish(vec![success(lease.key)]).await.unwrap();
            assert_eq!(answers, [Finished::Done(State::Succeeded)], "{what}: the claim was kept");
        }
        (None, _) => {
            hand.holds_nothing().await;
            let lease =
                hand.lease().await.unwrap().pop().unwrap_or_else(|| panic!("{what}: the task is not given"));
            assert_eq!(lease.attempt, 1, "{what}");
            let answers = store.finish(vec![success(lease.key)]).await.unwrap();
            assert_eq!(answers, [Finished::Done(State::Succeeded)], "{what}");
        }
    }
    assert_eq!(store.record(&id).await.unwrap().state, State::Succeeded, "{what}");
    drop(store);
    sound(&at.path, what);
    assert_eq!(at.open().await.record(&id).await.unwrap().state, State::Succeeded, "{what}, opened again");
    failed
}

/// A store is made while the disk fails; whether any call was failed at all.
async fn birth(at: &Store, control: &Control, fault: &Fault, what: &str) -> bool {
    control.fail(fault);
    let made = EmbeddedQueue::at(&at.path).times(at.times()).open().await;
    let failed = control.failed() > 0;
    control.mend();
    told(made.err(), what);
    let made = EmbeddedQueue::at(&at.path).times(at.times()).open().await;
    let store = made.unwrap_or_else(|error| panic!("{what}, then opened again: {error}"));
    let stored = store.submit(vec![quick_task(&TaskId::unique())]).await.unwrap();
    assert_eq!(stored, [Submitted::New], "{what}");
    drop(store);
    sound(&at.path, what);
    failed
}

/// An error of a disk can be tried again, and says what to do.
fn told(error: Option<Error>, what: &str) {
    let Some(error) = error else { return };
    let kinds = [ErrorKind::Unavailable, ErrorKind::Io];
    assert!(kinds.contains(&error.kind()), "{what}: {error}");
    let says = format!("{error} {}", error.remedy());
    assert!(says.contains("disk") || says.contains("folder"), "{what} says: {says}");
}

/// evidence (c) rows 18, 19 and 23: at a full or broken disk every call succeeds or says so, and nothing is lost.
#[test]
fn a_disk_fails_at_every_call_of_a_task_s_life() {
    let folder = shim::folder();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    Control::create(&folder.path().join("control"));
    let store = Store { path: disk.join("tasks.db"), faster: 30 };
    let start = tell(Start::new("faults", folder.path(), "faults"), &store, 0, &folder.path().join("unused"));
    let mut child = shimmed(start, &disk).with(CONTROL, folder.path().join("control")).go();
    for (name, _) in ways() {
        for (part, least) in [("life", 3), ("birth", 5)] {
            let said = child.hears(part);
            let (calls, of) = said.split_once(' ').unwrap();
            assert_eq!(of, name);
            println!("{part}, {name}: {calls} calls");
            assert!(calls.parse::<i64>().unwrap() >= least, "{said}: the shim failed too few calls");
        }
    }
    child.hears("done");
    child.ends_well();
}
