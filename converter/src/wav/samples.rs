//! From the samples of a WAV file to those of FLAC.

use super::Format;

/// Turns a data chunk's bytes into samples as FLAC's MD5 sees them: interleaved, signed, little-endian, each in as few
/// bytes as hold its bits.
#[derive(Debug, Clone)]
pub struct Unpacker {
    format: Format,
}

impl Unpacker {
    /// An unpacker at the start of the audio.
    pub fn new(format: &Format) -> Self {
        Self { format: *format }
    }

    /// Takes the next bytes, split anywhere, and appends the samples that they complete to `out`.
    pub fn unpack(&mut self, pcm: &[u8], out: &mut Vec<u8>) {
        if self.format.bits_per_sample == 8 {
            out.extend(pcm.iter().map(|byte| byte ^ 0x80));
        } else {
            out.extend_from_slice(pcm);
        }
    }
}
