//! Fan-out: one function over many inputs, a bounded number at a time.

use std::{
    fmt,
    pin::Pin,
    task::{Context as Waker, Poll, ready},
};

use function_runner_core::{Data, Result};
use futures::{Stream, StreamExt as _, stream::FuturesUnordered};

use crate::Call;

/// How many calls are under way at once unless said.
const CONCURRENCY: usize = 16;

/// One function over many inputs, a bounded number at a time: made by [`Runner::map`](crate::Runner::map).
///
/// It is a [`Stream`] of `(index, Result<output>)` in the order in which the calls end, and has a `next` of its own;
/// [`outputs`](Self::outputs) waits for all and gives them in the order of the inputs. Inputs are taken only when
/// their turn has come, so there may be any number of them. Dropped half-way, it asks for the cancel of what is
/// under way.
///
/// # Examples
///
/// ```
/// # use function_runner_client::prelude::*;
/// # const DOUBLE: Function<u32, u32> = Function::new("double");
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// # let runner = Runner::local(Registry::new().add(DOUBLE.implement(|_, n| async move { Ok(n * 2) })))?;
/// let doubled = runner.map(DOUBLE, 1..=3).concurrency(8).each(|call| call.quality(Quality::Draft)).outputs().await?;
/// assert_eq!(doubled, [2, 4, 6]);
///
/// let mut outputs = runner.map(DOUBLE, 1..=3);
/// while let Some((index, output)) = outputs.next().await {
///     assert_eq!(output?, (index as u32 + 1) * 2);
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is called until it is polled: `.outputs().await?` gives all, `.next().await` one by one"]
pub struct FanOut<'a, O> {
    calls: Box<dyn Iterator<Item = Call<O>> + Send + 'a>,
    concurrency: usize,
    next: usize,
    running: FuturesUnordered<Indexed<O>>,
}

struct Indexed<O> {
    index: usize,
    call: Call<O>,
}

impl<'a, O: Data> FanOut<'a, O> {
    pub(crate) fn new(calls: impl Iterator<Item = Call<O>> + Send + 'a) -> Self {
        Self { calls: Box::new(calls), concurrency: CONCURRENCY, next: 0, running: FuturesUnordered::new() }
    }

    /// How many calls are under way at once: 16 unless said, and at least 1.
    pub fn concurrency(mut self, calls: usize) -> Self {
        self.concurrency = calls.max(1);
        self
    }

    /// Puts every call through this: for its settings.
    pub fn each(mut self, settings: impl FnMut(Call<O>) -> Call<O> + Send + 'a) -> Self {
        self.calls = Box::new(self.calls.map(settings));
        self
    }

    /// The next call that ended: the place of its input, and its output; `None` behind the last.
    pub async fn next(&mut self) -> Option<(usize, Result<O>)> {
        std::future::poll_fn(|waker| self.poll_next_unpin(waker)).await
    }

    /// Waits for all and gives their outputs in the order of the inputs.
    ///
    /// # Errors
    ///
    /// The first error to come; what is under way then is cancelled, and no further input is taken.
    pub async fn outputs(mut self) -> Result<Vec<O>> {
        let mut outputs: Vec<Option<O>> = Vec::new();
        while let Some((index, output)) = self.next().await {
            if outputs.len() <= index {
                outputs.resize_with(index + 1, || None);
            }
            outputs[index] = Some(output?);
        }
        // each place was filled by the call of its input
        Ok(outputs.into_iter().flatten().collect())
    }
}

impl<O: Data> Stream for FanOut<'_, O> {
    type Item = (usize, Result<O>);

    fn poll_next(self: Pin<&mut Self>, waker: &mut Waker<'_>) -> Poll<Option<(usize, Result<O>)>> {
        let this = self.get_mut();
        while this.running.len() < this.concurrency
            && let Some(call) = this.calls.next()
        {
            this.running.push(Indexed { index: this.next, call });
            this.next += 1;
        }
        Poll::Ready(ready!(this.running.poll_next_unpin(waker)))
    }
}

impl<O: Data> Future for Indexed<O> {
    type Output = (usize, Result<O>);

    fn poll(mut self: Pin<&mut Self>, waker: &mut Waker<'_>) -> Poll<Self::Output> {
        let index = self.index;
        Pin::new(&mut self.call).poll(waker).map(|output| (index, output))
    }
}

impl<O> fmt::Debug for FanOut<'_, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FanOut({} taken, {} under way)", self.next, self.running.len())
    }
}
