//! WAV files, as far as the bench writes them and has them written: `fmt ` and `data`.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

/// A WAV file, whole.
#[derive(Debug, PartialEq, Eq)]
pub struct Wav {
    pub channels: u16,
    pub rate: u32,
    pub bits: u16,
    /// Interleaved samples.
    pub pcm: Vec<u8>,
}

impl Wav {
    /// Reads a file of the corpus.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        Self::parse(&bytes).with_context(|| format!("{} is no WAV file of the bench's", file.display()))
    }

    /// Bytes of one sample of every channel.
    pub fn step(&self) -> usize {
        usize::from(self.channels) * usize::from(self.bits / 8)
    }

    /// Samples of each channel.
    pub fn frames(&self) -> u64 {
        (self.pcm.len() / self.step().max(1)) as u64
    }

    /// The first so many seconds as a file of its own, with a header of 44 bytes.
    pub fn beginning(&self, seconds: u32) -> Vec<u8> {
        let pcm = self.pcm.get(..self.step() * (self.rate * seconds) as usize).unwrap_or(&self.pcm);
        self.file(pcm)
    }

    /// All of it as a file.
    pub fn whole(&self) -> Vec<u8> {
        self.file(&self.pcm)
    }

    fn file(&self, pcm: &[u8]) -> Vec<u8> {
        let length = u32::try_from(pcm.len()).unwrap_or(u32::MAX);
        let mut file = b"RIFF".to_vec();
        file.extend((length + 36).to_le_bytes());
        file.extend(b"WAVEfmt \x10\0\0\0\x01\0");
        file.extend(format_fields(self.channels, self.rate, self.bits));
        file.extend(b"data");
        file.extend(length.to_le_bytes());
        file.extend(pcm);
        file
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut wav = Self { channels: 0, rate: 0, bits: 0, pcm: Vec::new() };
        let mut rest = bytes.get(12..)?;
        while let Some((head, after)) = rest.split_at_checked(8) {
            let (name, size) = head.split_at(4);
            let size = u32::from_le_bytes(size.try_into().ok()?) as usize;
            let body = after.get(..size).unwrap_or(after);
            if name == b"fmt " {
                let two = |at: usize| Some(u16::from_le_bytes(body.get(at..at + 2)?.try_into().ok()?));
                wav.channels = two(2)?;
                wav.rate = u32::from_le_bytes(body.get(4..8)?.try_into().ok()?);
                wav.bits = two(14)?;
            } else if name == b"data" {
                wav.pcm = body.to_vec();
                return (wav.step() > 0 && wav.rate > 0).then_some(wav);
            }
            rest = after.get(size + size % 2..).unwrap_or_default();
        }
        None
    }
}

/// The 14 bytes of a `fmt ` chunk from the channels on.
pub fn format_fields(channels: u16, rate: u32, bits: u16) -> Vec<u8> {
    let step = channels * (bits / 8);
    let mut fields = channels.to_le_bytes().to_vec();
    fields.extend(rate.to_le_bytes());
    fields.extend((rate * u32::from(step)).to_le_bytes());
    fields.extend(step.to_le_bytes());
    fields.extend(bits.to_le_bytes());
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_file_is_a_file() {
        let wav = Wav { channels: 2, rate: 10, bits: 24, pcm: (0..180).collect() };
        assert_eq!(wav.frames(), 30);
        let short = Wav::parse(&wav.beginning(2)).unwrap();
        assert_eq!(short, Wav { pcm: (0..120).collect(), ..wav });
        assert_eq!(short.beginning(5), short.whole(), "no more than there is");
    }

    #[test]
    fn what_is_no_wav_is_not_read() {
        for bytes in [&b""[..], b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEdata\x02\0\0\0ab"] {
            assert_eq!(Wav::parse(bytes), None);
        }
    }
}
