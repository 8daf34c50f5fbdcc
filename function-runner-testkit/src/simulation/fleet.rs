//! Workers come, do what they decide, have accidents, and go.

use std::time::Duration;

use function_runner_core::{
    Failure, Payload, WorkerId, WorkerInfo,
    worker::{Action, Heard, Seat, Start, Steps},
};

use super::{
    catalog::{Kind, MACHINES, Pool},
    history::{NOBODY, What},
    ledger::number,
    node::{Body, Life, Node, Request, Stage},
    world::{Awoken, BodyEnd, Event, World},
};

/// How soon after a claim has run out somebody has called, in milliseconds.
const SOON: u64 = 1000;

/// What happens to machines, by its place in the count of accidents.
#[derive(Clone, Copy, Debug)]
pub(super) enum Accident {
    Vanishes,
    Hangs,
    Drains,
    Leaves,
    Poisoned,
}

impl World {
    /// The sorts of the machines there are at first.
    pub(super) fn first_sorts(&self) -> Vec<u32> {
        let workers = self.plan.workers as u64;
        let count = |sort: usize| (workers * MACHINES[sort].share / 1000).max(2) as usize;
        let others = count(1) + count(2);
        let counts = [self.plan.workers.saturating_sub(others).max(2), count(1), count(2)];
        counts.iter().enumerate().flat_map(|(sort, count)| vec![sort as u32; *count]).collect()
    }

    pub(super) fn spawn(&mut self, sort: u32, flaps: bool) {
        if self.closing {
            return;
        }
        let node = self.nodes.len() as u32;
        // the names are checked by the shape they are made in
        let Ok(id) = WorkerId::new(format!("w{node}")) else { return };
        let capacity = MACHINES[sort as usize].capacity();
        let templates = self.kinds.iter().map(|kind| kind.template.clone()).collect();
        let info = WorkerInfo::new(id.clone(), capacity.clone(), templates);
        let steps = Steps::new(info, self.times).seed(u64::from(node));
        let legs = if self.chances.faults.per_mille(20) { [1500, 1500] } else { [0, 3] };
        let (waker, born) = (self.waker(Awoken::Node(node)), self.now());
        let life = Some(Box::new(Life::new(steps, capacity, legs, flaps)));
        self.nodes.push(Node { id, sort: sort as usize, born, life, waker, ghost: None });
        self.alive += 1;
        self.ledger.note(What::Joined, NOBODY, node, u64::from(sort));
        self.count_machine(sort as usize, 1);
        if flaps {
            let stays = self.chances.faults.between(15_000, 60_000);
            self.after(stays, Event::Stop(node));
        }
        self.hear(node, Heard::Timer);
    }

    fn count_machine(&mut self, sort: usize, sign: i64) {
        let (machine, now) = (&MACHINES[sort], self.now());
        self.meters.cores.add(now, sign * machine.cores as i64 * 1000);
        self.meters.cards.add(now, sign * machine.cards as i64);
    }

    /// A worker hears something, and does what it decides.
    pub(super) fn hear(&mut self, node: u32, heard: Heard) {
        let now = self.now();
        let awake = &mut self.nodes[node as usize];
        let Some(life) = &mut awake.life else { return };
        if life.hung.is_some() {
            return life.unheard.push(heard);
        }
        let actions = life.steps.step(Duration::from_millis(now - awake.born), [heard]);
        actions.into_iter().for_each(|action| self.perform(node, action));
    }

    fn perform(&mut self, node: u32, action: Action) {
        match action {
            Action::Forget(seats) => seats.into_iter().for_each(|seat| self.forget(node, seat)),
            Action::Start(starts) => starts.into_iter().for_each(|start| self.start(node, start)),
            Action::Cancel(seat) => self.cancel_body(node, seat),
            Action::Drop(seat) => self.drop_body(node, seat),
            Action::Finish { done, .. } => self.send(node, Request::Finish(done)),
            Action::Join(info) => self.send(node, Request::Join(info)),
            Action::Templates { known } => self.send(node, Request::Templates(known)),
            Action::Beat { beat, .. } => self.send(node, Request::Beat(beat)),
            Action::Lease(ask) => {
                let names = [false, true].map(|twins| {
                    let named = ask.lanes.iter().filter(|asked| asked.lane.is_twin() == twins);
                    let kinds = named.filter_map(|asked| self.kind(&asked.lane.plain()));
                    kinds.fold(0, |mask, kind| mask | 1 << kind)
                });
                if let Some(life) = &mut self.nodes[node as usize].life {
                    (life.asked, life.names) = (ask.call, names);
                }
                self.send(node, Request::Lease(ask));
            }
            Action::Leave(info) => self.send(node, Request::Leave(info)),
            Action::Wake(at) => self.set_wake(node, at),
            Action::Exit(result) => self.exit(node, result.is_ok()),
        }
    }

    fn set_wake(&mut self, node: u32, at: Duration) {
        let asleep = &mut self.nodes[node as usize];
        let Some(life) = &mut asleep.life else { return };
        life.wake = u64::try_from(at.as_millis()).map_or(u64::MAX, |at| at.saturating_add(asleep.born));
        // a wake between two milliseconds is heard at the later one
        life.wake = life.wake.saturating_add(u64::from(!at.subsec_nanos().is_multiple_of(1_000_000)));
        if life.wake < life.promised {
            life.promised = life.wake;
            let at = life.wake;
            self.at(at, Event::Timer(node));
        }
    }

    pub(super) fn timer(&mut self, node: u32) {
        let now = self.now();
        let Some(life) = &mut self.nodes[node as usize].life else { return };
        if now < life.promised || life.hung.is_some() {
            return;
        }
        life.promised = u64::MAX;
        if life.wake <= now {
            self.hear(node, Heard::Timer);
        } else if life.wake < u64::MAX {
            life.promised = life.wake;
            let at = life.wake;
            self.at(at, Event::Timer(node));
        }
    }

    fn start(&mut self, node: u32, start: Start) {
        let task = number(start.task.id.as_str());
        let entry = &self.ledger.entries[task as usize];
        let (kind, poison) = (usize::from(entry.kind), entry.traits.poison);
        let detail = start.grant.option as u64;
        self.ledger.note(What::Started, task, node, detail);
        let now = self.now();
        let turn = self.next_serial() as u32;
        let Some(life) = &mut self.nodes[node as usize].life else { return };
        let index = start.seat.index();
        if life.bodies.len() <= index {
            life.bodies.resize_with(index + 1, || None);
        }
        let suspect = life.suspects.remove(&task);
        let crowded = suspect && life.bodies.iter().flatten().any(|body| body.suspect && !body.vacant);
        let before = life.machine.cards_used();
        let checked = life.machine.start(&start);
        let cards = life.machine.cards_used() - before;
        let limit = now + self.kinds[kind].timeout;
        let (lane, grant, seat) = (start.lane, start.grant, start.seat);
        let cores = grant.amounts.cpu_millis as i64;
        let body = Body { seat, task, lane, grant, limit, turn, suspect, over: false, vacant: false };
        life.bodies[index] = Some(body);
        self.meters.cores_used.add(now, cores);
        self.meters.cards_used.add(now, cards);
        if let Err(wrong) = checked {
            self.ledger.violation(format!("over capacity: {wrong}"), task, node);
        }
        if crowded {
            self.ledger.violation("two suspects at a time", task, node);
        }
        let (lasts, end) = self.fate(kind, poison);
        self.after(lasts, Event::BodyEnd(node, index as u32, turn, end));
    }

    /// How long a body lasts and how it ends, if nobody ends it before.
    fn fate(&mut self, kind: usize, poison: bool) -> (u64, BodyEnd) {
        let Kind { mean, timeout, .. } = &self.kinds[kind];
        let dice = &mut self.chances.bodies;
        if poison {
            return (dice.between(500, 2000), BodyEnd::KillsItsWorker);
        }
        let lasts = dice.between(mean * 2 / 5, mean * 8 / 5).max(1);
        match dice.below(1000) {
            0 => (2 * timeout, BodyEnd::Succeeds),
            1..32 => (lasts, BodyEnd::FailsOnce),
            32..36 => (lasts, BodyEnd::FailsForGood),
            _ => (lasts, BodyEnd::Succeeds),
        }
    }

    pub(super) fn end_body(&mut self, node: u32, index: u32, turn: u32, end: BodyEnd) {
        let Some(life) = &mut self.nodes[node as usize].life else { return };
        let Some(Some(body)) = life.bodies.get_mut(index as usize) else { return };
        if body.turn != turn || body.over {
            return;
        }
        if end == BodyEnd::KillsItsWorker {
            let poison = body.task;
            return self.crash(node, Some(poison));
        }
        body.over = true;
        let seat = body.seat;
        // now and then a thread goes on for a while
        let lingers = end == BodyEnd::IsDropped && self.chances.bodies.per_mille(250);
        if lingers {
            let late = self.chances.bodies.between(100, 3000);
            self.after(late, Event::Vacant(node, index, turn));
        } else {
            self.free(node, index);
        }
        let result = match end {
            BodyEnd::Succeeds => Some(Ok(Payload::from_stored(&b"1"[..]))),
            BodyEnd::FailsOnce => Some(Err(Failure::transient("drawn"))),
            BodyEnd::FailsForGood => Some(Err(Failure::permanent("drawn"))),
            BodyEnd::Stops => Some(Err(Failure::cancelled())),
            BodyEnd::IsDropped | BodyEnd::KillsItsWorker => None,
        };
        self.hear(node, Heard::Ended { seat, result, vacant: !lingers });
    }

    pub(super) fn vacate(&mut self, node: u32, index: u32, turn: u32) {
        let Some(life) = &self.nodes[node as usize].life else { return };
        let Some(Some(body)) = life.bodies.get(index as usize) else { return };
        if body.turn == turn && !body.vacant {
            let seat = body.seat;
            self.free(node, index);
            self.hear(node, Heard::Vacant(seat));
        }
    }

    /// What a body held is free.
    fn free(&mut self, node: u32, index: u32) {
        let now = self.now();
        let Some(life) = &mut self.nodes[node as usize].life else { return };
        let Some(Some(body)) = life.bodies.get_mut(index as usize) else { return };
        body.vacant = true;
        let before = life.machine.cards_used();
        life.machine.end(body.lane, &body.grant);
        self.meters.cores_used.add(now, -(body.grant.amounts.cpu_millis as i64));
        self.meters.cards_used.add(now, life.machine.cards_used() - before);
    }

    fn forget(&mut self, node: u32, seat: Seat) {
        let Some(life) = &mut self.nodes[node as usize].life else { return };
        let Some(place) = life.bodies.get_mut(seat.index()) else { return };
        if let Some(body) = place.take_if(|body| body.seat == seat)
            && !(body.over && body.vacant)
        {
            self.ledger.violation("forgotten while its body goes on", body.task, node);
        }
    }

    /// A body's token fires: most stop soon, others go on.
    fn cancel_body(&mut self, node: u32, seat: Seat) {
        if self.chances.bodies.per_mille(700) {
            let late = self.chances.bodies.between(1, 200);
            self.plan_end(node, seat, late, BodyEnd::Stops);
        }
    }

    fn drop_body(&mut self, node: u32, seat: Seat) {
        let late = self.chances.bodies.between(0, 50);
        self.plan_end(node, seat, late, BodyEnd::IsDropped);
    }

    fn plan_end(&mut self, node: u32, seat: Seat, late: u64, end: BodyEnd) {
        let turn = self.next_serial() as u32;
        let Some(life) = &mut self.nodes[node as usize].life else { return };
        if let Some(body) = life.body(seat).filter(|body| !body.over) {
            body.turn = turn;
            self.after(late, Event::BodyEnd(node, seat.index() as u32, turn, end));
        }
    }

    /// A worker vanishes with everything that runs on it; half of them leave a call open that nobody hears.
    pub(super) fn crash(&mut self, node: u32, poison: Option<u32>) {
        let dead = &mut self.nodes[node as usize];
        let Some(mut life) = dead.life.take() else { return };
        if let Some(call) = life.calls[2].take()
            && let Stage::Open(open) = call.stage
            && self.chances.faults.per_mille(500)
        {
            dead.ghost = Some(open);
        }
        self.accidents[if poison.is_some() { Accident::Poisoned } else { Accident::Vanishes } as usize] += 1;
        self.ledger.note(What::Crashed, NOBODY, node, u64::from(poison.unwrap_or(0)));
        self.orphan(node, std::mem::take(&mut life.claims), poison);
        self.bury(node, &life);
    }

    /// What a worker held is nobody's.
    pub(super) fn orphan(&mut self, node: u32, tasks: impl IntoIterator<Item = u32>, poison: Option<u32>) {
        for (task, ends) in self.ledger.died(node, tasks, poison) {
            let fence = self.ledger.entries[task as usize].fence;
            self.at(ends + SOON, Event::Overdue(task, fence));
        }
    }

    /// A claim of a dead worker has run out: whoever has room and asks must have the task by now.
    pub(super) fn overdue(&mut self, task: u32, fence: u64) {
        let Some((kind, suspect)) = self.ledger.overdue(task, fence) else { return };
        if let Some(node) = self.waits_for(1 << kind, suspect) {
            self.unserved += 1;
            self.ledger.violation("lost work waits while a worker asks for it", task, node);
        }
    }

    /// Once a second: nobody waits for work that is ready.
    fn check_wakes(&mut self) {
        let lanes = self.ledger.lanes.ready_lanes();
        if let Some(node) = self.waits_for(lanes, false) {
            let text = format!("a worker waits for work that is ready, lanes {lanes:b}");
            self.ledger.violation(text, NOBODY, node);
        }
    }

    /// A live worker whose open call names one of these lanes, and its twin where that is asked.
    fn waits_for(&self, lanes: u32, twin: bool) -> Option<u32> {
        let waits = |node: &Node| {
            node.life.as_ref().is_some_and(|life| {
                let open = life.calls[2].as_ref().is_some_and(|call| matches!(call.stage, Stage::Open(_)));
                open && life.names[0] & lanes & if twin { life.names[1] } else { u32::MAX } != 0
            })
        };
        self.nodes.iter().position(waits).map(|node| node as u32)
    }

    /// A worker is gone: what it held of the machines, and whether another comes.
    fn bury(&mut self, node: u32, life: &Life) {
        let (now, sort) = (self.now(), self.nodes[node as usize].sort);
        let running = life.bodies.iter().flatten().filter(|body| !body.vacant);
        let cores: u64 = running.map(|body| body.grant.amounts.cpu_millis).sum();
        self.meters.cores_used.add(now, -(cores as i64));
        self.meters.cards_used.add(now, -life.machine.cards_used());
        self.count_machine(sort, -1);
        self.alive -= 1;
        let late = self.chances.faults.between(2000, 15_000);
        self.after(late, Event::Spawn(sort as u32, life.flaps));
    }

    fn exit(&mut self, node: u32, well: bool) {
        let Some(life) = self.nodes[node as usize].life.take() else { return };
        self.ledger.note(What::Gone, NOBODY, node, u64::from(well));
        // what it could not tell of is nobody's, as if it had died
        self.orphan(node, life.claims.clone(), None);
        self.bury(node, &life);
    }

    pub(super) fn stop(&mut self, node: u32) {
        if let Some(life) = &self.nodes[node as usize].life {
            self.accidents[Accident::Leaves as usize] += u64::from(life.flaps && !self.closing);
            self.ledger.note(What::Stopped, NOBODY, node, 0);
            self.hear(node, Heard::Stop);
        }
    }

    pub(super) fn hang(&mut self, node: u32, millis: u64) {
        if let Some(life) = &mut self.nodes[node as usize].life
            && life.hung.is_none()
        {
            life.hung = Some(millis);
            self.ledger.note(What::Hung, NOBODY, node, millis);
            self.after(millis, Event::Awake(node));
        }
    }

    /// A worker that hung goes on, and hears all at once what came meanwhile.
    pub(super) fn awake(&mut self, node: u32) {
        let Some(life) = &mut self.nodes[node as usize].life else { return };
        if life.hung.take().is_none() {
            return;
        }
        life.promised = u64::MAX;
        let heard = std::mem::take(&mut life.unheard);
        heard.into_iter().chain([Heard::Timer]).for_each(|heard| self.hear(node, heard));
    }

    /// Once a second: some vanish, some hang, some are drained.
    pub(super) fn have_accidents(&mut self) {
        let now = self.now();
        if self.closing || now >= self.plan.length() {
            return;
        }
        self.after(1000, Event::Faults);
        self.check_wakes();
        // of all workers over the whole time: 3 % vanish, 2 % hang, 1 % are drained by an operator
        let seconds = self.plan.length() as f64 / 1000.0;
        let expected = |part: f64| self.plan.workers as f64 * part / seconds;
        let [vanish, hang, drain] = [expected(0.03), expected(0.02), expected(0.01)];
        for _ in 0..self.chances.faults.round(vanish) {
            let node = self.somebody();
            self.crash(node, None);
        }
        for _ in 0..self.chances.faults.round(hang) {
            let (node, millis) = (self.somebody(), self.chances.faults.between(5_000, 25_000));
            self.accidents[Accident::Hangs as usize] += 1;
            self.hang(node, millis);
        }
        for _ in 0..self.chances.faults.round(drain) {
            let node = self.somebody();
            self.accidents[Accident::Drains as usize] += 1;
            self.ask_drain(node);
        }
    }

    fn somebody(&mut self) -> u32 {
        for _ in 0..50 {
            let node = self.chances.faults.below(self.nodes.len() as u64) as u32;
            if self.nodes[node as usize].life.is_some() {
                return node;
            }
        }
        0
    }

    /// What a body of this function does to the load on the cores.
    pub(super) fn core_work(&self, kind: usize) -> f64 {
        let kind = &self.kinds[kind];
        if kind.pool == Pool::Cpu { kind.units as f64 * kind.mean as f64 } else { 0.0 }
    }
}
