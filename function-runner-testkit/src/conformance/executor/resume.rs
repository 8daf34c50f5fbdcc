//! A watch that is cut and taken up again.

use function_runner_core::{Event, EventKind, Phase, Seen, State, TaskId, seq, turn_of};
use futures::future::join;

use super::Caller;
use crate::conformance::{
    functions::{PARTS, STEPS},
    story::Story,
};

/// Reads one item over a stream of its own.
async fn cut(caller: &Caller, id: &TaskId, story: &mut Story) -> Event {
    let next = caller.watch(id, story).await.next().await;
    next.unwrap_or_else(|| panic!("the stream ended after {:?}", story.items))
}

/// Turn, index and text of every part.
fn parts(story: &Story) -> Vec<(u64, u64, String)> {
    let part = |event: &Event| match &event.kind {
        EventKind::OutputPart { turn, index, part } => Some((*turn, *index, part.decode().unwrap())),
        _ => None,
    };
    story.items.iter().filter_map(part).collect()
}

pub async fn a_watch_resumes_after_what_was_seen(caller: Caller) {
    caller.expects("cut after any item and resumed, no state is missed and no number comes twice");
    let steps = 12;
    let id = caller.start(STEPS, steps).await;
    let mut story = Story::default();
    for step in 1..=steps {
        caller.board().signal(&id);
        let reached = step as f32 / steps as f32;
        loop {
            let item = cut(&caller, &id, &mut story).await;
            if item.is_terminal()
                || item.into_progress().and_then(|progress| progress.fraction) >= Some(reached)
            {
                break;
            }
        }
    }
    while story.end().is_none() {
        cut(&caller, &id, &mut story).await;
    }
    assert_eq!((story.end(), story.seen.seq), (Some(State::Succeeded), caller.record(&id).await.seq));
    caller.expects("resumed at the end there is nothing more");
    let mut at_end = Story::at(story.seen, 1);
    assert_eq!(caller.watch(&id, &mut at_end).await.next().await, None);
    what_came_meanwhile_is_told(&caller).await;
}

/// A reader is away while something happens, which another hears.
async fn what_came_meanwhile_is_told(caller: &Caller) {
    caller.expects("what happened while a reader was away comes first when it is back");
    let fraction = |event: &Event| event.clone().into_progress().and_then(|progress| progress.fraction);
    let id = caller.running(STEPS, 2).await;
    let (mut away, mut stays) = (Story::default(), Story::default());
    cut(caller, &id, &mut away).await;
    let mut reader = caller.watch(&id, &mut stays).await;
    caller.board().signal(&id);
    reader.until(|event| fraction(event) >= Some(0.5)).await;
    let first = cut(caller, &id, &mut away).await;
    assert!(fraction(&first) >= Some(0.5), "{first:?}");
    caller.board().signal(&id);
    reader.rest().await;
    let first = cut(caller, &id, &mut away).await;
    assert_eq!(first.end(), Some(State::Succeeded), "{first:?}");
}

pub async fn output_parts_come_once_and_in_order(caller: Caller) {
    caller.expects("output parts come once and in order, told apart by turn and index, also over a resume");
    let count = 6;
    let again =
        caller.task_with(PARTS, count, |request| _ = request.labels.insert("again".into(), "yes".into()));
    let id = caller.submit(again.await).await;
    let (mut whole, mut story) = (Story::default(), Story::default());
    let reader = caller.watch(&id, &mut whole).await;
    join(reader.rest(), read_in_pieces(&caller, &id, count, &mut story)).await;
    assert_eq!(parts(&whole), parts(&story), "a reader that was never cut has the same parts");
    caller.expects("a new lease voids the parts before it");
    let (first, last) = (parts(&story).remove(0).0, parts(&story).pop().unwrap().0);
    assert!(first < last, "the second attempt's parts are of a later turn: {first}, {last}");
}

/// Lets two attempts give their parts, one by one, and reads each over a stream of its own.
async fn read_in_pieces(caller: &Caller, id: &TaskId, count: u32, story: &mut Story) {
    for attempt in 1..=2 {
        caller.board().has_begun(id, attempt).await;
        for index in 0..count {
            caller.board().signal(id);
            let text = format!("{index} of attempt {attempt}");
            while parts(story).last().is_none_or(|part| part.2 != text) {
                cut(caller, id, story).await;
            }
        }
        others_read_on(caller, id, attempt, count).await;
        // it ends, and the other begins
        caller.board().signal(id);
    }
    while story.end().is_none() {
        cut(caller, id, story).await;
    }
}

/// While an attempt waits after its last part: a new reader gets them all, one that has seen two the others.
async fn others_read_on(caller: &Caller, id: &TaskId, attempt: u32, count: u32) {
    let turn = turn_of(caller.record(id).await.seq);
    let last = u64::from(count) - 1;
    let is_last = |event: &Event| matches!(event.kind, EventKind::OutputPart { index, .. } if index == last);
    let mut new = Story::default();
    caller.watch(id, &mut new).await.until(is_last).await;
    assert_eq!(parts(&new).len(), count as usize, "a new reader gets them all");
    let seen = Seen { seq: seq(turn, Phase::Running, 0), parts: 2 };
    let mut behind = Story::at(seen, attempt);
    caller.watch(id, &mut behind).await.until(is_last).await;
    assert_eq!(parts(&behind).len(), count as usize - 2, "who has seen two gets the others");
    caller.expects("parts seen in an earlier turn do not count");
    let mut earlier = Story::at(Seen { seq: seq(turn - 1, Phase::Still, 0), parts: 2 }, attempt - 1);
    caller.watch(id, &mut earlier).await.until(is_last).await;
    assert_eq!(parts(&earlier).len(), count as usize);
}
