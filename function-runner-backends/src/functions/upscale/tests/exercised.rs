//! `image.upscale` in every way that a queue may run it: its attempts die, are cancelled, and meet a store that fails.

use function_runner_core::{Artifact, Digest, Grant, Implementation, Quality};
use function_runner_testkit::exercise::{Exercise, Exercised, exercise};
use tokio::runtime::Runtime;

use super::{
    super::{
        UPSCALE, UpscaleInput,
        body::{Means, run},
        implementation,
    },
    Colours, Depth, Image,
    network::{memory_for, plan},
    noise,
};
use crate::networks::Network;

fn exercised(body: Implementation, image: &Image, factor: u8) -> Exercise {
    let file = image.png();
    let artifact = Artifact::new(Digest::of(&file), file.len() as u64, "image/png").named("noise.png");
    let mut grant = Grant::default();
    grant.amounts.cpu_millis = 2_000;
    exercise(body, UpscaleInput::new(artifact).factor(factor)).file(file).granted(grant)
}

fn report(exercise: Exercise) -> Exercised {
    Runtime::new().unwrap().block_on(exercise.into_future())
}

#[test]
fn by_a_filter_it_is_clean_in_every_way() {
    let image = noise(24, 20, Colours::Rgba, Depth::Eight);
    for quality in [Quality::Draft, Quality::Standard] {
        let report = report(exercised(implementation(), &image, 2).quality(quality));
        report.assert_clean();
        assert!(
            report.ways.iter().any(|(way, attempts)| *way == "failing store" && *attempts >= 8),
            "{report}"
        );
    }
}

#[test]
fn by_a_network_it_is_clean_in_every_way() {
    let image = noise(12, 60, Colours::Rgb, Depth::Eight);
    let network = Network::new(plan(4));
    let memory = memory_for(&network, &image, 16);
    let body = UPSCALE.implement_blocking(move |ctx, input| {
        let load = |_: &str| Ok(network.clone());
        run(&ctx, &input, &Means { load: &load, memory: &|_| memory })
    });
    let report = report(exercised(body, &image, 4).parameter("photo", "thick").most(12));
    report.assert_clean();
    assert!(report.checkpoints.1 >= 2, "a checkpoint for each row of tiles: {report}");
    let killed = report.ways.iter().find(|(way, _)| *way == "killed at a checkpoint").unwrap();
    assert_eq!(killed.1, 2 * report.checkpoints.1.min(12), "{report}");
}
