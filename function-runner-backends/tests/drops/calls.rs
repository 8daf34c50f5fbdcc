//! The calls of the memory backend, dropped at every poll.

use std::{future::ready, time::Duration};

use function_runner_core::{
    AskedLane, Beat, Capacity, Executor, Failure, Finish, Finished, Heartbeat, Inspect as _, Lease,
    LeaseRequest, Operate as _, Outcome, Payload, Queue, Report, Seen, State, TaskFilter, Tenant, Weight,
    WorkerId, WorkerInfo, schedule::lane_cost,
};
use futures::{FutureExt as _, StreamExt as _, future::LocalBoxFuture};

use crate::{
    tally::{STEP, Tally, cut, now},
    work::{WORK, id, lane, task},
};

/// One call on a store in which `w` waits, `r` is held, and `d` is a dead letter; whether its answer is a good one.
type Call = fn(Tally, Lease) -> LocalBoxFuture<'static, bool>;

fn calls() -> Vec<(&'static str, Call)> {
    vec![
        ("submit", |tally, _| {
            async move { tally.submit(vec![task("new"), task("newer")]).await.is_ok() }.boxed_local()
        }),
        ("record", |tally, _| async move { tally.record(&id("w")).await.is_ok() }.boxed_local()),
        ("watch", |tally, _| {
            async move { tally.watch(&id("w"), Seen::default()).await.is_ok() }.boxed_local()
        }),
        ("cancel of a waiting task", |tally, _| {
            async move { tally.cancel(&id("w")).await.is_ok() }.boxed_local()
        }),
        ("cancel of a running task", |tally, _| {
            async move { tally.cancel(&id("r")).await.is_ok() }.boxed_local()
        }),
        ("templates", |tally, _| async move { tally.templates(0).await.is_ok() }.boxed_local()),
        ("join", |tally, _| async move { tally.join(info("other")).await.is_ok() }.boxed_local()),
        ("renew", |tally, held| async move { tally.renew(beat(&held)).await.is_ok() }.boxed_local()),
        ("finish", |tally, held| {
            async move { tally.finish(vec![finish(&held)]).await.is_ok() }.boxed_local()
        }),
        ("lanes", |tally, _| async move { tally.queue.lanes().await.is_ok() }.boxed_local()),
        ("workers", |tally, _| async move { tally.queue.workers().await.is_ok() }.boxed_local()),
        ("tasks", |tally, _| {
            async move { tally.queue.tasks(TaskFilter::default()).await.is_ok() }.boxed_local()
        }),
        ("pause", |tally, _| async move { tally.queue.pause(&lane()).await.is_ok() }.boxed_local()),
        ("resume", |tally, _| async move { tally.queue.resume(&lane()).await.is_ok() }.boxed_local()),
        ("drain", |tally, _| async move { tally.queue.drain(&worker("holder")).await.is_ok() }.boxed_local()),
        ("requeue", |tally, _| async move { tally.queue.requeue(&id("d")).await.is_ok() }.boxed_local()),
        ("purge", |tally, _| async move { tally.queue.purge(&id("d")).await.is_ok() }.boxed_local()),
        ("set_weight", |tally, _| {
            async move { tally.queue.set_weight(&Tenant::new("t").unwrap(), Weight::default()).await.is_ok() }
                .boxed_local()
        }),
    ]
}

#[test]
fn a_call_that_is_dropped_happened_whole_or_not_at_all() {
    for (name, call) in calls() {
        for polls in 0..=1 {
            let (tally, held) = stage();
            let before = states(&tally);
            let answer = cut(polls, call(tally.clone(), held));
            assert_eq!(answer, (polls == 1).then_some(true), "{name} answers in its first poll");
            if polls == 0 {
                assert_eq!(states(&tally), before, "{name} was never polled");
            }
            end_all(&tally, name);
        }
    }
}

#[test]
fn a_lease_call_that_is_dropped_at_any_poll_takes_nothing_with_it() {
    for polls in 0..=3 {
        for comes_after in 0..=polls {
            let tally = Tally::new();
            let mut ask = ask("first", 1);
            ask.wait = STEP;
            let mut call = tally.lease(ask);
            let mut gave = cut(comes_after, &mut call).is_some();
            let id = tally.accept("a");
            gave |= cut(polls - comes_after, &mut call).is_some();
            drop(call);
            assert_eq!(gave, polls > comes_after, "{polls} polls, the task after {comes_after}");
            let context = format!("{polls} polls, the task after {comes_after}");
            end_all(&tally, &context);
            // nobody knew of the lease, its reply went with the call: that is no crash of the worker
            assert_eq!(tally.record_of(&id).crashes, 0, "{context}");
        }
    }
}

#[test]
fn a_watch_that_is_dropped_at_any_event_takes_nothing_with_it() {
    for polls in 0..8 {
        let tally = Tally::new();
        let id = tally.accept("a");
        let mut goes = now(tally.watch(&id, Seen::default())).unwrap();
        let stays = now(tally.watch(&id, Seen::default())).unwrap();
        let steps: [&dyn Fn(); 3] = [&|| drop(take("first")(&tally)), &|| {}, &|| tally.clock.advance(STEP)];
        for step in steps {
            step();
            cut(polls, goes.next());
        }
        drop(goes);
        end_all(&tally, &format!("{polls} polls"));
        let ends = now(stays.filter(|event| ready(event.as_ref().unwrap().is_terminal())).count());
        assert_eq!(ends, 1);
    }
}

/// `w` waits, `r` is held, `d` is a dead letter.
fn stage() -> (Tally, Lease) {
    let tally = Tally::new();
    now(tally.join(info("holder"))).unwrap();
    tally.accept("d");
    let dead = take("holder")(&tally).unwrap();
    let failed = Outcome::Failed(Failure::permanent("broken"));
    assert_eq!(
        now(tally.queue.finish(vec![Finish::new(dead.key, failed)])).unwrap(),
        [Finished::Done(State::Failed)]
    );
    tally.accept("r");
    let held = take("holder")(&tally).unwrap();
    tally.accept("w");
    (tally, held)
}

fn states(tally: &Tally) -> Vec<Option<(State, u64, bool)>> {
    ["w", "r", "d", "new", "newer"]
        .map(|name| {
            let record = now(tally.record(&id(name))).ok()?;
            Some((record.state, record.seq, record.cancel_requested))
        })
        .into()
}

/// Another worker takes over what there is: each task that was accepted ends, and none did twice.
fn end_all(tally: &Tally, context: &str) {
    now(tally.queue.resume(&lane())).unwrap();
    for call in 1..40 {
        // what was dropped says no more than that its ask has ended
        let silent = Heartbeat::new(worker("first"), 1, Vec::new());
        now(tally.renew(silent)).unwrap();
        let mut ask = ask("heir", call);
        ask.wait = Duration::ZERO;
        for lease in now(tally.lease(ask)).unwrap().leases {
            now(tally.finish(vec![finish(&lease)])).unwrap();
        }
        tally.clock.advance(STEP);
    }
    let mut page = now(tally.queue.tasks(TaskFilter::default())).unwrap();
    page.items.retain(|record| !record.state.is_terminal());
    assert!(page.items.is_empty(), "{context}: {:?}", page.items);
    let twice: Vec<_> = tally.ends().into_iter().filter(|(_, count)| *count > 1).collect();
    assert!(twice.is_empty(), "{context}: {twice:?}");
}

fn take(name: &'static str) -> impl Fn(&Tally) -> Option<Lease> {
    move |tally| {
        let mut ask = ask(name, 1);
        ask.wait = Duration::ZERO;
        now(tally.lease(ask)).unwrap().leases.pop()
    }
}

fn worker(name: &str) -> WorkerId {
    WorkerId::new(name).unwrap()
}

fn info(name: &str) -> WorkerInfo {
    WorkerInfo::new(worker(name), Capacity::new(), vec![WORK.template().unwrap()])
}

fn ask(name: &str, call: u64) -> LeaseRequest {
    let asked = AskedLane { lane: lane(), cost: lane_cost(1).unwrap(), warm: false };
    LeaseRequest::new(worker(name), call, vec![asked])
}

fn beat(held: &Lease) -> Heartbeat {
    Heartbeat::new(worker("holder"), 1, vec![Beat::new(held.key.clone(), Report::default())])
}

fn finish(held: &Lease) -> Finish {
    Finish::new(held.key.clone(), Outcome::Succeeded(Payload::encode(&8).unwrap()))
}
