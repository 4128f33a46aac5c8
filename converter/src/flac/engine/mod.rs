//! The engines behind [`FrameEncoder`], and which of them makes frames. Nothing outside this folder knows which does.

mod effort;
mod flacenc;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use self::flacenc::Flacenc;
use super::encode::Sharing;
use super::encoder::{EncodeError, FrameEncoder};
use super::kernels::Kernels;
use super::level::Level;
use super::shape::Shape;

/// Which encoder makes the frames. Every one makes valid frames of all audio that FLAC can hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Engine {
    /// Ours, with the vector instructions that this CPU has.
    #[default]
    Native,
    /// Ours without them: the same bytes, more slowly.
    Portable,
    /// The crate flacenc, and ours for what it cannot code.
    Flacenc,
}

impl Engine {
    /// The kernels that it uses.
    pub(super) fn kernels(self) -> Kernels {
        match self {
            Self::Native | Self::Flacenc => Kernels::best(),
            Self::Portable => Kernels::portable(),
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Native => "native",
            Self::Portable => "portable",
            Self::Flacenc => "flacenc",
        })
    }
}

impl FromStr for Engine {
    type Err = UnknownEngine;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "native" => Ok(Self::Native),
            "portable" => Ok(Self::Portable),
            "flacenc" => Ok(Self::Flacenc),
            _ => Err(UnknownEngine),
        }
    }
}

/// A text that names no [`Engine`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an engine is native, portable or flacenc")]
pub struct UnknownEngine;

/// An encoder of frames for blocks of this shape; one for each thread.
///
/// Refuses a shape that FLAC does not have.
pub fn frame_encoder(shape: Shape, level: Level, engine: Engine) -> Result<Box<dyn FrameEncoder>, EncodeError> {
    check(shape)?;
    Ok(match engine {
        Engine::Native | Engine::Portable => Box::new(Sharing::new(shape, level, engine.kernels())),
        Engine::Flacenc => Box::new(Flacenc::new(shape, level)?),
    })
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
