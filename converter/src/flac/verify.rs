//! The verifier: decodes a FLAC stream with the crate `flac-codec`, which shares no code with the encoder, and says
//! what came out.

use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use flac_codec::byteorder::LittleEndian;
use flac_codec::decode::FlacByteReader;
use flac_codec::metadata::Metadata as _;
use md5::{Digest as _, Md5};

/// What a FLAC stream decodes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded {
    /// Number of channels.
    pub channels: u8,
    /// In Hz.
    pub sample_rate: u32,
    /// Bits of each sample.
    pub bits_per_sample: u32,
    /// Samples per channel that came out.
    pub samples: u64,
    /// MD5 of the samples that came out: signed, little-endian, interleaved.
    pub md5: [u8; 16],
    /// Samples per channel that STREAMINFO tells, if it does.
    pub told_samples: Option<u64>,
    /// MD5 that STREAMINFO tells, if it does.
    pub told_md5: Option<[u8; 16]>,
}

/// Why a FLAC stream could not be decoded.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It is no valid FLAC, or could not be read.
    #[error("{0}")]
    Decode(String),
    /// The decoder panicked on it.
    #[error("the decoder panicked")]
    Panicked,
}

/// Decodes a whole stream (every frame's checksums included) and tells what came out. Memory does not grow with its
/// length.
pub fn decode(reader: impl Read) -> Result<Decoded, VerifyError> {
    // Nothing that the closure touches is used after a panic.
    catch_unwind(AssertUnwindSafe(|| decode_all(reader))).map_err(|_| VerifyError::Panicked)?
}

fn decode_all(reader: impl Read) -> Result<Decoded, VerifyError> {
    let mut reader =
        FlacByteReader::endian(reader, LittleEndian).map_err(|error| VerifyError::Decode(error.to_string()))?;
    let mut digest = Digest { md5: Md5::new(), bytes: 0 };
    io::copy(&mut reader, &mut digest).map_err(|error| VerifyError::Decode(error.to_string()))?;
    let bytes_per_sample = u64::from(reader.bits_per_sample().div_ceil(8));
    let block_align = u64::from(reader.channel_count()) * bytes_per_sample;
    Ok(Decoded {
        channels: reader.channel_count(),
        sample_rate: reader.sample_rate(),
        bits_per_sample: reader.bits_per_sample(),
        samples: digest.bytes.checked_div(block_align).unwrap_or(0),
        md5: digest.md5.finalize().into(),
        told_samples: reader.total_samples(),
        told_md5: reader.md5().copied(),
    })
}

/// Hashes and counts what is written to it.
struct Digest {
    md5: Md5,
    bytes: u64,
}

impl io::Write for Digest {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.md5.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
