//! Lag sums: in `f64`, or in whole numbers where samples fit into 16 bits, which takes half the time. Both are exact,
//! so their results are the same.
//!
//! Both copy the samples into a buffer of their own kind, with zeros behind: products with these add nothing, so that
//! only whole vectors are left to do.

use std::arch::x86_64::{
    __m256d, __m256i, _mm_cvtsi32_si128, _mm256_abs_epi32, _mm256_add_epi32, _mm256_castsi256_si128,
    _mm256_cvtepi32_pd, _mm256_extracti128_si256, _mm256_fmadd_pd, _mm256_load_pd, _mm256_load_si256, _mm256_loadu_pd,
    _mm256_loadu_si256, _mm256_madd_epi16, _mm256_or_si256, _mm256_packs_epi32, _mm256_permute4x64_epi64,
    _mm256_set1_epi32, _mm256_setzero_pd, _mm256_setzero_si256, _mm256_slli_epi32, _mm256_sra_epi32, _mm256_srai_epi32,
    _mm256_store_pd, _mm256_storeu_pd, _mm256_storeu_si256, _mm256_sub_epi32, _mm256_testz_si256,
};
use std::mem::MaybeUninit;

use super::{load, store};
use crate::flac::kernels::{MAX_ORDER, MAX_SEGMENT};

/// Samples of one kind, at first without values.
#[repr(align(64))]
struct Buffer<T, const N: usize>([MaybeUninit<T>; N]);

/// Of `i16`: where the segment begins, whole vectors after the history; and how many there can be with the zeros.
const PAIRS_START: usize = MAX_ORDER.next_multiple_of(16);
const PAIRS: usize = PAIRS_START + MAX_SEGMENT + 32;

/// Of `f64`, the same; a vector of the history may begin 3 samples before the longest lag.
const WIDE_START: usize = (MAX_ORDER + 3).next_multiple_of(4);
const WIDE: usize = WIDE_START + MAX_SEGMENT + 32;

/// As the kernel, of the samples after so many of history.
///
/// # Safety
///
/// There are at least so many samples, `sums.len() - 1 <= history <= MAX_ORDER`, and at most `MAX_SEGMENT` more.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn lag_sums(samples: &[i32], history: usize, shift: u32, sums: &mut [f64]) {
    // SAFETY: the same.
    unsafe {
        if !sums_of_pairs(samples, history, shift, sums) {
            sums_of_wide(samples, history, shift, sums);
        }
    }
}

/// Of samples within ±(2^15 - 1); `false` if they are not.
///
/// # Safety
///
/// As [`lag_sums`].
#[target_feature(enable = "avx2")]
unsafe fn sums_of_pairs(samples: &[i32], history: usize, shift: u32, sums: &mut [f64]) -> bool {
    let mut buffer: Buffer<i16, PAIRS> = Buffer([MaybeUninit::uninit(); PAIRS]);
    // SAFETY: history <= MAX_ORDER <= PAIRS_START.
    let start = unsafe { buffer.0.as_mut_ptr().cast::<i16>().add(PAIRS_START - history) };
    let shift = _mm_cvtsi32_si128(shift.cast_signed());
    // Returns which bits the samples' magnitudes have.
    let put = |at: usize, row: &[i32; 16]| {
        let low = _mm256_sra_epi32(load::<0, 16>(row), shift);
        let high = _mm256_sra_epi32(load::<8, 16>(row), shift);
        let row = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(low, high));
        // SAFETY: `at` is at most samples.len() + 16 <= history + MAX_SEGMENT + 16, so this ends at most 32 after
        // PAIRS_START + MAX_SEGMENT. It need not be aligned.
        unsafe { _mm256_storeu_si256(start.add(at).cast(), row) };
        _mm256_or_si256(_mm256_abs_epi32(low), _mm256_abs_epi32(high))
    };
    let too_large = _mm256_set1_epi32(!0x7FFF);
    let (rows, rest) = samples.as_chunks::<16>();
    let mut at = 0;
    // So few that little is done in vain where samples are larger.
    for few in rows.chunks(8) {
        let mut bits = _mm256_setzero_si256();
        for row in few {
            bits = _mm256_or_si256(bits, put(at, row));
            at += 16;
        }
        if _mm256_testz_si256(bits, too_large) == 0 {
            return false;
        }
    }
    let mut last = [0; 16];
    last[..rest.len()].copy_from_slice(rest);
    if _mm256_testz_si256(put(at, &last), too_large) == 0 {
        return false;
    }
    put(at + 16, &[0; 16]);
    // All from `start` to samples.len() + 16 after it have values now, so the last row is whole, with zeros.
    let rows = samples.len().saturating_sub(history).div_ceil(16);
    let mut first = 0;
    let mut sums = sums;
    while !sums.is_empty() {
        // Groups of up to 7 lags: 14 sums, a row, and a product are the 16 registers.
        let few = sums.len().div_ceil(sums.len().div_ceil(7));
        let (group, rest) = sums.split_at_mut(few);
        // SAFETY: see above; first + few <= history + 1.
        unsafe {
            let now = start.add(history).cast_const();
            match few {
                1 => add_pairs::<1>(now, rows, first, group),
                2 => add_pairs::<2>(now, rows, first, group),
                3 => add_pairs::<3>(now, rows, first, group),
                4 => add_pairs::<4>(now, rows, first, group),
                5 => add_pairs::<5>(now, rows, first, group),
                6 => add_pairs::<6>(now, rows, first, group),
                _ => add_pairs::<7>(now, rows, first, group),
            }
        }
        first += few;
        sums = rest;
    }
    true
}

/// The sums for `N` lags from `first` on.
///
/// # Safety
///
/// `now` is aligned to 32 bytes, and can be read for 16 samples `rows` times, at most 66, and for `first + N - 1`
/// samples before.
#[target_feature(enable = "avx2")]
unsafe fn add_pairs<const N: usize>(now: *const i16, rows: usize, first: usize, sums: &mut [f64]) {
    // A sum of two products fits into 32 bits, but not a sum of these. So beside their sum modulo 2^32 there is
    // that of the upper halves; from both follows the sum of the lower halves.
    let mut whole = [_mm256_setzero_si256(); N];
    let mut upper = [_mm256_setzero_si256(); N];
    for row in 0..rows {
        // SAFETY: this function's contract.
        unsafe {
            let now = now.add(16 * row);
            let samples = _mm256_load_si256(now.cast());
            for lag in 0..N {
                let past = _mm256_loadu_si256(now.sub(first + lag).cast());
                let products = _mm256_madd_epi16(samples, past);
                whole[lag] = _mm256_add_epi32(whole[lag], products);
                upper[lag] = _mm256_add_epi32(upper[lag], _mm256_srai_epi32::<16>(products));
            }
        }
    }
    for (sum, (whole, upper)) in sums.iter_mut().zip(whole.into_iter().zip(upper)) {
        let lower = _mm256_sub_epi32(whole, _mm256_slli_epi32::<16>(upper));
        // In 66 rows and 8 lanes neither reaches 2^26.
        *sum = f64::from(add_up(upper)) * 65536.0 + f64::from(add_up(lower));
    }
}

/// The sum of eight lanes, of which no part overflows.
#[inline]
#[target_feature(enable = "avx2")]
fn add_up(lanes: __m256i) -> i32 {
    let mut parts = [0; 8];
    store(&mut parts, lanes);
    parts.iter().sum()
}

/// Of samples of up to 21 bits.
///
/// # Safety
///
/// As [`lag_sums`].
#[target_feature(enable = "avx2,fma")]
unsafe fn sums_of_wide(samples: &[i32], history: usize, shift: u32, sums: &mut [f64]) {
    let mut buffer: Buffer<f64, WIDE> = Buffer([MaybeUninit::uninit(); WIDE]);
    let buffer = buffer.0.as_mut_ptr().cast::<f64>();
    for at in (0..WIDE_START).step_by(4) {
        // SAFETY: WIDE_START is a multiple of 4, and the buffer longer; it is aligned to 64 bytes.
        unsafe { _mm256_store_pd(buffer.add(at), _mm256_setzero_pd()) };
    }
    // SAFETY: history <= MAX_ORDER <= WIDE_START.
    let start = unsafe { buffer.add(WIDE_START - history) };
    let shift = _mm_cvtsi32_si128(shift.cast_signed());
    let put = |at: usize, row: &[i32; 8]| {
        let row = _mm256_sra_epi32(load::<0, 8>(row), shift);
        // SAFETY: `at` is at most samples.len() + 16 <= history + MAX_SEGMENT + 16, so this ends at most 24 after
        // WIDE_START + MAX_SEGMENT. It need not be aligned.
        unsafe {
            _mm256_storeu_pd(start.add(at), _mm256_cvtepi32_pd(_mm256_castsi256_si128(row)));
            _mm256_storeu_pd(start.add(at + 4), _mm256_cvtepi32_pd(_mm256_extracti128_si256::<1>(row)));
        }
    };
    let (rows, rest) = samples.as_chunks::<8>();
    for (number, row) in rows.iter().enumerate() {
        put(8 * number, row);
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    put(8 * rows.len(), &last);
    put(8 * rows.len() + 8, &[0; 8]);
    put(8 * rows.len() + 16, &[0; 8]);
    // All from `buffer` to samples.len() + 16 after `start` have values now.
    let rows = samples.len().saturating_sub(history).div_ceil(4);
    let mut first = 0;
    let mut sums = sums;
    while !sums.is_empty() {
        // 12 sums, two rows, one more, and the past are the 16 registers; fewer than 8 sums take as long as 8.
        let few = match sums.len() {
            all @ ..=12 => all,
            13..=16 => 8,
            _ => 12,
        };
        let (group, rest) = sums.split_at_mut(few);
        // SAFETY: see above; first + few <= history + 1.
        unsafe {
            let now = buffer.add(WIDE_START).cast_const();
            match few {
                1 => add_wide::<1>(now, rows, first, group),
                2 => add_wide::<2>(now, rows, first, group),
                3 => add_wide::<3>(now, rows, first, group),
                4 => add_wide::<4>(now, rows, first, group),
                5 => add_wide::<5>(now, rows, first, group),
                6 => add_wide::<6>(now, rows, first, group),
                7 => add_wide::<7>(now, rows, first, group),
                8 => add_wide::<8>(now, rows, first, group),
                9 => add_wide::<9>(now, rows, first, group),
                10 => add_wide::<10>(now, rows, first, group),
                11 => add_wide::<11>(now, rows, first, group),
                _ => add_wide::<12>(now, rows, first, group),
            }
        }
        first += few;
        sums = rest;
    }
}

/// The sums for `N` lags, at most 12, from `first` on.
///
/// A vector of past samples is multiplied with all vectors of present ones whose lag to it is asked for: every fourth
/// lag. So only four of each four lags' vectors are loaded, and just one of present samples, which then stays.
///
/// # Safety
///
/// `now` is aligned to 32 bytes, and can be read for 4 samples `rows + 4` times, of which those after the first `rows`
/// are zeros, and for `first + N + 2` samples before.
#[target_feature(enable = "avx2,fma")]
unsafe fn add_wide<const N: usize>(now: *const f64, rows: usize, first: usize, sums: &mut [f64]) {
    // Rows of present samples for one of past ones.
    let deep = const { N.div_ceil(4) };
    // A sum is ready for the next product after 4 cycles, in which there is time for 8: so few lags have two sums each.
    let sets = const { if N <= 6 { 2 } else { 1 } };
    let mut lanes = [[_mm256_setzero_pd(); N]; 2];
    let (mut older, mut old) = (_mm256_setzero_pd(), _mm256_setzero_pd());
    let mut ahead = 0;
    // The row of past samples is `deep - 1` behind `ahead`: at first in the history, to which nothing present is added.
    while ahead < rows + deep - 1 {
        // SAFETY: this function's contract.
        unsafe {
            let new = _mm256_load_pd(now.add(4 * ahead));
            let newer = if sets == 2 { _mm256_load_pd(now.add(4 * ahead + 4)) } else { new };
            let present = [older, old, new, newer];
            for set in 0..sets {
                for lag in 0..4 {
                    let past = _mm256_loadu_pd(now.add(4 * (ahead + set)).sub(4 * (deep - 1) + first + lag));
                    for row in 0..deep {
                        if 4 * row + lag < N {
                            let sum = &mut lanes[set][4 * row + lag];
                            *sum = _mm256_fmadd_pd(past, present[3 - deep + set + row], *sum);
                        }
                    }
                }
            }
            (older, old) = if sets == 2 { (new, newer) } else { (old, new) };
        }
        ahead += sets;
    }
    let [one, other] = lanes;
    for (sum, lanes) in sums.iter_mut().zip(one.into_iter().zip(other)) {
        *sum = add_up_wide(lanes.0) + add_up_wide(lanes.1);
    }
}

/// The sum of four lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn add_up_wide(lanes: __m256d) -> f64 {
    let mut parts = [0.0; 4];
    // SAFETY: the array has 32 bytes; it need not be aligned.
    unsafe { _mm256_storeu_pd(parts.as_mut_ptr(), lanes) };
    parts.iter().sum()
}
