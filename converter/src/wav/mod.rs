//! The WAV side: an incremental (sans-I/O) parser. Bytes go in, split anywhere; a [`Format`] and ranges of PCM come
//! out. One parser serves files, uploads and streams.
//!
//! Read today: RIFF WAVE with integer PCM. `parser` walks chunks and decides where the audio ends, `format` reads the
//! `fmt ` chunk, `chunk` knows chunk headers and names, `sniff` tells a WAV file from everything else, `error` says why
//! not.

mod chunk;
mod error;
mod format;
mod pack;
mod parser;
mod samples;
mod sniff;

pub use error::{WavError, WavErrorClass, WavWarning};
pub use format::{Format, check_format};
pub use pack::{Encoding, Endian, Kind, Packer, Packing, Spare, SpareBits};
pub use parser::{Length, Parser, Piece};
pub use samples::Unpacker;
