//! Sums of |residual| in lanes of 32 bits, which are added to lanes of 64 before they can overflow.

use std::arch::x86_64::{
    __m256i, _mm256_abs_epi32, _mm256_add_epi32, _mm256_add_epi64, _mm256_and_si256, _mm256_set1_epi64x,
    _mm256_setzero_si256, _mm256_srai_epi32, _mm256_srli_epi64, _mm256_sub_epi32,
};

use super::{load, plain, store};

/// The plain kernel's, in vectors; samples of up to 26 bits.
#[target_feature(enable = "avx2")]
pub(super) fn fixed_sums(samples: &[i32]) -> [u64; 5] {
    let mut sums = [_mm256_setzero_si256(); 5];
    let mut rest = samples;
    while rest.len() >= 12 {
        // Residuals of order 4 are below 2^29 (16 times 2^25), so 8 of them fit into 32 bits.
        let mut lanes = [_mm256_setzero_si256(); 5];
        for _ in 0..8 {
            let Some(window) = rest.first_chunk::<12>() else { break };
            let mut residuals = [
                load::<4, 12>(window),
                load::<3, 12>(window),
                load::<2, 12>(window),
                load::<1, 12>(window),
                load::<0, 12>(window),
            ];
            for (order, lanes) in lanes.iter_mut().enumerate() {
                *lanes = _mm256_add_epi32(*lanes, _mm256_abs_epi32(residuals[0]));
                for back in 0..4 - order {
                    residuals[back] = _mm256_sub_epi32(residuals[back], residuals[back + 1]);
                }
            }
            rest = &rest[8..];
        }
        for (sum, lanes) in sums.iter_mut().zip(lanes) {
            *sum = add_wide(*sum, lanes);
        }
    }
    let mut totals = plain::fixed_sums(rest);
    for (total, sum) in totals.iter_mut().zip(sums) {
        *total += add_up(sum);
    }
    totals
}

/// The plain kernel's, in vectors; samples of up to 25 bits.
#[target_feature(enable = "avx2")]
pub(super) fn stereo_sums(left: &[i32], right: &[i32]) -> [u64; 4] {
    let mut sums = [_mm256_setzero_si256(); 4];
    let (mut left, mut right) = (left, right);
    while left.len().min(right.len()) >= 10 {
        // Differences of the side are below 2^27 (4 times 2^25), so 32 of them fit into 32 bits.
        let mut lanes = [_mm256_setzero_si256(); 4];
        for _ in 0..32 {
            let (Some(l), Some(r)) = (left.first_chunk::<10>(), right.first_chunk::<10>()) else { break };
            let l = [load::<0, 10>(l), load::<1, 10>(l), load::<2, 10>(l)];
            let r = [load::<0, 10>(r), load::<1, 10>(r), load::<2, 10>(r)];
            let mid = [middle(l[0], r[0]), middle(l[1], r[1]), middle(l[2], r[2])];
            let (l, r) = (second_difference(l), second_difference(r));
            let differences = [l, r, second_difference(mid), _mm256_sub_epi32(l, r)];
            for (lanes, difference) in lanes.iter_mut().zip(differences) {
                *lanes = _mm256_add_epi32(*lanes, _mm256_abs_epi32(difference));
            }
            (left, right) = (&left[8..], &right[8..]);
        }
        for (sum, lanes) in sums.iter_mut().zip(lanes) {
            *sum = add_wide(*sum, lanes);
        }
    }
    let mut totals = plain::stereo_sums(left, right);
    for (total, sum) in totals.iter_mut().zip(sums) {
        *total += add_up(sum);
    }
    totals
}

#[inline]
#[target_feature(enable = "avx2")]
fn middle(left: __m256i, right: __m256i) -> __m256i {
    _mm256_srai_epi32::<1>(_mm256_add_epi32(left, right))
}

#[inline]
#[target_feature(enable = "avx2")]
fn second_difference(x: [__m256i; 3]) -> __m256i {
    _mm256_sub_epi32(_mm256_sub_epi32(x[2], x[1]), _mm256_sub_epi32(x[1], x[0]))
}

/// Adds eight lanes of 32 bits without a sign to four of 64.
#[inline]
#[target_feature(enable = "avx2")]
fn add_wide(sums: __m256i, lanes: __m256i) -> __m256i {
    let even = _mm256_and_si256(lanes, _mm256_set1_epi64x(0xFFFF_FFFF));
    _mm256_add_epi64(sums, _mm256_add_epi64(even, _mm256_srli_epi64::<32>(lanes)))
}

/// The sum of four lanes of 64 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn add_up(lanes: __m256i) -> u64 {
    let mut halves = [0; 8];
    store(&mut halves, lanes);
    let half = |at: usize| u64::from(halves[at].cast_unsigned());
    (0..4).map(|lane| half(2 * lane) | half(2 * lane + 1) << 32).sum()
}
