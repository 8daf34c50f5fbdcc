//! x86-64 with AVX-512.

use super::{
    super::kernels::{Job, Kernels, multiply, read, write},
    Vector,
};
use std::{
    arch::x86_64::{
        __m512, _MM_HINT_T0, _mm_prefetch, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_max_ps,
        _mm512_min_ps, _mm512_mul_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps, _mm512_sub_ps,
    },
    ops::Range,
};

/// Sixteen numbers.
#[derive(Clone, Copy)]
struct Zmm(__m512);

impl Vector for Zmm {
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller promises that this processor has AVX-512
        Self(unsafe { _mm512_setzero_ps() })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises the same and that 16 numbers may be read
        Self(unsafe { _mm512_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn splat(from: *const f32) -> Self {
        // SAFETY: the caller promises the same and that one number may be read
        Self(unsafe { _mm512_set1_ps(*from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promises that 16 numbers may be written
        unsafe { _mm512_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: a `Zmm` exists only where AVX-512 does
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: a `Zmm` exists only where AVX-512 does
        Self(unsafe { _mm512_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: a `Zmm` exists only where AVX-512 does
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn scale(self, by: f32) -> Self {
        // SAFETY: a `Zmm` exists only where AVX-512 does
        Self(unsafe { _mm512_mul_ps(self.0, _mm512_set1_ps(by)) })
    }

    #[inline(always)]
    fn fuse(self, a: Self, b: Self) -> Self {
        // SAFETY: a `Zmm` exists only where AVX-512 does
        Self(unsafe { _mm512_fmadd_ps(a.0, b.0, self.0) })
    }

    #[inline(always)]
    fn plus(self, a: Self, by: f32) -> Self {
        // SAFETY: a `Zmm` exists only where AVX-512 does
        Self(unsafe { _mm512_fmadd_ps(a.0, _mm512_set1_ps(by), self.0) })
    }

    #[inline(always)]
    fn split(self) -> (Self, Self) {
        // SAFETY: a `Zmm` exists only where AVX-512 does
        unsafe {
            let zero = _mm512_setzero_ps();
            (Self(_mm512_max_ps(self.0, zero)), Self(_mm512_min_ps(self.0, zero)))
        }
    }

    #[inline(always)]
    fn fetch(at: *const f32) {
        // SAFETY: every x86-64 can, and a wrong address is ignored
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
}

/// The kernels for so many planes of outputs: 32 registers hold 24 to 28 sums.
pub(in super::super) fn kernels(planes: usize) -> Kernels {
    let (rows, planes, multiply): (_, _, super::super::kernels::Multiply) = match planes {
        1 => (14, 1, multiply_here::<14, 1>),
        3 | 9 => (8, 3, multiply_here::<8, 3>),
        _ => (12, 2, multiply_here::<12, 2>),
    };
    Kernels { rows, width: 16 * planes, read: read_here, multiply, write: write_here }
}

#[target_feature(enable = "avx512f,avx512vl,fma")]
unsafe fn read_here(job: &Job<'_>, tiles: Range<usize>, to: *mut f32) {
    // SAFETY: the caller promises the same
    unsafe { read::<Zmm>(job, tiles, to) }
}

#[target_feature(enable = "avx512f,avx512vl,fma")]
unsafe fn multiply_here<const ROWS: usize, const WIDE: usize>(
    job: &Job<'_>,
    block: usize,
    groups: usize,
    from: *const f32,
    to: *mut f32,
) {
    // SAFETY: the caller promises the same
    unsafe { multiply::<Zmm, ROWS, WIDE>(job, block, groups, from, to) }
}

#[target_feature(enable = "avx512f,avx512vl,fma")]
unsafe fn write_here(job: &Job<'_>, block: usize, tiles: Range<usize>, from: *const f32) {
    // SAFETY: the caller promises the same
    unsafe { write::<Zmm>(job, block, tiles, from) }
}
