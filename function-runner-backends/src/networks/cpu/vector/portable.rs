//! Plain Rust, written so that the compiler can make vectors of it.

use super::{
    super::kernels::{Job, Kernels, multiply, read, write},
    Vector,
};

/// Four numbers.
#[derive(Clone, Copy)]
struct Four([f32; 4]);

impl Four {
    #[inline(always)]
    fn zip(self, other: Self, by: impl Fn(f32, f32) -> f32) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        Self([by(a, e), by(b, f), by(c, g), by(d, h)])
    }
}

impl Vector for Four {
    const LANES: usize = 4;

    #[inline(always)]
    unsafe fn zero() -> Self {
        Self([0.0; 4])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises that four numbers may be read
        Self(unsafe { from.cast::<[f32; 4]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn splat(from: *const f32) -> Self {
        // SAFETY: the caller promises that one number may be read
        Self([unsafe { *from }; 4])
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promises that four numbers may be written
        unsafe { to.cast::<[f32; 4]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    #[inline(always)]
    fn scale(self, by: f32) -> Self {
        self.mul(Self([by; 4]))
    }

    #[inline(always)]
    fn fuse(self, a: Self, b: Self) -> Self {
        // `f32::mul_add` is a function call where the processor cannot
        self.add(a.mul(b))
    }

    #[inline(always)]
    fn plus(self, a: Self, by: f32) -> Self {
        self.add(a.scale(by))
    }

    #[inline(always)]
    fn split(self) -> (Self, Self) {
        let zero = Self([0.0; 4]);
        let above = |a: f32, b: f32| if a > b { a } else { b };
        let below = |a: f32, b: f32| if a < b { a } else { b };
        (self.zip(zero, above), self.zip(zero, below))
    }
}

/// The kernels for any number of outputs.
pub(in super::super) fn kernels() -> Kernels {
    Kernels { rows: 2, width: 16, read: read::<Four>, multiply: multiply_here, write: write::<Four> }
}

unsafe fn multiply_here(job: &Job<'_>, block: usize, groups: usize, from: *const f32, to: *mut f32) {
    // SAFETY: the caller promises the same
    unsafe { multiply::<Four, 2, 4>(job, block, groups, from, to) }
}
