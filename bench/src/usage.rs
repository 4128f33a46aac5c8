//! What a run took, and how runs are compared.

use std::time::Duration;

/// What one run took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// User and system time.
    pub cpu: Duration,
    pub wall: Duration,
    /// The most memory that was resident, in bytes.
    pub peak: u64,
}

impl Usage {
    /// This run and then another: times add up, the larger peak stays.
    pub fn then(self, next: Self) -> Self {
        Self { cpu: self.cpu + next.cpu, wall: self.wall + next.wall, peak: self.peak.max(next.peak) }
    }
}

/// The middle value; the mean of the middle two of an even number; NaN of none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.as_slice() {
        [] => f64::NAN,
        values if values.len() % 2 == 1 => values[half],
        values => f64::midpoint(values[half - 1], values[half]),
    }
}

/// The median of the ratios of runs that followed each other: a machine that gets slower does so for both.
pub fn paired_ratio(of: &[Usage], to: &[Usage], what: impl Fn(&Usage) -> Duration) -> f64 {
    median(of.iter().zip(to).map(|(of, to)| what(of).as_secs_f64() / what(to).as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(cpu: u64, wall: u64, peak: u64) -> Usage {
        Usage { cpu: Duration::from_millis(cpu), wall: Duration::from_millis(wall), peak }
    }

    fn close(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-9
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_middle_two() {
        assert!(close(median([3.0, 1.0, 2.0]), 2.0));
        assert!(close(median([4.0, 1.0, 2.0, 100.0]), 3.0));
        assert!(close(median([7.0]), 7.0));
        assert!(median([]).is_nan());
    }

    #[test]
    fn runs_one_after_the_other_add_up_but_for_the_peak() {
        assert_eq!(run(10, 20, 5).then(run(1, 2, 9)).then(run(0, 0, 7)), run(11, 22, 9));
    }

    #[test]
    fn ratios_are_taken_pair_by_pair() {
        // The machine was ten times slower in the second round; the ratio of both rounds is the same.
        let (one, two) = ([run(0, 200, 0), run(0, 2000, 0)], [run(0, 100, 0), run(0, 1000, 0)]);
        assert!(close(paired_ratio(&one, &two, |run| run.wall), 2.0));
    }
}
