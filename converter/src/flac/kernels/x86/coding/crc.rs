//! The checksum of a frame with PCLMULQDQ.
#![allow(unsafe_code)]

use std::arch::x86_64::{
    __m128i, _mm_clmulepi64_si128, _mm_loadu_si128, _mm_set_epi64x, _mm_setr_epi8, _mm_setzero_si128, _mm_shuffle_epi8,
    _mm_storeu_si128, _mm_xor_si128,
};

use crate::flac::kernels::plain;

/// Bytes of a vector, and the vectors that are folded beside each other so as not to wait for each other.
const LANE: usize = 16;
const LANES: usize = 4;
const BLOCK_BITS: u32 = 8 * 16 * 4;

/// x^`power` modulo the polynomial.
const fn power(power: u32) -> i64 {
    let (mut rest, mut at) = (1_u16, 0);
    while at < power {
        rest = if rest & 0x8000 == 0 { rest << 1 } else { rest << 1 ^ plain::POLYNOMIAL };
        at += 1;
    }
    rest as i64
}

/// The bytes are a polynomial, of which each vector's 128 terms are replaced by what they leave many bits later modulo
/// the checksum's, as fewer terms, which are added there. What is left at last goes through the plain kernel.
pub(in crate::flac::kernels::x86) fn crc16(crc: u16, bytes: &[u8]) -> u16 {
    let (blocks, rest) = bytes.as_chunks::<{ LANE * LANES }>();
    let Some((first, blocks)) = blocks.split_first() else {
        return plain::crc16(crc, rest);
    };
    // SAFETY: `detected` has found PCLMULQDQ, and AVX2, which no CPU has without SSSE3.
    let folded = unsafe { fold(crc, first, blocks) };
    plain::crc16(plain::crc16(0, &folded), rest)
}

/// One vector with the checksum of all blocks.
#[target_feature(enable = "avx2,pclmulqdq")]
fn fold(crc: u16, first: &[u8; LANE * LANES], blocks: &[[u8; LANE * LANES]]) -> [u8; LANE] {
    let mut lanes = load(first);
    lanes[0] = _mm_xor_si128(lanes[0], _mm_set_epi64x(i64::from(crc) << 48, 0));
    for block in blocks {
        for (lane, next) in lanes.iter_mut().zip(load(block)) {
            *lane = _mm_xor_si128(later::<BLOCK_BITS>(*lane), next);
        }
    }
    let [a, b, c, d] = lanes;
    let ab = _mm_xor_si128(later::<128>(a), b);
    let abc = _mm_xor_si128(later::<128>(ab), c);
    let all = reversed(_mm_xor_si128(later::<128>(abc), d));
    let mut bytes = [0; LANE];
    // SAFETY: the 16 bytes that this writes, at any alignment.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), all) }
    bytes
}

/// What a vector leaves so many bits later.
#[inline]
#[target_feature(enable = "avx2,pclmulqdq")]
fn later<const BITS: u32>(lane: __m128i) -> __m128i {
    let powers = _mm_set_epi64x(const { power(BITS + 64) }, const { power(BITS) });
    let (low, high) = (_mm_clmulepi64_si128::<0x00>(lane, powers), _mm_clmulepi64_si128::<0x11>(lane, powers));
    _mm_xor_si128(low, high)
}

/// The first byte is the highest.
#[inline]
#[target_feature(enable = "avx2,pclmulqdq")]
fn load(block: &[u8; LANE * LANES]) -> [__m128i; LANES] {
    let mut lanes = [_mm_setzero_si128(); LANES];
    for (lane, bytes) in lanes.iter_mut().zip(block.as_chunks::<LANE>().0) {
        // SAFETY: the 16 bytes that this reads, at any alignment.
        *lane = reversed(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) });
    }
    lanes
}

#[inline]
#[target_feature(enable = "avx2,pclmulqdq")]
fn reversed(bytes: __m128i) -> __m128i {
    _mm_shuffle_epi8(bytes, _mm_setr_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0))
}
