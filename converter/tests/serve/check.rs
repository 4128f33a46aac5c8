//! Test sounds, and whether a FLAC holds them: decoded by flac-codec, which shares no code with the encoder.

use flac_codec::decode::FlacSampleReader;
use md5::{Digest, Md5};

use crate::support::{Wav, music, noise, signed_pcm, wav_pcm};

/// A WAV and the samples in it.
pub struct Sound {
    pub wav: Vec<u8>,
    pub samples: Vec<i32>,
    pub channels: u16,
    pub bits: u16,
}

impl Sound {
    /// Something like music: `frames` samples per channel at 44.1 kHz.
    pub fn music(frames: usize, channels: u16, bits: u16) -> Self {
        Self::of(music(frames, channels.into(), bits.into(), 7), channels, bits)
    }

    /// Noise, whose FLAC is as large as its WAV.
    pub fn noise(frames: usize, channels: u16, bits: u16, seed: u64) -> Self {
        Self::of(noise(frames, channels.into(), bits.into(), seed), channels, bits)
    }

    fn of(samples: Vec<i32>, channels: u16, bits: u16) -> Self {
        let wav = Wav::pcm(channels, 44_100, bits, &wav_pcm(&samples, bits.into()));
        Self { wav, samples, channels, bits }
    }

    /// The audio without its header.
    pub fn pcm(&self) -> Vec<u8> {
        wav_pcm(&self.samples, self.bits.into())
    }

    /// Samples per channel.
    pub fn frames(&self) -> usize {
        self.samples.len() / usize::from(self.channels)
    }

    /// MD5 as FLAC has it.
    pub fn md5(&self) -> [u8; 16] {
        Md5::digest(signed_pcm(&self.samples, self.bits.into())).into()
    }

    /// Fails unless `flac` is complete and holds exactly this sound.
    pub fn assert_in(&self, flac: &[u8]) {
        assert_eq!(&flac[..4], b"fLaC");
        let info = &flac[8..42];
        let frames = u64::from_be_bytes(info[10..18].try_into().unwrap()) & 0xf_ffff_ffff;
        assert_eq!(usize::try_from(frames).unwrap(), self.frames(), "total samples in STREAMINFO");
        assert_eq!(info[18..34], self.md5(), "MD5 in STREAMINFO");
        assert!(decode(flac) == self.samples, "the samples differ");
    }
}

/// All samples of a FLAC, interleaved.
pub fn decode(flac: &[u8]) -> Vec<i32> {
    let mut samples = Vec::new();
    FlacSampleReader::new(flac).unwrap().read_to_end(&mut samples).unwrap();
    samples
}
