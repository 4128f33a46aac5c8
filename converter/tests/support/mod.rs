//! Fixtures made in code: sounds, and WAV files put together chunk by chunk, right and wrong ones alike.
//! The unit tests of `src/` and the tests beside this folder share them. `containers` writes RF64, Wave64 and samples
//! in containers of any width, `fixtures` has the catalogue of WAV files that the converter must take or refuse,
//! `signals` the sounds that xiph/flac tests with, `voice` one that speaks.

// Numbers here are small, and no test binary uses all of it.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    dead_code
)]

mod containers;
mod fixtures;
pub mod signals;
pub mod voice;

#[allow(unused_imports)] // no test binary uses all of them
pub use containers::{Place, Wave64, extensible_body, fmt_fields, pack};
#[allow(unused_imports)] // as above
pub use fixtures::{Fixture, Sound, distinct_files, fixtures};

/// A pseudo-random generator (xorshift64*): the same sounds on every machine and run.
pub struct Random(u64);

impl Random {
    /// A generator that starts at `seed`, which is not 0.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 32 bits.
    pub fn bits(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as u32
    }

    /// A number from -1 to 1.
    pub fn unit(&mut self) -> f64 {
        f64::from(self.bits()) / f64::from(u32::MAX) * 2.0 - 1.0
    }
}

/// Interleaved samples that behave like music: decaying partials, a little noise, related channels.
pub fn music(samples: usize, channels: usize, bits: u32, seed: u64) -> Vec<i32> {
    let mut random = Random::new(seed);
    let peak = f64::from(i32::MAX >> (32 - bits));
    let mut partials = [(0.0, 0.0); 6];
    let mut out = Vec::with_capacity(samples * channels);
    for time in 0..samples {
        if time % 11_025 == 0 {
            let base = 110.0 * 2_f64.powf(f64::from(random.bits() % 24) / 12.0);
            for (number, partial) in partials.iter_mut().enumerate() {
                *partial = (base * (number + 1) as f64, 0.3 / (number + 1) as f64);
            }
        }
        let decay = (-((time % 11_025) as f64) / 6_000.0).exp();
        for channel in 0..channels {
            let shift = channel as f64 * 0.3;
            let tone: f64 = partials
                .iter()
                .map(|(pitch, level)| level * (time as f64 / 44_100.0 * pitch * std::f64::consts::TAU + shift).sin())
                .sum();
            let sample = 0.8 * decay * tone + 0.002 * random.unit();
            out.push((sample * peak) as i32);
        }
    }
    out
}

/// Interleaved samples of full-scale noise: nothing can compress them.
pub fn noise(samples: usize, channels: usize, bits: u32, seed: u64) -> Vec<i32> {
    let mut random = Random::new(seed);
    (0..samples * channels).map(|_| (random.bits() as i32) >> (32 - bits)).collect()
}

/// Samples as WAV files hold them: 8 bits unsigned, more bits signed and little-endian.
pub fn wav_pcm(samples: &[i32], bits: u32) -> Vec<u8> {
    let mut pcm = signed_pcm(samples, bits);
    if bits == 8 {
        for byte in &mut pcm {
            *byte ^= 0x80;
        }
    }
    pcm
}

/// Samples as FLAC's MD5 sees them: signed, little-endian.
pub fn signed_pcm(samples: &[i32], bits: u32) -> Vec<u8> {
    let bytes = bits.div_ceil(8) as usize;
    samples.iter().flat_map(|sample| sample.to_le_bytes().into_iter().take(bytes)).collect()
}

/// A WAV file of more than 10 MB with 24 bits in containers of 32, one padding bit of which is set, in the middle; and
/// its samples with all 32 bits.
pub fn spoiled_padding() -> (Vec<u8>, Vec<i32>) {
    const SAMPLES: usize = 1_300_000;
    let fmt = extensible_body(2, 48_000, 32, 24, 3, 1);
    let mut samples: Vec<i32> = music(SAMPLES, 2, 24, 8).iter().map(|sample| sample << 8).collect();
    samples[SAMPLES + 1] |= 1;
    (Wav::new().chunk(b"fmt ", &fmt).chunk(b"data", &signed_pcm(&samples, 32)).build(), samples)
}

/// A WAV file in the making.
pub struct Wav {
    bytes: Vec<u8>,
}

impl Wav {
    /// `RIFF`, a length that is set by [`Wav::build`], `WAVE`.
    pub fn new() -> Self {
        Self { bytes: b"RIFF\0\0\0\0WAVE".to_vec() }
    }

    /// `RF64` (or `BW64`), the length that stands for a `ds64` chunk, `WAVE`, and that chunk, which gives the data
    /// chunk's size and those of the chunks in `table`.
    #[allow(clippy::trivially_copy_pass_by_ref)] // so that names are written b"RF64"
    pub fn rf64(tag: &[u8; 4], data_size: u64, table: &[([u8; 4], u64)]) -> Self {
        Self::rf64_of(tag, &containers::ds64_body(data_size, table))
    }

    /// The same with any body for the `ds64` chunk.
    #[allow(clippy::trivially_copy_pass_by_ref)] // so that names are written b"RF64"
    pub fn rf64_of(tag: &[u8; 4], ds64: &[u8]) -> Self {
        Self { bytes: [tag.as_slice(), &[0xFF; 4], b"WAVE"].concat() }.chunk(b"ds64", ds64)
    }

    /// A plain PCM file in one call.
    pub fn pcm(channels: u16, rate: u32, bits: u16, pcm: &[u8]) -> Vec<u8> {
        Self::new().fmt(channels, rate, bits).chunk(b"data", pcm).build()
    }

    /// A chunk, padded to an even length.
    #[allow(clippy::trivially_copy_pass_by_ref)] // so that names are written b"data"
    pub fn chunk(self, name: &[u8; 4], body: &[u8]) -> Self {
        let padding = vec![0; body.len() % 2];
        self.head(name, body.len() as u32).raw(body).raw(&padding)
    }

    /// A chunk's header with any length.
    #[allow(clippy::trivially_copy_pass_by_ref)] // so that names are written b"data"
    pub fn head(self, name: &[u8; 4], length: u32) -> Self {
        self.raw(name).raw(&length.to_le_bytes())
    }

    /// Any bytes.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// A `fmt ` chunk of plain PCM.
    pub fn fmt(self, channels: u16, rate: u32, bits: u16) -> Self {
        self.chunk(b"fmt ", &fmt_body(1, channels, rate, bits))
    }

    /// A `fmt ` chunk of WAVE_FORMAT_EXTENSIBLE with integer PCM.
    pub fn extensible(self, channels: u16, rate: u32, bits: u16, mask: u32) -> Self {
        let mut body = fmt_body(0xFFFE, channels, rate, bits);
        body.extend(22_u16.to_le_bytes());
        body.extend(bits.to_le_bytes());
        body.extend(mask.to_le_bytes());
        body.extend([1, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]);
        self.chunk(b"fmt ", &body)
    }

    /// The file, its RIFF length set.
    pub fn build(mut self) -> Vec<u8> {
        if self.bytes.starts_with(b"RIFF") {
            let length = (self.bytes.len() - 8) as u32;
            self.bytes[4..8].copy_from_slice(&length.to_le_bytes());
        }
        self.bytes
    }
}

/// The 16 bytes of a `fmt ` chunk, for whole bytes a sample.
pub fn fmt_body(tag: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
    let align = channels.wrapping_mul(bits.div_ceil(8));
    let mut body = Vec::new();
    body.extend(tag.to_le_bytes());
    body.extend(channels.to_le_bytes());
    body.extend(rate.to_le_bytes());
    body.extend(rate.wrapping_mul(align.into()).to_le_bytes());
    body.extend(align.to_le_bytes());
    body.extend(bits.to_le_bytes());
    body
}
