//! Encoders that have no buffers of their own: they borrow what they need for one block at a time.
//!
//! A service has thousands of streams and encodes of a few at once; each with its own buffers, some hundred KiB, would
//! hold for every stream what only a thread needs. There are as many sets of buffers as blocks were encoded at once, and
//! the one that was used last, and is still in the CPU's cache, is used next.

use std::sync::{Mutex, PoisonError};

use super::super::encoder::{Block, EncodeError, FrameEncoder};
use super::super::kernels::Kernels;
use super::super::level::Level;
use super::super::shape::Shape;
use super::Encoder;
use super::search::Search;

/// Those that nobody uses.
static SPARE: Mutex<Vec<Encoder>> = Mutex::new(Vec::new());

/// Encodes blocks of one shape, with an [`Encoder`] that is borrowed for each.
pub(in crate::flac) struct Sharing {
    shape: Shape,
    search: Search,
    kernels: Kernels,
}

impl Sharing {
    /// For a shape that FLAC has.
    pub fn new(shape: Shape, level: Level, kernels: Kernels) -> Self {
        Self { shape, search: Search::of(level, shape.sample_rate), kernels }
    }
}

impl FrameEncoder for Sharing {
    fn encode(&mut self, block: Block<'_>, frame: &mut Vec<u8>) -> Result<(), EncodeError> {
        let spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut encoder = match spare {
            Some(mut encoder) => {
                encoder.become_one_of(self.shape, self.search, self.kernels);
                encoder
            }
            None => Encoder::with(self.shape, self.search, self.kernels),
        };
        let result = encoder.encode(block, frame);
        // After a panic it is thrown away.
        SPARE.lock().unwrap_or_else(PoisonError::into_inner).push(encoder);
        result
    }
}
