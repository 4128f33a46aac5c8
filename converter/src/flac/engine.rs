//! The frame encoder behind [`FrameEncoder`]: the crate `flacenc`, one frame at a time with reused buffers.
//!
//! Its traps, and what is done about them here (versions up to 0.5.1):
//!
//! - Its whole-stream functions keep every frame in memory and can hang: only `encode_fixed_size_frame` is used.
//! - It keeps a window for every block length that it ever predicted linearly, for ever: the last, shorter block of a
//!   stream, whose length is arbitrary, is coded with fixed predictors only.
//! - It takes 96 kHz for the highest rate, although its frame headers can tell higher ones: the rate is set through
//!   its serde form, which does not check it.
//! - Its linear predictor can panic on audio that it cannot model: such a block is coded again without it.
//! - It may keep a subframe that is larger than the samples themselves (Rice parameters end at 14): such a frame is
//!   coded again as it is.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use flacenc::bitsink::ByteSink;
use flacenc::component::{BitRepr as _, StreamInfo};
use flacenc::config;
use flacenc::error::{Verified, Verify as _};
use flacenc::source::{Fill as _, FrameBuf};

use super::encoder::{Block, EncodeError, FrameEncoder};
use super::level::{BLOCK_SIZE, Level, Predictors, Stereo};
use crate::wav::Format;

/// The highest rate that flacenc admits to.
const HIGHEST_CHECKED_RATE: u32 = 96_000;
/// More than any frame header and footer (RFC 9639 §9.1: at most 16 bytes and 2) and the subframes' headers.
const FRAME_OVERHEAD: usize = 18 + 8;

/// An encoder of frames with `flacenc`.
pub struct FlacencEncoder {
    /// As the level asks.
    full: Verified<config::Encoder>,
    /// Without linear prediction.
    fixed: Verified<config::Encoder>,
    /// The samples as they are.
    verbatim: Verified<config::Encoder>,
    info: StreamInfo,
    channels: usize,
    bytes_per_sample: usize,
    samples: FrameBuf,
    sink: ByteSink,
}

impl FlacencEncoder {
    /// An encoder for blocks of this format.
    pub fn new(format: &Format, level: Level) -> Result<Self, EncodeError> {
        let channels = usize::from(format.channels);
        let effort = level.effort();
        Ok(Self {
            full: settings(effort.stereo, Some(effort.predictors))?,
            fixed: settings(effort.stereo, Some(Predictors::Fixed(4)))?,
            verbatim: settings(Stereo::Independent, None)?,
            info: stream_info(format)?,
            channels,
            bytes_per_sample: format.bytes_per_sample(),
            samples: FrameBuf::with_size(channels, BLOCK_SIZE).map_err(|error| refused(&error))?,
            sink: ByteSink::new(),
        })
    }

    /// Codes the samples held with one of the settings; the frame is left in the sink.
    fn run(&mut self, number: usize, choice: Choice) -> Result<(), EncodeError> {
        let settings = match choice {
            Choice::Full => &self.full,
            Choice::Fixed => &self.fixed,
            Choice::Verbatim => &self.verbatim,
        };
        let (samples, info, sink) = (&self.samples, &self.info, &mut self.sink);
        sink.clear();
        // flacenc's scratch space is thread-local and filled anew for each frame, so a panic leaves nothing behind.
        catch_unwind(AssertUnwindSafe(|| {
            let frame =
                flacenc::encode_fixed_size_frame(settings, samples, number, info).map_err(|error| refused(&error))?;
            frame.write(sink).map_err(|error| refused(&error))
        }))
        .unwrap_or_else(|panic| Err(EncodeError::Panicked(panic_text(&*panic))))
    }
}

/// Which of an encoder's settings to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Full,
    Fixed,
    Verbatim,
}

impl FrameEncoder for FlacencEncoder {
    fn encode(&mut self, block: Block<'_>, frame: &mut Vec<u8>) -> Result<(), EncodeError> {
        let number = usize::try_from(block.number).map_err(|error| refused(&error))?;
        self.samples.fill_le_bytes(block.pcm, self.bytes_per_sample).map_err(|error| refused(&error))?;
        let whole = self.samples.filled_size() == BLOCK_SIZE;
        let first = self.run(number, if whole { Choice::Full } else { Choice::Fixed });
        match first {
            Err(EncodeError::Panicked(_)) if whole => self.run(number, Choice::Fixed)?,
            result => result?,
        }
        if self.sink.as_slice().len() > block.pcm.len() + FRAME_OVERHEAD + self.channels {
            self.run(number, Choice::Verbatim)?;
        }
        frame.extend_from_slice(self.sink.as_slice());
        Ok(())
    }
}

/// flacenc's settings for these tools; none but verbatim and constant subframes without predictors.
fn settings(stereo: Stereo, predictors: Option<Predictors>) -> Result<Verified<config::Encoder>, EncodeError> {
    let mut encoder = config::Encoder::default();
    encoder.block_size = BLOCK_SIZE;
    encoder.multithread = false;
    let any = stereo == Stereo::Any;
    encoder.stereo_coding.use_leftside = any;
    encoder.stereo_coding.use_rightside = any;
    encoder.stereo_coding.use_midside = any;
    let (fixed, linear) = match predictors {
        None => (None, None),
        Some(Predictors::Fixed(order)) => (Some(order), None),
        Some(Predictors::FixedAndLinear(order)) => (Some(4), Some(order)),
    };
    let subframe = &mut encoder.subframe_coding;
    subframe.use_fixed = fixed.is_some();
    subframe.fixed.max_order = fixed.unwrap_or(0);
    subframe.use_lpc = linear.is_some();
    subframe.qlpc.lpc_order = linear.unwrap_or(1);
    encoder.into_verified().map_err(|(_, error)| refused(&error))
}

/// What flacenc needs to know of the stream to write frame headers.
fn stream_info(format: &Format) -> Result<StreamInfo, EncodeError> {
    let channels = usize::from(format.channels);
    let bits = usize::from(format.bits_per_sample);
    let checked = format.sample_rate.min(HIGHEST_CHECKED_RATE);
    let info = StreamInfo::new(usize::try_from(checked).map_err(|error| refused(&error))?, channels, bits)
        .map_err(|error| refused(&error))?;
    if checked == format.sample_rate {
        return Ok(info);
    }
    let mut plain = serde_json::to_value(&info).map_err(|error| refused(&error))?;
    let rate = plain.get_mut("sample_rate").ok_or_else(|| refused(&"flacenc's StreamInfo has no sample_rate"))?;
    *rate = format.sample_rate.into();
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

    fn format(channels: u8, sample_rate: u32, bits_per_sample: u8) -> Format {
        Format { channels, sample_rate, bits_per_sample, channel_mask: None, declared_samples: None }
    }

    fn frame(encoder: &mut FlacencEncoder, number: u64, pcm: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        encoder.encode(Block { number, pcm }, &mut frame).unwrap();
        frame
    }

    /// One frame as a file of its own decodes to its samples.
    fn assert_decodes(format: &Format, frame: &[u8], pcm: &[u8]) {
        let mut file = head(&Info::of_unknown_length(format, 4096), None);
        file.extend_from_slice(frame);
        let decoded = decode(file.as_slice()).unwrap();
        assert_eq!(decoded.md5, <[u8; 16]>::from(Md5::digest(pcm)));
        assert_eq!(decoded.sample_rate, format.sample_rate);
    }

    #[test]
    fn frames_depend_on_nothing_but_their_block() {
        let format = format(2, 44_100, 16);
        let first = signed_pcm(&music(BLOCK_SIZE, 2, 16, 1), 16);
        let second = signed_pcm(&noise(BLOCK_SIZE, 2, 16, 2), 16);
        let mut encoder = FlacencEncoder::new(&format, Level::default()).unwrap();
        let before = frame(&mut encoder, 7, &first);
        frame(&mut encoder, 8, &second);
        frame(&mut encoder, 9, &first[..400]);
        assert_eq!(frame(&mut encoder, 7, &first), before);
        assert_eq!(frame(&mut FlacencEncoder::new(&format, Level::default()).unwrap(), 7, &first), before);
        assert_ne!(frame(&mut encoder, 8, &first), before, "the number is part of the frame");
    }

    #[test]
    fn noise_never_grows_beyond_verbatim() {
        for (channels, bits) in [(1, 8), (1, 16), (2, 16), (2, 24), (8, 24)] {
            for level in [Level::FASTEST, Level::SMALLEST] {
                let format = format(channels, 48_000, bits);
                let pcm = signed_pcm(&noise(BLOCK_SIZE, channels.into(), bits.into(), 3), bits.into());
                let frame = frame(&mut FlacencEncoder::new(&format, level).unwrap(), 0, &pcm);
                assert!(frame.len() <= pcm.len() + FRAME_OVERHEAD + usize::from(channels), "{channels} {bits} {level}");
                assert_decodes(&format, &frame, &pcm);
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
            let format = format(1, rate, 16);
            let pcm = signed_pcm(&music(BLOCK_SIZE, 1, 16, 4), 16);
            let frame = frame(&mut FlacencEncoder::new(&format, Level::default()).unwrap(), 0, &pcm);
            assert_eq!(frame[2] & 0xF, code, "{rate}");
            assert_decodes(&format, &frame, &pcm);
        }
    }

    #[test]
    fn a_panic_of_the_full_encoder_is_caught_and_coded_without_it() {
        let format = format(2, 44_100, 16);
        let mut broken = config::Encoder::default();
        broken.multithread = false;
        broken.subframe_coding.fixed.order_sel = config::OrderSel::ApproxEnt { partitions: 0 }; // divides by it
        let mut encoder = FlacencEncoder::new(&format, Level::default()).unwrap();
        encoder.full = broken.into_verified().unwrap();
        let pcm = signed_pcm(&music(BLOCK_SIZE, 2, 16, 5), 16);
        assert_decodes(&format, &frame(&mut encoder, 0, &pcm), &pcm);

        std::mem::swap(&mut encoder.full, &mut encoder.fixed);
        let error = encoder.encode(Block { number: 0, pcm: &pcm[..4000] }, &mut Vec::new()).unwrap_err();
        assert!(matches!(&error, EncodeError::Panicked(text) if text.contains("zero")), "{error}");
    }
}
