//! The typed face of a function: a constant that names it, and the body that implements it.

use std::{fmt, marker::PhantomData, panic::resume_unwind, sync::Arc};

use async_trait::async_trait;
use futures::future::BoxFuture;
use schemars::{JsonSchema, schema_for};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    Classify as _, Context, Failure, FunctionRef, Handler, Implementation, Name, Payload,
    ResourceRequirement, Result, Template, Version, Wanted, schema,
};

/// What can be the input or output of a function: everything that serde reads and writes and schemars describes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the input or output of a function",
    label = "this type cannot travel",
    note = "write `#[derive(Serialize, Deserialize, JsonSchema)]` above it (all three, also on the types of its fields)",
    note = "the derives come with the prelude and need serde in your Cargo.toml: `cargo add serde`"
)]
pub trait Data: Serialize + DeserializeOwned + JsonSchema + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + JsonSchema + Send + 'static> Data for T {}

/// An `async` body; the bound beside it (`Fn(Context, I) -> R`) is what lets closures leave their types out.
#[diagnostic::on_unimplemented(
    message = "this cannot be the body of a function from `{I}` to `{O}`",
    label = "gives `{R}`, not a future of `Result<{O}, Failure>`",
    note = "a body is `async fn(Context, {I}) -> Result<{O}, Failure>`",
    note = "a plain `fn` goes to `implement_blocking`"
)]
pub trait AsyncBody<I, O, R>: Send + Sync + 'static {
    /// Starts one attempt.
    fn start(&self, ctx: Context, input: I) -> BoxFuture<'static, Result<O, Failure>>;
}

#[diagnostic::do_not_recommend]
impl<F, I, O, R> AsyncBody<I, O, R> for F
where
    F: Fn(Context, I) -> R + Send + Sync + 'static,
    R: Future<Output = Result<O, Failure>> + Send + 'static,
{
    fn start(&self, ctx: Context, input: I) -> BoxFuture<'static, Result<O, Failure>> {
        Box::pin(self(ctx, input))
    }
}

/// A function by its name, version and types: a constant that callers and workers share.
///
/// # Examples
///
/// ```
/// use function_runner_core::{Context, Failure, Function, Registry};
///
/// const LENGTH: Function<String, usize> = Function::new("text.length").version("1.1.0");
///
/// async fn length(_: Context, text: String) -> Result<usize, Failure> {
///     Ok(text.chars().count())
/// }
/// let registry = Registry::new().add(LENGTH.implement(length));
/// assert!(registry.check().is_ok());
/// ```
pub struct Function<I, O> {
    name: &'static str,
    version: &'static str,
    types: PhantomData<fn(I) -> O>,
}

impl<I, O> Clone for Function<I, O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<I, O> Copy for Function<I, O> {}

impl<I, O> fmt::Debug for Function<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Function({}@{})", self.name, self.version)
    }
}

impl<I, O> Function<I, O> {
    /// A function of this name, 1 to 64 of `[a-z0-9._-]`, at version 1.0.0.
    ///
    /// A name that is none is told by whoever takes the registry, or by the call.
    #[must_use]
    pub const fn new(name: &'static str) -> Self
    where
        I: Data,
        O: Data,
    {
        Self { name, version: "1.0.0", types: PhantomData }
    }

    /// The same function at this version, three numbers.
    #[must_use]
    pub const fn version(mut self, version: &'static str) -> Self {
        self.version = version;
        self
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What a typed call writes: the name at its major and minor version.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidCall`](crate::ErrorKind::InvalidCall) where name or version is none.
    pub fn reference(&self) -> Result<FunctionRef> {
        let version: Version = self.version.parse()?;
        Ok(FunctionRef::new(Name::new(self.name)?, Wanted::Minor(version.major, version.minor)))
    }

    /// Its declaration: the schemas of its types, strict about unknown fields of the input.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidCall`](crate::ErrorKind::InvalidCall) where name or version is none.
    pub fn template(&self) -> Result<Template>
    where
        I: Data,
        O: Data,
    {
        let mut input: Value = schema_for!(I).into();
        schema::close(&mut input);
        Ok(Template::new(Name::new(self.name)?, self.version.parse()?, input, schema_for!(O).into()))
    }

    /// Implements it by an `async` body, which must not block its thread; it takes one of a worker's slots unless
    /// it says otherwise.
    pub fn implement<F, R>(&self, body: F) -> Implementation
    where
        I: Data,
        O: Data,
        F: Fn(Context, I) -> R + AsyncBody<I, O, R>,
        R: Send + 'static,
    {
        let body = Body { body, types: PhantomData::<fn(I) -> (O, R)> };
        self.implement_with(body).requires(ResourceRequirement::new().slots(1))
    }

    /// Implements it by a body that computes or blocks, on a thread of its own; it takes 1000 millicores unless it
    /// says otherwise, held until the thread returns.
    pub fn implement_blocking<F>(&self, body: F) -> Implementation
    where
        I: Data,
        O: Data,
        F: Fn(Context, I) -> Result<O, Failure> + Send + Sync + 'static,
    {
        let body = Arc::new(body);
        let start = move |ctx: Context, input: I| {
            let (body, hold) = (body.clone(), ctx.hold());
            let thread = move || {
                let _hold = hold;
                body(ctx, input)
            };
            async move {
                match tokio::task::spawn_blocking(thread).await {
                    Ok(result) => result,
                    Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
                    Err(_) => Err(Failure::cancelled()),
                }
            }
        };
        self.implement(start).requires(ResourceRequirement::new().cpu_millis(1000))
    }

    /// Implements it by a handler, which sees JSON: a kernel, a remote model server.
    pub fn implement_with(&self, handler: impl Handler) -> Implementation
    where
        I: Data,
        O: Data,
    {
        Implementation::from_function(self.name, self.template(), Arc::new(handler))
    }
}

/// A typed body as a handler.
struct Body<F, T> {
    body: F,
    types: PhantomData<T>,
}

#[async_trait]
impl<F: AsyncBody<I, O, R>, I: Data, O: Data, R: 'static> Handler for Body<F, fn(I) -> (O, R)> {
    async fn run(&self, ctx: Context, input: Payload) -> Result<Payload, Failure> {
        let output = self.body.start(ctx, input.decode().invalid_input()?).await?;
        Payload::encode(&output).map_err(|error| {
            Failure::permanent(format_args!("the output cannot be sent: {}", error.message()))
                .code("invalid_output")
        })
    }
}
