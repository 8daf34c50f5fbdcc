//! Bodies of every kind, and what is done about those that break the rules.

use function_runner_core::{FailureClass, State};
use serde_json::json;

use super::Caller;
use crate::conformance::functions::{BLOCK, BROKEN, ECHO, PANIC, PICKY, Picky, STUBBORN};

pub async fn a_panic_is_a_failure(caller: Caller) {
    caller.expects("a panic is a failure with the code `panic`");
    let beside = caller.running(STUBBORN, ()).await;
    let id = caller.start(PANIC, ()).await;
    let failure = caller.failure(&id).await;
    assert_eq!(failure.code.as_deref(), Some("panic"), "{failure:?}");
    assert!(failure.message.contains("on purpose"), "it says what the panic said: {failure:?}");
    caller.expects("other tasks go on after a panic");
    assert_eq!(caller.call(ECHO, json!("after")).await, json!("after"));
    caller.board().signal(&beside);
    caller.output::<()>(&beside).await;
    assert_eq!(caller.record(&beside).await.attempt, 1);
}

pub async fn blocking_bodies_run(caller: Caller) {
    caller.expects("blocking bodies run beside async ones");
    let (one, two) = (caller.running(BLOCK, 1).await, caller.running(BLOCK, 2).await);
    assert_eq!(caller.call(ECHO, json!("beside")).await, json!("beside"));
    assert_eq!(caller.record(&one).await.state, State::Running);
    caller.board().signal(&two);
    assert_eq!(caller.output::<u32>(&two).await, 2);
    caller.board().signal(&one);
    assert_eq!(caller.output::<u32>(&one).await, 1);
    caller.expects("a blocking body that looks at its token is cancelled");
    let stopped = caller.running(BLOCK, 3).await;
    caller.cancel(&stopped).await;
    caller.cancelled(&stopped).await;
}

pub async fn an_output_that_breaks_its_schema_is_a_failure(caller: Caller) {
    caller.expects("an output that breaks its schema is a failure with the code `invalid_output`");
    let id = caller.start(BROKEN, ()).await;
    let failure = caller.failure(&id).await;
    assert_eq!(failure.code.as_deref(), Some("invalid_output"), "{failure:?}");
    let record = caller.record(&id).await;
    assert_eq!((record.state, record.output), (State::Failed, None));
}

pub async fn an_unread_input_is_a_failure(caller: Caller) {
    caller.expects("an input that the body's type cannot take is `invalid_input`, not a panic");
    let id = caller.start(PICKY, Picky("bad".to_owned())).await;
    let failure = caller.failure(&id).await;
    assert_eq!((failure.class, failure.code.as_deref()), (FailureClass::InvalidInput, None), "{failure:?}");
    assert_eq!((caller.board().runs(&id), caller.record(&id).await.attempt), (0, 1));
    let id = caller.start(PICKY, Picky("good".to_owned())).await;
    caller.output::<()>(&id).await;
    assert_eq!(caller.board().runs(&id), 1);
}
