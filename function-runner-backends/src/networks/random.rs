//! Plans and images that look random, the same for the same seed on every machine.

use super::{Activation, Conv, Plan, Plus, Tensor, TensorId};

/// Numbers that look random.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// Dice that fall as the seed says.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 up to, not including, `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }

    /// From 0 to 1.
    pub(super) fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// An image of so many pixels.
    pub(super) fn image(&mut self, width: usize, height: usize) -> Vec<f32> {
        (0..width * height * 3).map(|_| self.unit()).collect()
    }

    /// SplitMix64 (Steele, Lea and Flood 2014).
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }
}

/// A sound plan of up to so many convolutions, of all kinds there are; its samples stay near 0 to 1.
pub(super) fn plan(seed: u64, convs: usize) -> Plan {
    let dice = &mut Dice::new(seed);
    let scale = 1 + dice.below(3);
    let tensor = |name: usize, channels| Tensor { name: format!("t{name}"), channels };
    let mut plan = Plan {
        scale: scale as u32,
        range: [1.0, 255.0][dice.below(2)],
        radius: 0,
        overlap: 0,
        tensors: vec![tensor(0, 3)],
        convs: Vec::new(),
        output: TensorId(0),
    };
    let convs = 1 + dice.below(convs);
    for index in 1..=convs {
        let common = [1, 3, 8, 16, 17, 24, 33][dice.below(7)];
        let channels = if index == convs { 3 * scale * scale } else { common };
        plan.tensors.push(tensor(index, channels));
        let conv = random_conv(dice, &plan, index);
        plan.convs.push(conv);
    }
    plan.output = TensorId(convs);
    plan.radius = plan.reach();
    plan.overlap = plan.radius;
    plan
}

fn random_conv(dice: &mut Dice, plan: &Plan, to: usize) -> Conv {
    // The newest tensor is always read, so that the plan is as deep as it is long.
    let older = (0..dice.below(3)).map(|_| TensorId(dice.below(to)));
    let from: Vec<TensorId> = std::iter::once(TensorId(to - 1)).chain(older).collect();
    let out = plan.tensors[to].channels;
    let input: usize = from.iter().map(|from| plan.channels(*from)).sum();
    let kernel = [1, 3, 3, 3, 5][dice.below(5)];
    let count = input * kernel * kernel;
    // Sums of so many terms keep the size of what goes in.
    let measure = 2.0 / (count as f32).sqrt();
    let same = (0..to).filter(|tensor| plan.tensors[*tensor].channels == out);
    let plus =
        same.take(dice.below(3)).map(|tensor| Plus { tensor: TensorId(tensor), times: dice.unit() - 0.5 });
    let plus = plus.collect();
    Conv {
        from,
        to: TensorId(to),
        kernel,
        weights: (0..out * count).map(|_| (dice.unit() - 0.5) * measure).collect(),
        bias: (0..out).map(|_| (dice.unit() - 0.5) * plan.range * 0.1).collect(),
        activation: match dice.below(3) {
            0 => Activation::None,
            1 => Activation::Relu,
            _ => Activation::Prelu((0..out).map(|_| dice.unit() - 0.5).collect()),
        },
        times: [1.0, 0.2, -0.5][dice.below(3)],
        plus,
    }
}
