//! What is open while others act, in a store whose calls another thread answers: it looks for them unseen, and what it
//! has done is known once it has answered what was asked after that.

use std::{mem, task::Poll, time::Duration};

use function_runner_core::{
    Event, EventKind, Executor as _, Finish, Heartbeat, LeaseKey, LeaseReply, Outcome, Queue as _, Result,
    TaskId, WorkerId,
};

use super::{
    Drive, check,
    poll::{Flag, PATIENCE, complete, wait_for_any},
    settle::Open,
};
use crate::model::{
    difference::{Differs, differs},
    reference::{Answer, Model, Told},
};

/// A call that was answered, and its answer.
type Answered = (Open, Result<LeaseReply>);

impl Drive<'_> {
    /// A call was made just now, and looks: then it is answered, or sleeps.
    pub(super) fn ask_apart(&mut self) -> Result<(), Differs> {
        let Some(mut call) = self.calls.pop() else { return Ok(()) };
        let mut polled = call.flag.poll(&mut call.future);
        let expected = self.model.look(&call.ask);
        self.peeked.insert(call.worker().clone(), self.model.now);
        self.knock()?;
        if polled.is_pending() && matches!(expected, Answer::Now { .. }) {
            call.flag.wait(self.patience());
        }
        if polled.is_pending() && call.is_woken() {
            polled = call.flag.poll(&mut call.future);
        }
        match (polled, &expected) {
            (Poll::Ready(reply), _) => self.heard(&call.ask, &expected, false, reply, call.lost),
            (Poll::Pending, Answer::Wait { .. }) => {
                self.calls.push(call);
                Ok(())
            }
            (Poll::Pending, expected) => {
                differs(format_args!("the open call of {}", call.worker()), expected, "it waits on")
            }
        }
    }

    /// Time has passed: calls that sleep may have looked, and open watches may have served what is due. A worker that
    /// nobody knows beats, or a caller calls; from then on it is the same whether they did.
    pub(super) fn look_once(&mut self) -> Result<(), Differs> {
        if self.calls.is_empty() {
            return if self.readings.is_empty() { Ok(()) } else { self.serve_first() };
        }
        for call in &self.calls {
            self.peeked.insert(call.worker().clone(), self.model.now);
        }
        if !self.readings.is_empty() && self.model.is_torn() {
            self.model.be_unclear();
            return Ok(());
        }
        let nobody = WorkerId::new("nobody").expect("a word is a worker's name");
        let beat = Heartbeat::new(nobody, 0, Vec::new());
        self.model.renew(&beat);
        match complete(self.queue.renew(beat)) {
            Some(Ok(reply)) if !reply.joined => Ok(()),
            other => differs("the heartbeat of a worker that never joined", "that it is not known", other),
        }
    }

    /// Before a long silence: whether an open watch, as a mere caller, or a call that sleeps looks first behind it nobody
    /// sees, and they take back other claims.
    pub(super) fn unwatch_all(&mut self) -> Result<(), Differs> {
        if self.calls.is_empty() || self.readings.is_empty() {
            return Ok(());
        }
        self.say("every watch is dropped");
        self.readings.clear();
        self.model.hearings.clear();
        self.model.call();
        self.knock()
    }

    /// Takes in every answer there is, until those that sleep may sleep on.
    pub(super) fn settle_apart(&mut self) -> Result<(), Differs> {
        while !self.calls.is_empty() && !self.model.is_unclear() {
            self.model.call();
            self.knock()?;
            let answered = self.take_in();
            if !answered.is_empty() {
                self.hear_all(answered)?;
            } else if let Err(asleep) = self.sleep_rightly() {
                let flags: Vec<&Flag> = self.calls.iter().map(|call| &*call.flag).collect();
                if !wait_for_any(&flags, self.patience()) {
                    return Err(asleep);
                }
            } else {
                break;
            }
        }
        if self.calls.iter().any(|call| self.model.look_tells(&call.ask)) {
            // whether it has looked in its sleep nothing says
            self.model.be_unclear();
        }
        Ok(())
    }

    /// How long a store may still take that has answered what was asked later: several threads hear of one another
    /// in their own time.
    fn patience(&self) -> Duration {
        if self.subject.is_many() { PATIENCE } else { Duration::ZERO }
    }

    /// A call that is answered behind everything that was asked before it.
    fn knock(&self) -> Result<(), Differs> {
        let nobody = TaskId::new("knock").expect("a word is an id");
        match complete(self.queue.record(&nobody)) {
            Some(Err(_)) => Ok(()),
            other => differs("the record of a task that nobody submitted", "that it is not known", other),
        }
    }

    /// The calls that were answered, in the order of their answers.
    fn take_in(&mut self) -> Vec<Answered> {
        let (mut woken, asleep): (Vec<Open>, Vec<Open>) =
            mem::take(&mut self.calls).into_iter().partition(Open::is_woken);
        self.calls = asleep;
        woken.sort_by_key(|call| call.flag.latest());
        let mut answered = Vec::new();
        for mut call in woken {
            match call.flag.poll(&mut call.future) {
                Poll::Ready(reply) => answered.push((call, reply)),
                Poll::Pending => self.calls.push(call),
            }
        }
        answered
    }

    /// Compares what calls were answered; where several threads did, in the first order that explains it.
    fn hear_all(&mut self, mut answered: Vec<Answered>) -> Result<(), Differs> {
        if self.subject.is_many()
            && let Some(order) = self.order_of(&self.model, &answered.iter().collect::<Vec<_>>())
        {
            let place = |call: &Answered| order.iter().position(|worker| worker == call.0.worker());
            answered.sort_by_key(place);
        }
        for (call, reply) in answered {
            let is_over = self.model.now >= call.end;
            let expected = self.model.look(&call.ask);
            self.heard(&call.ask, &expected, is_over, reply, call.lost)?;
        }
        Ok(())
    }

    /// An order of looks in which these answers are right, by the workers, each of which has one call.
    fn order_of(&self, model: &Model, answered: &[&Answered]) -> Option<Vec<WorkerId>> {
        if answered.is_empty() {
            return Some(Vec::new());
        }
        (0..answered.len()).find_map(|first| {
            let (call, reply) = answered[first];
            let mut model = model.clone();
            let expected = model.look(&call.ask);
            let is_over = model.now >= call.end;
            let reply = reply.as_ref().ok()?;
            check::reply("", &expected, is_over, reply, self.tolerance).ok()?;
            let mut rest = answered.to_vec();
            rest.remove(first);
            let mut order = self.order_of(&model, &rest)?;
            order.insert(0, call.worker().clone());
            Some(order)
        })
    }

    /// The one call that a submit has had answered is dropped with its answer: what it was given goes back.
    pub(super) fn drop_answered(&mut self) -> Result<(), Differs> {
        let woken: Vec<usize> = (0..self.calls.len()).filter(|at| self.calls[*at].is_woken()).collect();
        let (false, [at]) = (self.subject.is_many(), woken.as_slice()) else { return Ok(()) };
        let call = self.calls.remove(*at);
        self.say(format_args!("the call of {} is dropped with its answer unread", call.worker()));
        if let Answer::Now { leases, .. } = self.model.look(&call.ask) {
            for lease in leases {
                // whatever its fence is, it is no less
                let key = LeaseKey { id: lease.task.id.clone(), fence: lease.above + 1 };
                self.model.fenced(&key.id, key.fence);
                self.model.finish(&Finish::new(key, Outcome::Released { after: Duration::ZERO }));
            }
        }
        self.drop_call(call);
        // it goes back now, not when time has passed
        self.model.call();
        self.knock()
    }

    /// Reads every open watch as far as it goes.
    pub(super) fn read_apart(&mut self) -> Result<(), Differs> {
        self.model.call();
        self.knock()?;
        for at in (0..self.readings.len()).rev() {
            self.read_one(at)?;
        }
        Ok(())
    }

    fn read_one(&mut self, at: usize) -> Result<(), Differs> {
        let number = self.readings[at].number;
        let Some(hearing) = self.model.hearings.iter_mut().find(|hearing| hearing.number == number) else {
            return Ok(());
        };
        let (mut told, ends, id) = (mem::take(&mut hearing.told), hearing.ends, hearing.id.clone());
        let what = format!("what a watch of {id} tells");
        if !self.subject.is_many() && (ends || !told.is_empty()) && !self.readings[at].flag.is_raised() {
            return differs(what, "its reader is woken", "nobody was");
        }
        told.splice(0..0, mem::take(&mut self.readings[at].late));
        let (mut heard, mut ended) = (Vec::new(), false);
        loop {
            ended |= self.hear_more(at, &what, &mut heard)?;
            if ended {
                break;
            }
            // one that has lost its place has asked for it anew
            self.knock()?;
            let reading = &self.readings[at];
            let waits = || self.subject.is_many() && (ends || !self.is_heard(&what, &told, &heard));
            let goes_on = reading.flag.is_raised() || (waits() && reading.flag.wait(PATIENCE));
            if !goes_on {
                break;
            }
        }
        if !self.is_heard(&what, &told, &heard) {
            check::events(&what, &told, &heard, self.tolerance)?;
        }
        if ends != ended {
            return differs(format!("whether a watch of {id} ends"), ends, ended);
        }
        if ended {
            self.readings.remove(at);
            self.model.hearings.retain(|hearing| hearing.number != number);
        } else if self.subject.is_many() {
            let last = heard.last().map_or(0, |event| event.seq);
            told.retain(|told| matches!(told.kind, Some(EventKind::Log(_))) && told.seq > last);
            self.readings[at].late = told;
        }
        Ok(())
    }

    /// Takes in what a watch tells now; whether that was its end.
    fn hear_more(&mut self, at: usize, what: &str, heard: &mut Vec<Event>) -> Result<bool, Differs> {
        let reading = &mut self.readings[at];
        loop {
            match reading.flag.poll_next(&mut reading.stream) {
                Poll::Ready(None) => return Ok(true),
                Poll::Ready(Some(Ok(event))) => heard.push(event),
                Poll::Ready(Some(Err(error))) => {
                    return differs(what, "events", error);
                }
                Poll::Pending => return Ok(false),
            }
        }
    }

    /// Whether a reader has heard what it must; where several threads tell it, it may have a snapshot in place of what
    /// came late.
    fn is_heard(&self, what: &str, told: &[Told], heard: &[Event]) -> bool {
        if check::events(what, told, heard, self.tolerance).is_ok() {
            return true;
        }
        let snapshot = heard.iter().any(|event| matches!(event.kind, EventKind::Snapshot(_)));
        let is_part = |event: &&Event| matches!(event.kind, EventKind::OutputPart { .. });
        let rises =
            heard.iter().filter(|event| !is_part(event)).is_sorted_by(|one, other| one.seq < other.seq);
        let must =
            told.iter().filter(|told| !matches!(told.kind, Some(EventKind::Log(_)))).map(|told| told.seq);
        let last = heard.iter().map(|event| event.seq).max();
        self.subject.is_many() && snapshot && rises && must.max() <= last
    }
}
