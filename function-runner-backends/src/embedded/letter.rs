//! What one process tells another: which of its calls to wake, and what happened to tasks.
//!
//! A letter is a hint. One that is lost, or too long to be sent, costs its reader a look at the file; nothing depends
//! on its coming but how soon.

use std::time::Duration;

use function_runner_core::{Event, EventKind, Failure, LogLine, Payload, Progress, Timestamp, WorkerId};
use serde::{Deserialize, Serialize};

use super::store::News;

/// The most bytes of one datagram, but for what surrounds its lines: room for the longest output that an event has.
const PAGE: usize = 140_000;

/// Everything that one transaction has to tell one process. An empty one says: look at the file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Letter {
    #[serde(rename = "w", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) wakes: Vec<u64>,
    #[serde(rename = "l", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) lines: Vec<Line>,
}

/// One event of one task.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) number: i64,
    pub(super) behind: u64,
    seq: u64,
    at: u64,
    attempt: u32,
    what: What,
}

/// What happened, as it is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum What {
    /// It is too long: read the task.
    Look,
    Started(String),
    Progress(Progress),
    Log(LogLine),
    Part {
        turn: u64,
        index: u64,
        part: Box<serde_json::value::RawValue>,
    },
    CancelRequested,
    Retrying {
        failure: Failure,
        after: u64,
    },
    Released,
    Lost,
    Requeued,
    Succeeded(Option<Box<serde_json::value::RawValue>>),
    Failed(Failure),
    Cancelled,
}

impl Letter {
    /// The letter in datagrams.
    pub(super) fn pages(&self) -> Vec<Vec<u8>> {
        let mut pages = Vec::new();
        let mut page = Self { wakes: self.wakes.clone(), lines: Vec::new() };
        let mut size = 64 + 21 * page.wakes.len();
        for line in &self.lines {
            let bytes = serde_json::to_vec(line).map_or(PAGE, |written| written.len());
            let line = if bytes >= PAGE / 2 { line.clone().shortened() } else { line.clone() };
            if size + bytes.min(PAGE / 2) > PAGE {
                pages.push(std::mem::take(&mut page));
                size = 64;
            }
            size += bytes.min(PAGE / 2);
            page.lines.push(line);
        }
        pages.push(page);
        // a letter that cannot be written says: look at the file
        pages.iter().map(|page| serde_json::to_vec(page).unwrap_or_else(|_| b"{}".to_vec())).collect()
    }

    pub(super) fn read(page: &[u8]) -> Self {
        // what cannot be read is a hint all the same
        serde_json::from_slice(page).unwrap_or_default()
    }
}

impl Line {
    pub(super) fn of(news: &News) -> Option<Self> {
        let event = &news.event;
        let raw = |payload: &Payload| {
            let text = String::from_utf8(payload.as_bytes().to_vec()).ok()?;
            serde_json::value::RawValue::from_string(text).ok()
        };
        let what = match &event.kind {
            EventKind::Started { worker } => What::Started(worker.as_str().to_owned()),
            EventKind::Progress(progress) => What::Progress(progress.clone()),
            EventKind::Log(line) => What::Log(line.clone()),
            EventKind::OutputPart { turn, index, part } => match raw(part) {
                Some(part) => What::Part { turn: *turn, index: *index, part },
                None => What::Look,
            },
            EventKind::CancelRequested => What::CancelRequested,
            EventKind::Retrying { failure, after } => What::Retrying {
                failure: failure.clone(),
                after: u64::try_from(after.as_millis()).unwrap_or(u64::MAX),
            },
            EventKind::Released => What::Released,
            EventKind::Lost => What::Lost,
            EventKind::Requeued => What::Requeued,
            EventKind::Succeeded(output) => match output.as_ref().map(raw) {
                Some(None) => What::Look,
                Some(output) => What::Succeeded(output),
                None => What::Succeeded(None),
            },
            EventKind::Failed(failure) => What::Failed(failure.clone()),
            EventKind::Cancelled => What::Cancelled,
            _ => What::Look,
        };
        let (seq, at, attempt) = (event.seq, event.at.as_millis(), event.attempt);
        Some(Self { number: news.number, behind: news.behind, seq, at, attempt, what })
    }

    /// The line without what makes it long.
    fn shortened(mut self) -> Self {
        self.what = match self.what {
            What::Succeeded(_) => What::Succeeded(None),
            _ => What::Look,
        };
        self
    }

    /// What happened; none where the task must be read.
    pub(super) fn news(self) -> Option<News> {
        let payload = |raw: Box<serde_json::value::RawValue>| {
            Payload::from_stored(Box::<str>::from(raw).into_string().into_bytes())
        };
        let kind = match self.what {
            What::Look => return None,
            What::Started(worker) => EventKind::Started { worker: WorkerId::new(worker).ok()? },
            What::Progress(progress) => EventKind::Progress(progress),
            What::Log(line) => EventKind::Log(line),
            What::Part { turn, index, part } => EventKind::OutputPart { turn, index, part: payload(part) },
            What::CancelRequested => EventKind::CancelRequested,
            What::Retrying { failure, after } => {
                EventKind::Retrying { failure, after: Duration::from_millis(after) }
            }
            What::Released => EventKind::Released,
            What::Lost => EventKind::Lost,
            What::Requeued => EventKind::Requeued,
            What::Succeeded(output) => EventKind::Succeeded(output.map(payload)),
            What::Failed(failure) => EventKind::Failed(failure),
            What::Cancelled => EventKind::Cancelled,
        };
        let event = Event::new(self.seq, Timestamp::from_millis(self.at), self.attempt, kind);
        Some(News { number: self.number, behind: self.behind, event })
    }
}
