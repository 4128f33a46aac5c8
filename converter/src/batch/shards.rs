//! Deals files to shards so that the shards end together. Pure; what a file is, is not known here.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Gives each file the number of its shard: `sizes[i]` bytes go to shard `deal(sizes, shards)[i]`.
///
/// The largest file goes first, always to the shard that has the fewest bytes so far, then the fewest files, then
/// the lowest number. So no shard has more bytes than another by more than the largest file, and the same sizes are
/// always dealt the same way. No shards at all counts as one.
pub fn deal(sizes: &[u64], shards: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&file| Reverse(sizes.get(file).copied().unwrap_or(0)));
    let mut heap: BinaryHeap<Reverse<(u64, usize, usize)>> =
        (0..shards.max(1)).map(|shard| Reverse((0, 0, shard))).collect();
    let mut dealt = vec![0; sizes.len()];
    for file in order {
        if let (Some(mut least), Some(size), Some(slot)) = (heap.peek_mut(), sizes.get(file), dealt.get_mut(file)) {
            let Reverse((bytes, files, shard)) = *least;
            *slot = shard;
            *least = Reverse((bytes.saturating_add(*size), files + 1, shard));
        }
    }
    dealt
}

#[cfg(test)]
mod tests {
    use super::deal;
    use proptest::prelude::*;

    #[test]
    fn table() {
        for (sizes, shards, wanted) in [
            (&[][..], 3, vec![]),
            (&[5], 3, vec![0]),
            (&[1, 2, 3], 1, vec![0, 0, 0]),
            (&[10, 1, 1, 1], 2, vec![0, 1, 1, 1]),
            (&[4, 3, 2, 1], 2, vec![0, 1, 1, 0]),
            // Empty files are spread by count.
            (&[0, 0, 0, 0], 2, vec![0, 1, 0, 1]),
            (&[7, 7], 4, vec![0, 1]),
            (&[u64::MAX, u64::MAX, 1], 2, vec![0, 1, 0]),
            (&[3, 4], 0, vec![0, 0]),
        ] {
            assert_eq!(deal(sizes, shards), wanted, "{sizes:?} to {shards}");
        }
    }

    proptest! {
        #[test]
        fn every_file_once_and_balanced(sizes in prop::collection::vec(0u64..5_000_000_000, 0..300), shards in 1usize..40) {
            let dealt = deal(&sizes, shards);
            prop_assert_eq!(dealt.len(), sizes.len());
            let mut bytes = vec![0u64; shards];
            for (shard, size) in dealt.iter().zip(&sizes) {
                prop_assert!(*shard < shards);
                bytes[*shard] += size;
            }
            prop_assert_eq!(bytes.iter().sum::<u64>(), sizes.iter().sum::<u64>());
            let spread = bytes.iter().max().unwrap() - bytes.iter().min().unwrap();
            prop_assert!(spread <= sizes.iter().copied().max().unwrap_or(0));
        }
    }

    /// Recordings: sizes over orders of magnitude, many files a shard.
    #[test]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    fn log_normal_sizes_end_together() {
        let mut state = 1u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) + 1) as f64 / f64::from(1u32 << 31)
        };
        for shards in [2, 8, 16] {
            let normal = || (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos();
            let sizes: Vec<u64> = std::iter::repeat_with(normal).take(2000).map(|z| (1e6 * z.exp()) as u64).collect();
            let mut bytes = vec![0u64; shards];
            for (shard, size) in deal(&sizes, shards).into_iter().zip(&sizes) {
                bytes[shard] += size;
            }
            let (most, least) = (bytes.iter().max().unwrap(), bytes.iter().min().unwrap());
            assert!(*most as f64 <= *least as f64 * 1.1, "{bytes:?}");
        }
    }
}
