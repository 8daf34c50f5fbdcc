//! The ways in which a body is run, and what each is held to.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use function_runner_core::{Failure, FailureClass, MAX_CHECKPOINT, Payload, SharedModel};
use serde_json::Value;

use super::{
    Exercise, Exercised, Finding,
    attempt::{Bench, End, Seen, Start, Stop, until},
    scratch::Folders,
};
use crate::faults::{Call, Fault, Faults, Faulty};

/// Runs a body in every way.
pub(super) async fn all(exercise: Exercise) -> Exercised {
    let template = exercise.implementation.template();
    let name = format!("{}@{}", template.function, template.version);
    let bench = Bench {
        task: Arc::new(exercise.task()),
        store: exercise.store().await,
        folders: Folders::new(exercise.scratch.clone()),
        grant: exercise.grant.clone(),
        shared: SharedModel::default(),
        limit: exercise.limit,
        implementation: exercise.implementation,
    };
    let mut report = Exercised::new(name, exercise.allowed);
    report.begin("plain");
    let mut trainer = Trainer { bench, report, most: exercise.most };
    let plain = trainer.run(Start::new(Stop::Never), "").await;
    trainer.report.checkpoints =
        (plain.checkpoints.iter().map(Bytes::len).max().unwrap_or_default(), plain.checkpoints.len());
    if let End::Gave(_) = &plain.end {
        trainer.vary(&plain).await;
    } else {
        trainer.ended_badly(&plain.end, Finding::Fails, "");
    }
    trainer.report
}

/// Who runs the attempts and writes the report.
struct Trainer {
    bench: Bench,
    report: Exercised,
    most: usize,
}

impl Trainer {
    async fn vary(&mut self, plain: &Seen) {
        self.twice(plain).await;
        if !plain.checkpoints.is_empty() {
            self.killed(plain).await;
        }
        if plain.awaits > 0 && !plain.blocks {
            self.dropped(plain).await;
        }
        if plain.awaits + plain.touches > 0 {
            self.cancelled(plain).await;
        }
        if plain.calls != [0; 3] {
            self.slow_store(plain).await;
            self.failing_store(plain).await;
        }
        self.foreign_checkpoint(plain).await;
    }

    /// One attempt, with everything that is looked at in each.
    async fn run(&mut self, start: Start, place: &str) -> Seen {
        self.report.count();
        let seen = self.bench.attempt(start).await;
        self.progress(&seen, place);
        if let Some(large) = seen.checkpoints.iter().find(|bytes| bytes.len() > MAX_CHECKPOINT) {
            let detail = format!("{place}{} bytes, at most {MAX_CHECKPOINT} are kept", large.len());
            self.report.find(Finding::CheckpointTooLarge, detail);
        }
        if seen.outlives {
            self.report.find(Finding::Outlives, format!("{place}something still holds the context"));
        }
        if !seen.outlives && !until(|| self.bench.folders.left().is_empty()).await {
            let left = self.bench.folders.left();
            let name = left.first().and_then(|path| path.file_name()).unwrap_or_default().to_string_lossy();
            self.report.find(Finding::ScratchLeft, format!("{place}`{name}` is left of the attempt"));
        }
        self.bench.folders.clear();
        seen
    }

    fn progress(&mut self, seen: &Seen, place: &str) {
        let told = &seen.fractions;
        if let Some(wrong) = told.iter().find(|fraction| !(0.0..=1.0).contains(*fraction)) {
            self.report.find(Finding::ProgressOutOfRange, format!("{place}{wrong} was told"));
            return;
        }
        if let Some(fall) = told.windows(2).find(|pair| pair[1] < pair[0]) {
            self.report.find(Finding::ProgressFalls, format!("{place}{} came after {}", fall[1], fall[0]));
        }
        let last = told.last().copied();
        if let (End::Gave(_), Some(last)) = (&seen.end, last.filter(|last| *last < 1.0)) {
            self.report.find(Finding::ProgressShort, format!("{place}the last was {last}"));
        }
    }

    async fn twice(&mut self, plain: &Seen) {
        self.report.begin("run twice");
        let again = self.run(Start::new(Stop::Never), "").await;
        self.compare(plain, &[&again], Finding::ResumeFails, "");
        if plain.logs != again.logs {
            let lines = plain.logs.iter().zip(&again.logs).find(|(one, two)| one != two);
            let detail = match lines {
                Some((one, two)) => format!("`{}`, then `{}`", one.message, two.message),
                None => format!("{} lines, then {}", plain.logs.len(), again.logs.len()),
            };
            self.report.find(Finding::LogsDiffer, detail);
        }
    }

    async fn killed(&mut self, plain: &Seen) {
        self.report.begin("killed at a checkpoint");
        for n in places(plain.checkpoints.len() as u64, self.most) {
            self.stopped_and_resumed(plain, Stop::KillAtCheckpoint(n), format!("at checkpoint {n}: ")).await;
        }
    }

    async fn dropped(&mut self, plain: &Seen) {
        self.report.begin("dropped at an await");
        for n in places(plain.awaits, self.most) {
            self.stopped_and_resumed(plain, Stop::DropAtAwait(n), format!("at await {n}: ")).await;
        }
    }

    /// An attempt that dies, and the next one from what it left.
    async fn stopped_and_resumed(&mut self, plain: &Seen, stop: Stop, place: String) {
        let first = self.run(Start::new(stop), &place).await;
        if first.end != End::Stopped {
            // this time it came to its end before
            self.compare(plain, &[&first], Finding::ResumeFails, &place);
            return;
        }
        let left = first.checkpoints.last().cloned();
        let second = self.run(Start::new(Stop::Never).resumed(left), &place).await;
        self.compare(plain, &[&first, &second], Finding::ResumeFails, &place);
    }

    async fn cancelled(&mut self, plain: &Seen) {
        self.report.begin("cancelled");
        let awaits = if plain.blocks { 0 } else { plain.awaits };
        for n in places(awaits, self.most) {
            self.fired(plain, Stop::FireAtAwait(n), format!("at await {n}: ")).await;
        }
        for n in places(plain.touches, self.most) {
            self.fired(plain, Stop::FireAtTouch(n), format!("at use {n} of its context: ")).await;
        }
    }

    /// An attempt whose token fires, and the next one from what it left: a worker that drains does the same.
    async fn fired(&mut self, plain: &Seen, stop: Stop, place: String) {
        let first = self.run(Start::new(stop), &place).await;
        let left = first.checkpoints.last().cloned();
        match &first.end {
            End::Gave(_) => {
                let more = first.touches.saturating_sub(1);
                if stop == Stop::FireAtTouch(1) && more >= 2 && (plain.blocks || plain.awaits == 0) {
                    let detail = format!("{place}it used it {more} times more, and gave its output");
                    self.report.find(Finding::IgnoresCancel, detail);
                }
                self.compare(plain, &[&first], Finding::ResumeFails, &place);
                return;
            }
            End::Failed(failure) if failure.class == FailureClass::Cancelled => {}
            end => self.ended_badly(end, Finding::CancelMisreported, &place),
        }
        let second = self.run(Start::new(Stop::Never).resumed(left), &place).await;
        self.compare(plain, &[&first, &second], Finding::ResumeFails, &place);
    }

    async fn slow_store(&mut self, plain: &Seen) {
        self.report.begin("slow store");
        let mut start = Start::new(Stop::Never);
        start.slow = true;
        let slow = self.run(start, "").await;
        self.compare(plain, &[&slow], Finding::ResumeFails, "");
    }

    async fn failing_store(&mut self, plain: &Seen) {
        self.report.begin("failing store");
        let half_way = Fault::Cut { after: 1 };
        for (call, calls, faults) in [
            (Call::Put, plain.calls[0], [Fault::Refused, Fault::ReplyLost]),
            (Call::Get, plain.calls[1], [Fault::Refused, half_way]),
            (Call::Head, plain.calls[2], [Fault::Refused, Fault::ReplyLost]),
        ] {
            for (n, fault) in places(calls, self.most).flat_map(|n| faults.map(|fault| (n, fault))) {
                let faulty = Faulty::new(self.bench.store.clone(), Faults::none().at(call, n, fault));
                let mut start = Start::new(Stop::Never);
                start.store = Some(Arc::new(faulty.clone()));
                let first = self.run(start, &format!("{call} {n}: ")).await;
                let place = faulty.told().first().map_or_else(String::new, |planted| format!("{planted}: "));
                self.after_store_fault(plain, first, place).await;
            }
        }
    }

    /// An attempt that met a fault of the store, and the next one where it is tried again.
    async fn after_store_fault(&mut self, plain: &Seen, first: Seen, place: String) {
        match &first.end {
            // what it could not put it may do without; the output tells
            End::Gave(_) => {
                self.compare_output(plain, &first, Finding::ResumeFails, &place);
                return;
            }
            End::Failed(failure) if is_retried(failure) => {}
            end => return self.ended_badly(end, Finding::StoreFaultIsFinal, &place),
        }
        let mut again = Start::new(Stop::Never).resumed(first.checkpoints.last().cloned());
        again.number = 2;
        let second = self.run(again, &place).await;
        self.compare_output(plain, &second, Finding::ResumeFails, &place);
    }

    async fn foreign_checkpoint(&mut self, plain: &Seen) {
        self.report.begin("foreign checkpoint");
        let mut foreign =
            vec![("an empty one", Bytes::new()), ("another's", Bytes::from_static(b"\xff\0 not yours"))];
        if let Some(last) = plain.checkpoints.last().filter(|last| last.len() > 1) {
            let mut damaged = last.to_vec();
            damaged[0] ^= 0x80;
            foreign.push(("a damaged one", damaged.into()));
            foreign.push(("one that is cut off", last.slice(..last.len() / 2)));
        }
        for (what, checkpoint) in foreign {
            let place = format!("from {what}: ");
            let seen = self.run(Start::new(Stop::Never).resumed(Some(checkpoint)), &place).await;
            self.compare_output(plain, &seen, Finding::BadCheckpoint, &place);
        }
    }

    /// Holds the last of these attempts to what the plain one gave, and all of them to what it put.
    fn compare(&mut self, plain: &Seen, attempts: &[&Seen], fails: Finding, place: &str) {
        let Some(last) = attempts.last() else { return };
        if !self.compare_output(plain, last, fails, place) {
            return;
        }
        let (before, now) = (put([plain]), put(attempts.iter().copied()));
        if before != now {
            let (missing, more) = (before.difference(&now).count(), now.difference(&before).count());
            let detail = format!("{place}of {} artifacts {missing} missing, {more} others", before.len());
            self.report.find(Finding::ArtifactsDiffer, detail);
        }
    }

    /// Holds an attempt's output and parts to the plain one's; says whether it gave any.
    fn compare_output(&mut self, plain: &Seen, seen: &Seen, fails: Finding, place: &str) -> bool {
        let (End::Gave(before), End::Gave(now)) = (&plain.end, &seen.end) else {
            self.ended_badly(&seen.end, fails, place);
            return false;
        };
        if json(before) != json(now) {
            let detail = format!("{place}{}, in place of {}", short(now), short(before));
            self.report.find(Finding::OutputDiffers, detail);
        }
        let parts = |seen: &Seen| seen.parts.iter().map(json).collect::<Vec<_>>();
        if parts(plain) != parts(seen) {
            let detail = format!("{place}{} parts, in place of {}", seen.parts.len(), plain.parts.len());
            self.report.find(Finding::PartsDiffer, detail);
        }
        true
    }

    /// An attempt that gave nothing, though it should have.
    fn ended_badly(&mut self, end: &End, fails: Finding, place: &str) {
        match end {
            End::Failed(failure) if failure.code.as_deref() == Some("panic") => {
                self.report.find(Finding::Panics, format!("{place}{failure}"));
            }
            End::Failed(failure) => {
                let class = serde_json::to_value(failure.class).unwrap_or_default();
                let class = class.as_str().unwrap_or_default();
                self.report.find(fails, format!("{place}{class} failure: {failure}"));
            }
            End::Hung => {
                let limit = self.bench.limit.as_secs_f32();
                self.report.find(Finding::Hangs, format!("{place}no end within {limit} s"));
            }
            End::Gave(_) | End::Stopped => {}
        }
    }
}

const fn is_retried(failure: &Failure) -> bool {
    matches!(failure.class, FailureClass::Transient | FailureClass::Resource)
}

/// So many places from 1 to `count`, at most `most`, the first and the last among them.
fn places(count: u64, most: usize) -> impl Iterator<Item = u64> {
    let shown = count.min(most as u64);
    (0..shown).map(move |i| if shown == 1 { 1 } else { 1 + i * (count - 1) / (shown - 1) })
}

fn put<'a>(attempts: impl IntoIterator<Item = &'a Seen>) -> BTreeSet<function_runner_core::Digest> {
    attempts.into_iter().flat_map(|seen| seen.put.iter().copied()).collect()
}

fn json(payload: &Payload) -> Option<Value> {
    payload.decode().ok()
}

/// The beginning of a payload, for people.
fn short(payload: &Payload) -> String {
    const MOST: usize = 60;
    let text = String::from_utf8_lossy(payload.as_bytes());
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}
