//! From the start of a process to its first result, and to its end, beside a process that does nothing.

use std::{env, process::Command, time::Instant};

use function_runner_benches::{Figure, KEEP, Note, ROUNDS, keep, table};
use function_runner_client::prelude::*;

/// How many processes a round starts.
const STARTS: usize = 20;

/// The main job of a small program: a runner, a call, its output.
fn first_result(begin: Instant) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        let runner = Runner::local(Registry::new().add(KEEP.implement(keep)))?;
        assert_eq!(runner.call(KEEP, Note::of_500_bytes()).await?, 5);
        println!("{}", begin.elapsed().as_nanos());
        runner.close().await
    })
}

/// Starts this program in a role, and gives what it printed.
fn start(role: &str) -> String {
    let program = env::current_exe().expect("this program has a path");
    let output = Command::new(program).arg(role).output().expect("this program starts");
    assert!(output.status.success(), "{role}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints a number")
}

fn main() -> Result<()> {
    let begin = Instant::now();
    match env::args().nth(1).as_deref() {
        Some("result") => return first_result(begin),
        Some("nothing") => return Ok(()),
        _ => {}
    }
    let mut nothing = Figure::new("limit: a process that does nothing, start to end");
    let mut whole = Figure::new("a process with one result, start to end");
    let mut inner = Figure::new("main to first result");
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        (0..STARTS).for_each(|_| drop(start("nothing")));
        nothing.add(STARTS, begin.elapsed());
        let begin = Instant::now();
        let nanos: Vec<u64> =
            (0..STARTS).map(|_| start("result").trim().parse().expect("it prints a number")).collect();
        whole.add(STARTS, begin.elapsed());
        inner.add(STARTS, Duration::from_nanos(nanos.iter().sum()));
    }
    println!("processes, median of {ROUNDS} interleaved rounds of {STARTS}");
    print!("{}", table(&[(&nothing, None), (&whole, Some(&nothing)), (&inner, Some(&nothing))]));
    Ok(())
}
