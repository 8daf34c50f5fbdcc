//! What the executor gives, against the same computed one by one in 64 bits.

mod convolutions;
mod sessions;

use super::{super::direct, Network, samples::Sample};
use crate::networks::Plan;

/// Numbers of 0 to 1.
fn image(width: u32, height: u32, seed: u64) -> Vec<f32> {
    let mut sample = Sample::new(1, seed);
    (0..width * height * 3).map(|_| sample.random().abs()).collect()
}

/// Runs a network once, on a session of its own.
fn run(network: &Network, width: u32, height: u32, threads: usize, input: &[f32]) -> Vec<f32> {
    let scale = network.plan().scale as usize;
    let mut output = vec![f32::NAN; input.len() * scale * scale];
    let mut session = network.session(threads);
    session.run(width, height, input, &mut output, &|| false, &mut |_| ()).expect("nobody stops it");
    output
}

/// What it should give.
fn expected(plan: &Plan, width: u32, height: u32, input: &[f32]) -> Vec<f32> {
    direct::run(plan, width as usize, height as usize, input)
}

/// The largest difference, as a share of a full sample, or of the largest number where that is more.
fn error(got: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(got.len(), expected.len());
    let largest = expected.iter().fold(1.0, |largest: f32, number| largest.max(number.abs()));
    let differences = got.iter().zip(expected).map(|(got, expected)| (got - expected).abs());
    // a difference that is no number is larger than all
    differences.fold(0.0, |most, next| if next <= most { most } else { next }) / largest
}
