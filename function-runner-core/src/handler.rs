//! The erased body of a function, as a worker runs it.

use async_trait::async_trait;

use crate::{Context, Failure, Payload};

/// The erased body of a function: what closures, kernels and remote model servers all become.
///
/// A handler must stop soon after [`Context::cancelled`] fires; one that does not is dropped when its attempt ends.
/// It must not block the thread: work that does belongs into
/// [`implement_blocking`](crate::Function::implement_blocking).
///
/// # Examples
///
/// ```
/// use async_trait::async_trait;
/// use function_runner_core::{Classify, Context, Failure, Handler, Payload};
///
/// struct Shout;
///
/// #[async_trait]
/// impl Handler for Shout {
///     async fn run(&self, _: Context, input: Payload) -> Result<Payload, Failure> {
///         let text: String = input.decode().invalid_input()?;
///         Ok(Payload::encode(&text.to_uppercase())?)
///     }
/// }
/// ```
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Runs one attempt on this input, JSON that fits the function's schema.
    ///
    /// # Errors
    ///
    /// What the function says went wrong.
    async fn run(&self, ctx: Context, input: Payload) -> Result<Payload, Failure>;
}
