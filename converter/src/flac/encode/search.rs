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

impl Search {
    /// What this level tries.
    pub fn of(level: Level) -> Self {
        let [.., last] = SEARCHES;
        SEARCHES.get(usize::from(level.get())).copied().unwrap_or(last)
    }

    /// Whether a signal's bits are estimated from its predictor.
    pub fn estimates(&self) -> bool {
        self.stereo != Stereo::Differences
    }
}

const fn search(order: usize, stereo: Stereo, partition_order: u32, further_solves: u32, exact: bool) -> Search {
    Search { order, stereo, partition_order, further_solves, exact }
}

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
