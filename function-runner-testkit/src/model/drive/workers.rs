//! What workers do: join, ask, beat, leave, die.

use function_runner_core::{
    Amounts, AskedLane, Beat, Capacity, ErrorKind, Heartbeat, Lane, LeaseKey, LeaseRequest, Name, Quality,
    QualityPreset, Renewal, Report, Template, Version, WorkerId, WorkerInfo,
};
use serde_json::json;

use super::{Drive, check, lane, poll::complete, settle::Open, words_of};
use crate::model::{
    difference::{Differs, differs, same},
    op::Ask,
    reference::Known,
};

/// The most workers of one sequence: with fewer than eight, one drains at a time.
const MOST_WORKERS: usize = 7;

/// The room of an ask that names a lane.
const ROOM: u32 = 720_720;

/// A worker as it knows itself.
#[derive(Debug)]
pub(super) struct Actor {
    pub(super) id: WorkerId,
    alive: bool,
    asks: u64,
    /// The latest ask that has ended.
    pub(super) ended: u64,
    pub(super) held: Vec<Held>,
    /// The lane that the latest reply told it to drain for.
    pub(super) drains_for: Option<Lane>,
}

/// A claim that a worker knows of.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) key: LeaseKey,
    /// The last number that its body's words were given.
    pub(super) n: u32,
    /// What was reported last.
    last: Report,
}

impl Held {
    pub(super) fn new(key: LeaseKey) -> Self {
        Self { key, n: 0, last: Report::default() }
    }
}

impl Actor {
    /// Whether it was not heard of for the last time.
    pub(super) const fn lives(&self) -> bool {
        self.alive
    }
}

impl Drive<'_> {
    /// A worker that can act: one that is there, or a new one that joins first.
    fn actor(&mut self, number: u8) -> Result<usize, Differs> {
        let able: Vec<usize> = (0..self.actors.len()).filter(|at| self.is_able(*at)).collect();
        let wanted = usize::from(number) % 3;
        if let Some(at) = able.get(wanted) {
            return Ok(*at);
        }
        if self.actors.len() >= MOST_WORKERS
            && let Some(at) = able.last()
        {
            return Ok(*at);
        }
        let at = self.actors.len();
        let id = WorkerId::new(format!("w{at}")).expect("a letter and a number are a worker's name");
        self.actors.push(Actor { id, alive: true, asks: 0, ended: 0, held: Vec::new(), drains_for: None });
        if number % 8 != 7 {
            self.join_as(at, 0, 0)?;
        }
        Ok(at)
    }

    /// Whether a worker acts still: it lives, and the store may not have forgotten that it was to stop.
    fn is_able(&self, at: usize) -> bool {
        let actor = &self.actors[at];
        let worker = self.model.workers.iter().find(|worker| worker.id == actor.id);
        actor.alive && worker.is_none_or(|worker| !worker.draining || worker.is_live(&self.model))
    }

    pub(super) fn join(&mut self, worker: u8, serves: u8, capacity: u8) -> Result<(), Differs> {
        let at = self.actor(worker)?;
        self.join_as(at, serves, capacity)
    }

    fn join_as(&mut self, at: usize, serves: u8, capacity: u8) -> Result<(), Differs> {
        let (templates, words) = offer(serves);
        let capacity = match capacity % 3 {
            0 => Capacity::new().cpu_millis(4_000).memory_mib(8_000),
            1 => Capacity::new().cpu_millis(16_000).memory_mib(4_000),
            _ => Capacity::new().cpu_millis(8_000).memory_mib(8_000).gpu(24_000),
        };
        let info = WorkerInfo::new(self.actors[at].id.clone(), capacity, templates);
        self.serve_first()?;
        self.say(format_args!("{} joins with {words}", info.worker));
        let expected = self.model.conflict(&info);
        let Some(answer) = complete(self.queue.join(info.clone())) else {
            return differs("join", "an answer", "none");
        };
        match (expected, answer) {
            (Known::No | Known::Perhaps, Ok(())) => {
                self.model.join(&info);
                Ok(())
            }
            (Known::Yes | Known::Perhaps, Err(error)) if error.kind() == ErrorKind::Conflict => Ok(()),
            (Known::Yes, answer) => differs("join", ErrorKind::Conflict, answer),
            (_, answer) => differs("join", "joined", answer),
        }
    }

    pub(super) fn leave(&mut self, worker: u8) -> Result<(), Differs> {
        let at = self.actor(worker)?;
        let info = WorkerInfo::leaving(self.actors[at].id.clone());
        self.serve_first()?;
        self.say(format_args!("{} leaves", info.worker));
        self.model.call();
        self.model.join(&info);
        check::done("leaving", &Ok(()), complete(self.queue.join(info)))
    }

    pub(super) fn crash(&mut self, worker: u8) {
        let able: Vec<usize> = (0..self.actors.len()).filter(|at| self.is_able(*at)).collect();
        let Some(at) = able.get(usize::from(worker) % able.len().max(1)) else { return };
        let id = self.actors[*at].id.clone();
        self.say(format_args!("{id} crashes"));
        self.actors[*at].alive = false;
        self.drop_calls_of(&id);
    }

    pub(super) fn hang(&mut self, worker: u8) {
        let open: Vec<WorkerId> = self.calls.iter().map(|call| call.worker().clone()).collect();
        let Some(id) = open.get(usize::from(worker) % open.len().max(1)) else { return };
        self.say(format_args!("{id} drops its open call"));
        self.drop_calls_of(id);
    }

    pub(super) fn lease(&mut self, worker: u8, ask: &Ask) -> Result<(), Differs> {
        let at = self.actor(worker)?;
        let id = self.actors[at].id.clone();
        self.drop_calls_of(&id);
        self.settle_calls()?;
        self.actors[at].asks += 1;
        let request = self.request(at, ask);
        let lost = if ask.lost { "; the reply is lost" } else { "" };
        self.say(format_args!("{id} asks for {}{lost}", words_of_ask(&request)));
        if request.wait.is_zero() || !self.subject.is_manual() {
            return self.ask_at_once(request, ask.lost);
        }
        let end = self.model.now.after(request.wait);
        let queue = self.queue.clone();
        let own = request.clone();
        let future = Box::pin(async move { queue.lease(own).await });
        self.calls.push(Open::new(request, end, future, ask.lost));
        if self.subject.is_apart() { self.ask_apart() } else { self.poll_call(self.calls.len() - 1) }
    }

    fn request(&self, at: usize, ask: &Ask) -> LeaseRequest {
        let actor = &self.actors[at];
        let lanes = lanes_of(ask.lanes).into_iter().enumerate().map(|(index, lane)| {
            let fits = 1 + (u32::from(ask.fits) + index as u32 * 3) % 4;
            let warm = ask.warm >> (index % 8) & 1 == 1;
            AskedLane { lane, cost: ROOM.div_ceil(fits), warm }
        });
        let mut request = LeaseRequest::new(actor.id.clone(), actor.asks, lanes.collect());
        if !self.subject.is_many() {
            // when a call that sleeps hears of a lane to drain for is not said, and not seen there
            request.would_fit = lanes_of(ask.would_fit);
        }
        if let Some(lane) = actor.drains_for.clone().filter(|_| ask.waits % 8 != 7) {
            // it asks for nothing else until a reply no longer names it
            request.lanes.clear();
            request.room = 0;
            request.would_fit = vec![lane];
        }
        let wait = if self.subject.is_manual() { [0, 5_000, 20_000][usize::from(ask.waits) % 3] } else { 0 };
        request.wait = self.millis(wait);
        request
    }

    /// A heartbeat of everything it holds.
    pub(super) fn beat(
        &mut self,
        worker: u8,
        tells: u8,
        again: bool,
        leaves_out: Option<u8>,
    ) -> Result<(), Differs> {
        let at = self.actor(worker)?;
        let actor = &mut self.actors[at];
        let out = leaves_out.map(|out| usize::from(out) % actor.held.len().max(1));
        let mut words = Vec::new();
        let mut tasks = Vec::new();
        for (index, held) in actor.held.iter_mut().enumerate() {
            if Some(index) == out {
                continue;
            }
            if !again {
                held.last = check::report(tells, &mut held.n);
            }
            words.push(format!("{}{}", held.key.id, check::words_of_report(&held.last)));
            tasks.push(Beat::new(held.key.clone(), held.last.clone()));
        }
        let words = if words.is_empty() { "nothing".to_owned() } else { words.join(", ") };
        let mut beat = Heartbeat::new(actor.id.clone(), actor.ended, tasks);
        beat.load = Amounts::new().cpu_millis(u64::from(tells) * 10);
        beat.drains_for = actor.drains_for.clone();
        self.say(format_args!("{} beats with {words}, its ask {} has ended", beat.worker, beat.ended));
        self.send_beat(beat)
    }

    pub(super) fn send_beat(&mut self, beat: Heartbeat) -> Result<(), Differs> {
        let (tasks, drain, known) = self.model.renew(&beat);
        let Some(answer) = complete(self.queue.renew(beat.clone())) else {
            return differs("the heartbeat", "an answer", "none");
        };
        let reply = match answer {
            Ok(reply) => reply,
            Err(error) => return differs("the heartbeat", "an answer", error),
        };
        same("what a heartbeat hears of its tasks", &tasks, &reply.tasks)?;
        match known {
            Known::Yes => same("whether a heartbeat's worker is known", &true, &reply.joined)?,
            Known::No => same("whether a heartbeat's worker is known", &false, &reply.joined)?,
            Known::Perhaps => {}
        }
        if reply.joined {
            same("whether a worker is to stop", &drain, &reply.drain)?;
        }
        self.model.beaten(&beat.worker, reply.joined);
        if let Some(actor) = self.actors.iter_mut().find(|actor| actor.id == beat.worker) {
            for (task, renewal) in beat.tasks.iter().zip(&reply.tasks) {
                if *renewal == Renewal::Lost {
                    actor.held.retain(|held| held.key != task.key);
                }
            }
        }
        self.revision_is(reply.revision)
    }

    /// An end that comes too late, or a heartbeat with a claim that is another's.
    pub(super) fn stale(&mut self, which: u8, by_beat: bool) -> Result<(), Differs> {
        let is_held = |key: &&LeaseKey| {
            let row = self.model.find(&key.id);
            row.and_then(|row| row.claim.as_ref()).is_some_and(|claim| claim.fence == key.fence)
        };
        let old: Vec<LeaseKey> = self.keys.iter().filter(|key| !is_held(key)).cloned().collect();
        let Some(key) = old.get(usize::from(which) % old.len().max(1)).cloned() else { return Ok(()) };
        if !by_beat {
            return self.finish_late(key);
        }
        let at = self.actor(which)?;
        let actor = &self.actors[at];
        let known = actor.held.iter().map(|held| Beat::new(held.key.clone(), Report::default()));
        let stale = Beat::new(key.clone(), check::report(0xff, &mut 50));
        let beat = Heartbeat::new(actor.id.clone(), actor.ended, known.chain([stale]).collect());
        self.say(format_args!("{} beats with an old claim of {}", beat.worker, key.id));
        self.send_beat(beat)
    }
}

/// The lanes of a mask: the plain ones in its lower half, their twins in the upper; what follows others with the
/// second.
fn lanes_of(mask: u8) -> Vec<Lane> {
    let mut lanes = Vec::new();
    for bit in 0..4 {
        let own = [Some(lane(bit)), (bit == 1).then(|| lane(4))];
        for lane in own.into_iter().flatten() {
            if mask >> bit & 1 == 1 {
                lanes.push(lane.clone());
            }
            if mask >> (bit + 4) & 1 == 1 {
                lanes.push(lane.twin());
            }
        }
    }
    lanes
}

fn words_of_ask(ask: &LeaseRequest) -> String {
    let lanes: Vec<String> = ask
        .lanes
        .iter()
        .map(|asked| {
            format!("{} ({}{})", asked.lane, ROOM / asked.cost, if asked.warm { ", warm" } else { "" })
        })
        .collect();
    let mut words = if lanes.is_empty() { "nothing".to_owned() } else { lanes.join(", ") };
    if !ask.would_fit.is_empty() {
        let would: Vec<String> = ask.would_fit.iter().map(ToString::to_string).collect();
        words.push_str(&format!("; drained {} would fit", would.join(", ")));
    }
    if !ask.wait.is_zero() {
        words.push_str(&format!("; waits {}", words_of(ask.wait)));
    }
    words
}

/// What a worker serves, and in words.
fn offer(serves: u8) -> (Vec<Template>, &'static str) {
    let work = |minor, patch, note: &str| template("work", Version::new(1, minor, patch), note);
    let big = template("big", Version::new(1, 0, 0), "");
    match serves % 6 {
        0 => (vec![work(0, 0, ""), big], "work@1.0.0 and big@1.0.0"),
        1 => (vec![work(1, 0, ""), big], "work@1.1.0 and big@1.0.0"),
        2 => (vec![work(0, 0, "other")], "work@1.0.0 of other content"),
        3 => (vec![template("work", Version::new(2, 0, 0), ""), work(1, 0, "")], "work@2.0.0 and work@1.1.0"),
        4 => (vec![work(0, 1, "")], "work@1.0.1"),
        _ => {
            (vec![template("after", Version::new(1, 0, 0), ""), work(0, 0, "")], "after@1.0.0 and work@1.0.0")
        }
    }
}

fn template(name: &str, version: Version, note: &str) -> Template {
    let name = Name::new(name).expect("a word is a name");
    let mut template = Template::new(name, version, json!({ "title": note }), json!({}));
    template.presets.insert(Quality::High, QualityPreset::new());
    template
}
