//! A fleet on the memory backend, simulated: `--workers 10000 --tasks 1000000 --seed 1` for one history and its table,
//! `--seeds 1000 --workers 100 --tasks 10000` for many and the worst of each figure.

use std::{
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use function_runner_backends::memory::MemoryQueue;
use function_runner_core::{Error, ErrorKind, Result};
use function_runner_testkit::{
    ManualClock,
    simulation::{Figure, Plan, Report, simulate},
};

/// As many seeds are simulated at a time.
const THREADS: usize = 2;

/// What is asked for.
struct Wanted {
    seed: u64,
    seeds: Option<u64>,
    workers: usize,
    tasks: usize,
}

fn wanted(mut arguments: impl Iterator<Item = String>) -> Result<Wanted> {
    let mut wanted = Wanted { seed: 1, seeds: None, workers: 100, tasks: 10_000 };
    while let Some(name) = arguments.next() {
        let text = arguments.next().unwrap_or_default();
        let number: u64 = text.parse().map_err(|_| {
            let message = format!("`{name}` is `{text}`; it takes a whole number");
            Error::new(ErrorKind::InvalidCall, message)
        })?;
        match name.as_str() {
            "--seed" => wanted.seed = number,
            "--seeds" => wanted.seeds = Some(number),
            "--workers" => wanted.workers = number as usize,
            "--tasks" => wanted.tasks = number as usize,
            _ => {
                let message = format!("`{name}` is unknown; take --seed or --seeds, --workers and --tasks");
                return Err(Error::new(ErrorKind::InvalidCall, message));
            }
        }
    }
    Ok(wanted)
}

fn one(wanted: &Wanted, seed: u64) -> Result<Report> {
    let clock = ManualClock::new();
    // nothing may be refused or forgotten for its number alone
    let store = MemoryQueue::builder().clock(clock.clone()).depth(wanted.tasks).history(wanted.tasks);
    let plan = Plan::new(seed).workers(wanted.workers).tasks(wanted.tasks);
    simulate(store.build().connection(), &clock, &plan)
}

fn many(wanted: &Wanted, seeds: u64) -> Result<Vec<Report>> {
    let (next, reports) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let work = || -> Result<()> {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return Ok(());
            }
            let report = one(wanted, wanted.seed + seed)?;
            if !report.holds() {
                println!("{report}");
            }
            reports.lock().unwrap_or_else(PoisonError::into_inner).push(report);
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| {
                Err(Error::new(
                    ErrorKind::InvalidCall,
                    "a simulation panicked: its seed is among those not told",
                ))
            })
        })
    })?;
    Ok(reports.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Of each figure that has a bound the one that takes most of it.
fn worst(reports: &[Report]) -> Vec<&Figure> {
    let figures = reports.first().map_or(0, |report| report.figures.len());
    let of = |index: usize| {
        let all = reports.iter().map(|report| &report.figures[index]);
        all.max_by(|one, other| one.taken.total_cmp(&other.taken))
    };
    (0..figures).filter_map(of).filter(|figure| !figure.bound.is_empty()).collect()
}

fn main() -> ExitCode {
    let begin = Instant::now();
    let run = || -> Result<bool> {
        let wanted = wanted(std::env::args().skip(1))?;
        let Some(seeds) = wanted.seeds else {
            let report = one(&wanted, wanted.seed)?;
            print!("{report}");
            return Ok(report.holds());
        };
        let reports = many(&wanted, seeds)?;
        let held = reports.iter().filter(|report| report.holds()).count();
        println!("{held} of {} seeds hold; of each figure the worst:", reports.len());
        worst(&reports).iter().for_each(|figure| println!("{}", figure.line()));
        Ok(held == reports.len())
    };
    let ended = run();
    println!("{:.0} s", begin.elapsed().as_secs_f64());
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
