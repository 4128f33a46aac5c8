//! Our own encoder of frames.
//!
//! A block's way: [`signal`] (channels, wasted bits) → [`stereo`] (which two of left, right, middle and side) →
//! [`analysis`] (by [`covariance`] and [`solve`]: a linear predictor with whole coefficients; the best fixed one) →
//! [`subframe`] ([`rice`]: the residual and its partitions; the smallest kind) → bits, between a header and a footer.
//! [`search`] says what each level tries. The mathematics are told in docs/encoder.md.
//!
//! Everything that loops over samples is in [`kernels`](super::kernels). Decisions are made here, in arithmetic that is
//! exact or that every CPU rounds alike, so that the same block gives the same bytes everywhere.

// These are inlined into what is compiled for more than one kind of CPU: see `Kernels::vectorize`.
#[allow(clippy::inline_always)]
mod analysis;
#[allow(clippy::inline_always)]
mod covariance;
mod log2;
mod predictor;
#[allow(clippy::inline_always)]
mod rice;
mod search;
mod sharing;
mod signal;
#[allow(clippy::inline_always)]
mod solve;
mod stereo;
mod subframe;
#[cfg(test)]
mod tests;

use self::analysis::Analysis;
use self::search::{Search, Stereo};
pub(super) use self::sharing::Sharing;
use self::signal::Signal;
pub(super) use self::stereo::{LEFT, MID, RIGHT, SIDE};
use self::stereo::{PAIRS, Pair, smallest};
use self::subframe::Subframe;
use super::bits::BitWriter;
use super::encoder::{Block, EncodeError, FrameEncoder};
use super::frame::{Assignment, push_footer, push_header};
use super::kernels::Kernels;
use super::level::Level;
use super::shape::Shape;

/// The side of deeper channels would not fit into 32 bits: those are coded each by itself.
const MAX_JOINT_DEPTH: u32 = 31;
/// Second differences are summed of samples of so many bits, those of the side included.
const DIFFERENCE_DEPTH: u32 = 24;
/// Two ways to code two channels whose expected bits differ by less than this part are both coded.
const NEAR: f64 = 0.004;
/// Below so many bits a sample, what is expected is less sure: there, this part counts as near.
const FEW_BITS: f64 = 4.0;
const NEAR_AND_FEW: f64 = 0.1;

/// Encodes blocks of one shape.
pub(super) struct Encoder {
    shape: Shape,
    search: Search,
    kernels: Kernels,
    /// The channels as they are split from a block, before each becomes a signal's samples.
    channels: Vec<Vec<i32>>,
    /// The channels; of two, their middle and side, too.
    signals: Vec<Signal>,
    analyses: Vec<Analysis>,
    subframes: Vec<Subframe>,
    bits: BitWriter,
}

impl Encoder {
    /// For a shape that FLAC has.
    pub fn new(shape: Shape, level: Level, kernels: Kernels) -> Self {
        Self::with(shape, Search::of(level, shape.sample_rate), kernels)
    }

    fn with(shape: Shape, search: Search, kernels: Kernels) -> Self {
        let mut encoder = Self {
            shape,
            search,
            kernels,
            channels: Vec::new(),
            signals: Vec::new(),
            analyses: Vec::new(),
            subframes: Vec::new(),
            bits: BitWriter::default(),
        };
        encoder.become_one_of(shape, search, kernels);
        encoder
    }

    /// Encodes blocks of another shape, or another way, from now on. Buffers that it has are kept.
    fn become_one_of(&mut self, shape: Shape, search: Search, kernels: Kernels) {
        (self.shape, self.search, self.kernels) = (shape, search, kernels);
        let channels = usize::from(shape.channels);
        let signals = if channels == 2 { PAIRS.len() } else { channels };
        self.channels.resize_with(channels, Vec::new);
        self.signals.resize_with(signals, Signal::default);
        self.analyses.resize_with(signals, Analysis::default);
        self.subframes.resize_with(signals, Subframe::default);
    }

    /// Splits a block into its channels. Refuses samples that need more bits than the shape has.
    fn split(&mut self, pcm: &[u8]) -> Result<(), EncodeError> {
        let depth = u32::from(self.shape.bits_per_sample);
        let each = self.channels.iter_mut().zip(&mut self.signals);
        each.for_each(|(channel, signal)| std::mem::swap(channel, &mut signal.samples));
        (self.kernels.split)(pcm, self.shape.bytes_per_sample(), &mut self.channels);
        for (channel, signal) in self.channels.iter_mut().zip(&mut self.signals) {
            std::mem::swap(channel, &mut signal.samples);
            signal.survey(&self.kernels, depth);
            if signal.used_depth + signal.wasted > depth {
                return Err(EncodeError::Refused(format!("a sample does not fit into {depth} bits")));
            }
        }
        Ok(())
    }

    /// Finds the subframes of the block, and says which of the signals they are.
    fn code(&mut self) -> (Assignment, Vec<usize>) {
        if self.shape.channels == 2 && u32::from(self.shape.bits_per_sample) <= MAX_JOINT_DEPTH {
            let (assignment, pair) = self.code_two();
            return (assignment, pair.to_vec());
        }
        let every: Vec<usize> = (0..usize::from(self.shape.channels)).collect();
        for number in &every {
            self.analyse(*number);
            self.choose(*number);
        }
        (Assignment::Independent(self.shape.channels), every)
    }

    fn code_two(&mut self) -> Pair {
        let by_predictors = self.search.stereo != Stereo::Differences;
        if by_predictors {
            self.make_mid_and_side();
            (LEFT..=SIDE).for_each(|number| self.analyse(number));
        }
        let expected = if by_predictors { self.bits_by_predictors() } else { self.bits_by_differences() };
        let candidates = self.candidates(expected);
        if !by_predictors && candidates.iter().any(|(_, pair)| pair.contains(&SIDE)) {
            self.make_mid_and_side();
        }
        let mut coded = [false; PAIRS.len()];
        for number in candidates.iter().flat_map(|(_, pair)| *pair) {
            if !std::mem::replace(&mut coded[number], true) {
                if !by_predictors {
                    self.analyse(number);
                }
                self.choose(number);
            }
        }
        let bits = |pair: &Pair| self.coded_bits(*pair);
        candidates.iter().copied().min_by_key(bits).unwrap_or(PAIRS[0])
    }

    /// The pair that is expected to have the fewest bits, and those that may turn out to have fewer.
    fn candidates(&self, expected: [f64; 4]) -> Vec<Pair> {
        let count = self.signals.first().map_or(0, |signal| signal.samples.len());
        let bits = |(_, [one, other]): Pair| expected.get(one).unwrap_or(&0.0) + expected.get(other).unwrap_or(&0.0);
        let smallest = smallest(expected);
        let fewest = bits(smallest);
        let near = match self.search.stereo {
            _ if fewest < FEW_BITS * real(2 * count) => NEAR_AND_FEW,
            Stereo::Coded => NEAR,
            Stereo::Differences | Stereo::Predictors => 0.0,
        };
        let others = PAIRS.into_iter().filter(|pair| pair.0 != smallest.0 && bits(*pair) < fewest * (1.0 + near));
        std::iter::once(smallest).chain(others).collect()
    }

    /// About the bits of left, right, middle and side, by how much their second differences sum up to.
    fn bits_by_differences(&mut self) -> [f64; 4] {
        let [left, right, ..] = self.signals.as_slice() else { return [0.0; 4] };
        let count = left.samples.len();
        let spare =
            (left.used_depth + left.wasted).max(right.used_depth + right.wasted).saturating_sub(DIFFERENCE_DEPTH);
        let sums = if spare == 0 {
            (self.kernels.stereo_sums)(&left.samples, &right.samples)
        } else {
            let scaled = |signal: &Signal| signal.samples.iter().map(|sample| sample >> spare).collect::<Vec<_>>();
            (self.kernels.stereo_sums)(&scaled(left), &scaled(right))
        };
        // Half the sum of two numbers has a wasted bit less than they have.
        let common = left.wasted.min(right.wasted);
        let wasted = [left.wasted, right.wasted, common.saturating_sub(1), common];
        let mut bits = [0.0; 4];
        for ((bits, sum), wasted) in bits.iter_mut().zip(sums).zip(wasted) {
            // Folded, a value is twice its size, or one less.
            let folded = 2 * (sum << spare >> wasted);
            #[allow(clippy::cast_precision_loss)] // the nearest is near enough, and the same everywhere
            let expected = rice::parameter(count, folded).1 as f64;
            *bits = expected;
        }
        self.at_most_verbatim(bits)
    }

    /// About the bits of left, right, middle and side, by what their predictors leave.
    fn bits_by_predictors(&self) -> [f64; 4] {
        let mut bits = [0.0; 4];
        bits.iter_mut().zip(&self.analyses).for_each(|(bits, analysis)| *bits = analysis.bits);
        self.at_most_verbatim(bits)
    }

    /// No signal takes more bits than its samples have; a side has one more each.
    fn at_most_verbatim(&self, mut bits: [f64; 4]) -> [f64; 4] {
        let Some(samples) = self.signals.first().map(|signal| real(signal.samples.len())) else { return bits };
        for (number, bits) in bits.iter_mut().enumerate() {
            let depth = f64::from(self.shape.bits_per_sample) + f64::from(u8::from(number == SIDE));
            *bits = bits.min(samples * depth);
        }
        bits
    }

    fn coded_bits(&self, (_, pair): Pair) -> u64 {
        pair.iter().filter_map(|number| self.subframes.get(*number)).map(|subframe| subframe.bits).sum()
    }

    /// Before any wasted bits are taken out of left and right.
    fn make_mid_and_side(&mut self) {
        let [left, right, mid, side] = self.signals.as_mut_slice() else { return };
        let count = left.samples.len();
        mid.samples.resize(count, 0);
        side.samples.resize(count, 0);
        (self.kernels.mid_side)(&left.samples, &right.samples, &mut mid.samples, &mut side.samples);
        let depth = u32::from(self.shape.bits_per_sample);
        mid.survey(&self.kernels, depth);
        side.survey(&self.kernels, depth + 1);
    }

    fn analyse(&mut self, number: usize) {
        let (Some(signal), Some(analysis)) = (self.signals.get_mut(number), self.analyses.get_mut(number)) else {
            return;
        };
        signal.strip();
        analysis.analyse(&self.kernels, &self.search, signal);
    }

    fn choose(&mut self, number: usize) {
        let (Some(signal), Some(analysis)) = (self.signals.get(number), self.analyses.get(number)) else { return };
        if let Some(subframe) = self.subframes.get_mut(number) {
            subframe.choose(&self.kernels, &self.search, signal, analysis);
        }
    }

    /// Bits of the channels' subframes with the samples as they are.
    fn verbatim_bits(&self) -> u64 {
        self.signals.iter().take(self.shape.channels.into()).map(Signal::verbatim_bits).sum()
    }

    /// Has every channel coded as it is, whatever was found before.
    fn as_it_is(&mut self) -> (Assignment, Vec<usize>) {
        let every: Vec<usize> = (0..usize::from(self.shape.channels)).collect();
        for (signal, subframe) in self.signals.iter_mut().zip(&mut self.subframes) {
            signal.strip();
            subframe.take_verbatim(signal);
        }
        (Assignment::Independent(self.shape.channels), every)
    }

    /// Writes the subframes of these signals.
    fn write(&mut self, signals: &[usize]) {
        self.bits.clear();
        for number in signals {
            if let (Some(signal), Some(subframe)) = (self.signals.get(*number), self.subframes.get(*number)) {
                subframe.write(&self.kernels, signal, &mut self.bits);
            }
        }
    }
}

impl FrameEncoder for Encoder {
    fn encode(&mut self, block: Block<'_>, frame: &mut Vec<u8>) -> Result<(), EncodeError> {
        let shape = self.shape;
        let samples = block.samples(shape)?;
        self.split(block.pcm)?;
        let (mut assignment, mut signals) = self.code();
        self.write(&signals);
        if self.bits.len() > self.verbatim_bits().next_multiple_of(8) {
            // Expected bits are not exact, and a side needs one more a sample than what it stands for.
            (assignment, signals) = self.as_it_is();
            self.write(&signals);
        }
        let start = frame.len();
        push_header(shape, block.number, samples, assignment, frame)?;
        frame.extend_from_slice(self.bits.finish());
        push_footer(&self.kernels, frame, start);
        Ok(())
    }
}

/// A count as a real number: exact below 2^53.
#[allow(clippy::cast_precision_loss)]
fn real(count: usize) -> f64 {
    count as f64
}
