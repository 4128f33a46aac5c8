//! A FLAC decoder (RFC 9639), to check with what was encoded and to read what others wrote. It shares no code with the
//! encoders.
//!
//! Input is not trusted: damage and contradictions end in an error, never in a panic or in samples that the frame does
//! not hold, and no claim of a header sizes an allocation beyond the largest block that FLAC knows.
//!
//! [`Decoder`] reads a stream: `buffer` finds frames in a reader, `info` and `order` know what STREAMINFO tells and
//! whether frames obey it. [`FrameDecoder`] decodes one frame: `header`, then `subframe`s of `residual`s that
//! `predict` turns into samples, all from `bits`, checked by `crc`.

mod bits;
mod buffer;
mod crc;
mod error;
mod frame;
mod header;
mod info;
mod linear;
mod order;
mod pack;
mod predict;
mod residual;
mod stream;
mod subframe;
#[cfg(test)]
mod tests;

pub use error::{DecodeError, FrameError};
pub use frame::{FrameDecoder, FrameFacts};
pub use header::{FrameHeader, Place};
pub use info::ReadInfo;
pub use stream::{DecodedBlock, Decoder, MetadataBlock};
