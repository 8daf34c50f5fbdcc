//! Calls that are stopped: by Ctrl-C, by a time limit, by the machine.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    bench::{Bench, Ended},
    picture,
};

const LONG: [&str; 7] = ["--json", "run", "image.upscale", "image=@photo.png", "factor=4", "-o", "big.png"];

fn with_large_photo() -> Bench {
    let bench = Bench::new();
    bench.write("photo.png", picture::large());
    bench
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Starts it, sends a signal once the body is at work, and gives the documents to the end.
fn stopped_by(bench: &Bench, name: &str) -> Vec<Value> {
    let mut command = bench.command();
    let mut child = command.args(LONG).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut documents = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let document: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let at_work = document["progress"]["stage"] == "running";
        if at_work && documents.iter().all(|before: &Value| before["progress"]["stage"] != "running") {
            signal(&child, name);
        }
        documents.push(document);
    }
    let ended = Ended::of(child.wait_with_output().unwrap()).ends(3);
    assert_eq!(ended.err, "");
    documents
}

#[test]
fn ctrl_c_cancels_and_leaves_nothing_half_written() {
    let bench = with_large_photo();
    bench.write("big.png", "what was there");
    for name in ["-INT", "-TERM"] {
        let documents = stopped_by(&bench, name);
        let last = documents.last().unwrap();
        assert_eq!((&last["kind"], &last["reason"]), (&json!("cancelled"), &json!("asked")), "{last}");
        assert_eq!(last["task"], documents[0]["task"]);
        assert_eq!(fs::read(bench.path("big.png")).unwrap(), b"what was there");
        bench.is_clean();
    }
}

#[test]
fn ctrl_c_says_so_to_people_and_a_second_one_changes_nothing_about_it() {
    let bench = with_large_photo();
    let mut command = bench.command();
    let mut child = command.args(&LONG[1..]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut first = String::new();
    said.read_line(&mut first).unwrap();
    assert!(first.starts_with("image.upscale · standard · "), "{first}");
    signal(&child, "-INT");
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(rest.starts_with("cancelled after ") && rest.ends_with("; nothing was written\n"), "{rest}");
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert!(!bench.path("big.png").exists());
    bench.is_clean();
}

#[test]
fn two_ctrl_c_at_once_end_it_all_the_same() {
    let bench = with_large_photo();
    let mut command = bench.command();
    let mut child = command.args(&LONG[1..]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    said.read_line(&mut String::new()).unwrap();
    let pid = child.id().to_string();
    let both = Command::new("sh").args(["-c", &format!("kill -INT {pid}; kill -INT {pid} 2>&-")]).status();
    assert!(both.is_ok());
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert!(!bench.path("big.png").exists());
}

/// Before there is a task: while it waits for an input that never comes.
#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_is_heard_while_it_waits_for_its_input() {
    let bench = Bench::new();
    let mut command = bench.command();
    command.args(["--json", "run", "image.upscale", "--input", "-", "-o", "big.png"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let listens = || {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
        u64::from_str_radix(caught, 16).unwrap() & 0b11 << 1 != 0
    };
    while !listens() {
        std::thread::yield_now();
    }
    signal(&child, "-INT");
    // its stdin stays open until it has ended
    let stdin = child.stdin.take();
    let code = child.wait().unwrap().code();
    drop(stdin);
    assert_eq!(code, Some(3));
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert_eq!((&ended.last()["kind"], &ended.last()["task"]), (&json!("cancelled"), &Value::Null));
    bench.is_clean();
}

#[test]
fn a_time_limit_cancels_and_says_so() {
    let bench = with_large_photo();
    let ended = bench.run(&[&LONG[..], &["--timeout", "300ms"]].concat()).ends(124);
    let last = ended.last();
    assert_eq!((&last["kind"], &last["reason"]), (&json!("cancelled"), &json!("timeout")), "{last}");
    assert!(!bench.path("big.png").exists());
    let ended = bench.run(&[&LONG[1..], &["--timeout", "300ms"]].concat()).ends(124);
    let text = "error: timed out after 300ms; the task was cancelled and nothing was written\n\
                help: raise --timeout, or choose a lower quality\n";
    assert!(ended.err.ends_with(text), "{ended:#?}");
}

/// A disk that is full ends in a failure of the function, after its retries.
#[test]
fn a_machine_that_runs_out_fails_the_function() {
    let bench = Bench::new();
    bench.write("photo.png", picture::noise(100, 100));
    let mut shell = Command::new("sh");
    // past so many blocks a file cannot grow, which is told as an error where the signal is ignored
    shell.args(["-c", "trap '' XFSZ; ulimit -f 128; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_fnr")]);
    // a queue in a file could not be written either
    let queue = ["--queue", "memory:"];
    let ended = Ended::of(bench.prepared(shell).args(LONG).args(queue).output().unwrap()).ends(1);
    let last = ended.last();
    assert_eq!((&last["kind"], &last["failure"]["class"]), (&json!("failed"), &json!("resource")), "{last}");
    assert!(last["failure"]["remedy"].is_string(), "{last}");
    assert!(!bench.path("big.png").exists());
    bench.is_clean();
}
