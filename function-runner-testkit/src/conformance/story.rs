//! A reader of events that checks what holds for every watch, and remembers where it is over reconnects.

use function_runner_core::{
    Error, Event, EventKind, EventStream, Executor, Seen, State, TaskId, TaskRecord, turn_of,
};
use futures::StreamExt as _;

/// One reader's view of a task: checks each item as it comes, also over several streams.
#[derive(Debug, Default)]
pub(super) struct Story {
    /// Where the reader is.
    pub(super) seen: Seen,
    /// Every item so far.
    pub(super) items: Vec<Event>,
    state: Option<State>,
    attempt: u32,
    /// The last number of an item that is no part.
    last: u64,
    /// The turn and the fraction of the latest progress.
    progress: (u64, f32),
    /// The turn and the index of the next part.
    next_part: (u64, u64),
}

impl Story {
    /// A reader that has seen so much of an attempt that runs.
    pub(super) fn at(seen: Seen, attempt: u32) -> Self {
        let next_part = (turn_of(seen.seq), seen.parts);
        Self { seen, state: Some(State::Running), attempt, last: seen.seq, next_part, ..Self::default() }
    }

    /// Takes one more item in.
    pub(super) fn hear(&mut self, event: &Event) {
        let before = self.items.last();
        assert!(self.end().is_none(), "nothing follows the end, yet {event:?} came after {before:?}");
        assert!(event.seq < 1 << 53, "a sequence number stays below 2^53: {event:?}");
        if let EventKind::OutputPart { turn, index, .. } = event.kind {
            self.part(turn, index, event);
        } else {
            assert!(
                event.seq > self.last,
                "sequence numbers rise strictly: {event:?} came after {}",
                self.last
            );
            self.last = event.seq;
        }
        self.follow(event);
        self.move_on(event);
        self.items.push(event.clone());
    }

    /// How the task ended, if it has.
    pub(super) fn end(&self) -> Option<State> {
        self.items.last().and_then(Event::end)
    }

    /// Where a reader of this is: the latest number, and the parts of its turn.
    fn move_on(&mut self, event: &Event) {
        let turn = turn_of(event.seq);
        if turn > turn_of(self.seen.seq) {
            self.seen.parts = 0;
        }
        self.seen.seq = self.seen.seq.max(event.seq);
        if let EventKind::OutputPart { turn, index, .. } = event.kind
            && turn == turn_of(self.seen.seq)
        {
            self.seen.parts = index + 1;
        }
    }

    fn part(&mut self, turn: u64, index: u64, event: &Event) {
        if turn > self.next_part.0 {
            self.next_part = (turn, 0);
        }
        let next = self.next_part;
        assert_eq!(
            (turn, index),
            next,
            "parts come once and in order, told apart by turn and index: {event:?}"
        );
        self.next_part.1 += 1;
    }

    /// Checks that no state change is missing between the item before and this one.
    fn follow(&mut self, event: &Event) {
        let before = self.state;
        let miss = |what: &str| panic!("{what}, yet {:?} came while the task was {before:?}", event.kind);
        let expect = |states: &[State]| {
            if !before.is_some_and(|state| states.contains(&state)) {
                miss("no state change is missed");
            }
        };
        match &event.kind {
            EventKind::Snapshot(record) => return self.jump(record, event),
            EventKind::Started { .. } => {
                expect(&[State::Queued]);
                let next = [self.attempt.max(1), self.attempt + 1];
                assert!(
                    next.contains(&event.attempt),
                    "an attempt after {} is {next:?}: {event:?}",
                    self.attempt
                );
                (self.state, self.attempt) = (Some(State::Running), event.attempt);
            }
            EventKind::Progress(progress) => {
                expect(&[State::Running]);
                self.advance(turn_of(event.seq), progress.fraction, event);
            }
            EventKind::OutputPart { .. } | EventKind::Log(_) | EventKind::CancelRequested => {
                expect(&[State::Running])
            }
            EventKind::Retrying { .. } | EventKind::Released | EventKind::Lost => {
                expect(&[State::Running]);
                self.state = Some(State::Queued);
            }
            EventKind::Requeued => {
                expect(&[State::Failed]);
                (self.state, self.attempt) = (Some(State::Queued), 0);
            }
            EventKind::Succeeded(_) => expect(&[State::Running]),
            EventKind::Failed(_) | EventKind::Cancelled => expect(&[State::Queued, State::Running]),
            other => miss(&format!("the suite knows every kind of event but {other:?}")),
        }
        self.state = event.end().or(self.state);
    }

    fn jump(&mut self, record: &TaskRecord, event: &Event) {
        assert_eq!(record.seq, event.seq, "a snapshot stands at its record's number");
        (self.state, self.attempt) = (Some(record.state), record.attempt);
        if let (State::Running, Some(progress)) = (record.state, &record.progress) {
            self.advance(turn_of(record.seq), progress.fraction, event);
        }
    }

    fn advance(&mut self, turn: u64, fraction: Option<f32>, event: &Event) {
        let (of, before) = self.progress;
        let now = fraction.unwrap_or(0.0);
        assert!(
            turn > of || now >= before,
            "progress never falls within an attempt: {before}, then {event:?}"
        );
        self.progress = (turn, now);
    }
}

/// A stream of one task's events, each checked as it is read.
pub(super) struct Reader<'a> {
    events: EventStream,
    story: &'a mut Story,
}

impl<'a> Reader<'a> {
    /// Watches a task from where this story is.
    pub(super) async fn open(executor: &dyn Executor, id: &TaskId, story: &'a mut Story) -> Self {
        let events = executor.watch(id, story.seen).await.unwrap_or_else(|error| panic!("watch: {error:?}"));
        Self { events, story }
    }

    /// The next item.
    pub(super) async fn next(&mut self) -> Option<Event> {
        let event = self.events.next().await?.unwrap_or_else(|error: Error| panic!("the stream: {error:?}"));
        self.story.hear(&event);
        Some(event)
    }

    /// Reads on to an item like this.
    pub(super) async fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        while let Some(event) = self.next().await {
            if wanted(&event) {
                return event;
            }
        }
        panic!("the stream ended after {:?}", self.story.items);
    }

    /// Reads to the end, which must be one.
    pub(super) async fn rest(mut self) -> Event {
        while self.next().await.is_some() {}
        let last = self.story.items.last().filter(|event| event.is_terminal());
        last.unwrap_or_else(|| panic!("the stream ended before its task: {:?}", self.story.items)).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use function_runner_core::{Failure, Payload, Phase, Progress, Timestamp, WorkerId, seq};

    use super::*;

    fn event(seq: u64, attempt: u32, kind: EventKind) -> Event {
        Event::new(seq, Timestamp::default(), attempt, kind)
    }

    fn started(turn: u64, attempt: u32) -> Event {
        event(seq(turn, Phase::Running, 0), attempt, EventKind::Started { worker: WorkerId::unique() })
    }

    fn progress(turn: u64, n: u32, fraction: f32) -> Event {
        event(seq(turn, Phase::Running, n), 1, EventKind::Progress(Progress::new(fraction, "")))
    }

    fn part(turn: u64, n: u32, index: u64) -> Event {
        let part = Payload::encode("part").unwrap();
        event(seq(turn, Phase::Running, n), 1, EventKind::OutputPart { turn, index, part })
    }

    fn queued() -> Story {
        Story { state: Some(State::Queued), ..Story::default() }
    }

    fn refuses(events: &[Event]) -> bool {
        let mut story = queued();
        catch_unwind(AssertUnwindSafe(|| events.iter().for_each(|event| story.hear(event)))).is_err()
    }

    #[test]
    fn it_takes_what_the_contract_allows() {
        let again =
            EventKind::Retrying { failure: Failure::transient("x"), after: std::time::Duration::ZERO };
        let ended = event(seq(3, Phase::Still, 0), 2, EventKind::Succeeded(None));
        let mut story = queued();
        let first =
            [started(1, 1), part(1, 1, 0), progress(1, 2, 0.9), event(seq(2, Phase::Still, 0), 1, again)];
        let second = [started(2, 2), progress(2, 1, 0.1), part(2, 2, 0), part(2, 3, 1), ended];
        first.iter().chain(&second).for_each(|event| story.hear(event));
        assert_eq!(story.end(), Some(State::Succeeded));
        assert_eq!(story.seen, Seen { seq: seq(3, Phase::Still, 0), parts: 0 });
    }

    #[test]
    fn it_finds_each_breach() {
        let ended = event(seq(2, Phase::Still, 0), 1, EventKind::Cancelled);
        assert!(refuses(&[started(1, 1), started(1, 1)]), "a number twice");
        assert!(refuses(&[progress(1, 1, 0.5)]), "a start that was missed");
        assert!(refuses(&[started(1, 1), progress(1, 1, 0.5), progress(1, 2, 0.4)]), "progress that falls");
        assert!(refuses(&[started(1, 1), part(1, 1, 1)]), "a part that was missed");
        assert!(refuses(&[started(1, 1), part(1, 1, 0), part(1, 1, 0)]), "a part that came twice");
        assert!(refuses(&[started(1, 1), ended.clone(), started(3, 1)]), "something after the end");
        assert!(refuses(&[started(1, 3)]), "an attempt that was missed");
        assert!(!refuses(&[started(1, 1), ended]));
    }
}
