//! Calls of workers: on their way there, at the store, on their way back; and what their answers tell.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use function_runner_core::{Finish, LeaseReply, LeaseRequest, Outcome, worker::Heard};

use super::{
    ledger::number,
    node::{Answer, CALLS, Call, Request, Stage},
    plan::Weather,
    world::{Event, World, unavailable},
};

/// How long after its turn a large task may start because calls take a while, in milliseconds.
const CALL: u64 = 5000;

impl World {
    /// A worker makes a call.
    pub(super) fn send(&mut self, node: u32, request: Request) {
        let place = request.place();
        self.drop_call(node, place);
        let serial = self.next_serial();
        let (fails, lost) = match self.weather {
            Weather::Clear => (false, false),
            Weather::Lossy => (self.chances.net.per_mille(250), self.chances.net.per_mille(250)),
            Weather::Dark => (true, false),
        };
        let Some(life) = &mut self.nodes[node as usize].life else { return };
        let leg = self.chances.net.below(life.legs[0] + 1);
        if fails {
            let stage = Stage::Back(request.failed(unavailable()));
            life.calls[place] = Some(Call { serial, stage, lost });
            let late = self.chances.net.between(100, 1000);
            return self.after(late, Event::Deliver(node, serial));
        }
        life.calls[place] = Some(Call { serial, stage: Stage::Out(request), lost });
        if leg == 0 { self.arrive(node, serial) } else { self.after(leg, Event::Arrive(node, serial)) }
    }

    /// Forgets a call that is replaced. What its answer had on the way goes back at once.
    fn drop_call(&mut self, node: u32, place: usize) {
        let Some(life) = &mut self.nodes[node as usize].life else { return };
        if let Some(Call { stage: Stage::Back(Heard::Leased { reply: Ok(reply), .. }), .. }) =
            life.calls[place].take()
        {
            self.give_back(node, reply);
        }
    }

    fn give_back(&mut self, node: u32, reply: LeaseReply) {
        if reply.leases.is_empty() || self.weather == Weather::Dark {
            return;
        }
        let release = Outcome::Released { after: std::time::Duration::ZERO };
        let done = reply.leases.into_iter().map(|lease| Finish::new(lease.key, release.clone()));
        self.call_for(node, done.collect());
    }

    fn find(&mut self, node: u32, serial: u64) -> Option<usize> {
        let life = self.nodes[node as usize].life.as_ref()?;
        (0..CALLS).find(|&place| life.calls[place].as_ref().is_some_and(|call| call.serial == serial))
    }

    /// A call reaches the store.
    pub(super) fn arrive(&mut self, node: u32, serial: u64) {
        let Some(place) = self.find(node, serial) else { return };
        let dark = self.weather == Weather::Dark;
        let Some(life) = &mut self.nodes[node as usize].life else { return };
        let Some(call) = &mut life.calls[place] else { return };
        let Stage::Out(request) = std::mem::replace(&mut call.stage, Stage::Back(Heard::Timer)) else {
            return;
        };
        if dark {
            call.stage = Stage::Back(request.failed(unavailable()));
            return self.after(500, Event::Deliver(node, serial));
        }
        call.stage = Stage::Open(request.send(self.queue.clone()));
        self.poll_call(node, place);
    }

    /// A worker was woken: its open calls are polled, and so is one it left open when it died.
    pub(super) fn poll_node(&mut self, node: u32) {
        self.poll_ghost(node);
        for place in 0..CALLS {
            self.poll_call(node, place);
        }
    }

    fn poll_call(&mut self, node: u32, place: usize) {
        let awake = &mut self.nodes[node as usize];
        let Some(life) = &mut awake.life else { return };
        let Some(Call { stage: Stage::Open(call), lost, .. }) = &mut life.calls[place] else { return };
        let Poll::Ready(answer) = call.as_mut().poll(&mut Context::from_waker(&awake.waker)) else { return };
        let lost = *lost;
        self.observe(node, &answer, lost);
        let heard = if lost { answer.lost(unavailable()) } else { answer.heard() };
        let Some(life) = &mut self.nodes[node as usize].life else { return };
        let Some(call) = &mut life.calls[place] else { return };
        call.stage = Stage::Back(heard);
        let serial = call.serial;
        let leg = 1 + self.chances.net.below(life.legs[1]);
        let late = if lost { 1000 } else { leg };
        self.after(late, Event::Deliver(node, serial));
    }

    /// What a dead worker left open goes on until somebody finds out.
    fn poll_ghost(&mut self, node: u32) {
        let dead = &mut self.nodes[node as usize];
        let Some(ghost) = &mut dead.ghost else { return };
        let Poll::Ready(answer) = ghost.as_mut().poll(&mut Context::from_waker(&dead.waker)) else { return };
        dead.ghost = None;
        if let Answer::Lease(_, Ok(reply)) = answer {
            let tasks: Vec<u32> =
                reply.leases.iter().map(|lease| self.ledger.leased(node, lease, false)).collect();
            self.orphan(node, tasks, None);
        }
    }

    /// An answer reaches its worker.
    pub(super) fn deliver(&mut self, node: u32, serial: u64) {
        let Some(place) = self.find(node, serial) else { return };
        let Some(life) = &mut self.nodes[node as usize].life else { return };
        let Some(Call { stage: Stage::Back(heard), .. }) = life.calls[place].take() else { return };
        if let Heard::Leased { reply: Ok(reply), .. } = &heard {
            for lease in &reply.leases {
                let task = number(lease.key.id.as_str());
                if lease.suspect {
                    life.suspects.insert(task)
                } else {
                    life.suspects.remove(&task)
                };
            }
        }
        self.hear(node, heard);
    }

    /// What an answer tells of tasks, whether it reaches its worker or not.
    pub(super) fn observe(&mut self, node: u32, answer: &Answer, lost: bool) {
        match answer {
            Answer::Lease(ask, Ok(reply)) => self.observe_lease(node, ask, reply, lost),
            Answer::Beat(keys, Ok(reply)) => {
                for (key, renewal) in keys.iter().zip(&reply.tasks) {
                    self.ledger.renewed(node, number(key.id.as_str()), key.fence, *renewal);
                }
            }
            Answer::Finish(keys, Ok(answers)) => {
                for ((key, told), answer) in keys.iter().zip(answers) {
                    let task = number(key.id.as_str());
                    self.ledger.finished(node, task, key.fence, *told, *answer);
                    if let Some(life) = &mut self.nodes[node as usize].life {
                        life.claims.remove(&task);
                    }
                }
            }
            _ => {}
        }
    }

    fn observe_lease(&mut self, node: u32, ask: &LeaseRequest, reply: &LeaseReply, lost: bool) {
        let now = self.now();
        if let Some(kind) = reply.drain_for.as_ref().filter(|lane| !lane.is_twin()).and_then(|l| self.kind(l))
        {
            let left = self.nodes[node as usize].life.as_ref().map_or(0, |life| {
                let running = life.bodies.iter().flatten().filter(|body| !body.vacant);
                running.map(|body| body.limit).max().unwrap_or(now).saturating_sub(now)
            });
            self.ledger.lanes.drains(kind, now, now + left + CALL);
        }
        if reply.leases.is_empty() {
            return;
        }
        if reply.leases.iter().filter(|lease| lease.suspect).count() > 1 {
            self.ledger.violation(
                "two suspects in one answer",
                number(reply.leases[0].key.id.as_str()),
                node,
            );
        }
        for lease in &reply.leases {
            let task = self.ledger.leased(node, lease, !lost);
            if let Some(life) = &mut self.nodes[node as usize].life {
                life.claims.insert(task);
            }
        }
        let passed = ask.would_fit.iter().filter(|lane| !lane.is_twin());
        let lanes = passed.filter_map(|lane| self.kind(lane)).fold(0, |mask, kind| mask | 1 << kind);
        self.ledger.lanes.passed_over(lanes, now);
    }

    /// The store gets better or worse. When it is gone, so are the calls that wait in it.
    pub(super) fn change(&mut self, weather: Weather) {
        self.weather = weather;
        self.ledger.note(super::history::What::Weather, u32::MAX, u32::MAX, weather as u64);
        if weather != Weather::Dark {
            return;
        }
        for node in 0..self.nodes.len() as u32 {
            let dead = &mut self.nodes[node as usize];
            dead.ghost = None;
            let Some(life) = &mut dead.life else { continue };
            let Some(call) = &mut life.calls[2] else { continue };
            if matches!(call.stage, Stage::Open(_)) {
                call.stage = Stage::Back(Heard::Leased { call: life.asked, reply: Err(unavailable()) });
                let (serial, late) = (call.serial, self.chances.net.between(1, 1000));
                self.after(late, Event::Deliver(node, serial));
            }
        }
    }

    pub(super) fn kind(&self, lane: &function_runner_core::Lane) -> Option<usize> {
        self.kinds.iter().position(|kind| kind.lane == *lane)
    }

    /// Ends attempts on behalf of a worker that has forgotten them.
    fn call_for(&mut self, node: u32, done: Vec<Finish>) {
        let call = super::node::finish(Arc::clone(&self.queue), done);
        self.call(super::callers::Caller::GivesBack(node, call));
    }
}
