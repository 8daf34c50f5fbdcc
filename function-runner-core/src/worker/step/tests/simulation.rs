//! All rules at once, from seeds: a small store that loses calls, bodies that do everything bodies do.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
    sync::Arc,
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::play::{info, millis, needs, ok, template};
use crate::{
    BeatReply, Capacity, Envelope, Error, ErrorKind, Failure, Finish, Finished, Heartbeat, Lease, LeaseKey,
    LeaseReply, LeaseRequest, Outcome, Payload, Pool, Renewal, ResourceRequirement, Result, State, Task,
    TaskId, TemplateSet, Times, Version,
    worker::step::{Action, Heard, Seat, Start, Steps},
};

const MODEL: [u64; 2] = [6, 2];

/// What the store knows of a lease that it gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The worker has it, or its reply is on the way.
    Given,
    /// Its reply was lost, or its call was dropped: the worker never had it.
    Never,
    /// A beat was told that it is another's.
    Lost,
    /// Its end was told.
    Answered,
}

struct World {
    random: StdRng,
    steps: Steps,
    now: Duration,
    /// What the worker will hear, in order of time.
    coming: BTreeMap<(Duration, u64), Heard>,
    serial: u64,
    fences: u64,
    suspects: BTreeSet<u64>,
    leases: BTreeMap<u64, Fate>,
    /// Leases that the worker has heard of and the store of no end.
    delivered: BTreeSet<u64>,
    /// Those of them that it heard are another's: it lists them only until the end it is telling was answered.
    lost: BTreeSet<u64>,
    /// What the beat under way lists.
    beaten: Vec<u64>,
    seats: HashMap<Seat, (LeaseKey, bool)>,
    machine: Pool,
    granted: HashMap<Seat, (Arc<Task>, crate::Grant)>,
    asked: Option<(u64, (Duration, u64))>,
    beating: bool,
    finishing: Option<Vec<u64>>,
    joining: bool,
    failed_ask: u64,
    told_ask: u64,
    telling: u64,
    stopping: bool,
    /// What happened, where somebody wants to know.
    history: Option<String>,
    exited: bool,
}

fn unavailable<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unavailable, "gone"))
}

fn requirements() -> Vec<(&'static str, ResourceRequirement)> {
    let on_gpu = needs().gpu_memory_mib(MODEL[1]).shared(needs().gpu_memory_mib(MODEL[0]));
    vec![
        ("big", needs().cpu_millis(700)),
        ("model", on_gpu.clone().or(needs().cpu_millis(400))),
        ("other", on_gpu),
        ("small", needs().slots(1)),
    ]
}

impl World {
    fn new(seed: u64) -> Self {
        let templates =
            requirements().into_iter().map(|(name, needs)| template(name, "1.3.0", needs)).collect();
        let capacity = Capacity::new().cpu_millis(1000).slots(6).gpu(10);
        let steps = Steps::new(info(capacity.clone(), templates), Times::default().scaled(10));
        Self {
            random: StdRng::seed_from_u64(seed),
            steps: steps.drain_limit(millis(500)).seed(seed),
            now: Duration::ZERO,
            coming: BTreeMap::new(),
            serial: 0,
            fences: 0,
            suspects: BTreeSet::new(),
            leases: BTreeMap::new(),
            delivered: BTreeSet::new(),
            lost: BTreeSet::new(),
            beaten: Vec::new(),
            seats: HashMap::new(),
            machine: Pool::new(capacity),
            granted: HashMap::new(),
            asked: None,
            beating: false,
            finishing: None,
            joining: false,
            failed_ask: 0,
            told_ask: 0,
            telling: 0,
            stopping: false,
            history: None,
            exited: false,
        }
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.random.random_range(0..n) == 0
    }

    fn soon(&mut self, within: u64, heard: Heard) -> (Duration, u64) {
        self.serial += 1;
        let at = (self.now + millis(self.random.random_range(0..=within)), self.serial);
        self.coming.insert(at, heard);
        at
    }

    fn run(mut self) -> String {
        let mut heard = vec![Heard::Timer];
        for round in 0..20_000 {
            self.note(|world| format!("{:?} {heard:?}", world.now));
            let mut wake = Duration::MAX;
            for action in self.steps.step(self.now, heard) {
                self.note(|_| format!("  {action:?}"));
                if let Action::Wake(at) = action { wake = at } else { self.perform(action) }
            }
            if self.exited {
                self.check_end();
                return self.history.unwrap_or_default();
            }
            assert!(wake > self.now, "it would spin");
            if round == 600 {
                let stop = if self.one_in(4) { Heard::StopNow } else { Heard::Stop };
                self.soon(0, stop);
                self.stopping = true;
            }
            let next = self.coming.first_key_value().map_or(wake, |((at, _), _)| wake.min(*at));
            assert!(next < Duration::MAX, "it waits for nothing");
            self.now = self.now.max(next);
            heard = self.take_what_came();
        }
        panic!("it never ended");
    }

    fn note(&mut self, text: impl FnOnce(&Self) -> String) {
        if self.history.is_some() {
            let text = text(self);
            self.history.iter_mut().for_each(|history| _ = writeln!(history, "{text}"));
        }
    }

    fn take_what_came(&mut self) -> Vec<Heard> {
        let mut heard = Vec::new();
        while let Some(entry) = self.coming.first_entry()
            && entry.key().0 <= self.now
            && (heard.is_empty() || self.random.random_range(0..3) > 0)
        {
            heard.push(entry.remove());
        }
        let heard: Vec<_> = heard.into_iter().map(|heard| self.before(heard)).collect();
        if heard.is_empty() { vec![Heard::Timer] } else { heard }
    }

    /// What the world itself notes of something before the worker hears it.
    fn before(&mut self, heard: Heard) -> Heard {
        match &heard {
            Heard::Leased { call, reply } => {
                self.asked = None;
                match reply {
                    Ok(reply) => self.delivered.extend(reply.leases.iter().map(|lease| lease.key.fence)),
                    Err(_) => self.failed_ask = *call,
                }
            }
            Heard::Beaten(reply) => {
                self.beating = false;
                if let Ok(reply) = reply {
                    self.told_ask = self.told_ask.max(self.telling);
                    let lost = self
                        .beaten
                        .iter()
                        .zip(&reply.tasks)
                        .filter(|(_, renewal)| **renewal == Renewal::Lost);
                    self.lost.extend(lost.map(|(fence, _)| *fence));
                }
            }
            Heard::Finished(answers) => {
                let fences = self.finishing.take().expect("a finish was under way");
                if answers.is_ok() {
                    fences.iter().for_each(|fence| _ = self.delivered.remove(fence));
                }
            }
            Heard::Joined(_) => self.joining = false,
            Heard::Ended { seat, vacant, .. } => {
                self.seats.get_mut(seat).expect("a body that began").1 = true;
                if *vacant {
                    self.vacate(*seat);
                }
            }
            Heard::Vacant(seat) => self.vacate(*seat),
            _ => {}
        }
        heard
    }

    fn vacate(&mut self, seat: Seat) {
        if let Some((task, grant)) = self.granted.remove(&seat) {
            self.machine.give(&task.lane, &grant);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Join(_) => {
                assert!(!std::mem::replace(&mut self.joining, true), "one join at a time");
                let answer = if self.one_in(3) { unavailable() } else { Ok(()) };
                self.soon(50, Heard::Joined(answer));
            }
            Action::Templates { .. } => {
                let minor = self.random.random_range(0..3);
                let older = template("small", &format!("1.{minor}.0"), needs().slots(2));
                let set = TemplateSet::of_templates(vec![older], None);
                let answer = if self.one_in(3) { unavailable() } else { Ok(Some(set)) };
                self.soon(50, Heard::Templates(answer));
            }
            Action::Lease(ask) => self.lease(ask),
            Action::Beat { seats, beat, .. } => self.renew(&seats, beat),
            Action::Start(starts) => starts.into_iter().for_each(|start| self.start(start)),
            Action::Cancel(seat) => self.stop_body(seat, false),
            Action::Drop(seat) => self.stop_body(seat, true),
            Action::Finish { seats, done } => self.finish(&seats, done),
            Action::Forget(seats) => {
                for seat in seats {
                    let known = self.seats.remove(&seat);
                    assert!(known.is_none_or(|(_, over)| over), "its body goes on");
                    assert!(!self.granted.contains_key(&seat), "it holds something");
                }
            }
            Action::Leave(_) => {
                if self.one_in(2) {
                    self.soon(50, Heard::Left);
                }
            }
            Action::Exit(result) => {
                result.unwrap();
                self.exited = true;
            }
            Action::Wake(_) => unreachable!("taken before"),
        }
    }

    fn lease(&mut self, ask: LeaseRequest) {
        assert!(self.told_ask >= self.failed_ask, "it beats before it asks again");
        // the call that is dropped gives back what it had taken
        if let Some((_, at)) = self.asked.take()
            && let Some(Heard::Leased { reply: Ok(reply), .. }) = self.coming.remove(&at)
        {
            reply.leases.iter().for_each(|lease| _ = self.leases.insert(lease.key.fence, Fate::Never));
        }
        let (mut room, mut leases, mut suspects) = (ask.room, Vec::new(), self.holds_suspect());
        assert!(!suspects || ask.lanes.iter().all(|asked| !asked.lane.is_twin()), "one suspect at a time");
        let rounds = if self.stopping { 0 } else { 3 * ask.lanes.len() };
        for asked in ask.lanes.iter().cycle().take(rounds) {
            if asked.cost > room || asked.lane.is_twin() && suspects || !self.one_in(4) {
                continue;
            }
            suspects |= asked.lane.is_twin();
            room -= asked.cost;
            leases.push(self.new_lease(asked.lane.clone()));
        }
        let lost = self.one_in(9);
        for lease in &leases {
            self.leases.insert(lease.key.fence, if lost { Fate::Never } else { Fate::Given });
        }
        let mut reply = LeaseReply::new(leases);
        if reply.leases.is_empty() && !ask.would_fit.is_empty() && self.one_in(3) {
            reply.drain_for = Some(ask.would_fit[0].clone());
        }
        let wait = if reply.leases.is_empty() { 900 } else { 100 };
        let call = ask.call;
        let at = self.soon(wait, Heard::Leased { call, reply: if lost { unavailable() } else { Ok(reply) } });
        self.asked = Some((call, at));
    }

    fn holds_suspect(&self) -> bool {
        self.delivered.difference(&self.lost).any(|fence| self.suspects.contains(fence))
    }

    fn new_lease(&mut self, lane: crate::Lane) -> Lease {
        self.fences += 1;
        let mut envelope = Envelope::new(Version::new(1, lane.minor(), 0));
        envelope.requires = requirements().into_iter().find(|(name, _)| *name == lane.function()).unwrap().1;
        if self.one_in(9) {
            envelope.requires = needs().cpu_millis(900).slots(3);
        }
        if self.one_in(30) {
            envelope.requires = needs().cpu_millis(5000);
        }
        envelope.timeout = self.one_in(2).then_some(millis(300));
        let id = TaskId::new(format!("t{}", self.fences)).unwrap();
        let function = lane.function().parse().unwrap();
        let (plain, input) = (lane.plain(), Payload::encode(&()).unwrap());
        let task = Task::new(id.clone(), function, plain, input, Arc::new(envelope));
        let mut lease = Lease::new(LeaseKey { id, fence: self.fences }, Arc::new(task), 1);
        lease.suspect = lane.is_twin();
        self.suspects.extend(lease.suspect.then_some(self.fences));
        lease
    }

    fn start(&mut self, start: Start) {
        let (grant, _) =
            self.machine.take(&start.task.lane, &start.task.envelope.requires).expect("there is room");
        assert_eq!(grant, start.grant);
        let load = self.machine.load();
        assert!(
            load.cpu_millis <= 1000 && load.slots <= 6 && load.gpu_memory_mib <= 10,
            "over capacity: {load}"
        );
        let fence = start.task.id.as_str()[1..].parse().unwrap();
        assert!(self.delivered.contains(&fence), "only what it holds starts");
        self.granted.insert(start.seat, (start.task.clone(), grant));
        let key = LeaseKey { id: start.task.id.clone(), fence };
        assert!(self.seats.insert(start.seat, (key, false)).is_none(), "a seat of one lease at a time");
        if self.one_in(5) {
            return;
        }
        let result = match self.random.random_range(0..6) {
            0 => Err(Failure::transient("x")),
            1 => Err(Failure::permanent("x")),
            _ => Ok(ok()),
        };
        self.soon(400, Heard::Ended { seat: start.seat, result: Some(result), vacant: true });
    }

    /// Ends a body that was asked to stop, or dropped, unless it ends by itself before.
    fn stop_body(&mut self, seat: Seat, dropped: bool) {
        let (_, over) = self.seats.get(&seat).expect("it runs");
        let ends = |heard: &Heard| matches!(heard, Heard::Ended { seat: ended, .. } if *ended == seat);
        if *over || self.coming.values().any(ends) || !dropped && self.one_in(3) {
            return;
        }
        let result = (!dropped).then(|| Err(Failure::cancelled()));
        if self.one_in(3) {
            self.coming.insert((self.now, self.serial + 1), Heard::Ended { seat, result, vacant: false });
            self.serial += 1;
            self.soon(600, Heard::Vacant(seat));
        } else {
            self.soon(100, Heard::Ended { seat, result, vacant: true });
        }
    }

    fn renew(&mut self, seats: &[Seat], beat: Heartbeat) {
        assert!(!std::mem::replace(&mut self.beating, true), "one beat at a time");
        self.beaten = beat.tasks.iter().map(|task| task.key.fence).collect();
        assert_eq!(seats.len(), self.beaten.len());
        let listed: BTreeSet<u64> = self.beaten.iter().copied().collect();
        assert!(listed.is_subset(&self.delivered), "a beat lists what is held");
        assert!(self.delivered.difference(&self.lost).all(|fence| listed.contains(fence)), "all of it");
        self.telling = beat.ended;
        let mut renewals = Vec::new();
        for fence in self.beaten.clone() {
            let lost = self.leases[&fence] == Fate::Lost;
            let told = self.leases[&fence] == Fate::Answered;
            renewals.push(match self.random.random_range(0..20) {
                0 if !told => Renewal::Lost,
                _ if lost || told => Renewal::Lost,
                1 => Renewal::CancelRequested,
                _ => Renewal::Held,
            });
        }
        let mut reply = BeatReply::new(renewals, u64::from(self.one_in(5)));
        reply.joined = !self.one_in(20);
        if self.one_in(8) {
            self.soon(50, Heard::Beaten(unavailable()));
            return;
        }
        for (fence, renewal) in self.beaten.iter().zip(&reply.tasks) {
            if *renewal == Renewal::Lost && self.leases[fence] == Fate::Given {
                self.leases.insert(*fence, Fate::Lost);
            }
        }
        self.soon(50, Heard::Beaten(Ok(reply)));
    }

    fn finish(&mut self, seats: &[Seat], done: Vec<Finish>) {
        assert!(self.finishing.is_none(), "one finish at a time");
        assert!(!done.is_empty() && seats.len() == done.len());
        let released = |finish: &Finish| matches!(finish.outcome, Outcome::Released { .. });
        assert!(done.is_sorted_by_key(released), "finishes go before releases");
        let fences: Vec<u64> = done.iter().map(|finish| finish.key.fence).collect();
        assert!(fences.iter().all(|fence| self.delivered.contains(fence)), "only what it holds ends");
        self.finishing = Some(fences.clone());
        let answers = if self.one_in(8) {
            unavailable()
        } else {
            let answer = |fence: &u64| match self.leases.get(fence) {
                Some(Fate::Lost) => Finished::Lost,
                _ => Finished::Done(State::Succeeded),
            };
            let answers = fences.iter().map(answer).collect();
            for fence in &fences {
                let fate = self.leases.get_mut(fence).expect("a lease it was given");
                *fate = if *fate == Fate::Lost { Fate::Lost } else { Fate::Answered };
            }
            Ok(answers)
        };
        self.soon(50, Heard::Finished(answers));
    }

    fn check_end(&self) {
        let open: Vec<_> = self.leases.iter().filter(|(_, fate)| **fate == Fate::Given).collect();
        assert!(open.is_empty(), "every lease is answered or lost: {open:?}");
        assert!(self.fences > 20, "{} leases are no test", self.fences);
    }
}

#[test]
fn three_hundred_seeds() {
    for seed in 0..300 {
        println!("seed {seed}");
        World::new(seed).run();
    }
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let history = |seed| World { history: Some(String::new()), ..World::new(seed) }.run();
    assert_eq!(history(7), history(7));
    assert_ne!(history(7), history(8));
}
