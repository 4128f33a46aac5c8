//! Rice codes (§9.2.7.2) with AVX2 and BMI2.
#![allow(unsafe_code)]

use std::arch::x86_64::{
    __m128i, __m256i, _mm_cvtsi32_si128, _mm256_add_epi32, _mm256_add_epi64, _mm256_and_si256, _mm256_blend_epi32,
    _mm256_cmpgt_epi64, _mm256_loadu_si256, _mm256_min_epu32, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi32,
    _mm256_set1_epi64x, _mm256_setzero_si256, _mm256_sllv_epi64, _mm256_srl_epi32, _mm256_srli_epi64,
    _mm256_storeu_si256, _mm256_unpackhi_epi64, _mm256_unpacklo_epi64,
};

use crate::flac::bits::{BitWriter, Run, STORE_BITS};
use crate::flac::kernels::plain;

/// Codes that are made at once.
const LANES: usize = 8;

/// The plain one, compiled for AVX2.
pub(in crate::flac::kernels::x86) fn partition_sums(residual: &[u32], order: usize, sums: &mut [u64]) {
    #[target_feature(enable = "avx2")]
    fn with_avx2(residual: &[u32], order: usize, sums: &mut [u64]) {
        plain::partition_sums(residual, order, sums);
    }
    // SAFETY: `detected` has found AVX2.
    unsafe { with_avx2(residual, order, sums) }
}

/// The plain one, compiled for AVX2.
pub(in crate::flac::kernels::x86) fn quotients(
    residual: &[u32],
    order: usize,
    parameters: &[u8],
    sums: &mut [[u64; 3]],
) {
    #[target_feature(enable = "avx2")]
    fn with_avx2(residual: &[u32], order: usize, parameters: &[u8], sums: &mut [[u64; 3]]) {
        plain::quotients(residual, order, parameters, sums);
    }
    // SAFETY: `detected` has found AVX2.
    unsafe { with_avx2(residual, order, parameters, sums) }
}

/// Four or two codes are put into the writer as one, as they are likely to fit; where they do not, and for parameters
/// with which even two rarely would, the plain kernel writes.
pub(in crate::flac::kernels::x86) fn put_rice(residual: &[u32], parameter: u32, out: &mut BitWriter) {
    // SAFETY: `detected` has found AVX2 and BMI2.
    unsafe {
        match parameter {
            0..=9 => put_fours(residual, parameter, out),
            10..=22 => put_twos(residual, parameter, out),
            _ => plain::put_rice(residual, parameter, out),
        }
    }
}

#[target_feature(enable = "avx2,bmi2")]
fn put_fours(residual: &[u32], parameter: u32, out: &mut BitWriter) {
    put_groups(residual, parameter, out, |groups, run| put_fitting_fours(groups, parameter, run));
}

#[target_feature(enable = "avx2,bmi2")]
fn put_twos(residual: &[u32], parameter: u32, out: &mut BitWriter) {
    put_groups(residual, parameter, out, |groups, run| put_fitting_twos(groups, parameter, run));
}

/// Has `put_fitting` put groups until one does not fit, and gives that one to the plain kernel; and so on.
#[inline]
fn put_groups<const SIZE: usize>(
    residual: &[u32],
    parameter: u32,
    out: &mut BitWriter,
    put_fitting: impl for<'a> Fn(&'a [[u32; SIZE]], &mut Run<'_>) -> &'a [[u32; SIZE]],
) {
    let (groups, rest) = residual.as_chunks();
    let mut run = out.run();
    let mut left = groups;
    while let Some((first, after)) = left.split_first() {
        left = put_fitting(left, &mut run);
        if left.len() > after.len() {
            run.by(|out| put_long(first, parameter, out));
            left = after;
        }
    }
    run.by(|out| plain::put_rice(rest, parameter, out));
}

/// Puts groups until one does not fit; gives those that are left. Apart, so that no call takes registers from its loop.
#[inline(never)]
#[target_feature(enable = "avx2,bmi2")]
fn put_fitting_fours<'a>(groups: &'a [[u32; 2 * LANES]], parameter: u32, run: &mut Run<'_>) -> &'a [[u32; 2 * LANES]] {
    let coder = Coder::new(parameter);
    let mut left = groups;
    run.reserve(4 * groups.len()).put_each(|| {
        let (group, after) = left.split_first()?;
        let (first, second) = coder.twos_of_both(group);
        // In each half of a vector there is a word of the first eight, and then one of the second.
        let before = Words::zip(first, second, |first, second| _mm256_unpacklo_epi64(first, second));
        let after_them = Words::zip(first, second, |first, second| _mm256_unpackhi_epi64(first, second));
        let words = before.followed_by(after_them);
        words.fit().then(|| {
            left = after;
            let [a, c, b, d] = words.apart();
            [a, b, c, d]
        })
    });
    left
}

/// As [`put_fitting_fours`].
#[inline(never)]
#[target_feature(enable = "avx2,bmi2")]
fn put_fitting_twos<'a>(groups: &'a [[u32; LANES]], parameter: u32, run: &mut Run<'_>) -> &'a [[u32; LANES]] {
    let coder = Coder::new(parameter);
    let mut left = groups;
    run.reserve(4 * groups.len()).put_each(|| {
        let (group, after) = left.split_first()?;
        let words = coder.twos(group);
        words.fit().then(|| {
            left = after;
            words.apart()
        })
    });
    left
}

/// Not inlined, so that it takes no registers from the loops above.
#[cold]
#[inline(never)]
fn put_long(residual: &[u32], parameter: u32, out: &mut BitWriter) {
    plain::put_rice(residual, parameter, out);
}

/// Codes one after the other in each of four words, and how many bits they are there. Only where the bits are at most
/// [`STORE_BITS`] do the codes mean anything.
#[derive(Clone, Copy)]
struct Words {
    codes: __m256i,
    bits: __m256i,
}

impl Words {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn zip(one: Self, other: Self, with: impl Fn(__m256i, __m256i) -> __m256i) -> Self {
        Self { codes: with(one.codes, other.codes), bits: with(one.bits, other.bits) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn followed_by(self, after: Self) -> Self {
        // With a shift that is always below 64, the compiler has no others to think of.
        let shift = _mm256_and_si256(after.bits, _mm256_set1_epi64x(63));
        Self {
            codes: _mm256_or_si256(_mm256_sllv_epi64(self.codes, shift), after.codes),
            bits: _mm256_add_epi64(self.bits, after.bits),
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn fit(self) -> bool {
        let most = _mm256_set1_epi64x(i64::from(STORE_BITS));
        _mm256_movemask_epi8(_mm256_cmpgt_epi64(self.bits, most)) == 0
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn apart(self) -> [(u64, u32); 4] {
        let (mut codes, mut bits) = ([0_u64; 4], [0_u64; 4]);
        // SAFETY: four `u64` are the 32 bytes that each writes, at any alignment.
        unsafe {
            _mm256_storeu_si256(codes.as_mut_ptr().cast(), self.codes);
            _mm256_storeu_si256(bits.as_mut_ptr().cast(), self.bits);
        }
        #[allow(clippy::cast_possible_truncation)] // at most STORE_BITS
        let one = |word: usize| (codes[word], bits[word] as u32);
        [one(0), one(1), one(2), one(3)]
    }
}

/// What is the same for all codes with one parameter.
struct Coder {
    parameter: __m128i,
    /// In 32-bit lanes.
    stop: __m256i,
    remainder: __m256i,
    stop_and_remainder_bits: __m256i,
}

impl Coder {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new(parameter: u32) -> Self {
        let parameter = parameter.cast_signed();
        Self {
            parameter: _mm_cvtsi32_si128(parameter),
            stop: _mm256_set1_epi32(1 << parameter),
            remainder: _mm256_set1_epi32((1 << parameter) - 1),
            stop_and_remainder_bits: _mm256_set1_epi32(parameter + 1),
        }
    }

    /// The codes of each two values of eight.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn twos(&self, values: &[u32; LANES]) -> Words {
        // SAFETY: eight `u32` are the 32 bytes that this reads, at any alignment.
        let values = unsafe { _mm256_loadu_si256(values.as_ptr().cast()) };
        // With a longer quotient nothing fits, and with this the sums of bits stay small.
        let longest = _mm256_set1_epi32(STORE_BITS.cast_signed());
        let quotients = _mm256_min_epu32(_mm256_srl_epi32(values, self.parameter), longest);
        let bits = _mm256_add_epi32(quotients, self.stop_and_remainder_bits);
        let codes = _mm256_or_si256(_mm256_and_si256(values, self.remainder), self.stop);
        // The first of each two is in the lower half of a 64-bit lane.
        let lower = |lanes| _mm256_blend_epi32::<0b1010_1010>(lanes, _mm256_setzero_si256());
        let upper = |lanes| _mm256_srli_epi64::<32>(lanes);
        let first = Words { codes: lower(codes), bits: lower(bits) };
        first.followed_by(Words { codes: upper(codes), bits: upper(bits) })
    }

    /// As [`twos`](Self::twos), of the first eight values and of the second.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn twos_of_both(&self, values: &[u32; 2 * LANES]) -> (Words, Words) {
        let (first, second) = values.as_chunks::<LANES>().0.split_at(1);
        (self.twos(&first[0]), self.twos(&second[0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_codes_never_look_short() {
        if crate::flac::kernels::x86::detected().is_none() {
            println!("not tested: this CPU lacks what the kernels need");
            return;
        }
        for value in [u32::MAX, u32::MAX - 1, 1 << 31, 100] {
            for place in 0..2 * LANES {
                let mut values = [0; 2 * LANES];
                values[place] = value;
                // SAFETY: `detected` has found AVX2.
                let (first, second) = unsafe { Coder::new(0).twos_of_both(&values) };
                // SAFETY: as above.
                assert_eq!(unsafe { (first.fit(), second.fit()) }, (place >= LANES, place < LANES), "{value}");
            }
        }
    }
}
