//! The work on a few squares: transform, multiply, transform back; written once for all instruction sets.

#![expect(
    clippy::needless_range_loop,
    reason = "squares are read row by row and column by column, in several arrays"
)]

use super::{
    layout::Layout,
    scheme::{Scheme, input, output},
    step::Step,
    vector::Vector,
};
use std::{
    mem::{self, MaybeUninit},
    ops::Range,
};

/// One convolution on one tile.
pub(super) struct Job<'a> {
    pub(super) step: &'a Step,
    pub(super) layout: &'a Layout,
    /// The first number of the arena.
    pub(super) arena: *mut f32,
}

/// Multiplies the transformed inputs of so many groups with a block of weights.
pub(super) type Multiply = unsafe fn(&Job<'_>, usize, usize, *const f32, *mut f32);

/// The kernels of an instruction set.
///
/// All three are unsafe to call for the same reasons: the processor must have the instructions, the job's arena must
/// be laid out as its layout says, and the memory they are given must be as large as the step says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kernels {
    /// How many squares are multiplied at once: a group.
    pub(super) rows: usize,
    /// How many outputs are multiplied at once: a block.
    pub(super) width: usize,
    /// Transforms the inputs of some squares.
    pub(super) read: unsafe fn(&Job<'_>, Range<usize>, *mut f32),
    /// Multiplies them with a block of weights.
    pub(super) multiply: Multiply,
    /// Transforms the products back and stores the results of a block.
    pub(super) write: unsafe fn(&Job<'_>, usize, Range<usize>, *const f32),
}

impl Job<'_> {
    /// Computes the results of some squares, which are counted row by row.
    ///
    /// # Safety
    ///
    /// The arena has the planes that the step names, laid out as the layout says, and nobody else touches these
    /// squares of the target, nor writes to what the step reads. `scratch` has room for the step's `read_lines` and
    /// `product_lines` of that many squares.
    pub(super) unsafe fn run(&self, squares: Range<usize>, scratch: *mut f32) {
        let (step, kernels) = (self.step, &self.step.kernels);
        let groups = squares.len().div_ceil(kernels.rows);
        // SAFETY: the caller promises what the kernels ask for; a `Step` is made only where its kernels' instructions
        // are, and the products lie behind the transformed inputs
        unsafe {
            let products = scratch.add(step.read_lines(squares.len()) * 16);
            (kernels.read)(self, squares.clone(), scratch);
            for block in 0..step.blocks() {
                (kernels.multiply)(self, block, groups, scratch, products);
                (kernels.write)(self, block, squares.clone(), products);
            }
        }
    }
}

/// Transforms the inputs of some squares to `[group][plane][position][row of the group][16]`.
///
/// So a square is written to few pages of memory, and what is multiplied at once lies together.
///
/// # Safety
///
/// As [`Kernels`] says.
#[inline(always)]
pub(super) unsafe fn read<V: Vector>(job: &Job<'_>, squares: Range<usize>, to: *mut f32) {
    let (step, layout) = (job.step, job.layout);
    let (rows, planes, outputs) = (step.kernels.rows, step.sources.len(), step.scheme.outputs());
    let (across, back) = (step.across(layout), step.scheme.reach() * (layout.stride + 1));
    let corner = |source: usize, square: usize| {
        let corner = layout.line(square / across * outputs, square % across * outputs) - back;
        job.arena.wrapping_add((source * layout.plane + corner) * 16)
    };
    for (plane, source) in step.sources.iter().enumerate() {
        let mut from = corner(*source, squares.start);
        for (index, square) in squares.clone().enumerate() {
            let place = (index / rows * planes + plane) * step.plane() + index % rows;
            let next = match step.sources.get(plane + 1) {
                Some(next) if square + 1 == squares.end => corner(*next, squares.start),
                _ => corner(*source, square + 1),
            };
            // SAFETY: a square and its surroundings lie within the plane and its border; a transformed plane has room
            // for all positions of a group
            unsafe {
                let to = to.add(place * 16);
                match step.scheme {
                    Scheme::Single => copy::<V>(from, to),
                    Scheme::Three | Scheme::Five => {
                        read_square::<V>(from, next, layout.stride * 16, to, rows * 16);
                    }
                }
            }
            from = next;
        }
    }
}

/// # Safety
///
/// The processor has the instructions, and 16 numbers may be read and written.
#[inline(always)]
unsafe fn copy<V: Vector>(from: *const f32, to: *mut f32) {
    for part in (0..16).step_by(V::LANES) {
        // SAFETY: the caller promises so
        unsafe { V::load(from.add(part)).store(to.add(part)) }
    }
}

/// # Safety
///
/// The processor has the instructions, eight rows of eight lines may be read, and 64 lines written.
#[inline(always)]
unsafe fn read_square<V: Vector>(
    from: *const f32,
    next: *const f32,
    stride: usize,
    to: *mut f32,
    position: usize,
) {
    for part in (0..16).step_by(V::LANES) {
        // SAFETY: the caller promises so; rows, columns and positions stay below 8, 8 and 64
        unsafe {
            let zero = V::zero();
            // zeroing it would take a sixth of the time
            let mut half = [[MaybeUninit::uninit(); 8]; 8];
            for column in 0..8 {
                let mut numbers = [zero; 8];
                for row in 0..8 {
                    let number = row * stride + column * 16 + part;
                    numbers[row] = V::load(from.add(number));
                    // planes rarely fit the near caches, and eight rows are too many for the processor to foresee
                    V::fetch(next.wrapping_add(number));
                }
                let numbers = input(numbers);
                for row in 0..8 {
                    half[row][column] = MaybeUninit::new(numbers[row]);
                }
            }
            for row in 0..8 {
                let numbers = input(written(half[row]));
                for column in 0..8 {
                    numbers[column].store(to.add((row * 8 + column) * position + part));
                }
            }
        }
    }
}

/// Multiplies to `[square][position][width]`.
///
/// # Safety
///
/// As [`Kernels`] says; `ROWS` and `WIDE · LANES` are the rows and the width of the step's kernels.
#[inline(always)]
pub(super) unsafe fn multiply<V: Vector, const ROWS: usize, const WIDE: usize>(
    job: &Job<'_>,
    block: usize,
    groups: usize,
    from: *const f32,
    to: *mut f32,
) {
    let step = job.step;
    let (positions, width) = (step.scheme.positions(), WIDE * V::LANES);
    let (plane, square) = (step.plane() * 16, step.square() * 16);
    for position in 0..positions {
        for index in 0..groups {
            // SAFETY: the caller promises that all of this is there
            unsafe {
                let weights = step.weights.as_ptr().cast::<f32>();
                let weights = weights.add((block * positions + position) * step.depth * width);
                let from = from.add(index * step.sources.len() * plane + position * ROWS * 16);
                let to = to.add(index * ROWS * square + position * width);
                multiply_group::<V, ROWS, WIDE>((from, plane), weights, step.depth, (to, square));
            }
        }
    }
}

/// # Safety
///
/// The processor has the instructions; `depth` channels of `ROWS` squares, in planes so many numbers apart, and as many
/// rows of weights may be read, and `ROWS` rows of outputs written, again so many numbers apart.
#[inline(always)]
unsafe fn multiply_group<V: Vector, const ROWS: usize, const WIDE: usize>(
    (mut from, plane): (*const f32, usize),
    mut weights: *const f32,
    depth: usize,
    (to, square): (*mut f32, usize),
) {
    // SAFETY: the caller promises so; both pointers move on by what was read
    unsafe {
        let mut sums = [[V::zero(); WIDE]; ROWS];
        for _ in 0..depth / 16 {
            for channel in 0..16 {
                multiply_channel(&mut sums, from.add(channel), weights);
                weights = weights.add(WIDE * V::LANES);
            }
            from = from.add(plane);
        }
        for channel in 0..depth % 16 {
            multiply_channel(&mut sums, from.add(channel), weights);
            weights = weights.add(WIDE * V::LANES);
        }
        for (row, sums) in sums.iter().enumerate() {
            for (part, sum) in sums.iter().enumerate() {
                sum.store(to.add(row * square + part * V::LANES));
            }
        }
    }
}

/// # Safety
///
/// The processor has the instructions; one channel of `ROWS` squares and a row of weights may be read.
#[inline(always)]
unsafe fn multiply_channel<V: Vector, const ROWS: usize, const WIDE: usize>(
    sums: &mut [[V; WIDE]; ROWS],
    from: *const f32,
    weights: *const f32,
) {
    // SAFETY: the caller promises so; the rows of a group are 16 numbers apart
    unsafe {
        let mut factors = [V::zero(); WIDE];
        for part in 0..WIDE {
            factors[part] = V::load(weights.add(part * V::LANES));
        }
        for row in 0..ROWS {
            let number = V::splat(from.add(row * 16));
            for part in 0..WIDE {
                sums[row][part] = sums[row][part].fuse(number, factors[part]);
            }
        }
    }
}

/// Transforms products back, and stores the results of a block of outputs.
///
/// # Safety
///
/// As [`Kernels`] says.
#[inline(always)]
pub(super) unsafe fn write<V: Vector>(job: &Job<'_>, block: usize, squares: Range<usize>, from: *const f32) {
    let (step, width, across) = (job.step, job.step.kernels.width, job.step.across(job.layout));
    for channel in (block * width..(block + 1) * width).step_by(V::LANES) {
        if channel / 16 >= step.planes {
            return;
        }
        // SAFETY: the channel is one of the step's outputs, so its bias and slope are there; the caller promises the
        // products, and that the squares lie in the target
        unsafe {
            let finish = Finish::<V>::new(job, channel);
            for (index, square) in squares.clone().enumerate() {
                let from = from.add(index * step.square() * 16 + channel % width);
                let (row, column) = (square / across, square % across);
                match step.scheme {
                    Scheme::Single => finish.store(V::load(from), row, column),
                    Scheme::Three => write_square::<V, 6>(&finish, from, row, column),
                    Scheme::Five => write_square::<V, 4>(&finish, from, row, column),
                }
            }
        }
    }
}

/// # Safety
///
/// The processor has the instructions, 64 products may be read, and the square lies in the target.
#[inline(always)]
unsafe fn write_square<V: Vector, const OUTPUTS: usize>(
    finish: &Finish<'_, V>,
    from: *const f32,
    row: usize,
    column: usize,
) {
    let (top, left) = (row * OUTPUTS, column * OUTPUTS);
    let (layout, width) = (finish.job.layout, finish.job.step.kernels.width);
    // SAFETY: the caller promises so; rows and columns of products stay below 8, those of results within the image
    unsafe {
        let zero = V::zero();
        let mut half = [[MaybeUninit::uninit(); 8]; OUTPUTS];
        for column in 0..8 {
            let mut products = [zero; 8];
            for row in 0..8 {
                products[row] = V::load(from.add((row * 8 + column) * width));
            }
            let products: [V; OUTPUTS] = output(products);
            for row in 0..OUTPUTS {
                half[row][column] = MaybeUninit::new(products[row]);
            }
        }
        for row in 0..OUTPUTS.min(layout.height - top) {
            let results: [V; OUTPUTS] = output(written(half[row]));
            for column in 0..OUTPUTS.min(layout.width - left) {
                finish.store(results[column], top + row, left + column);
            }
        }
    }
}

/// # Safety
///
/// All eight were written.
#[inline(always)]
unsafe fn written<V: Vector>(numbers: [MaybeUninit<V>; 8]) -> [V; 8] {
    // SAFETY: the caller promises so, and both types have the same layout
    unsafe { mem::transmute_copy(&numbers) }
}

/// What is done to a sum before it is stored, for as many channels as a vector holds.
struct Finish<'a, V> {
    job: &'a Job<'a>,
    /// The first channel's number in the arena, were its pixel the first of its plane.
    target: *mut f32,
    bias: V,
    below: V,
    /// Where the channel lies within the planes of what is added.
    channel: usize,
}

impl<'a, V: Vector> Finish<'a, V> {
    /// # Safety
    ///
    /// The processor has the instructions, and the channel is one of the step's outputs.
    #[inline(always)]
    unsafe fn new(job: &'a Job<'a>, channel: usize) -> Self {
        let step = job.step;
        let plane = |first: usize| (first + channel / 16) * job.layout.plane * 16 + channel % 16;
        // SAFETY: the caller promises so; bias and slopes are padded to planes
        unsafe {
            Self {
                job,
                target: job.arena.add(plane(step.target)),
                bias: V::load(step.bias.as_ptr().cast::<f32>().add(channel)),
                below: V::load(step.below.as_ptr().cast::<f32>().add(channel)),
                channel,
            }
        }
    }

    /// # Safety
    ///
    /// The processor has the instructions, and the pixel lies in the image.
    #[inline(always)]
    unsafe fn store(&self, sum: V, row: usize, column: usize) {
        let (step, layout) = (self.job.step, self.job.layout);
        let pixel = layout.line(row, column) * 16;
        let (above, below) = sum.add(self.bias).split();
        let mut result = above.scale(step.above).fuse(below, self.below);
        for (first, times) in &step.plus {
            let plane = (first + self.channel / 16) * layout.plane * 16 + self.channel % 16;
            // SAFETY: a step's addends have as many planes as its target
            result = result.plus(unsafe { V::load(self.job.arena.add(plane + pixel)) }, *times);
        }
        // SAFETY: the caller promises that the pixel lies in the image
        unsafe { result.store(self.target.add(pixel)) }
    }
}
