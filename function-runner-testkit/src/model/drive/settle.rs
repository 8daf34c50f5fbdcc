//! What is open while others act: lease calls that wait, and watches.

use std::{sync::Arc, task::Poll};

use function_runner_core::{
    Event, EventStream, Lane, LeaseReply, LeaseRequest, Queue as _, Result, Timestamp, WorkerId,
};
use futures::future::BoxFuture;

use super::{
    Drive, check,
    poll::{Flag, PATIENCE, complete},
    workers::Held,
};
use crate::model::{
    difference::{Differs, differs},
    reference::{Answer, Told},
};

/// A lease call that waits.
pub(super) struct Open {
    pub(super) ask: LeaseRequest,
    pub(super) end: Timestamp,
    pub(super) future: BoxFuture<'static, Result<LeaseReply>>,
    pub(super) flag: Arc<Flag>,
    /// Whether its reply gets lost.
    pub(super) lost: bool,
}

impl Open {
    pub(super) fn new(
        ask: LeaseRequest,
        end: Timestamp,
        future: BoxFuture<'static, Result<LeaseReply>>,
        lost: bool,
    ) -> Self {
        Self { ask, end, future, flag: Flag::new(), lost }
    }

    pub(super) fn worker(&self) -> &WorkerId {
        &self.ask.worker
    }

    pub(super) fn is_woken(&self) -> bool {
        self.flag.is_raised()
    }

    /// Whether it asks for this lane, and if so whether it is warm.
    pub(super) fn asks_for(&self, lane: &Lane) -> Option<bool> {
        self.ask.lanes.iter().find(|asked| asked.lane == *lane).map(|asked| asked.warm)
    }
}

/// An open watch.
pub(super) struct Reading {
    pub(super) number: u64,
    pub(super) stream: EventStream,
    pub(super) flag: Arc<Flag>,
    /// What may still come of what it was told before.
    pub(super) late: Vec<Told>,
}

impl Drive<'_> {
    /// Gives everybody who was woken a turn, then reads all watches.
    pub(super) fn settle(&mut self) -> Result<(), Differs> {
        self.settle_calls()?;
        if self.readings.is_empty() || self.model.is_unclear() {
            return Ok(());
        }
        // an open watch that is read may serve timers
        self.serve_first()?;
        self.settle_calls()?;
        if self.subject.is_apart() {
            return self.read_apart();
        }
        for at in (0..self.readings.len()).rev() {
            self.read(at)?;
        }
        Ok(())
    }

    /// Polls the calls that were woken, until none is; then none that sleeps may be one that must answer.
    pub(super) fn settle_calls(&mut self) -> Result<(), Differs> {
        if self.subject.is_apart() {
            return self.settle_apart();
        }
        while let Some(at) = self.calls.iter().position(Open::is_woken) {
            self.poll_call(at)?;
        }
        self.sleep_rightly()
    }

    /// None of the calls that sleep is one that must answer.
    pub(super) fn sleep_rightly(&self) -> Result<(), Differs> {
        for call in &self.calls {
            let mut model = self.model.clone();
            let what = || format!("the open call of {}", call.worker());
            match model.look(&call.ask) {
                // nothing has to wake a call for a lane it may drain for
                Answer::Now { leases, drain_for: None } => {
                    let tasks: Vec<_> = leases.iter().map(|lease| &lease.task.id).collect();
                    let expected =
                        format!("woken: it is to be given {tasks:?}, or to hear of a cancel or a drain");
                    return differs(what(), expected, "asleep");
                }
                _ if self.model.now >= call.end => {
                    return differs(what(), "an answer, as its time is over", "asleep");
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn poll_call(&mut self, at: usize) -> Result<(), Differs> {
        let call = &mut self.calls[at];
        let polled = call.flag.poll(&mut call.future);
        let is_over = self.model.now >= call.end;
        let expected = self.model.look(&call.ask);
        let reply = match (polled, &expected) {
            (Poll::Pending, Answer::Wait { .. }) if !is_over => return Ok(()),
            (Poll::Pending, expected) => {
                return differs(
                    format_args!("the open call of {}", call.ask.worker),
                    expected,
                    "it waits on",
                );
            }
            (Poll::Ready(reply), _) => reply,
        };
        let call = self.calls.remove(at);
        self.heard(&call.ask, &expected, is_over, reply, call.lost)
    }

    /// A call that does not wait, or whose time passes by itself.
    pub(super) fn ask_at_once(&mut self, ask: LeaseRequest, lost: bool) -> Result<(), Differs> {
        let Some(reply) = complete(self.queue.lease(ask.clone())) else {
            return differs("a call that does not wait", "an answer", "none");
        };
        let expected = self.model.look(&ask);
        self.heard(&ask, &expected, true, reply, lost)
    }

    pub(super) fn heard(
        &mut self,
        ask: &LeaseRequest,
        expected: &Answer,
        is_over: bool,
        reply: Result<LeaseReply>,
        lost: bool,
    ) -> Result<(), Differs> {
        let what = format!("what {} is given", ask.worker);
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => return differs(what, expected, error),
        };
        check::reply(&what, expected, is_over, &reply, self.tolerance)?;
        for lease in &reply.leases {
            self.model.fenced(&lease.key.id, lease.key.fence);
            self.keys.push(lease.key.clone());
        }
        if let Some(actor) = self.actors.iter_mut().find(|actor| actor.id == ask.worker) {
            actor.ended = actor.ended.max(ask.call);
            if !lost {
                actor.held.extend(reply.leases.into_iter().map(|lease| Held::new(lease.key)));
                actor.drains_for = reply.drain_for;
            }
        }
        Ok(())
    }

    /// A call is dropped: its ask has ended, and nothing may be lost with it.
    pub(super) fn drop_call(&mut self, call: Open) {
        let (worker, number) = (call.ask.worker.clone(), call.ask.call);
        drop(call);
        if let Some(actor) = self.actors.iter_mut().find(|actor| actor.id == worker) {
            actor.ended = actor.ended.max(number);
        }
    }

    pub(super) fn drop_calls_of(&mut self, worker: &WorkerId) {
        while let Some(at) = self.calls.iter().position(|call| call.worker() == worker) {
            let call = self.calls.remove(at);
            self.drop_call(call);
        }
    }

    /// Reads a watch as far as it goes.
    fn read(&mut self, at: usize) -> Result<(), Differs> {
        let reading = &mut self.readings[at];
        let number = reading.number;
        let Some(hearing) = self.model.hearings.iter_mut().find(|hearing| hearing.number == number) else {
            return Ok(());
        };
        let told = std::mem::take(&mut hearing.told);
        let (ends, id) = (hearing.ends, hearing.id.clone());
        let what = format!("what a watch of {id} tells");
        if self.subject.is_manual() && (ends || !told.is_empty()) && !reading.flag.is_raised() {
            return differs(what, "its reader is woken", "nobody was");
        }
        let (mut heard, mut ended) = (Vec::<Event>::new(), false);
        while !ended {
            match reading.flag.poll_next(&mut reading.stream) {
                Poll::Ready(None) => ended = true,
                Poll::Ready(Some(Ok(event))) => heard.push(event),
                Poll::Ready(Some(Err(error))) => return differs(what, "events", error),
                Poll::Pending => {
                    let all = heard.len() >= told.len() && !ends;
                    if all || self.subject.is_manual() || !reading.flag.wait(PATIENCE) {
                        break;
                    }
                }
            }
        }
        check::events(&what, &told, &heard, self.tolerance)?;
        if ends != ended {
            return differs(format!("whether a watch of {id} ends"), ends, ended);
        }
        if ended {
            self.readings.remove(at);
            self.model.hearings.retain(|hearing| hearing.number != number);
        }
        Ok(())
    }
}
