//! What a watcher hears, from the first item to the last.

use function_runner_core::{Event, EventKind, Progress, RetryPolicy, Seen, State, TaskId};
use futures::{StreamExt as _, future::join_all};
use serde_json::{Value, json};

use super::Caller;
use crate::conformance::{
    functions::{ECHO, FLAKY, HANG, LARGE, LINES, LOGS, PARTS, REFUSE, STEPS, STUBBORN, TALK},
    story::Story,
};

fn is_snapshot(event: &Event) -> bool {
    matches!(event.kind, EventKind::Snapshot(_))
}

fn fraction(event: &Event) -> Option<f32> {
    event.clone().into_progress().and_then(|progress: Progress| progress.fraction)
}

/// Everything a watch from here gives, unchecked.
async fn all(caller: &Caller, id: &TaskId, after: Seen) -> Vec<Event> {
    let stream = caller.executor.watch(id, after).await.unwrap_or_else(|error| panic!("watch: {error:?}"));
    stream.map(|event| event.unwrap_or_else(|error| panic!("the stream: {error:?}"))).collect().await
}

pub async fn a_watch_begins_with_a_snapshot_of_what_is_newer(caller: Caller) {
    caller.expects("a watch begins with one snapshot of what is newer than what was seen");
    let id = caller.running(STEPS, 3).await;
    caller.board().signal(&id);
    let mut story = Story::default();
    let mut reader = caller.watch(&id, &mut story).await;
    let first = reader.next().await.unwrap();
    assert!(is_snapshot(&first), "{first:?}");
    if fraction(&first).is_none() {
        reader.until(|event| fraction(event).is_some()).await;
    }
    drop(reader);

    caller.expects("a watch begins with no snapshot where nothing is newer");
    let mut reader = caller.watch(&id, &mut story).await;
    caller.board().signal(&id);
    let next = reader.next().await.unwrap();
    assert!(!is_snapshot(&next) && fraction(&next).is_some(), "{next:?}");
    drop(reader);

    caller.expects("a new reader's snapshot has the latest progress and the state");
    let mut new = Story::default();
    let first = caller.watch(&id, &mut new).await.next().await.unwrap();
    match &first.kind {
        EventKind::Snapshot(record) => assert_eq!((record.state, record.attempt), (State::Running, 1)),
        other => panic!("not a snapshot: {other:?}"),
    }
    assert!(fraction(&first).is_some_and(|fraction| fraction > 0.5), "{first:?}");
    caller.board().signal(&id);
    caller.output::<u32>(&id).await;
}

pub async fn a_watch_gives_every_state_change_until_the_end(caller: Caller) {
    caller.expects("no state change is missed between the snapshot and the terminal event");
    let id = caller.start(FLAKY, 4).await;
    let end = caller.story(&id).await;
    assert_eq!(end.end(), Some(State::Succeeded));
    a_retry_is_told(&caller).await;
    let id = caller.running(STUBBORN, ()).await;
    let mut story = Story::default();
    let mut reader = caller.watch(&id, &mut story).await;
    reader.next().await.unwrap();
    caller.cancel(&id).await;
    reader.until(|event| event.kind == EventKind::CancelRequested).await;
    caller.board().signal(&id);
    let last = reader.rest().await;
    assert_eq!(
        last.kind,
        EventKind::Cancelled,
        "the end comes as an event of its own where the watch was open"
    );
}

/// An attempt fails and another follows, while a reader listens.
async fn a_retry_is_told(caller: &Caller) {
    let again = caller.task_with(PARTS, 0, |request| _ = request.labels.insert("again".into(), "yes".into()));
    let id = caller.submit(again.await).await;
    caller.board().has_begun(&id, 1).await;
    let mut story = Story::default();
    let mut reader = caller.watch(&id, &mut story).await;
    reader.next().await.unwrap();
    caller.board().signal(&id);
    reader.until(|event| matches!(event.kind, EventKind::Retrying { .. })).await;
    reader.until(|event| matches!(event.kind, EventKind::Started { .. })).await;
    caller.board().signal(&id);
    assert_eq!(reader.rest().await.end(), Some(State::Succeeded));
}

pub async fn sequence_numbers_rise_strictly(caller: Caller) {
    caller.expects("sequence numbers rise strictly, output parts apart");
    let flaky = caller.start(FLAKY, 3).await;
    let talks = caller.start(TALK, 100).await;
    let parts = caller.start(PARTS, 3).await;
    (0..4).for_each(|_| caller.board().signal(&parts));
    for id in [flaky, talks, parts] {
        let (story, record) = (caller.story(&id).await, caller.record(&id).await);
        assert_eq!(story.seen.seq, record.seq, "the last number is the record's: {:?}", story.items);
    }
}

pub async fn exactly_one_terminal_event(caller: Caller) {
    caller.expects("there is exactly one terminal event, and it is the last item");
    let good = caller.running(STUBBORN, ()).await;
    let cancelled = caller.running(HANG, ()).await;
    let bad = caller.start(REFUSE, ()).await;
    let ids = [(good.clone(), State::Succeeded), (cancelled.clone(), State::Cancelled), (bad, State::Failed)];
    let (mut one, mut two) = (Story::default(), Story::default());
    let mut open = (caller.watch(&good, &mut one).await, caller.watch(&good, &mut two).await);
    open.0.next().await.unwrap();
    caller.board().signal(&good);
    caller.cancel(&cancelled).await;
    let (first, second) = (open.0.rest().await, open.1.rest().await);
    assert_eq!((first.seq, first.end()), (second.seq, second.end()), "both readers hear of the same end");
    for (id, state) in ids {
        assert_eq!(caller.story(&id).await.end(), Some(state), "{id}");
    }
}

pub async fn a_snapshot_of_an_ended_task_is_the_last_item(caller: Caller) {
    caller.expects("a snapshot of an ended task stands for its terminal event and is the last item");
    let id = caller.start(ECHO, json!("x")).await;
    caller.output::<Value>(&id).await;
    for after in [Seen::default(), Seen { seq: 1, parts: 7 }] {
        match &all(&caller, &id, after).await[..] {
            [Event { kind: EventKind::Snapshot(record), .. }] => {
                assert_eq!(record.state, State::Succeeded);
                let output = record.output.as_ref().map(|output| output.decode::<Value>().unwrap());
                assert_eq!(output, Some(json!("x")));
            }
            other => panic!("{other:?}"),
        }
    }
}

pub async fn a_watch_at_the_end_ends_at_once(caller: Caller) {
    caller.expects("a watch with `after` at or past the terminal event ends at once");
    let id = caller.start(ECHO, json!("x")).await;
    let end = caller.story(&id).await.seen;
    for past in [0, 1, 1 << 34] {
        let after = Seen { seq: end.seq + past, ..end };
        assert_eq!(all(&caller, &id, after).await, [], "{past} past the end");
    }
}

pub async fn a_reader_that_falls_behind_gets_a_snapshot(caller: Caller) {
    caller
        .expects("a reader that falls behind gets a snapshot in place of what it missed, and still the end");
    let attempts = 120;
    let retry = RetryPolicy::exponential(attempts).first_delay(std::time::Duration::ZERO);
    let task = caller.task_with(FLAKY, attempts, |request| request.retry = Some(retry)).await;
    let id = caller.submit(task).await;
    let mut story = Story::default();
    let behind = caller.watch(&id, &mut story).await;
    assert_eq!(caller.output::<u32>(&id).await, attempts, "the body does not wait for its readers");
    let last = behind.rest().await;
    assert_eq!((last.end(), last.seq), (Some(State::Succeeded), caller.record(&id).await.seq));
}

pub async fn a_large_output_is_read_from_the_record(caller: Caller) {
    caller.expects("an output over 64 KiB is whole in the record; a terminal event may leave it out");
    for size in [60 << 10, 70 << 10, 1 << 20] {
        let id = caller.start(LARGE, size).await;
        let last = {
            let mut story = Story::default();
            caller.watch(&id, &mut story).await.rest().await
        };
        if let EventKind::Succeeded(Some(output)) = &last.kind {
            assert_eq!(output.len(), size + 2, "an output that is in the event is whole");
        }
        if let EventKind::Succeeded(None) = &last.kind {
            assert!(size > 64 << 10, "an output of {size} bytes is in the event");
        }
        let record = caller.record(&id).await;
        assert_eq!(record.output.map(|output| output.len()), Some(size + 2));
        assert_eq!(caller.output::<String>(&id).await.len(), size);
    }
}

pub async fn progress_arrives_and_never_falls(caller: Caller) {
    caller.expects("progress arrives, never falls within an attempt, and the last is not lost");
    let id = caller.start(TALK, 60).await;
    let story = caller.story(&id).await;
    let told: Vec<f32> = story.items.iter().filter_map(fraction).collect();
    assert_eq!(told.last(), Some(&1.0), "{told:?}");
    let record = caller.record(&id).await;
    assert_eq!(record.progress.and_then(|progress| progress.fraction), Some(1.0));
    caller.expects("each step is heard by a reader that waits for it");
    let id = caller.running(STEPS, 4).await;
    let mut story = Story::default();
    let mut reader = caller.watch(&id, &mut story).await;
    for step in 1..=4 {
        caller.board().signal(&id);
        let heard = reader.until(|event| fraction(event) >= Some(step as f32 / 4.0)).await;
        assert_eq!(fraction(&heard), Some(step as f32 / 4.0));
    }
}

pub async fn progress_comes_at_most_once_per_flush_time(caller: Caller) {
    caller.expects("progress comes at most once per flush time, however often the body tells it");
    let flush = caller.executor.capabilities().times.flush;
    let flush = u64::try_from(flush.as_millis()).unwrap().max(1);
    let long = flush * 12;
    let id = caller.start(TALK, long).await;
    let story = caller.story(&id).await;
    // the body's own measure of its time: where it was held up, there was time for more
    let took = caller.output::<u64>(&id).await;
    let heard = story.items.iter().filter(|event| matches!(event.kind, EventKind::Progress(_))).count();
    // one at once, one with the end, and one that a heartbeat took along
    let most = took / flush + 3;
    assert!(heard as u64 <= most, "{heard} in {took} ms of {flush} ms each");
    assert!(story.items.iter().filter_map(fraction).next_back() == Some(1.0), "the last comes with the end");
}

pub async fn logs_arrive(caller: Caller) {
    caller.expects("the lines of a body that writes a few arrive once and in order");
    let id = caller.running(LOGS, ()).await;
    let mut story = Story::default();
    let mut reader = caller.watch(&id, &mut story).await;
    reader.next().await.unwrap();
    caller.board().signal(&id);
    reader.rest().await;
    let lines = story.items.iter().filter_map(|event| match &event.kind {
        EventKind::Log(line) => Some((line.level, line.message.as_str())),
        _ => None,
    });
    assert_eq!(lines.collect::<Vec<_>>(), LINES);
}

pub async fn many_watchers_see_the_same_end(caller: Caller) {
    caller.expects("hundreds of watchers of one task see the same end");
    let id = caller.running(STUBBORN, ()).await;
    let opened = (0..300).map(|_| async {
        let mut stream = caller.executor.watch(&id, Seen::default()).await.unwrap();
        let first = stream.next().await.unwrap().unwrap();
        assert!(is_snapshot(&first), "{first:?}");
        stream
    });
    let streams = join_all(opened).await;
    caller.board().signal(&id);
    let ends =
        join_all(streams.into_iter().map(|stream| stream.map(Result::unwrap).collect::<Vec<_>>())).await;
    let record = caller.record(&id).await;
    for (reader, items) in ends.iter().enumerate() {
        let last = items.last().unwrap_or_else(|| panic!("reader {reader} heard of no end"));
        assert_eq!((last.end(), last.seq), (Some(State::Succeeded), record.seq), "reader {reader}");
        assert_eq!(items.iter().filter(|event| event.is_terminal()).count(), 1, "reader {reader}");
    }
}
