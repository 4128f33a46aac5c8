//! How fast a conversion goes, and when it will be done: from what was done lately. Pure but for the clock it is given.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back is looked.
const WINDOW: Duration = Duration::from_secs(30);
/// Below this, two looks are too close for a rate.
const SHORTEST: Duration = Duration::from_millis(900);

/// What was done when.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    looks: VecDeque<(Instant, u64)>,
}

/// Bytes a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(pub u64);

impl Pace {
    /// At `now` so many bytes were done in all.
    pub fn note(&mut self, bytes: u64, now: Instant) {
        // Of what is older than the window, one look stays: the rate is that over all of it.
        while self.looks.get(1).is_some_and(|(at, _)| now.saturating_duration_since(*at) >= WINDOW) {
            self.looks.pop_front();
        }
        self.looks.push_back((now, bytes));
    }

    /// Forgets what was: the run was held, and begins anew.
    pub fn forget(&mut self) {
        self.looks.clear();
    }

    /// The rate over the window; None before it is known.
    pub fn rate(&self) -> Option<Rate> {
        let ((first, before), (last, after)) = (self.looks.front()?, self.looks.back()?);
        rate(after.saturating_sub(*before), last.saturating_duration_since(*first))
    }
}

/// So many bytes in this time; None if it is too short to tell.
pub fn rate(bytes: u64, time: Duration) -> Option<Rate> {
    if time < SHORTEST {
        return None;
    }
    let rate = u128::from(bytes) * 1000 / time.as_millis().max(1);
    Some(Rate(u64::try_from(rate).unwrap_or(u64::MAX)))
}

impl Rate {
    /// How long it takes to do `bytes`; None at a standstill.
    pub fn time_for(self, bytes: u64) -> Option<Duration> {
        (self.0 > 0).then(|| Duration::from_secs(bytes.div_ceil(self.0)))
    }
}

/// `182 MB/s`: three digits at most, in decimal units, as disks and networks are sold.
impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/s", Size(self.0))
    }
}

/// A number of bytes for people, as `1.2 GB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
        if self.0 < 1000 {
            return write!(f, "{} B", self.0);
        }
        let bytes = u128::from(self.0);
        let mut divisor = 1;
        for unit in UNITS {
            divisor *= 1000;
            let rounded = |scale: u128| (bytes * scale + divisor / 2) / divisor;
            match (rounded(100), rounded(10), rounded(1)) {
                (text @ 0..1000, ..) => return write!(f, "{}.{:02} {unit}", text / 100, text % 100),
                (_, text @ 0..1000, _) => return write!(f, "{}.{} {unit}", text / 10, text % 10),
                (_, _, text @ 0..1000) => return write!(f, "{text} {unit}"),
                _ => {}
            }
        }
        write!(f, "{} B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_rate_is_that_of_the_last_half_minute() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        assert_eq!(pace.rate(), None);
        pace.note(0, start);
        assert_eq!(pace.rate(), None);
        pace.note(50, start + SECOND / 2);
        assert_eq!(pace.rate(), None, "too short to tell");
        pace.note(200, start + 2 * SECOND);
        assert_eq!(pace.rate(), Some(Rate(100)));
        for second in 3..=60 {
            pace.note(200 + (second - 2) * 1000, start + u32::try_from(second).unwrap() * SECOND);
        }
        assert_eq!(pace.rate(), Some(Rate(1000)), "the slow beginning is forgotten");
        assert!(pace.looks.len() < 40);
        // A standstill shows once it has lasted as long.
        let stands = 200 + 58 * 1000;
        pace.note(stands, start + 75 * SECOND);
        assert!(pace.rate().unwrap().0 > 0);
        pace.note(stands, start + 95 * SECOND);
        pace.note(stands, start + 126 * SECOND);
        assert_eq!(pace.rate(), Some(Rate(0)));
        pace.forget();
        assert_eq!(pace.rate(), None);
    }

    #[test]
    fn what_is_left_takes_as_long_as_it_takes() {
        assert_eq!(Rate(100).time_for(1000), Some(10 * SECOND));
        assert_eq!(Rate(100).time_for(1001), Some(11 * SECOND));
        assert_eq!(Rate(100).time_for(0), Some(Duration::ZERO));
        assert_eq!(Rate(0).time_for(1), None);
        assert_eq!(rate(500, Duration::from_millis(500)), None);
        assert_eq!(rate(u64::MAX, SECOND), Some(Rate(u64::MAX)));
    }

    #[test]
    fn sizes_have_three_digits() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (1_994, "1.99 kB"),
            (9_994, "9.99 kB"),
            (12_345, "12.3 kB"),
            (99_960, "100 kB"),
            (182_400_000, "182 MB"),
            (999_949_999, "1.00 GB"),
            (999_400_000, "999 MB"),
            (1_230_000_000, "1.23 GB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text, "{bytes}");
        }
        assert_eq!(Rate(182_000_000).to_string(), "182 MB/s");
    }
}
