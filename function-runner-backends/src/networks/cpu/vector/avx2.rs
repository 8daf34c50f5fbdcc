//! x86-64 with AVX2 and FMA.

use super::{
    super::kernels::{Job, Kernels, multiply, read, write},
    Vector,
};
use std::{
    arch::x86_64::{
        __m256, _MM_HINT_T0, _mm_prefetch, _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_max_ps,
        _mm256_min_ps, _mm256_mul_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps, _mm256_sub_ps,
    },
    ops::Range,
};

/// Eight numbers.
#[derive(Clone, Copy)]
struct Ymm(__m256);

impl Vector for Ymm {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller promises that this processor has AVX2
        Self(unsafe { _mm256_setzero_ps() })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises the same and that 8 numbers may be read
        Self(unsafe { _mm256_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn splat(from: *const f32) -> Self {
        // SAFETY: the caller promises the same and that one number may be read
        Self(unsafe { _mm256_set1_ps(*from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promises that 8 numbers may be written
        unsafe { _mm256_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: a `Ymm` exists only where AVX2 does
        Self(unsafe { _mm256_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: a `Ymm` exists only where AVX2 does
        Self(unsafe { _mm256_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: a `Ymm` exists only where AVX2 does
        Self(unsafe { _mm256_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn scale(self, by: f32) -> Self {
        // SAFETY: a `Ymm` exists only where AVX2 does
        Self(unsafe { _mm256_mul_ps(self.0, _mm256_set1_ps(by)) })
    }

    #[inline(always)]
    fn fuse(self, a: Self, b: Self) -> Self {
        // SAFETY: a `Ymm` exists only where AVX2 does
        Self(unsafe { _mm256_fmadd_ps(a.0, b.0, self.0) })
    }

    #[inline(always)]
    fn plus(self, a: Self, by: f32) -> Self {
        // SAFETY: a `Ymm` exists only where AVX2 does
        Self(unsafe { _mm256_fmadd_ps(a.0, _mm256_set1_ps(by), self.0) })
    }

    #[inline(always)]
    fn split(self) -> (Self, Self) {
        // SAFETY: a `Ymm` exists only where AVX2 does
        unsafe {
            let zero = _mm256_setzero_ps();
            (Self(_mm256_max_ps(self.0, zero)), Self(_mm256_min_ps(self.0, zero)))
        }
    }

    #[inline(always)]
    fn fetch(at: *const f32) {
        // SAFETY: every x86-64 can, and a wrong address is ignored
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
}

/// The kernels for any number of outputs: 12 of the 16 registers hold sums.
pub(in super::super) fn kernels() -> Kernels {
    Kernels { rows: 6, width: 16, read: read_here, multiply: multiply_here, write: write_here }
}

#[target_feature(enable = "avx2,fma")]
unsafe fn read_here(job: &Job<'_>, tiles: Range<usize>, to: *mut f32) {
    // SAFETY: the caller promises the same
    unsafe { read::<Ymm>(job, tiles, to) }
}

#[target_feature(enable = "avx2,fma")]
unsafe fn multiply_here(job: &Job<'_>, block: usize, groups: usize, from: *const f32, to: *mut f32) {
    // SAFETY: the caller promises the same
    unsafe { multiply::<Ymm, 6, 2>(job, block, groups, from, to) }
}

#[target_feature(enable = "avx2,fma")]
unsafe fn write_here(job: &Job<'_>, block: usize, tiles: Range<usize>, from: *const f32) {
    // SAFETY: the caller promises the same
    unsafe { write::<Ymm>(job, block, tiles, from) }
}
