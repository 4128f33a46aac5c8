//! Compression levels: their numbers. What each asks is told where it is asked: `encode::search`, `engine::effort`.

use std::fmt;
use std::str::FromStr;

/// A compression level, 0 (fastest) to 8 (smallest); 5 unless chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

/// Samples per channel in each block but the last. Of the streamable subset, and the reference encoder's default.
pub const BLOCK_SIZE: u16 = 4096;

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
