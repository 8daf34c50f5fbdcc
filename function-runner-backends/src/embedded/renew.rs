//! Keeping claims, and hearing what bodies tell.

use function_runner_core::{
    Beat, BeatReply, By, EventKind, Heartbeat, LeaseKey, LogLine, Payload, Progress, Renewal, Report, State,
};

use super::{fault::Step, row::Row, store::Store};

/// One thing a body told.
enum Told {
    Log(LogLine),
    Progress(Progress),
    Part(Payload),
}

impl Store {
    /// One heartbeat of a whole worker. Its claims are renewed before anything expires: one that ended and that nobody
    /// took back yet is held on to.
    pub(super) fn renew(&mut self, beat: Heartbeat) -> Step<BeatReply> {
        self.counters.calls += 1;
        self.counters.outage.note(self.steady, &self.times);
        let (joined, drain) = self.beat(&beat)?;
        if let Some(lane) = &beat.drains_for {
            self.extend_drain(&beat.worker, lane)?;
        }
        let mut tasks = Vec::with_capacity(beat.tasks.len());
        for beat in beat.tasks {
            tasks.push(self.hold(beat)?);
        }
        self.serve(By::Worker)?;
        let mut reply = BeatReply::new(tasks, self.template_set()?.revision);
        (reply.joined, reply.drain) = (joined, drain);
        Ok(reply)
    }

    fn hold(&mut self, beat: Beat) -> Step<Renewal> {
        let Some(mut row) = self.claimed(&beat.key)? else { return Ok(Renewal::Lost) };
        row.ends = Some(self.steady.after(self.times.lease));
        self.hear(&mut row, beat.report)?;
        row.renewed = self.counters.calls;
        let renewal = if row.cancel { Renewal::CancelRequested } else { Renewal::Held };
        if row.cancel && !std::mem::replace(&mut row.told, true) {
            self.worker_mut(row.worker)?.untold -= 1;
        }
        self.save(&row)?;
        Ok(renewal)
    }

    /// The task that is held by this claim.
    pub(super) fn claimed(&self, key: &LeaseKey) -> Step<Option<Row>> {
        let row = self.row_of(&key.id)?;
        Ok(row.filter(|row| row.state == State::Running && row.fence == key.fence))
    }

    /// What a body told, in the order of its numbers; what came before (a report sent again, or one that its finish
    /// overtook) says nothing new.
    pub(super) fn hear(&mut self, row: &mut Row, report: Report) -> Step<()> {
        if report.is_empty() {
            return Ok(());
        }
        if let Some(checkpoint) = &report.checkpoint {
            self.save_checkpoint(row.number, checkpoint)?;
            row.said = true;
        }
        let logs = report.logs.into_iter().map(|log| (log.n, Told::Log(log.item)));
        let progress =
            report.progress.into_iter().map(|progress| (progress.n, Told::Progress(progress.item)));
        let parts = report.parts.into_iter().map(|part| (part.n, Told::Part(part.item)));
        let mut told: Vec<(u32, Told)> = logs.chain(progress).chain(parts).collect();
        told.sort_by_key(|(n, _)| *n);
        for (n, told) in told {
            if n > row.heard {
                self.tell(row, n, told)?;
            }
        }
        Ok(())
    }

    fn tell(&mut self, row: &mut Row, n: u32, told: Told) -> Step<()> {
        (row.heard, row.shown) = (n, n);
        let behind = row.base();
        match told {
            Told::Log(line) => self.say(row, behind, EventKind::Log(line)),
            Told::Progress(progress) => {
                self.save_progress(row.number, &progress)?;
                row.said = true;
                self.say(row, behind, EventKind::Progress(progress));
            }
            Told::Part(part) => {
                let index = self.add_part(row.number, &part)?;
                row.parts = true;
                self.say(row, behind, EventKind::OutputPart { turn: row.turns, index, part });
            }
        }
        Ok(())
    }
}
