//! What the client meant to send: the input is parsed and its samples are digested on their way out, once, however often
//! parts of it are sent. The service cannot tell whether other audio came after a resume; this can.

use md5::{Digest as _, Md5};

use crate::wav::{Format, Parser, PcmFormat, Piece, Rules, Unpacker, WavError};

/// The digest of an input on its way.
pub struct Meant {
    source: Source,
    audio: Audio,
    /// Bytes of input taken.
    taken: u64,
}

enum Source {
    Wav(Box<Parser>),
    Pcm,
}

#[derive(Default)]
struct Audio {
    format: Option<Format>,
    unpacker: Option<Unpacker>,
    md5: Md5,
    /// Bytes of the input that were audio.
    bytes: u64,
    /// Bytes of samples as FLAC sees them.
    sample_bytes: u64,
}

/// What an input held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// The audio's format.
    pub format: Format,
    /// Samples per channel.
    pub samples: u64,
    /// MD5 of the samples as STREAMINFO has it (RFC 9639 §8.2).
    pub md5: [u8; 16],
}

impl Meant {
    /// The digest of a WAV file, or of headerless audio.
    pub fn new(pcm: Option<PcmFormat>, rules: Rules) -> Self {
        let mut audio = Audio::default();
        let source = match pcm {
            Some(pcm) => {
                audio.begin(Format::from(pcm));
                Source::Pcm
            }
            None => Source::Wav(Box::new(Parser::new(rules))),
        };
        Self { source, audio, taken: 0 }
    }

    /// Takes what is sent from the place `at` of the input on; what was taken before is passed over.
    pub fn take(&mut self, at: u64, bytes: &[u8]) -> Result<(), WavError> {
        let known = usize::try_from(self.taken.saturating_sub(at)).unwrap_or(usize::MAX);
        let Some(bytes) = bytes.get(known..) else { return Ok(()) };
        self.taken += bytes.len() as u64;
        let audio = &mut self.audio;
        match &mut self.source {
            Source::Wav(parser) => parser.push(bytes, &mut |piece| audio.take(&piece)),
            Source::Pcm => audio.take(&Piece::Audio(bytes)),
        }
    }

    /// The input has ended.
    pub fn finish(self) -> Result<Sound, WavError> {
        let mut audio = self.audio;
        if let Source::Wav(parser) = self.source {
            parser.finish(&mut |piece| audio.take(&piece))?;
        } else if self.taken == 0 {
            return Err(WavError::Empty);
        }
        // A parser that ends well has told the format.
        let format = audio.format.ok_or(WavError::Empty)?;
        let step = u64::from(format.channels) * u64::from(format.bits_per_sample.div_ceil(8));
        Ok(Sound { format, samples: audio.sample_bytes / step.max(1), md5: audio.md5.finalize().into() })
    }

    /// The audio's format, once it is known.
    pub fn format(&self) -> Option<&Format> {
        self.audio.format.as_ref()
    }

    /// Seconds of audio taken so far.
    #[allow(clippy::cast_precision_loss)] // beyond 2^53 bytes the clock is off by a sample
    pub fn seconds(&self) -> f64 {
        self.format().map_or(0.0, |format| {
            let rate = format.block_align().max(1) as f64 * f64::from(format.sample_rate);
            self.audio.bytes as f64 / rate
        })
    }

    /// Bytes of input for so many seconds of audio, once its format is known.
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)] // saturates
    pub fn bytes_for(&self, seconds: f64) -> Option<usize> {
        let format = self.format()?;
        Some(((f64::from(format.sample_rate) * seconds) as usize).max(1).saturating_mul(format.block_align().max(1)))
    }
}

impl Audio {
    fn begin(&mut self, format: Format) {
        self.unpacker = Some(Unpacker::new(&format));
        self.format = Some(format);
    }

    fn take(&mut self, piece: &Piece<'_>) -> Result<(), WavError> {
        match piece {
            Piece::Format(format) => self.begin(*format),
            Piece::Audio(pcm) => {
                self.bytes += pcm.len() as u64;
                let (md5, sample_bytes) = (&mut self.md5, &mut self.sample_bytes);
                if let Some(unpacker) = &mut self.unpacker {
                    unpacker.pass(pcm, &mut |samples| {
                        md5.update(samples);
                        *sample_bytes += samples.len() as u64;
                        Ok::<(), WavError>(())
                    })?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::{Input, Options, convert_reader};
    use crate::support::{Random, Wav, music, wav_pcm};

    /// What a conversion of the same bytes says.
    fn converted(bytes: &[u8], pcm: Option<PcmFormat>) -> (u64, [u8; 16]) {
        let options = Options { input: pcm.map_or(Input::Auto, Input::Pcm), ..Options::default() };
        let summary = convert_reader(bytes, &mut Vec::new(), &options, &mut |_| ()).unwrap();
        (summary.samples, summary.md5)
    }

    #[test]
    fn it_is_the_conversion_s_digest_however_often_parts_are_sent() {
        for (channels, bits) in [(1, 8), (2, 16), (2, 24), (3, 20)] {
            let samples = music(3_000, channels.into(), bits, 3);
            let wide: Vec<i32> = samples.iter().map(|sample| sample << (bits.next_multiple_of(8) - bits)).collect();
            let pcm = wav_pcm(&wide, bits.next_multiple_of(8));
            let bits = u16::try_from(bits).unwrap();
            let headerless = PcmFormat::new(44_100, channels, bits).unwrap();
            let wav = Wav::new().fmt(channels, 44_100, bits.next_multiple_of(8)).chunk(b"data", &pcm).build();
            for (bytes, format) in [(wav, None), ([pcm, vec![1]].concat(), Some(headerless))] {
                let mut meant = Meant::new(format, Rules::default());
                let mut random = Random::new(9);
                let mut at = 0;
                while at < bytes.len() {
                    let end = (at + random.bits() as usize % 900 + 1).min(bytes.len());
                    meant.take(at as u64, &bytes[at..end]).unwrap();
                    // Now and then a connection is lost.
                    at = if random.bits().is_multiple_of(7) { end - (end - at) / 2 } else { end };
                }
                let sound = meant.finish().unwrap();
                assert_eq!((sound.samples, sound.md5), converted(&bytes, format), "{channels} {bits}");
            }
        }
    }

    #[test]
    fn it_keeps_time() {
        let wav = Wav::pcm(2, 8_000, 16, &vec![0; 16_000]);
        let mut meant = Meant::new(None, Rules::default());
        assert_eq!((meant.bytes_for(0.05), meant.format().is_some()), (None, false));
        meant.take(0, &wav[..44 + 8_000]).unwrap();
        assert!((meant.seconds() - 0.25).abs() < 1e-9);
        assert_eq!(meant.bytes_for(0.05), Some(1_600));
        assert_eq!(meant.bytes_for(0.0), Some(4));
    }

    #[test]
    fn what_is_no_audio_is_refused_as_a_conversion_refuses_it() {
        let take = |bytes: &[u8]| {
            let mut meant = Meant::new(None, Rules::default());
            meant.take(0, bytes).and_then(|()| meant.finish()).unwrap_err().code()
        };
        assert_eq!(take(b"hello, this is no audio"), "not_wav");
        assert_eq!(take(b""), "empty_input");
        let headerless = Meant::new(Some(PcmFormat::new(8_000, 1, 16).unwrap()), Rules::default());
        assert_eq!(headerless.finish().unwrap_err().code(), "empty_input");
    }
}
