//! Compression levels: their numbers, and the one table of what each asks of the engines.

use std::fmt;
use std::str::FromStr;

/// A compression level, 0 (fastest) to 8 (smallest); 5 unless chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

/// What a level asks of the engines.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Effort {
    /// flacenc: how two channels may be coded.
    pub stereo: Stereo,
    /// flacenc: the highest order of the fixed predictors (RFC 9639 §9.2.5), 0 to 4.
    pub fixed_order: usize,
    /// flacenc: the linear predictors (§9.2.6) to try. The smallest subframe is kept.
    pub linear: &'static [Linear],
    /// flac-codec, beside flacenc: the ways to code a whole block. The smallest frame is kept.
    pub beside: &'static [Coding],
    /// flac-codec, where flacenc cannot code the block.
    pub instead: &'static [Coding],
}

/// How two channels may be coded (RFC 9639 §9.1.3); whatever is smallest is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stereo {
    /// Each by itself.
    Independent,
    /// In any way.
    Joint,
}

/// One linear predictor of flacenc.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Linear {
    /// Its order. flacenc does not look for a better, lower one.
    pub order: u8,
    /// Of the Tukey window.
    pub alpha: f32,
    pub scope: Scope,
}

/// Which of left, right, middle and side a predictor is tried on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// The two that are the best pair with fixed predictors alone.
    Chosen,
    /// All that the level's stereo coding may use.
    All,
}

/// One way of flac-codec to code a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Coding {
    /// Highest order of a linear predictor, of which flac-codec estimates the best; 0: fixed predictors only.
    pub max_order: u8,
    /// Of the Tukey window.
    pub alpha: f32,
    pub channels: Channels,
}

/// How flac-codec chooses the coding of two channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Channels {
    /// By the sums of the samples.
    Guessed,
    /// By coding left, right, middle and side.
    Tried,
}

/// Samples per channel in each block but the last. Of the streamable subset, and the reference encoder's default.
pub const BLOCK_SIZE: u16 = 4096;

const fn linear(order: u8, alpha: f32, scope: Scope) -> Linear {
    Linear { order, alpha, scope }
}

const fn coding(max_order: u8, alpha: f32, channels: Channels) -> Coding {
    Coding { max_order, alpha, channels }
}

const FIXED: &[Coding] = &[coding(0, 0.5, Channels::Guessed)];
const GUESSED: &[Coding] = &[coding(12, 0.5, Channels::Guessed)];
const TRIED: &[Coding] = &[coding(12, 0.5, Channels::Tried)];
const WIDER: &[Coding] = &[coding(12, 0.5, Channels::Tried), coding(12, 0.1, Channels::Tried)];
const WIDEST: &[Coding] =
    &[coding(12, 0.5, Channels::Tried), coding(12, 0.1, Channels::Tried), coding(12, 0.9, Channels::Tried)];

const LINEAR_3: &[Linear] = &[linear(8, 0.4, Scope::Chosen)];
const LINEAR_4: &[Linear] = &[linear(8, 0.4, Scope::Chosen), linear(12, 0.4, Scope::Chosen)];
const LINEAR_5: &[Linear] =
    &[linear(8, 0.4, Scope::Chosen), linear(12, 0.4, Scope::Chosen), linear(12, NEARLY_HANN, Scope::Chosen)];
const LINEAR_6: &[Linear] =
    &[linear(8, 0.4, Scope::Chosen), linear(12, 0.4, Scope::All), linear(12, NEARLY_HANN, Scope::All)];
const LINEAR_7: &[Linear] = &[
    linear(8, 0.4, Scope::All),
    linear(12, 0.4, Scope::All),
    linear(12, NEARLY_HANN, Scope::All),
    linear(12, 0.1, Scope::All),
];
/// flacenc takes a window for each of 65,536 values below 1.
const NEARLY_HANN: f32 = 0.999;

/// Levels 0 to 8. Each tries all that the one before tries, or something that holds it, and something more, so that no
/// frame gets larger. No order is above 12, the streamable subset's limit up to 48 kHz (RFC 9639 §7).
///
/// | level | what it adds |
/// |---|---|
/// | 0, 1 | fixed predictors only: for disks and links that are faster than linear prediction |
/// | 2 | joint stereo |
/// | 3 | a linear predictor, about what the reference encoder's default reaches |
/// | 4 | order 12: most of what there is to gain |
/// | 5 | a second window, the default |
/// | 6 | both on every way to code two channels, not just on the likeliest |
/// | 7 | a third window |
/// | 8 | a second opinion: flac-codec estimates the order, which flacenc does not |
///
/// flac-codec keeps the better of a linear and a fixed predictor for each subframe, and takes any pair of them when it
/// tries the channels: so `FIXED`, `GUESSED`, `TRIED` hold each other. It has fewer steps than there are levels.
const EFFORTS: [Effort; 9] = {
    use Stereo::{Independent, Joint};
    [
        Effort { stereo: Independent, fixed_order: 2, linear: &[], beside: &[], instead: FIXED },
        Effort { stereo: Independent, fixed_order: 4, linear: &[], beside: &[], instead: FIXED },
        Effort { stereo: Joint, fixed_order: 4, linear: &[], beside: &[], instead: FIXED },
        Effort { stereo: Joint, fixed_order: 4, linear: LINEAR_3, beside: &[], instead: GUESSED },
        Effort { stereo: Joint, fixed_order: 4, linear: LINEAR_4, beside: &[], instead: GUESSED },
        Effort { stereo: Joint, fixed_order: 4, linear: LINEAR_5, beside: &[], instead: TRIED },
        Effort { stereo: Joint, fixed_order: 4, linear: LINEAR_6, beside: &[], instead: TRIED },
        Effort { stereo: Joint, fixed_order: 4, linear: LINEAR_7, beside: &[], instead: WIDER },
        Effort { stereo: Joint, fixed_order: 4, linear: LINEAR_7, beside: TRIED, instead: WIDEST },
    ]
};

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

    /// Whether a frame coded as `next` asks cannot be larger than one coded as `one` asks.
    fn holds(next: &Effort, one: &Effort) -> bool {
        let linear = |one: &Linear| {
            let covers = |next: &Linear| next.order == one.order && next.alpha.to_bits() == one.alpha.to_bits();
            next.linear.iter().any(|next| covers(next) && (next.scope == Scope::All || next.scope == one.scope))
        };
        let coding = |next: &'static [Coding]| {
            move |one: &Coding| {
                let same =
                    |next: &Coding| next.max_order == one.max_order && next.alpha.to_bits() == one.alpha.to_bits();
                next.iter().any(|next| (same(next) || one.max_order == 0) && next.channels >= one.channels)
            }
        };
        next.stereo >= one.stereo
            && next.fixed_order >= one.fixed_order
            && one.linear.iter().all(linear)
            && one.beside.iter().all(coding(next.beside))
            && one.instead.iter().all(coding(next.instead))
    }

    #[test]
    fn each_level_tries_all_that_the_one_before_tries_and_more() {
        for pair in EFFORTS.windows(2) {
            let [one, next] = pair else { unreachable!("windows of two") };
            assert!(holds(next, one) && one != next, "{one:?} {next:?}");
        }
    }

    #[test]
    fn every_level_stays_within_the_streamable_subset() {
        for effort in EFFORTS {
            assert!(effort.fixed_order <= 4);
            assert!(effort.linear.iter().all(|linear| (1..=12).contains(&linear.order)));
            assert!(effort.beside.iter().chain(effort.instead).all(|coding| coding.max_order <= 12));
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
