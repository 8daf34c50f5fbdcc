//! Where each tensor lies in the arena.

use super::{Plan, TensorId};

/// Channels in a plane.
pub(super) const PLANE: usize = 16;

/// Where the tensors of a plan lie, counted in planes of [`PLANE`] channels.
///
/// A tensor has `channels.div_ceil(PLANE)` planes behind each other. Tensors share planes where one is no longer
/// needed when the other is written; what a convolution reads, adds and writes never shares any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arena {
    /// How many planes there are.
    pub(super) planes: usize,
    /// The first plane of each tensor.
    pub(super) first: Vec<usize>,
}

/// From when to when a tensor must be kept, counted in convolutions; both ends belong to it.
#[derive(Clone, Copy, Debug)]
struct Life {
    tensor: usize,
    planes: usize,
    from: usize,
    to: usize,
}

impl Arena {
    /// Places the tensors of a plan that is sound.
    ///
    /// Finding the smallest arena is hard; this takes the best of a few orders, each tensor at the first place that
    /// is free for as long as it lives.
    pub(super) fn of(plan: &Plan) -> Self {
        let lives = lives(plan);
        // A stable order to start from makes the result the same on every machine.
        let long = |life: &Life| life.to - life.from + 1;
        let mut orders = [lives.clone(), lives.clone(), lives.clone(), lives];
        orders[1].sort_by_key(|life| std::cmp::Reverse(life.planes));
        orders[2].sort_by_key(|life| std::cmp::Reverse(long(life)));
        orders[3].sort_by_key(|life| std::cmp::Reverse(long(life) * life.planes));
        let placed = orders.iter().map(|order| place(order));
        // There are four orders, so there is a best one.
        placed.min_by_key(|arena| arena.planes).unwrap_or(Self { planes: 0, first: Vec::new() })
    }
}

/// How long each tensor lives, in the order in which they are written.
fn lives(plan: &Plan) -> Vec<Life> {
    let mut lives: Vec<Life> = (0..plan.tensors.len())
        .map(|tensor| Life {
            tensor,
            planes: plan.channels(TensorId(tensor)).div_ceil(PLANE),
            from: 0,
            to: 0,
        })
        .collect();
    for (step, conv) in plan.convs.iter().enumerate() {
        for read in conv.reads() {
            lives[read.0].to = step;
        }
        lives[conv.to.0].from = step;
        lives[conv.to.0].to = step;
    }
    lives[plan.output.0].to = plan.convs.len();
    lives.sort_by_key(|life| (life.from, life.tensor));
    lives
}

/// Puts each at the first place that is free while it lives.
fn place(order: &[Life]) -> Arena {
    let mut arena = Arena { planes: 0, first: vec![0; order.len()] };
    let mut placed: Vec<(usize, Life)> = Vec::with_capacity(order.len());
    for life in order {
        let mut first = 0;
        // `placed` is sorted by place, so the first gap that is wide enough is the lowest.
        for (taken, other) in &placed {
            if other.from > life.to || life.from > other.to {
                continue;
            }
            if first + life.planes <= *taken {
                break;
            }
            first = first.max(taken + other.planes);
        }
        let behind = placed.partition_point(|(taken, _)| *taken <= first);
        placed.insert(behind, (first, *life));
        arena.first[life.tensor] = first;
        arena.planes = arena.planes.max(first + life.planes);
    }
    arena
}
