//! Bodies that note when they run, and what of the machine they hold.

use std::sync::Arc;

use async_trait::async_trait;
use function_runner_core::{
    Context, Failure, Handler, Implementation, Payload, Registry, Template, WorkerId,
};

use super::{
    History,
    line::{Call, Id, Reply},
    record::Open,
    translate,
};

/// This registry with every body noted as this worker's.
pub(super) fn note(history: &History, worker: &WorkerId, registry: Registry) -> Registry {
    let worker = Id::new(worker.as_str());
    registry.map(|implementation: Implementation| {
        let noted = Noted {
            history: history.clone(),
            worker: worker.clone(),
            template: Arc::new(implementation.template().clone()),
            body: implementation.handler(),
        };
        implementation.with_handler(noted)
    })
}

struct Noted {
    history: History,
    worker: Id,
    template: Arc<Template>,
    body: Arc<dyn Handler>,
}

#[async_trait]
impl Handler for Noted {
    async fn run(&self, ctx: Context, input: Payload) -> Result<Payload, Failure> {
        let call = Call::Body {
            worker: self.worker.clone(),
            task: Id::new(ctx.id().as_str()),
            attempt: ctx.attempt(),
            lane: Id::new(self.template.lane(ctx.quality()).as_str()),
            granted: translate::share(ctx.granted()),
        };
        let running = Running(Some(self.history.open(call)));
        let result = self.body.run(ctx, input).await;
        running.end(if result.is_ok() { "output" } else { "failure" });
        result
    }
}

/// A body between its start and its end: however it ends, its worker hears of it after this was dropped.
struct Running(Option<Open>);

impl Running {
    fn end(mut self, how: &str) {
        self.close(how);
    }

    fn close(&mut self, how: &str) {
        if let Some(open) = self.0.take() {
            open.close(Reply::Over(Id::new(how)));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let how = if std::thread::panicking() { "panic" } else { "dropped" };
        self.close(how);
    }
}
