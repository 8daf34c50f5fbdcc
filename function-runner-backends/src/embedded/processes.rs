//! The processes that have the file open, and what this one has to tell them when its transaction is committed.

use std::collections::HashMap;

use rusqlite::params;

use super::{
    bell::Bell,
    fault::Step,
    letter::{Letter, Line},
    store::{News, Store},
};

/// Every process, and the letters to be sent.
#[derive(Debug)]
pub(super) struct Processes {
    /// This one's number.
    pub(super) own: i64,
    pub(super) bell: Bell,
    others: Vec<Process>,
    /// Whether this one's row says that it watches.
    pub(super) watches: bool,
    letters: HashMap<i64, Letter>,
}

#[derive(Clone, Debug, PartialEq)]
struct Process {
    process: i64,
    bell: String,
    watching: bool,
}

impl Processes {
    pub(super) fn new(bell: Bell) -> Self {
        Self { own: 0, bell, others: Vec::new(), watches: false, letters: HashMap::new() }
    }

    pub(super) fn is_alone(&self) -> bool {
        self.others.is_empty()
    }

    pub(super) fn any_watching(&self) -> bool {
        self.others.iter().any(|process| process.watching)
    }

    /// A call of another process is to wake.
    pub(super) fn wake(&mut self, process: i64, call: u64) {
        self.letters.entry(process).or_default().wakes.push(call);
    }

    /// Tells those who watch what happened.
    pub(super) fn tell(&mut self, news: &[News]) {
        let lines: Vec<Line> = news.iter().filter_map(Line::of).collect();
        for process in self.others.iter().filter(|process| process.watching) {
            self.letters.entry(process.process).or_default().lines.extend_from_slice(&lines);
        }
    }

    /// A transaction came to nothing, and so did its letters.
    pub(super) fn forget_letters(&mut self) {
        self.letters.clear();
    }

    /// Sends what is to be said; answers which processes are no more, and whether a wake did not get through.
    pub(super) fn send(&mut self) -> (Vec<i64>, bool) {
        let (mut gone, mut lost) = (Vec::new(), false);
        for (number, letter) in std::mem::take(&mut self.letters) {
            let Some(process) = self.others.iter().find(|process| process.process == number) else {
                continue;
            };
            for page in letter.pages() {
                match self.bell.ring(&process.bell, &page) {
                    Ok(()) => {}
                    Err(Ring::Gone) => {
                        gone.push(number);
                        break;
                    }
                    Err(Ring::Full) => lost |= !letter.wakes.is_empty(),
                }
            }
        }
        (gone, lost)
    }

    /// Asks every other process whether it is there; answers which are no more.
    pub(super) fn ping(&self) -> Vec<i64> {
        self.ring_with(&[])
    }

    /// Rings every other process, so that it looks at the file; answers which are no more.
    pub(super) fn ring_all(&self) -> Vec<i64> {
        self.ring_with(b"{}")
    }

    fn ring_with(&self, page: &[u8]) -> Vec<i64> {
        let gone =
            self.others.iter().filter(|process| self.bell.ring(&process.bell, page) == Err(Ring::Gone));
        gone.map(|process| process.process).collect()
    }
}

/// Why a bell could not be rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ring {
    /// Nobody has it any more.
    Gone,
    /// It has not been answered for long.
    Full,
}

impl Store {
    /// Enters this process among those that have the file open.
    pub(super) fn enter(&mut self) -> Step<()> {
        let bell = self.processes.bell.name().to_owned();
        // numbers are never used twice while somebody may remember them
        let query = "INSERT INTO process SELECT max(coalesce(max(process), 0), ?1) + 1, ?2, 0 FROM process RETURNING process";
        let latest = i64::try_from(self.counters.calls).unwrap_or(0);
        self.processes.own =
            self.sql.prepare_cached(query)?.query_row(params![latest, bell], |sql| sql.get(0))?;
        self.wrote = true;
        self.read_processes()
    }

    /// Reads who else has the file open.
    pub(super) fn read_processes(&mut self) -> Step<()> {
        let was_alone = self.processes.is_alone();
        let others: Vec<Process> = {
            let query = "SELECT process, bell, watching FROM process";
            let mut statement = self.sql.prepare_cached(query)?;
            let rows = statement.query_map([], |sql| {
                Ok(Process { process: sql.get(0)?, bell: sql.get(1)?, watching: sql.get(2)? })
            })?;
            rows.collect::<Result<_, _>>()?
        };
        let (own, others): (Vec<Process>, Vec<Process>) =
            others.into_iter().partition(|process| process.process == self.processes.own);
        self.processes.others = others;
        // a transaction that came to nothing may have said otherwise
        self.processes.watches = own.iter().any(|process| process.watching);
        if own.is_empty() && self.processes.own != 0 {
            // somebody could not ring it and took it for dead
            self.enter_again()?;
        }
        if was_alone && !self.processes.is_alone() {
            self.show_sleepers()?;
            self.wrote = true;
        }
        Ok(())
    }

    fn enter_again(&mut self) -> Step<()> {
        self.processes.watches = !self.watching.is_empty();
        let values = params![self.processes.own, self.processes.bell.name(), self.processes.watches];
        self.sql.prepare_cached("INSERT INTO process VALUES (?1, ?2, ?3)")?.execute(values)?;
        self.wrote = true;
        self.show_sleepers()
    }

    /// Says in this process's row that it watches tasks, so that others tell it what happens.
    pub(super) fn show_watching(&mut self) -> Step<()> {
        if !std::mem::replace(&mut self.processes.watches, true) {
            let query = "UPDATE process SET watching = 1 WHERE process = ?1";
            self.sql.prepare_cached(query)?.execute([self.processes.own])?;
            self.wrote = true;
        }
        Ok(())
    }

    /// Strikes out processes that are no more, with the calls that they slept in.
    pub(super) fn bury(&mut self, gone: &[i64]) -> Step<()> {
        for process in gone {
            let bell = self.processes.others.iter().find(|other| other.process == *process);
            if let Some(bell) = bell {
                self.processes.bell.remove(&bell.bell);
            }
            self.sql.prepare_cached("DELETE FROM process WHERE process = ?1")?.execute([process])?;
            self.sql.prepare_cached("DELETE FROM sleeper WHERE process = ?1")?.execute([process])?;
            self.wrote = true;
        }
        self.read_processes()?;
        self.share_sleepers()?;
        // what they were woken for is another's now
        self.rouse()
    }

    /// This process closes the file.
    pub(super) fn depart(&mut self) -> Step<()> {
        let own = [self.processes.own];
        self.sql.prepare_cached("DELETE FROM process WHERE process = ?1")?.execute(own)?;
        self.sql.prepare_cached("DELETE FROM sleeper WHERE process = ?1")?.execute(own)?;
        self.wrote = true;
        Ok(())
    }
}
