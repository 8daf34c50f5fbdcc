//! The tasks of a sequence.

use std::{sync::Arc, time::Duration};

use function_runner_core::{
    Dedupe, Envelope, FollowUp, FunctionRef, Labels, Lane, Payload, Priority, Retention, RetryPolicy, Task,
    TaskId, Tenant, Timestamp, Version, When,
};

use super::{Drive, MOST_TASKS, lane};
use crate::model::{op::Wish, reference::increment};

impl Drive<'_> {
    /// The tasks of these wishes; none where there are enough.
    pub(super) fn tasks(&mut self, wishes: &[Wish]) -> Vec<Task> {
        let mut tasks: Vec<Task> = Vec::new();
        for wish in wishes {
            if self.model.rows.len() + 3 * (tasks.len() + 1) <= MOST_TASKS {
                let task = self.task(wish, &tasks);
                tasks.push(task);
            }
        }
        tasks
    }

    fn task(&mut self, wish: &Wish, beside: &[Task]) -> Task {
        self.count += 1;
        let number = self.count;
        // ids whose order is not that in which they come
        let letter = ["m", "c", "x", "f", "a"][number as usize % 5];
        let id = TaskId::new(format!("{letter}{number}")).expect("a letter and a number are an id");
        let lane = lane(wish.lane % 4);
        let retention = match wish.retention % 4 {
            0 | 1 => Retention::default(),
            2 => Retention::of(self.millis(60_000)),
            _ => Retention::of(self.millis(7_200_000)),
        };
        let mut envelope = Envelope::new(Version::new(lane.major(), lane.minor(), 0));
        envelope.retention = retention;
        if wish.retention % 7 == 6 {
            envelope.retry = RetryPolicy::never().max_crashes(1 + u32::from(wish.retention) % 2);
        }
        let envelope = Arc::new(envelope);
        let function = reference(&lane);
        let input = Payload::encode(&number).expect("a number is JSON");
        let mut task = Task::new(id, function, lane, input, envelope);
        task.tenant = tenant(wish.tenant);
        task.priority = priority(wish.priority);
        task.increment = self.increment(&task, wish.cost);
        task.delay = self.delay(wish, beside);
        task.deadline = self.deadline(wish, beside);
        task.dedupe = self.dedupe(wish.dedupe);
        for index in 0..wish.follow_ups % 3 {
            task.follow_ups.push(self.follow_up(&task, index));
        }
        task
    }

    fn increment(&self, task: &Task, cost: u8) -> u64 {
        let cost = [1, 1, 10, 1024][usize::from(cost) % 4];
        increment(cost, task.priority.value(), self.model.weight(task.tenant.as_ref()))
    }

    fn delay(&self, wish: &Wish, beside: &[Task]) -> Option<When> {
        let millis = [0, 1, 500, 3_000, 9_000, 40_000][usize::from(wish.delay % 6)];
        if wish.delay == 0 {
            return None;
        }
        let moment = self.own_moment(self.model.now.after(self.millis(millis)), beside);
        Some(self.when(moment, wish.delay))
    }

    fn deadline(&self, wish: &Wish, beside: &[Task]) -> Option<When> {
        let millis = [0, 1, 2_000, 9_000, 30_000, 100_000][usize::from(wish.deadline % 6)];
        if wish.deadline == 0 {
            return None;
        }
        let moment = self.own_moment(self.model.now.after(self.millis(millis)), beside);
        Some(self.when(moment, wish.deadline / 2))
    }

    fn when(&self, moment: Timestamp, how: u8) -> When {
        let now = self.model.now;
        if how.is_multiple_of(2) && now <= moment { When::In(moment.since(now)) } else { When::At(moment) }
    }

    /// A moment near this at which no task becomes due yet, so that the order of what becomes due is known.
    pub(super) fn own_moment(&self, moment: Timestamp, beside: &[Task]) -> Timestamp {
        let now = self.model.now;
        let rows = self.model.rows.iter().flat_map(|row| [row.waits_until, row.deadline]);
        let beside = beside.iter().flat_map(|task| [task.delay, task.deadline]);
        let taken: Vec<Timestamp> =
            rows.flatten().chain(beside.flatten().map(|when| when.due(now))).collect();
        let apart = (self.tolerance * 2).max(Duration::from_millis(1));
        let mut moment = moment;
        while taken.iter().any(|taken| taken.after(apart) > moment && moment.after(apart) > *taken) {
            moment = moment.after(apart);
        }
        moment
    }

    fn dedupe(&self, number: u8) -> Option<Dedupe> {
        if number == 0 {
            return None;
        }
        let key = ["red", "blue"][usize::from(number) % 2];
        let window = [1_000, 10_000, 60_000][usize::from(number) / 2 % 3];
        Some(Dedupe::new(key, self.millis(window)))
    }

    fn follow_up(&self, task: &Task, index: u8) -> FollowUp {
        let lane = lane(4);
        let envelope = Arc::new(Envelope::new(Version::new(1, 0, 0)));
        let labels = Labels::from([("index".to_owned(), index.to_string())]);
        let increment = increment(1, task.priority.value(), 128);
        FollowUp::new(reference(&lane), labels, lane, increment, envelope)
    }

    /// One of the tasks that were ever stored; sometimes one that nobody stored.
    pub(super) fn id(&self, which: u8) -> TaskId {
        let follow_ups = self.model.rows.iter().map(|row| &row.task.id).filter(|id| !self.ids.contains(id));
        let all: Vec<&TaskId> = self.ids.iter().chain(follow_ups).collect();
        if all.is_empty() || which >= 250 {
            return TaskId::new("nobody").expect("a word is an id");
        }
        all[usize::from(which) % all.len()].clone()
    }
}

fn reference(lane: &Lane) -> FunctionRef {
    let text = format!("{}@{}.{}", lane.function(), lane.major(), lane.minor());
    text.parse().expect("a lane names a function and its version")
}

pub(super) fn tenant(number: u8) -> Option<Tenant> {
    let name = [None, Some("acme"), Some("globex")][usize::from(number) % 3];
    name.map(|name| Tenant::new(name).expect("a word is a tenant"))
}

fn priority(number: u8) -> Priority {
    let value = [5, 10, 1, 6, 8, 4][usize::from(number) % 6];
    Priority::new(value).expect("each of these is a priority")
}

/// A task in words.
pub(super) fn words_of(task: &Task) -> String {
    let mut words = format!("{} for {}", task.id, task.lane);
    let mut add = |text: String| words.push_str(&text);
    if let Some(tenant) = &task.tenant {
        add(format!(", tenant {tenant}"));
    }
    if task.priority != Priority::default() {
        add(format!(", priority {}", task.priority));
    }
    if let Some(delay) = task.delay {
        add(format!(", delay {}", when_in_words(delay)));
    }
    if let Some(deadline) = task.deadline {
        add(format!(", deadline {}", when_in_words(deadline)));
    }
    if let Some(dedupe) = &task.dedupe {
        add(format!(", key {} for {}", dedupe.key, super::words_of(dedupe.window)));
    }
    match task.follow_ups.len() {
        0 => {}
        1 => add(", with a follow-up".to_owned()),
        count => add(format!(", with {count} follow-ups")),
    }
    if task.envelope.retention != Retention::default() {
        add(format!(", kept {}", super::words_of(task.envelope.retention.result)));
    }
    if task.envelope.retry.max_crashes != RetryPolicy::default().max_crashes {
        add(format!(", at most {} crashes", task.envelope.retry.max_crashes));
    }
    words
}

fn when_in_words(when: When) -> String {
    match when {
        When::In(time) => super::words_of(time),
        When::At(moment) => format!("at {moment}"),
    }
}
