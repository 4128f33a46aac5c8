//! The crate `flac-codec`, a whole frame at a time; of that only the subframes are kept.
//!
//! Its traps, and what is done about them here (version 1.3.3):
//!
//! - Where a predictor's order is half the block or more, it can write the residual of another partition order than the
//!   header says: the order is limited by the block.
//! - It computes linear predictions modulo 2^32, and may write a residual that RFC 9639 §9.2.7 does not allow: frames of
//!   more than 24 bits, where a prediction can get so large, are checked, and coded with fixed predictors if need be.
//! - Its stream writer refuses the depths that a frame header cannot tell: these go through its file writer.
//! - It has no joint coding of 32-bit channels, whose side would have 33 bits: each is coded by itself.
//!
//! An encoder of it is made for each block: that costs nothing that can be measured, and nothing is left of a block
//! when it panics.

use std::io::Cursor;
use std::num::NonZero;

use flac_codec::Error;
use flac_codec::encode::{FlacSampleWriter, FlacStreamWriter, Options, OptionsError, Window};
use flac_codec::metadata::Streaminfo;
use flac_codec::stream::{Frame, ResidualPartition, Residuals, Subframe, SubframeHeaderType, SubframeWidth};

use super::samples::Samples;
use super::{Body, FEW_SAMPLES, unless_it_panics};
use crate::flac::frame::{FOOTER_BYTES, read_header, tells_depth};
use crate::flac::level::{Channels, Coding};
use crate::flac::shape::Shape;

/// Any rate that a frame header can tell: the header is replaced.
const ANY_RATE: u32 = 44_100;
/// As far as flac-codec's own buffers reach; the subset allows 8 (RFC 9639 §7).
const MAX_PARTITION_ORDER: u32 = 6;
/// Up to this depth, no stable predictor of order 12 leads out of 32 bits.
const UNCHECKED_BITS: u8 = 24;
/// What is left when nothing else will do.
const FIXED: Coding = Coding { max_order: 0, alpha: 0.5, channels: Channels::Tried };

/// flac-codec, for blocks of one shape.
pub(super) struct Codec {
    shape: Shape,
}

impl Codec {
    pub fn new(shape: Shape) -> Self {
        Self { shape }
    }

    /// Offers `best` these codings of a block of more than a few samples, as far as flac-codec succeeds with them.
    pub fn encode(&self, codings: &[Coding], samples: &Samples, best: &mut Body) {
        for coding in codings {
            self.attempt(*coding, samples, best);
        }
        if best.coding.is_none() {
            self.attempt(FIXED, samples, best);
        }
    }

    fn attempt(&self, coding: Coding, samples: &Samples, best: &mut Body) {
        let run = || {
            let frame = self.frame(coding, samples).ok()?;
            (self.shape.bits_per_sample <= UNCHECKED_BITS || self.is_exact(&frame)).then_some(frame)
        };
        let Some(frame) = unless_it_panics(run).flatten() else { return };
        let Some(header) = read_header(&frame) else { return };
        let Some(body) = frame.get(header.length..frame.len().saturating_sub(FOOTER_BYTES)) else { return };
        best.offer(header.assignment, body);
    }

    /// The frame as flac-codec makes it.
    pub(super) fn frame(&self, coding: Coding, samples: &Samples) -> Result<Vec<u8>, Error> {
        let Shape { channels, bits_per_sample, .. } = self.shape;
        let bits = u32::from(bits_per_sample);
        // A misuse of ours only: there is no such error of theirs to pass on.
        let options = options(coding, samples.count()).map_err(|_| Error::InvalidBlockSize)?;
        let mut out = Vec::new();
        if tells_depth(bits_per_sample) {
            FlacStreamWriter::new(&mut out, options).write(ANY_RATE, channels, bits, samples.interleaved())?;
            return Ok(out);
        }
        let mut writer = FlacSampleWriter::new(Cursor::new(&mut out), options, ANY_RATE, bits, channels, None)?;
        writer.write(samples.interleaved())?;
        writer.finalize()?;
        Ok(out.split_off(end_of_metadata(&out)))
    }

    /// Whether every residual is one that RFC 9639 §9.2.7.3 allows, and every sample is its prediction and residual.
    pub(super) fn is_exact(&self, frame: &[u8]) -> bool {
        let Ok(bits_per_sample) = u32::from(self.shape.bits_per_sample).try_into() else { return false };
        let Some(channels) = NonZero::new(self.shape.channels) else { return false };
        let info = Streaminfo {
            minimum_block_size: self.shape.block_size,
            maximum_block_size: self.shape.block_size,
            minimum_frame_size: None,
            maximum_frame_size: None,
            sample_rate: ANY_RATE,
            channels,
            bits_per_sample,
            total_samples: None,
            md5: None,
        };
        let mut rest = frame;
        let Ok(frame) = Frame::read(&mut rest, &info) else { return false };
        frame.subframes.iter().all(|subframe| match subframe {
            SubframeWidth::Common(subframe) => subframe_is_exact(subframe),
            SubframeWidth::Wide(_) => false,
        })
    }
}

/// flac-codec's settings for a block of so many samples.
fn options(coding: Coding, samples: usize) -> Result<Options, OptionsError> {
    const { assert!(FEW_SAMPLES >= 2 * 4, "the highest fixed order is less than half of any block") };
    let highest = u8::try_from((samples - 1) / 2).unwrap_or(u8::MAX);
    let order = coding.max_order.min(highest);
    Options::default()
        .no_padding()
        .no_seektable()
        .window(Window::Tukey(coding.alpha))
        .fast_channel_correlation(coding.channels == Channels::Guessed)
        .max_partition_order(MAX_PARTITION_ORDER)?
        .max_lpc_order((order > 0).then_some(order))?
        .block_size(u16::try_from(samples.max(16)).unwrap_or(u16::MAX))
}

/// Where the first frame of a FLAC file begins (RFC 9639 §8.1).
fn end_of_metadata(file: &[u8]) -> usize {
    let mut at = 4;
    while let Some([kind, size @ ..]) = file.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
        let [a, b, c] = *size;
        at += 4 + u32::from_be_bytes([0, a, b, c]) as usize;
        if kind & 0x80 != 0 {
            break;
        }
    }
    at.min(file.len())
}

fn subframe_is_exact(subframe: &Subframe<i32>) -> bool {
    match subframe {
        Subframe::Constant { .. } | Subframe::Verbatim { .. } => true,
        Subframe::Fixed { order, warm_up, residuals, .. } => {
            let coefficients = SubframeHeaderType::FIXED_COEFFS.get(usize::from(*order));
            coefficients.is_some_and(|coefficients| is_exact(warm_up, coefficients, 0, residuals))
        }
        Subframe::Lpc { warm_up, coefficients, shift, residuals, .. } => {
            let coefficients: Vec<i64> = coefficients.iter().copied().map(i64::from).collect();
            is_exact(warm_up, &coefficients, *shift, residuals)
        }
    }
}

fn is_exact(warm_up: &[i32], coefficients: &[i64], shift: u32, residuals: &Residuals<i32>) -> bool {
    let residuals: Vec<i32> = match residuals {
        Residuals::Method0 { partitions } => partitions.iter().flat_map(partition).collect(),
        Residuals::Method1 { partitions } => partitions.iter().flat_map(partition).collect(),
    };
    let mut samples: Vec<i64> = warm_up.iter().copied().map(i64::from).collect();
    for residual in residuals {
        let prediction: i64 = samples.iter().rev().zip(coefficients).map(|(sample, factor)| sample * factor).sum();
        let sample = (prediction >> shift) + i64::from(residual);
        if residual == i32::MIN || i32::try_from(sample).is_err() {
            return false;
        }
        samples.push(sample);
    }
    true
}

fn partition<const MAX: u32>(partition: &ResidualPartition<MAX, i32>) -> Box<dyn Iterator<Item = i32> + '_> {
    match partition {
        ResidualPartition::Standard { residuals, .. } | ResidualPartition::Escaped { residuals, .. } => {
            Box::new(residuals.iter().copied())
        }
        ResidualPartition::Constant { partition_len } => Box::new(std::iter::repeat_n(0, *partition_len)),
    }
}
