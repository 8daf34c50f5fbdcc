//! What each fault does to the caller and to the store, over a store that writes down what reaches it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use function_runner_core::{
    ArtifactStore, BeatReply, Capabilities, Clock as _, Digest, Durability, Envelope, Error, ErrorKind,
    Event, EventKind, EventStream, Executor, Finish, Finished, Heartbeat, Lane, Lease, LeaseKey, LeaseReply,
    LeaseRequest, LogLevel, LogLine, Outcome, Payload, Phase, Quality, Queue, Result, Seen, State, Submitted,
    Task, TaskId, TaskRecord, TemplateSet, Times, Timestamp, Version, WorkerId, WorkerInfo, seq,
};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};

use super::{Answer, Call, Fault, Faults, Faulty};
use crate::{ManualClock, exercise::InMemory, seeds};

/// Writes down what reaches it.
#[derive(Clone, Debug, Default)]
struct Book {
    calls: Arc<Mutex<Vec<&'static str>>>,
    fences: Arc<AtomicU64>,
    released: Arc<Mutex<Vec<u64>>>,
}

impl Book {
    fn write(&self, call: &'static str) -> u64 {
        let mut calls = self.calls.lock().unwrap();
        calls.push(call);
        calls.iter().filter(|one| **one == call).count() as u64
    }

    fn calls(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap().clone()
    }
}

fn task() -> Task {
    let function: function_runner_core::FunctionRef = "test".parse().unwrap();
    let version = Version::new(1, 0, 0);
    let lane = Lane::new(&function.name, version, &Quality::Standard);
    let envelope = Arc::new(Envelope::new(version));
    Task::new(TaskId::new("one").unwrap(), function, lane, Payload::from_stored("1"), envelope)
}

/// A story of one attempt: a start, two parts, a line, an end.
fn story() -> Vec<Event> {
    let at = |seq, kind| Event::new(seq, Timestamp::default(), 1, kind);
    let running = |n| seq(1, Phase::Running, n);
    let part = |index| EventKind::OutputPart { turn: 1, index, part: Payload::from_stored("0") };
    let line = LogLine { level: LogLevel::Info, message: "a line".to_owned() };
    vec![
        at(running(0), EventKind::Started { worker: WorkerId::unique() }),
        at(running(1), part(0)),
        at(running(2), part(1)),
        at(running(3), EventKind::Log(line)),
        at(seq(2, Phase::Still, 0), EventKind::Succeeded(None)),
    ]
}

#[async_trait]
impl Executor for Book {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Durability::None, Times::default())
    }

    /// Answers with how often it was asked.
    async fn templates(&self, _: u64) -> Result<Option<TemplateSet>> {
        let mut set = TemplateSet::of_templates(Vec::new(), None);
        set.revision = self.write("templates");
        Ok(Some(set))
    }

    async fn submit(&self, tasks: Vec<Task>) -> Result<Vec<Submitted>> {
        let answer = if self.write("submit") == 1 { Submitted::New } else { Submitted::AlreadyKnown };
        Ok(vec![answer; tasks.len()])
    }

    async fn record(&self, id: &TaskId) -> Result<TaskRecord> {
        self.write("record");
        Err(Error::new(ErrorKind::UnknownTask, "no such task").with_task(id))
    }

    /// What comes after what was seen, as any backend gives it.
    async fn watch(&self, _: &TaskId, after: Seen) -> Result<EventStream> {
        self.write("watch");
        let newer = move |event: &Event| match event.kind {
            EventKind::OutputPart { index, .. } => index >= after.parts,
            _ => event.seq > after.seq,
        };
        Ok(stream::iter(story().into_iter().filter(newer).map(Ok)).boxed())
    }

    async fn cancel(&self, _: &TaskId) -> Result<()> {
        self.write("cancel");
        Ok(())
    }
}

#[async_trait]
impl Queue for Book {
    async fn join(&self, _: WorkerInfo) -> Result<()> {
        self.write("join");
        Ok(())
    }

    async fn lease(&self, _: LeaseRequest) -> Result<LeaseReply> {
        self.write("lease");
        let fence = self.fences.fetch_add(1, Ordering::Relaxed) + 1;
        let task = Arc::new(task());
        let lease = Lease::new(LeaseKey { id: task.id.clone(), fence }, task, 1);
        Ok(LeaseReply::new(vec![lease]))
    }

    async fn renew(&self, beat: Heartbeat) -> Result<BeatReply> {
        self.write("renew");
        Ok(BeatReply::new(vec![function_runner_core::Renewal::Held; beat.tasks.len()], 1))
    }

    async fn finish(&self, done: Vec<Finish>) -> Result<Vec<Finished>> {
        self.write("finish");
        let released = done.iter().filter(|finish| matches!(finish.outcome, Outcome::Released { .. }));
        self.released.lock().unwrap().extend(released.map(|finish| finish.key.fence));
        Ok(vec![Finished::Done(State::Succeeded); done.len()])
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn ask() -> LeaseRequest {
    LeaseRequest::new(WorkerId::unique(), 1, Vec::new())
}

fn id() -> TaskId {
    TaskId::new("one").unwrap()
}

fn one(call: Call, fault: Fault) -> (Book, Faulty<Book>) {
    let book = Book::default();
    (book.clone(), Faulty::new(book, Faults::none().at(call, 1, fault)))
}

/// Makes each call of a queue once; those that failed.
async fn each(queue: &impl Queue) -> Vec<Call> {
    let mut failed = Vec::new();
    let mut note = |call, failure: Option<Error>| {
        if failure.is_some_and(|error| error.kind() != ErrorKind::UnknownTask) {
            failed.push(call);
        }
    };
    note(Call::Templates, queue.templates(0).await.err());
    note(Call::Submit, queue.submit(vec![task()]).await.err());
    note(Call::Record, queue.record(&id()).await.err());
    note(Call::Watch, queue.watch(&id(), Seen::default()).await.err());
    note(Call::Cancel, queue.cancel(&id()).await.err());
    note(Call::Join, queue.join(WorkerInfo::leaving(WorkerId::unique())).await.err());
    note(Call::Lease, queue.lease(ask()).await.err());
    note(Call::Renew, queue.renew(Heartbeat::new(WorkerId::unique(), 0, Vec::new())).await.err());
    note(Call::Finish, queue.finish(Vec::new()).await.err());
    failed
}

fn every_call() -> Vec<Call> {
    Call::EXECUTOR.into_iter().chain(Call::QUEUE).collect()
}

#[test]
fn a_refused_call_has_no_effect_and_a_lost_reply_has() {
    for call in every_call() {
        let (book, faulty) = one(call, Fault::Refused);
        assert_eq!(block_on(each(&faulty)), [call]);
        assert!(!book.calls().contains(&call.name()), "{call} arrived");

        let (book, faulty) = one(call, Fault::ReplyLost);
        assert_eq!(block_on(each(&faulty)), [call]);
        assert_eq!(book.calls(), every_call().iter().map(|call| call.name()).collect::<Vec<_>>());
    }
}

#[test]
fn a_doubled_call_arrives_twice_and_one_answer_is_given() {
    for call in every_call() {
        let (book, faulty) = one(call, Fault::Doubled(Answer::First));
        assert_eq!(block_on(each(&faulty)), []);
        assert_eq!(book.calls().iter().filter(|name| **name == call.name()).count(), 2, "{call}");
    }
    let answer = |answer| {
        let (_, faulty) = one(Call::Submit, Fault::Doubled(answer));
        block_on(faulty.submit(vec![task()])).unwrap()
    };
    assert_eq!(answer(Answer::First), [Submitted::New]);
    assert_eq!(answer(Answer::Second), [Submitted::AlreadyKnown]);
}

#[test]
fn what_a_lost_or_doubled_lease_took_stays_taken() {
    let (book, faulty) = one(Call::Lease, Fault::ReplyLost);
    assert!(block_on(faulty.lease(ask())).is_err());
    assert_eq!(
        (book.fences.load(Ordering::Relaxed), book.calls()),
        (1, vec!["lease"]),
        "and nothing gives it back"
    );
    for (answer, fence) in [(Answer::First, 1), (Answer::Second, 2)] {
        let (book, faulty) = one(Call::Lease, Fault::Doubled(answer));
        let reply = block_on(faulty.lease(ask())).unwrap();
        assert_eq!(reply.leases[0].key.fence, fence);
        assert_eq!(book.calls(), ["lease", "lease"]);
    }
}

#[test]
fn a_lease_call_that_is_dropped_on_its_way_back_gives_back_what_it_took() {
    let clock = ManualClock::new();
    let book = Book::default();
    let late = Fault::Delayed { there: Duration::ZERO, back: Duration::from_secs(1) };
    let faulty = Faulty::new(book.clone(), Faults::none().at(Call::Lease, 1, late).clock(clock));
    let mut lease = faulty.lease(ask());
    assert!((&mut lease).now_or_never().is_none());
    assert_eq!(book.calls(), ["lease"]);
    drop(lease);
    assert_eq!(*book.released.lock().unwrap(), [1]);
}

#[test]
fn a_delay_is_by_the_clock_that_was_given() {
    let clock = ManualClock::new();
    let (second, two) = (Duration::from_secs(1), Duration::from_secs(2));
    let late = Fault::Delayed { there: second, back: two };
    let book = Book::default();
    let faulty = Faulty::new(book.clone(), Faults::none().at(Call::Cancel, 1, late).clock(clock.clone()));
    let id = id();
    let mut cancel = faulty.cancel(&id);
    assert!((&mut cancel).now_or_never().is_none() && book.calls().is_empty());
    clock.advance(second);
    assert!((&mut cancel).now_or_never().is_none());
    assert_eq!(book.calls(), ["cancel"]);
    clock.advance(two);
    assert!(cancel.now_or_never().unwrap().is_ok());
    assert!(clock.next().is_none() && clock.now() > Timestamp::default());
}

#[test]
fn a_straggler_arrives_after_its_answer() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let clock = ManualClock::new();
        let book = Book::default();
        let after = Duration::from_secs(5);
        let faults = Faults::none().at(Call::Finish, 1, Fault::Straggler(after)).clock(clock.clone());
        let faulty = Faulty::new(book.clone(), faults);
        faulty.finish(Vec::new()).await.unwrap();
        tokio::task::yield_now().await;
        assert_eq!(book.calls(), ["finish"]);
        clock.advance(after);
        while book.calls().len() < 2 {
            tokio::task::yield_now().await;
        }
    });
}

/// Whatever is heard, in words, over watches that go on where the one before was cut.
async fn hear(executor: &impl Executor) -> Vec<String> {
    let (mut heard, mut seen) = (Vec::new(), Seen::default());
    loop {
        let mut events = executor.watch(&id(), seen).await.unwrap();
        while let Some(Ok(event)) = events.next().await {
            heard.push(name(&event));
            super::watch::move_on(&mut seen, &event);
            if event.is_terminal() {
                assert!(events.next().await.is_none());
                return heard;
            }
        }
    }
}

fn name(event: &Event) -> String {
    match &event.kind {
        EventKind::OutputPart { index, .. } => format!("part {index}"),
        EventKind::Started { .. } => "started".to_owned(),
        EventKind::Log(_) => "line".to_owned(),
        _ => "end".to_owned(),
    }
}

const HEARD: [&str; 5] = ["started", "part 0", "part 1", "line", "end"];

#[test]
fn a_watch_is_cut_after_any_item() {
    for after in 0..5 {
        let (_, faulty) = one(Call::Watch, Fault::Cut { after });
        let mut events = block_on(faulty.watch(&id(), Seen::default())).unwrap();
        for _ in 0..after {
            block_on(events.next()).unwrap().unwrap();
        }
        let error = block_on(events.next()).unwrap().unwrap_err();
        assert!(error.is_retryable() && error.task() == Some(&id()), "{error}");
        assert!(block_on(events.next()).is_none());
        let (_, faulty) = one(Call::Watch, Fault::Cut { after });
        assert_eq!(block_on(hear(&faulty)), HEARD, "cut after {after} and resumed");
    }
}

#[test]
fn a_watch_that_reconnects_shows_no_gap() {
    for after in 0..5 {
        let (book, faulty) = one(Call::Watch, Fault::Reconnected { after });
        assert_eq!(block_on(hear(&faulty)), HEARD);
        assert_eq!(book.calls(), ["watch", "watch"], "after {after}");
    }
    seeds(0..100, |seed| {
        let faulty = Faulty::new(Book::default(), Faults::new(seed).reconnect(0.6).cut(0.3));
        assert_eq!(block_on(hear(&faulty)), HEARD, "{:?}", faulty.told());
    });
}

#[test]
fn the_same_seed_plants_the_same_faults_whatever_runs_beside() {
    let storm = |seed| Faults::storm(seed).delay(0.0, Duration::ZERO..Duration::ZERO).cut(0.2);
    let told = |faults: &Faults, call| {
        let told = faults.told().into_iter().filter(|planted| planted.call == call);
        told.map(|planted| (planted.nth, planted.fault)).collect::<Vec<_>>()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (alone, beside) = (storm(3), storm(3));
        let (one, two) =
            (Faulty::new(Book::default(), alone.clone()), Faulty::new(Book::default(), beside.clone()));
        for _ in 0..200 {
            let _ = one.cancel(&id()).await;
            let _ = two.cancel(&id()).await;
            let _ = two.finish(Vec::new()).await;
        }
        assert_eq!(told(&alone, Call::Cancel), told(&beside, Call::Cancel));
        assert!(told(&alone, Call::Cancel).len() > 10);
        assert_ne!(told(&beside, Call::Cancel), told(&beside, Call::Finish), "each kind has its own");
    });
}

#[test]
fn chance_keeps_to_its_probabilities() {
    let faults = Faults::new(11).refuse(0.1).lose_replies(0.2).only([Call::Cancel]);
    let faulty = Faulty::new(Book::default(), faults.clone());
    for _ in 0..4000 {
        let _ = block_on(faulty.cancel(&id()));
        block_on(faulty.finish(Vec::new())).unwrap();
    }
    let count = |fault| faults.told().iter().filter(|planted| planted.fault == fault).count();
    let (refused, lost) = (count(Fault::Refused), count(Fault::ReplyLost));
    assert!((300..500).contains(&refused) && (650..950).contains(&lost), "{refused}, {lost}");
    assert_eq!((faults.calls(Call::Cancel), faults.calls(Call::Finish)), (4000, 4000));
}

#[test]
fn healed_nothing_strikes_streams_that_are_open_neither() {
    let faults = Faults::new(5).refuse(1.0).at(Call::Watch, 1, Fault::Cut { after: 2 });
    let faulty = Faulty::new(Book::default(), faults.clone());
    let mut events = block_on(faulty.watch(&id(), Seen::default())).unwrap();
    assert!(block_on(faulty.cancel(&id())).is_err());
    faults.heal();
    block_on(faulty.cancel(&id())).unwrap();
    let mut count = 0;
    while let Some(event) = block_on(events.next()) {
        event.unwrap();
        count += 1;
    }
    assert_eq!(count, 5);
    faults.resume();
    assert!(block_on(faulty.cancel(&id())).is_err());
    assert_eq!(faults.told().len(), 2);
}

#[test]
fn an_error_says_that_it_is_planted_with_number_and_seed() {
    let faults = Faults::new(42).at(Call::Submit, 2, Fault::ReplyLost);
    let faulty = Faulty::new(Book::default(), faults);
    block_on(faulty.submit(vec![task()])).unwrap();
    let error = block_on(faulty.submit(vec![task()])).unwrap_err();
    assert_eq!(error.message(), "planted fault 1 of seed 42: the reply of submit 2 was lost");
    assert_eq!(
        (error.kind(), faulty.told()[0].to_string()),
        (ErrorKind::Timeout, error.message().to_owned())
    );
}

#[test]
#[should_panic(expected = "cannot happen to finish")]
fn a_fault_that_cannot_happen_is_refused() {
    let _ = Faults::none().at(Call::Finish, 1, Fault::Cut { after: 1 });
}

fn content(text: &'static str) -> function_runner_core::ByteStream {
    let pieces = text.as_bytes().chunks(3).map(|piece| Ok(Bytes::from_static(piece)));
    stream::iter(pieces.collect::<Vec<_>>()).boxed()
}

#[test]
fn a_put_whose_content_breaks_leaves_nothing() {
    let digest = Digest::of(b"0123456789");
    for after in 0..10 {
        let store = InMemory::default();
        let faulty = Faulty::new(store.clone(), Faults::none().at(Call::Put, 1, Fault::Cut { after }));
        assert!(block_on(faulty.put(content("0123456789"), "text/plain")).is_err());
        assert_eq!(block_on(store.head(&digest)).unwrap_err().kind(), ErrorKind::UnknownArtifact);
        assert_eq!(block_on(faulty.put(content("0123456789"), "text/plain")).unwrap().sha256, digest);
    }
}

#[test]
fn a_get_is_cut_after_any_byte() {
    for after in 0..=10 {
        let store = InMemory::default();
        let digest = store.keep(Bytes::from_static(b"0123456789"));
        let faulty = Faulty::new(store, Faults::none().at(Call::Get, 1, Fault::Cut { after }));
        let mut read = block_on(faulty.get(&digest, None)).unwrap();
        let mut bytes = Vec::new();
        let error = loop {
            match block_on(read.next()).unwrap() {
                Ok(piece) => bytes.extend(piece),
                Err(error) => break error,
            }
        };
        assert_eq!(bytes, b"0123456789"[..after as usize], "{error}");
        assert!(block_on(read.next()).is_none());
        let whole: Vec<Bytes> = block_on(block_on(faulty.get(&digest, None)).unwrap().try_collect()).unwrap();
        assert_eq!(whole.concat(), b"0123456789");
    }
}

#[test]
fn a_put_arrives_twice_or_its_reply_is_lost() {
    let digest = Digest::of(b"0123456789");
    for fault in [Fault::Doubled(Answer::Second), Fault::ReplyLost, Fault::Refused] {
        let store = InMemory::default();
        let faulty = Faulty::new(store.clone(), Faults::none().at(Call::Put, 1, fault));
        let put = block_on(faulty.put(content("0123456789"), "text/plain"));
        assert_eq!(put.is_ok(), matches!(fault, Fault::Doubled(_)));
        assert_eq!(block_on(store.head(&digest)).is_ok(), fault != Fault::Refused);
        assert_eq!(block_on(faulty.head(&digest)).is_ok(), fault != Fault::Refused);
    }
}
