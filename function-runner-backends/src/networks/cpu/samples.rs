//! Networks of random weights, in the shapes of those that are published, to test with.

use super::super::{Activation, Conv, Plan, Plus, Tensor, TensorId, random::Dice};

/// Plans of random weights are built step by step.
#[derive(Debug)]
pub(super) struct Sample {
    plan: Plan,
    dice: Dice,
}

impl Sample {
    /// A plan that has an input and nothing else; the seed makes its weights.
    pub(super) fn new(scale: u32, seed: u64) -> Self {
        let input = Tensor { name: "input".to_owned(), channels: 3 };
        let plan = Plan {
            scale,
            range: 1.0,
            radius: 0,
            overlap: 0,
            tensors: vec![input],
            convs: Vec::new(),
            output: TensorId(0),
        };
        Self { plan, dice: Dice::new(seed) }
    }

    /// The input.
    pub(super) fn input(&self) -> TensorId {
        TensorId(0)
    }

    /// The next number of −1 to 1.
    pub(super) fn random(&mut self) -> f32 {
        2.0 * self.dice.unit() - 1.0
    }

    /// Adds a convolution to a new tensor, with weights that keep numbers about as large as they are.
    pub(super) fn conv(
        &mut self,
        kernel: usize,
        from: &[TensorId],
        channels: usize,
        activation: Activation,
    ) -> TensorId {
        let to = TensorId(self.plan.tensors.len());
        self.plan.tensors.push(Tensor { name: format!("t{}", to.0), channels });
        let inputs: usize = from.iter().map(|from| self.plan.channels(*from)).sum();
        let each = inputs * kernel * kernel;
        let measure = (3.0 / each as f32).sqrt();
        let weights = (0..channels * each).map(|_| self.random() * measure).collect();
        let bias = (0..channels).map(|_| self.random() * 0.1).collect();
        let from = from.to_vec();
        self.plan.convs.push(Conv {
            from,
            to,
            kernel,
            weights,
            bias,
            activation,
            times: 1.0,
            plus: Vec::new(),
        });
        to
    }

    /// Multiplies what the last convolution gives, and adds tensors to it.
    pub(super) fn add(&mut self, times: f32, plus: &[(TensorId, f32)]) {
        if let Some(conv) = self.plan.convs.last_mut() {
            conv.times = times;
            conv.plus = plus.iter().map(|(tensor, times)| Plus { tensor: *tensor, times: *times }).collect();
        }
    }

    /// Random slopes of −0.5 to 0.5.
    pub(super) fn prelu(&mut self, channels: usize) -> Activation {
        Activation::Prelu((0..channels).map(|_| self.random() * 0.5).collect())
    }

    /// The plan, whose output is what the last convolution gives.
    pub(super) fn finish(mut self) -> Plan {
        self.plan.output = TensorId(self.plan.tensors.len() - 1);
        self.plan
    }
}

/// Residual dense blocks in blocks of three, as ESRGAN has them: five convolutions, each of all before it, four of
/// them giving `growth` channels.
pub(super) fn dense(blocks: usize, features: usize, growth: usize, scale: u32, seed: u64) -> Plan {
    let mut sample = Sample::new(scale, seed);
    let first = sample.conv(3, &[TensorId(0)], features, Activation::None);
    let mut before = first;
    for _ in 0..blocks {
        let entry = before;
        for inner in 0..3 {
            let mut from = vec![before];
            for _ in 0..4 {
                from.push(sample.conv(3, &from, growth, Activation::Relu));
            }
            let to = sample.conv(3, &from, features, Activation::None);
            match inner {
                2 => sample.add(0.04, &[(before, 0.2), (entry, 1.0)]),
                _ => sample.add(0.2, &[(before, 1.0)]),
            }
            before = to;
        }
    }
    let last = sample.conv(3, &[before], features, Activation::None);
    sample.add(1.0, &[(first, 1.0)]);
    let output = 3 * (scale * scale) as usize;
    let enlarged = sample.conv(3, &[last], output, Activation::Relu);
    sample.conv(3, &[enlarged], output, Activation::None);
    sample.finish()
}

/// One convolution behind the other with PReLU between, as the small networks for drawn video have them; the input
/// is given to the last once more.
pub(super) fn chain(layers: usize, features: usize, scale: u32, seed: u64) -> Plan {
    let mut sample = Sample::new(scale, seed);
    let mut before = TensorId(0);
    for _ in 0..=layers {
        let prelu = sample.prelu(features);
        before = sample.conv(3, &[before], features, prelu);
    }
    sample.conv(3, &[before, TensorId(0)], 3 * (scale * scale) as usize, Activation::None);
    sample.finish()
}
