//! Keeping claims, and hearing what bodies tell.

use function_runner_core::{
    Beat, BeatReply, By, EventKind, Heartbeat, LeaseKey, LogLine, Payload, Progress, Renewal, Report, State,
};

use super::store::Store;

/// One thing a body told.
enum Told {
    Log(LogLine),
    Progress(Progress),
    Part(Payload),
}

impl Store {
    /// One heartbeat of a whole worker. Its claims are renewed before anything expires: one that ended and that nobody
    /// took back yet is held on to.
    pub(super) fn renew(&mut self, beat: Heartbeat) -> BeatReply {
        self.outage.note(self.now, &self.times);
        let (joined, drain) =
            self.beat(&beat).map_or((false, false), |worker| (worker.joined, worker.draining));
        if let Some(lane) = &beat.drains_for {
            self.reserve.beat(&beat.worker, lane, self.now);
        }
        let tasks = beat.tasks.into_iter().map(|beat| self.hold(beat)).collect();
        self.serve(By::Worker);
        let mut reply = BeatReply::new(tasks, self.templates.set(&self.workers, self.now).revision);
        (reply.joined, reply.drain) = (joined, drain);
        reply
    }

    fn hold(&mut self, beat: Beat) -> Renewal {
        let Some(at) = self.claimed(&beat.key) else { return Renewal::Lost };
        self.unchain(at);
        self.chain(at);
        self.hear(at, beat.report);
        let row = &mut self.rows[at];
        row.claim.renewed = self.calls;
        if !row.cancel {
            return Renewal::Held;
        }
        if !std::mem::replace(&mut row.told, true) {
            self.workers[row.claim.worker].untold -= 1;
        }
        Renewal::CancelRequested
    }

    /// The task that is held by this claim.
    pub(super) fn claimed(&self, key: &LeaseKey) -> Option<u32> {
        let at = self.known(&key.id)?;
        let row = &self.rows[at];
        (row.state == State::Running && row.claim.fence == key.fence).then_some(at)
    }

    /// What a body told, in the order of its numbers; what came before (a report sent again, or one that its finish
    /// overtook) says nothing new.
    pub(super) fn hear(&mut self, at: u32, report: Report) {
        if report.is_empty() {
            return;
        }
        if report.checkpoint.is_some() {
            self.rows[at].more().checkpoint = report.checkpoint;
        }
        let logs = report.logs.into_iter().map(|log| (log.n, Told::Log(log.item)));
        let progress =
            report.progress.into_iter().map(|progress| (progress.n, Told::Progress(progress.item)));
        let parts = report.parts.into_iter().map(|part| (part.n, Told::Part(part.item)));
        let mut told: Vec<(u32, Told)> = logs.chain(progress).chain(parts).collect();
        told.sort_by_key(|(n, _)| *n);
        for (n, told) in told {
            if n > self.rows[at].heard {
                self.tell(at, n, told);
            }
        }
    }

    fn tell(&mut self, at: u32, n: u32, told: Told) {
        let row = &mut self.rows[at];
        (row.heard, row.shown) = (n, n);
        match told {
            Told::Log(line) => self.say(at, |_| EventKind::Log(line)),
            Told::Progress(progress) => {
                row.more().progress = Some(progress.clone());
                self.say(at, |_| EventKind::Progress(progress));
            }
            Told::Part(part) => {
                let turn = row.turns;
                let parts = &mut row.more().parts;
                parts.push(part.clone());
                let index = parts.len() as u64 - 1;
                self.say(at, |_| EventKind::OutputPart { turn, index, part });
            }
        }
    }
}
