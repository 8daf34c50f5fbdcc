//! Which instructions this processor has.

#[cfg(target_arch = "aarch64")]
use super::vector::neon;
#[cfg(target_arch = "x86_64")]
use super::vector::{avx2, avx512};
use super::{kernels::Kernels, vector::portable};

/// Which instructions the kernels use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Isa {
    /// x86-64 with AVX-512 (F, VL).
    Avx512,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// 64-bit ARM.
    Neon,
    /// Whatever the compiler makes of plain Rust.
    Portable,
}

impl Isa {
    /// The fastest that this processor has.
    #[must_use]
    pub fn detect() -> Self {
        // `Portable` is always there
        Self::all_here().next().unwrap_or(Self::Portable)
    }

    /// All that this processor has, the fastest first; [`Portable`](Self::Portable) is always the last.
    pub fn all_here() -> impl Iterator<Item = Self> {
        [Self::Avx512, Self::Avx2, Self::Neon, Self::Portable].into_iter().filter(|isa| isa.here())
    }

    fn here(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("fma")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            Self::Portable => true,
            _ => false,
        }
    }

    /// The kernels for a convolution of so many planes of outputs; none if this processor lacks them.
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables, reason = "only AVX-512 chooses by it"))]
    pub(super) fn kernels(self, planes: usize) -> Option<Kernels> {
        if !self.here() {
            return None;
        }
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Some(avx512::kernels(planes)),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Some(avx2::kernels()),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => Some(neon::kernels()),
            _ => Some(portable::kernels()),
        }
    }
}
