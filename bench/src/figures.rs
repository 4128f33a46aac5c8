//! What was measured, and the arithmetic on it. No program is run here.

use std::time::Duration;

use crate::encoders::Encoder;

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

/// One encoder at one level on one set of sounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    pub set: String,
    /// Of audio in the set.
    pub seconds: f64,
    pub encoder: Encoder,
    pub level: u8,
    /// One for each round; those of one round followed each other closely.
    pub runs: Vec<Usage>,
    /// Of the frames of all files: what is padding or a tag is no matter of compression.
    pub bytes: u64,
    /// Per sample of one channel, if they could be counted.
    pub instructions: Option<f64>,
}

impl Figures {
    /// The median of all runs, in seconds of CPU time.
    pub fn cpu(&self) -> f64 {
        median(self.runs.iter().map(|run| run.cpu.as_secs_f64()))
    }

    /// The median of all runs, in seconds.
    pub fn wall(&self) -> f64 {
        median(self.runs.iter().map(|run| run.wall.as_secs_f64()))
    }

    /// The highest of all runs, in bytes.
    pub fn peak(&self) -> u64 {
        self.runs.iter().map(|run| run.peak).max().unwrap_or(0)
    }
}

/// A file of 4.5 GiB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LongFile {
    pub threads: usize,
    pub usage: Usage,
}

/// All that was measured.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Results {
    pub figures: Vec<Figures>,
    /// Bytes of the converter's frames, level by level from 0, for each set.
    pub ladder: Vec<(String, Vec<u64>)>,
    pub long_file: Option<LongFile>,
}

impl Results {
    pub fn find(&self, set: &str, encoder: Encoder, level: u8) -> Option<&Figures> {
        self.figures
            .iter()
            .find(|figures| (figures.set.as_str(), figures.encoder, figures.level) == (set, encoder, level))
    }

    /// The sets' names, in the order of measuring.
    pub fn sets(&self) -> Vec<&str> {
        let mut sets: Vec<&str> = self.figures.iter().map(|figures| figures.set.as_str()).collect();
        sets.dedup();
        sets
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

    #[test]
    fn figures_are_medians_and_the_highest_peak() {
        let figures = Figures {
            set: "music".to_owned(),
            seconds: 60.0,
            encoder: Encoder::Flac,
            level: 5,
            runs: vec![run(100, 50, 3), run(300, 70, 8), run(200, 60, 4)],
            bytes: 1,
            instructions: None,
        };
        assert!(close(figures.cpu(), 0.2) && close(figures.wall(), 0.06));
        assert_eq!(figures.peak(), 8);
        let results = Results { figures: vec![figures.clone(), figures], ..Results::default() };
        assert_eq!(results.sets(), ["music"]);
        assert!(results.find("music", Encoder::Flac, 5).is_some() && results.find("music", Encoder::Flac, 8).is_none());
    }
}
