//! The arena: what lives at the same time lies apart, and little is wasted.

use proptest::prelude::{any, prop_assert, proptest};

use crate::networks::{Activation, Conv, Plan, Plus, Tensor, TensorId, memory::Arena, memory::PLANE, random};

proptest! {
    #[test]
    fn what_lives_at_the_same_time_lies_apart(seed in any::<u64>(), convs in 1_usize..40) {
        let plan = random::plan(seed, convs);
        let arena = Arena::of(&plan);
        prop_assert!(overlapping(&plan, &arena).is_none(), "{:?} in {arena:?}", overlapping(&plan, &arena));
        prop_assert!(arena.planes >= bound(&plan));
    }
}

#[test]
fn tensors_that_share_planes_are_found() {
    let plan = random::plan(1, 1);
    let arena = Arena { planes: 2, first: vec![0, 0] };
    assert_eq!(overlapping(&plan, &arena), Some((0, 1)));
}

#[test]
fn a_tensor_that_nobody_reads_has_its_place() {
    let mut plan = residual_in_residual(1, 16, 16, 1);
    plan.tensors.push(Tensor { name: "unread".to_owned(), channels: 1000 });
    let unread = TensorId(plan.tensors.len() - 1);
    plan.convs.insert(3, conv(&plan, vec![TensorId(0)], unread, Vec::new()));
    let arena = Arena::of(&plan);
    assert_eq!(overlapping(&plan, &arena), None);
    assert!(arena.planes >= 1000_usize.div_ceil(PLANE));
}

/// The bound is the most that one convolution needs alive: no arena can be smaller.
#[test]
fn a_residual_network_wastes_nothing() {
    // The shape of the largest network: 23 blocks of 3 dense blocks of 5 convolutions, 64 channels and 32.
    for (blocks, channels, growth) in [(23, 64, 32), (1, 64, 32), (4, 32, 16), (6, 40, 20)] {
        let plan = residual_in_residual(blocks, channels, growth, 4);
        plan.check_structure().unwrap();
        let arena = Arena::of(&plan);
        assert_eq!(overlapping(&plan, &arena), None);
        assert_eq!(arena.planes, bound(&plan), "{blocks} blocks, {channels} and {growth} channels");
    }
    let largest = Arena::of(&residual_in_residual(23, 64, 32, 4));
    assert_eq!(largest.planes, 24);
}

/// Two tensors that are needed by the same convolution, or across one, and share a plane.
fn overlapping(plan: &Plan, arena: &Arena) -> Option<(usize, usize)> {
    let planes = |tensor: usize| {
        let count = plan.channels(TensorId(tensor)).div_ceil(PLANE);
        arena.first[tensor]..arena.first[tensor] + count
    };
    assert!((0..plan.tensors.len()).all(|tensor| planes(tensor).end <= arena.planes));
    (0..plan.convs.len()).find_map(|step| {
        let alive = alive(plan, step);
        let pairs = alive.iter().flat_map(|a| alive.iter().map(move |b| (*a, *b)));
        pairs.filter(|(a, b)| a < b).find(|(a, b)| {
            let (a, b) = (planes(*a), planes(*b));
            a.start < b.end && b.start < a.end
        })
    })
}

/// What a convolution needs, writes or must leave as it is, told anew from the plan.
fn alive(plan: &Plan, step: usize) -> Vec<usize> {
    let written = |tensor: usize| tensor == 0 || plan.convs[..=step].iter().any(|conv| conv.to.0 == tensor);
    let needed = |tensor: usize| {
        let read = plan.convs[step..].iter().any(|conv| conv.reads().any(|read| read.0 == tensor));
        read || plan.output.0 == tensor || plan.convs[step].to.0 == tensor
    };
    (0..plan.tensors.len()).filter(|tensor| written(*tensor) && needed(*tensor)).collect()
}

/// The most planes that any convolution needs.
fn bound(plan: &Plan) -> usize {
    let planes = |tensor: usize| plan.channels(TensorId(tensor)).div_ceil(PLANE);
    let at = |step| alive(plan, step).into_iter().map(planes).sum();
    (0..plan.convs.len()).map(at).max().unwrap_or(0)
}

/// Blocks of three dense blocks, each with five convolutions (Wang et al. 2018, ESRGAN), and the convolutions around.
fn residual_in_residual(blocks: usize, channels: usize, growth: usize, scale: usize) -> Plan {
    let mut plan = random::plan(0, 1);
    plan.scale = scale as u32;
    plan.convs.clear();
    plan.tensors.truncate(1);
    let trunk = write(&mut plan, channels, vec![TensorId(0)], Vec::new());
    let mut block = trunk;
    for _ in 0..blocks {
        let begin = block;
        for dense in 0..3 {
            let mut read = vec![block];
            for _ in 0..4 {
                let grown = write(&mut plan, growth, read.clone(), Vec::new());
                read.push(grown);
            }
            let mut plus = vec![Plus { tensor: block, times: 1.0 }];
            if dense == 2 {
                plus.push(Plus { tensor: begin, times: 1.0 });
            }
            block = write(&mut plan, channels, read, plus);
        }
    }
    let sum = write(&mut plan, channels, vec![block], vec![Plus { tensor: trunk, times: 1.0 }]);
    plan.output = write(&mut plan, 3 * scale * scale, vec![sum], Vec::new());
    plan.radius = plan.reach();
    plan
}

fn write(plan: &mut Plan, channels: usize, from: Vec<TensorId>, plus: Vec<Plus>) -> TensorId {
    let to = TensorId(plan.tensors.len());
    plan.tensors.push(Tensor { name: format!("t{}", to.0), channels });
    let conv = conv(plan, from, to, plus);
    plan.convs.push(conv);
    to
}

fn conv(plan: &Plan, from: Vec<TensorId>, to: TensorId, plus: Vec<Plus>) -> Conv {
    let out = plan.channels(to);
    Conv {
        from,
        to,
        kernel: 3,
        weights: Vec::new(),
        bias: vec![0.0; out],
        activation: Activation::None,
        times: 1.0,
        plus,
    }
}
