//! A user's own functions, as the pages show them, and what every test needs.

use function_runner_client::{Capacity, Connection, Worker, prelude::*};
use tokio::task::JoinHandle;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct UpscaleInput {
    photo: String,
    #[schemars(extend("enum" = [2, 4]))]
    pub(crate) factor: u8,
}

impl UpscaleInput {
    pub(crate) fn new(photo: impl Into<String>) -> Self {
        Self { photo: photo.into(), factor: 2 }
    }

    pub(crate) fn factor(mut self, factor: u8) -> Self {
        self.factor = factor;
        self
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct UpscaleOutput {
    pub(crate) url: String,
}

impl UpscaleOutput {
    pub(crate) fn fake(factor: u8) -> Self {
        Self { url: format!("fake:{factor}") }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Network {
    Bilinear,
    Lanczos,
    Thick,
}

pub(crate) const UPSCALE: Function<UpscaleInput, UpscaleOutput> =
    Function::new("image.upscale").version("1.2.0");

pub(crate) fn upscale(ctx: Context, input: UpscaleInput) -> Result<UpscaleOutput, Failure> {
    let n = 4;
    let network: Network = ctx.parameter("network")?; // of the preset, with its type
    for tile in 1..=n {
        ctx.check()?; // cancelled? then stop here
        ctx.progress(tile as f32 / n as f32, format!("tile {tile}/{n}"));
    }
    Ok(UpscaleOutput { url: format!("{}@{}x by {network:?}", input.photo, input.factor) })
}

pub(crate) fn registry() -> Registry {
    let upscale = UPSCALE
        .implement_blocking(upscale)
        .title("Upscale an image")
        .requires(ResourceRequirement::new().cpu_millis(2000).memory_mib(800))
        .set("network", Network::Lanczos) // where a preset says nothing
        .preset(Quality::Draft, QualityPreset::new().set("network", Network::Bilinear))
        .preset(
            Quality::High,
            QualityPreset::new()
                .set("network", Network::Thick)
                .requires(ResourceRequirement::new().gpu_memory_mib(1500)),
        )
        .retry(RetryPolicy::exponential(3))
        .timeout(Duration::from_secs(120));
    Registry::new().add(upscale)
}

pub(crate) async fn make_trailer(runner: &Runner) -> Result<Vec<UpscaleOutput>> {
    let mut outputs = Vec::new();
    for photo in ["dawn", "dusk"] {
        outputs.push(runner.call(UPSCALE, UpscaleInput::new(photo)).await?);
    }
    Ok(outputs)
}

pub(crate) const DOUBLE: Function<u32, u32> = Function::new("double");

pub(crate) fn doubling() -> Registry {
    Registry::new().add(DOUBLE.implement(|_, n| async move { Ok(n * 2) }))
}

/// The same on every machine.
pub(crate) fn machine() -> Capacity {
    Capacity::new().cpu_millis(4000).memory_mib(4000).disk_mib(4000)
}

/// A store that several runners share, with its worker running beside the test.
pub(crate) fn served(registry: Registry) -> (Connection, JoinHandle<Result<()>>) {
    let queue = function_runner_backends::memory::MemoryQueue::new();
    let worker = Worker::new(std::sync::Arc::new(queue.clone()), registry).capacity(machine());
    (queue.connection(), tokio::spawn(worker.run_until(std::future::pending::<()>())))
}

/// A deadline for everything a test waits for.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("it takes no 30 s")
}
