//! The few loops in which encoding spends its time, as small functions without state.
//!
//! `plain` defines what each one computes, in safe Rust that any CPU runs. `x86` has versions of the same functions
//! for CPUs with AVX2 and FMA, of two of them for every x86-64 CPU, and is the only place in the project with `unsafe`.
//! All give the same results to the last bit for all input within the preconditions that are written here, so which one
//! runs never shows in the encoded bytes. [`Kernels::best`] chooses once, by asking the CPU.
//!
//! Nothing here decides anything: orders, parameters and widths are the caller's.

pub(super) mod plain;
#[cfg(target_arch = "x86_64")]
mod x86;

use super::bits::BitWriter;

/// Samples that [`Kernels::lag_sums`] takes at most at a time. Products of 21-bit samples add up exactly in an `f64`
/// over so many: 2^20 * 2^20 * 2^10 < 2^53.
pub(super) const MAX_SEGMENT: usize = 1024;
/// The highest order of a linear predictor (RFC 9639 §9.2.6).
pub(super) const MAX_ORDER: usize = 32;

/// How wide the arithmetic of a linear predictor has to be. The caller proves it from the coefficients and the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    /// All samples and coefficients fit into an `i16`, and the sum of |coefficient| times the largest |sample| is
    /// below 2^31.
    Pairs,
    /// The sum of |coefficient| times the largest |sample| is below 2^31.
    Narrow,
    /// That sum shifted right by the predictor's shift, plus the largest |sample|, is below 2^31 - 1.
    Wide,
}

/// What a signal's samples have in common, as sets of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Survey {
    /// Bits that any sample has: its trailing zeros are wasted bits (§9.2.2).
    pub used: u32,
    /// Bits in which any sample differs from the first: 0 for a constant signal.
    pub spread: u32,
    /// Bits that any sample has that is not negative, and that any negative one lacks: 32 minus its leading zeros,
    /// plus one for the sign, is the depth that holds all samples.
    pub magnitude: u32,
}

/// One set of kernels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kernels {
    /// Splits interleaved PCM, as [`Block::pcm`](super::Block::pcm) has it, of 1 to 4 `bytes` a sample, into channels:
    /// each vector is made to hold exactly its channel. `pcm` is whole steps.
    pub split: fn(pcm: &[u8], bytes: usize, channels: &mut [Vec<i32>]),
    /// The middle `(left + right) >> 1` and the side `left - right` of two channels of up to 31 bits. All four slices
    /// are equally long.
    #[allow(clippy::type_complexity)] // it is what it takes
    pub mid_side: fn(left: &[i32], right: &[i32], mid: &mut [i32], side: &mut [i32]),
    /// The [`Survey`] of a signal.
    pub survey: fn(samples: &[i32]) -> Survey,
    /// Of left, right, middle and side: the sum of |x\[t] - 2 x\[t-1] + x\[t-2]| for t from 2. Samples of up to 25 bits.
    pub stereo_sums: fn(left: &[i32], right: &[i32]) -> [u64; 4],
    /// For each fixed predictor's order from 0 to 4 (§9.2.5) the sum of |residual| for t from 4. Samples of up to 26
    /// bits.
    pub fixed_sums: fn(samples: &[i32]) -> [u64; 5],
    /// `sums[j]` = the sum of (x\[t] >> shift) * (x\[t-j] >> shift) for t from `from` to the end: exact. `from` is at
    /// least `sums.len() - 1`, there are at most [`MAX_SEGMENT`] samples from there and `MAX_ORDER + 1` sums, and the
    /// shifted samples have at most 21 bits.
    pub lag_sums: fn(samples: &[i32], from: usize, shift: u32, sums: &mut [f64]),
    /// The residual of the fixed predictor of this order, 0 to 4, zigzag-folded (§9.2.7): `residual` is made to hold
    /// exactly the samples from `order` on. Samples of up to 27 bits.
    pub fixed_residual: fn(samples: &[i32], order: usize, residual: &mut Vec<u32>),
    /// The folded residual of a linear predictor, `coefficients[0]` for the sample just before; 1 to 32 of them, shift
    /// 0 to 15.
    pub linear_residual: fn(samples: &[i32], coefficients: &[i32], shift: u32, width: Width, residual: &mut Vec<u32>),
    /// The sum of a folded residual's values in each of `sums.len()` equal partitions of a block (§9.2.7.1), of which
    /// the first lacks `order` samples. The block's size, `residual.len() + order`, is a multiple of `sums.len()`.
    pub partition_sums: fn(residual: &[u32], order: usize, sums: &mut [u64]),
    /// The sums of `value >> parameter`, the bits that Rice codes spend on quotients, in each of equal partitions as
    /// above: with the parameter below the partition's own, with its own, and with the one above. All are within 0 and
    /// 30: beside these there is nothing but they themselves.
    #[allow(clippy::type_complexity)] // it is what it takes
    pub quotients: fn(residual: &[u32], order: usize, parameters: &[u8], sums: &mut [[u64; 3]]),
    /// Appends the Rice codes (§9.2.7.2) of folded residuals with this parameter, 0 to 30.
    pub put_rice: fn(residual: &[u32], parameter: u32, out: &mut BitWriter),
    /// Continues the CRC-16 of a frame (§9.3) over these bytes.
    pub crc16: fn(crc: u16, bytes: &[u8]) -> u16,
    /// Continues the MD5 (RFC 1321) state over blocks of 64 bytes.
    pub md5: fn(state: &mut [u32; 4], blocks: &[[u8; 64]]),
    /// Which instructions the compiler may use for what [`Kernels::vectorize`] runs.
    pub vectors: Vectors,
}

/// What [`Kernels::vectorize`] does. Only what is `inline(always)`, from `run` on down, is compiled for more than one kind
/// of CPU; a closure cannot say that of itself.
pub(super) trait Task {
    /// Does it.
    fn run(self);
}

/// Instructions beyond those that every CPU of its kind has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vectors {
    None,
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Kernels {
    /// Those that run on every CPU of the kind that this program is compiled for.
    pub fn portable() -> Self {
        #[cfg(target_arch = "x86_64")]
        return x86::BASELINE;
        #[cfg(not(target_arch = "x86_64"))]
        plain::KERNELS
    }

    /// Does a task, compiled for the instructions of these kernels. For arithmetic that is no loop over samples, and too
    /// various for a kernel. Its results are the same: the compiler never joins or reorders operations on real numbers.
    pub fn vectorize(&self, task: impl Task) {
        match self.vectors {
            Vectors::None => task.run(),
            #[cfg(target_arch = "x86_64")]
            Vectors::Avx2 => x86::with_avx2(task),
        }
    }

    /// The fastest that this CPU runs.
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(kernels) = x86::detected() {
            return kernels;
        }
        Self::portable()
    }
}
