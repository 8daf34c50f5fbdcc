//! 64-bit ARM.

use super::{
    super::kernels::{Job, Kernels, multiply, read, write},
    Vector,
};
use std::{
    arch::aarch64::{
        float32x4_t, vaddq_f32, vdupq_n_f32, vfmaq_f32, vfmaq_n_f32, vld1q_dup_f32, vld1q_f32, vmaxq_f32,
        vminq_f32, vmulq_f32, vmulq_n_f32, vst1q_f32, vsubq_f32,
    },
    ops::Range,
};

/// Four numbers.
#[derive(Clone, Copy)]
struct Quad(float32x4_t);

impl Vector for Quad {
    const LANES: usize = 4;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller promises that this processor has NEON
        Self(unsafe { vdupq_n_f32(0.0) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises the same and that four numbers may be read
        Self(unsafe { vld1q_f32(from) })
    }

    #[inline(always)]
    unsafe fn splat(from: *const f32) -> Self {
        // SAFETY: the caller promises the same and that one number may be read
        Self(unsafe { vld1q_dup_f32(from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promises that four numbers may be written
        unsafe { vst1q_f32(to, self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: a `Quad` exists only where NEON does
        Self(unsafe { vaddq_f32(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: a `Quad` exists only where NEON does
        Self(unsafe { vsubq_f32(self.0, other.0) })
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: a `Quad` exists only where NEON does
        Self(unsafe { vmulq_f32(self.0, other.0) })
    }

    #[inline(always)]
    fn scale(self, by: f32) -> Self {
        // SAFETY: a `Quad` exists only where NEON does
        Self(unsafe { vmulq_n_f32(self.0, by) })
    }

    #[inline(always)]
    fn fuse(self, a: Self, b: Self) -> Self {
        // SAFETY: a `Quad` exists only where NEON does
        Self(unsafe { vfmaq_f32(self.0, a.0, b.0) })
    }

    #[inline(always)]
    fn plus(self, a: Self, by: f32) -> Self {
        // SAFETY: a `Quad` exists only where NEON does
        Self(unsafe { vfmaq_n_f32(self.0, a.0, by) })
    }

    #[inline(always)]
    fn split(self) -> (Self, Self) {
        // SAFETY: a `Quad` exists only where NEON does
        unsafe {
            let zero = vdupq_n_f32(0.0);
            (Self(vmaxq_f32(self.0, zero)), Self(vminq_f32(self.0, zero)))
        }
    }
}

/// The kernels for any number of outputs: 24 of the 32 registers hold sums.
pub(in super::super) fn kernels() -> Kernels {
    Kernels { rows: 6, width: 16, read: read_here, multiply: multiply_here, write: write_here }
}

#[target_feature(enable = "neon")]
unsafe fn read_here(job: &Job<'_>, tiles: Range<usize>, to: *mut f32) {
    // SAFETY: the caller promises the same
    unsafe { read::<Quad>(job, tiles, to) }
}

#[target_feature(enable = "neon")]
unsafe fn multiply_here(job: &Job<'_>, block: usize, groups: usize, from: *const f32, to: *mut f32) {
    // SAFETY: the caller promises the same
    unsafe { multiply::<Quad, 6, 4>(job, block, groups, from, to) }
}

#[target_feature(enable = "neon")]
unsafe fn write_here(job: &Job<'_>, block: usize, tiles: Range<usize>, from: *const f32) {
    // SAFETY: the caller promises the same
    unsafe { write::<Quad>(job, block, tiles, from) }
}
