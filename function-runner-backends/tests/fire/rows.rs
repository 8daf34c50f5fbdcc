//! Rows of evidence (c) that need no kill: what peers did in everyday work.

use std::{fs, time::Duration};

use function_runner_backends::embedded::EmbeddedQueue;
use function_runner_core::{ErrorKind, Executor as _, Seen, State, Submitted, Task, TaskId, When};
use futures::StreamExt as _;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    child::{say, wait_for},
    functions::{LONG, QUICK, quick_task, task, traced},
    pauses::drains,
    roles::{SLOTS, WORKER},
    settle,
    setup::Setup,
    stage::Stage,
};

fn id(name: impl std::fmt::Display) -> TaskId {
    TaskId::new(name.to_string()).unwrap()
}

/// evidence (c) row 3: a worker of the same name as one that was killed keeps nothing of it alive.
#[test]
fn a_worker_of_a_dead_one_s_name_keeps_nothing_of_it_alive() {
    let mut stage = Stage::new(51, 10);
    let store = stage.enter();
    let (gate, trace) = (stage.path("gate"), stage.path("trace"));
    let long = task(&LONG, &id("long"), &json!({ "gate": gate, "trace": trace }));
    stage.runtime.block_on(store.submit(vec![long])).unwrap();
    let mut first = stage.cast("worker").with(WORKER, "twin").go();
    first.is_ready();
    wait_for("the long task to run", || (traced(&trace, first.id()).len() > 3).then_some(()));
    first.signal(Signal::KILL);
    first.wait();
    let mut second = stage.cast("worker").with(WORKER, "twin").go();
    second.is_ready();
    wait_for("the twin to take it over", || (traced(&trace, second.id()).len() > 3).then_some(()));
    fs::write(&gate, "open").unwrap();
    let ended = stage.end(&store, &id("long"));
    assert_eq!((ended.state, ended.attempt), (State::Succeeded, 1));
    stage.settle();
    drains(&mut second);
    stage.judge();
}

/// evidence (c) row 16: what goes through comes out as it went in, to the last digit.
#[test]
fn payloads_go_through_as_they_are() {
    let mut stage = Stage::new(52, 10);
    let store = stage.enter();
    let mut worker = stage.start("worker");
    let values = [
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(0.1),
        json!("\u{0}\u{1f600} \\ \" \u{2028}"),
    ];
    for (number, value) in values.into_iter().enumerate() {
        let id = id(format_args!("echo-{number}"));
        stage.runtime.block_on(store.submit(vec![task(&QUICK, &id, &json!({ "echo": value }))])).unwrap();
        let output: Value = stage.end(&store, &id).output.unwrap().decode().unwrap();
        assert_eq!(output, value);
    }
    stage.settle();
    drains(&mut worker);
    stage.judge();
}

/// evidence (c) row 18: a lane that is full says so, and nothing of the batch is stored.
#[test]
fn a_full_lane_refuses_with_an_error() {
    let stage = Stage::new(53, 10);
    stage.runtime.block_on(async {
        let store =
            EmbeddedQueue::at(&stage.store.path).times(stage.store.times()).depth(3).open().await.unwrap();
        let tasks = |from: u64, to: u64| {
            (from..to).map(|number| quick_task(&id(format_args!("t{number}")))).collect()
        };
        assert_eq!(store.submit(tasks(0, 2)).await.unwrap(), [Submitted::New, Submitted::New]);
        assert_eq!(store.submit(tasks(2, 4)).await.unwrap_err().kind(), ErrorKind::QueueFull);
        assert_eq!(store.record(&id("t2")).await.unwrap_err().kind(), ErrorKind::UnknownTask);
        assert_eq!(store.submit(tasks(2, 3)).await.unwrap(), [Submitted::New]);
    });
}

/// A process that has a file open twice keeps its locks, so that nobody takes its log for one that is left over: what is
/// written after another process came and went is there.
#[test]
fn a_file_that_is_open_twice_keeps_its_locks() {
    let mut stage = Stage::new(59, 10);
    let (first, second) =
        stage.runtime.block_on(async { (stage.store.open().await, stage.store.open().await) });
    let runtime = stage.runtime.handle().clone();
    let submit = |name: &str| runtime.block_on(first.submit(vec![quick_task(&id(name))])).unwrap();
    submit("before");
    let mut visitor = stage.start("visitor");
    assert_eq!(visitor.hears("counted"), "1");
    visitor.ends_well();
    submit("after");
    let mut visitor = stage.start("visitor");
    assert_eq!(visitor.hears("counted"), "2", "what was acknowledged is lost");
    visitor.ends_well();
    drop(second);
}

/// The child: opens the file as SQLite does, counts the tasks, and closes it again.
pub(crate) fn visit(setup: &Setup) {
    let database = rusqlite::Connection::open(&setup.store.path).unwrap();
    say("ready");
    let count: i64 = database.query_row("SELECT count(*) FROM task", [], |row| row.get(0)).unwrap();
    database.close().unwrap();
    say(format_args!("counted {count}"));
    std::process::exit(0);
}

/// How many files this process has open.
fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// evidence (c) row 25: a thousand watchers need no file each, and when they are dropped nothing of them is left.
#[test]
fn watchers_need_no_connection_each() {
    let stage = Stage::new(54, 10);
    stage.runtime.block_on(async {
        let store = stage.store.open().await;
        store.submit(vec![quick_task(&id("watched"))]).await.unwrap();
        let before = open_files();
        let mut watches = Vec::new();
        for _ in 0..1000 {
            let mut watch = store.watch(&id("watched"), Seen::default()).await.unwrap();
            watch.next().await.unwrap().unwrap();
            watches.push(watch);
        }
        // other tests of this program may run beside this one
        assert!(open_files() < before + 100, "{} files were open, and {} are", before, open_files());
        drop(watches);
        store.cancel(&id("watched")).await.unwrap();
        assert_eq!(store.record(&id("watched")).await.unwrap().state, State::Cancelled);
    });
}

/// evidence (c) row 34: what is stored of a task is garbage: it alone is a dead letter, and the loop goes on.
#[test]
fn stored_garbage_is_a_dead_letter_and_the_loop_goes_on() {
    let mut stage = Stage::new(55, 10);
    let store = stage.enter();
    let names: Vec<TaskId> = (0..9).map(|number| id(format_args!("t{number}"))).collect();
    stage.runtime.block_on(store.submit(names.iter().map(quick_task).collect())).unwrap();
    let database = rusqlite::Connection::open(&stage.store.path).unwrap();
    let spoil = |column: &str, id: &TaskId, bytes: &[u8]| {
        let query =
            format!("UPDATE body SET {column} = ?1 WHERE number = (SELECT number FROM task WHERE id = ?2)");
        assert_eq!(database.execute(&query, rusqlite::params![bytes, id.as_str()]).unwrap(), 1);
    };
    spoil("task", &names[1], b"");
    spoil("task", &names[3], &[0xff; 40]);
    spoil("input", &names[5], b"{\"steps\":");
    spoil("input", &names[7], &[0xff, 0xfe]);
    let mut worker = stage.start("worker");
    for (number, id) in names.iter().enumerate() {
        if number % 2 == 0 {
            assert_eq!(stage.end(&store, id).state, State::Succeeded, "{id}");
        } else {
            // its record may not be read any more either; its place in life may
            wait_for("a dead letter", || {
                let query = "SELECT count(*) FROM task WHERE id = ?1 AND (ends IS NULL AND tag IS NULL AND keep IS NOT NULL)";
                let dead: i64 = database.query_row(query, [id.as_str()], |row| row.get(0)).unwrap();
                (dead == 1).then_some(())
            });
        }
    }
    assert!(worker.ended().is_none(), "the loop goes on");
    drains(&mut worker);
}

/// evidence (c) row 22: under constant load with short retention the file does not grow on.
#[test]
fn the_file_is_bounded_under_constant_load() {
    // the log has its full size, 16 MiB, well before half of them
    bounded(56, 48, 200);
}

#[test]
#[ignore = "long form: ./dev proof"]
fn the_file_is_bounded_under_constant_load_for_long() {
    bounded(57, 200, 2000);
}

fn bounded(seed: u64, rounds: u64, count: u64) {
    let mut stage = Stage::new(seed, 10);
    let store = stage.runtime.block_on(stage.store.open());
    let mut worker = stage.cast("worker").with(SLOTS, "32").go();
    worker.is_ready();
    let size = |stage: &Stage| {
        let of =
            |name: &str| fs::metadata(stage.store.path.with_file_name(name)).map_or(0, |file| file.len());
        of("tasks.db") + of("tasks.db-wal")
    };
    let mut sizes = Vec::new();
    for round in 0..rounds {
        let brief = |number: u64| {
            let mut task =
                task(&QUICK, &id(format_args!("r{round}-{number}")), &json!({ "echo": "x".repeat(500) }));
            let mut envelope = (*task.envelope).clone();
            (envelope.retention.result, envelope.retention.dead) =
                (Duration::from_millis(50), Duration::from_millis(50));
            task.envelope = envelope.into();
            task
        };
        let tasks: Vec<Task> = (0..count).map(brief).collect();
        stage.runtime.block_on(async {
            for chunk in tasks.chunks(500) {
                store.submit(chunk.to_vec()).await.unwrap();
            }
            for task in &tasks {
                settle::to_the_end(&store, &task.id).await;
            }
        });
        sizes.push(size(&stage));
    }
    println!("bytes of database and log after each round of {count} tasks: {sizes:?}");
    let early = sizes[..sizes.len() / 2].iter().max().unwrap();
    let late = sizes[sizes.len() / 2..].iter().max().unwrap();
    assert!(late <= &(early * 3 / 2), "it grows: {sizes:?}");
    drains(&mut worker);
}

/// evidence (c) rows 4, 7 and 17: a hundred thousand tasks that are due at one moment all run, each once.
#[test]
#[ignore = "long form: ./dev proof"]
fn a_hundred_thousand_tasks_due_at_once_all_run() {
    let mut stage = Stage::new(58, 1);
    let store = stage.runtime.block_on(stage.store.open());
    let mut worker = stage.cast("worker").with(SLOTS, "64").go();
    worker.is_ready();
    let delayed = |number: u64| {
        let mut task = quick_task(&id(format_args!("due-{number}")));
        task.delay = Some(When::In(Duration::from_secs(30)));
        task
    };
    stage.runtime.block_on(async {
        for chunk in (0..100_000).collect::<Vec<u64>>().chunks(1000) {
            store.submit(chunk.iter().map(|number| delayed(*number)).collect()).await.unwrap();
        }
        for number in 0..100_000 {
            let id = id(format_args!("due-{number}"));
            settle::to_the_end(&store, &id).await;
            let record = store.record(&id).await.unwrap();
            assert_eq!((record.state, record.attempt, record.crashes), (State::Succeeded, 1, 0), "{id}");
        }
    });
    drains(&mut worker);
}
