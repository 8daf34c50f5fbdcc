//! Workers driven by hand, by a clock that the test turns: every seed is one run, to the last line.

use std::{
    collections::BTreeSet,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use function_runner_backends::memory::MemoryQueue;
use function_runner_core::{
    AskedLane, Beat, Capacity, EventStream, Executor as _, Failure, Finish, Heartbeat, Inspect as _, Lease,
    LeaseReply, LeaseRequest, Numbered, Operate as _, Outcome, Payload, Progress, Queue, Renewal, Report,
    Result, Seen, Submitted, Task, TaskId, Times, WorkerId, WorkerInfo, schedule::lane_cost,
};
use function_runner_testkit::{
    ManualClock,
    history::{History, Invariant, Recorded, Rules, Summary, Violation},
    seeds,
};
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture};

use crate::{
    dice::Dice,
    link::{Link, Way},
    work::Work,
};

/// How many tasks a hand holds at most.
const MOST: usize = 4;

/// A store, what stands before it, and who calls it.
pub(crate) struct Hands {
    clock: ManualClock,
    history: History,
    /// What callers and workers see: perhaps broken.
    seen: Arc<dyn Queue>,
    caller: Recorded<Arc<dyn Queue>>,
    operator: Recorded<MemoryQueue>,
    hands: Vec<Hand>,
    watches: Vec<EventStream>,
    dice: Dice,
    work: Work,
    tasks: Vec<Task>,
    kept: BTreeSet<TaskId>,
}

/// A worker driven by hand.
struct Hand {
    queue: Recorded<Link>,
    link: Link,
    worker: WorkerId,
    calls: u64,
    ended: u64,
    held: Vec<Held>,
    asleep: Option<BoxFuture<'static, Result<LeaseReply>>>,
}

struct Held {
    lease: Lease,
    cancelled: bool,
    told: u32,
}

/// What the store answers without waiting.
fn now<T>(answer: impl Future<Output = T>) -> T {
    answer.now_or_never().expect("this call never waits")
}

impl Hands {
    /// A run of so many steps over what `seen` makes of the store, and what its history comes to.
    pub(crate) fn judge(
        seed: u64,
        steps: u64,
        seen: impl FnOnce(MemoryQueue) -> Arc<dyn Queue>,
    ) -> Result<Summary, Violation> {
        let (clock, times) = (ManualClock::new(), Times::default());
        let store = MemoryQueue::builder().clock(clock.clone()).times(times).build();
        let history = History::with_clock(clock.clone());
        let (seen, operator) = (seen(store.clone()), history.record(store));
        let mut run = Self {
            clock,
            caller: history.record(seen.clone()),
            operator,
            history,
            seen,
            hands: Vec::new(),
            watches: Vec::new(),
            dice: Dice::new(seed),
            work: Work::new(),
            tasks: Vec::new(),
            kept: BTreeSet::new(),
        };
        (0..3).for_each(|_| run.join());
        (0..steps).for_each(|step| run.step(step));
        let drained = run.drain();
        // a turn of the clock by no more than the gap is no silence, and nobody looks before it is over
        let rules = Rules::new(times).slack(Duration::ZERO).recovers_within(times.gap);
        let rules = if drained { rules.drained() } else { rules };
        run.history.check(&rules)
    }

    fn join(&mut self) {
        let (link, worker) = (Link::new(self.seen.clone()), WorkerId::unique());
        let queue = self.history.record(link.clone());
        let capacity = Capacity::new().slots(MOST as u64);
        // a broken store may refuse it; then the hand is a stranger, which is allowed too
        let _ = now(queue.join(WorkerInfo::new(worker.clone(), capacity, self.work.templates())));
        self.hands.push(Hand { queue, link, worker, calls: 0, ended: 0, held: Vec::new(), asleep: None });
    }

    fn step(&mut self, step: u64) {
        match self.dice.below(48) {
            0..6 => self.submit(step),
            6..8 => self.again(),
            8 => self.each(|run, id| _ = now(run.operator.requeue(&id))),
            9 => self.each(|run, id| _ = now(run.operator.requeue(&id))),
            10 => self.each(|run, id| _ = now(run.caller.cancel(&id))),
            11..13 => self.each(|run, id| _ = now(run.caller.record(&id))),
            13..16 => self.each(|run, id| run.watches.extend(now(run.caller.watch(&id, Seen::default())))),
            16 => self.crash(),
            17 => self.clock.advance(Duration::from_secs(self.dice.below(40))),
            18..23 => self.clock.advance(Duration::from_millis(self.dice.below(2500))),
            23 => _ = now(self.operator.pause(&self.work.light_lane())),
            24..26 => _ = now(self.operator.resume(&self.work.light_lane())),
            26..30 => self.hand(|hand, _, _| hand.beat()),
            30..36 => self.hand(|hand, work, dice| hand.ask(work, dice)),
            _ => self.hand(|hand, _, dice| hand.finish(dice)),
        }
        self.listen();
    }

    fn each(&mut self, act: impl FnOnce(&mut Self, TaskId)) {
        if let Some(id) = self.dice.of(&self.tasks).map(|task| task.id.clone()) {
            act(self, id);
        }
    }

    fn hand(&mut self, act: impl FnOnce(&mut Hand, &Work, &mut Dice)) {
        let place = self.dice.below(self.hands.len() as u64) as usize;
        let hand = &mut self.hands[place];
        match self.dice.below(16) {
            0 => hand.link.set(Way::Down),
            1 => hand.link.set(Way::Deaf),
            _ => {}
        }
        act(hand, &self.work, &mut self.dice);
        hand.link.set(Way::Open);
    }

    /// A hand is gone with all it holds; another takes its place.
    fn crash(&mut self) {
        let place = self.dice.below(self.hands.len() as u64) as usize;
        self.hands.swap_remove(place);
        self.join();
    }

    fn submit(&mut self, step: u64) {
        let count = if self.dice.one_in(3) { 1 + self.dice.below(5) } else { 1 };
        let name = |index| TaskId::new(format!("t{step}-{index}")).unwrap();
        let batch: Vec<Task> =
            (0..count).map(|index| self.work.random(name(index), &mut self.dice, false)).collect();
        self.tasks.extend(batch.iter().cloned());
        self.send(batch);
    }

    fn send(&mut self, batch: Vec<Task>) {
        let ids: Vec<TaskId> = batch.iter().map(|task| task.id.clone()).collect();
        let Ok(answers) = now(self.caller.submit(batch)) else { return };
        let kept =
            ids.into_iter().zip(answers).filter(|(_, answer)| !matches!(answer, Submitted::Duplicate(_)));
        self.kept.extend(kept.map(|(id, _)| id));
    }

    fn again(&mut self) {
        let Some(task) = self.dice.of(&self.tasks).cloned() else { return };
        if self.dice.one_in(3) {
            let mut other = task;
            other.labels.insert("other".to_owned(), "content".to_owned());
            // another task under an id that is taken, unless the first was a duplicate
            if self.kept.contains(&other.id) {
                let _ = now(self.caller.submit(vec![other]));
            }
        } else {
            self.send(vec![task]);
        }
    }

    /// Calls that sleep and watches that are open go on as far as they can.
    fn listen(&mut self) {
        for hand in &mut self.hands {
            hand.wake();
        }
        let cx = &mut Context::from_waker(Waker::noop());
        self.watches.retain_mut(|watch| {
            loop {
                match watch.poll_next_unpin(cx) {
                    Poll::Ready(Some(_)) => {}
                    Poll::Ready(None) => return false,
                    Poll::Pending => return true,
                }
            }
        });
    }

    /// Works on until nothing is left; false where that does not come.
    fn drain(&mut self) -> bool {
        now(self.operator.resume(&self.work.light_lane())).unwrap();
        for _ in 0..300 {
            self.clock.advance(Duration::from_secs(1));
            for (place, hand) in self.hands.iter_mut().enumerate() {
                hand.beat();
                if place == 0 {
                    // one sleeps over its asks: it must be given what the dead have left
                    hand.take(&self.work, Duration::from_secs(20));
                } else {
                    hand.asleep = None;
                    hand.take(&self.work, Duration::ZERO);
                }
                hand.finish_all();
            }
            self.listen();
            let lanes = now(self.operator.lanes()).unwrap();
            if lanes.iter().all(|lane| lane.queued + lane.running + lane.delayed == 0) {
                for id in &self.kept {
                    let _ = now(self.caller.record(id));
                }
                return true;
            }
        }
        false
    }
}

impl Hand {
    /// Asks without waiting, or goes to sleep over it.
    fn ask(&mut self, work: &Work, dice: &mut Dice) {
        if dice.one_in(3) {
            self.take(work, Duration::from_secs(20));
        } else {
            self.take(work, Duration::ZERO);
        }
    }

    fn take(&mut self, work: &Work, wait: Duration) {
        let free = MOST.saturating_sub(self.held.len()) as u64;
        let Some(cost) = lane_cost(free).filter(|_| self.asleep.is_none()) else { return };
        let twins = !self.held.iter().any(|held| held.lease.suspect);
        let plain = [work.light_lane(), work.after_lane()];
        let lanes = plain.iter().flat_map(|lane| [Some(lane.clone()), twins.then(|| lane.twin())]).flatten();
        let lanes = lanes.map(|lane| AskedLane { lane, cost, warm: false }).collect();
        self.calls += 1;
        let mut ask = LeaseRequest::new(self.worker.clone(), self.calls, lanes);
        ask.wait = wait;
        let queue = self.queue.clone();
        self.asleep = Some(Box::pin(async move { queue.lease(ask).await }));
        self.wake();
    }

    fn wake(&mut self) {
        let Some(call) = &mut self.asleep else { return };
        let Some(reply) = call.now_or_never() else { return };
        (self.asleep, self.ended) = (None, self.calls);
        let leases = reply.map(|reply| reply.leases).unwrap_or_default();
        self.held.extend(leases.into_iter().map(|lease| Held { lease, cancelled: false, told: 0 }));
    }

    fn beat(&mut self) {
        let beats = self.held.iter_mut().map(|held| {
            held.told += 1;
            let mut report = Report::default();
            report.progress =
                Some(Numbered::new(held.told, Progress::new(held.told as f32 / 100.0, "a beat")));
            Beat::new(held.lease.key.clone(), report)
        });
        let beat = Heartbeat::new(self.worker.clone(), self.ended, beats.collect());
        let Ok(reply) = now(self.queue.renew(beat)) else { return };
        let mut answers = reply.tasks.into_iter();
        self.held.retain_mut(|held| {
            let answer = answers.next();
            held.cancelled |= answer == Some(Renewal::CancelRequested);
            answer != Some(Renewal::Lost)
        });
    }

    fn finish(&mut self, dice: &mut Dice) {
        if self.held.is_empty() {
            return;
        }
        let place = dice.below(self.held.len() as u64) as usize;
        let held = &self.held[place];
        let retry = held.lease.attempt < held.lease.task.envelope.retry.max_attempts;
        let outcome = match dice.below(10) {
            _ if held.cancelled && dice.one_in(2) => Outcome::Cancelled,
            0..2 if retry => Outcome::Retry {
                failure: Failure::transient("as planned"),
                after: Duration::from_millis(dice.below(3000)),
            },
            0..3 => Outcome::Failed(Failure::permanent("as planned")),
            3 => Outcome::Released { after: Duration::ZERO },
            4 => Outcome::Released { after: Duration::from_secs(1) },
            _ => success(),
        };
        // told again until it is known how that went, as a worker does
        let told = now(self.queue.finish(vec![Finish::new(held.lease.key.clone(), outcome)]));
        if told.is_ok() || dice.one_in(2) {
            self.held.swap_remove(place);
        }
    }

    fn finish_all(&mut self) {
        let done = self.held.drain(..).map(|held| Finish::new(held.lease.key, success())).collect();
        let _ = now(self.queue.finish(done));
    }
}

fn success() -> Outcome {
    Outcome::Succeeded(Payload::encode("done").unwrap())
}

fn correct(seed: u64, steps: u64) -> Summary {
    Hands::judge(seed, steps, |store| Arc::new(store)).unwrap_or_else(|violation| panic!("{violation}"))
}

#[test]
fn a_correct_store_is_never_accused() {
    let mut all = [0; Invariant::ALL.len()];
    seeds(0..150, |seed| {
        let summary = correct(seed, 250);
        for (sum, invariant) in all.iter_mut().zip(Invariant::ALL) {
            *sum += summary.checked(invariant);
        }
    });
    // bodies, bounds and refused submits have their place elsewhere; one seed alone need not have everything
    let rare = [Invariant::BodiesFitTheWorker, Invariant::WaitsAreBounded];
    for (sum, invariant) in all.into_iter().zip(Invariant::ALL) {
        assert!(
            sum > 0 || rare.contains(&invariant) || std::env::var_os("FUNCTION_RUNNER_SEED").is_some(),
            "no run said anything of {invariant}"
        );
    }
}

#[test]
#[ignore = "long form: ./dev proof"]
fn a_correct_store_is_never_accused_for_long() {
    seeds(10_000..15_000, |seed| _ = correct(seed, 600));
}
