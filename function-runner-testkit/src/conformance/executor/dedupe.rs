//! Deduplication keys: the same work is not queued twice within a window.

use std::time::Duration;

use function_runner_core::{Data, Dedupe, Function, Submitted, Task, Tenant};
use serde_json::{Value, json};

use super::Caller;
use crate::conformance::functions::{ECHO, HANG};

const HOUR: Duration = Duration::from_secs(3600);

async fn keyed<I: Data, O: Data>(
    caller: &Caller,
    function: Function<I, O>,
    input: I,
    window: Duration,
) -> Task {
    caller.task_with(function, input, |request| request.dedupe = Some(Dedupe::new("key", window))).await
}

pub async fn a_dedupe_key_answers_with_the_older_task(caller: Caller) {
    caller.expects("within its window, counted from submit, a dedupe key answers with the older task");
    let older = keyed(&caller, ECHO, json!("older"), HOUR).await;
    let newer = keyed(&caller, ECHO, json!("newer"), HOUR).await;
    let duplicate = Submitted::Duplicate(older.id.clone());
    assert_eq!(caller.submit_all(vec![older.clone()]).await, [Submitted::New]);
    assert_eq!(caller.submit_all(vec![newer.clone()]).await, vec![duplicate.clone()]);
    caller.is_unknown(&newer.id).await;
    caller.expects("the id is looked at first");
    assert_eq!(caller.submit_all(vec![older.clone()]).await, [Submitted::AlreadyKnown]);
    caller.expects("the key counts whatever became of the older task");
    assert_eq!(caller.output::<Value>(&older.id).await, json!("older"));
    assert_eq!(caller.submit_all(vec![newer.clone()]).await, vec![duplicate.clone()]);
    caller.expects("a key is scoped by function and tenant");
    let other = keyed(&caller, HANG, (), HOUR).await;
    let tenant = Tenant::new("other").unwrap();
    let theirs = caller.task_with(ECHO, json!("theirs"), |request| {
        request.dedupe = Some(Dedupe::new("key", HOUR));
        request.tenant = Some(tenant);
    });
    let batch = vec![other, theirs.await, newer];
    assert_eq!(caller.submit_all(batch).await, [Submitted::New, Submitted::New, duplicate]);
}

pub async fn a_dedupe_key_is_free_again_after_its_window(caller: Caller) {
    caller.expects("the next task under the key after its window is new");
    let window = Duration::from_millis(300);
    let older = keyed(&caller, ECHO, json!("older"), window).await;
    caller.submit(older.clone()).await;
    caller.output::<Value>(&older.id).await;
    caller.case.pass(window + Duration::from_millis(20)).await;
    let newer = keyed(&caller, ECHO, json!("newer"), HOUR).await;
    assert_eq!(caller.submit_all(vec![newer.clone()]).await, [Submitted::New]);
    assert_eq!(caller.output::<Value>(&newer.id).await, json!("newer"));
    caller.expects("then the key is the newer one's");
    let newest = keyed(&caller, ECHO, json!("newest"), HOUR).await;
    assert_eq!(caller.submit_all(vec![newest]).await, [Submitted::Duplicate(newer.id)]);
    assert_eq!(
        caller.submit_all(vec![older]).await,
        [Submitted::AlreadyKnown],
        "the older one is still known"
    );
}

pub async fn within_a_batch_the_first_of_a_dedupe_key_wins(caller: Caller) {
    caller.expects("within a batch the first of a dedupe key wins, and the others are its duplicates");
    let first = keyed(&caller, ECHO, json!(1), HOUR).await;
    let (second, third) =
        (keyed(&caller, ECHO, json!(2), HOUR).await, keyed(&caller, ECHO, json!(3), HOUR).await);
    let between = caller.task(ECHO, json!("between")).await;
    let duplicate = Submitted::Duplicate(first.id.clone());
    let batch = vec![first.clone(), second.clone(), between.clone(), third.clone()];
    let became = caller.submit_all(batch.clone()).await;
    assert_eq!(became, [Submitted::New, duplicate.clone(), Submitted::New, duplicate.clone()]);
    caller.is_unknown(&second.id).await;
    caller.is_unknown(&third.id).await;
    caller.expects("the same batch again answers the same of the duplicates");
    let again = caller.submit_all(batch).await;
    assert_eq!(again, [Submitted::AlreadyKnown, duplicate.clone(), Submitted::AlreadyKnown, duplicate]);
    assert_eq!(caller.output::<Value>(&first.id).await, json!(1));
    assert_eq!(caller.output::<Value>(&between.id).await, json!("between"));
}
