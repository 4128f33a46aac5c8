//! The frame encoder behind [`FrameEncoder`]: the crate `flacenc`, one frame at a time with reused buffers.
//!
//! Its traps, and what is done about them here (versions up to 0.5.1):
//!
//! - Its whole-stream functions keep every frame in memory and can hang: only `encode_fixed_size_frame` is used.
//! - It keeps a window for every block length that it ever predicted linearly, for ever: the last, shorter block of a
//!   stream, whose length is arbitrary, is coded with fixed predictors only.
//! - It takes 96 kHz for the highest rate, although its frame headers can tell higher ones: the rate is set through
//!   its serde form, which does not check it.
//! - Its linear predictor can panic on audio that it cannot model: such a block is coded without it.
//! - It tries one linear order only, and a higher one can give a larger frame: the levels try several.
//! - Its exact choice of the fixed order (`BitCount`) counts wrongly on noise: only its estimate is used.
//! - It may keep a subframe that is larger than the samples themselves (Rice parameters end at 14): such a frame is
//!   coded again verbatim.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use flacenc::bitsink::ByteSink;
use flacenc::component::{BitRepr as _, StreamInfo};
use flacenc::config;
use flacenc::error::{Verified, Verify as _};
use flacenc::source::{Fill as _, FrameBuf};

use super::encoder::{Block, EncodeError, FrameEncoder};
use super::level::{Effort, Level, Stereo};
use super::shape::Shape;

/// The highest rate that flacenc admits to.
const HIGHEST_CHECKED_RATE: u32 = 96_000;
/// More than any frame header and footer (RFC 9639 §9.1: at most 16 bytes and 2) and the subframes' headers.
const FRAME_OVERHEAD: usize = 18 + 8;

/// An encoder of frames with `flacenc`.
pub struct FlacencEncoder {
    /// What the level asks to be tried, each on every whole block; the smallest frame is kept.
    tries: Vec<Settings>,
    /// Without linear prediction.
    fixed: Settings,
    /// The samples as they are.
    verbatim: Settings,
    scratch: Scratch,
    shape: Shape,
}

type Settings = Verified<config::Encoder>;

/// One block's samples, and the bytes of its frame.
struct Scratch {
    info: StreamInfo,
    samples: FrameBuf,
    sink: ByteSink,
}

impl FlacencEncoder {
    /// An encoder for blocks of this shape.
    pub fn new(shape: Shape, level: Level) -> Result<Self, EncodeError> {
        let block_size = usize::from(shape.block_size);
        let samples = FrameBuf::with_size(usize::from(shape.channels), block_size).map_err(|error| refused(&error))?;
        Ok(Self {
            tries: tries(block_size, level.effort())?,
            fixed: settings(block_size, Stereo::Any, Some(4), None)?,
            verbatim: settings(block_size, Stereo::Independent, None, None)?,
            scratch: Scratch { info: stream_info(shape)?, samples, sink: ByteSink::new() },
            shape,
        })
    }
}

impl FrameEncoder for FlacencEncoder {
    fn encode(&mut self, block: Block<'_>, frame: &mut Vec<u8>) -> Result<(), EncodeError> {
        let number = usize::try_from(block.number).map_err(|error| refused(&error))?;
        let scratch = &mut self.scratch;
        scratch.samples.fill_le_bytes(block.pcm, self.shape.bytes_per_sample()).map_err(|error| refused(&error))?;
        let start = frame.len();
        if scratch.samples.filled_size() == usize::from(self.shape.block_size) {
            for settings in &self.tries {
                match scratch.run(number, settings) {
                    Ok(bytes) if frame.len() == start || bytes.len() < frame.len() - start => {
                        frame.truncate(start);
                        frame.extend_from_slice(bytes);
                    }
                    Ok(_) | Err(EncodeError::Panicked(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        if frame.len() == start {
            frame.extend_from_slice(scratch.run(number, &self.fixed)?);
        }
        if frame.len() - start > block.pcm.len() + FRAME_OVERHEAD + usize::from(self.shape.channels) {
            frame.truncate(start);
            frame.extend_from_slice(scratch.run(number, &self.verbatim)?);
        }
        Ok(())
    }
}

impl Scratch {
    /// Codes the samples held; returns the frame.
    fn run(&mut self, number: usize, settings: &Settings) -> Result<&[u8], EncodeError> {
        let Self { info, samples, sink } = self;
        sink.clear();
        // flacenc's scratch space is thread-local and filled anew for each frame, so a panic leaves nothing behind.
        catch_unwind(AssertUnwindSafe(|| {
            let frame =
                flacenc::encode_fixed_size_frame(settings, samples, number, info).map_err(|error| refused(&error))?;
            frame.write(sink).map_err(|error| refused(&error))
        }))
        .unwrap_or_else(|panic| Err(EncodeError::Panicked(panic_text(&*panic))))?;
        Ok(self.sink.as_slice())
    }
}

/// What a level asks, as settings to try one after the other. Fixed predictors need to be tried only once.
fn tries(block_size: usize, effort: Effort) -> Result<Vec<Settings>, EncodeError> {
    let first = settings(block_size, effort.stereo, Some(effort.fixed_order), effort.linear_orders.first().copied());
    let more = effort.linear_orders.iter().skip(1).map(|order| settings(block_size, effort.stereo, None, Some(*order)));
    std::iter::once(first).chain(more).collect()
}

/// flacenc's settings for these predictors; without any, subframes are constant or verbatim.
fn settings(
    block_size: usize,
    stereo: Stereo,
    fixed: Option<usize>,
    linear: Option<usize>,
) -> Result<Settings, EncodeError> {
    let mut encoder = config::Encoder::default();
    encoder.block_size = block_size;
    encoder.multithread = false;
    encoder.stereo_coding.use_leftside = stereo == Stereo::Any;
    encoder.stereo_coding.use_rightside = stereo == Stereo::Any;
    encoder.stereo_coding.use_midside = stereo != Stereo::Independent;
    let subframe = &mut encoder.subframe_coding;
    subframe.use_fixed = fixed.is_some();
    subframe.fixed.max_order = fixed.unwrap_or(0);
    subframe.use_lpc = linear.is_some();
    subframe.qlpc.lpc_order = linear.unwrap_or(1);
    encoder.into_verified().map_err(|(_, error)| refused(&error))
}

/// What flacenc needs to know of the stream to write frame headers.
fn stream_info(shape: Shape) -> Result<StreamInfo, EncodeError> {
    let channels = usize::from(shape.channels);
    let bits = usize::from(shape.bits_per_sample);
    let checked = shape.sample_rate.min(HIGHEST_CHECKED_RATE);
    let info = StreamInfo::new(usize::try_from(checked).map_err(|error| refused(&error))?, channels, bits)
        .map_err(|error| refused(&error))?;
    if checked == shape.sample_rate {
        return Ok(info);
    }
    let mut plain = serde_json::to_value(&info).map_err(|error| refused(&error))?;
    let rate = plain.get_mut("sample_rate").ok_or_else(|| refused(&"flacenc's StreamInfo has no sample_rate"))?;
    *rate = shape.sample_rate.into();
    serde_json::from_value(plain).map_err(|error| refused(&error))
}

fn refused(error: &impl ToString) -> EncodeError {
    EncodeError::Refused(error.to_string())
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flac::decode;
    use crate::flac::metadata::{StreamInfo as Info, head};
    use crate::support::{music, noise, signed_pcm};
    use md5::{Digest as _, Md5};

    const BLOCK_SIZE: usize = 4096;

    fn shape(channels: u8, sample_rate: u32, bits_per_sample: u8) -> Shape {
        Shape { channels, sample_rate, bits_per_sample, block_size: 4096 }
    }

    fn frame(encoder: &mut FlacencEncoder, number: u64, pcm: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        encoder.encode(Block { number, pcm }, &mut frame).unwrap();
        frame
    }

    /// One frame as a file of its own decodes to its samples.
    fn assert_decodes(shape: Shape, frame: &[u8], pcm: &[u8]) {
        let mut file = head(&Info::of_unknown_length(shape), None);
        file.extend_from_slice(frame);
        let decoded = decode(file.as_slice()).unwrap();
        assert_eq!(decoded.md5, <[u8; 16]>::from(Md5::digest(pcm)));
        assert_eq!(decoded.sample_rate, shape.sample_rate);
    }

    #[test]
    fn frames_depend_on_nothing_but_their_block() {
        let shape = shape(2, 44_100, 16);
        let first = signed_pcm(&music(BLOCK_SIZE, 2, 16, 1), 16);
        let second = signed_pcm(&noise(BLOCK_SIZE, 2, 16, 2), 16);
        let mut encoder = FlacencEncoder::new(shape, Level::default()).unwrap();
        let before = frame(&mut encoder, 7, &first);
        frame(&mut encoder, 8, &second);
        frame(&mut encoder, 9, &first[..400]);
        assert_eq!(frame(&mut encoder, 7, &first), before);
        assert_eq!(frame(&mut FlacencEncoder::new(shape, Level::default()).unwrap(), 7, &first), before);
        assert_ne!(frame(&mut encoder, 8, &first), before, "the number is part of the frame");
    }

    #[test]
    fn noise_never_grows_beyond_verbatim() {
        for (channels, bits) in [(1, 8), (1, 16), (2, 16), (2, 24), (8, 24)] {
            for level in [Level::FASTEST, Level::SMALLEST] {
                let shape = shape(channels, 48_000, bits);
                let pcm = signed_pcm(&noise(BLOCK_SIZE, channels.into(), bits.into(), 3), bits.into());
                let frame = frame(&mut FlacencEncoder::new(shape, level).unwrap(), 0, &pcm);
                assert!(frame.len() <= pcm.len() + FRAME_OVERHEAD + usize::from(channels), "{channels} {bits} {level}");
                assert_decodes(shape, &frame, &pcm);
            }
        }
    }

    #[test]
    fn every_rate_is_told_in_the_frame_header_or_left_to_stream_info() {
        // RFC 9639 §9.1.2: the low four bits of the third byte, and what they refer to.
        for (rate, code) in [
            (1, 0b1101),
            (44_100, 0b1001),
            (88_200, 0b0001),
            (96_000, 0b1011),
            (176_400, 0b0010),
            (192_000, 0b0011),
            (384_000, 0b1110),
            (655_350, 0b1110),
            (250_000, 0b1100),
            (65_537, 0b0000),
            (1_048_575, 0b0000),
        ] {
            let shape = shape(1, rate, 16);
            let pcm = signed_pcm(&music(BLOCK_SIZE, 1, 16, 4), 16);
            let frame = frame(&mut FlacencEncoder::new(shape, Level::default()).unwrap(), 0, &pcm);
            assert_eq!(frame[2] & 0xF, code, "{rate}");
            assert_decodes(shape, &frame, &pcm);
        }
    }

    #[test]
    fn a_panic_is_caught_and_the_block_coded_without_linear_prediction() {
        let shape = shape(2, 44_100, 16);
        let mut broken = config::Encoder::default();
        broken.multithread = false;
        broken.subframe_coding.fixed.order_sel = config::OrderSel::ApproxEnt { partitions: 0 }; // divides by it
        let mut encoder = FlacencEncoder::new(shape, Level::default()).unwrap();
        encoder.tries = vec![broken.into_verified().unwrap()];
        let pcm = signed_pcm(&music(BLOCK_SIZE, 2, 16, 5), 16);
        assert_decodes(shape, &frame(&mut encoder, 0, &pcm), &pcm);

        std::mem::swap(&mut encoder.tries[0], &mut encoder.fixed);
        let error = encoder.encode(Block { number: 0, pcm: &pcm[..4000] }, &mut Vec::new()).unwrap_err();
        assert!(matches!(&error, EncodeError::Panicked(text) if text.contains("zero")), "{error}");
    }
}
