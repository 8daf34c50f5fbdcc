//! The examples `worker` and `caller` as processes of their own, over one file.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use function_runner_client::Runner;

/// An example of this package, which cargo builds with its tests.
fn example(name: &str) -> PathBuf {
    let tests = env::current_exe().unwrap();
    let path = tests.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(path.exists(), "build it first: cargo build -p function-runner-examples --examples");
    path
}

fn worker(folder: &Path) -> Child {
    let mut command = Command::new(example("worker"));
    command.current_dir(folder).arg("sqlite:tasks.db").stdout(Stdio::piped()).spawn().unwrap()
}

/// Waits until both have joined: from then on they hear signals.
async fn joined(folder: &Path) {
    let url = format!("sqlite:{}", folder.join("tasks.db").display());
    let runner = Runner::connect(&url).await.unwrap();
    while runner.inspect().unwrap().workers().await.unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn two_workers_do_what_a_caller_asks_and_stop_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut workers = [worker(folder.path()), worker(folder.path())];
    joined(folder.path()).await;
    let mut caller = Command::new(example("caller"));
    let called = caller.current_dir(folder.path()).args(["sqlite:tasks.db", "6"]).output().unwrap();
    let said = String::from_utf8(called.stdout).unwrap();
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 6, "{said}\n{}", String::from_utf8_lossy(&called.stderr));
    for (n, line) in lines.iter().enumerate() {
        let (begins, ends) = (format!("{} in ", 10 + n), " s, attempt 1");
        assert!(line.starts_with(&begins) && line.ends_with(ends), "{said}");
    }
    for worker in &mut workers {
        let sent = Command::new("kill").args(["-TERM", &worker.id().to_string()]).status().unwrap();
        assert!(sent.success() && worker.wait().unwrap().success());
        let said: Vec<_> =
            BufReader::new(worker.stdout.take().unwrap()).lines().map(Result::unwrap).collect();
        assert_eq!(said, ["working; Ctrl-C stops", "stopped"]);
    }
}
