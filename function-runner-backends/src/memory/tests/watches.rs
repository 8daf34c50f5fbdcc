//! What watchers hear: snapshots, changes, parts, the end; thousands of them; and the tick.

use function_runner_core::{
    ErrorKind, EventKind, LogLevel, LogLine, MAX_EVENT_OUTPUT, Numbered, Operate as _, Phase, Progress, When,
    seq,
};

use super::*;
use crate::heard::MAX_HEARD;

fn kinds(events: &[Event]) -> Vec<String> {
    let name =
        |event: &Event| format!("{:?}", event.kind).split([' ', '(']).next().unwrap_or_default().to_owned();
    events.iter().map(name).collect()
}

fn logs(from: u32, count: u32) -> Report {
    let line = |n| Numbered::new(n, LogLine { level: LogLevel::Info, message: n.to_string() });
    let mut report = Report::default();
    report.logs = (from..from + count).map(line).collect();
    report
}

fn progress(n: u32, fraction: f32) -> Report {
    let mut report = Report::default();
    report.progress = Some(Numbered::new(n, Progress::new(fraction, "")));
    report
}

#[test]
fn a_watch_is_a_snapshot_and_every_change_after_it() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let (id, hand) = (bench.one(), bench.hand());
    let mut stream = bench.watch(&id, Seen::default());
    hand.finished(&hand.take_one(&lane), retry(Duration::ZERO), State::Queued);
    let lease = hand.take_one(&lane);
    bench.cancel(&id);
    hand.finished(&lease, output(), State::Cancelled);
    let events = heard(&mut stream);
    let expected = ["Snapshot", "Started", "Retrying", "Started", "CancelRequested", "Cancelled"];
    assert_eq!(kinds(&events), expected);
    assert!(events.windows(2).all(|pair| pair[0].seq < pair[1].seq));
    let EventKind::Snapshot(first) = &events[0].kind else { unreachable!() };
    assert_eq!((first.state, first.ahead), (State::Queued, Some(0)), "as it was when the watch was opened");
    assert!(has_ended(&mut stream));
}

#[test]
fn a_watch_resumes_where_its_reader_was() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let (id, hand) = (bench.one(), bench.hand());
    let lease = hand.take_one(&lane);
    let seen = Seen { seq: seq(1, Phase::Running, 0), parts: 0 };
    let mut stream = bench.watch(&id, seen);
    assert_eq!(heard(&mut stream), [], "nothing is newer");
    hand.report(&lease, progress(1, 0.5));
    assert_eq!(kinds(&heard(&mut stream)), ["Progress"]);
    assert_eq!(kinds(&heard(&mut bench.watch(&id, seen))), ["Snapshot"]);
    hand.finished(&lease, output(), State::Succeeded);
    let end = Seen { seq: bench.record(&id).seq, parts: 0 };
    assert!(has_ended(&mut bench.watch(&id, end)));
    assert!(has_ended(&mut bench.watch(&id, Seen { seq: end.seq + 1, parts: 9 })));
    let mut late = bench.watch(&id, seen);
    assert_eq!(kinds(&heard(&mut late)), ["Snapshot"]);
    assert!(has_ended(&mut late));
}

#[test]
fn of_progress_only_the_latest_waits_for_a_reader() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let (id, hand) = (bench.one(), bench.hand());
    let lease = hand.take_one(&lane);
    let mut stream = bench.watch(&id, Seen { seq: bench.record(&id).seq, parts: 0 });
    for n in 1..=500 {
        hand.report(&lease, progress(n, n as f32 / 500.0));
    }
    let events = heard(&mut stream);
    assert_eq!((kinds(&events), events[0].seq), (vec!["Progress".to_owned()], seq(1, Phase::Running, 500)));
}

#[test]
fn a_reader_that_falls_behind_gets_a_snapshot_and_the_end() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let (id, hand) = (bench.one(), bench.hand());
    let lease = hand.take_one(&lane);
    let mut stream = bench.watch(&id, Seen::default());
    hand.report(&lease, logs(1, MAX_HEARD as u32));
    assert_eq!(heard(&mut stream).len(), MAX_HEARD + 1, "so many it keeps for a reader");
    hand.report(&lease, logs(100, MAX_HEARD as u32 + 1));
    hand.report(&lease, progress(200, 0.5));
    let events = heard(&mut stream);
    assert_eq!(kinds(&events), ["Snapshot"]);
    let EventKind::Snapshot(record) = &events[0].kind else { unreachable!() };
    assert_eq!(record.progress.as_ref().and_then(|progress| progress.fraction), Some(0.5));
    hand.report(&lease, logs(201, MAX_HEARD as u32 + 1));
    hand.finished(&lease, output(), State::Succeeded);
    let events = heard(&mut stream);
    assert_eq!((kinds(&events), events[0].end()), (vec!["Snapshot".to_owned()], Some(State::Succeeded)));
    assert!(has_ended(&mut stream));
}

#[test]
fn parts_follow_the_snapshot_from_where_the_reader_was() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let (id, hand) = (bench.one(), bench.hand());
    let lease = hand.take_one(&lane);
    let parts = |from: u32, count: u32| {
        let mut report = Report::default();
        report.parts = (from..from + count).map(|n| Numbered::new(n, Payload::encode(&n).unwrap())).collect();
        report
    };
    let mut live = bench.watch(&id, Seen::default());
    hand.report(&lease, parts(1, 3));
    let indices = |events: &[Event]| {
        let index = |event: &Event| match event.kind {
            EventKind::OutputPart { turn, index, .. } => Some((turn, index)),
            _ => None,
        };
        events.iter().filter_map(index).collect::<Vec<_>>()
    };
    assert_eq!(indices(&heard(&mut live)), [(1, 0), (1, 1), (1, 2)]);
    let opened = |seen| indices(&heard(&mut bench.watch(&id, seen)));
    assert_eq!(opened(Seen::default()), [(1, 0), (1, 1), (1, 2)]);
    assert_eq!(opened(Seen { seq: seq(1, Phase::Running, 2), parts: 2 }), [(1, 2)]);
    assert_eq!(opened(Seen { seq: seq(1, Phase::Running, 3), parts: 3 }), []);
    // a reader that fell behind is given the parts it lacks
    hand.report(&lease, parts(4, MAX_HEARD as u32 + 1));
    assert_eq!(indices(&heard(&mut live)).len(), MAX_HEARD + 1);
    hand.finished(&lease, RELEASE, State::Queued);
    assert_eq!(opened(Seen { seq: seq(1, Phase::Running, 3), parts: 1 }), [], "they went with their turn");
    let lease = hand.take_one(&lane);
    hand.report(&lease, parts(1, 1));
    assert_eq!(indices(&heard(&mut live)), [(2, 0)]);
    assert_eq!(opened(Seen { seq: seq(1, Phase::Running, 3), parts: 1 }), [(2, 0)]);
}

#[test]
fn a_large_output_is_left_out_of_the_event() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let hand = bench.hand();
    for (size, left_out) in [(MAX_EVENT_OUTPUT, false), (MAX_EVENT_OUTPUT + 1, true)] {
        let id = bench.one();
        let mut stream = bench.watch(&id, Seen::default());
        let output = Payload::from_stored(vec![b'1'; size]);
        hand.finished(&hand.take_one(&lane), Outcome::Succeeded(output), State::Succeeded);
        let last = heard(&mut stream).pop().unwrap();
        let EventKind::Succeeded(in_event) = last.kind else { unreachable!() };
        assert_eq!(in_event.is_none(), left_out);
        assert_eq!(bench.record(&id).output.map(|output| output.len()), Some(size));
    }
}

#[test]
fn a_purge_ends_the_watch_of_a_reader_that_was_behind() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let (id, hand) = (bench.one(), bench.hand());
    let (mut behind, mut unread) = (bench.watch(&id, Seen::default()), bench.watch(&id, Seen::default()));
    let lease = hand.take_one(&lane);
    heard(&mut unread);
    hand.report(&lease, logs(1, MAX_HEARD as u32 + 1));
    heard(&mut unread);
    hand.finished(&lease, failed(), State::Failed);
    now(bench.queue.purge(&id)).unwrap();
    assert_eq!(kinds(&heard(&mut unread)), ["Failed"], "what it was told before, it is given");
    let first = now(behind.next()).unwrap().unwrap();
    assert_eq!(kinds(&[first]), ["Snapshot"]);
    let error = now(behind.next()).unwrap().unwrap_err();
    assert_eq!((error.kind(), error.task()), (ErrorKind::UnknownTask, Some(&id)));
    assert!(has_ended(&mut behind));
}

#[test]
fn a_reader_that_slept_through_an_end_and_a_requeue_follows_the_second_life() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let (id, hand) = (bench.one(), bench.hand());
    let mut stream = bench.watch(&id, Seen::default());
    let lease = hand.take_one(&lane);
    hand.report(&lease, logs(1, MAX_HEARD as u32 + 1));
    hand.finished(&lease, failed(), State::Failed);
    now(bench.queue.requeue(&id)).unwrap();
    assert_eq!(kinds(&heard(&mut stream)), ["Snapshot", "Snapshot"]);
    hand.finished(&hand.take_one(&lane), output(), State::Succeeded);
    assert_eq!(kinds(&heard(&mut stream)), ["Started", "Succeeded"]);
    assert!(has_ended(&mut stream));
}

#[test]
fn ten_thousand_watchers_of_one_task_hear_of_its_end_and_leave_nothing() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let (id, hand) = (bench.one(), bench.hand());
    let mut streams: Vec<_> = (0..10_000).map(|_| bench.watch(&id, Seen::default())).collect();
    for (at, stream) in streams.iter_mut().enumerate().filter(|(at, _)| at % 2 == 0) {
        assert_eq!(kinds(&heard(stream)), ["Snapshot"], "{at}");
    }
    let gone = streams.split_off(5_000);
    drop(gone);
    assert_eq!(bench.queue.shared.lock().watching.len(), 5_000);
    let lease = hand.take_one(&lane);
    hand.finished(&lease, output(), State::Succeeded);
    for stream in &mut streams {
        assert_eq!(heard(stream).pop().and_then(|event| event.end()), Some(State::Succeeded));
        assert!(has_ended(stream));
    }
    assert_eq!(bench.queue.shared.lock().watching.len(), 0);
}

#[test]
fn a_watcher_of_each_of_ten_thousand_tasks_hears_of_its_own() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let hand = bench.hand();
    let mut streams: Vec<_> = (0..10_000)
        .map(|_| {
            let id = bench.one();
            (id.clone(), bench.watch(&id, Seen::default()))
        })
        .collect();
    loop {
        let leases = hand.take(&lane, 1000);
        if leases.is_empty() {
            break;
        }
        leases.iter().for_each(|lease| hand.finished(lease, output(), State::Succeeded));
    }
    for (id, stream) in &mut streams {
        let events = heard(stream);
        let EventKind::Snapshot(record) = &events[0].kind else { unreachable!() };
        assert_eq!(
            (&record.task.id, kinds(&events[1..])),
            (&*id, vec!["Started".to_owned(), "Succeeded".to_owned()])
        );
    }
}

#[test]
fn an_open_watch_serves_the_timers_once_per_lease() {
    let bench = Bench::new();
    let late = || with(task("work"), |new| new.deadline = Some(When::In(10 * SECOND)));
    let ids = [bench.submit(late()), bench.submit(late())];
    let mut streams = ids.each_ref().map(|id| bench.watch(id, Seen::default()));
    streams.iter_mut().for_each(|stream| drop(heard(stream)));
    bench.pass(9 * SECOND);
    assert_eq!(heard(&mut streams[0]), [], "it looks, and sets the tick anew");
    bench.pass(9 * SECOND);
    // the first that is polled serves for both
    assert_eq!(kinds(&heard(&mut streams[1])), ["Failed"]);
    assert_eq!(kinds(&heard(&mut streams[0])), ["Failed"]);
}

#[test]
fn a_tick_that_was_lost_is_set_anew_by_the_next_watch() {
    let bench = Bench::new();
    let id = bench.one();
    drop(bench.watch(&id, Seen::default()));
    // its runtime is gone, and the sleep with it
    *bench.queue.shared.tick.sleep.lock().unwrap() = None;
    bench.pass(19 * SECOND);
    let late = bench.submit(with(task("work"), |new| new.deadline = Some(When::In(SECOND))));
    let mut stream = bench.watch(&late, Seen::default());
    heard(&mut stream);
    bench.pass(9 * SECOND);
    assert_eq!(kinds(&heard(&mut stream)), ["Failed"]);
}

#[test]
fn a_reader_hears_nothing_up_to_what_it_had_seen() {
    let (bench, lane) = (Bench::new(), lane("work"));
    let (id, hand) = (bench.one(), bench.hand());
    let mut stream = bench.watch(&id, Seen { seq: seq(1, Phase::Stopping, u32::MAX), parts: 0 });
    let lease = hand.take_one(&lane);
    assert!(heard(&mut stream).is_empty(), "it started, in a turn that the reader is past");
    hand.finished(&lease, output(), State::Succeeded);
    assert_eq!(kinds(&heard(&mut stream)), ["Succeeded"]);
}
