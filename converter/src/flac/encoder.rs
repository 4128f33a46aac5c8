//! The seam between a stream and the encoder of its frames.
//!
//! Frames of a stream with a fixed block size depend on nothing but their own block and its number (RFC 9639 §9.1),
//! so one encoder is one worker's private state: it may keep buffers, but no frame may depend on an earlier one.

use super::shape::Shape;

/// One block of audio.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    /// Its number from the start of the stream, from 0.
    pub number: u64,
    /// Interleaved samples as STREAMINFO's MD5 sees them (RFC 9639 §8.2): signed, little-endian, each in as few bytes
    /// as hold its bits (1 to 4), the sign extended to fill them.
    pub pcm: &'a [u8],
}

impl Block<'_> {
    /// Samples of each channel. Refuses what is no whole number of them, none, or more than the shape's blocks have.
    pub(super) fn samples(&self, shape: Shape) -> Result<u16, EncodeError> {
        let (length, step) = (self.pcm.len(), shape.bytes_per_step());
        let samples = u16::try_from(length / step.max(1)).unwrap_or(0);
        if samples == 0 || samples > shape.block_size || !length.is_multiple_of(step) {
            let text = format!("a block of {length} bytes, where a sample of every channel has {step}");
            return Err(EncodeError::Refused(text));
        }
        Ok(samples)
    }
}

/// Makes one FLAC frame of one block.
pub trait FrameEncoder: Send {
    /// Appends the frame of `block` to `frame`. The same block gives the same bytes, whatever was encoded before.
    ///
    /// On an error `frame` may hold part of a frame. The encoder can be used again.
    fn encode(&mut self, block: Block<'_>, frame: &mut Vec<u8>) -> Result<(), EncodeError>;
}

/// Why a frame could not be encoded. Audio is never the reason: every block has a frame, a verbatim one if need be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The encoder refused its input or settings.
    #[error("{0}")]
    Refused(String),
    /// The encoder panicked. What a crate behind it makes of a block is caught and done without.
    #[error("the frame encoder panicked: {0}")]
    Panicked(String),
    /// The frame does not decode to its block.
    #[error("frame {frame}, from sample {first_sample} on, does not decode to what was encoded: {detail}")]
    Verify {
        /// The frame's number, from 0.
        frame: u64,
        /// The number of its first sample.
        first_sample: u64,
        /// What differs.
        detail: String,
    },
}
