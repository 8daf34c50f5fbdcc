//! Attempts that a test answers by hand.

use std::marker::PhantomData;

use async_trait::async_trait;
use function_runner_core::{Classify as _, Context, Data, Failure, Handler, Payload};
use tokio::sync::{mpsc, oneshot};

type Waiting = (Context, Payload, oneshot::Sender<Result<Payload, Failure>>);

/// The end of a function that a test holds: it takes attempts and answers them.
///
/// # Examples
///
/// ```
/// use function_runner_core::{Executor, Function, Intake, Payload, Request, outcome};
/// use function_runner_testkit::MockExecutor;
/// use std::sync::Arc;
///
/// const ASK: Function<String, bool> = Function::new("ask");
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let mock = MockExecutor::new();
/// let mut hand = mock.by_hand(ASK);
/// # let request = Request::new(ASK.reference()?, Payload::encode("well?")?);
/// # let task = Intake::new(Arc::new(mock.clone())).admit(request).await?;
/// # let id = task.id.clone();
/// # mock.submit(vec![task]).await?;
/// // the program under test calls ASK, and then:
/// let job = hand.next().await;
/// assert_eq!(job.input(), "well?");
/// job.context().progress(0.5, "thinking");
/// job.reply(Ok(true));
/// # assert_eq!(outcome(&mock, &id).await?.decode::<bool>()?, true);
/// # Ok::<(), function_runner_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Hand<I, O> {
    waiting: mpsc::UnboundedReceiver<Waiting>,
    types: PhantomData<fn(I) -> O>,
}

impl<I: Data, O: Data> Hand<I, O> {
    /// Waits for the next attempt.
    ///
    /// # Panics
    ///
    /// If the mock is gone, so that none can come.
    pub async fn next(&mut self) -> Job<I, O> {
        let (context, input, answer) =
            self.waiting.recv().await.expect("the mock lives as long as it is used");
        Job { context, input, answer, types: PhantomData }
    }
}

/// An attempt that waits for its answer; dropped without one, it fails for now.
#[derive(Debug)]
#[must_use = "an attempt waits until `.reply(…)`"]
pub struct Job<I, O> {
    context: Context,
    input: Payload,
    answer: oneshot::Sender<Result<Payload, Failure>>,
    types: PhantomData<fn(I) -> O>,
}

impl<I: Data, O: Data> Job<I, O> {
    /// Its input.
    ///
    /// # Panics
    ///
    /// If it is not of the function's type.
    #[must_use]
    pub fn input(&self) -> I {
        self.input.decode().expect("the input is of the function's type")
    }

    /// What its body would see, and tells by.
    #[must_use]
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// Ends the attempt.
    ///
    /// # Panics
    ///
    /// If the output cannot be JSON.
    pub fn reply(self, result: Result<O, Failure>) {
        let result =
            result.map(|output| Payload::encode(&output).expect("the output can be written as JSON"));
        // an attempt that was given up meanwhile wants no answer
        let _ = self.answer.send(result);
    }
}

/// Hands each attempt over and waits for its answer.
pub(super) struct ByHand {
    attempts: mpsc::UnboundedSender<Waiting>,
}

pub(super) fn pair<I, O>() -> (Hand<I, O>, ByHand) {
    let (attempts, waiting) = mpsc::unbounded_channel();
    (Hand { waiting, types: PhantomData }, ByHand { attempts })
}

#[async_trait]
impl Handler for ByHand {
    async fn run(&self, ctx: Context, input: Payload) -> Result<Payload, Failure> {
        let (answer, answered) = oneshot::channel();
        let sent = self.attempts.send((ctx, input, answer));
        sent.map_err(|_| "the test dropped the hand that answers this function").permanent()?;
        answered.await.map_err(|_| Failure::transient("the test dropped the attempt without an answer"))?
    }
}
