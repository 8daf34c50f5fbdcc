//! What a body told, until it got through: numbered when first sent, sent again until it was heard.

use std::{collections::VecDeque, time::Duration};

use crate::{Checkpoint, Failure, LogLine, Numbered, Payload, Progress, Report};

/// How many lines of log wait at most; the oldest give way.
const MAX_LOGS: usize = 64;

/// The most bytes of one line of log.
const MAX_LINE: usize = 4 << 10;

/// How many bytes of parts wait at most.
const MAX_WAITING_PARTS: usize = 8 << 20;

/// Everything a test may ask about afterwards.
#[derive(Debug, Default)]
struct Record {
    progress: Vec<Progress>,
    logs: Vec<LogLine>,
    parts: Vec<Payload>,
}

#[derive(Debug, Default)]
pub(crate) struct Told {
    n: u32,
    latest: Option<Progress>,
    progress: Option<Progress>,
    logs: VecDeque<LogLine>,
    parts: VecDeque<Payload>,
    waiting_parts: usize,
    checkpoint: Option<Checkpoint>,
    new_checkpoint: bool,
    /// Numbered and taken at least once, and not yet heard.
    taken: Report,
    record: Option<Record>,
}

impl Told {
    pub(crate) fn recording() -> Self {
        Self { record: Some(Record::default()), ..Self::default() }
    }

    pub(crate) fn progress(&mut self, progress: Progress, passed: Duration) {
        let mut progress = progress.following(self.latest.as_ref());
        if let (None, Some(fraction)) = (progress.eta, progress.fraction)
            && fraction >= 0.01
        {
            progress.eta = Some(passed.mul_f32((1.0 - fraction) / fraction));
        }
        if let Some(record) = &mut self.record {
            record.progress.push(progress.clone());
        }
        self.latest = Some(progress.clone());
        self.progress = Some(progress);
    }

    pub(crate) fn log(&mut self, mut line: LogLine) {
        if line.message.len() > MAX_LINE {
            let end = line.message.floor_char_boundary(MAX_LINE);
            line.message.truncate(end);
        }
        if let Some(record) = &mut self.record {
            record.logs.push(line.clone());
        }
        if self.logs.len() == MAX_LOGS {
            self.logs.pop_front();
        }
        self.logs.push_back(line);
    }

    pub(crate) fn part(&mut self, part: Payload) -> Result<(), Failure> {
        if self.waiting_parts + part.len() > MAX_WAITING_PARTS {
            return Err(Failure::resource("output parts come faster than they can be sent")
                .remedy("send fewer and larger parts"));
        }
        if let Some(record) = &mut self.record {
            record.parts.push(part.clone());
        }
        self.waiting_parts += part.len();
        self.parts.push_back(part);
        Ok(())
    }

    pub(crate) fn checkpoint(&mut self, checkpoint: Checkpoint) {
        self.checkpoint = Some(checkpoint);
        self.new_checkpoint = true;
    }

    pub(crate) fn latest_checkpoint(&self) -> Option<Checkpoint> {
        self.checkpoint.clone()
    }

    pub(crate) fn all_progress(&self) -> Vec<Progress> {
        self.record.as_ref().map(|record| record.progress.clone()).unwrap_or_default()
    }

    pub(crate) fn all_logs(&self) -> Vec<LogLine> {
        self.record.as_ref().map(|record| record.logs.clone()).unwrap_or_default()
    }

    pub(crate) fn all_parts(&self) -> Vec<Payload> {
        self.record.as_ref().map(|record| record.parts.clone()).unwrap_or_default()
    }

    pub(crate) fn has_news(&self) -> bool {
        let fresh =
            self.progress.is_some() || !self.logs.is_empty() || !self.parts.is_empty() || self.new_checkpoint;
        fresh || !self.taken.is_empty()
    }

    /// What was told and not yet heard, up to about `limit` bytes of what is new.
    pub(crate) fn report(&mut self, limit: usize) -> Report {
        if !self.has_news() {
            return Report::default();
        }
        let mut room = limit.saturating_sub(size(&self.taken));
        while let Some(line) = self.logs.pop_front_if(|line| line.message.len() <= room) {
            room -= line.message.len();
            self.n += 1;
            self.taken.logs.push(Numbered::new(self.n, line));
        }
        while let Some(part) = self.parts.pop_front_if(|part| part.len() <= room) {
            room -= part.len();
            self.waiting_parts -= part.len();
            self.n += 1;
            self.taken.parts.push(Numbered::new(self.n, part));
        }
        // last, so that it is newer than the parts it speaks of
        if let Some(progress) = self.progress.take() {
            self.n += 1;
            self.taken.progress = Some(Numbered::new(self.n, progress));
        }
        if std::mem::take(&mut self.new_checkpoint) {
            self.taken.checkpoint = self.checkpoint.clone();
        }
        self.taken.clone()
    }

    pub(crate) fn heard(&mut self, report: &Report) {
        let last = |n: u32| {
            let logs = report.logs.last().map(|line| line.n);
            let parts = report.parts.last().map(|part| part.n);
            let progress = report.progress.as_ref().map(|progress| progress.n);
            [logs, parts, progress].into_iter().flatten().any(|heard| n <= heard)
        };
        self.taken.logs.retain(|line| !last(line.n));
        self.taken.parts.retain(|part| !last(part.n));
        self.taken.progress = self.taken.progress.take().filter(|progress| !last(progress.n));
        let same = |checkpoint: &Checkpoint| {
            report.checkpoint.as_ref().is_some_and(|heard| heard.as_ptr() == checkpoint.as_ptr())
        };
        self.taken.checkpoint = self.taken.checkpoint.take().filter(|checkpoint| !same(checkpoint));
    }
}

fn size(report: &Report) -> usize {
    let logs: usize = report.logs.iter().map(|line| line.item.message.len()).sum();
    let parts: usize = report.parts.iter().map(|part| part.item.len()).sum();
    logs + parts + report.checkpoint.as_ref().map_or(0, Checkpoint::len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LogLevel;

    fn line(message: &str) -> LogLine {
        LogLine { level: LogLevel::Info, message: message.to_owned() }
    }

    #[test]
    fn what_was_taken_keeps_its_number_until_it_is_heard() {
        let mut told = Told::default();
        told.log(line("a"));
        let first = told.report(1000);
        told.log(line("b"));
        let second = told.report(1000);
        let numbers =
            |report: &Report| report.logs.iter().map(|l| (l.n, l.item.message.clone())).collect::<Vec<_>>();
        assert_eq!(numbers(&second), [(1, "a".to_owned()), (2, "b".to_owned())]);
        told.heard(&first);
        assert_eq!(numbers(&told.report(1000)), [(2, "b".to_owned())]);
        told.heard(&second);
        assert!(!told.has_news() && told.report(1000).is_empty());
    }

    #[test]
    fn a_report_keeps_to_its_limit_and_the_rest_waits() {
        let mut told = Told::default();
        for _ in 0..4 {
            told.part(Payload::encode(&"x".repeat(98)).unwrap()).unwrap();
        }
        let first = told.report(250);
        assert_eq!(first.parts.len(), 2);
        told.heard(&first);
        assert_eq!(told.report(250).parts.iter().map(|part| part.n).collect::<Vec<_>>(), [3, 4]);
    }

    #[test]
    fn a_new_checkpoint_is_sent_once_it_was_heard() {
        let mut told = Told::default();
        told.checkpoint(Checkpoint::from("one".to_owned()));
        let first = told.report(1000);
        told.checkpoint(Checkpoint::from("two".to_owned()));
        let second = told.report(1000);
        told.heard(&first);
        assert_eq!(
            told.report(1000).checkpoint,
            second.checkpoint,
            "the older one's arrival does not drop the newer"
        );
        told.heard(&second);
        assert!(told.report(1000).checkpoint.is_none());
    }
}
