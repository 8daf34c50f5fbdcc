//! Those who submit, cancel and look: what arrives, and what they are answered.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use function_runner_core::{
    FunctionRef, Payload, Priority, Result, Submitted, Task, TaskId, TaskRecord, TemplateSet, Weight, When,
};

use super::{
    catalog::{RENDER, SMALL},
    history::{NOBODY, What},
    lanes::{COMPARED, increment_of},
    ledger::{Entry, Place, Traits},
    node::{Answer, Pending},
    plan::Weather,
    watches::Watches,
    world::{Awoken, Event, World},
};

/// How often tasks arrive, in milliseconds.
const TICK: u64 = 200;
/// How long after the end of a poison the next comes at the earliest, in milliseconds.
const APART: u64 = 60_000;
/// How often whoever waits for nothing is looked at, in milliseconds.
const LOOK: u64 = 20_000;

/// A caller's call under way.
pub(super) enum Caller {
    /// Tasks from this number on, so many.
    Submits(u32, Pending<Result<Vec<Submitted>>>),
    Cancels(u32, Pending<Result<()>>),
    /// An operator, whose answer changes nothing here.
    Operates(Pending<Result<()>>),
    Reads(Pending<Result<Option<TemplateSet>>>),
    Looks(u32, Pending<Result<TaskRecord>>),
    /// On behalf of this worker.
    GivesBack(u32, Pending<Answer>),
}

/// What a caller was answered.
enum Answered {
    Submitted(u32, Result<Vec<Submitted>>),
    Cancelled(u32, Result<()>),
    Operated,
    Read(Result<Option<TemplateSet>>),
    Looked(u32, Box<Result<TaskRecord>>),
    GaveBack(u32, Answer),
}

impl Caller {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Answered> {
        match self {
            Self::Submits(batch, call) => {
                call.as_mut().poll(context).map(|answer| Answered::Submitted(*batch, answer))
            }
            Self::Cancels(task, call) => {
                call.as_mut().poll(context).map(|answer| Answered::Cancelled(*task, answer))
            }
            Self::Operates(call) => call.as_mut().poll(context).map(|_| Answered::Operated),
            Self::Reads(call) => call.as_mut().poll(context).map(Answered::Read),
            Self::Looks(task, call) => {
                call.as_mut().poll(context).map(|answer| Answered::Looked(*task, Box::new(answer)))
            }
            Self::GivesBack(node, call) => {
                call.as_mut().poll(context).map(|answer| Answered::GaveBack(*node, answer))
            }
        }
    }
}

/// Everybody who is no worker.
#[derive(Default)]
pub(super) struct Callers {
    calls: Vec<Option<Caller>>,
    free: Vec<u32>,
    pub(super) watches: Watches,
    /// Batches that were submitted: the first of each, and how many.
    batches: Vec<(u32, u32)>,
    unanswered: usize,
    /// How many tasks were drawn.
    drawn: u32,
    poison: Option<u32>,
    weights: Vec<Weight>,
    pub(super) poisons: u64,
    pub(super) crashed: u64,
}

impl std::fmt::Debug for Callers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Callers").field("drawn", &self.drawn).finish_non_exhaustive()
    }
}

impl Callers {
    /// Whether all tasks were accepted and all watches have ended.
    pub(super) const fn are_done(&self, tasks: usize) -> bool {
        self.drawn as usize == tasks && self.unanswered == 0 && self.watches.open == 0
    }
}

impl World {
    pub(super) fn begin_load(&mut self) {
        let weights = self.ledger.lanes.weights().clone();
        for (tenant, weight) in self.tenants.clone().into_iter().zip(weights) {
            let operate = self.operate.clone();
            let call = async move { operate.set_weight(&tenant, weight).await };
            self.call(Caller::Operates(Box::pin(call)));
        }
        let executor = self.executor.clone();
        self.call(Caller::Reads(Box::pin(async move { executor.templates(0).await })));
        let (flood, _) = self.plan.overload();
        self.at(2000, Event::Load);
        self.at(flood, Event::Flood);
        self.at(self.plan.length() + LOOK, Event::Check);
    }

    /// What arrives in a moment.
    pub(super) fn load(&mut self) {
        let (now, length) = (self.now(), self.plan.length());
        let left = self.plan.tasks as u64 - u64::from(self.callers.drawn);
        if now >= length {
            (0..left).for_each(|_| self.draw(None));
            return self.submit_drawn();
        }
        self.after(TICK, Event::Load);
        let usual = self.plan.tasks as u64 * (1000 - self.plan.flood_share()) / 1000;
        let expected = usual as f64 * self.plan.rate(now) * TICK as f64 / length as f64;
        let mut count = self.chances.load.round(expected * 0.9);
        if self.chances.load.per_mille(10) {
            // the tenth that is left comes in bursts of one tenant's, every twenty seconds or so
            count += self.chances.load.round(expected * 10.0);
        }
        let flood = if now < self.plan.overload().0 { self.plan.tasks as u64 - usual } else { 0 };
        (0..count.min(left.saturating_sub(flood))).for_each(|_| self.draw(None));
        self.draw_poison(now);
        self.submit_drawn();
    }

    /// One poison at a time, the next when the one before has ended.
    fn draw_poison(&mut self, now: u64) {
        let over = |task: &u32| {
            let entry = &self.ledger.entries[*task as usize];
            matches!(entry.place, Place::Ended(_)) && now > entry.kept + APART
        };
        let part = now * 100 / self.plan.length();
        let left = (self.callers.drawn as usize) < self.plan.tasks;
        if left && (5..90).contains(&part) && self.callers.poison.as_ref().is_none_or(over) {
            self.callers.poison = Some(self.callers.drawn);
            self.callers.poisons += 1;
            let entry = Entry { kind: SMALL as u8, priority: 8, holder: NOBODY, ..Entry::default() };
            let traits = Traits { poison: true, ..Traits::default() };
            self.draw(Some(Entry { traits, ..entry }));
        }
    }

    /// Every tenant submits as many of one function as its weight says, and far more than can be done soon.
    pub(super) fn flood(&mut self) {
        let all = self.plan.tasks as u64 * self.plan.flood_share() / 1000;
        let weights: Vec<u64> = self.callers.weights.iter().map(|weight| u64::from(weight.value())).collect();
        let sum: u64 = weights.iter().sum();
        for (tenant, weight) in weights.iter().enumerate() {
            for _ in 0..all * weight / sum {
                if (self.callers.drawn as usize) < self.plan.tasks {
                    let traits = Traits { flood: true, ..Traits::default() };
                    let entry = Entry { kind: RENDER as u8, tenant: tenant as u8, ..Entry::default() };
                    self.draw(Some(Entry { priority: COMPARED, traits, holder: NOBODY, ..entry }));
                }
            }
        }
        self.submit_drawn();
        self.ledger.lanes.compare();
    }

    /// Makes up one more task.
    fn draw(&mut self, given: Option<Entry>) {
        let dice = &mut self.chances.load;
        let mut entry = given.unwrap_or_else(|| {
            let shares: Vec<u64> = self.kinds.iter().map(|kind| kind.share).collect();
            let priorities = [0, 50, 30, 50, 50, 600, 50, 50, 60, 30, 30];
            let mut traits = Traits::default();
            match dice.below(1000) {
                0..10 => traits.cancel = true,
                10..20 => traits.deadline = dice.between(5_000, 120_000) as u32,
                20..40 => traits.delay = dice.between(500, 60_000) as u32,
                _ => {}
            }
            let (kind, tenant) = (dice.pick(&shares) as u8, dice.below(self.tenants.len() as u64) as u8);
            let priority = dice.pick(&priorities) as u8;
            Entry { kind, tenant, priority, traits, holder: NOBODY, ..Entry::default() }
        });
        let Traits { poison, cancel, deadline, .. } = entry.traits;
        entry.watched = poison || cancel || deadline > 0 || dice.per_mille(10);
        let task = self.callers.drawn;
        self.ledger.entries[task as usize] = entry;
        self.callers.drawn += 1;
    }

    /// Submits what was drawn and not submitted.
    fn submit_drawn(&mut self) {
        loop {
            let first = self.callers.batches.last().map_or(0, |(first, count)| first + count);
            let count = (self.callers.drawn - first).min(500);
            if count == 0 {
                return;
            }
            self.callers.batches.push((first, count));
            self.callers.unanswered += 1;
            self.submit_again(self.callers.batches.len() as u32 - 1);
        }
    }

    pub(super) fn submit_again(&mut self, batch: u32) {
        let (first, count) = self.callers.batches[batch as usize];
        let (fails, executor) = (self.gets_lost(), self.executor.clone());
        if fails {
            return self.after(1000, Event::Submit(batch));
        }
        let tasks: Result<Vec<Task>> = (first..first + count).map(|task| self.task(task)).collect();
        let call: Pending<Result<Vec<Submitted>>> = match tasks {
            Ok(tasks) => Box::pin(async move { executor.submit(tasks).await }),
            Err(error) => Box::pin(async move { Err(error) }),
        };
        self.call(Caller::Submits(batch, call));
    }

    fn gets_lost(&mut self) -> bool {
        match self.weather {
            Weather::Clear => false,
            Weather::Lossy => self.chances.net.per_mille(250),
            Weather::Dark => true,
        }
    }

    /// The task of this number, the same whenever it is made.
    fn task(&self, number: u32) -> Result<Task> {
        let entry = &self.ledger.entries[number as usize];
        let kind = &self.kinds[usize::from(entry.kind)];
        let id = TaskId::new(format!("t{number:07}"))?;
        let function = FunctionRef { name: kind.template.function.clone(), version: wanted() };
        let mut task = Task::new(
            id,
            function,
            kind.lane.clone(),
            Payload::from_stored(&b"null"[..]),
            kind.envelope.clone(),
        );
        task.tenant = Some(self.tenants[usize::from(entry.tenant)].clone());
        task.priority = Priority::new(entry.priority)?;
        task.increment = increment_of(entry.priority, self.callers.weights[usize::from(entry.tenant)]);
        let after = |millis: u32| (millis > 0).then(|| When::In(Duration::from_millis(millis.into())));
        task.delay = after(entry.traits.delay);
        task.deadline = after(entry.traits.deadline);
        Ok(task)
    }

    pub(super) fn call(&mut self, caller: Caller) {
        let place = self.callers.free.pop().unwrap_or_else(|| {
            self.callers.calls.push(None);
            self.callers.calls.len() as u32 - 1
        });
        self.callers.calls[place as usize] = Some(caller);
        self.poll_caller(place);
    }

    pub(super) fn poll_caller(&mut self, place: u32) {
        let waker = self.waker(Awoken::Caller(place));
        let mut context = Context::from_waker(&waker);
        let Some(mut caller) = self.callers.calls[place as usize].take() else { return };
        let Poll::Ready(answered) = caller.poll(&mut context) else {
            self.callers.calls[place as usize] = Some(caller);
            return;
        };
        self.callers.free.push(place);
        match answered {
            Answered::Submitted(batch, answer) => self.submitted(batch, answer),
            Answered::Cancelled(task, answer) => self.cancelled(task, answer.is_ok()),
            Answered::Operated => {}
            Answered::Read(set) => self.learn(set.ok().flatten()),
            Answered::Looked(task, answer) => self.looked(task, *answer),
            Answered::GaveBack(node, answer) => self.observe(node, &answer, false),
        }
    }

    /// What tasks pay follows from the weights that callers are told.
    fn learn(&mut self, set: Option<TemplateSet>) {
        let Some(set) = set else {
            return self.ledger.violation("no templates to read", NOBODY, NOBODY);
        };
        let weight = |tenant| set.weights.get(tenant).copied().unwrap_or_default();
        self.callers.weights = self.tenants.iter().map(weight).collect();
    }

    fn submitted(&mut self, batch: u32, answer: Result<Vec<Submitted>>) {
        let (first, count) = self.callers.batches[batch as usize];
        let answers = match answer {
            Ok(answers) => answers,
            Err(error) => return self.ledger.violation(format!("refused: {error}"), first, NOBODY),
        };
        for (task, answer) in (first..first + count).zip(answers) {
            let known = self.ledger.entries[task as usize].place != Place::Nowhere;
            if known != (answer == Submitted::AlreadyKnown) {
                self.ledger.violation(format!("submitted: {answer:?}, known {known}"), task, NOBODY);
            }
            if !known {
                self.accept(task);
            }
        }
        if self.weather == Weather::Lossy && self.chances.net.per_mille(250) {
            // stored, but its caller does not know
            return self.after(1000, Event::Submit(batch));
        }
        self.callers.unanswered -= 1;
    }

    fn accept(&mut self, task: u32) {
        self.ledger.accepted(task);
        let Entry { kind, traits, watched, .. } = self.ledger.entries[task as usize];
        let work = self.core_work(usize::from(kind));
        self.meters.offer(self.now() + u64::from(traits.delay), work);
        if watched {
            self.watch(task);
        }
        if traits.cancel {
            let late = self.chances.load.between(0, 60_000);
            self.after(late, Event::Cancel(task));
        }
    }

    pub(super) fn ask_cancel(&mut self, task: u32) {
        if self.gets_lost() {
            return self.after(1000, Event::Cancel(task));
        }
        let (executor, id) = (self.executor.clone(), id(task));
        self.call(Caller::Cancels(task, Box::pin(async move { executor.cancel(&id?).await })));
    }

    fn cancelled(&mut self, task: u32, acknowledged: bool) {
        self.ledger.note(What::CancelAsked, task, NOBODY, u64::from(acknowledged));
        let entry = &mut self.ledger.entries[task as usize];
        let ended = matches!(entry.place, Place::Ended(_));
        if acknowledged {
            entry.cancelled |= !ended;
        } else if !ended {
            self.ledger.violation("a cancel was refused", task, NOBODY);
        }
    }

    pub(super) fn ask_drain(&mut self, node: u32) {
        if self.gets_lost() {
            return;
        }
        let (operate, worker) = (self.operate.clone(), self.nodes[node as usize].id.clone());
        // one that has not joined yet cannot be drained
        self.call(Caller::Operates(Box::pin(async move { operate.drain(&worker).await })));
    }

    /// A task is a dead letter: by its own fault only where it is poison.
    pub(super) fn failed(&mut self, task: u32, code: Option<&str>) {
        let entry = &self.ledger.entries[task as usize];
        let (poison, crashes) = (entry.traits.poison, entry.crashes);
        if code == Some("crashed") && !poison {
            self.callers.crashed += 1;
            if crashes.by_one > 2 {
                let text = format!("an innocent became a dead letter by one poison: {crashes:?}");
                self.ledger.violation(text, task, NOBODY);
            }
        }
        if poison && code != Some("crashed") {
            self.ledger.violation(format!("poison ended with {code:?}"), task, NOBODY);
        }
    }

    /// Looks at those of which nothing was heard for long.
    pub(super) fn check(&mut self) {
        if self.closing {
            return;
        }
        self.after(LOOK, Event::Check);
        if self.weather != Weather::Clear {
            return;
        }
        let old = self.now().saturating_sub(LOOK);
        let silent = |entry: &Entry| entry.place == Place::Held && entry.kept < old && !entry.watched;
        let entries = self.ledger.entries.iter().enumerate();
        let tasks: Vec<u32> =
            entries.filter(|(_, entry)| silent(entry)).map(|(task, _)| task as u32).collect();
        for task in tasks {
            let executor = Arc::clone(&self.executor);
            self.call(Caller::Looks(task, Box::pin(async move { executor.record(&id(task)?).await })));
        }
    }

    fn looked(&mut self, task: u32, answer: Result<TaskRecord>) {
        let record = match answer {
            Ok(record) => record,
            Err(error) => return self.ledger.violation(format!("lost: {error}"), task, NOBODY),
        };
        self.ledger.note(What::Recorded, task, NOBODY, record.state as u64);
        if record.state.is_terminal() {
            self.ledger.ended(task, record.state);
            if let Some(failure) = &record.failure {
                self.failed(task, failure.code.as_deref());
            }
        }
    }
}

pub(super) fn id(task: u32) -> Result<TaskId> {
    TaskId::new(format!("t{task:07}"))
}

const fn wanted() -> function_runner_core::Wanted {
    function_runner_core::Wanted::Minor(1, 0)
}
