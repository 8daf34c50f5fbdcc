//! A convolution with its weights prepared.

use super::{
    super::{Activation, Conv, Plan, memory::Arena},
    isa::Isa,
    kernels::Kernels,
    layout::{Layout, Line},
    scheme::Scheme,
};

/// Bytes of transformed inputs and products that a thread works on at a time: more than the caches near a core hold,
/// as weights are read once for all squares.
const WORKING_SET: usize = 1 << 20;

/// A convolution that can be run.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) scheme: Scheme,
    pub(super) kernels: Kernels,
    /// The planes it reads, one behind the other.
    pub(super) sources: Vec<usize>,
    /// How many channels of them count; what follows in the last plane is left out.
    pub(super) depth: usize,
    /// The first plane it writes.
    pub(super) target: usize,
    /// How many planes it writes.
    pub(super) planes: usize,
    /// `[block][position][depth][width]`.
    pub(super) weights: Vec<Line>,
    /// One per output, in planes.
    pub(super) bias: Vec<Line>,
    /// By how much what is above 0 is multiplied.
    pub(super) above: f32,
    /// By how much what is below 0 is multiplied, one per output, in planes.
    pub(super) below: Vec<Line>,
    /// First planes of what is added, and how much of it.
    pub(super) plus: Vec<(usize, f32)>,
    /// How many squares are computed at a time, at most.
    pub(super) most: usize,
    /// Multiplications per pixel when they are done one by one.
    pub(super) cost: f32,
}

impl Step {
    /// Prepares a convolution.
    ///
    /// # Panics
    ///
    /// If the convolution does not fit the plan's tensors, or this processor lacks the instructions.
    pub(super) fn new(plan: &Plan, arena: &Arena, conv: &Conv, isa: Isa) -> Self {
        check(plan, arena, conv);
        let outputs = plan.channels(conv.to);
        let planes = outputs.div_ceil(16);
        let scheme = Scheme::of(conv.kernel).unwrap_or_else(|| panic!("no kernel is {} wide", conv.kernel));
        let kernels = isa.kernels(planes).unwrap_or_else(|| panic!("this processor lacks {isa:?}"));
        let sources = conv
            .from
            .iter()
            .flat_map(|from| (0..plan.channels(*from).div_ceil(16)).map(|plane| arena.first[from.0] + plane));
        let rows = rows(plan, conv);
        let slopes = match &conv.activation {
            Activation::None => vec![1.0; outputs],
            Activation::Relu => vec![0.0; outputs],
            Activation::Prelu(slopes) => slopes.clone(),
        };
        let mut step = Self {
            scheme,
            kernels,
            sources: sources.collect(),
            depth: rows.last().map_or(0, |row| row + 1),
            target: arena.first[conv.to.0],
            planes,
            weights: Vec::new(),
            bias: lines(&conv.bias),
            above: conv.times,
            below: lines(&slopes.iter().map(|slope| slope * conv.times).collect::<Vec<_>>()),
            plus: conv.plus.iter().map(|plus| (arena.first[plus.tensor.0], plus.times)).collect(),
            most: 0,
            cost: conv.weights.len() as f32,
        };
        step.weights = step.transform(conv, &rows, outputs);
        let each = (step.read_lines(kernels.rows) + step.product_lines(kernels.rows)) * size_of::<Line>();
        step.most = (WORKING_SET / each).clamp(1, 16) * kernels.rows;
        step
    }

    /// How many squares lie beside each other.
    pub(super) fn across(&self, layout: &Layout) -> usize {
        layout.width.div_ceil(self.scheme.outputs())
    }

    /// How many squares there are.
    pub(super) fn squares(&self, layout: &Layout) -> usize {
        self.across(layout) * layout.height.div_ceil(self.scheme.outputs())
    }

    /// How many squares are computed at a time, so that so many threads end together.
    pub(super) fn share(&self, squares: usize, threads: usize) -> usize {
        let rounds = squares.div_ceil(self.most * threads);
        squares.div_ceil(rounds * threads).next_multiple_of(self.kernels.rows)
    }

    /// Blocks of outputs that are multiplied at a time.
    pub(super) fn blocks(&self) -> usize {
        (self.planes * 16).div_ceil(self.kernels.width)
    }

    /// Lines from one plane of a group's transformed inputs to the next.
    pub(super) fn plane(&self) -> usize {
        // one more than there are spreads the planes over all sets of the cache
        (self.scheme.positions() + 1) * self.kernels.rows
    }

    /// Lines from one square's products to the next's.
    pub(super) fn square(&self) -> usize {
        (self.scheme.positions() * self.kernels.width / 16) | 1
    }

    /// Lines that the transformed inputs of so many squares take.
    pub(super) fn read_lines(&self, squares: usize) -> usize {
        squares.div_ceil(self.kernels.rows) * self.sources.len() * self.plane()
    }

    /// Lines that the products of so many squares take.
    pub(super) fn product_lines(&self, squares: usize) -> usize {
        self.square() * squares.next_multiple_of(self.kernels.rows)
    }

    /// Bytes of what was prepared.
    pub(super) fn bytes(&self) -> usize {
        (self.weights.len() + self.bias.len() + self.below.len()) * size_of::<Line>()
    }

    /// Weights as they are multiplied; computed in `f64`, as it is done once.
    fn transform(&self, conv: &Conv, rows: &[usize], outputs: usize) -> Vec<Line> {
        let (positions, width, inputs) = (self.scheme.positions(), self.kernels.width, rows.len());
        let mut weights = vec![Line::ZERO; self.blocks() * positions * self.depth * width / 16];
        let matrix = self.scheme.weight_matrix();
        let taps = conv.kernel * conv.kernel;
        for (index, filter) in conv.weights.chunks_exact(taps).enumerate().take(outputs * inputs) {
            let (output, input) = (index / inputs, index % inputs);
            for (position, value) in square(&matrix, filter, conv.kernel).into_iter().enumerate() {
                let row = ((output / width) * positions + position) * self.depth + rows[input];
                let place = row * width + output % width;
                weights[place / 16].0[place % 16] = value as f32;
            }
        }
        weights
    }
}

/// Where each input channel lies when planes are counted through: tensors begin at a plane of their own.
fn rows(plan: &Plan, conv: &Conv) -> Vec<usize> {
    let mut rows = Vec::new();
    let mut begin = 0;
    for from in &conv.from {
        let channels = plan.channels(*from);
        rows.extend(begin..begin + channels);
        begin += channels.next_multiple_of(16);
    }
    rows
}

/// `matrix · filter · matrixᵀ`.
fn square(matrix: &[Vec<f64>], filter: &[f32], kernel: usize) -> Vec<f64> {
    let sum = |row: &[f64], value: &dyn Fn(usize) -> f64| -> f64 {
        row.iter().enumerate().map(|(at, factor)| factor * value(at)).sum()
    };
    let half: Vec<Vec<f64>> = matrix
        .iter()
        .map(|row| (0..kernel).map(|x| sum(row, &|y| f64::from(filter[y * kernel + x]))).collect())
        .collect();
    half.iter().flat_map(|line| matrix.iter().map(|row| sum(row, &|x| line[x]))).collect()
}

fn lines(numbers: &[f32]) -> Vec<Line> {
    let line = |chunk: &[f32]| {
        let mut line = Line::ZERO;
        line.0[..chunk.len()].copy_from_slice(chunk);
        line
    };
    numbers.chunks(16).map(line).collect()
}

/// What the kernels rely on: everything they reach lies in the arena, and nothing that is written is read.
fn check(plan: &Plan, arena: &Arena, conv: &Conv) {
    let outputs = plan.channels(conv.to);
    let inputs: usize = conv.from.iter().map(|from| plan.channels(*from)).sum();
    assert!(inputs > 0 && outputs > 0, "a convolution has inputs and outputs");
    assert_eq!(conv.weights.len(), outputs * inputs * conv.kernel * conv.kernel, "all weights are there");
    assert_eq!(conv.bias.len(), outputs, "there is a bias per output");
    if let Activation::Prelu(slopes) = &conv.activation {
        assert_eq!(slopes.len(), outputs, "there is a slope per output");
    }
    let planes = |tensor: usize| {
        let first = arena.first[tensor];
        first..first + plan.tensors[tensor].channels.div_ceil(16)
    };
    let written = planes(conv.to.0);
    assert!(written.end <= arena.planes, "the result lies in the arena");
    for plus in &conv.plus {
        assert_eq!(plan.channels(plus.tensor), outputs, "what is added has as many channels");
    }
    for read in conv.from.iter().copied().chain(conv.plus.iter().map(|plus| plus.tensor)) {
        let read = planes(read.0);
        assert!(read.end <= arena.planes, "what is read lies in the arena");
        assert!(
            read.end <= written.start || written.end <= read.start,
            "nothing is read where it is written"
        );
    }
}
