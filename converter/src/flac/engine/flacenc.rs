//! The crate `flacenc`, a subframe at a time with reused buffers.
//!
//! Its traps, and what is done about them here (versions up to 0.5.1):
//!
//! - Its whole-stream functions keep every frame in memory and can hang: only `encode_fixed_size_frame` is used.
//! - It keeps a window for every block length that it ever predicted linearly, for ever: only whole blocks of a few
//!   usual sizes are given to it.
//! - Its Rice parameters end at 14: only up to 16 bits.
//! - It knows no wasted bits: such blocks are not given to it.
//! - Its linear predictor can panic on audio that it cannot model: that predictor is then left out.
//! - It tries one linear order only, and a higher one can give a larger frame: the levels try several.
//! - Its exact choice of the fixed order (`BitCount`) counts wrongly on noise: only its estimate is used.
//! - It may keep a subframe that is larger than the samples themselves: such a one is not taken.
//! - Of two channels it codes middle and side too, whether they are wanted or not, and with every predictor: so each
//!   channel is given to it as a mono block, and the pair is chosen here.

use flacenc::bitsink::{BitSink as _, ByteSink};
use flacenc::component::{BitRepr as _, StreamInfo, SubFrame, Verbatim};
use flacenc::config;
use flacenc::error::{Verified, Verify as _};
use flacenc::source::{Fill as _, FrameBuf};

use super::samples::{LEFT, MID, RIGHT, SIDE, Samples};
use super::{Body, unless_it_panics};
use crate::flac::encoder::EncodeError;
use crate::flac::frame::Assignment;
use crate::flac::level::{Effort, Scope, Stereo};
use crate::flac::shape::Shape;

/// Any rate that flacenc admits to: no header of its own is used.
const ANY_RATE: usize = 44_100;
/// A subframe's header without wasted bits (RFC 9639 §9.2.1).
const HEADER_BITS: usize = 8;

/// The ways to code two channels, and the two signals that each needs, as they lie in [`Samples::split`].
const PAIRS: [(Assignment, [usize; 2]); 4] = [
    (Assignment::Independent(2), [LEFT, RIGHT]),
    (Assignment::LeftSide, [LEFT, SIDE]),
    (Assignment::SideRight, [SIDE, RIGHT]),
    (Assignment::MidSide, [MID, SIDE]),
];

type Settings = Verified<config::Encoder>;

/// flacenc, for whole blocks of one shape.
pub(super) struct Flacenc {
    shape: Shape,
    stereo: Stereo,
    /// Without linear prediction.
    fixed: Settings,
    linear: Vec<(Settings, Scope)>,
    scratch: Scratch,
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

impl Flacenc {
    /// Whether flacenc codes blocks of this shape well and in bounded memory.
    pub fn takes(shape: Shape) -> bool {
        let usual = match shape.block_size {
            576 | 1152 | 2304 | 4608 => true,
            size => size.is_power_of_two() && (64..=16_384).contains(&size),
        };
        usual && matches!(shape.bits_per_sample, 8 | 12 | 16)
    }

    pub fn new(shape: Shape, effort: &Effort) -> Result<Self, EncodeError> {
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
            best: Vec::new(),
        })
    }

    /// Offers `best` the coding of a whole block, whose channels were split and have no wasted bits.
    pub fn encode(&mut self, samples: &Samples, best: &mut Body) -> Result<(), EncodeError> {
        let signals = match self.stereo {
            Stereo::Joint => 4,
            Stereo::Independent => usize::from(self.shape.channels),
        };
        let signals = samples.split().get(..signals).unwrap_or_default();
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
        best.offer(assignment, self.scratch.sink.as_slice());
        Ok(())
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

fn refused(error: &impl ToString) -> EncodeError {
    EncodeError::Refused(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flac::level::Level;
    use crate::support::{music, signed_pcm};

    #[test]
    fn a_predictor_that_panics_is_left_out() {
        let shape = Shape { channels: 2, sample_rate: 44_100, bits_per_sample: 16, block_size: 4096 };
        let mut samples = Samples::default();
        samples.fill(shape, &signed_pcm(&music(4096, 2, 16, 5), 16)).unwrap();
        assert!(!samples.split_and_look_for_wasted_bits());
        let mut broken = config::Encoder::default();
        broken.multithread = false;
        broken.subframe_coding.fixed.order_sel = config::OrderSel::ApproxEnt { partitions: 0 }; // divides by it
        let broken = broken.into_verified().unwrap();

        let mut flacenc = Flacenc::new(shape, &Level::default().effort()).unwrap();
        let mut size = |change: &dyn Fn(&mut Flacenc)| {
            change(&mut flacenc);
            let mut best = Body::default();
            flacenc.encode(&samples, &mut best).unwrap();
            best.bytes.len()
        };
        let good = size(&|_| {});
        let without_linear = size(&|flacenc| flacenc.linear = vec![(broken.clone(), Scope::All)]);
        let without_any = size(&|flacenc| flacenc.fixed = broken.clone());
        assert!(good < without_linear && without_linear < without_any);
        assert_eq!(without_any, 2 * (1 + 4096 * 2), "verbatim");
    }

    #[test]
    fn only_a_few_usual_block_sizes_are_taken_for_each_keeps_a_window_for_ever() {
        let takes = |block_size: u16| {
            Flacenc::takes(Shape { channels: 1, sample_rate: 8_000, bits_per_sample: 16, block_size })
        };
        let usual: Vec<u16> = (16..=u16::MAX).filter(|size| takes(*size)).collect();
        assert_eq!(usual, [64, 128, 256, 512, 576, 1024, 1152, 2048, 2304, 4096, 4608, 8192, 16_384]);
    }
}
