//! Samples of channels as [`Block::pcm`](crate::flac::Block::pcm) has them: interleaved, little-endian, each in as few bytes
//! as hold its bits.

/// Appends these channels, all equally long.
pub(super) fn append(channels: &[&[i32]], bytes_per_sample: usize, pcm: &mut Vec<u8>) {
    match (channels, bytes_per_sample) {
        ([left, right], 2) => pcm.extend(left.iter().zip(*right).flat_map(|(left, right)| pair(*left, *right))),
        (_, 1) => spread::<1>(channels, pcm),
        (_, 2) => spread::<2>(channels, pcm),
        (_, 3) => spread::<3>(channels, pcm),
        _ => spread::<4>(channels, pcm),
    }
}

/// Whether these channels, all equally long, are this PCM.
pub(super) fn equal(channels: &[&[i32]], bytes_per_sample: usize, pcm: &[u8]) -> bool {
    let samples: usize = channels.iter().map(|channel| channel.len()).sum();
    pcm.len() == samples * bytes_per_sample
        && match (channels, bytes_per_sample) {
            ([left, right], 2) => {
                let pairs = pcm.as_chunks::<4>().0.iter().zip(left.iter().zip(*right));
                // All are looked at, which takes less time than to look for the first that differs.
                pairs.fold(0, |bits, (found, (left, right))| {
                    bits | (u32::from_le_bytes(*found) ^ u32::from_le_bytes(pair(*left, *right)))
                }) == 0
            }
            (_, 1) => gathered::<1>(channels, pcm),
            (_, 2) => gathered::<2>(channels, pcm),
            (_, 3) => gathered::<3>(channels, pcm),
            _ => gathered::<4>(channels, pcm),
        }
}

/// Two samples of 16 bits.
#[inline]
fn pair(left: i32, right: i32) -> [u8; 4] {
    ((left & 0xFFFF) | right << 16).to_le_bytes()
}

fn spread<const BYTES: usize>(channels: &[&[i32]], pcm: &mut Vec<u8>) {
    let start = pcm.len();
    pcm.resize(start + channels.iter().map(|channel| channel.len()).sum::<usize>() * BYTES, 0);
    let (places, _) = pcm.get_mut(start..).unwrap_or_default().as_chunks_mut::<BYTES>();
    for (number, channel) in channels.iter().enumerate() {
        for (place, sample) in places.iter_mut().skip(number).step_by(channels.len()).zip(*channel) {
            *place = low(*sample);
        }
    }
}

fn gathered<const BYTES: usize>(channels: &[&[i32]], pcm: &[u8]) -> bool {
    let (found, _) = pcm.as_chunks::<BYTES>();
    channels.iter().enumerate().all(|(number, channel)| {
        found.iter().skip(number).step_by(channels.len()).zip(*channel).all(|(found, sample)| *found == low(*sample))
    })
}

/// The low bytes of a sample.
#[inline]
fn low<const BYTES: usize>(sample: i32) -> [u8; BYTES] {
    let bytes = sample.to_le_bytes();
    std::array::from_fn(|at| bytes.get(at).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_equal_and_nothing_else_is() {
        let channels: Vec<Vec<i32>> =
            (0..8).map(|number| (0..9).map(|at| (at * 77_777 - 300_000) * (number + 1)).collect()).collect();
        for count in 1..=channels.len() {
            let channels: Vec<&[i32]> = channels[..count].iter().map(Vec::as_slice).collect();
            for bytes in 1..=4 {
                let mut pcm = vec![7; 3];
                append(&channels, bytes, &mut pcm);
                let expected = (0..9).flat_map(|at| {
                    channels.iter().flat_map(move |channel| channel[at].to_le_bytes().into_iter().take(bytes))
                });
                assert!(pcm.drain(..3).eq([7; 3]) && pcm.iter().copied().eq(expected));
                assert!(equal(&channels, bytes, &pcm));
                for at in 0..pcm.len() {
                    let mut other = pcm.clone();
                    other[at] ^= 0x80;
                    assert!(!equal(&channels, bytes, &other));
                }
                assert!(!equal(&channels, bytes, &pcm[1..]) && !equal(&channels, bytes, &[]));
            }
        }
    }
}
