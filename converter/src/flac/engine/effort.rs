//! What each level asks of flacenc, which has one setting for each of its steps and no levels.

use crate::flac::level::Level;

/// What a level asks of flacenc.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Effort {
    /// How two channels may be coded.
    pub stereo: Stereo,
    /// The highest order of the fixed predictors (RFC 9639 §9.2.5), 0 to 4.
    pub fixed_order: usize,
    /// The linear predictors (§9.2.6) to try. The smallest subframe is kept.
    pub linear: &'static [Linear],
}

/// How two channels may be coded (RFC 9639 §9.1.3); whatever is smallest is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stereo {
    /// Each by itself.
    Independent,
    /// In any way.
    Joint,
}

/// One linear predictor.
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

const fn linear(order: u8, alpha: f32, scope: Scope) -> Linear {
    Linear { order, alpha, scope }
}

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

/// Levels 0 to 8. Each tries all that the one before tries, and something more, so that no frame gets larger; the last
/// two are alike. No order is above 12, the streamable subset's limit up to 48 kHz (RFC 9639 §7).
///
/// | level | what it adds |
/// |---|---|
/// | 0, 1 | fixed predictors only |
/// | 2 | joint stereo |
/// | 3 | a linear predictor |
/// | 4 | order 12 |
/// | 5 | a second window |
/// | 6 | both on every way to code two channels, not just on the likeliest |
/// | 7, 8 | a third window |
const EFFORTS: [Effort; 9] = {
    use Stereo::{Independent, Joint};
    [
        Effort { stereo: Independent, fixed_order: 2, linear: &[] },
        Effort { stereo: Independent, fixed_order: 4, linear: &[] },
        Effort { stereo: Joint, fixed_order: 4, linear: &[] },
        Effort { stereo: Joint, fixed_order: 4, linear: LINEAR_3 },
        Effort { stereo: Joint, fixed_order: 4, linear: LINEAR_4 },
        Effort { stereo: Joint, fixed_order: 4, linear: LINEAR_5 },
        Effort { stereo: Joint, fixed_order: 4, linear: LINEAR_6 },
        Effort { stereo: Joint, fixed_order: 4, linear: LINEAR_7 },
        Effort { stereo: Joint, fixed_order: 4, linear: LINEAR_7 },
    ]
};

impl Effort {
    /// What this level asks.
    pub fn of(level: Level) -> Self {
        let [.., last] = EFFORTS;
        EFFORTS.get(usize::from(level.get())).copied().unwrap_or(last)
    }
}
