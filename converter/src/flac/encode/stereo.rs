//! The four ways to code two channels (RFC 9639 §9.1.3).

use crate::flac::frame::Assignment;

/// Where left, right, middle and side lie among the signals of a block of two channels.
pub(in crate::flac) const LEFT: usize = 0;
pub(in crate::flac) const RIGHT: usize = 1;
pub(in crate::flac) const MID: usize = 2;
pub(in crate::flac) const SIDE: usize = 3;

/// A way to code two channels, and its two signals in the order of their subframes.
pub(super) type Pair = (Assignment, [usize; 2]);

/// All ways; what is equal is coded as the one that comes first.
pub(super) const PAIRS: [Pair; 4] = [
    (Assignment::Independent(2), [LEFT, RIGHT]),
    (Assignment::LeftSide, [LEFT, SIDE]),
    (Assignment::SideRight, [SIDE, RIGHT]),
    (Assignment::MidSide, [MID, SIDE]),
];

/// The pair with the fewest bits, by the bits of each signal.
pub(super) fn smallest(bits: [f64; 4]) -> Pair {
    let [first, rest @ ..] = PAIRS;
    let cost = |(_, [one, other]): Pair| bits[one] + bits[other];
    rest.into_iter().fold(first, |best, pair| if cost(pair) < cost(best) { pair } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pair_with_the_smallest_sum_is_found() {
        for (bits, assignment) in [
            ([1.0, 1.0, 1.0, 1.0], Assignment::Independent(2)),
            ([1.0, 1.0, 9.0, 9.0], Assignment::Independent(2)),
            ([1.0, 9.0, 9.0, 1.0], Assignment::LeftSide),
            ([9.0, 1.0, 9.0, 1.0], Assignment::SideRight),
            ([9.0, 9.0, 1.0, 1.0], Assignment::MidSide),
            ([5.0, 5.0, 1.0, 9.0], Assignment::Independent(2)),
            ([1.0, 2.0, 1.0, 1.5], Assignment::LeftSide),
            ([0.0; 4], Assignment::Independent(2)),
        ] {
            assert_eq!(smallest(bits).0, assignment, "{bits:?}");
        }
    }

    #[test]
    fn both_channels_follow_from_every_pair() {
        for (assignment, pair) in PAIRS {
            let signals = match assignment {
                Assignment::Independent(_) => [LEFT, RIGHT],
                Assignment::LeftSide => [LEFT, SIDE],
                Assignment::SideRight => [SIDE, RIGHT],
                Assignment::MidSide => [MID, SIDE],
            };
            assert_eq!(pair, signals);
        }
    }
}
