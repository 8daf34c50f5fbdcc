//! The cases of the executor's contract: what a caller sees, with the suite's functions running behind it.

pub mod attempts;
pub mod bodies;
pub mod cancel;
pub mod dedupe;
pub mod record;
pub mod resume;
pub mod submit;
pub mod templates;
pub mod time;
pub mod watch;

use std::sync::Arc;

use function_runner_core::{
    Data, Error, ErrorKind, Executor, Failure, Function, Intake, Payload, Request, State, Submitted, Task,
    TaskId, TaskRecord, TemplateSet, outcome,
};
use futures::{FutureExt as _, future::LocalBoxFuture};
use serde::de::DeserializeOwned;

use super::{
    Case, Failed, NamedCase,
    board::Board,
    story::{Reader, Story},
};

/// An executor on its way.
pub type Opening = LocalBoxFuture<'static, Arc<dyn Executor>>;

/// Opens the subject of an executor's suite.
pub type Open = fn(Case) -> Opening;

/// Opens a subject with what stands in the macro's call.
pub fn open<E: Executor, F: Future<Output = E> + 'static>(
    start: impl FnOnce(Case) -> F,
    case: Case,
) -> Opening {
    start(case).map(|executor| Arc::new(executor) as Arc<dyn Executor>).boxed_local()
}

/// Runs one case over an executor that brings its own workers.
pub fn run<R: Future<Output = ()>>(
    case: Case,
    open: Open,
    body: impl FnOnce(Caller) -> R,
) -> Result<(), Failed> {
    case.clone().run(async move {
        let executor = open(case.clone()).await;
        body(Caller::new(case, executor).await).await;
    })
}

/// All cases, over an executor that brings its own workers.
pub fn cases() -> Vec<NamedCase<Open>> {
    crate::__conformance_cases! { executor, __conformance_data [executor run executor 10] }
}

/// Somebody who calls the suite's functions as a client would: requests go through core's intake.
#[derive(Debug)]
pub struct Caller {
    pub(super) case: Case,
    pub(super) executor: Arc<dyn Executor>,
    intake: Intake,
}

impl Caller {
    /// A caller, once everything it calls is served.
    pub(super) async fn new(case: Case, executor: Arc<dyn Executor>) -> Self {
        case.expects("every function that runs behind the executor is in its templates");
        let set = served(&case, &*executor).await;
        let intake = Intake::new(executor.clone()).knowing(set);
        Self { case, executor, intake }
    }

    pub(super) fn expects(&self, sentence: &'static str) {
        self.case.expects(sentence);
    }

    pub(super) fn board(&self) -> &Board {
        self.case.board()
    }

    /// A task of this function, with what `with` changes in the request.
    pub(super) async fn task_with<I: Data, O: Data>(
        &self,
        function: Function<I, O>,
        input: I,
        with: impl FnOnce(&mut Request),
    ) -> Task {
        let input = Payload::encode(&input).unwrap();
        let mut request = Request::new(function.reference().unwrap(), input);
        with(&mut request);
        self.intake.admit(request).await.unwrap_or_else(|error| panic!("intake: {error:?}"))
    }

    pub(super) async fn task<I: Data, O: Data>(&self, function: Function<I, O>, input: I) -> Task {
        self.task_with(function, input, |_| {}).await
    }

    /// Submits a new task and gives its id.
    pub(super) async fn submit(&self, task: Task) -> TaskId {
        let id = task.id.clone();
        assert_eq!(self.submit_all(vec![task]).await, [Submitted::New], "a task of a new id is new");
        id
    }

    pub(super) async fn submit_all(&self, tasks: Vec<Task>) -> Vec<Submitted> {
        self.executor.submit(tasks).await.unwrap_or_else(|error| panic!("submit: {error:?}"))
    }

    /// Submits a task of this function and gives its id.
    pub(super) async fn start<I: Data, O: Data>(&self, function: Function<I, O>, input: I) -> TaskId {
        self.submit(self.task(function, input).await).await
    }

    /// Submits a task of this function and waits until its body runs.
    pub(super) async fn running<I: Data, O: Data>(&self, function: Function<I, O>, input: I) -> TaskId {
        let id = self.start(function, input).await;
        self.board().has_begun(&id, 1).await;
        id
    }

    /// Submits a task of this function and waits for its output.
    pub(super) async fn call<I: Data, O: Data>(&self, function: Function<I, O>, input: I) -> O {
        let id = self.start(function, input).await;
        self.output(&id).await
    }

    /// Waits for the output of a task.
    pub(super) async fn output<O: DeserializeOwned>(&self, id: &TaskId) -> O {
        let output = outcome(&*self.executor, id).await.unwrap_or_else(|error| panic!("its end: {error:?}"));
        output.decode().unwrap_or_else(|error| panic!("its output: {error:?}"))
    }

    /// Waits for the end of a task, which is no output.
    pub(super) async fn error(&self, id: &TaskId) -> Error {
        match outcome(&*self.executor, id).await {
            Ok(output) => panic!("it succeeded with {:?}", String::from_utf8_lossy(output.as_bytes())),
            Err(error) => error,
        }
    }

    /// Waits for the end of a task, which is a failure.
    pub(super) async fn failure(&self, id: &TaskId) -> Failure {
        let error = self.error(id).await;
        assert_eq!(error.kind(), ErrorKind::FunctionFailed, "{error:?}");
        error
            .failure()
            .cloned()
            .unwrap_or_else(|| panic!("the error of a failed task has its failure: {error:?}"))
    }

    /// Waits for the end of a task, which is a cancel.
    pub(super) async fn cancelled(&self, id: &TaskId) -> TaskRecord {
        let error = self.error(id).await;
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error:?}");
        let record = self.record(id).await;
        assert_eq!(record.state, State::Cancelled);
        record
    }

    pub(super) async fn record(&self, id: &TaskId) -> TaskRecord {
        self.executor.record(id).await.unwrap_or_else(|error| panic!("record: {error:?}"))
    }

    pub(super) async fn cancel(&self, id: &TaskId) {
        self.executor.cancel(id).await.unwrap_or_else(|error| panic!("cancel: {error:?}"));
    }

    /// Watches a task from where this story is.
    pub(super) async fn watch<'a>(&self, id: &TaskId, story: &'a mut Story) -> Reader<'a> {
        Reader::open(&*self.executor, id, story).await
    }

    /// Everything that is told of a task, to its end.
    pub(super) async fn story(&self, id: &TaskId) -> Story {
        let mut story = Story::default();
        self.watch(id, &mut story).await.rest().await;
        story
    }

    /// That nothing of this id was stored.
    pub(super) async fn is_unknown(&self, id: &TaskId) {
        match self.executor.record(id).await {
            Ok(record) => panic!("nothing is stored, yet there is {record:?}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::UnknownTask, "{error:?}"),
        }
    }
}

/// The templates, once all functions of the case are among them.
async fn served(case: &Case, executor: &dyn Executor) -> TemplateSet {
    loop {
        let set = executor.templates(0).await.unwrap_or_else(|error| panic!("templates: {error:?}"));
        let set = set.expect("nobody knows the revision 0");
        let is_served =
            |(name, version)| set.templates.iter().any(|t| t.function == name && t.version == version);
        if case.functions.templates().map(|t| (t.function.clone(), t.version)).all(is_served) {
            return set;
        }
        // a worker behind it may still be on its way
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
