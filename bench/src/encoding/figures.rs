//! What was measured, and the arithmetic on it. No program is run here.

use std::time::Duration;

use crate::corpus::Category;
use crate::encoding::encoders::Encoder;
use crate::usage::{Usage, paired_ratio};

/// One encoder at one level on the sounds of one category.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    pub category: Category,
    pub encoder: Encoder,
    pub level: u8,
    /// One for each round, of all files; those of one round followed each other closely.
    pub runs: Vec<Usage>,
    /// Of the frames of each file: what is padding or a tag is no matter of compression.
    pub bytes: Vec<u64>,
    /// Files that are not, byte for byte, what one native thread writes.
    pub differing: usize,
    /// Per sample of one channel, if they could be counted.
    pub instructions: Option<f64>,
}

impl Figures {
    pub fn new(category: Category, encoder: Encoder, level: u8) -> Self {
        Self { category, encoder, level, runs: Vec::new(), bytes: Vec::new(), differing: 0, instructions: None }
    }

    /// The highest of all runs, in bytes.
    pub fn peak(&self) -> u64 {
        self.runs.iter().map(|run| run.peak).max().unwrap_or(0)
    }
}

/// One encoder at one level, beside its reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratios {
    pub cpu: f64,
    pub wall: f64,
    pub bytes: f64,
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
    /// The names of the files of each category.
    pub files: Vec<(Category, Vec<String>)>,
    pub figures: Vec<Figures>,
    /// Bytes of the converter's frames, level by level from 0, for each category.
    pub ladder: Vec<(Category, Vec<u64>)>,
    pub long_file: Option<LongFile>,
    /// CPU time of each encoder on next to no audio.
    pub start: Vec<(Encoder, Duration)>,
    /// Files so short that starting the programs is much of their time.
    pub quick: bool,
}

impl Results {
    pub fn find(&self, category: Category, encoder: Encoder, level: u8) -> Option<&Figures> {
        self.figures
            .iter()
            .find(|figures| (figures.category, figures.encoder, figures.level) == (category, encoder, level))
    }

    /// An encoder beside another, in these categories together.
    pub fn ratios(&self, of: Encoder, to: Encoder, level: u8, within: impl Fn(Category) -> bool) -> Option<Ratios> {
        let sum = |encoder| {
            let parts = || {
                self.figures
                    .iter()
                    .filter(|figures| within(figures.category) && (figures.encoder, figures.level) == (encoder, level))
            };
            let rounds = parts().map(|figures| figures.runs.len()).min().filter(|rounds| *rounds > 0)?;
            let run = |round: usize| {
                let runs = parts().filter_map(|figures| figures.runs.get(round));
                runs.fold(Usage::default(), |sum, run| sum.then(*run))
            };
            let bytes: u64 = parts().flat_map(|figures| &figures.bytes).sum();
            Some(((0..rounds).map(run).collect::<Vec<_>>(), bytes))
        };
        let ((of, of_bytes), (to, to_bytes)) = (sum(of)?, sum(to)?);
        #[allow(clippy::cast_precision_loss)] // below 2^52
        let bytes = of_bytes as f64 / to_bytes as f64;
        Some(Ratios { cpu: paired_ratio(&of, &to, |run| run.cpu), wall: paired_ratio(&of, &to, |run| run.wall), bytes })
    }

    /// Each file in these categories: what it is called, and its bytes beside the reference's.
    pub fn per_file(&self, of: Encoder, level: u8, within: impl Fn(Category) -> bool) -> Vec<(Category, &str, f64)> {
        let files = self.files.iter().filter(|(category, _)| within(*category));
        files
            .flat_map(|(category, names)| {
                let bytes = |encoder| self.find(*category, encoder, level).map_or(&[][..], |figures| &figures.bytes);
                let pairs = bytes(of).iter().zip(bytes(of.reference()));
                #[allow(clippy::cast_precision_loss)] // below 2^52
                let ratios = pairs.map(|(of, to)| *of as f64 / *to as f64);
                names.iter().zip(ratios).map(|(name, ratio)| (*category, name.as_str(), ratio))
            })
            .collect()
    }

    /// The file that is largest beside the reference's.
    pub fn worst(&self, of: Encoder, level: u8, within: impl Fn(Category) -> bool) -> Option<(Category, &str, f64)> {
        self.per_file(of, level, within).into_iter().max_by(|(.., one), (.., other)| one.total_cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::encoders::{LIBFLAC, NATIVE};

    fn run(cpu: u64, wall: u64, peak: u64) -> Usage {
        Usage { cpu: Duration::from_millis(cpu), wall: Duration::from_millis(wall), peak }
    }

    fn close(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-9
    }

    /// Two categories, in two rounds, of two files each; ours takes half the time.
    fn results() -> Results {
        let figures = |category, encoder, cpu: [u64; 2], bytes: [u64; 2]| Figures {
            runs: cpu.map(|cpu| run(cpu, 2 * cpu, 7)).into(),
            bytes: bytes.into(),
            ..Figures::new(category, encoder, 5)
        };
        Results {
            files: [Category::Quiet, Category::Solo].map(|one| (one, vec!["a".to_owned(), "b".to_owned()])).into(),
            figures: vec![
                figures(Category::Quiet, NATIVE, [10, 100], [90, 30]),
                figures(Category::Quiet, LIBFLAC, [20, 200], [100, 20]),
                figures(Category::Solo, NATIVE, [30, 300], [1000, 880]),
                figures(Category::Solo, LIBFLAC, [60, 600], [1000, 1000]),
            ],
            ..Results::default()
        }
    }

    #[test]
    fn categories_add_up() {
        let results = results();
        let ratios = results.ratios(NATIVE, LIBFLAC, 5, |_| true).unwrap();
        assert!(close(ratios.cpu, 0.5) && close(ratios.wall, 0.5) && close(ratios.bytes, 2000.0 / 2120.0));
        let quiet = results.ratios(NATIVE, LIBFLAC, 5, |category| category == Category::Quiet).unwrap();
        assert!(close(quiet.cpu, 0.5) && close(quiet.bytes, 1.0));
        assert_eq!(results.ratios(NATIVE, LIBFLAC, 8, |_| true), None);
        assert_eq!(results.find(Category::Solo, NATIVE, 5).unwrap().peak(), 7);
    }

    #[test]
    fn the_worst_file_is_the_one_with_the_largest_ratio() {
        let results = results();
        let (category, name, ratio) = results.worst(NATIVE, 5, |_| true).unwrap();
        assert!((category, name) == (Category::Quiet, "b") && close(ratio, 1.5));
        let (_, name, ratio) = results.worst(NATIVE, 5, |category| category == Category::Solo).unwrap();
        assert!(name == "a" && close(ratio, 1.0));
        assert_eq!(results.per_file(NATIVE, 5, |_| true).len(), 4);
        assert_eq!(results.worst(NATIVE, 8, |_| true), None);
    }
}
