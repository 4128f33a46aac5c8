//! The WAV side: an incremental (sans-I/O) parser. Bytes go in, split anywhere; a [`Format`] and ranges of PCM come
//! out. One parser serves files, uploads and streams.

mod error;
mod format;

pub use error::{WavError, WavErrorClass};
pub use format::{Format, check_format};

/// Where the audio ends when a file's header and its length disagree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Length {
    /// The declared length, if chunks or nothing follow; the end of the input, with a warning, if the length is
    /// unknown or past it; a refusal if bytes follow that are no chunks.
    #[default]
    Auto,
    /// The declared length, whatever follows.
    Header,
    /// The end of the input, whatever is declared.
    Eof,
}
