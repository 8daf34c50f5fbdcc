//! A few numbers that are computed on at once: the one view of all instruction sets.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(super) mod neon;
pub(super) mod portable;

/// A register of `f32`.
///
/// A value exists only where its instructions do: whoever makes the first one promises that, and computing with it is
/// safe from there on.
pub(super) trait Vector: Copy {
    /// How many numbers it holds; it divides 16.
    const LANES: usize;

    /// All 0.
    ///
    /// # Safety
    ///
    /// This processor has the instructions.
    unsafe fn zero() -> Self;

    /// Reads `LANES` numbers.
    ///
    /// # Safety
    ///
    /// This processor has the instructions, and the numbers may be read.
    unsafe fn load(from: *const f32) -> Self;

    /// Reads one number into all lanes.
    ///
    /// # Safety
    ///
    /// This processor has the instructions, and the number may be read.
    unsafe fn splat(from: *const f32) -> Self;

    /// Writes `LANES` numbers.
    ///
    /// # Safety
    ///
    /// The numbers may be written.
    unsafe fn store(self, to: *mut f32);

    /// `self + other`.
    fn add(self, other: Self) -> Self;

    /// `self − other`.
    fn sub(self, other: Self) -> Self;

    /// `self · other`.
    fn mul(self, other: Self) -> Self;

    /// `self · by`.
    fn scale(self, by: f32) -> Self;

    /// `self + a · b`, rounded once where the processor can.
    fn fuse(self, a: Self, b: Self) -> Self;

    /// `self + a · by`, likewise.
    fn plus(self, a: Self, by: f32) -> Self;

    /// What is above 0 of it, and what is below.
    fn split(self) -> (Self, Self);

    /// Fetches what will soon be read; does nothing where the processor has no such thing.
    fn fetch(_at: *const f32) {}
}
