//! The compressed lists in which an Indexed Job tells what has become of its indexes, as `1,3-5,7`.
//!
//! The notation is that of `Job.status.completedIndexes` and `failedIndexes`
//! (<https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/#JobStatus>).

use std::collections::BTreeSet;

/// The indexes below `shards` that the list names.
///
/// Parts that are no index and no range are passed over: the text comes from a cluster, and a progress that is a little
/// behind is better than none.
pub fn parse(list: &str, shards: usize) -> BTreeSet<usize> {
    list.split(',').filter_map(range).flat_map(|(first, last)| first..last.saturating_add(1).min(shards)).collect()
}

/// First and last index of one part of a list.
fn range(part: &str) -> Option<(usize, usize)> {
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Writes a list as the Job controller does: runs of three and more as a range, pairs with a comma or a range.
    fn compress(indexes: &BTreeSet<usize>) -> String {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for &index in indexes {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == index => *last = index,
                _ => runs.push((index, index)),
            }
        }
        let text = |&(first, last): &(usize, usize)| match last - first {
            0 => first.to_string(),
            1 => format!("{first},{last}"),
            _ => format!("{first}-{last}"),
        };
        runs.iter().map(text).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn reads_what_the_documentation_shows() {
        assert_eq!(parse("1,3-5,7", 100), BTreeSet::from([1, 3, 4, 5, 7]));
        assert_eq!(parse("", 100), BTreeSet::new());
        assert_eq!(parse("0", 1), BTreeSet::from([0]));
    }

    #[test]
    fn passes_over_what_is_no_index() {
        for (list, expected) in [
            ("x,2", vec![2]),
            ("2,,4", vec![2, 4]),
            ("5-3", vec![]),
            ("-1", vec![]),
            ("1-2-3", vec![]),
            ("0-18446744073709551615", vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
            ("12", vec![]),
        ] {
            assert_eq!(parse(list, 10), expected.into_iter().collect(), "{list:?}");
        }
    }

    proptest! {
        #[test]
        fn every_set_comes_back(indexes in prop::collection::btree_set(0_usize..1000, 0..400)) {
            prop_assert_eq!(parse(&compress(&indexes), 1000), indexes);
        }

        #[test]
        fn no_text_leaves_the_bounds(list in "[0-9,x -]{0,60}", shards in 0_usize..1000) {
            prop_assert!(parse(&list, shards).iter().all(|index| *index < shards));
        }
    }
}
