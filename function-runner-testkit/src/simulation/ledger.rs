//! What is known of every task, from the answers of the store alone, and what must hold of it.

use std::fmt::Display;

use function_runner_core::{Finished, Lease, Renewal, State};

use super::{
    history::{Happening, History, NOBODY, What},
    lanes::LaneBook,
};

/// With so many crashes a task is a dead letter.
const CRASHES: u8 = 3;
/// How many violations are kept.
const KEPT: usize = 12;

/// Where a task is, as far as the answers told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// No store has it yet.
    #[default]
    Nowhere,
    /// It waits; `paid` where it went back to the front.
    Ready { paid: bool },
    /// It waits for its time, and then lines up.
    Delayed,
    /// Somebody has a claim of it.
    Held,
    /// It ended.
    Ended(State),
}

/// What a task is in for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traits {
    /// It kills every worker that runs it.
    pub(super) poison: bool,
    /// Somebody asks for its cancel.
    pub(super) cancel: bool,
    /// It waits so long before it may start, in milliseconds.
    pub(super) delay: u32,
    /// It must have started by then, in milliseconds after its submit.
    pub(super) deadline: u32,
    /// It is of the flood in which shares are compared.
    pub(super) flood: bool,
}

/// What is known of one task.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub(super) kind: u8,
    pub(super) tenant: u8,
    pub(super) priority: u8,
    pub(super) failed: u8,
    pub(super) traits: Traits,
    pub(super) place: Place,
    pub(super) watched: bool,
    pub(super) cancelled: bool,
    pub(super) holder: u32,
    pub(super) fence: u64,
    /// When its claim was last kept.
    pub(super) kept: u64,
    /// When its holder died, while nobody has taken it since.
    pub(super) died: Option<u64>,
    /// When it went back or came in.
    pub(super) since: u64,
    /// How often a worker died while it held this: of the poison of that number, of any poison, of anything else.
    pub(super) crashes: Crashes,
    /// The leases of its lane when its dead holder's claim had run out.
    pub(super) overdue: Option<u64>,
    /// The leases of its lane and those of them that had paid, when it became ready alone in its flow.
    pub(super) mark: Option<(u64, bool)>,
}

/// How often a worker died while it held a task.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Crashes {
    /// Which poison it was last.
    poison: u32,
    /// How often that, at most.
    pub(super) by_one: u8,
    by_it: u8,
    pub(super) by_any: u8,
    pub(super) by_chance: u8,
}

impl Crashes {
    fn add(&mut self, poison: Option<u32>) {
        let Some(poison) = poison else {
            self.by_chance = self.by_chance.saturating_add(1);
            return;
        };
        self.by_it = if self.by_any > 0 && self.poison == poison { self.by_it.saturating_add(1) } else { 1 };
        self.poison = poison;
        self.by_any = self.by_any.saturating_add(1);
        self.by_one = self.by_one.max(self.by_it);
    }

    pub(super) const fn all(&self) -> u8 {
        self.by_any.saturating_add(self.by_chance)
    }
}

/// How an attempt's end was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Succeeded,
    Failed,
    Cancelled,
    Retry,
    /// `front` where it goes back without a wait.
    Released {
        front: bool,
    },
}

/// A run of numbers of which the largest and the mean are kept.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    pub(super) count: u64,
    sum: u64,
    pub(super) most: u64,
}

impl Span {
    pub(super) fn add(&mut self, value: u64) {
        self.count += 1;
        self.sum += value;
        self.most = self.most.max(value);
    }

    pub(super) fn mean(&self) -> u64 {
        self.sum.checked_div(self.count).unwrap_or(0)
    }
}

#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) entries: Vec<Entry>,
    pub(super) history: History,
    pub(super) lanes: LaneBook,
    pub(super) violations: Vec<String>,
    pub(super) violated: u64,
    pub(super) now: u64,
    pub(super) lease: u64,
    /// How many tasks the store has that have not ended.
    pub(super) open: u64,
    pub(super) ends: [u64; 3],
    pub(super) late: u64,
    pub(super) leases: u64,
    /// From the death of a worker to the next lease of what it held: small tasks, large ones, suspects.
    pub(super) recovered: [Span; 3],
    /// The same where the store was out of reach in between.
    pub(super) recovered_in_weather: Span,
    /// Claims of dead workers that were looked at a second after they ran out, and how many nobody had taken over.
    pub(super) orphans: [u64; 2],
    /// How many fresh tasks of its lane went before one whose dead holder's claim had run out.
    pub(super) overtaken: Span,
    pub(super) troubles: Vec<(u64, u64)>,
}

impl Ledger {
    pub(super) fn new(tasks: usize, lease: u64, lanes: LaneBook) -> Self {
        Self {
            entries: vec![Entry { holder: NOBODY, ..Entry::default() }; tasks],
            history: History::new(),
            lanes,
            violations: Vec::new(),
            violated: 0,
            now: 0,
            lease,
            open: 0,
            ends: [0; 3],
            late: 0,
            leases: 0,
            recovered: [Span::default(); 3],
            recovered_in_weather: Span::default(),
            orphans: [0; 2],
            overtaken: Span::default(),
            troubles: Vec::new(),
        }
    }

    pub(super) fn note(&mut self, what: What, task: u32, worker: u32, detail: u64) {
        self.history.note(Happening { at: self.now, what, task, worker, detail });
    }

    pub(super) fn violation(&mut self, text: impl Display, task: u32, worker: u32) {
        self.violated += 1;
        if self.violations.len() < KEPT {
            let at = self.now as f64 / 1000.0;
            let about = self.history.of(task, worker);
            let entry = self.entries.get(task as usize).map(|entry| format!("    {entry:?}\n"));
            let entry = entry.unwrap_or_default();
            self.violations.push(format!("at {at:.3} s, t{task}, w{worker}: {text}\n{entry}{about}"));
        }
    }

    /// The store has a task.
    pub(super) fn accepted(&mut self, task: u32) {
        self.note(What::Submitted, task, NOBODY, 0);
        let now = self.now;
        let entry = &mut self.entries[task as usize];
        if entry.place != Place::Nowhere {
            return;
        }
        self.open += 1;
        entry.since = now;
        entry.place = if entry.traits.delay > 0 { Place::Delayed } else { Place::Ready { paid: false } };
        self.lanes.ready(entry);
    }

    /// The store gave a claim.
    pub(super) fn leased(&mut self, worker: u32, lease: &Lease, heard: bool) -> u32 {
        let task = number(lease.key.id.as_str());
        let what = if heard { What::Leased } else { What::LeasedUnheard };
        self.note(what, task, worker, lease.key.fence);
        self.leases += 1;
        let entry = &self.entries[task as usize];
        let wrong = match entry.place {
            Place::Nowhere => Some("leased before anybody submitted it"),
            Place::Ended(_) => Some("leased after its end"),
            Place::Held if entry.kept + self.lease > self.now => Some("leased while another has it"),
            _ if lease.key.fence <= entry.fence => Some("a fence that did not rise"),
            _ if lease.attempt != u32::from(entry.failed) + 1 => Some("a wrong attempt"),
            _ if entry.cancelled => Some("leased after its cancel"),
            _ => None,
        };
        if let Some(wrong) = wrong {
            self.violation(wrong, task, worker);
        }
        self.note_recovery(task, lease.suspect);
        let now = self.now;
        let entry = &mut self.entries[task as usize];
        self.lanes.leased(entry, lease.suspect, now);
        (entry.place, entry.holder, entry.fence) = (Place::Held, worker, lease.key.fence);
        entry.kept = self.now;
        task
    }

    fn note_recovery(&mut self, task: u32, suspect: bool) {
        let entry = &mut self.entries[task as usize];
        if let Some(leases) = entry.overdue.take().filter(|_| !suspect) {
            self.overtaken.add(self.lanes.leases(entry.kind) - leases);
        }
        if let Some(died) = entry.died.take() {
            let took = self.now - died;
            let in_trouble = self.troubles.iter().any(|(from, to)| died < *to && self.now > *from);
            match (in_trouble, suspect, self.lanes.is_large(entry.kind)) {
                (true, ..) => self.recovered_in_weather.add(took),
                (_, true, _) => self.recovered[2].add(took),
                (_, _, true) => self.recovered[1].add(took),
                _ => self.recovered[0].add(took),
            }
        }
    }

    /// A claim was kept, or is another's.
    pub(super) fn renewed(&mut self, worker: u32, task: u32, fence: u64, renewal: Renewal) {
        let what = if renewal == Renewal::Lost { What::RenewLost } else { What::Renewed };
        self.note(what, task, worker, fence);
        let entry = &mut self.entries[task as usize];
        let current = entry.place == Place::Held && entry.fence == fence;
        match renewal {
            Renewal::Lost if current && entry.kept + self.lease > self.now && !entry.cancelled => {
                self.violation("a claim that was kept is lost", task, worker);
            }
            Renewal::Held | Renewal::CancelRequested if !current => {
                self.violation("an old claim is kept", task, worker);
            }
            Renewal::Held | Renewal::CancelRequested => entry.kept = self.now,
            Renewal::Lost => {}
        }
    }

    /// The end of an attempt was told.
    pub(super) fn finished(&mut self, worker: u32, task: u32, fence: u64, told: Told, answer: Finished) {
        let entry = self.entries[task as usize].clone();
        let current = entry.place == Place::Held && entry.fence == fence;
        let Finished::Done(state) = answer else {
            self.note(What::FinishLost, task, worker, fence);
            self.late += 1;
            if current && entry.kept + self.lease > self.now && !entry.cancelled {
                self.violation("an end in time came too late", task, worker);
            }
            return;
        };
        self.note(What::Finished, task, worker, fence << 3 | state as u64);
        if !current {
            // the answer before was lost, and this is the same again
            let same = entry.fence == fence
                && match entry.place {
                    Place::Ended(ended) => ended == state,
                    Place::Held | Place::Nowhere => false,
                    Place::Ready { .. } | Place::Delayed => state == State::Queued,
                };
            if !same {
                self.violation(format!("an old claim's end counts: {state:?}"), task, worker);
            }
            return;
        }
        if entry.cancelled && state != State::Cancelled {
            self.violation(format!("ended {state:?} after its cancel"), task, worker);
        }
        if state.is_terminal() {
            return self.ended(task, state);
        }
        let (now, front) = (self.now, told == Told::Released { front: true });
        let entry = &mut self.entries[task as usize];
        entry.failed += u8::from(told == Told::Retry);
        entry.place = if front { Place::Ready { paid: true } } else { Place::Delayed };
        (entry.since, entry.holder) = (now, NOBODY);
        self.lanes.ready(entry);
    }

    /// A task ended, as an answer or an event says.
    pub(super) fn ended(&mut self, task: u32, state: State) {
        let entry = &mut self.entries[task as usize];
        let before = std::mem::replace(&mut entry.place, Place::Ended(state));
        entry.holder = NOBODY;
        match before {
            Place::Ended(old) => {
                if old != state {
                    self.violation(format!("ended twice: {old:?}, then {state:?}"), task, NOBODY);
                }
                return;
            }
            Place::Ready { .. } | Place::Delayed => {
                let entry = self.entries[task as usize].clone();
                self.lanes.left(&entry, before);
            }
            Place::Held | Place::Nowhere => {}
        }
        self.open -= 1;
        self.ends[match state {
            State::Succeeded => 0,
            State::Failed => 1,
            _ => 2,
        }] += 1;
    }

    /// A worker died: what it held is nobody's until the store finds out.
    /// Answers with those that it held, and when the claim of each runs out.
    pub(super) fn died(
        &mut self,
        worker: u32,
        tasks: impl IntoIterator<Item = u32>,
        poison: Option<u32>,
    ) -> Vec<(u32, u64)> {
        let mut orphans = Vec::new();
        for task in tasks {
            let entry = &mut self.entries[task as usize];
            if entry.place == Place::Held && entry.holder == worker {
                entry.died = Some(self.now);
                entry.crashes.add(poison);
                orphans.push((task, entry.kept + self.lease));
            }
        }
        orphans
    }

    /// The claim of a dead worker has run out a moment ago: from here on nothing fresh of its lane goes before it.
    ///
    /// Answers with its lane where nobody has it yet.
    pub(super) fn overdue(&mut self, task: u32, fence: u64) -> Option<(u8, bool)> {
        let now = self.now;
        let entry = &mut self.entries[task as usize];
        let in_trouble = self.troubles.iter().any(|(from, to)| entry.kept < *to && now > *from);
        if in_trouble {
            return None;
        }
        self.orphans[0] += 1;
        let is_dead = entry.crashes.all() >= CRASHES;
        if entry.fence != fence || entry.place != Place::Held || entry.cancelled || is_dead {
            return None;
        }
        self.orphans[1] += 1;
        entry.overdue = Some(self.lanes.leases(entry.kind));
        Some((entry.kind, entry.crashes.all() > 1))
    }
}

/// The number in the id of a task, which it was made from.
pub(super) fn number(id: &str) -> u32 {
    id[1..].parse().unwrap_or(NOBODY)
}
