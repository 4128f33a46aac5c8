//! Interleaved PCM into channels: shuffles for one and two channels of 16 and 24 bits, the plain loops for all else.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_loadu_si128, _mm256_cvtepi16_epi32, _mm256_set_m128i, _mm256_setr_epi8, _mm256_shuffle_epi8,
    _mm256_slli_epi32, _mm256_srai_epi32, _mm256_unpackhi_epi64, _mm256_unpacklo_epi64,
};

use super::{plain, store};

#[target_feature(enable = "avx2")]
pub(super) fn split(pcm: &[u8], bytes: usize, channels: &mut [Vec<i32>]) {
    let frames = pcm.len() / (bytes * channels.len()).max(1);
    for channel in channels.iter_mut() {
        channel.resize(frames, 0);
    }
    let done = match (bytes, &mut *channels) {
        (2, [mono]) => mono_16_bit(pcm, mono),
        (2, [left, right]) => stereo_16_bit(pcm, left, right),
        (3, [mono]) => mono_24_bit(pcm, mono),
        (3, [left, right]) => stereo_24_bit(pcm, left, right),
        _ => return plain::split(pcm, bytes, channels),
    };
    match bytes {
        2 => plain::split_rest::<2>(pcm, channels, done),
        _ => plain::split_rest::<3>(pcm, channels, done),
    }
}

/// Returns how many frames it did, as the others do: all whole vectors.
#[target_feature(enable = "avx2")]
fn mono_16_bit(mut pcm: &[u8], mono: &mut [i32]) -> usize {
    let mut done = 0;
    for mono in mono.as_chunks_mut().0 {
        let Some(bytes) = pcm.first_chunk::<16>() else { break };
        store(mono, _mm256_cvtepi16_epi32(half::<0, 16>(bytes)));
        pcm = &pcm[16..];
        done += 8;
    }
    done
}

#[target_feature(enable = "avx2")]
fn stereo_16_bit(mut pcm: &[u8], left: &mut [i32], right: &mut [i32]) -> usize {
    let mut done = 0;
    for (left, right) in left.as_chunks_mut().0.iter_mut().zip(right.as_chunks_mut().0) {
        let Some(bytes) = pcm.first_chunk::<32>() else { break };
        let both = halves::<0, 16, 32>(bytes);
        store(left, _mm256_srai_epi32::<16>(_mm256_slli_epi32::<16>(both)));
        store(right, _mm256_srai_epi32::<16>(both));
        pcm = &pcm[32..];
        done += 8;
    }
    done
}

#[target_feature(enable = "avx2")]
fn mono_24_bit(mut pcm: &[u8], mono: &mut [i32]) -> usize {
    let mut done = 0;
    for mono in mono.as_chunks_mut().0 {
        // Eight samples are 24 bytes, but each half of a vector is read from 16.
        let Some(bytes) = pcm.first_chunk::<28>() else { break };
        let samples = _mm256_shuffle_epi8(halves::<0, 12, 28>(bytes), thirds([0, 3, 6, 9]));
        store(mono, _mm256_srai_epi32::<8>(samples));
        pcm = &pcm[24..];
        done += 8;
    }
    done
}

#[target_feature(enable = "avx2")]
fn stereo_24_bit(mut pcm: &[u8], left: &mut [i32], right: &mut [i32]) -> usize {
    let mut done = 0;
    for (left, right) in left.as_chunks_mut().0.iter_mut().zip(right.as_chunks_mut().0) {
        // Eight frames are 48 bytes, but each half of a vector is read from 16.
        let Some(bytes) = pcm.first_chunk::<52>() else { break };
        // Two left samples, then the two right ones, in each half: frames 0, 1 and 4, 5; then 2, 3 and 6, 7.
        let even = _mm256_shuffle_epi8(halves::<0, 24, 52>(bytes), thirds([0, 6, 3, 9]));
        let odd = _mm256_shuffle_epi8(halves::<12, 36, 52>(bytes), thirds([0, 6, 3, 9]));
        store(left, _mm256_srai_epi32::<8>(_mm256_unpacklo_epi64(even, odd)));
        store(right, _mm256_srai_epi32::<8>(_mm256_unpackhi_epi64(even, odd)));
        pcm = &pcm[48..];
        done += 8;
    }
    done
}

/// The shuffle that moves the three bytes from each of these places on to the top of a lane, in both halves.
#[inline]
#[target_feature(enable = "avx2")]
fn thirds([a, b, c, d]: [i8; 4]) -> __m256i {
    const NONE: i8 = -1;
    let [a1, b1, c1, d1] = [a + 1, b + 1, c + 1, d + 1];
    let [a2, b2, c2, d2] = [a + 2, b + 2, c + 2, d + 2];
    #[rustfmt::skip]
    let bytes = _mm256_setr_epi8(
        NONE, a, a1, a2, NONE, b, b1, b2, NONE, c, c1, c2, NONE, d, d1, d2,
        NONE, a, a1, a2, NONE, b, b1, b2, NONE, c, c1, c2, NONE, d, d1, d2,
    );
    bytes
}

/// 16 bytes from `LOW` on, and 16 from `HIGH` on.
#[inline]
#[target_feature(enable = "avx2")]
fn halves<const LOW: usize, const HIGH: usize, const N: usize>(bytes: &[u8; N]) -> __m256i {
    _mm256_set_m128i(half::<HIGH, N>(bytes), half::<LOW, N>(bytes))
}

/// 16 bytes from `AT` on.
#[inline]
#[target_feature(enable = "avx2")]
fn half<const AT: usize, const N: usize>(bytes: &[u8; N]) -> __m128i {
    const { assert!(AT + 16 <= N) };
    // SAFETY: the 16 bytes from AT on are the array's, as is just asserted; any alignment will do.
    unsafe { _mm_loadu_si128(bytes.as_ptr().add(AT).cast()) }
}
