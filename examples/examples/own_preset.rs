//! An operator's own `image.upscale`: the same body with a network of one's choice, and what a task of it may take.
//!
//! `cargo run --release --example own_preset -- slim INPUT OUTPUT [2|4]`

use std::{env, fs, time::Instant};

use function_runner_backends::functions::upscale::{Network, Style, UPSCALE, UpscaleInput, upscale};
use function_runner_client::{Error, prelude::*};
use function_runner_core::ResourceRequirement;
use serde::de::IntoDeserializer;

/// The function as this operator declares it: no presets, so every quality is this network.
fn declared(network: Network) -> Registry {
    let needs = ResourceRequirement::new().cpu_millis(2000).memory_mib(network.memory_mib());
    let upscale = UPSCALE
        .implement_blocking(upscale)
        .title("Make an image larger, by a network of our choice")
        .requires(needs)
        .set(Style::Photo.parameter(), network)
        .set(Style::Art.parameter(), network);
    Registry::new().add(upscale)
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [network, input, output, rest @ ..] = &arguments[..] else {
        return Err(usage("give three arguments"));
    };
    let network = Network::deserialize(network.as_str().into_deserializer())
        .map_err(|error: serde::de::value::Error| usage(error.to_string()))?;
    let factor = match rest {
        [] => 4,
        [factor] => factor.parse().map_err(|_| usage("the factor is 2 or 4"))?,
        _ => return Err(usage("give at most four arguments")),
    };
    let begin = Instant::now();
    let runner = Runner::local(declared(network))?;
    let image = runner.upload(input).await?;
    let result = runner.call(UPSCALE, UpscaleInput::new(image).factor(factor)).await?;
    runner.download(&result.image, output).await?;
    runner.close().await?;
    println!("{} × {} · {:.1} s{}", result.width, result.height, begin.elapsed().as_secs_f64(), peak());
    Ok(())
}

/// The most memory that this process has had, as Linux tells it.
fn peak() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    let mib = line.and_then(|kib| kib.parse::<u64>().ok()).map(|kib| kib / 1024);
    mib.map(|mib| format!(" · peak {mib} MiB")).unwrap_or_default()
}

fn usage(message: impl Into<String>) -> Error {
    let help = "own_preset slim|medium|thick|thick-ensemble|animevideo|lanczos|bilinear INPUT OUTPUT [2|4]";
    Error::new(ErrorKind::InvalidCall, message.into()).with_help(help)
}
