//! A line for each task that begins and ends on a worker.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use function_runner_core::{Context, Failure, FailureClass, Handler, Payload, Registry, TaskId, Template};
use serde_json::{Value, json};

use crate::{layout::time, out};

/// These functions, with a line of each task that begins and ends.
pub(crate) fn noted(registry: Registry, json: bool) -> Registry {
    registry.map(|implementation| {
        let template = Arc::new(implementation.template().clone());
        let body = implementation.handler();
        implementation.with_handler(Noted { template, body, json })
    })
}

struct Noted {
    template: Arc<Template>,
    body: Arc<dyn Handler>,
    json: bool,
}

#[async_trait]
impl Handler for Noted {
    async fn run(&self, ctx: Context, input: Payload) -> Result<Payload, Failure> {
        let (task, attempt) = (ctx.id().clone(), ctx.attempt());
        let open = Open { task, attempt, begin: Instant::now(), json: self.json, told: false };
        open.starts(&self.template, ctx.quality().as_str());
        let result = self.body.run(ctx, input).await;
        open.ends(result.as_ref().err());
        result
    }
}

/// A body between its beginning and its end.
struct Open {
    task: TaskId,
    attempt: u32,
    begin: Instant,
    json: bool,
    told: bool,
}

impl Open {
    fn starts(&self, template: &Template, quality: &str) {
        let Self { task, attempt, .. } = self;
        if self.json {
            say(&json!({
                "kind": "started",
                "task": task,
                "attempt": attempt,
                "function": template.function,
                "version": template.version,
                "quality": quality,
            }));
        } else {
            out::aside(&format!(
                "started   {} · {quality} · task {task} · attempt {attempt}",
                template.function
            ));
        }
    }

    fn ends(mut self, failure: Option<&Failure>) {
        let end = match failure {
            None => "succeeded",
            Some(failure) if failure.class == FailureClass::Cancelled => "cancelled",
            Some(_) => "failed",
        };
        self.tell(end, failure);
    }

    fn tell(&mut self, end: &str, failure: Option<&Failure>) {
        self.told = true;
        let (task, took) = (&self.task, self.begin.elapsed());
        if self.json {
            say(&document(task, self.attempt, end, failure, took));
        } else {
            let why = failure.filter(|_| end == "failed");
            let why = why.map(|failure| format!(" · {}", failure.message.escape_debug())).unwrap_or_default();
            out::aside(&format!("{end:<9} task {task} · {}{why}", time(took)));
        }
    }
}

/// It was given back, timed out or lost: its worker hears of it from the queue.
impl Drop for Open {
    fn drop(&mut self) {
        if !self.told {
            self.tell("dropped", None);
        }
    }
}

fn document(task: &TaskId, attempt: u32, end: &str, failure: Option<&Failure>, took: Duration) -> Value {
    let run_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    json!({
        "kind": "finished",
        "task": task,
        "attempt": attempt,
        "end": end,
        "failure": failure,
        "run_ms": run_ms,
    })
}

fn say(document: &Value) {
    // a body goes on where nobody can hear of it
    let _ = out::document(document);
}
