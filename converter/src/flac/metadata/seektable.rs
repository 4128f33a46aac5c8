//! SEEKTABLE (RFC 9639 §8.5), filled while the frames pass.

use super::block::HEADER;

/// Seconds between two points.
const SPACING: u64 = 10;
/// The most points that are kept; beyond it, every other goes.
const MAX_POINTS: usize = 32_768;
/// Bytes of one point.
pub(super) const POINT: usize = 18;

/// Where a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeekPoint {
    /// Number of its first sample.
    pub sample: u64,
    /// Bytes from the first frame's first byte to its own.
    pub offset: u64,
    /// Samples per channel in it.
    pub samples: u16,
}

/// A seek table: one point for every ten seconds, at the frame that holds that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeekTable {
    /// Samples between two points.
    spacing: u64,
    points: Vec<SeekPoint>,
    /// The frame that holds this sample is the next point.
    next: u64,
}

impl SeekTable {
    /// The table of a stream that begins.
    pub fn new(sample_rate: u32) -> Self {
        Self { spacing: spacing_at(sample_rate), points: Vec::new(), next: 0 }
    }

    /// The table of a stream of which so many samples are in whole frames, and so many times the spacing was doubled.
    pub(crate) fn resume(sample_rate: u32, doublings: u32, points: Vec<SeekPoint>, total_samples: u64) -> Self {
        let spacing = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX).saturating_mul(spacing_at(sample_rate));
        Self { spacing, points, next: next_after(total_samples, spacing) }
    }

    /// How often the spacing was doubled.
    pub(crate) fn doublings(&self, sample_rate: u32) -> u32 {
        (self.spacing / spacing_at(sample_rate)).checked_ilog2().unwrap_or(0)
    }

    /// Tells of the next frame: its first sample, where it begins (from the first frame on), its samples.
    pub fn note(&mut self, first_sample: u64, offset: u64, samples: u16) {
        let end = first_sample.saturating_add(samples.into());
        if end <= self.next {
            return;
        }
        self.points.push(SeekPoint { sample: first_sample, offset, samples });
        if self.points.len() > MAX_POINTS {
            self.double_spacing();
        }
        self.next = next_after(end, self.spacing);
    }

    /// The points.
    pub fn points(&self) -> &[SeekPoint] {
        &self.points
    }

    /// The same with at most `max_points`, evenly apart.
    #[must_use]
    pub fn thinned(&self, max_points: usize) -> Self {
        let Self { mut spacing, next, .. } = *self;
        if max_points == 0 {
            return Self { spacing, points: Vec::new(), next };
        }
        // Each doubling leaves at least half of the points.
        let mut least = self.points.len();
        while least > max_points {
            (spacing, least) = (spacing.saturating_mul(2), least / 2);
        }
        let kept_at = |spacing| -> Vec<_> {
            // One more than wanted tells that they are too many.
            self.points
                .iter()
                .filter(|point| point.is_kept_at(spacing))
                .take(max_points.saturating_add(1))
                .copied()
                .collect()
        };
        let mut points = kept_at(spacing);
        while points.len() > max_points {
            spacing = spacing.saturating_mul(2);
            points = kept_at(spacing);
        }
        Self { spacing, points, next: next_after(next, spacing) }
    }

    /// Keeps the points that would be there had the spacing been twice as large.
    fn double_spacing(&mut self) {
        self.spacing = self.spacing.saturating_mul(2);
        let spacing = self.spacing;
        self.points.retain(|point| point.is_kept_at(spacing));
    }

    /// The block's body.
    pub(super) fn to_body(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.points.len() * POINT);
        for point in &self.points {
            body.extend(point.sample.to_be_bytes());
            body.extend(point.offset.to_be_bytes());
            body.extend(point.samples.to_be_bytes());
        }
        body
    }
}

impl SeekPoint {
    /// Whether a table of this spacing has it: its frame holds a multiple of that.
    fn is_kept_at(&self, spacing: u64) -> bool {
        let last = self.sample.saturating_add(u64::from(self.samples).saturating_sub(1));
        last / spacing.max(1) * spacing >= self.sample
    }
}

/// Samples between two points of a table that begins.
fn spacing_at(sample_rate: u32) -> u64 {
    (u64::from(sample_rate) * SPACING).max(1)
}

/// The first multiple of the spacing that is not in so many samples.
fn next_after(samples: u64, spacing: u64) -> u64 {
    samples.div_ceil(spacing.max(1)).saturating_mul(spacing)
}

/// How many points the table of a stream will have.
pub fn points_for(sample_rate: u32, total_samples: u64, block_size: u16) -> usize {
    let block = u64::from(block_size).max(1);
    let mut spacing = spacing_at(sample_rate);
    loop {
        let points = points_at(spacing, total_samples, block);
        match usize::try_from(points) {
            Ok(points) if points <= MAX_POINTS => return points,
            _ => spacing = spacing.saturating_mul(2),
        }
    }
}

/// Bytes of the whole block of a table of so many points.
pub fn seek_table_bytes(points: usize) -> usize {
    if points == 0 { 0 } else { HEADER + points * POINT }
}

fn points_at(spacing: u64, total: u64, block: u64) -> u64 {
    let Some(last) = total.checked_sub(1) else {
        return 0;
    };
    if spacing >= block {
        // every multiple of the spacing lies in a frame of its own
        return last / spacing + 1;
    }
    // every whole frame holds a multiple; the last, shorter one may not
    let start = last / block * block;
    start / block + u64::from(last / spacing * spacing >= start)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(sample_rate: u32, total: u64, block_size: u16) -> SeekTable {
        let mut table = SeekTable::new(sample_rate);
        let mut at = 0;
        while at < total {
            let samples = u16::try_from((total - at).min(block_size.into())).unwrap();
            table.note(at, at / 3, samples);
            at += u64::from(samples);
        }
        table
    }

    #[test]
    fn has_the_frame_that_holds_each_tenth_second() {
        let table = table(44_100, 44_100 * 25, 4096);
        let samples: Vec<_> = table.points().iter().map(|point| point.sample).collect();
        assert_eq!(samples, [0, 441_000 / 4096 * 4096, 882_000 / 4096 * 4096]);
        assert_eq!(table.points()[1].offset, samples[1] / 3);
        assert_eq!(table.points()[1].samples, 4096);
    }

    #[test]
    fn grows_coarser_beyond_its_bound() {
        let whole = table(1, 16 * 3 * 32_768, 16);
        assert!((16_384..=32_768).contains(&whole.points().len()), "{}", whole.points().len());
        assert_eq!(whole.points().len(), points_for(1, 16 * 3 * 32_768, 16));
        assert_eq!(whole.points()[0].sample, 0);
        assert_eq!(whole.spacing, 80);
    }

    #[test]
    fn thinning_keeps_what_a_coarser_table_has() {
        let fine = table(8_000, 8_000 * 500, 4608);
        assert_eq!(fine.points().len(), 50);
        assert_eq!(fine.thinned(50), fine);
        let thin = fine.thinned(20);
        let samples: Vec<_> = thin.points().iter().map(|point| point.sample).collect();
        let expected: Vec<_> = (0..13).map(|number| number * 320_000 / 4608 * 4608).collect();
        assert_eq!(samples, expected);
        assert!(fine.thinned(0).points().is_empty());
        assert_eq!(fine.thinned(1).points().len(), 1);
    }

    #[test]
    fn a_thinned_table_goes_on_as_one_that_was_coarser_from_the_start() {
        for (total, split) in [(4608 * 900, 4608 * 700), (4608 * 173, 4608 * 173), (4608 * 300, 4608), (4608, 0)] {
            let whole = table(8_000, total, 4608);
            let begun = table(8_000, split, 4608);
            for most in [1, 2, 7, 20, 64] {
                let thin = begun.thinned(most);
                let doublings = thin.doublings(8_000);
                let mut resumed = SeekTable::resume(8_000, doublings, thin.points().to_vec(), split);
                assert_eq!(resumed, thin);
                for at in (split..total).step_by(4608) {
                    resumed.note(at, at / 3, 4608);
                }
                let coarse: Vec<_> =
                    whole.points().iter().filter(|point| point.is_kept_at(resumed.spacing)).copied().collect();
                assert_eq!(resumed.points(), coarse);
            }
        }
    }

    proptest! {
        #[test]
        fn the_number_of_points_is_known_beforehand(
            rate in 1_u32..3_000, total in 0_u64..3_000_000, block in 16_u16..=65_535,
        ) {
            prop_assert_eq!(points_for(rate, total, block), table(rate, total, block).points().len());
        }
    }
}
