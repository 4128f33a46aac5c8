//! Inputs of any kind: headerless PCM in every form, WAV files of every container with right and wrong claims, and the
//! samples that each of them must come to.

use converter::convert::{Float, Input, Length, Options, PcmFormat, Rules, ValidBits};
use converter::wav::{Endian, Justify, Sign};
use proptest::prelude::*;

use crate::harness::stream_options;
use crate::support::{Place, Wav, Wave64, extensible_body, fmt_fields, music, noise, pack};

/// How an input holds its samples.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    Pcm { bytes: usize, sign: Sign, endian: Endian, justify: Justify },
    Wav { bytes: usize, low: bool, container: Container, claim: Claim },
    Float { bytes: usize, container: Container, claim: Claim },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    Riff,
    Rf64,
    Wave64,
}

/// What a header says about the audio's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    Right,
    Zero,
    Unknown,
    TooLong,
    /// Right, and the caller says that it is.
    Header,
    /// Too short, but the caller says that the end of the input decides.
    Eof,
}

/// An input, how it is to be read, and what it holds.
#[derive(Debug, Clone)]
pub struct Sound {
    pub form: Form,
    pub channels: u16,
    pub bits: u32,
    pub rate: u32,
    /// Samples per channel.
    pub length: usize,
    pub loud: bool,
    /// Bytes that make no whole sample of every channel.
    pub odd: usize,
    pub seed: u64,
}

impl Sound {
    /// What the header claims, if there is one.
    pub fn claim(&self) -> Option<Claim> {
        match self.form {
            Form::Pcm { .. } => None,
            Form::Wav { claim, .. } | Form::Float { claim, .. } => Some(claim),
        }
    }

    /// The input's bytes, how it is converted, and the samples that come out.
    pub fn make(&self) -> (Vec<u8>, Options, Vec<i32>) {
        let count = usize::from(self.channels);
        let samples = if self.loud {
            noise(self.length, count, self.bits, self.seed)
        } else {
            music(self.length, count, self.bits, self.seed)
        };
        match self.form {
            Form::Pcm { bytes, sign, endian, justify } => self.pcm(samples, bytes, sign, endian, justify),
            Form::Wav { bytes, low, container, claim } => {
                let width = 8 * bytes as u16;
                let place = if low { Place::Low } else { Place::High };
                let data = self.with_odd(pack(&samples, self.bits, bytes, place), bytes);
                let fmt = if u32::from(width) == self.bits {
                    fmt_fields(1, self.channels, self.rate, self.channels * width / 8, width)
                } else {
                    extensible_body(self.channels, self.rate, width, self.bits as u16, 0, 1)
                };
                let valid_bits = if low { ValidBits::Low } else { ValidBits::Declared };
                let rules = Rules { valid_bits, length: length(claim), float: Float::Refuse };
                (file(container, claim, &fmt, &data), Options { rules, ..stream_options() }, samples)
            }
            Form::Float { bytes, container, claim } => self.float(&samples, bytes, container, claim),
        }
    }

    fn pcm(
        &self,
        samples: Vec<i32>,
        bytes: usize,
        sign: Sign,
        endian: Endian,
        justify: Justify,
    ) -> (Vec<u8>, Options, Vec<i32>) {
        let format = PcmFormat::new(self.rate, self.channels, self.bits as u16).unwrap();
        let format = format.in_containers(bytes as u8).unwrap().with_sign(sign).with_endian(endian).justified(justify);
        let mut data = Vec::new();
        for sample in &samples {
            let offset = if sign == Sign::Unsigned { 1_i128 << (self.bits - 1) } else { 0 };
            let shift = if justify == Justify::High { 8 * bytes as u32 - self.bits } else { 0 };
            let mut container = ((i128::from(*sample) + offset) << shift).to_le_bytes();
            if endian == Endian::Big {
                container[..bytes].reverse();
            }
            data.extend(&container[..bytes]);
        }
        let data = self.with_odd(data, bytes);
        (data, Options { input: Input::Pcm(format), ..stream_options() }, samples)
    }

    /// Some samples are louder than full scale, or no numbers.
    fn float(&self, samples: &[i32], bytes: usize, container: Container, claim: Claim) -> (Vec<u8>, Options, Vec<i32>) {
        let full = f64::from(1_u32 << (self.bits - 1));
        let (mut data, mut rounded) = (Vec::new(), Vec::new());
        for (number, sample) in samples.iter().enumerate() {
            let value = match number as u64 % (7 + self.seed % 5) {
                0 => f64::from(*sample) / full * 1.75,
                1 => f64::NAN,
                2 => -1.5,
                _ => f64::from(*sample) / full * 0.9,
            };
            let value = if bytes == 4 { f64::from(value as f32) } else { value };
            if bytes == 4 {
                data.extend((value as f32).to_le_bytes());
            } else {
                data.extend(value.to_le_bytes());
            }
            rounded.push((value * full).round_ties_even().clamp(-full, full - 1.0) as i32);
        }
        let data = self.with_odd(data, bytes);
        let width = 8 * bytes as u16;
        let fmt = fmt_fields(3, self.channels, self.rate, self.channels * width / 8, width);
        let float = if self.bits == 16 { Float::To16 } else { Float::To24 };
        let rules = Rules { valid_bits: ValidBits::Declared, length: length(claim), float };
        (file(container, claim, &fmt, &data), Options { rules, ..stream_options() }, rounded)
    }

    /// With the beginning of one more sample.
    fn with_odd(&self, mut data: Vec<u8>, bytes: usize) -> Vec<u8> {
        data.extend(vec![0; self.odd % (bytes * usize::from(self.channels))]);
        data
    }
}

fn length(claim: Claim) -> Length {
    match claim {
        Claim::Header => Length::Header,
        Claim::Eof => Length::Eof,
        _ => Length::Auto,
    }
}

/// A file with tags before its audio, and after it too where its end is known.
fn file(container: Container, claim: Claim, fmt: &[u8], data: &[u8]) -> Vec<u8> {
    let title = b"INFOINAM\x06\0\0\0Before";
    let cue = [1_u32, 7, 0, u32::from_le_bytes(*b"data"), 0, 0, 3].map(u32::to_le_bytes).concat();
    let artist = b"INFOIART\x06\0\0\0Behind";
    let labels = b"adtllabl\x08\0\0\0\x07\0\0\0cue\0";
    let ends = matches!(claim, Claim::Right | Claim::Header);
    let claimed = match claim {
        Claim::Right | Claim::Header => data.len() as u64,
        Claim::Zero => 0,
        Claim::Unknown => u64::MAX,
        Claim::TooLong => data.len() as u64 + 1_000_000,
        Claim::Eof => data.len() as u64 / 3,
    };
    match container {
        Container::Wave64 => {
            let size = if claim == Claim::Unknown { u64::MAX } else { claimed + 24 };
            // A size of 0 would be a chunk without a body.
            let size = if claim == Claim::Zero { 24 } else { size };
            let file = Wave64::new().chunk(b"list", title).chunk(b"fmt ", fmt).head(b"data", size).raw(data);
            if ends {
                let padding = vec![0; data.len().wrapping_neg() % 8];
                file.raw(&padding).chunk(b"list", artist).build()
            } else {
                file.build()
            }
        }
        Container::Riff | Container::Rf64 => {
            let file = if container == Container::Riff {
                Wav::new()
            } else {
                Wav::rf64(b"RF64", claimed, &[(*b"LIST", artist.len() as u64), (*b"bext", 700)])
            };
            let size = match container {
                Container::Riff => claimed.min(u32::MAX.into()) as u32,
                _ => u32::MAX,
            };
            let file =
                file.chunk(b"LIST", title).chunk(b"cue ", &cue).chunk(b"fmt ", fmt).head(b"data", size).raw(data);
            if !ends {
                return file.build();
            }
            let file = file.raw(&vec![0; data.len() % 2]).chunk(b"LIST", labels);
            if container == Container::Riff {
                file.chunk(b"JUNK", &[5; 99]).chunk(b"LIST", artist).build()
            } else {
                // Its size stands in the ds64.
                file.head(b"LIST", u32::MAX).raw(artist).raw(&vec![0; artist.len() % 2]).build()
            }
        }
    }
}

fn containers() -> impl Strategy<Value = Container> {
    prop_oneof![3 => Just(Container::Riff), 1 => Just(Container::Rf64), 1 => Just(Container::Wave64)]
}

fn claims() -> impl Strategy<Value = Claim> {
    prop_oneof![
        3 => Just(Claim::Right),
        1 => Just(Claim::Zero),
        2 => Just(Claim::Unknown),
        1 => Just(Claim::TooLong),
        1 => Just(Claim::Header),
        1 => Just(Claim::Eof),
    ]
}

/// A form, and the bits of its samples.
fn forms() -> impl Strategy<Value = (Form, u32)> {
    let pcm = (4..=32_u32, 0..=4_usize, any::<[bool; 3]>()).prop_map(|(bits, spare, [sign, endian, justify])| {
        let form = Form::Pcm {
            bytes: (bits.div_ceil(8) as usize + spare).min(8),
            sign: if sign { Sign::Signed } else { Sign::Unsigned },
            endian: if endian { Endian::Little } else { Endian::Big },
            justify: if justify { Justify::High } else { Justify::Low },
        };
        (form, bits)
    });
    let widths = prop_oneof![
        Just((8, 1)),
        Just((16, 2)),
        Just((24, 3)),
        Just((32, 4)),
        Just((20, 3)),
        Just((20, 4)),
        Just((24, 4)),
        Just((12, 2)),
    ];
    let wav = (widths, any::<bool>(), containers(), claims()).prop_map(|((bits, bytes), low, container, claim)| {
        let low = low && bits < 8 * bytes as u32;
        (Form::Wav { bytes, low, container, claim }, bits)
    });
    let float = (prop_oneof![Just(4), Just(8)], prop_oneof![Just(16), Just(24)], containers(), claims())
        .prop_map(|(bytes, bits, container, claim)| (Form::Float { bytes, container, claim }, bits));
    prop_oneof![3 => pcm, 5 => wav, 2 => float]
}

/// Inputs of some blocks of this size.
pub fn sounds(block_size: u16, blocks: usize) -> impl Strategy<Value = Sound> {
    let most = usize::from(block_size) * blocks;
    (forms(), 1..=8_u16, 1..=200_000_u32, 0..=most, any::<bool>(), 0..40_usize, 1..1000_u64).prop_map(
        |((form, bits), channels, rate, length, loud, odd, seed)| {
            // Where there is no audio, claims cannot be told from a cut-off header.
            let length = length.max(1);
            Sound { form, channels, bits, rate, length, loud, odd, seed }
        },
    )
}
