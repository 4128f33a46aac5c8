//! `libflac-peer LEVEL [-V] FOLDER INPUT...`: encodes WAV files with libFLAC as the `flac` program of the same version
//! does, for the bench to measure beside the converter.
//!
//! Debian's `flac` is years older and takes up to 1.7 times as long as 1.5.0. What `flac` does at `-0` to `-8` is one call,
//! and so are its other defaults: the streamable subset, one thread, 8 KiB of padding, MD5.

// The C library can be called in no other way.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::ptr::NonNull;

use anyhow::{Context as _, bail, ensure};
use libflac_sys as ffi;

/// Bytes of padding that `flac` leaves behind the metadata.
const PADDING: u32 = 8192;
/// Samples of each channel that are read, converted and encoded at once.
const CHUNK: usize = 4096;

fn main() -> ExitCode {
    match encode_all(std::env::args_os().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("libflac-peer: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What is asked for.
struct Order {
    level: u32,
    verify: bool,
    input: PathBuf,
    output: PathBuf,
}

/// Encodes what the command line asks for.
fn encode_all(words: impl Iterator<Item = OsString>) -> anyhow::Result<()> {
    let mut words: Vec<OsString> = words.collect();
    if words.iter().any(|word| word == "--version") {
        // SAFETY: the library's version is a constant, NUL-terminated C string that nothing writes to.
        let version = unsafe { CStr::from_ptr(ffi::FLAC__VERSION_STRING) };
        println!("libFLAC {}", version.to_string_lossy());
        return Ok(());
    }
    let flags = words.len();
    words.retain(|word| word != "-V");
    let verify = words.len() < flags;
    let [level, folder, inputs @ ..] = words.as_slice() else {
        bail!("usage: libflac-peer LEVEL [-V] FOLDER INPUT...");
    };
    let level = level.to_str().and_then(|level| level.parse().ok()).context("the level is a number, 0 to 8")?;
    for input in inputs {
        let name = Path::new(input).with_extension("flac");
        let output = Path::new(folder).join(name.file_name().context("an input has a name")?);
        Order { level, verify, input: input.into(), output }.encode()?;
    }
    Ok(())
}

impl Order {
    fn encode(&self) -> anyhow::Result<()> {
        let mut input = File::open(&self.input).with_context(|| format!("cannot open {}", self.input.display()))?;
        let format = Format::read(&mut input)?;
        let mut encoder = Encoder::new(self, &format)?;
        let sample = usize::from(format.bits / 8);
        let mut bytes = vec![0; CHUNK * usize::from(format.channels) * sample];
        let mut samples = Vec::with_capacity(CHUNK * usize::from(format.channels));
        let mut left = format.bytes;
        while left > 0 {
            let wanted = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let bytes = bytes.get_mut(..wanted).context("a chunk is never larger than its buffer")?;
            input.read_exact(bytes).context("the file ends early")?;
            left -= wanted as u64;
            samples.clear();
            match format.bits {
                16 => samples.extend(bytes.as_chunks().0.iter().map(|bytes| i32::from(i16::from_le_bytes(*bytes)))),
                24 => {
                    let samples_24 = bytes.as_chunks().0.iter();
                    samples.extend(samples_24.map(|[a, b, c]| i32::from_le_bytes([0, *a, *b, *c]) >> 8));
                }
                bits => bail!("{bits} bits a sample are not in the bench"),
            }
            encoder.process(&samples)?;
        }
        encoder.finish()
    }
}

/// What a WAV file holds.
struct Format {
    channels: u16,
    rate: u32,
    bits: u16,
    /// Of audio.
    bytes: u64,
}

impl Format {
    /// Reads up to the first sample.
    fn read(file: &mut impl Read) -> anyhow::Result<Self> {
        let mut riff = [0; 12];
        file.read_exact(&mut riff)?;
        ensure!(riff.starts_with(b"RIFF") && riff.ends_with(b"WAVE"), "no WAV file");
        let mut format = None;
        loop {
            let mut head = [0; 8];
            file.read_exact(&mut head)?;
            let [name @ .., a, b, c, d] = head;
            let size = u32::from_le_bytes([a, b, c, d]);
            if &name == b"data" {
                let (channels, rate, bits) = format.context("no format")?;
                let step = u64::from(channels) * u64::from(bits / 8);
                ensure!(step > 0, "no channels or no bits");
                return Ok(Self { channels, rate, bits, bytes: u64::from(size) / step * step });
            }
            let mut body = vec![0; (size as usize).next_multiple_of(2)];
            file.read_exact(&mut body)?;
            if &name == b"fmt " {
                let Some([_, _, c0, c1, r0, r1, r2, r3, _, _, _, _, _, _, b0, b1]) = body.first_chunk() else {
                    bail!("a short format");
                };
                format = Some((
                    u16::from_le_bytes([*c0, *c1]),
                    u32::from_le_bytes([*r0, *r1, *r2, *r3]),
                    u16::from_le_bytes([*b0, *b1]),
                ));
            }
        }
    }
}

/// libFLAC's encoder, between its making and its end.
struct Encoder {
    this: NonNull<ffi::FLAC__StreamEncoder>,
    padding: NonNull<ffi::FLAC__StreamMetadata>,
    channels: usize,
}

impl Encoder {
    fn new(order: &Order, format: &Format) -> anyhow::Result<Self> {
        // SAFETY: these two take no pointers; what they give is checked, and deleted once, by `drop`.
        let (this, padding) = unsafe {
            (
                NonNull::new(ffi::FLAC__stream_encoder_new()),
                NonNull::new(ffi::FLAC__metadata_object_new(ffi::FLAC__METADATA_TYPE_PADDING)),
            )
        };
        let (this, padding) = (this.context("no memory")?, padding.context("no memory")?);
        let encoder = Self { this, padding, channels: usize::from(format.channels) };
        let samples = format.bytes / u64::from(format.channels * (format.bits / 8));
        let this = this.as_ptr();
        // SAFETY: `padding` is a live metadata block that nothing else refers to.
        unsafe { (*padding.as_ptr()).length = PADDING };
        let mut blocks = [padding.as_ptr()];
        // SAFETY: `this` is a live encoder that is not initialised yet. The library copies the array of blocks, and the
        // block in it lives as long as the encoder.
        let set = unsafe {
            ffi::FLAC__stream_encoder_set_compression_level(this, order.level) != 0
                && ffi::FLAC__stream_encoder_set_streamable_subset(this, 1) != 0
                && ffi::FLAC__stream_encoder_set_verify(this, i32::from(order.verify)) != 0
                && ffi::FLAC__stream_encoder_set_channels(this, u32::from(format.channels)) != 0
                && ffi::FLAC__stream_encoder_set_bits_per_sample(this, u32::from(format.bits)) != 0
                && ffi::FLAC__stream_encoder_set_sample_rate(this, format.rate) != 0
                && ffi::FLAC__stream_encoder_set_total_samples_estimate(this, samples) != 0
                && ffi::FLAC__stream_encoder_set_metadata(this, blocks.as_mut_ptr(), 1) != 0
        };
        ensure!(set, "libFLAC refuses the settings");
        encoder.open(&order.output)?;
        Ok(encoder)
    }

    fn open(&self, output: &Path) -> anyhow::Result<()> {
        let name = CString::new(output.as_os_str().as_bytes())?;
        // SAFETY: the encoder is live and not initialised; the name is a C string that outlives the call; no callback.
        let status = unsafe {
            ffi::FLAC__stream_encoder_init_file(self.this.as_ptr(), name.as_ptr(), None, std::ptr::null_mut())
        };
        ensure!(status == ffi::FLAC__STREAM_ENCODER_INIT_STATUS_OK, "libFLAC does not start: status {status}");
        Ok(())
    }

    /// Encodes interleaved samples, as many of each channel.
    fn process(&mut self, samples: &[i32]) -> anyhow::Result<()> {
        let each = u32::try_from(samples.len() / self.channels)?;
        // SAFETY: the encoder is live and initialised, and reads `each` times the channels it was told, which is at
        // most the slice's length.
        let done = unsafe { ffi::FLAC__stream_encoder_process_interleaved(self.this.as_ptr(), samples.as_ptr(), each) };
        ensure!(done != 0, "libFLAC fails in state {}", self.state());
        Ok(())
    }

    fn finish(self) -> anyhow::Result<()> {
        // SAFETY: the encoder is live.
        let done = unsafe { ffi::FLAC__stream_encoder_finish(self.this.as_ptr()) };
        ensure!(done != 0, "libFLAC fails at the end in state {}", self.state());
        Ok(())
    }

    fn state(&self) -> ffi::FLAC__StreamEncoderState {
        // SAFETY: the encoder is live.
        unsafe { ffi::FLAC__stream_encoder_get_state(self.this.as_ptr()) }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: both are live and never used after this; the encoder, which refers to the padding, goes first.
        unsafe {
            ffi::FLAC__stream_encoder_delete(self.this.as_ptr());
            ffi::FLAC__metadata_object_delete(self.padding.as_ptr());
        }
    }
}
