//! Audio for tests: sounds made in code, as WAV and as the plain samples inside, and the checks of a FLAC file against
//! them with the reference decoder (`flac`) and a reader of STREAMINFO (RFC 9639, section 8.2).
//!
//! Nothing of the converter is used here: what these checks accept, two programs of other people agree on.

use std::f64::consts::TAU;
use std::io::{Cursor, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use md5::{Digest as _, Md5};

/// What the samples of a sound are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Channels, 1 to 8.
    pub channels: u16,
    /// Samples per second and channel.
    pub rate: u32,
    /// Bits per sample: 8, 16 or 24.
    pub bits: u16,
}

impl Shape {
    /// What a CD has: 44.1 kHz, 16 bits, stereo.
    pub const CD: Self = Self { channels: 2, rate: 44_100, bits: 16 };
    /// What a telephone recorder has: 8 kHz, 16 bits, mono.
    pub const VOICE: Self = Self { channels: 1, rate: 8_000, bits: 16 };
    /// What a studio has: 48 kHz, 24 bits, stereo.
    pub const STUDIO: Self = Self { channels: 2, rate: 48_000, bits: 24 };
}

/// A sound: interleaved samples and their shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Audio {
    shape: Shape,
    samples: Vec<i32>,
}

impl Audio {
    /// Partials with slow swells over a little noise: compresses about as music does.
    pub fn music(shape: Shape, seconds: f64, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let partials: Vec<(f64, f64, f64)> = (1..=6)
            .map(|n| (55.0 * f64::from(n) * (1.0 + random.unit()), 0.3 + random.unit(), 0.14 / f64::from(n)))
            .collect();
        Self::fill(shape, seconds, |channel, time| {
            let tone: f64 = partials
                .iter()
                .map(|(pitch, swell, level)| {
                    let phase = f64::from(channel) * 0.4;
                    level * (TAU * pitch * time + phase).sin() * (1.5 + (TAU * swell * time).sin())
                })
                .sum();
            tone + (random.unit() - 0.5) * 0.004
        })
    }

    /// One pitch on all channels.
    pub fn sine(shape: Shape, seconds: f64, pitch: f64) -> Self {
        Self::fill(shape, seconds, |_, time| 0.8 * (TAU * pitch * time).sin())
    }

    /// White noise at full scale: nothing can compress it.
    pub fn noise(shape: Shape, seconds: f64, seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self::fill(shape, seconds, |_, _| random.unit().mul_add(2.0, -1.0))
    }

    /// Samples from a function of the channel and the time in seconds to a level from -1 to 1.
    fn fill(shape: Shape, seconds: f64, mut level: impl FnMut(u16, f64) -> f64) -> Self {
        let top = f64::from((1_i32 << (shape.bits - 1)) - 1);
        let mut samples = Vec::new();
        let mut time = 0.0;
        let mut frame = 0_u32;
        while time < seconds {
            for channel in 0..shape.channels {
                // Clamped to the sample's range, so the cut is exact.
                #[allow(clippy::cast_possible_truncation)]
                samples.push((level(channel, time).clamp(-1.0, 1.0) * top) as i32);
            }
            frame += 1;
            time = f64::from(frame) / f64::from(shape.rate);
        }
        Self { shape, samples }
    }

    /// The shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Samples per channel.
    pub fn len(&self) -> u64 {
        (self.samples.len() / usize::from(self.shape.channels)) as u64
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The sound as a WAV file, written by `hound` (EXTENSIBLE above two channels or 16 bits).
    pub fn wav(&self) -> Result<Vec<u8>> {
        let spec = hound::WavSpec {
            channels: self.shape.channels,
            sample_rate: self.shape.rate,
            bits_per_sample: self.shape.bits,
            sample_format: hound::SampleFormat::Int,
        };
        let mut file = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut file, spec)?;
        for sample in &self.samples {
            writer.write_sample(*sample)?;
        }
        writer.finalize()?;
        Ok(file.into_inner())
    }

    /// The samples as signed little-endian bytes, interleaved: what FLAC's MD5 is taken of, and what
    /// `flac --force-raw-format` writes.
    pub fn pcm(&self) -> Vec<u8> {
        let width = usize::from(self.shape.bits / 8);
        self.samples.iter().flat_map(|sample| sample.to_le_bytes().into_iter().take(width)).collect()
    }

    /// MD5 of [`Self::pcm`].
    pub fn md5(&self) -> [u8; 16] {
        Md5::digest(self.pcm()).into()
    }

    /// Fails unless the bytes are a FLAC file with exactly these samples and a whole, right STREAMINFO.
    pub fn check_flac(&self, flac: &[u8]) -> Result<()> {
        let mut file = tempfile::Builder::new().suffix(".flac").tempfile()?;
        file.write_all(flac)?;
        self.check_flac_file(file.path())
    }

    /// [`Self::check_flac`] for a file.
    pub fn check_flac_file(&self, path: &Path) -> Result<()> {
        let info = StreamInfo::read(&std::fs::read(path).with_context(|| format!("read {}", path.display()))?)?;
        ensure!(info.shape == self.shape, "STREAMINFO says {:?}, the source is {:?}", info.shape, self.shape);
        ensure!(info.samples == self.len(), "STREAMINFO says {} samples, the source has {}", info.samples, self.len());
        ensure!(info.md5 == self.md5(), "STREAMINFO's MD5 is not that of the source's samples");
        flac_test(path)?;
        ensure!(flac_decode(path)? == self.pcm(), "{} decodes to other samples than the source's", path.display());
        Ok(())
    }
}

/// The body of a FLAC file's first metadata block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    /// Channels, sample rate and bits.
    pub shape: Shape,
    /// Samples per channel; 0 for unknown.
    pub samples: u64,
    /// MD5 of the samples; all 0 for unknown.
    pub md5: [u8; 16],
}

impl StreamInfo {
    /// Reads it from the start of a FLAC file.
    pub fn read(flac: &[u8]) -> Result<Self> {
        ensure!(flac.starts_with(b"fLaC"), "no FLAC file: it starts with {:?}", &flac[..flac.len().min(16)]);
        let (Some([kind, _, _, 34]), Some(body)) = (flac.get(4..8), flac.get(8..42)) else {
            bail!("no STREAMINFO of 34 bytes after fLaC");
        };
        let kind = kind % 128;
        ensure!(kind == 0, "the first metadata block is no STREAMINFO but of type {kind}");
        let packed = body[10..18].iter().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
        let field = |shift: u32, bits: u32| (packed >> shift) & ((1 << bits) - 1);
        Ok(Self {
            shape: Shape {
                rate: u32::try_from(field(44, 20))?,
                channels: u16::try_from(field(41, 3))? + 1,
                bits: u16::try_from(field(36, 5))? + 1,
            },
            samples: field(0, 36),
            md5: body[18..].try_into()?,
        })
    }
}

/// Fails unless each of these files is a FLAC file of exactly its source's samples: its STREAMINFO has their MD5, and `flac -t`,
/// which compares that with what it decodes, accepts it.
pub fn check_flac_files(files: &[(&Audio, &Path)]) -> Result<()> {
    for (audio, path) in files {
        let info = StreamInfo::read(&std::fs::read(path).with_context(|| format!("read {}", path.display()))?)?;
        let is = (info.shape, info.samples, info.md5);
        ensure!(is == (audio.shape, audio.len(), audio.md5()), "{} is of other audio: {info:?}", path.display());
    }
    for some in files.chunks(200) {
        let paths = some.iter().map(|(_, path)| path);
        let tested = Command::new("flac")
            .args(["--no-preserve-modtime", "--test", "--warnings-as-errors", "--silent"])
            .args(paths)
            .output()?;
        ensure!(tested.status.success(), "flac --test: {}", String::from_utf8_lossy(&tested.stderr));
    }
    Ok(())
}

/// Fails unless `flac -t` accepts the file without a warning.
pub fn flac_test(path: &Path) -> Result<()> {
    flac(&["--test", "--warnings-as-errors", "--silent"], path).map(drop)
}

/// The samples in the file as signed little-endian bytes, decoded by `flac`.
pub fn flac_decode(path: &Path) -> Result<Vec<u8>> {
    flac(&["--decode", "--silent", "--stdout", "--force-raw-format", "--endian=little", "--sign=signed"], path)
}

fn flac(args: &[&str], path: &Path) -> Result<Vec<u8>> {
    let output = Command::new("flac")
        // Else flac 1.4 sets, even in a test, the time of a file that it would have written: the source's WAV beside it.
        .arg("--no-preserve-modtime")
        .args(args)
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .context("run flac: install it (Debian's package `flac`)")?;
    ensure!(
        output.status.success(),
        "flac {} {}: {}\n{}",
        args.join(" "),
        path.display(),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}

/// A small generator of the same numbers at every run (xorshift64*).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// From 0 to 1.
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let top = u32::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32).unwrap_or_default();
        f64::from(top) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A FLAC file of the sound as the reference encoder makes it (in a file: to a pipe it writes no MD5).
    fn reference(audio: &Audio) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let wav = folder.path().join("sound.wav");
        std::fs::write(&wav, audio.wav().unwrap()).unwrap();
        flac(&["--silent"], &wav).unwrap();
        std::fs::read(wav.with_extension("flac")).unwrap()
    }

    #[test]
    fn every_shape_survives_the_reference_encoder() {
        for shape in [Shape::CD, Shape::VOICE, Shape::STUDIO, Shape { channels: 6, rate: 96_000, bits: 8 }] {
            let audio = Audio::music(shape, 0.3, 7);
            audio.check_flac(&reference(&audio)).unwrap_or_else(|error| panic!("{shape:?}: {error}"));
        }
    }

    #[test]
    fn other_samples_are_told_apart() {
        let audio = Audio::sine(Shape::CD, 0.1, 440.0);
        let flac = reference(&audio);
        let error = Audio::sine(Shape::CD, 0.1, 441.0).check_flac(&flac).unwrap_err();
        assert!(error.to_string().contains("MD5"), "{error}");
        let error = Audio::sine(Shape::CD, 0.2, 440.0).check_flac(&flac).unwrap_err();
        assert!(error.to_string().contains("samples"), "{error}");
        let error = Audio::sine(Shape::VOICE, 0.1, 440.0).check_flac(&flac).unwrap_err();
        assert!(error.to_string().contains("STREAMINFO says"), "{error}");
    }

    #[test]
    fn a_damaged_file_fails() {
        let audio = Audio::noise(Shape::CD, 0.1, 3);
        let mut flac = reference(&audio);
        let middle = flac.len() / 2;
        flac[middle] ^= 0x10;
        assert!(audio.check_flac(&flac).is_err());
        assert!(StreamInfo::read(b"fLaC").is_err());
        assert!(StreamInfo::read(b"RIFF....WAVE").is_err());
    }

    #[test]
    fn lengths_are_per_channel() {
        let audio = Audio::music(Shape::CD, 0.5, 1);
        assert_eq!(audio.len(), 22_050);
        assert_eq!(audio.pcm().len(), 22_050 * 4);
        assert!(!audio.is_empty());
    }
}
