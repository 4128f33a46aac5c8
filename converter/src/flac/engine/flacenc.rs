//! The crate `flacenc`, a subframe at a time with reused buffers; ours for what it cannot code.
//!
//! Its traps, and what is done about them here (versions up to 0.5.1):
//!
//! - Its whole-stream functions keep every frame in memory and can hang: only `encode_fixed_size_frame` is used.
//! - It keeps a window for every block length that it ever predicted linearly, for ever: only whole blocks of a few
//!   usual sizes are given to it.
//! - Its Rice parameters end at 14: only up to 16 bits.
//! - It knows no wasted bits (RFC 9639 §9.2.2): such blocks are not given to it.
//! - Its linear predictor can panic on audio that it cannot model: that predictor is then left out.
//! - It tries one linear order only, and a higher one can give a larger frame: the levels try several.
//! - Its exact choice of the fixed order (`BitCount`) counts wrongly on noise: only its estimate is used.
//! - It may keep a subframe that is larger than the samples themselves: such a one is not taken.
//! - Of two channels it codes middle and side too, whether they are wanted or not, and with every predictor: so each
//!   channel is given to it as a mono block, and the pair is chosen here.

use std::panic::{AssertUnwindSafe, catch_unwind};

use flacenc::bitsink::{BitSink as _, ByteSink};
use flacenc::component::{BitRepr as _, StreamInfo, SubFrame, Verbatim};
use flacenc::config;
use flacenc::error::{Verified, Verify as _};
use flacenc::source::{Fill as _, FrameBuf};

use super::effort::{Effort, Scope, Stereo};
use crate::flac::encode::{Encoder, LEFT, MID, RIGHT, SIDE};
use crate::flac::encoder::{Block, EncodeError, FrameEncoder};
use crate::flac::frame::{Assignment, push_footer, push_header};
use crate::flac::kernels::Kernels;
use crate::flac::level::Level;
use crate::flac::shape::Shape;

/// Any rate that flacenc admits to: no header of its own is used.
const ANY_RATE: usize = 44_100;
/// A subframe's header without wasted bits (RFC 9639 §9.2.1).
const HEADER_BITS: usize = 8;

/// The ways to code two channels, and the two signals that each needs, as they lie among the signals.
const PAIRS: [(Assignment, [usize; 2]); 4] = [
    (Assignment::Independent(2), [LEFT, RIGHT]),
    (Assignment::LeftSide, [LEFT, SIDE]),
    (Assignment::SideRight, [SIDE, RIGHT]),
    (Assignment::MidSide, [MID, SIDE]),
];

type Settings = Verified<config::Encoder>;

/// flacenc for blocks of one shape, and ours for those that it cannot take.
pub(super) struct Flacenc {
    shape: Shape,
    /// Where flacenc can code whole blocks of this shape.
    coder: Option<Coder>,
    ours: Encoder,
}

impl Flacenc {
    pub fn new(shape: Shape, level: Level) -> Result<Self, EncodeError> {
        let coder = takes(shape).then(|| Coder::new(shape, &Effort::of(level))).transpose()?;
        Ok(Self { shape, coder, ours: Encoder::new(shape, level, Kernels::portable()) })
    }
}

impl FrameEncoder for Flacenc {
    fn encode(&mut self, block: Block<'_>, frame: &mut Vec<u8>) -> Result<(), EncodeError> {
        let samples = block.samples(self.shape)?;
        let whole = samples == self.shape.block_size;
        let coder = self.coder.as_mut().filter(|_| whole);
        let Some(assignment) = coder.and_then(|coder| coder.encode(block.pcm)) else {
            return self.ours.encode(block, frame);
        };
        let start = frame.len();
        push_header(self.shape, block.number, samples, assignment, frame)?;
        frame.extend_from_slice(self.coder.as_ref().map_or(&[], |coder| coder.scratch.sink.as_slice()));
        push_footer(&Kernels::portable(), frame, start);
        Ok(())
    }
}

/// Whether flacenc codes blocks of this shape well and in bounded memory.
fn takes(shape: Shape) -> bool {
    let usual = match shape.block_size {
        576 | 1152 | 2304 | 4608 => true,
        size => size.is_power_of_two() && (64..=16_384).contains(&size),
    };
    usual && matches!(shape.bits_per_sample, 8 | 12 | 16)
}

/// flacenc, for whole blocks of one shape.
struct Coder {
    shape: Shape,
    stereo: Stereo,
    /// Without linear prediction.
    fixed: Settings,
    linear: Vec<(Settings, Scope)>,
    scratch: Scratch,
    /// The channels, and of two also their middle and side.
    signals: Vec<Vec<i32>>,
    /// The best subframe so far of each signal.
    best: Vec<Candidate>,
}

/// One subframe.
struct Candidate {
    /// Bits of a sample of this signal.
    depth: usize,
    /// Bits of the subframe.
    bits: usize,
    /// None is the samples as they are.
    subframe: Option<SubFrame>,
}

struct Scratch {
    /// Of mono streams: of the samples' depth, and of one bit more for the side.
    info: [StreamInfo; 2],
    buffer: FrameBuf,
    sink: ByteSink,
}

impl Coder {
    fn new(shape: Shape, effort: &Effort) -> Result<Self, EncodeError> {
        let size = usize::from(shape.block_size);
        let bits = usize::from(shape.bits_per_sample);
        let info = |bits| StreamInfo::new(ANY_RATE, 1, bits).map_err(|error| refused(&error));
        let linear = effort.linear.iter().map(|linear| {
            let settings = settings(size, None, Some((linear.order.into(), linear.alpha)))?;
            Ok((settings, linear.scope))
        });
        Ok(Self {
            shape,
            stereo: if shape.channels == 2 { effort.stereo } else { Stereo::Independent },
            fixed: settings(size, Some(effort.fixed_order), None)?,
            linear: linear.collect::<Result<_, EncodeError>>()?,
            scratch: Scratch {
                info: [info(bits)?, info(bits + 1)?],
                buffer: FrameBuf::with_size(1, size).map_err(|error| refused(&error))?,
                sink: ByteSink::new(),
            },
            signals: vec![Vec::new(); usize::from(shape.channels)],
            best: Vec::new(),
        })
    }

    /// Codes a whole block, and leaves its subframes in the sink. None: flacenc cannot.
    fn encode(&mut self, pcm: &[u8]) -> Option<Assignment> {
        if !self.split(pcm) {
            return None;
        }
        let signals = std::mem::take(&mut self.signals);
        let assignment = self.code(&signals);
        self.signals = signals;
        assignment.ok()
    }

    /// Splits the channels. `false`: a subframe could have wasted bits, or a sample has more bits than there are.
    fn split(&mut self, pcm: &[u8]) -> bool {
        let kernels = Kernels::portable();
        let channels = usize::from(self.shape.channels);
        self.signals.truncate(channels);
        (kernels.split)(pcm, self.shape.bytes_per_sample(), &mut self.signals);
        if self.stereo == Stereo::Joint
            && let [left, right] = self.signals.as_slice()
        {
            let (mut mid, mut side) = (vec![0; left.len()], vec![0; left.len()]);
            (kernels.mid_side)(left, right, &mut mid, &mut side);
            self.signals.extend([mid, side]);
        }
        self.signals.iter().zip(0..).all(|(signal, number)| {
            let survey = (kernels.survey)(signal);
            let depth = u32::from(self.shape.bits_per_sample) + u32::from(number >= channels);
            (survey.used == 0 || survey.used & 1 == 1) && survey.magnitude >> (depth - 1) == 0
        })
    }

    fn code(&mut self, signals: &[Vec<i32>]) -> Result<Assignment, EncodeError> {
        self.best.clear();
        for (number, signal) in signals.iter().enumerate() {
            let one_more = usize::from(self.stereo == Stereo::Joint && number == SIDE);
            let depth = usize::from(self.shape.bits_per_sample) + one_more;
            self.best.push(Candidate { depth, bits: HEADER_BITS + signal.len() * depth, subframe: None });
        }
        let every: Vec<usize> = (0..signals.len()).collect();
        self.scratch.improve(&self.fixed, signals, &every, &mut self.best);
        let (_, chosen) = self.choose();
        for (settings, scope) in &self.linear {
            let wanted = if *scope == Scope::All { &every } else { &chosen };
            self.scratch.improve(settings, signals, wanted, &mut self.best);
        }
        let (assignment, chosen) = self.choose();
        self.write(signals, &chosen)?;
        Ok(assignment)
    }

    /// The smallest coding of the channels, and which signals it needs.
    fn choose(&self) -> (Assignment, Vec<usize>) {
        let bits = |signal: &usize| self.best.get(*signal).map_or(usize::MAX, |candidate| candidate.bits);
        let smallest = match self.stereo {
            Stereo::Joint => PAIRS.iter().min_by_key(|(_, signals)| signals.iter().map(bits).sum::<usize>()),
            Stereo::Independent => None,
        };
        smallest.map_or_else(
            || (Assignment::Independent(self.shape.channels), (0..usize::from(self.shape.channels)).collect()),
            |(assignment, signals)| (*assignment, signals.to_vec()),
        )
    }

    /// Leaves the best subframes of these signals in the sink.
    fn write(&mut self, signals: &[Vec<i32>], chosen: &[usize]) -> Result<(), EncodeError> {
        let sink = &mut self.scratch.sink;
        sink.clear();
        for number in chosen {
            let (Some(signal), Some(best)) = (signals.get(*number), self.best.get(*number)) else { continue };
            let written = match &best.subframe {
                Some(subframe) => subframe.write(sink),
                None => Verbatim::new(signal, best.depth).map_err(|error| refused(&error))?.write(sink),
            };
            written.map_err(|error| refused(&error))?;
        }
        sink.align_to_byte().map_err(|error| refused(&error))?;
        Ok(())
    }
}

impl Scratch {
    /// Codes these signals, and keeps what is smaller than the best so far.
    fn improve(&mut self, settings: &Settings, signals: &[Vec<i32>], wanted: &[usize], best: &mut [Candidate]) {
        for number in wanted {
            let (Some(signal), Some(best)) = (signals.get(*number), best.get_mut(*number)) else { continue };
            if matches!(best.subframe, Some(SubFrame::Constant(_))) {
                continue;
            }
            let Some(subframe) = self.subframe(settings, signal, best.depth) else { continue };
            let bits = subframe.count_bits();
            if bits < best.bits {
                (best.bits, best.subframe) = (bits, Some(subframe));
            }
        }
    }

    /// The subframe of one signal; `None` when flacenc cannot code it so.
    fn subframe(&mut self, settings: &Settings, signal: &[i32], depth: usize) -> Option<SubFrame> {
        let Self { info, buffer, .. } = self;
        let info = info.iter().find(|info| info.bits_per_sample() == depth)?;
        buffer.fill_interleaved(signal).ok()?;
        // flacenc's scratch space is thread-local and filled anew for each frame, so a panic leaves nothing behind.
        let frame = unless_it_panics(|| flacenc::encode_fixed_size_frame(settings, buffer, 0, info).ok()).flatten()?;
        let (_, mut subframes) = frame.into_parts();
        subframes.pop()
    }
}

/// flacenc's settings for this highest fixed order, or this linear order and window.
fn settings(block_size: usize, fixed: Option<usize>, linear: Option<(usize, f32)>) -> Result<Settings, EncodeError> {
    let mut encoder = config::Encoder::default();
    encoder.block_size = block_size;
    encoder.multithread = false;
    let subframe = &mut encoder.subframe_coding;
    subframe.use_fixed = fixed.is_some();
    subframe.fixed.max_order = fixed.unwrap_or(0);
    subframe.use_lpc = linear.is_some();
    if let Some((order, alpha)) = linear {
        subframe.qlpc.lpc_order = order;
        subframe.qlpc.window = config::Window::Tukey { alpha };
    }
    encoder.into_verified().map_err(|(_, error)| refused(&error))
}

/// Runs flacenc, which leaves nothing behind in ours when it panics; `None` then.
fn unless_it_panics<T>(run: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(run)).ok()
}

fn refused(error: &impl ToString) -> EncodeError {
    EncodeError::Refused(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flac::level::Level;
    use crate::support::{music, signed_pcm};

    fn shape(channels: u8, bits_per_sample: u8) -> Shape {
        Shape { channels, sample_rate: 44_100, bits_per_sample, block_size: 4096 }
    }

    #[test]
    fn a_predictor_that_panics_is_left_out() {
        let pcm = signed_pcm(&music(4096, 2, 16, 5), 16);
        let mut broken = config::Encoder::default();
        broken.multithread = false;
        broken.subframe_coding.fixed.order_sel = config::OrderSel::ApproxEnt { partitions: 0 }; // divides by it
        let broken = broken.into_verified().unwrap();

        let mut coder = Coder::new(shape(2, 16), &Effort::of(Level::default())).unwrap();
        let mut size = |change: &dyn Fn(&mut Coder)| {
            change(&mut coder);
            coder.encode(&pcm).unwrap();
            coder.scratch.sink.as_slice().len()
        };
        let good = size(&|_| {});
        let without_linear = size(&|coder| coder.linear = vec![(broken.clone(), Scope::All)]);
        let without_any = size(&|coder| coder.fixed = broken.clone());
        assert!(good < without_linear && without_linear < without_any);
        assert_eq!(without_any, 2 * (1 + 4096 * 2), "verbatim");
    }

    #[test]
    fn blocks_with_wasted_bits_in_any_signal_are_ours() {
        let takes = |channels: u8, block: &[i32]| {
            let mut coder = Coder::new(shape(channels, 16), &Effort::of(Level::default())).unwrap();
            coder.split(&signed_pcm(block, 16))
        };
        assert!(takes(1, &[1, 2, 4]));
        assert!(!takes(1, &[2, 0, 4]), "all even");
        assert!(takes(1, &[0, 0, 0]), "silence is a constant, and needs none");
        assert!(!takes(2, &[1, 2, 3, 4, 6, 6]), "right is even");
        assert!(!takes(2, &[1, 3, 3, 5, 8, 2]), "the side is even: -2, -2, 6");
        assert!(!takes(2, &[1, 4, 5, 4, 8, 5]), "the middle is even: 2, 4, 6");
        assert!(takes(2, &[1, 1, 2, 2, 3, 3]), "twins: their side is silence");
        assert!(!takes(3, &[1, 1, 2, 3, 3, 4]), "the third is even");
    }

    #[test]
    fn only_a_few_usual_block_sizes_are_taken_for_each_keeps_a_window_for_ever() {
        let takes = |block_size: u16| takes(Shape { channels: 1, sample_rate: 8_000, bits_per_sample: 16, block_size });
        let usual: Vec<u16> = (16..=u16::MAX).filter(|size| takes(*size)).collect();
        assert_eq!(usual, [64, 128, 256, 512, 576, 1024, 1152, 2048, 2304, 4096, 4608, 8192, 16_384]);
    }
}
