//! The world that is simulated, and its loop: the next moment at which something happens, and what does then.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Arc, Mutex, PoisonError},
    task::{Wake, Waker},
    time::Duration,
};

use function_runner_core::{
    Clock as _, Connection, Error, ErrorKind, Executor, Inspect, Operate, Queue, Result, Tenant, Times,
    Timestamp, Weight,
};

use super::{
    callers::Callers,
    catalog::{Kind, kinds},
    lanes::LaneBook,
    ledger::Ledger,
    meter::Meters,
    node::Node,
    plan::{Plan, Weather},
};
use crate::{ManualClock, dice::Dice};

/// How long after the last arrival everything must have ended, in milliseconds.
const PATIENCE: u64 = 4 * 3600 * 1000;

/// Something that is to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A worker wants to step.
    Timer(u32),
    /// A call reaches the store.
    Arrive(u32, u64),
    /// An answer reaches its worker.
    Deliver(u32, u64),
    /// A body ends this way.
    BodyEnd(u32, u32, u32, BodyEnd),
    /// Nothing of a body runs any more.
    Vacant(u32, u32, u32),
    /// A worker that hung goes on.
    Awake(u32),
    /// A worker of this sort comes.
    Spawn(u32, bool),
    /// A worker stops as its process is asked to.
    Stop(u32),
    /// Tasks arrive.
    Load,
    /// The flood arrives.
    Flood,
    /// Machines have accidents.
    Faults,
    /// The store's times get worse or better.
    Weather(Weather),
    /// A submit is sent again.
    Submit(u32),
    /// Somebody asks for a cancel.
    Cancel(u32),
    /// The claim of a dead worker has run out.
    Overdue(u32, u64),
    /// Whoever waits for nothing is looked at.
    Check,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum BodyEnd {
    Succeeds,
    FailsOnce,
    FailsForGood,
    Stops,
    IsDropped,
    KillsItsWorker,
}

/// Who is woken.
#[derive(Clone, Copy, Debug)]
pub(super) enum Awoken {
    Node(u32),
    Caller(u32),
    Watch(u32),
}

/// The sources of chance, one for each subject.
#[derive(Debug)]
pub(super) struct Chances {
    pub(super) net: Dice,
    pub(super) bodies: Dice,
    pub(super) load: Dice,
    pub(super) faults: Dice,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) times: Times,
    clock: ManualClock,
    begin: Timestamp,
    pub(super) queue: Arc<dyn Queue>,
    pub(super) executor: Arc<dyn Executor>,
    pub(super) operate: Arc<dyn Operate>,
    pub(super) inspect: Arc<dyn Inspect>,
    pub(super) kinds: Vec<Kind>,
    pub(super) tenants: Vec<Tenant>,
    pub(super) chances: Chances,
    pub(super) ledger: Ledger,
    pub(super) meters: Meters,
    pub(super) nodes: Vec<Node>,
    pub(super) alive: usize,
    pub(super) callers: Callers,
    pub(super) weather: Weather,
    pub(super) closing: bool,
    pub(super) over_at: u64,
    /// Claims of dead workers that waited while a worker asked for such work.
    pub(super) unserved: u64,
    pub(super) accidents: [u64; 5],
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    serial: u64,
    ready: Arc<Mutex<Vec<Awoken>>>,
}

struct Signal(Awoken, Arc<Mutex<Vec<Awoken>>>);

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.1.lock().unwrap_or_else(PoisonError::into_inner).push(self.0);
    }
}

impl World {
    pub(super) fn new(connection: Connection, clock: ManualClock, plan: Plan) -> Result<Self> {
        let lacks = |what: &str| {
            Error::new(ErrorKind::InvalidSetup, format!("a simulation needs the {what} of a connection"))
        };
        let queue = connection.queue.ok_or_else(|| lacks("queue"))?;
        let operate = connection.operate.ok_or_else(|| lacks("operator's side"))?;
        let inspect = connection.inspect.ok_or_else(|| lacks("operator's view"))?;
        let times = queue.capabilities().times;
        let kinds = kinds(&plan)?;
        let names = (0..plan.tenants()).map(|n| Tenant::new(format!("tenant-{n:02}")));
        let tenants = names.collect::<Result<Vec<_>>>()?;
        let weights = (0..tenants.len()).map(|n| Weight::new([64, 128, 256, 512][n % 4]));
        let lanes = LaneBook::new(&kinds, weights.collect::<Result<Vec<_>>>()?);
        let mut dice = Dice::new(plan.seed);
        let chances =
            Chances { net: dice.split(), bodies: dice.split(), load: dice.split(), faults: dice.split() };
        let ledger = Ledger::new(plan.tasks, times.lease.as_millis() as u64, lanes);
        let begin = clock.now();
        Ok(Self {
            meters: Meters::new(&plan),
            plan,
            times,
            clock,
            begin,
            queue,
            executor: connection.executor,
            operate,
            inspect,
            kinds,
            tenants,
            chances,
            ledger,
            nodes: Vec::new(),
            alive: 0,
            callers: Callers::default(),
            weather: Weather::Clear,
            closing: false,
            over_at: 0,
            unserved: 0,
            accidents: [0; 5],
            events: BinaryHeap::new(),
            serial: 0,
            ready: Arc::default(),
        })
    }

    pub(super) const fn now(&self) -> u64 {
        self.ledger.now
    }

    /// A number that nothing had before.
    pub(super) const fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub(super) fn at(&mut self, at: u64, event: Event) {
        let serial = self.next_serial();
        self.events.push(Reverse((at.max(self.now()), serial, event)));
    }

    pub(super) fn after(&mut self, millis: u64, event: Event) {
        self.at(self.now() + millis, event);
    }

    pub(super) fn waker(&self, awoken: Awoken) -> Waker {
        Waker::from(Arc::new(Signal(awoken, self.ready.clone())))
    }

    /// Lives until all tasks have ended, then until all workers have left.
    pub(super) fn live(&mut self) {
        self.begin();
        let last = self.plan.length() + PATIENCE;
        while !self.is_over() {
            self.poll_ready();
            if !self.closing && self.has_ended() {
                self.close();
                continue;
            }
            let Some(next) = self.next_moment().filter(|next| *next < last) else { break };
            self.clock.advance(Duration::from_millis(next.saturating_sub(self.now())));
            self.ledger.now = next;
            self.poll_ready();
            while let Some(Reverse((at, _, event))) = self.events.peek().copied()
                && at <= next
            {
                self.events.pop();
                self.happen(event);
                self.poll_ready();
            }
        }
    }

    /// Lets time pass in which nobody does anything.
    pub(super) fn pass(&mut self, millis: u64) {
        self.clock.advance(Duration::from_millis(millis));
        self.ledger.now += millis;
        self.poll_ready();
    }

    fn begin(&mut self) {
        self.begin_load();
        for sort in self.first_sorts() {
            // they do not all come at once
            let at = self.chances.faults.below(3000);
            let flaps = self.chances.faults.per_mille(20);
            self.at(at, Event::Spawn(sort, flaps));
        }
        for (at, lasts, weather) in self.plan.weathers() {
            self.at(at, Event::Weather(weather));
            self.at(at + lasts, Event::Weather(Weather::Clear));
            self.ledger.troubles.push((at, at + lasts + 10_000));
        }
        self.at(5000, Event::Faults);
    }

    fn next_moment(&self) -> Option<u64> {
        let event = self.events.peek().map(|Reverse((at, ..))| *at);
        let slept = self.clock.next().map(|at| at.since(self.begin).as_millis() as u64);
        event.into_iter().chain(slept).min()
    }

    fn is_over(&self) -> bool {
        self.closing && self.alive == 0
    }

    fn has_ended(&self) -> bool {
        self.ledger.open == 0 && self.callers.are_done(self.plan.tasks)
    }

    fn close(&mut self) {
        self.closing = true;
        for node in 0..self.nodes.len() as u32 {
            self.stop(node);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Timer(node) => self.timer(node),
            Event::Arrive(node, call) => self.arrive(node, call),
            Event::Deliver(node, call) => self.deliver(node, call),
            Event::BodyEnd(node, seat, turn, end) => self.end_body(node, seat, turn, end),
            Event::Vacant(node, seat, turn) => self.vacate(node, seat, turn),
            Event::Awake(node) => self.awake(node),
            Event::Spawn(sort, flaps) => self.spawn(sort, flaps),
            Event::Stop(node) => self.stop(node),
            Event::Load => self.load(),
            Event::Flood => self.flood(),
            Event::Faults => self.have_accidents(),
            Event::Weather(weather) => self.change(weather),
            Event::Submit(batch) => self.submit_again(batch),
            Event::Cancel(task) => self.ask_cancel(task),
            Event::Overdue(task, fence) => self.overdue(task, fence),
            Event::Check => self.check(),
        }
    }

    /// Polls whoever was woken, until nobody is.
    pub(super) fn poll_ready(&mut self) {
        loop {
            let woken = std::mem::take(&mut *self.ready.lock().unwrap_or_else(PoisonError::into_inner));
            if woken.is_empty() {
                return;
            }
            for awoken in woken {
                match awoken {
                    Awoken::Node(node) => self.poll_node(node),
                    Awoken::Caller(caller) => self.poll_caller(caller),
                    Awoken::Watch(watch) => self.poll_watch(watch),
                }
            }
        }
    }
}

/// What a call hears that did not get through.
pub(super) fn unavailable() -> Error {
    Error::new(ErrorKind::Unavailable, "the simulated store was not reached")
}
