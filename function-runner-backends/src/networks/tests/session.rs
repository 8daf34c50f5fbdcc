//! Sessions: as the sums say one by one, and the same in tiles as at once.

use proptest::{
    prelude::{ProptestConfig, any, prop_assert},
    proptest,
};

use crate::networks::{
    Network, Rect, Session, Tiling, direct,
    random::{self, Dice},
};

/// How far samples may be apart that are computed in another order, as a share of the largest.
const NEAR: f32 = 1e-4;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_session_computes_what_the_plan_says(
        seed in any::<u64>(), convs in 1_usize..8, width in 1_u32..40, height in 1_u32..40, threads in 1_usize..4,
    ) {
        let plan = random::plan(seed, convs);
        let input = Dice::new(seed).image(width as usize, height as usize);
        let said = direct::run(&plan, width as usize, height as usize, &input);
        let network = Network::new(plan);
        let computed = run(&network, &mut network.session(threads), width, height, &input);
        prop_assert!(apart(&computed, &said) < NEAR, "{} apart", apart(&computed, &said));
    }

    #[test]
    fn tiles_that_overlap_by_the_radius_are_the_whole(
        seed in any::<u64>(), convs in 1_usize..7, width in 20_u32..80, height in 20_u32..80, most in 400_u32..3000,
    ) {
        let network = Network::new(random::plan(seed, convs));
        let radius = network.plan().radius;
        let fits = |width: u32, height: u32| width * height <= most.max(16 * radius * radius);
        let tiling = Tiling::new(width, height, radius, &fits).expect("a core is shorter than two radii, a tile than four");
        let input = Dice::new(seed).image(width as usize, height as usize);
        let mut session = network.session(2);
        let whole = run(&network, &mut session, width, height, &input);
        let tiled = tiled(&network, &mut session, &tiling, width, height, &input);
        prop_assert!(apart(&tiled, &whole) < NEAR, "{} apart in {tiling:?}", apart(&tiled, &whole));
    }
}

#[test]
fn tiles_that_overlap_less_than_the_radius_are_seen() {
    let mut plan = random::plan(3, 1);
    let conv = &mut plan.convs[0];
    conv.kernel = 5;
    conv.weights = vec![0.1; plan.tensors[1].channels * 3 * 25];
    plan.radius = plan.reach();
    let network = Network::new(plan);
    let input = Dice::new(3).image(30, 30);
    let tiling = Tiling::new(30, 30, 1, &|width, height| width * height <= 400).unwrap();
    let mut session = network.session(1);
    let whole = run(&network, &mut session, 30, 30, &input);
    let tiled = tiled(&network, &mut session, &tiling, 30, 30, &input);
    assert!(apart(&tiled, &whole) > 10.0 * NEAR);
}

fn run(network: &Network, session: &mut Session, width: u32, height: u32, input: &[f32]) -> Vec<f32> {
    let scale = network.plan().scale as usize;
    let mut output = vec![f32::NAN; input.len() * scale * scale];
    session.run(width, height, input, &mut output, &|| false, &mut |_| {}).expect("nobody stops it");
    output
}

fn tiled(
    network: &Network,
    session: &mut Session,
    tiling: &Tiling,
    width: u32,
    height: u32,
    input: &[f32],
) -> Vec<f32> {
    let scale = network.plan().scale;
    let mut output = vec![f32::NAN; input.len() * (scale * scale) as usize];
    for tile in tiling.rows.iter().flat_map(|row| &row.tiles) {
        let Rect { left, top, width: across, height: down } = tile.source;
        let mut source = vec![0.0; (across * down * 3) as usize];
        copy(input, width, (left, top), &mut source, across, (0, 0), (across, down));
        let result = run(network, session, across, down, &source);
        let core = tile.core;
        let inside = ((core.left - left) * scale, (core.top - top) * scale);
        let size = (core.width * scale, core.height * scale);
        copy(
            &result,
            across * scale,
            inside,
            &mut output,
            width * scale,
            (core.left * scale, core.top * scale),
            size,
        );
    }
    assert_eq!(output.len(), (width * height * 3 * scale * scale) as usize);
    output
}

/// Copies a rectangle of samples from one image to another.
fn copy(
    from: &[f32],
    from_width: u32,
    from_at: (u32, u32),
    to: &mut [f32],
    to_width: u32,
    to_at: (u32, u32),
    size: (u32, u32),
) {
    let samples = 3 * size.0 as usize;
    for row in 0..size.1 {
        let read = 3 * ((from_at.1 + row) * from_width + from_at.0) as usize;
        let write = 3 * ((to_at.1 + row) * to_width + to_at.0) as usize;
        to[write..write + samples].copy_from_slice(&from[read..read + samples]);
    }
}

/// The largest difference, as a share of the largest sample or of 1.
fn apart(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    let largest = one.iter().chain(other).fold(1.0, |largest: f32, sample| largest.max(sample.abs()));
    let apart = one.iter().zip(other).map(|(one, other)| (one - other).abs());
    // A sample that was never written is NaN, which no comparison would see.
    apart.fold(0.0, |most: f32, apart| if apart.is_nan() { f32::INFINITY } else { most.max(apart) }) / largest
}
