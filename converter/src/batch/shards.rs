//! Deals files to shards so that the shards end together, with all sizes seen once before any is dealt. Pure; what a
//! file is, is not known here.
//!
//! The best simple way is the largest file first, always to the shard that has least. It would need all files at hand.
//! Here only the sizes of the largest [`LARGE`] are kept: they are dealt that way beforehand, and when the files then
//! come, in whatever order, a large one finds its shard and any other goes to the shard that has least. Nothing else
//! grows with the number of files.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

/// How many files are dealt largest first.
pub const LARGE: usize = 1 << 15;

/// Sees all sizes once, in any order.
#[derive(Debug)]
pub struct Sizes {
    /// The largest so far, one more than are dealt beforehand.
    largest: BinaryHeap<Reverse<u64>>,
    large: usize,
}

impl Sizes {
    /// No sizes yet; the `large` largest files will be dealt largest first.
    pub fn new(large: usize) -> Self {
        Self { largest: BinaryHeap::new(), large }
    }

    /// Another file has so many bytes.
    pub fn see(&mut self, size: u64) {
        if self.largest.len() <= self.large {
            self.largest.push(Reverse(size));
        } else if let Some(mut least) = self.largest.peek_mut()
            && least.0 < size
        {
            *least = Reverse(size);
        }
    }

    /// Deals the largest to so many shards; none at all counts as one.
    pub fn deal(self, shards: usize) -> Dealer {
        let mut least = (0..shards.max(1)).map(|shard| Reverse((0, 0, shard))).collect();
        let mut sizes = self.largest.into_vec();
        sizes.sort_unstable();
        // Files as large as the one too many are not told apart from it, so none of them is large.
        let limit = if sizes.len() > self.large { sizes.last().map(|last| last.0) } else { None };
        let mut large: BTreeMap<u64, VecDeque<usize>> = BTreeMap::new();
        for Reverse(size) in sizes {
            if limit.is_none_or(|limit| size > limit) {
                large.entry(size).or_default().push_back(add(&mut least, size));
            }
        }
        Dealer { least, large }
    }
}

/// Gives each file its shard.
///
/// If the sizes are those that [`Sizes`] saw, no shard has in the end more bytes than another by more than the largest
/// file, and the same sizes in the same order are always dealt the same way.
#[derive(Debug)]
pub struct Dealer {
    /// Bytes, files and number of each shard, that with the fewest bytes, then files, then the lowest number on top.
    least: BinaryHeap<Reverse<(u64, u64, usize)>>,
    /// Shards that wait for a large file of that size.
    large: BTreeMap<u64, VecDeque<usize>>,
}

impl Dealer {
    /// The shard of the next file, which has so many bytes.
    pub fn shard(&mut self, size: u64) -> usize {
        let waiting = self.large.get_mut(&size).and_then(VecDeque::pop_front);
        waiting.unwrap_or_else(|| add(&mut self.least, size))
    }
}

/// Adds a file to the shard that has least.
fn add(least: &mut BinaryHeap<Reverse<(u64, u64, usize)>>, size: u64) -> usize {
    let Some(mut top) = least.peek_mut() else { return 0 };
    let Reverse((bytes, files, shard)) = *top;
    *top = Reverse((bytes.saturating_add(size), files + 1, shard));
    shard
}

#[cfg(test)]
mod tests {
    use super::Sizes;
    use proptest::prelude::*;

    fn deal(sizes: &[u64], shards: usize, large: usize) -> Vec<usize> {
        let mut seen = Sizes::new(large);
        for size in sizes {
            seen.see(*size);
        }
        let mut dealer = seen.deal(shards);
        sizes.iter().map(|size| dealer.shard(*size)).collect()
    }

    fn bytes(sizes: &[u64], dealt: &[usize], shards: usize) -> Vec<u64> {
        let mut bytes = vec![0u64; shards];
        for (shard, size) in dealt.iter().zip(sizes) {
            bytes[*shard] += size;
        }
        bytes
    }

    #[test]
    fn table() {
        for (sizes, shards, wanted) in [
            (&[][..], 3, vec![]),
            (&[5], 3, vec![0]),
            (&[1, 2, 3], 1, vec![0, 0, 0]),
            (&[10, 1, 1, 1], 2, vec![0, 1, 1, 1]),
            (&[1, 1, 1, 10], 2, vec![1, 1, 1, 0]),
            (&[4, 3, 2, 1], 2, vec![0, 1, 1, 0]),
            // Empty files are spread by count.
            (&[0, 0, 0, 0], 2, vec![0, 1, 0, 1]),
            (&[7, 7], 4, vec![0, 1]),
            (&[u64::MAX, u64::MAX, 1], 2, vec![0, 1, 0]),
            (&[3, 4], 0, vec![0, 0]),
        ] {
            assert_eq!(deal(sizes, shards, 100), wanted, "{sizes:?} to {shards}");
        }
    }

    #[test]
    fn the_large_ones_go_first_wherever_they_come() {
        assert_eq!(deal(&[1, 2, 30, 3, 20, 4], 2, 2), [1, 1, 0, 1, 1, 1]);
        // Three of one size and room for two: which two would depend on the order, so none is large.
        assert_eq!(deal(&[5, 1, 5, 5], 2, 2), [0, 1, 1, 0]);
    }

    proptest! {
        #[test]
        fn every_file_once_and_balanced(
            sizes in prop::collection::vec(prop_oneof![0u64..5_000_000_000, 0u64..4], 0..300),
            shards in 1usize..40,
            large in 0usize..100,
        ) {
            let dealt = deal(&sizes, shards, large);
            prop_assert_eq!(dealt.len(), sizes.len());
            prop_assert!(dealt.iter().all(|shard| *shard < shards));
            let bytes = bytes(&sizes, &dealt, shards);
            let spread = bytes.iter().max().unwrap() - bytes.iter().min().unwrap();
            prop_assert!(spread <= sizes.iter().copied().max().unwrap_or(0));
        }
    }

    /// Recordings: sizes over orders of magnitude, many files a shard, most of them not among the large ones.
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
            for large in [200, 10_000] {
                let bytes = bytes(&sizes, &deal(&sizes, shards, large), shards);
                let (most, least) = (bytes.iter().max().unwrap(), bytes.iter().min().unwrap());
                assert!(*most as f64 <= *least as f64 * 1.1, "{large} large: {bytes:?}");
            }
        }
    }
}
