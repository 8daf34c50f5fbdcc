//! Keeping claims, and hearing what bodies tell.

use function_runner_core::{
    EventKind, Heartbeat, LeaseKey, LogLine, Payload, Progress, Renewal, Report, State, WorkerId,
};

use super::{By, Known, Model};

enum Item {
    Log(LogLine),
    Progress(Progress),
    Part(Payload),
}

impl Model {
    /// A heartbeat; what the worker must hear of each task, whether it asks for a drain, and whether the store must
    /// know it.
    pub(in crate::model) fn renew(&mut self, beat: &Heartbeat) -> (Vec<Renewal>, bool, Known) {
        self.begin();
        self.note();
        let known = self.known(&beat.worker);
        let drain = self.beat(beat);
        if let Some(lane) = &beat.drains_for {
            let until = self.now.after(self.times.lease);
            let own = |(of, worker, held): &&mut (_, _, _)| {
                of == lane && *worker == beat.worker && self.now < *held
            };
            self.drains.iter_mut().filter(own).for_each(|(_, _, held)| *held = until);
        }
        let tasks = beat.tasks.iter().map(|task| self.hold(&task.key, &task.report)).collect();
        self.serve(By::Worker);
        (tasks, drain, known)
    }

    fn beat(&mut self, beat: &Heartbeat) -> bool {
        let (now, call) = (self.now, self.calls);
        let Some(worker) = self.workers.iter_mut().find(|worker| worker.id == beat.worker) else {
            return false;
        };
        worker.seen_at = now;
        worker.is_sure = true;
        (worker.beat, worker.ended) = (call, beat.ended);
        worker.load = beat.load.clone();
        worker.drains_for = beat.drains_for.clone();
        worker.drain_told = worker.draining;
        worker.draining
    }

    /// The store knew a worker that beat, or not.
    pub(in crate::model) fn beaten(&mut self, id: &WorkerId, joined: bool) {
        let now = self.now;
        let Some(worker) = self.workers.iter_mut().find(|worker| worker.id == *id) else { return };
        match (worker.joined, joined) {
            (true, true) => {
                worker.alive_at = now;
                let capacity = worker.capacity.clone();
                self.see(capacity);
            }
            (true, false) => self.buried(id),
            _ => {}
        }
    }

    fn hold(&mut self, key: &LeaseKey, report: &Report) -> Renewal {
        let Some(at) = self.held_by(key) else { return Renewal::Lost };
        self.hear(at, report);
        let (call, ends_at) = (self.calls, self.now.after(self.times.lease));
        let row = &mut self.rows[at];
        if let Some(claim) = &mut row.claim {
            (claim.renewed, claim.ends_at) = (call, ends_at);
        }
        row.told |= row.cancel;
        if row.cancel { Renewal::CancelRequested } else { Renewal::Held }
    }

    /// The task that is held by this claim.
    pub(super) fn held_by(&self, key: &LeaseKey) -> Option<usize> {
        let at = self.at(&key.id)?;
        let row = &self.rows[at];
        let held = row.claim.as_ref().is_some_and(|claim| claim.fence == key.fence);
        (row.state == State::Running && held).then_some(at)
    }

    /// What a body told, by its numbers; items at or under the last say nothing new.
    pub(super) fn hear(&mut self, at: usize, report: &Report) {
        if let Some(checkpoint) = &report.checkpoint {
            self.rows[at].checkpoint = Some(checkpoint.clone());
        }
        let logs = report.logs.iter().map(|log| (log.n, Item::Log(log.item.clone())));
        let progress = report.progress.iter().map(|told| (told.n, Item::Progress(told.item.clone())));
        let parts = report.parts.iter().map(|part| (part.n, Item::Part(part.item.clone())));
        let mut items: Vec<_> = logs.chain(progress).chain(parts).collect();
        items.sort_by_key(|(n, _)| *n);
        for (n, item) in items {
            let row = &mut self.rows[at];
            if n <= row.heard {
                continue;
            }
            (row.heard, row.shown) = (n, n);
            match item {
                Item::Log(line) => self.say(at, EventKind::Log(line)),
                Item::Progress(progress) => {
                    row.progress = Some(progress.clone());
                    self.say(at, EventKind::Progress(progress));
                }
                Item::Part(part) => {
                    row.parts.push(part.clone());
                    self.say_part(at, &part);
                }
            }
        }
    }
}
