//! Which files the embedded backend opens: those of its format, those it can make; and what it says of all others.

#![cfg(feature = "embedded")]

use std::{fs, path::Path, sync::Arc, time::Duration};

use function_runner_backends::embedded::EmbeddedQueue;
use function_runner_core::{
    AskedLane, Envelope, Error, ErrorKind, Executor as _, Failure, Finish, Inspect as _, Lane, LeaseRequest,
    Outcome, Payload, Queue as _, Retention, State, Task, TaskFilter, TaskId, Times, Version, WorkerId,
    schedule::lane_cost,
};

const LANE: &str = "work@1.0:standard";

/// A task that is kept for ever, so that the file of an old program has it still.
fn task(id: &str) -> Task {
    let mut envelope = Envelope::new(Version::new(1, 0, 0));
    envelope.retention = Retention::of(Duration::from_secs(1000 * 365 * 24 * 3600));
    let lane: Lane = LANE.parse().expect("it is as it was written");
    let input = Payload::encode(&format!("the input of {id}")).expect("it is as it was written");
    let delay = (id == "delayed").then(|| Duration::from_secs(500 * 365 * 24 * 3600).into());
    let id = TaskId::new(id).expect("it is as it was written");
    let mut task =
        Task::new(id, "work@1.0".parse().expect("it is as it was written"), lane, input, Arc::new(envelope));
    task.delay = delay;
    task
}

/// A file with a task in every state.
async fn fill(path: &Path) {
    let queue = EmbeddedQueue::open(path).await.expect("it is as it was written");
    let worker = WorkerId::new("worker-of-old").expect("it is as it was written");
    for (call, id) in ["succeeded", "failed", "cancelled", "running"].into_iter().enumerate() {
        queue.submit(vec![task(id)]).await.expect("it is as it was written");
        let asked = AskedLane {
            lane: LANE.parse().expect("it is as it was written"),
            cost: lane_cost(1).expect("it is as it was written"),
            warm: false,
        };
        let ask = LeaseRequest::new(worker.clone(), call as u64 + 1, vec![asked]);
        let lease = queue.lease(ask).await.expect("it is as it was written").leases.remove(0);
        let outcome = match id {
            "succeeded" => Outcome::Succeeded(Payload::encode(&7).expect("it is as it was written")),
            "failed" => Outcome::Failed(Failure::permanent("it cannot be done").code("no")),
            "cancelled" => Outcome::Cancelled,
            _ => continue,
        };
        queue.finish(vec![Finish::new(lease.key, outcome)]).await.expect("it is as it was written");
    }
    queue.submit(vec![task("queued"), task("delayed")]).await.expect("it is as it was written");
}

/// What a file that was [filled](fill) must tell, whichever program filled it.
async fn check(path: &Path) {
    let queue = EmbeddedQueue::open(path).await.expect("it is as it was written");
    let page = queue.tasks(TaskFilter::default()).await.expect("it is as it was written");
    let mut told: Vec<(String, State)> =
        page.items.iter().map(|record| (record.task.id.to_string(), record.state)).collect();
    told.retain(|(id, _)| id != "running");
    told.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [
        ("cancelled", State::Cancelled),
        ("delayed", State::Queued),
        ("failed", State::Failed),
        ("queued", State::Queued),
        ("succeeded", State::Succeeded),
    ];
    assert_eq!(told, expected.map(|(id, state)| (id.to_owned(), state)));
    for record in &page.items {
        assert_eq!(
            record.task.input.decode::<String>().expect("it is as it was written"),
            format!("the input of {}", record.task.id)
        );
        assert_eq!(record.task.content(), task(record.task.id.as_str()).content());
    }
    let record = |id: &str| {
        page.items.iter().find(|record| record.task.id.as_str() == id).expect("it is as it was written")
    };
    assert_eq!(
        record("succeeded")
            .output
            .as_ref()
            .expect("it is as it was written")
            .decode::<u32>()
            .expect("it is as it was written"),
        7
    );
    assert_eq!(
        record("failed").failure.as_ref().expect("it is as it was written").code.as_deref(),
        Some("no")
    );
    // whoever ran it is long dead; that is noticed a minute after its claim ran out
    let running = record("running");
    let last = running.attempts.last().map(|past| (&past.worker, past.attempt));
    let (holder, attempt) =
        running.worker.as_ref().map(|worker| (worker, running.attempt)).or(last).expect("somebody ran it");
    assert_eq!((holder.as_str(), attempt), ("worker-of-old", 1));
    assert_eq!(running.state, if running.crashes == 0 { State::Running } else { State::Queued });
    assert!(record("delayed").not_before.is_some());
}

/// The path of a file of an old program, in the folder of test data.
fn kept(format: u32) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/queue-format-{format}.db"))
}

#[tokio::test]
async fn a_file_of_format_1_has_all_its_tasks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tasks.db");
    fs::copy(kept(1), &path).unwrap();
    check(&path).await;
}

#[tokio::test]
async fn a_file_of_today_has_all_its_tasks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tasks.db");
    fill(&path).await;
    check(&path).await;
}

/// With `FUNCTION_RUNNER_BLESS=1` it makes the file that later programs are tested with: once for each format.
#[tokio::test]
async fn the_file_of_this_format_is_kept() {
    let path = kept(1);
    if std::env::var_os("FUNCTION_RUNNER_BLESS").is_some() && !path.exists() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fill(&path).await;
        let sql = rusqlite::Connection::open(&path).unwrap();
        sql.execute_batch("DELETE FROM process; PRAGMA journal_mode = DELETE; VACUUM;").unwrap();
    }
    assert!(path.exists(), "make it with FUNCTION_RUNNER_BLESS=1");
}

async fn refused(path: &Path) -> Error {
    EmbeddedQueue::open(path).await.expect_err("it is no queue of ours")
}

#[tokio::test]
async fn what_is_no_queue_is_refused_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tasks.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE cats (name TEXT); INSERT INTO cats VALUES ('Minka')").unwrap();
    drop(other);
    let error = refused(&path).await;
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("not a queue") && error.to_string().contains("tasks.db"), "{error}");
    let other = rusqlite::Connection::open(&path).unwrap();
    let cat: String = other.query_row("SELECT name FROM cats", [], |row| row.get(0)).unwrap();
    assert_eq!(cat, "Minka");
    for garbage in
        [&b"short"[..], &[7; 5000], b"SQLite format 3\0 and then nothing of the kind, for a page and more"]
    {
        fs::write(&path, garbage).unwrap();
        let error = refused(&path).await;
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert_eq!(fs::read(&path).unwrap(), garbage, "nothing is written");
    }
}

#[tokio::test]
async fn a_file_from_the_future_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tasks.db");
    fill(&path).await;
    let sql = rusqlite::Connection::open(&path).unwrap();
    sql.pragma_update(None, "user_version", 99).unwrap();
    drop(sql);
    let error = refused(&path).await;
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("format 99") && error.remedy().contains("newer program"), "{error}");
}

#[tokio::test]
async fn other_times_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tasks.db");
    fill(&path).await;
    let times = Times::default().scaled(7);
    let error = EmbeddedQueue::at(&path).times(times).open().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidSetup);
    assert!(error.remedy().contains("times"), "{error}");
}

#[tokio::test]
async fn a_folder_that_is_not_there_or_no_file_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("none/tasks.db"), folder.path().to_owned(), "/".into()] {
        let error = refused(&path).await;
        assert_eq!(error.kind(), ErrorKind::Io, "{}: {error}", path.display());
        assert!(!error.remedy().is_empty());
    }
}

#[tokio::test]
async fn a_damaged_file_is_told_and_nothing_panics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tasks.db");
    let whole = fs::read(kept(1)).unwrap();
    for page in 1..whole.len() / 4096 {
        let mut damaged = whole.clone();
        damaged[page * 4096..(page + 1) * 4096].fill(0xa5);
        for rest in ["-wal", "-shm"] {
            drop(fs::remove_file(folder.path().join(format!("tasks.db{rest}"))));
        }
        fs::write(&path, damaged).unwrap();
        // whatever is hit: an answer, or an error that says what it is
        let outcome = async {
            let queue = EmbeddedQueue::open(&path).await?;
            queue.submit(vec![task("one-more")]).await?;
            queue.tasks(TaskFilter::default()).await.map(drop)
        };
        if let Err(error) = outcome.await {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "page {page}: {error}");
        }
    }
}
