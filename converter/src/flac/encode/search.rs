//! The compression levels: what each of them tries.

use crate::flac::level::Level;

/// What a level tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Search {
    /// The highest order of a linear predictor; 0: fixed predictors only.
    pub order: usize,
    /// How the coding of two channels is chosen.
    pub stereo: Stereo,
    /// The highest order of partitions.
    pub partition_order: u32,
    /// How often the segments are weighed anew by what the solution leaves of them.
    pub further_solves: u32,
    /// Whether Rice parameters are chosen by counting instead of estimating.
    pub exact: bool,
}

/// How the coding of two channels (RFC 9639 §9.1.3) is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stereo {
    /// By the second differences of left, right, middle and side.
    Differences,
    /// By the predictors of all four.
    Predictors,
    /// As `Predictors`; what is so near that it may be wrong is coded in both ways.
    Coded,
}

/// Up to this rate, in Hz, the streamable subset has predictors of order 12 at most; above it, of every order (RFC 9639
/// §7).
const LOW_RATE: u32 = 48_000;
/// The highest order that the smallest level tries above that rate. Higher ones cost time and gain nothing.
const HIGH_RATE_ORDER: usize = 16;

impl Search {
    /// What this level tries at this sample rate.
    pub fn of(level: Level, sample_rate: u32) -> Self {
        let [.., last] = SEARCHES;
        let search = SEARCHES.get(usize::from(level.get())).copied().unwrap_or(last);
        if search == last && sample_rate > LOW_RATE { Self { order: HIGH_RATE_ORDER, ..search } } else { search }
    }

    /// Whether a signal's bits are estimated from its predictor.
    pub fn estimates(&self) -> bool {
        self.stereo != Stereo::Differences
    }
}

const fn search(order: usize, stereo: Stereo, partition_order: u32, further_solves: u32, exact: bool) -> Search {
    Search { order, stereo, partition_order, further_solves, exact }
}

/// Levels 0 to 8.
///
/// | level | what it adds |
/// |---|---|
/// | 0 | fixed predictors and joint stereo: the cheapest that still compresses |
/// | 1, 2 | linear predictors of a few lags: most of what there is to gain, for half as much again |
/// | 3, 4 | as many lags as the reference encoder's default has |
/// | 5 | more lags than that: the default |
/// | 6 | all lags that the streamable subset allows up to 48 kHz (RFC 9639 §7) |
/// | 7 | predictors for all four signals, weighed by what they leave |
/// | 8 | once more; what is nearly equal is coded both ways, and Rice parameters are counted; more lags above 48 kHz |
const SEARCHES: [Search; 9] = {
    use Stereo::{Coded, Differences, Predictors};
    [
        search(0, Differences, 6, 0, false),
        search(4, Differences, 6, 0, false),
        search(6, Differences, 6, 0, false),
        search(7, Differences, 6, 0, false),
        search(8, Differences, 6, 0, false),
        search(10, Differences, 6, 0, false),
        search(12, Differences, 6, 0, false),
        search(12, Predictors, 6, 1, false),
        search(12, Coded, 6, 2, true),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Search> {
        at(44_100)
    }

    fn at(sample_rate: u32) -> Vec<Search> {
        (0..=8).map(|level| Search::of(Level::new(level).unwrap(), sample_rate)).collect()
    }

    #[test]
    fn each_level_tries_something_else_than_the_one_before() {
        assert!(all().windows(2).all(|two| two[0] != two[1]));
    }

    #[test]
    fn each_level_tries_no_less_than_the_one_before() {
        assert!(all().is_sorted_by(|one, next| one.order <= next.order));
        assert!(all().is_sorted_by(|one, next| one.further_solves <= next.further_solves));
        assert!(all().is_sorted_by(|one, next| one.exact <= next.exact && one.estimates() <= next.estimates()));
    }

    #[test]
    fn only_the_smallest_level_tries_more_at_high_rates() {
        let (low, high) = (all(), at(96_000));
        assert_eq!(low[..8], high[..8]);
        assert!(high[8].order > low[8].order && high[8] == Search { order: high[8].order, ..low[8] });
    }

    #[test]
    fn every_level_is_within_the_streamable_subset() {
        // RFC 9639 §7.
        assert!(at(48_000).iter().all(|search| search.order <= 12 && search.partition_order <= 8));
        assert!(at(48_001).iter().all(|search| search.order <= 32 && search.partition_order <= 8));
        // With no or one lag there is nothing to solve.
        assert!(all().iter().all(|search| search.order != 1));
    }

    #[test]
    fn further_solutions_are_only_asked_for_where_they_can_be_compared() {
        assert!(all().iter().all(|search| search.further_solves == 0 || search.estimates()));
    }
}
