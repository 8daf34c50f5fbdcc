//! A plan run sum by sum in 64 bits, as slow and plain as can be: what the executors are tested against.

use super::{Activation, Conv, Plan};

/// What a session is to give for this input, up to rounding.
pub(super) fn run(plan: &Plan, width: usize, height: usize, input: &[f32]) -> Vec<f32> {
    assert_eq!(input.len(), width * height * 3);
    let mut tensors: Vec<Vec<f64>> =
        plan.tensors.iter().map(|tensor| vec![0.0; tensor.channels * width * height]).collect();
    for (pixel, colours) in input.chunks_exact(3).enumerate() {
        for (channel, colour) in colours.iter().enumerate() {
            tensors[0][channel * width * height + pixel] = f64::from(*colour) * f64::from(plan.range);
        }
    }
    for conv in &plan.convs {
        tensors[conv.to.0] = convolve(conv, &tensors, width, height);
    }
    let scale = plan.scale as usize;
    let output = &tensors[plan.output.0];
    let mut image = vec![0.0; output.len()];
    for (place, sample) in image.iter_mut().enumerate() {
        let (row, rest) = (place / (width * scale * 3), place % (width * scale * 3));
        let (column, colour) = (rest / 3, rest % 3);
        let channel = ((row % scale) * scale + column % scale) * 3 + colour;
        let pixel = row / scale * width + column / scale;
        *sample = (output[channel * width * height + pixel] / f64::from(plan.range)) as f32;
    }
    image
}

fn convolve(conv: &Conv, tensors: &[Vec<f64>], width: usize, height: usize) -> Vec<f64> {
    let size = width * height;
    let (out, kernel) = (conv.bias.len(), conv.kernel);
    let from: Vec<&[f64]> = conv.from.iter().flat_map(|from| tensors[from.0].chunks_exact(size)).collect();
    let half = kernel / 2;
    let mut result = vec![0.0; out * size];
    for (place, sum) in result.iter_mut().enumerate() {
        let (channel, row, column) = (place / size, place % size / width, place % width);
        *sum = f64::from(conv.bias[channel]);
        for (read, plane) in from.iter().enumerate() {
            let weights = &conv.weights[(channel * from.len() + read) * kernel * kernel..][..kernel * kernel];
            for (tap, weight) in weights.iter().enumerate() {
                let (y, x) = (row + tap / kernel, column + tap % kernel);
                if (half..height + half).contains(&y) && (half..width + half).contains(&x) {
                    *sum += f64::from(*weight) * plane[(y - half) * width + x - half];
                }
            }
        }
        let active = match &conv.activation {
            Activation::Relu => sum.max(0.0),
            Activation::Prelu(slope) if *sum < 0.0 => *sum * f64::from(slope[channel]),
            other => {
                assert!(matches!(other, Activation::None | Activation::Prelu(_)), "{other:?}");
                *sum
            }
        };
        let added = conv.plus.iter().map(|plus| f64::from(plus.times) * tensors[plus.tensor.0][place]);
        *sum = f64::from(conv.times) * active + added.sum::<f64>();
    }
    result
}
