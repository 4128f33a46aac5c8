//! Whether a FLAC file holds what a WAV file holds: asked before the WAV file goes, whoever made the FLAC file.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};

use md5::{Digest as _, Md5};

use crate::convert::ConvertError;
use crate::flac::{Decoded, decode};
use crate::restore::{RestoreError, restore};
use crate::wav::{Format, Parser, Piece, Rules, Unpacker, WavError};

/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// Why a FLAC file is not as good as a WAV file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Difference {
    /// It holds other samples, or the same in another form.
    #[error("the FLAC has other samples")]
    Samples,
    /// Another file would be restored from it.
    #[error("what the FLAC is restored to is another file")]
    Bytes,
    /// No file can be restored from it.
    #[error("the FLAC cannot be restored to it: {0}")]
    NotRestorable(RestoreError),
    /// It could not be decoded.
    #[error("the FLAC cannot be decoded: {0}")]
    Undecodable(String),
    /// The WAV file could not be read, or is none any more.
    #[error("it cannot be read: {0}")]
    Source(String),
}

/// Whether the very same file as `source`, byte for byte, is restored from the FLAC file.
pub(crate) fn same_bytes(flac: &File, source: &File) -> Result<(), Difference> {
    let mut comparing = Comparing { source, piece: Vec::new(), differs: false };
    match restore(flac, &mut comparing) {
        Err(RestoreError::Output(_)) if comparing.differs => return Err(Difference::Bytes),
        Err(RestoreError::Output(error)) => return Err(Difference::Source(error.to_string())),
        Err(error) => return Err(Difference::NotRestorable(error)),
        Ok(_) => {}
    }
    // Nothing may be left of the source.
    match io::Read::read(&mut &*source, &mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(Difference::Bytes),
        Err(error) => Err(Difference::Source(error.to_string())),
    }
}

/// Compares what is written with what a file holds from where it is read.
struct Comparing<'a> {
    source: &'a File,
    piece: Vec<u8>,
    differs: bool,
}

impl Write for Comparing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.resize(bytes.len(), 0);
        let mut source = self.source;
        let same = match source.read_exact(&mut self.piece) {
            Ok(()) => self.piece == bytes,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
            Err(error) => return Err(error),
        };
        self.differs = !same;
        if same { Ok(bytes.len()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether the FLAC file decodes to the samples of `source`, read by those rules.
pub(crate) fn same_samples(flac: &File, source: &File, rules: Rules) -> Result<(), Difference> {
    let decoded =
        decode(BufReader::with_capacity(PIECE, flac)).map_err(|error| Difference::Undecodable(error.to_string()))?;
    let (format, samples, md5) = samples_of(source, rules).map_err(|error| Difference::Source(error.to_string()))?;
    let Decoded { channels, sample_rate, bits_per_sample, .. } = decoded;
    let shape = (channels, sample_rate, bits_per_sample);
    let same = shape == (format.channels, format.sample_rate, format.bits_per_sample.into())
        && (decoded.samples, decoded.md5) == (samples, md5);
    if same { Ok(()) } else { Err(Difference::Samples) }
}

/// The format, samples per channel and MD5 of what a WAV file holds.
fn samples_of(mut source: &File, rules: Rules) -> Result<(Format, u64, [u8; 16]), ConvertError> {
    let mut parser = Parser::new(rules);
    let mut audio: Option<(Format, Unpacker)> = None;
    let (mut md5, mut bytes) = (Md5::new(), 0);
    let mut take = |piece: Piece<'_>| -> Result<(), ConvertError> {
        match (piece, &mut audio) {
            (Piece::Format(format), None) => audio = Some((format, Unpacker::new(&format))),
            (Piece::Audio(pcm), Some((_, unpacker))) => unpacker.pass(pcm, &mut |samples| {
                md5.update(samples);
                bytes += samples.len() as u64;
                Ok::<(), WavError>(())
            })?,
            _ => {}
        }
        Ok(())
    };
    let mut piece = vec![0; PIECE];
    loop {
        match source.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => parser.push(piece.get(..count).unwrap_or_default(), &mut take)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ConvertError::Input(error)),
        }
    }
    parser.finish(&mut take)?;
    let (format, _) = audio.ok_or(ConvertError::Finished)?;
    let step = u64::from(format.channels) * u64::from(format.bits_per_sample.div_ceil(8));
    Ok((format, bytes.checked_div(step).unwrap_or(0), md5.finalize().into()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::convert::{Metadata, Options};
    use crate::file::{Existing, FileOptions, Times, Verify, convert_file};
    use crate::support::{Wav, music, wav_pcm};

    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn wav(&self, name: &str, seed: u64, tail: &[u8]) -> File {
            let pcm = wav_pcm(&music(9000, 2, 16, seed), 16);
            let wav = Wav::new().fmt(2, 44_100, 16).chunk(b"data", &pcm).chunk(b"mine", tail).build();
            fs::write(self.path(name), wav).unwrap();
            File::open(self.path(name)).unwrap()
        }

        fn flac(&self, wav: &str, keep: Metadata) -> File {
            let mut convert = Options::default();
            convert.metadata.keep = keep;
            let (existing, times) = (Existing::Replace, Times::Source);
            let options = FileOptions { convert, verify: Verify::No, existing, times };
            convert_file(&self.path(wav), &self.path("out.flac"), &options, &mut |_| {}).unwrap();
            File::open(self.path("out.flac")).unwrap()
        }
    }

    #[test]
    fn the_same_file_and_no_other() {
        let place = Place::new();
        let open = |name| File::open(place.path(name)).unwrap();
        place.wav("a.wav", 1, b"tail");
        let flac = || place.flac("a.wav", Metadata::Foreign);
        same_bytes(&flac(), &open("a.wav")).unwrap();
        same_samples(&flac(), &open("a.wav"), Rules::default()).unwrap();
        // Other samples, other metadata, more, less.
        place.wav("samples.wav", 2, b"tail");
        place.wav("metadata.wav", 1, b"tael");
        let bytes = fs::read(place.path("a.wav")).unwrap();
        fs::write(place.path("longer.wav"), [bytes.as_slice(), &[0]].concat()).unwrap();
        fs::write(place.path("shorter.wav"), &bytes[..bytes.len() - 1]).unwrap();
        for other in ["samples.wav", "metadata.wav", "longer.wav", "shorter.wav"] {
            let difference = same_bytes(&flac(), &open(other)).unwrap_err();
            assert!(matches!(difference, Difference::Bytes), "{other}: {difference}");
        }
        let difference = same_samples(&flac(), &open("samples.wav"), Rules::default()).unwrap_err();
        assert!(matches!(difference, Difference::Samples), "{difference}");
        same_samples(&flac(), &open("metadata.wav"), Rules::default()).unwrap();
    }

    #[test]
    fn what_cannot_be_read_or_restored_is_not_the_same() {
        let place = Place::new();
        place.wav("a.wav", 1, b"tail");
        let source = || File::open(place.path("a.wav")).unwrap();
        let difference = same_bytes(&place.flac("a.wav", Metadata::Tags), &source()).unwrap_err();
        assert!(matches!(difference, Difference::NotRestorable(_)), "{difference}");
        let mut damaged = fs::read(place.path("out.flac")).unwrap();
        let middle = damaged.len() - 3000;
        damaged[middle] ^= 1;
        fs::write(place.path("damaged.flac"), damaged).unwrap();
        let flac = File::open(place.path("damaged.flac")).unwrap();
        let difference = same_samples(&flac, &source(), Rules::default()).unwrap_err();
        assert!(matches!(difference, Difference::Undecodable(_)), "{difference}");
        fs::write(place.path("no.wav"), b"nothing").unwrap();
        let no = File::open(place.path("no.wav")).unwrap();
        let difference = same_samples(&place.flac("a.wav", Metadata::Tags), &no, Rules::default()).unwrap_err();
        assert!(matches!(difference, Difference::Source(_)), "{difference}");
    }
}
