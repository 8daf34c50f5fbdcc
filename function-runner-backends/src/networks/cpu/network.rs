//! A plan prepared for this processor.

use super::{
    super::{Activation, NetworkError, Plan, file, memory::Arena},
    isa::Isa,
    layout::{Layout, Line},
    session::Session,
    step::Step,
};
use std::{fmt, path::Path, sync::Arc};

/// A network with its weights prepared for this processor; cheap to clone.
#[derive(Clone)]
pub struct Network(Arc<Prepared>);

struct Prepared {
    plan: Plan,
    isa: Isa,
    arena: Arena,
    steps: Vec<Step>,
}

impl Network {
    /// Reads a safetensors file and prepares it for this processor.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is not a network as this crate writes them.
    pub fn open(path: &Path) -> Result<Self, NetworkError> {
        Ok(Self::new(file::read(path)?))
    }

    /// Prepares a plan for this processor.
    ///
    /// # Panics
    ///
    /// If the plan was changed so that a convolution no longer fits its tensors or weights.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        Self::with_isa(plan, Isa::detect())
    }

    /// Prepares a plan for instructions that are not the fastest here, to compare or measure them.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new), and if [`Isa::all_here`] does not have the instructions.
    #[must_use]
    pub fn with_isa(plan: Plan, isa: Isa) -> Self {
        let arena = Arena::of(&plan);
        assert!(arena.first[0] < arena.planes, "the input lies in the arena");
        let scale = plan.scale as usize;
        assert_eq!(plan.channels(plan.output), 3 * scale * scale, "the output has three channels per pixel");
        let steps = plan.convs.iter().map(|conv| Step::new(&plan, &arena, conv, isa)).collect();
        Self(Arc::new(Prepared { plan, isa, arena, steps }))
    }

    /// What it computes.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.0.plan
    }

    /// Which instructions it is prepared for.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.0.isa
    }

    /// Bytes that the weights hold, as published and as prepared; clones and sessions share them.
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        let published = self.0.plan.convs.iter().map(|conv| {
            let slopes = match &conv.activation {
                Activation::Prelu(slopes) => slopes.len(),
                _ => 0,
            };
            (conv.weights.len() + conv.bias.len() + slopes) * size_of::<f32>()
        });
        let prepared = self.0.steps.iter().map(Step::bytes);
        published.chain(prepared).map(|bytes| bytes as u64).sum()
    }

    /// Bytes that a session of so many threads holds for tiles of at most this size, besides the weights.
    ///
    /// It is what [`Session::run`] allocates for such a tile; a larger tile in either direction never needs less.
    #[must_use]
    pub fn session_bytes(&self, width: u32, height: u32, threads: usize) -> u64 {
        let tile = self.arena_lines(&self.layout(width, height)) as u64;
        let threads = threads.max(1) as u64 * self.scratch_lines() as u64;
        (tile + threads) * size_of::<Line>() as u64
    }

    /// A session on so many threads; 0 is taken for 1.
    #[must_use]
    pub fn session(&self, threads: usize) -> Session {
        Session::new(self.clone(), threads)
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.0.steps
    }

    pub(super) fn arena(&self) -> &Arena {
        &self.0.arena
    }

    /// How planes lie for a tile of this size.
    pub(super) fn layout(&self, width: u32, height: u32) -> Layout {
        let schemes = self.0.steps.iter().map(|step| step.scheme);
        Layout::new(width as usize, height as usize, schemes)
    }

    /// Lines that all planes take.
    pub(super) fn arena_lines(&self, layout: &Layout) -> usize {
        self.0.arena.planes * layout.plane
    }

    /// Lines that a thread works in.
    pub(super) fn scratch_lines(&self) -> usize {
        let steps = self.0.steps.iter();
        steps.map(|step| step.read_lines(step.most) + step.product_lines(step.most)).max().unwrap_or_default()
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("isa", &self.0.isa)
            .field("convs", &self.0.steps.len())
            .field("weight_bytes", &self.weight_bytes())
            .finish_non_exhaustive()
    }
}
