//! One convolution at a time: sizes, channels, kernels, activations and what is added, on all instruction sets.

use super::{error, expected, image, run};
use crate::networks::{Activation, Isa, Network, Plan, cpu::samples::Sample};

const SIZES: [(u32, u32); 6] = [(1, 1), (7, 5), (64, 64), (1, 200), (200, 1), (13, 3)];

const CHANNELS: [usize; 9] = [1, 3, 4, 16, 17, 31, 48, 64, 192];

/// Multiplications that a case may take when done one by one.
const LIMIT: usize = 12_000_000;

/// How far a number may be off. All cases but one keep 1e-5; that one, 192 channels of 3×3 to a single one over
/// 64×64 pixels, reaches 2.0e-5 at its worst pixel and 2.0e-6 in the root mean square, with each instruction set:
/// it is the rounding of squares of six by six outputs.
const LARGEST_ERROR: f32 = 2.5e-5;

/// A convolution between two of 1×1, as a network has three channels at both ends.
fn between(kernel: usize, inputs: usize, outputs: usize, seed: u64) -> Plan {
    let mut sample = Sample::new(1, seed);
    let from = sample.conv(1, &[sample.input()], inputs, Activation::None);
    let to = sample.conv(kernel, &[from], outputs, Activation::None);
    sample.conv(1, &[to], 3, Activation::None);
    sample.finish()
}

fn same(plan: &Plan, (width, height): (u32, u32), what: &str) {
    let input = image(width, height, 7);
    let expected = expected(plan, width, height, &input);
    for isa in Isa::all_here() {
        let network = Network::with_isa(plan.clone(), isa);
        let error = error(&run(&network, width, height, 1, &input), &expected);
        assert!(error < LARGEST_ERROR, "{what}, {width}×{height}, {isa:?}: off by {error}");
    }
}

/// Every pair of channels and size, as long as computing it one by one is no waste of time.
fn all_of(kernel: usize) {
    let mut cases = 0;
    for (seed, inputs) in CHANNELS.into_iter().enumerate() {
        for outputs in CHANNELS {
            for size in SIZES {
                let cost = inputs * outputs * kernel * kernel * (size.0 * size.1) as usize;
                if cost < LIMIT {
                    let plan = between(kernel, inputs, outputs, seed as u64);
                    same(&plan, size, &format!("{kernel}×{kernel}, {inputs} to {outputs} channels"));
                    cases += 1;
                }
            }
        }
    }
    assert!(cases > 350, "only {cases} cases are cheap enough");
}

#[test]
fn kernels_of_one() {
    all_of(1);
}

#[test]
fn kernels_of_three() {
    all_of(3);
}

#[test]
fn kernels_of_five() {
    all_of(5);
}

#[test]
fn several_tensors_are_read_one_behind_the_other() {
    for kernel in [1, 3, 5] {
        for counts in [[3, 64], [64, 3], [17, 31], [1, 1], [16, 16]] {
            let mut sample = Sample::new(2, 3);
            let input = sample.input();
            let from = counts.map(|count| sample.conv(1, &[input], count, Activation::None));
            sample.conv(kernel, &[from[0], input, from[1], from[0]], 12, Activation::None);
            same(&sample.finish(), (13, 8), &format!("{kernel}×{kernel} of {counts:?} and the input"));
        }
    }
}

#[test]
fn activations_factors_and_addends() {
    for kernel in [1, 3, 5] {
        for channels in [3, 17, 48] {
            for times in [1.0, 0.2, -0.7] {
                let mut sample = Sample::new(1, 11);
                let prelu = sample.prelu(channels);
                for activation in [Activation::None, Activation::Relu, prelu] {
                    let mut sample = Sample::new(1, 5);
                    let what = format!("{kernel}×{kernel} of {channels} times {times} with {activation:?}");
                    let one = sample.conv(1, &[sample.input()], channels, Activation::None);
                    let two = sample.conv(3, &[one], channels, activation.clone());
                    sample.add(times, &[(one, 0.3)]);
                    let three = sample.conv(kernel, &[two], channels, activation);
                    sample.add(times, &[(one, -1.0), (two, 0.5)]);
                    sample.conv(1, &[three], 3, Activation::None);
                    same(&sample.finish(), (9, 7), &what);
                }
            }
        }
    }
}
