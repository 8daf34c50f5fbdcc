//! What a network is: a flat list of convolutions over tensors of one size.
//!
//! A plan knows nothing of processors. All its tensors have the width and height of the source tile: what lies behind
//! an upsampling step in the model as published is folded, when it is converted, into convolutions before it, which
//! is exact. So one arena of planes holds everything, and how many planes is known before anything runs.

/// A network of convolutions that makes an image [`scale`](Self::scale) times larger.
///
/// The first tensor is the input: three channels (red, green, blue) of 0 to [`range`](Self::range). The output tensor
/// has `3 · scale²` channels; channel `(dy · scale + dx) · 3 + c` is colour `c` of the pixel at row `dy`, column `dx`
/// of the square that a source pixel becomes. Around a tensor everything is 0, as in the models' own runtimes with
/// padding "same".
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// How many times wider and higher the output is: 1 to 8.
    pub scale: u32,
    /// The value of a full sample, at input and output.
    pub range: f32,
    /// How many source pixels away a pixel can count: with tiles that overlap so far, tiling is exact.
    pub radius: u32,
    /// The overlap at which tiling stays within half of one 8-bit step, as measured when the model was converted.
    pub overlap: u32,
    /// All tensors; the first is the input.
    pub tensors: Vec<Tensor>,
    /// The work, in order.
    pub convs: Vec<Conv>,
    /// The tensor that is the result.
    pub output: TensorId,
}

/// The place of a tensor in [`Plan::tensors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TensorId(pub usize);

/// Channels of numbers, one per pixel of the tile.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tensor {
    /// Its name in the file.
    pub name: String,
    /// How many channels: 1 to 1024.
    pub channels: usize,
}

/// One step: `to = times · activation(bias + weights ∗ concat(from)) + Σ plus`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Conv {
    /// What it reads, one behind the other.
    pub from: Vec<TensorId>,
    /// What it writes; no tensor is written twice, nor read before it is written.
    pub to: TensorId,
    /// Side of the square of weights: 1, 3 or 5.
    pub kernel: usize,
    /// `[out][in][ky][kx]`, where `in` counts through `from`.
    pub weights: Vec<f32>,
    /// One per channel of `to`.
    pub bias: Vec<f32>,
    /// What is done to each sum.
    pub activation: Activation,
    /// By how much the result of the activation is multiplied.
    pub times: f32,
    /// Tensors of as many channels that are added, each by its own measure.
    pub plus: Vec<Plus>,
}

/// A tensor that is added to a result.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Plus {
    /// What is added.
    pub tensor: TensorId,
    /// By how much it is multiplied.
    pub times: f32,
}

/// What is done to a sum before it is stored.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// Nothing.
    None,
    /// `max(x, 0)`.
    Relu,
    /// `x` where it is positive, else `slope · x`, with a slope per channel.
    Prelu(Vec<f32>),
}

impl Plan {
    /// How many channels a tensor has.
    pub(crate) fn channels(&self, tensor: TensorId) -> usize {
        self.tensors[tensor.0].channels
    }

    /// Multiplications per source pixel when they are done one by one.
    #[must_use]
    pub fn multiplications(&self) -> u64 {
        self.convs.iter().map(|conv| conv.weights.len() as u64).sum()
    }
}

impl Conv {
    /// Every tensor that it needs, what is added included.
    pub(crate) fn reads(&self) -> impl Iterator<Item = TensorId> {
        self.from.iter().copied().chain(self.plus.iter().map(|plus| plus.tensor))
    }
}
