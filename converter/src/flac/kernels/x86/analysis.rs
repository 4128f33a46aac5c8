//! The analysis kernels with AVX2 and FMA. The functions of this file are the table's: safe, as they are reached only
//! through [`detected`](super::detected), which is the proof of the target features.
#![allow(unsafe_code)]

mod lags;
mod split;
mod sums;

use std::arch::x86_64::{__m256i, _mm256_loadu_si256, _mm256_storeu_si256};

use crate::flac::kernels::plain::analysis as plain;
use crate::flac::kernels::{MAX_ORDER, MAX_SEGMENT, Survey};

pub(super) fn split(pcm: &[u8], bytes: usize, channels: &mut [Vec<i32>]) {
    // SAFETY: the CPU has AVX2: this file's header.
    unsafe { split::split(pcm, bytes, channels) }
}

pub(super) fn mid_side(left: &[i32], right: &[i32], mid: &mut [i32], side: &mut [i32]) {
    /// The plain loop, which the compiler turns into one of vectors as it should be.
    #[target_feature(enable = "avx2")]
    fn with_avx2(left: &[i32], right: &[i32], mid: &mut [i32], side: &mut [i32]) {
        plain::mid_side(left, right, mid, side);
    }
    // SAFETY: the CPU has AVX2: this file's header.
    unsafe { with_avx2(left, right, mid, side) }
}

pub(super) fn survey(samples: &[i32]) -> Survey {
    /// The plain loop, which the compiler turns into one of vectors as it should be.
    #[target_feature(enable = "avx2")]
    fn with_avx2(samples: &[i32]) -> Survey {
        plain::survey(samples)
    }
    // SAFETY: the CPU has AVX2: this file's header.
    unsafe { with_avx2(samples) }
}

pub(super) fn stereo_sums(left: &[i32], right: &[i32]) -> [u64; 4] {
    // SAFETY: the CPU has AVX2: this file's header.
    unsafe { sums::stereo_sums(left, right) }
}

pub(super) fn fixed_sums(samples: &[i32]) -> [u64; 5] {
    // SAFETY: the CPU has AVX2: this file's header.
    unsafe { sums::fixed_sums(samples) }
}

pub(super) fn lag_sums(samples: &[i32], from: usize, shift: u32, sums: &mut [f64]) {
    let longest = sums.len().saturating_sub(1);
    // More history than is asked for, where there is so much, makes whole vectors of it.
    let whole = longest.next_multiple_of(16);
    let history = if whole <= from { whole } else { longest };
    match from.checked_sub(history).and_then(|start| samples.get(start..)) {
        Some(samples) if longest <= MAX_ORDER && samples.len() <= history + MAX_SEGMENT && shift < 32 => {
            // SAFETY: the CPU has AVX2 and FMA: this file's header. The rest is just checked: whole vectors of at most
            // MAX_ORDER are no more than that, as it is a multiple of 16 itself.
            unsafe { lags::lag_sums(samples, history, shift, sums) }
        }
        _ => plain::lag_sums(samples, from, shift, sums),
    }
}

/// Eight samples from `AT` on.
#[inline]
#[target_feature(enable = "avx2")]
fn load<const AT: usize, const N: usize>(samples: &[i32; N]) -> __m256i {
    const { assert!(AT + 8 <= N) };
    // SAFETY: the 32 bytes from sample AT on are the array's, as is just asserted; any alignment will do.
    unsafe { _mm256_loadu_si256(samples.as_ptr().add(AT).cast()) }
}

/// Writes eight samples.
#[inline]
#[target_feature(enable = "avx2")]
fn store(samples: &mut [i32; 8], vector: __m256i) {
    // SAFETY: the array has 32 bytes; any alignment will do.
    unsafe { _mm256_storeu_si256(samples.as_mut_ptr().cast(), vector) }
}
