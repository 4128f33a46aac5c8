//! The engines behind [`FrameEncoder`], and which of them codes a block. Nothing outside this folder knows which did.
//!
//! - `plain`: constant and verbatim subframes of our own, for blocks of one value, of a few samples, and for whatever
//!   an engine would make larger.
//! - `flacenc`: whole blocks of 8, 12 and 16 bits without wasted bits (§9.2.2).
//! - `codec`: the crate flac-codec, for all else: more bits (flacenc has no 5-bit Rice parameters, without which loud
//!   audio of 20 and 24 bits grows), odd depths, wasted bits, other block sizes, a stream's last and shorter block.
//!
//! What an engine's panic or refusal costs is size: the block is coded by the next in this order.

mod codec;
mod flacenc;
mod plain;
mod samples;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};

use self::codec::Codec;
use self::flacenc::Flacenc;
use self::samples::Samples;
use super::encoder::{Block, EncodeError, FrameEncoder};
use super::frame::{Assignment, push_footer, push_header};
use super::kernels::Kernels;
use super::level::{Effort, Level};
use super::shape::Shape;

/// Blocks of so few samples are always coded verbatim (or constant): a predictor has nothing to gain there.
const FEW_SAMPLES: usize = 8;

/// An encoder of frames for blocks of this shape; one for each thread.
///
/// Refuses a shape that FLAC does not have.
pub fn frame_encoder(shape: Shape, level: Level) -> Result<Box<dyn FrameEncoder>, EncodeError> {
    Ok(Box::new(Engines::new(shape, level)?))
}

/// All engines, for blocks of one shape.
struct Engines {
    shape: Shape,
    samples: Samples,
    /// Where flacenc can code whole blocks of this shape.
    flacenc: Option<Flacenc>,
    codec: Codec,
    effort: Effort,
    best: Body,
}

/// The smallest coding so far of one block.
#[derive(Debug, Default)]
struct Body {
    coding: Option<Assignment>,
    /// The subframes, up to a whole byte.
    bytes: Vec<u8>,
}

impl Body {
    /// Keeps this coding if it is the first or smaller.
    fn offer(&mut self, assignment: Assignment, bytes: &[u8]) {
        if self.coding.is_none() || bytes.len() < self.bytes.len() {
            self.coding = Some(assignment);
            self.bytes.clear();
            self.bytes.extend_from_slice(bytes);
        }
    }
}

impl Engines {
    fn new(shape: Shape, level: Level) -> Result<Self, EncodeError> {
        check(shape)?;
        let effort = level.effort();
        let flacenc = if Flacenc::takes(shape) { Some(Flacenc::new(shape, &effort)?) } else { None };
        Ok(Self {
            shape,
            samples: Samples::default(),
            flacenc,
            codec: Codec::new(shape),
            effort,
            best: Body::default(),
        })
    }

    /// Leaves the smallest coding of a block that is neither constant nor of few samples in `best`.
    fn search(&mut self) {
        let whole = self.samples.count() == usize::from(self.shape.block_size);
        let flacenc = self.flacenc.as_mut().filter(|_| whole);
        let coded = match flacenc {
            Some(flacenc) if !self.samples.split_and_look_for_wasted_bits() => {
                unless_it_panics(|| flacenc.encode(&self.samples, &mut self.best)).is_some_and(|coded| coded.is_ok())
            }
            _ => false,
        };
        let codings = if coded { self.effort.beside } else { self.effort.instead };
        self.codec.encode(codings, &self.samples, &mut self.best);
    }
}

impl FrameEncoder for Engines {
    fn encode(&mut self, block: Block<'_>, frame: &mut Vec<u8>) -> Result<(), EncodeError> {
        let shape = self.shape;
        let step = shape.bytes_per_step();
        let samples = count(shape, block.pcm)?;
        self.best.coding = None;
        self.best.bytes.clear();
        self.samples.fill(shape, block.pcm)?;
        if block.pcm.get(step..) == block.pcm.get(..block.pcm.len() - step) {
            plain::constant(shape, &self.samples, &mut self.best.bytes);
        } else {
            if usize::from(samples) > FEW_SAMPLES {
                self.search();
            }
            if self.best.coding.is_none() || self.best.bytes.len() > plain::verbatim_bytes(shape, samples) {
                self.best.coding = None;
                self.best.bytes.clear();
                plain::verbatim(shape, &self.samples, &mut self.best.bytes);
            }
        }
        let start = frame.len();
        let assignment = self.best.coding.unwrap_or(Assignment::Independent(shape.channels));
        push_header(shape, block.number, samples, assignment, frame)?;
        frame.extend_from_slice(&self.best.bytes);
        push_footer(&Kernels::best(), frame, start);
        Ok(())
    }
}

/// Refuses what FLAC does not have (RFC 9639 §8.2).
fn check(shape: Shape) -> Result<(), EncodeError> {
    let problem = match shape {
        Shape { channels: 0 | 9.., .. } => "FLAC has 1 to 8 channels",
        Shape { bits_per_sample: 0..=3 | 33.., .. } => "FLAC has 4 to 32 bits per sample",
        Shape { block_size: 0..=15, .. } => "a block of FLAC has 16 to 65535 samples",
        Shape { sample_rate: 0 | 0x10_0000.., .. } => "FLAC has sample rates from 1 to 1048575 Hz",
        _ => return Ok(()),
    };
    Err(EncodeError::Refused(problem.to_owned()))
}

/// Samples of each channel in a block.
fn count(shape: Shape, pcm: &[u8]) -> Result<u16, EncodeError> {
    let step = shape.bytes_per_step();
    if pcm.is_empty() || !pcm.len().is_multiple_of(step) || pcm.len() > shape.bytes_per_block() {
        let text = format!("a block of {} bytes, where a sample of every channel has {step}", pcm.len());
        return Err(EncodeError::Refused(text));
    }
    u16::try_from(pcm.len() / step).map_err(|error| EncodeError::Refused(error.to_string()))
}

/// Runs another crate's code, which leaves nothing behind in ours when it panics; `None` then.
fn unless_it_panics<T>(run: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(run)).ok()
}
