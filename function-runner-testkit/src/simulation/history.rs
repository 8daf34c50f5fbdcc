//! What happened: a hash of all of it, and the latest of it to be read when something is wrong.

use std::collections::VecDeque;

/// How many of the latest happenings are kept.
const KEPT: usize = 400_000;
/// How many of them a violation shows.
const SHOWN: usize = 24;

/// What happened, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Submitted,
    Leased,
    LeasedUnheard,
    Started,
    Finished,
    FinishLost,
    Renewed,
    RenewLost,
    CancelAsked,
    EndHeard,
    Recorded,
    Joined,
    Crashed,
    Hung,
    Stopped,
    Gone,
    Weather,
}

/// One happening: when, what, whose, and a number that tells more (a fence, a state).
#[derive(Clone, Copy, Debug)]
pub(super) struct Happening {
    pub(super) at: u64,
    pub(super) what: What,
    pub(super) task: u32,
    pub(super) worker: u32,
    pub(super) detail: u64,
}

/// No task, or no worker.
pub(super) const NOBODY: u32 = u32::MAX;

#[derive(Debug)]
pub(super) struct History {
    hash: u64,
    latest: VecDeque<Happening>,
}

impl History {
    pub(super) const fn new() -> Self {
        Self { hash: 0xCBF2_9CE4_8422_2325, latest: VecDeque::new() }
    }

    pub(super) fn note(&mut self, happening: Happening) {
        let Happening { at, what, task, worker, detail } = happening;
        for word in [at, what as u64, u64::from(task) << 32 | u64::from(worker), detail] {
            self.hash = (self.hash ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        }
        if self.latest.len() == KEPT {
            self.latest.pop_front();
        }
        self.latest.push_back(happening);
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }

    /// The last that happened to this task and to this worker, a line each.
    pub(super) fn of(&self, task: u32, worker: u32) -> String {
        let about = |happening: &&Happening| {
            task != NOBODY && happening.task == task
                || worker != NOBODY && happening.worker == worker && happening.what != What::Renewed
        };
        let mut lines: Vec<String> = self.latest.iter().rev().filter(about).take(SHOWN).map(line).collect();
        lines.reverse();
        lines.concat()
    }
}

fn line(happening: &Happening) -> String {
    let Happening { at, what, task, worker, detail } = *happening;
    let name = |letter, number| {
        if number == NOBODY { String::new() } else { format!(" {letter}{number}") }
    };
    let (task, worker) = (name('t', task), name('w', worker));
    format!("    {:>9.3} s {what:?}{task}{worker} {detail}\n", at as f64 / 1000.0)
}
