//! What is known of an input when its audio begins: enough to go on anywhere within the audio in another process.

use super::chunk::Size;
use super::ds64::Sizes;
use super::sniff::Container;
use super::{Format, Length, Rules};

/// What a [`Parser`](super::Parser) knows when the audio begins. What comes after the audio is read again by whoever goes
/// on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioStart {
    pub(crate) rules: Rules,
    pub(crate) container: Container,
    /// As the `fmt ` chunk tells it: the samples that the data chunk declares are not in it.
    pub(crate) fmt: Format,
    /// What the header says about the bytes of audio.
    pub(crate) size: Size,
    /// Bytes of input before the audio.
    pub(crate) at: u64,
    /// The sizes of RF64 and BW64.
    pub(crate) sizes: Option<Sizes>,
}

impl AudioStart {
    /// The audio's format.
    pub fn format(&self) -> Format {
        declared(self.fmt, self.size)
    }

    /// Bytes of audio, where the declared length decides; none where the end of the input does.
    pub(crate) fn bytes(&self) -> Option<u64> {
        audio_bytes(self.rules.length, self.size)
    }
}

/// The format, with what the data chunk's header claims.
pub(super) fn declared(fmt: Format, size: Size) -> Format {
    let declared_samples = match size {
        Size::Bytes(bytes @ 1..) => bytes.checked_div(fmt.block_align() as u64),
        Size::Bytes(0) | Size::Open(_) => None,
    };
    Format { declared_samples, ..fmt }
}

/// How long the audio is by the caller's rule and the header, if that is known before the end of the input.
pub(super) fn audio_bytes(length: Length, size: Size) -> Option<u64> {
    match (length, size) {
        (Length::Eof, _) | (Length::Auto, Size::Open(_) | Size::Bytes(0)) => None,
        (_, size) => Some(size.claimed()),
    }
}
