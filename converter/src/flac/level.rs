//! Compression levels: their numbers, and the one table of what each asks of the encoder.

use std::fmt;
use std::str::FromStr;

/// A compression level, 0 (fastest) to 8 (smallest); 5 unless chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

/// What a level asks of the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Effort {
    /// How two channels may be coded.
    pub stereo: Stereo,
    /// The highest order of the fixed predictors (RFC 9639 §9.2.5), 0 to 4.
    pub fixed_order: usize,
    /// Orders of the linear predictors (§9.2.6). Each is tried on each frame, and the smallest frame is kept.
    pub linear_orders: &'static [usize],
}

/// How two channels may be coded (RFC 9639 §9.1.3); whatever is smallest is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stereo {
    /// Each by itself.
    Independent,
    /// Each by itself, or their middle and their difference.
    MidSide,
    /// All of these, or one of them and the difference.
    Any,
}

/// Samples per channel in each block but the last. Of the streamable subset, and the reference encoder's default.
pub const BLOCK_SIZE: u16 = 4096;

/// Levels 0 to 8. Each tries all that the one before tries and something more, so that no frame gets larger. The orders
/// stay within the streamable subset (12 up to 48 kHz).
const EFFORTS: [Effort; 9] = [
    Effort { stereo: Stereo::Independent, fixed_order: 2, linear_orders: &[] },
    Effort { stereo: Stereo::Independent, fixed_order: 4, linear_orders: &[] },
    Effort { stereo: Stereo::MidSide, fixed_order: 4, linear_orders: &[] },
    Effort { stereo: Stereo::Any, fixed_order: 4, linear_orders: &[] },
    Effort { stereo: Stereo::Any, fixed_order: 4, linear_orders: &[4] },
    Effort { stereo: Stereo::Any, fixed_order: 4, linear_orders: &[4, 8] },
    Effort { stereo: Stereo::Any, fixed_order: 4, linear_orders: &[4, 8, 12] },
    Effort { stereo: Stereo::Any, fixed_order: 4, linear_orders: &[4, 8, 12, 10] },
    Effort { stereo: Stereo::Any, fixed_order: 4, linear_orders: &[4, 8, 12, 10, 6] },
];

impl Level {
    /// The fastest level.
    pub const FASTEST: Self = Self(0);
    /// The level with the smallest files.
    pub const SMALLEST: Self = Self(8);

    /// The level with this number, 0 to 8.
    pub fn new(level: u8) -> Result<Self, LevelError> {
        if level <= Self::SMALLEST.0 { Ok(Self(level)) } else { Err(LevelError) }
    }

    /// The level's number, 0 to 8.
    pub fn get(self) -> u8 {
        self.0
    }

    pub(super) fn effort(self) -> Effort {
        let [.., last] = EFFORTS;
        EFFORTS.get(usize::from(self.0)).copied().unwrap_or(last)
    }
}

impl Default for Level {
    fn default() -> Self {
        Self(5)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Level {
    type Err = LevelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map_err(|_| LevelError).and_then(Self::new)
    }
}

/// A compression level outside 0 to 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a compression level is a whole number from 0 (fastest) to 8 (smallest)")]
pub struct LevelError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_tries_all_that_the_one_before_tries() {
        for pair in EFFORTS.windows(2) {
            let [one, next] = pair else { unreachable!("windows of two") };
            assert!(one.fixed_order <= next.fixed_order && one.stereo <= next.stereo, "{one:?} {next:?}");
            assert!(next.linear_orders.starts_with(one.linear_orders) && one != next, "{one:?} {next:?}");
        }
    }

    #[test]
    fn levels_are_whole_numbers_from_0_to_8() {
        for number in 0..=8_u8 {
            let level: Level = number.to_string().parse().unwrap();
            assert_eq!((level.get(), level.to_string()), (number, number.to_string()));
        }
        for text in ["9", "-1", "", "5.0", "best", "256"] {
            assert_eq!(text.parse::<Level>(), Err(LevelError), "{text}");
        }
        assert_eq!(Level::default().get(), 5);
    }
}
