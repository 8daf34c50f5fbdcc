//! Drives a subject and the model with the same operations, and compares every answer.

mod apart;
mod callers;
mod check;
mod finishes;
mod lists;
mod operators;
mod poll;
mod settle;
mod tasks;
mod workers;

use std::{collections::HashMap, fmt::Display, sync::Arc, time::Duration};

use function_runner_core::{
    Connection, Executor as _, Finish, Lane, LeaseKey, Queue, TaskId, TemplateSet, Timestamp, WorkerId,
};

use self::{
    settle::{Open, Reading},
    workers::Actor,
};
use super::{
    difference::{Differs, differs},
    op::{Op, Step},
    reference::Model,
    subject::Subject,
};

/// The most tasks of one sequence, so that one call serves whatever is due.
const MOST_TASKS: usize = 40;

/// How a sequence went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Every answer was as it must be.
    Kept,
    /// So was every answer until something happened whose order nothing says.
    Unclear,
}

/// A sequence under way.
struct Drive<'a> {
    subject: &'a Subject,
    queue: Arc<dyn Queue>,
    model: Model,
    script: Vec<String>,
    actors: Vec<Actor>,
    /// Every id that was ever submitted.
    ids: Vec<TaskId>,
    /// Every claim that was ever given, and every end that was ever told.
    keys: Vec<LeaseKey>,
    finished: Vec<Finish>,
    calls: Vec<Open>,
    readings: Vec<Reading>,
    /// When a worker had a call open last that may have looked unseen.
    peeked: HashMap<WorkerId, Timestamp>,
    count: u64,
    sets: Vec<TemplateSet>,
    revision: u64,
    tolerance: Duration,
}

/// Plays a sequence on a subject; what happened in words, and how it went.
pub(super) fn play(subject: &Subject, ops: &[Op]) -> (Vec<String>, Result<End, Differs>) {
    let Some(queue) = subject.connection.queue.clone() else {
        let differs = differs("the connection", "one with a queue", "none");
        return (Vec::new(), differs);
    };
    let times = queue.capabilities().times;
    let mut drive = Drive {
        subject,
        queue,
        model: Model::new(times, subject.now()),
        script: Vec::new(),
        actors: Vec::new(),
        ids: Vec::new(),
        keys: Vec::new(),
        finished: Vec::new(),
        calls: Vec::new(),
        readings: Vec::new(),
        peeked: HashMap::new(),
        count: 0,
        sets: Vec::new(),
        revision: 0,
        tolerance: if subject.is_manual() { Duration::ZERO } else { times.retry() },
    };
    let end = drive.all(ops);
    (drive.script, end)
}

impl Drive<'_> {
    fn all(&mut self, ops: &[Op]) -> Result<End, Differs> {
        for op in ops {
            self.steady();
            self.perform(op)?;
            if self.model.is_unclear() {
                return Ok(End::Unclear);
            }
        }
        self.steady();
        self.audit()?;
        Ok(if self.model.is_unclear() { End::Unclear } else { End::Kept })
    }

    fn perform(&mut self, op: &Op) -> Result<(), Differs> {
        match op {
            Op::Pass(step) => return self.pass(*step),
            Op::Submit { tasks, drop_woken } => self.submit(tasks, *drop_woken)?,
            Op::Again { which, changed, beside, twice } => {
                self.submit_again(*which, *changed, beside.as_ref(), *twice)?;
            }
            Op::Cancel { which } => self.cancel(*which)?,
            Op::Record { which } => self.look_at(*which)?,
            Op::Watch { which, seen } => self.watch(*which, *seen)?,
            Op::Unwatch { which } => self.unwatch(*which),
            Op::Join { worker, serves, capacity } => self.join(*worker, *serves, *capacity)?,
            Op::Leave { worker } => self.leave(*worker)?,
            Op::Lease { worker, ask } => self.lease(*worker, ask)?,
            Op::Hang { worker } => self.hang(*worker),
            Op::Crash { worker } => self.crash(*worker),
            Op::Beat { worker, tells, again, leaves_out } => {
                self.beat(*worker, *tells, *again, *leaves_out)?;
            }
            Op::Finish { ends, twice } => self.finish(ends, *twice)?,
            Op::FinishAgain { which } => self.finish_again(*which)?,
            Op::Stale { which, beat } => self.stale(*which, *beat)?,
            operation => self.operate(operation)?,
        }
        self.settle()?;
        if matches!(op, Op::Lease { .. } | Op::Beat { .. }) {
            // so that no two calls of a worker come at one moment: which is later is told by time on some backends
            self.let_pass(Duration::from_millis(1))?;
        }
        Ok(())
    }

    /// Says what happens next.
    fn say(&mut self, words: impl Display) {
        self.script.push(words.to_string());
    }

    /// The model's time is the subject's; where that passes by itself, no boundary is too near to be sure of.
    fn steady(&mut self) {
        for _ in 0..50 {
            self.model.now = self.subject.now();
            let (now, near) = (self.model.now, self.tolerance);
            let is_near = |moment: &Timestamp| *moment < now.after(near) && now < moment.after(near);
            let near_one = self.model.moments().into_iter().flatten().filter(is_near).max();
            let Some(moment) = near_one else { return };
            if near.is_zero() {
                return;
            }
            self.subject.pass(moment.after(near).since(now));
        }
    }

    /// So much time of the contract, by the subject's own times.
    fn millis(&self, millis: u64) -> Duration {
        let lease = self.model.times.lease.as_nanos() as u64;
        Duration::from_millis(lease * millis / 9_000 / 1_000_000).max(Duration::from_millis(millis.min(1)))
    }

    fn pass(&mut self, step: Step) -> Result<(), Differs> {
        let (now, unit) = (self.model.now, self.millis(1));
        let time = match step {
            Step::Millis(millis) => unit * (1 + u32::from(millis)),
            Step::Beats(parts) => self.model.times.beat() * (1 + u32::from(parts) % 20) / 4,
            Step::To { moment, offset } => {
                let Some(moment) = self.moment(moment) else { return Ok(()) };
                match offset % 4 {
                    0 | 1 => moment.since(now),
                    2 => moment.since(now).saturating_sub(Duration::from_millis(1)),
                    _ => moment.since(now) + Duration::from_millis(1),
                }
            }
            Step::Long(days) => Duration::from_secs(3600) * [1, 25, 200, 31 * 24][usize::from(days) % 4],
        };
        if time.is_zero() || (!self.subject.is_manual() && time > self.model.times.lease * 8) {
            return Ok(());
        }
        if !self.subject.is_manual() {
            // what a call does while it sleeps is not seen from here
            while let Some(call) = self.calls.pop() {
                self.drop_call(call);
            }
        }
        if self.subject.is_apart() && time > self.model.times.late / 2 {
            self.unwatch_all()?;
        }
        self.say(format_args!("let {} pass", words_of(time)));
        self.let_pass(time)
    }

    /// The first moment ahead of the kind that is meant, or the one behind it; the first of any kind where there is none.
    fn moment(&self, meant: u8) -> Option<Timestamp> {
        let now = self.model.now;
        let mut kinds = self.model.moments();
        for kind in &mut kinds {
            kind.retain(|moment| *moment > now);
            kind.sort_unstable();
        }
        let meant = usize::from(meant);
        let of_kind = &kinds[meant % kinds.len()];
        let second = of_kind.get(meant / kinds.len() % 2);
        second.or(of_kind.first()).or_else(|| kinds.iter().flatten().min()).copied()
    }

    fn let_pass(&mut self, time: Duration) -> Result<(), Differs> {
        self.subject.pass(time);
        self.steady();
        if self.subject.is_apart() {
            self.look_once()?;
        }
        self.settle_calls()
    }

    /// The connection's other sides.
    fn connection(&self) -> &Connection {
        &self.subject.connection
    }
}

/// The lanes of all sequences.
fn lane(number: u8) -> Lane {
    let name =
        ["work@1.0:standard", "work@1.0:high", "work@1.1:standard", "big@1.0:standard", "after@1.0:standard"];
    name[usize::from(number) % name.len()].parse().expect("each of these is a lane")
}

fn words_of(time: Duration) -> String {
    match (time.as_secs(), time.as_millis()) {
        (seconds, millis) if seconds >= 1000 || millis.is_multiple_of(1000) => format!("{seconds} s"),
        (_, millis) => format!("{millis} ms"),
    }
}
