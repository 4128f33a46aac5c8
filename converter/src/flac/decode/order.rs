//! Whether frames follow each other as they must: a checksum cannot tell that a whole frame is missing.

use super::error::DecodeError;
use super::header::{FrameHeader, Place};
use super::info::ReadInfo;

/// What came so far.
#[derive(Debug, Default)]
pub(super) struct Order {
    pub frames: u64,
    /// Per channel.
    pub samples: u64,
    /// The first frame's way to tell its place.
    variable: Option<bool>,
    last_seen: bool,
}

impl Order {
    /// Takes the next frame's header.
    pub fn next(&mut self, header: &FrameHeader, info: &ReadInfo) -> Result<(), DecodeError> {
        let frame = self.frames;
        if self.last_seen {
            return Err(DecodeError::AfterLast { frame });
        }
        let fixed = info.fixed_block_size();
        let (variable, found) = match header.place {
            Place::Frame(number) => (false, number),
            Place::Sample(number) => (true, number),
        };
        let expected = if variable { self.samples } else { self.frames };
        // Before FLAC 1.2.0 only STREAMINFO told that blocks differ in size, and frame headers numbered samples then.
        let old_variable = !variable && fixed.is_none() && found == self.samples;
        if (found != expected && !old_variable) || self.variable.is_some_and(|before| before != variable) {
            return Err(DecodeError::OutOfOrder { frame, expected, found });
        }
        self.variable = Some(variable);
        // §8.2: the last block may be smaller than the smallest.
        self.last_seen = !variable && fixed.is_some_and(|size| header.block_size < size);
        self.frames += 1;
        self.samples += u64::from(header.block_size);
        match info.total_samples {
            Some(told) if self.samples > told => Err(DecodeError::TooMany { told, found: self.samples }),
            _ => Ok(()),
        }
    }

    /// The stream ended.
    pub fn end(&self, info: &ReadInfo) -> Result<(), DecodeError> {
        match info.total_samples {
            Some(told) if self.samples < told => Err(DecodeError::TooFew { told, found: self.samples }),
            _ => Ok(()),
        }
    }
}
