//! The WAV side: an incremental (sans-I/O) parser. Bytes go in, split anywhere; a [`Format`] and ranges of PCM come
//! out. One parser serves files, uploads and streams.
//!
//! Read: RIFF, RF64, BW64 and Wave64 with integer PCM, and floating point if the caller lets it be rounded. `parser`
//! walks chunks and decides where the audio ends, `sniff` tells the containers from each other and from everything
//! else, `chunk` knows chunk headers and names, `ds64` the 64-bit sizes of RF64, `format` reads the `fmt ` chunk,
//! `samples` turns containers into samples and `pack` turns them back, `rules` are the caller's decisions, `start` is what it
//! takes to go on within the audio, `names` what
//! the files are called, `error` says why not.

mod chunk;
mod ds64;
mod error;
mod format;
mod names;
mod pack;
mod parser;
mod pcm;
mod rules;
mod samples;
mod sniff;
mod start;

pub use error::{WavError, WavErrorClass, WavWarning};
pub use format::{Encoding, Endian, Format, Kind, MAX_BITS, MIN_BITS, check_format};
pub use names::{ENDINGS, is_wav_name};
pub use pack::{Packer, Packing, Spare, SpareBits};
pub use parser::{Parser, Piece, Skip};
pub use pcm::{Justify, PcmFormat, Sign};
pub use rules::{Float, Length, Rules, UnknownChoice, ValidBits};
pub use samples::{Tally, Unpacker};
pub use start::AudioStart;

pub(crate) use chunk::Size;
pub(crate) use ds64::{MAX_ROWS, Sizes};
pub(crate) use sniff::Container;
